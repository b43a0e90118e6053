//! Photos on a GPU in batches, beside the same conversions on the cores of this machine, from file to file, as the executor does them.
//!
//! What entropy coding takes is a bound: it stays with the cores wherever the rest is done, so that no GPU makes more of it than they read and write.

use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use convertfly_jpeg::{Coding, Limits, Packed, WriteOptions};
use convertfly_worker::engines::image::decodes::Share;
use convertfly_worker::engines::image::job::{self, ImageJob};
use convertfly_worker::pixels::{CpuLevel, GpuPolicy, Processor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::kernels::open_gpu;
use crate::machine::cores;
use crate::thumbnail::median;

/// A workload, and by how much a GPU has to be faster.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// What is done.
    pub what: &'static str,
    /// Widths of the results of a photo.
    pub widths: &'static [u32],
    /// The ratio that the first release has to reach.
    pub first: f64,
    /// The ratio that is aimed at: the bound, on a machine whose cores do nothing but entropy coding.
    pub goal: f64,
}

/// The rows, in the order of the targets.
pub const WORKLOADS: [Workload; 2] = [
    Workload { name: "gpu-resize", what: "GPU node: B batched", widths: &[1600], first: 1.5, goal: 2.3 },
    Workload {
        name: "gpu-renditions",
        what: "GPU node: five renditions",
        widths: &[320, 640, 800, 1200, 1600],
        first: 2.5,
        goal: 4.0,
    },
];

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which GPU; `Auto` takes a hardware one where there is one.
    pub gpu: GpuPolicy,
    /// A JPEG; without one a photo of 12 megapixels is made.
    pub photo: Option<Vec<u8>>,
    /// Photos of a round on a hardware GPU; a software one, of which nobody wants to know how fast it is, gets a few.
    pub photos: usize,
    /// Counted rounds.
    pub rounds: usize,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuRow {
    /// The workload.
    pub name: String,
    /// What is done.
    pub what: String,
    /// What the first release has to reach.
    pub first: f64,
    /// What is aimed at.
    pub goal: f64,
    /// Whose figures they are.
    pub adapter: Option<String>,
    /// Whether that is no GPU but a driver that computes on the cores: then the figures say nothing about a GPU.
    pub is_software: bool,
    /// What came of it.
    pub figures: Option<Figures>,
    /// Why there is nothing.
    pub not_measured: Option<String>,
}

/// Photos a second, with all their results: medians of the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// By the GPU, and the cores for what is left to them.
    pub ours_gpu: f64,
    /// By the cores alone.
    pub ours_cpu: f64,
    /// Median over the rounds of the first over the second.
    pub ratio: f64,
    /// What the cores could read and write if that were all.
    pub entropy_bound: f64,
    /// What the GPU's way has reached of it.
    pub share_of_bound: f64,
}

/// Measures all workloads; tells each row as it is done. Where there is no adapter every row says so.
///
/// # Errors
/// When a conversion fails, or goes another way than it should.
pub fn run(plan: &Plan, mut tell: impl FnMut(&GpuRow)) -> anyhow::Result<Vec<GpuRow>> {
    let gpu = open_gpu(plan.gpu);
    let photo = if gpu.is_err() {
        Vec::new()
    } else {
        plan.photo.clone().map_or_else(|| crate::codecs::encoded("jpg", 4000, 3000), Ok)?
    };
    let mut rows = Vec::new();
    for Workload { name, what, widths, first, goal } in WORKLOADS {
        let mut row = GpuRow {
            name: name.to_owned(),
            what: what.to_owned(),
            first,
            goal,
            adapter: None,
            is_software: plan.gpu == GpuPolicy::Software,
            figures: None,
            not_measured: None,
        };
        match &gpu {
            Ok(gpu) => {
                row.adapter = gpu.gpu_name();
                row.figures = Some(measure(gpu, &photo, widths, plan)?);
            }
            Err(why) => row.not_measured = Some(why.clone()),
        }
        tell(&row);
        rows.push(row);
    }
    Ok(rows)
}

fn measure(gpu: &Processor, photo: &[u8], widths: &[u32], plan: &Plan) -> anyhow::Result<Figures> {
    let cpu = Processor::new(CpuLevel::detect(), GpuPolicy::Off).map_err(|failure| anyhow!("{failure}"))?;
    let is_software = plan.gpu == GpuPolicy::Software;
    let (photos, rounds) = if is_software { (2, 1) } else { (plan.photos, plan.rounds.max(1)) };
    // As many tasks as a node has that waits for three batches.
    let at_once = if is_software { 2 } else { cores() + 48 };
    let folder = tempfile::tempdir()?;
    // Each in a file of its own: photos that are worked on together share nothing.
    let files: Vec<_> = (0..at_once).map(|number| folder.path().join(format!("{number}.jpg"))).collect();
    files.iter().try_for_each(|file| std::fs::write(file, photo))?;
    let (mut on_cpu, mut on_gpu, mut bound) = (Vec::new(), Vec::new(), Vec::new());
    let results = widths.iter().map(|&width| convert(&cpu, &files[0], width, 1, CPU)).collect::<anyhow::Result<Vec<_>>>()?;
    for round in 0..=rounds {
        let by_cpu = rate(cores(), photos, |number| {
            widths.iter().try_for_each(|&width| convert(&cpu, &files[number % at_once], width, readers(widths), CPU).map(drop))
        })?;
        let by_gpu = rate(at_once, photos, |number| together(gpu, &files[number % at_once], widths))?;
        let entropy = rate(cores(), photos, |_| code(photo, &results))?;
        // The first round warms up.
        if round > 0 {
            on_cpu.push(by_cpu);
            on_gpu.push(by_gpu);
            bound.push(entropy);
        }
    }
    let ratio = median(on_gpu.iter().zip(&on_cpu).map(|(gpu, cpu)| gpu / cpu).collect());
    let (ours_gpu, ours_cpu, entropy_bound) = (median(on_gpu), median(on_cpu), median(bound));
    Ok(Figures { ours_gpu, ours_cpu, ratio, entropy_bound, share_of_bound: ours_gpu / entropy_bound })
}

