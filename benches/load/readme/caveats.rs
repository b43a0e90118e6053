//! What is not faster, not as good, or not known: everything that the tables show to our disadvantage, in words.

use std::fmt::Write;

use super::others::{NODE_TARGET, QUEUE_TARGET, START_TARGET};
use super::{Runs, gpu};
use crate::peers::{Outcome, rows};
use crate::scheduler;

/// So much larger a result may be before it is a remark: 1 %.
const BYTES: f64 = 1.01;

/// So much worse a result may be before it is a remark, dB.
const DECIBELS: f64 = 0.05;

/// Rows of the targets that a machine without a GPU does not measure, and that none does.
const NO_GPU: &str = "a node with a GPU, 1600 px in batches and five renditions, against the same cores (targets 1.5 and 2.5)";
const UNMEASURED: &str = "energy";

/// The list.
pub(super) fn list(runs: &Runs) -> String {
    let mut text = "### What is not faster\n\n".to_owned();
    let mut found: Vec<String> = Vec::new();
    let outcomes = runs.peers.as_ref().map_or(&[][..], |measured| &measured.report);
    found.extend(outcomes.iter().flat_map(of_row));
    if let Some(peer) = runs.node.as_ref().and_then(|measured| measured.report.peer) {
        found.extend(ratio("the whole node", "sharp behind BullMQ", peer.ratio, NODE_TARGET));
    }
    for (failure, count) in runs.node.iter().flat_map(|measured| &measured.report.failed) {
        found.push(format!("the whole node: {count} job(s) failed: {failure}"));
    }
    found.extend(gpu::missed(runs.gpu.as_ref()));
    for start in starts(runs) {
        for (part, found_ms, target) in [("p50", start.p50, START_TARGET.0), ("p99", start.p99, START_TARGET.1)] {
            if found_ms > target {
                found.push(format!(
                    "from enqueue to start at half load, `appendfsync {}`: {found_ms:.2} ms at {part}; {target:.0} ms was the target",
                    start.appendfsync
                ));
            }
        }
    }
    for row in runs.queue.iter().flat_map(|queue| &queue.rows) {
        let what = format!("the scheduler, jobs of {} task(s) a second", row.tasks);
        found.extend(ratio(&what, "BullMQ", row.speed(), QUEUE_TARGET.0));
        let share = row.redis_share();
        if share > QUEUE_TARGET.1 {
            found.push(format!(
                "the scheduler takes {share:.2} of the processor time of Redis that BullMQ takes for jobs of {} task(s); {:.2} was the \
                 target for one",
                row.tasks, QUEUE_TARGET.1
            ));
        }
    }
    if let Some(measured) = &runs.thumbnail {
        found.extend(ratio(
            "one photo by a whole process",
            "vipsthumbnail",
            measured.report.cpu_ratio.min(measured.report.wall_ratio),
            1.0,
        ));
    }
    if found.is_empty() {
        text += "Nothing of what was measured.\n";
    }
    for line in &found {
        let _ = writeln!(text, "- {line}");
    }
    let _ = writeln!(text, "\nNot measured: {}.", missing(runs, outcomes).join("; "));
    text
}

/// How soon tasks start.
fn starts(runs: &Runs) -> impl Iterator<Item = &scheduler::Start> {
    runs.scheduler.iter().flat_map(|measured| &measured.report).flat_map(|report| &report.start)
}

/// Slower than someone, or short of a target.
fn ratio(work: &str, peer: &str, ratio: f64, target: f64) -> Option<String> {
    if ratio < 1.0 {
        Some(format!("{work}: {peer} is faster, {ratio:.2} of our time; {target:.2} was the target"))
    } else if ratio < target {
        Some(format!("{work}: {ratio:.2} times as fast as {peer}; {target:.2} was the target"))
    } else {
        None
    }
}

fn of_row(outcome: &Outcome) -> Vec<String> {
    let work = outcome.row.what;
    let mut found = Vec::new();
    if let Some(sharp) = outcome.to_sharp() {
        found.extend(ratio(work, "sharp", sharp, outcome.row.first));
    }
    if let Some(best) = outcome.to_best() {
        found.extend(ratio(work, &best.name, best.ratio, outcome.row.first_of_all));
    }
    let Some(ours) = outcome.sides.first() else { return found };
    let smallest = outcome.sides.iter().skip(1).min_by_key(|side| side.bytes);
    if let Some(side) = smallest.filter(|side| ours.bytes as f64 > side.bytes as f64 * BYTES) {
        let more = (ours.bytes as f64 / side.bytes as f64 - 1.0) * 100.0;
        found.push(format!("{work}: {more:.1} % more bytes than {}", side.name));
    }
    // The same as the exact result is better than any figure.
    let quality = |psnr: Option<f64>| psnr.unwrap_or(f64::INFINITY);
    let nearest = outcome.sides.iter().skip(1).max_by(|a, b| quality(a.psnr).total_cmp(&quality(b.psnr)));
    if let (Some(side), Some(psnr)) = (nearest, ours.psnr)
        && quality(side.psnr) > psnr + DECIBELS
    {
        let by =
            side.psnr.map_or_else(|| "exact".to_owned(), |theirs| format!("{:.2} dB nearer to the exact result", theirs - psnr));
        found.push(format!("{work}: {} is {by}", side.name));
    }
    found
}

fn missing(runs: &Runs, outcomes: &[Outcome]) -> Vec<String> {
    let rows = rows().iter().filter(|row| !outcomes.iter().any(|outcome| outcome.row.name == row.name));
    let mut missing: Vec<String> = rows.map(|row| row.what.to_owned()).collect();
    for (there, what) in [
        (runs.node.is_some(), "the whole node"),
        (runs.node.as_ref().is_none_or(|measured| measured.report.peer.is_some()), "sharp behind BullMQ beside it"),
        (runs.scheduler.is_some(), "the scheduler"),
        (starts(runs).next().is_some(), "from enqueue to start at half load (targets 1 ms at p50, 10 ms at p99)"),
        (runs.queue.is_some(), "the scheduler beside BullMQ"),
        (runs.thumbnail.is_some(), "one photo by a whole process"),
        (gpu::is_measured(runs.gpu.as_ref()), NO_GPU),
    ] {
        if !there {
            missing.push(what.to_owned());
        }
    }
    missing.push(UNMEASURED.to_owned());
    missing
}
