//! A node with a GPU beside the same cores.

use std::fmt::Write;

use crate::gpu::{Figures, GpuRow, WORKLOADS};
use crate::machine::Measured;

/// A row for each workload; one of a software adapter says that it is no figure of a GPU.
pub(super) fn table(measured: Option<&Measured<Vec<GpuRow>>>) -> String {
    let mut text = "### A node with a GPU\n\n".to_owned();
    if let Some(Measured { run, .. }) = measured {
        let _ = writeln!(
            text,
            "{}.\n\nPhotos of 12 megapixels from file to file with all their results, in batches on the GPU and on the same cores alone, in turn. In\n\
             parentheses is what the first release has to reach, and what is aimed at. The bound is what the cores could read and write if entropy\n\
             coding were all that they did.\n",
            run.line()
        );
    }
    text += "| work | adapter | GPU / cores alone | photos a second, GPU | cores alone | share of the bound |\n|---|---|---|---|---|---|\n";
    let rows = measured.map_or(&[][..], |measured| &measured.report);
    for workload in WORKLOADS {
        let (what, first, goal) = (workload.what, workload.first, workload.goal);
        let row = rows.iter().find(|row| row.name == workload.name);
        let Some((row, figures)) = row.and_then(|row| Some((row, row.figures?))) else {
            let _ = writeln!(text, "| {what} | none | not measured ({first:.1} / {goal:.1}) | | | |");
            continue;
        };
        let Figures { ours_gpu, ours_cpu, ratio, share_of_bound, .. } = figures;
        let adapter = row.adapter.as_deref().unwrap_or("unknown");
        let adapter = if row.is_software { format!("no GPU: {adapter} computes on the same cores") } else { adapter.to_owned() };
        let _ = writeln!(
            text,
            "| {what} | {adapter} | {ratio:.2} ({first:.1} / {goal:.1}) | {ours_gpu:.1} | {ours_cpu:.1} | {:.0} % |",
            share_of_bound * 100.0
        );
    }
    text
}

/// Whether a GPU was measured, and not what computes in place of one.
pub(super) fn is_measured(measured: Option<&Measured<Vec<GpuRow>>>) -> bool {
    measured.is_some_and(|measured| measured.report.iter().any(|row| row.figures.is_some() && !row.is_software))
}

/// Rows that a GPU has missed.
pub(super) fn missed(measured: Option<&Measured<Vec<GpuRow>>>) -> Vec<String> {
    let rows = measured.map_or(&[][..], |measured| &measured.report);
    let missed = rows.iter().filter(|row| !row.is_software).filter_map(|row| Some((row, row.figures?)));
    let missed = missed.filter(|(row, figures)| figures.ratio < row.first);
    missed
        .map(|(row, figures)| {
            let GpuRow { what, first, .. } = row;
            format!("{what}: {:.2} times as fast as the cores alone; {first:.1} was the target", figures.ratio)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    fn measured(is_software: bool) -> Measured<Vec<GpuRow>> {
        let figures = Figures { ours_gpu: 500.0, ours_cpu: 400.0, ratio: 1.25, entropy_bound: 1000.0, share_of_bound: 0.5 };
        let row = |workload: crate::gpu::Workload| GpuRow {
            name: workload.name.into(),
            what: workload.what.into(),
            first: workload.first,
            goal: workload.goal,
            adapter: Some("Example 1".into()),
            is_software,
            figures: Some(figures),
            not_measured: None,
        };
        Measured { run: run(false), report: WORKLOADS.map(row).to_vec() }
    }

    #[test]
    fn a_gpu_has_its_figures_and_what_it_missed() {
        let measured = measured(false);
        let text = table(Some(&measured));
        assert!(text.contains("| GPU node: B batched | Example 1 | 1.25 (1.5 / 2.3) | 500.0 | 400.0 | 50 % |"), "{text}");
        assert!(is_measured(Some(&measured)));
        assert_eq!(
            missed(Some(&measured))[1],
            "GPU node: five renditions: 1.25 times as fast as the cores alone; 2.5 was the target"
        );
    }

    #[test]
    fn what_computes_on_the_cores_is_no_gpu() {
        let measured = measured(true);
        assert_eq!(table(Some(&measured)).matches("no GPU: Example 1 computes on the same cores").count(), 2);
        assert!(!is_measured(Some(&measured)) && missed(Some(&measured)).is_empty());
    }

    #[test]
    fn without_a_run_every_row_is_there_and_not_measured() {
        assert_eq!(table(None).matches("not measured").count(), 2);
        assert!(!is_measured(None));
    }
}