const GPU: &str = "coefficients on the gpu";
const CPU: &str = "planes";

fn readers(widths: &[u32]) -> u32 {
    u32::try_from(widths.len()).unwrap_or(u32::MAX)
}

/// Photos a second by so many threads.
fn rate(threads: usize, photos: usize, work: impl Fn(usize) -> anyhow::Result<()> + Sync) -> anyhow::Result<f64> {
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        let worker = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= photos {
                    return Ok(());
                }
                work(number)?;
            }
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        all.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    })?;
    Ok(photos as f64 / start.elapsed().as_secs_f64())
}

/// All results of a photo as tasks of one job, which wait for the same batch.
fn together(gpu: &Processor, photo: &Path, widths: &[u32]) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let one = |width| scope.spawn(move || convert(gpu, photo, width, readers(widths), GPU).map(drop));
        let all: Vec<_> = widths.iter().map(|&width| one(width)).collect();
        all.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    })
}

/// One result; `way` is the one that it must have gone.
fn convert(processor: &Processor, photo: &Path, width: u32, readers: u32, way: &str) -> anyhow::Result<Vec<u8>> {
    let share = (readers > 1).then(|| Share { account: "bench".to_owned(), readers, followers: 0 });
    let job = json!({ "from": "jpg", "to": "jpg", "options": { "width": width, "quality": 85 }, "share": share });
    let job: ImageJob = serde_json::from_value(job)?;
    let mut output = tempfile::tempfile()?;
    let made = job::run(&job, vec![File::open(photo)?, output.try_clone()?], processor, &Default::default());
    let made = made.map_err(|failure| anyhow!("{failure}"))?;
    let went = made.explain.get("way").cloned().unwrap_or_default();
    ensure!(went == way, "it went the way {went}, not {way}: {:?}", made.explain);
    let mut bytes = Vec::new();
    output.rewind().and_then(|()| std::io::Read::read_to_end(&mut output, &mut bytes))?;
    Ok(bytes)
}

/// What entropy coding takes: the photo read, and all results written.
fn code(photo: &[u8], results: &[Vec<u8>]) -> anyhow::Result<()> {
    let how = WriteOptions { coding: Coding::Optimized, ..WriteOptions::default() };
    std::hint::black_box(Packed::read(photo, &Limits::default())?);
    for result in results {
        let read = convertfly_jpeg::Coefficients::read(result, &Limits::default()).context("a result")?;
        std::hint::black_box(read.write(&how)?);
    }
    Ok(())
}

/// One row for people.
pub fn line(row: &GpuRow) -> String {
    let GpuRow { what, first, goal, adapter, is_software, figures, not_measured, .. } = row;
    let targets = format!("({first:.1} / {goal:.1})");
    let Some(figures) = figures else {
        return format!("{what} {targets}: not measured, {}", not_measured.as_deref().unwrap_or("no adapter"));
    };
    let Figures { ours_gpu, ours_cpu, ratio, entropy_bound, share_of_bound } = figures;
    let adapter = adapter.as_deref().unwrap_or("unknown adapter");
    let whose = if *is_software { format!("NO GPU but {adapter}, which computes on these cores") } else { adapter.to_owned() };
    format!(
        "{what} {targets}: {ratio:.2} times the cores alone, {ours_gpu:.1} photos/s against {ours_cpu:.1}; {:.0} % of the {entropy_bound:.1} that \
         entropy coding allows; {whose}",
        share_of_bound * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_adapter_every_row_says_why_it_was_not_measured() {
        let plan = Plan { gpu: GpuPolicy::Off, photo: None, photos: 1, rounds: 1 };
        let mut told = Vec::new();
        let rows = run(&plan, |row| told.push(row.clone())).expect("nothing is measured");
        assert_eq!((rows.len(), &told), (2, &rows));
        for row in &rows {
            assert_eq!((row.figures, row.not_measured.as_deref()), (None, Some("CONVERTFLY_GPU=off")));
            assert!(line(row).contains("not measured, CONVERTFLY_GPU=off"), "{}", line(row));
        }
    }

    #[test]
    fn a_software_adapter_is_measured_and_told_apart_from_a_gpu() {
        let photo = crate::codecs::encoded("jpg", 1640, 1230).expect("a photo");
        let plan = Plan { gpu: GpuPolicy::Software, photo: Some(photo), photos: 1, rounds: 1 };
        for row in run(&plan, |_| ()).expect("it runs") {
            let figures = row.figures.expect("figures");
            assert!(figures.ours_gpu > 0.0 && figures.ours_cpu > 0.0 && figures.entropy_bound > figures.ours_gpu, "{row:?}");
            assert!(row.is_software && line(&row).contains("NO GPU"), "{}", line(&row));
            let text = serde_json::to_string(&row).expect("JSON");
            let read: GpuRow = serde_json::from_str(&text).expect("the same form");
            assert_eq!((&read.name, &read.adapter, read.figures.is_some()), (&row.name, &row.adapter, true), "{text}");
            let real = GpuRow { is_software: false, ..row };
            assert!(!line(&real).contains("NO GPU"), "{}", line(&real));
        }
    }
}
