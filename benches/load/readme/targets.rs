//! The rows of the targets that other benches than `peers` measure, a line each, so that one command tells them all.

use super::Runs;
use super::others::{NODE_TARGET, QUEUE_TARGET, START_TARGET};

/// A line for each row, measured or not; those of a GPU are not among them, since `bench peers` measures them itself.
pub fn lines(runs: &Runs) -> Vec<String> {
    let node = runs.node.as_ref().and_then(|measured| Some((measured.report.jobs, measured.report.peer?)));
    let node = node.map_or_else(
        || {
            "mixed queue through the whole node: not measured; bench node CORPUS --peer benches/peers/queue --json > node.json"
                .to_owned()
        },
        |(jobs, peer)| {
            let ratio = at_least(peer.ratio, NODE_TARGET);
            format!("mixed queue of {jobs} files through the whole node, sharp behind BullMQ / ours: {ratio}")
        },
    );
    let mut lines = vec![node];
    let queue = runs.queue.iter().flat_map(|queue| &queue.rows).find(|row| row.tasks == 1);
    lines.push(queue.map_or_else(
        || "scheduler beside BullMQ: not measured; benches/peers/bullmq/compare.mjs PROGRAM --json > queue.json".to_owned(),
        |row| {
            format!(
                "scheduler, jobs of 1 task beside BullMQ: jobs a second {}; processor time of Redis {}",
                at_least(row.speed(), QUEUE_TARGET.0),
                at_most(row.redis_share(), QUEUE_TARGET.1)
            )
        },
    ));
    let before = lines.len();
    lines.extend(runs.scheduler.iter().flat_map(|measured| &measured.report).flat_map(|report| &report.start).map(|start| {
        format!(
            "enqueue to start at half load, appendfsync {}, milliseconds: p50 {}; p99 {}",
            start.appendfsync,
            at_most(start.p50, START_TARGET.0),
            at_most(start.p99, START_TARGET.1)
        )
    }));
    if lines.len() == before {
        lines.push("enqueue to start at half load: not measured; bench scheduler --json > scheduler.json".to_owned());
    }
    lines
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

fn at_least(found: f64, target: f64) -> String {
    format!("{found:.2} of {target:.2}: {}", verdict(found >= target))
}

fn at_most(found: f64, target: f64) -> String {
    format!("{found:.2} of at most {target:.2}: {}", verdict(found <= target))
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    #[test]
    fn every_row_has_its_line() {
        let found = lines(&whole());
        let expected = [
            "mixed queue of 1000 files through the whole node, sharp behind BullMQ / ours: 1.50 of 1.30: reached",
            "scheduler, jobs of 1 task beside BullMQ: jobs a second 1.80 of 1.50: reached; processor time of Redis 0.33 of at most 0.60: reached",
            "enqueue to start at half load, appendfsync always, milliseconds: p50 0.60 of at most 1.00: reached; p99 8.00 of at most 10.00: reached",
        ];
        assert_eq!(found, expected);
        let none = lines(&Runs::default());
        assert!(none.len() == expected.len() && none.iter().all(|line| line.contains("not measured")), "{none:?}");
        let mut missed = whole();
        missed.node.as_mut().and_then(|node| node.report.peer.as_mut()).expect("a peer").ratio = 1.29;
        assert!(lines(&missed)[0].ends_with("1.29 of 1.30: missed"));
    }
}
