//! The node, the scheduler, and whole processes.

use std::fmt::Write;

use super::Queue;
use crate::machine::Measured;
use crate::thumbnail::median;
use crate::{node, scheduler, thumbnail};

/// What the node's ratio to a pool of sharp workers behind BullMQ has to be in the first release.
pub(super) const NODE_TARGET: f64 = 1.3;

/// The same of jobs a second of the scheduler against BullMQ, and of the processor time of Redis.
pub(super) const QUEUE_TARGET: (f64, f64) = (1.5, 0.6);

/// From enqueue to start at half load, milliseconds at p50 and p99.
pub(super) const START_TARGET: (f64, f64) = (1.0, 10.0);

/// The whole node under load.
pub(super) fn node(measured: Option<&Measured<node::Report>>) -> String {
    let mut text = "### The whole node\n\n".to_owned();
    let Some(Measured { run, report }) = measured else {
        return text + "Real files through HTTP, Redis, storage and the sandbox: not measured.\n";
    };
    let failed: usize = report.failed.values().sum();
    let _ = writeln!(text, "{}.\n", run.line());
    let _ = writeln!(
        text,
        "{} jobs on {} real files through HTTP, Redis, storage and the sandbox: thumbnails, pages, large pictures, other qualities and\n\
         PNG; {}; {failed} failed.\n",
        report.jobs + failed,
        report.files,
        report.load
    );
    text += "| side | wall | processor | jobs a second | Mpixel a CPU second | latency p50, p90, p99 | bytes |\n|---|---|---|---|---|---|---|\n";
    let latency = report.latency;
    let _ = writeln!(
        text,
        "| ConvertFly | {:.1} s | {:.1} s | {:.1} | {:.1} | {:.0}, {:.0}, {:.0} ms | {} |",
        report.seconds,
        report.cpu_seconds,
        report.jobs_per_second,
        report.megapixels_per_cpu_second,
        latency.p50,
        latency.p90,
        latency.p99,
        report.bytes_out
    );
    match report.peer {
        Some(peer) => {
            let _ = writeln!(
                text,
                "| sharp in a process a core, fed by BullMQ | {:.1} s, {:.2} times ours ({NODE_TARGET:.2}) | {:.1} s, {:.2} times ours | {:.1} | | | {} |",
                peer.seconds,
                peer.ratio,
                peer.cpu_seconds,
                peer.cpu_ratio,
                report.jobs as f64 / peer.seconds,
                peer.bytes_out
            );
        }
        None => text += "| sharp in a process a core, fed by BullMQ | not measured | | | | | |\n",
    }
    text
}

/// What jobs cost in Redis.
pub(super) fn scheduler(measured: Option<&Measured<Vec<scheduler::Report>>>, queue: Option<&Queue>) -> String {
    let mut text = "### The scheduler\n\n".to_owned();
    match measured {
        None => text += "Round trips, commands and processor time of Redis a job: not measured.\n",
        Some(Measured { run, report }) => {
            let _ = writeln!(text, "{}.\n", run.line());
            text += "| job | jobs a second | round trips | commands | Redis processor time |\n|---|---|---|---|---|\n";
            for one in report {
                for (what, phase) in [("submitted", one.submit), ("leased and finished", one.work)] {
                    let scheduler::Phase { jobs_per_second, redis_us, round_trips, commands } = phase;
                    let _ = writeln!(
                        text,
                        "| of {} task(s), {what} | {jobs_per_second:.0} | {round_trips:.2} | {commands:.0} | {redis_us:.0} µs |",
                        one.tasks
                    );
                }
            }
            for start in report.iter().flat_map(|one| &one.start) {
                let _ = writeln!(
                    text,
                    "\nFrom the call that submits a job to the lease of its task, at {:.0} jobs a second, half of what it bears, `appendfsync {}`:\n\
                     {:.2} ms at p50 ({:.0}), {:.2} ms at p99 ({:.0}), {:.1} ms at most.",
                    start.rate, start.appendfsync, start.p50, START_TARGET.0, start.p99, START_TARGET.1, start.max
                );
            }
        }
    }
    let Some(queue) = queue else { return text + "\nBeside BullMQ: not measured.\n" };
    let _ = writeln!(
        text,
        "\nBeside BullMQ on the same Redis, {} jobs, {} rounds in turn, `appendfsync {}`; whole jobs a second and processor time of Redis a\n\
         job, ours / BullMQ's, with the targets for one task:\n\n\
         | job | jobs a second | ratio ({:.2}) | Redis processor time | ratio ({:.2}) |\n|---|---|---|---|---|",
        queue.jobs, queue.rounds, queue.appendfsync, QUEUE_TARGET.0, QUEUE_TARGET.1
    );
    for row in &queue.rows {
        let (ours, theirs) = (row.convertfly, row.bullmq);
        let _ = writeln!(
            text,
            "| of {} task(s) | {:.0} / {:.0} | {:.2} | {:.0} / {:.0} µs | {:.2} |",
            row.tasks,
            ours.whole,
            theirs.whole,
            row.speed(),
            ours.redis_us(),
            theirs.redis_us(),
            row.redis_share()
        );
    }
    text
}

/// One photo by whole processes.
pub(super) fn thumbnail(measured: Option<&Measured<thumbnail::Report>>) -> String {
    let mut text = "### One photo by a whole process\n\n".to_owned();
    let Some(Measured { run, report }) = measured else {
        return text + "To an 800 px WebP beside `vipsthumbnail`: not measured.\n";
    };
    let ms = |values: &[f64]| median(values.to_vec());
    let _ = writeln!(
        text,
        "{}.\n\nTo an 800 px WebP: `vipsthumbnail` takes {:.2} times as long as `convertfly convert`, start included, and {:.2} times the processor\n\
         time ({:.0} ms against {:.0}); {} bytes against {}.",
        run.line(),
        report.wall_ratio,
        report.cpu_ratio,
        ms(&report.peer.cpu_ms),
        ms(&report.ours.cpu_ms),
        report.peer.bytes,
        report.ours.bytes
    );
    text
}
