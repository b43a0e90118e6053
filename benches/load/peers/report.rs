//! The outcomes for people.

use std::fmt::Write;

use super::{Outcome, Side};
use crate::thumbnail::median;

/// Median processor time of a round, milliseconds.
pub(crate) fn cpu(side: &Side) -> f64 {
    median(side.rounds.iter().map(|cost| cost.cpu_ms).collect())
}

/// Lowest and highest of a side's rounds, in percent of their median.
pub(crate) fn spread(side: &Side) -> f64 {
    let all: Vec<f64> = side.rounds.iter().map(|cost| cost.cpu_ms).collect();
    let (low, high) = all.iter().fold((f64::MAX, 0.0f64), |(low, high), &ms| (low.min(ms), high.max(ms)));
    (high - low) / median(all) * 100.0
}

/// How near it is to the exact result.
pub(crate) fn quality(side: &Side) -> String {
    side.psnr.map_or_else(|| "the same".to_owned(), |psnr| format!("{psnr:.2} dB"))
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

/// One row with all its sides, for a terminal.
pub fn table(outcome: &Outcome) -> String {
    let row = &outcome.row;
    let mut text = format!("\n{}: {}\n", row.name, row.what);
    for side in &outcome.sides {
        let (name, ms, spread) = (&side.name, cpu(side), spread(side));
        let _ = writeln!(
            text,
            "  {name:<12} {ms:>8.1} ms ±{spread:>3.0} %  {:>10} bytes  {:>9}  {:>5.2}x",
            side.bytes,
            quality(side),
            side.ratio
        );
    }
    if let (Some(sharp), Some(best)) = (outcome.to_sharp(), outcome.to_best()) {
        let _ = writeln!(
            text,
            "  sharp {sharp:.2} of {:.2}: {}; {} {:.2} of {:.2}: {}",
            row.first,
            verdict(sharp >= row.first),
            best.name,
            best.ratio,
            row.first_of_all,
            verdict(best.ratio >= row.first_of_all)
        );
    }
    text
}

/// All rows as a table of a README, under a line about the machine.
pub fn markdown(outcomes: &[Outcome], machine: &str) -> String {
    let mut text = format!(
        "{machine}\n\n| work | ms | bytes | quality | sharp (target) | fastest peer (target) |\n|---|---|---|---|---|---|\n"
    );
    for outcome in outcomes {
        let Some(ours) = outcome.sides.first() else { continue };
        let sharp = outcome.to_sharp().map_or_else(String::new, |ratio| format!("{ratio:.2} ({:.2})", outcome.row.first));
        let best = outcome.to_best().map_or_else(String::new, |side| {
            format!("{} {:.2} ({:.2}), {}, {} bytes", side.name, side.ratio, outcome.row.first_of_all, quality(side), side.bytes)
        });
        let (what, ms) = (outcome.row.what, cpu(ours));
        let _ = writeln!(text, "| {what} | {ms:.0} | {} | {} | {sharp} | {best} |", ours.bytes, quality(ours));
    }
    text
}

/// What this is measured on, and what else it has to do.
pub fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("unknown", |(_, name)| name);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{model}, {cores} cores, load {load} at the end of the run.")
}

#[cfg(test)]
mod tests {
    use super::super::rows::ROWS;
    use super::super::{Cost, Outcome, Side};
    use super::*;

    fn side(name: &str, cpu_ms: f64, ratio: f64) -> Side {
        Side { name: name.into(), rounds: vec![Cost { cpu_ms, wall_ms: cpu_ms }; 3], bytes: 7, psnr: Some(40.0), ratio }
    }

    #[test]
    fn the_fastest_peer_is_the_one_that_is_hardest_to_beat() {
        let sides = vec![side("convertfly", 20.0, 1.0), side("sharp", 40.0, 2.0), side("pyvips", 26.0, 1.3)];
        let outcome = Outcome { row: ROWS[0], sides };
        assert_eq!(outcome.to_best().map(|side| side.name.as_str()), Some("pyvips"));
        let text = table(&outcome);
        assert!(text.contains("sharp 2.00 of 1.80: reached; pyvips 1.30 of 1.40: missed"), "{text}");
        let text = markdown(&[outcome], "a machine");
        assert!(
            text.contains("| JPEG to 320 px | 20 | 7 | 40.00 dB | 2.00 (1.80) | pyvips 1.30 (1.40), 40.00 dB, 7 bytes |"),
            "{text}"
        );
    }
}
