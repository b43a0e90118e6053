//! The section, out of figures made up here and in the README as it stands.

use std::collections::BTreeMap;

use super::*;
use crate::peers::{Cost, Side, rows};

pub(super) fn run(debug: bool) -> Run {
    Run {
        cpu: "Example 9000".into(),
        cores: 2,
        version: "0.1.0".into(),
        debug,
        date: "2026-11-28T13:00:00Z".into(),
        load_before: 0.25,
        others: 0.03,
    }
}

fn side(name: &str, cpu_ms: f64, ratio: f64, bytes: u64, psnr: Option<f64>) -> Side {
    let rounds = [0.9, 1.0, 1.1].map(|share| Cost { cpu_ms: cpu_ms * share, wall_ms: cpu_ms }).to_vec();
    Side { name: name.into(), rounds, bytes, psnr, ratio }
}

/// A phase of one job at `us` microseconds.
fn phase(us: f64) -> scheduler::Phase {
    scheduler::Phase { jobs_per_second: 1000.0, redis_us: us, round_trips: 1.0, commands: 26.0 }
}

pub(super) fn whole() -> Runs {
    let outcome = |row: &peers::Row| {
        let sides = vec![
            side("convertfly", 20.0, 1.0, 1000, Some(40.0)),
            side("sharp", 90.0, 4.5, 1005, Some(40.02)),
            side("pyvips", 85.0, 4.25, 1100, Some(39.0)),
        ];
        Outcome { row: *row, sides }
    };
    let latency = node::Latency { p50: 10.0, p90: 20.0, p99: 30.0, max: 40.0 };
    let peer = node::Peer { seconds: 30.0, cpu_seconds: 50.0, bytes_out: 7, failed: 0, ratio: 1.5, cpu_ratio: 1.4 };
    let node = node::Report {
        machine: "Example 9000".into(),
        load: "closed, 16 jobs in flight".into(),
        files: 50,
        jobs: 1000,
        failed: BTreeMap::new(),
        seconds: 20.0,
        jobs_per_second: 50.0,
        megapixels_per_cpu_second: 90.0,
        cpu_seconds: 36.0,
        bytes_out: 8,
        latency,
        curve: Vec::new(),
        timeline: Vec::new(),
        stages: BTreeMap::new(),
        peer: Some(peer),
    };
    let start = scheduler::Start { appendfsync: "always".into(), rate: 1500.0, p50: 0.6, p99: 8.0, max: 15.0 };
    let phases = |whole, us| Phases { whole, submit: phase(us), work: phase(us) };
    let one = |cpu| thumbnail::Side { wall_ms: vec![cpu], cpu_ms: vec![cpu], bytes: 9 };
    let photo = thumbnail::Report { ours: one(100.0), peer: one(180.0), wall_ratio: 1.8, cpu_ratio: 1.8 };
    Runs {
        peers: Some(Measured { run: run(false), report: rows().iter().map(outcome).collect() }),
        node: Some(Measured { run: run(false), report: node }),
        scheduler: Some(Measured {
            run: run(false),
            report: vec![scheduler::Report { tasks: 1, submit: phase(112.0), work: phase(155.0), start: vec![start] }],
        }),
        queue: Some(Queue {
            jobs: 3000,
            rounds: 5,
            appendfsync: "always".into(),
            rows: [1, 3].map(|tasks| QueueRow { tasks, convertfly: phases(900.0, 100.0), bullmq: phases(500.0, 300.0) }).to_vec(),
        }),
        thumbnail: Some(Measured { run: run(false), report: photo }),
        gpu: None,
    }
}

/// Every table has as many cells in each row as in its head, and every workload is named.
fn assert_well_formed(section: &str) {
    assert!(section.starts_with(BEGIN) && section.ends_with(END), "between its markers");
    let mut width = None;
    let mut tables = 0;
    for line in section.lines() {
        let cells = line.starts_with('|').then(|| line.matches('|').count());
        if cells.is_some() && width.is_none() {
            tables += 1;
        }
        if let (Some(cells), Some(width)) = (cells, width) {
            assert_eq!(cells, width, "a row of another width: {line}");
        }
        width = cells;
    }
    assert!(tables >= 1, "there is a table");
    for row in rows() {
        let starts = section.lines().filter(|line| line.starts_with(&format!("| {} | ", row.what))).count();
        assert_eq!(starts, 1, "the table has a row for {}", row.what);
    }
    for heading in ["### Pictures", "### The whole node", "### The scheduler", "### One photo", "### What is not faster"] {
        assert_eq!(section.matches(heading).count(), 1, "{heading}");
    }
}

fn caveats(runs: &Runs) -> String {
    let section = section(runs);
    assert_well_formed(&section);
    section.split_once("### What is not faster").expect("a list").1.to_owned()
}

#[test]
fn the_readme_holds_a_whole_section() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let text = std::fs::read_to_string(path).expect("the README");
    let range = place(&text).expect("it has the markers");
    assert_well_formed(&text[range]);
}

#[test]
fn a_section_states_the_machine_the_load_and_the_targets() {
    let section = section(&whole());
    assert_well_formed(&section);
    for part in [
        "Example 9000, 2 cores; ConvertFly 0.1.0, 2026-11-28; load 0.25 before, 3 % of the processors with others meanwhile",
        "| JPEG to 320 px | 20 ms ±20 % | 1000 | 40.00 dB | 4.50 (1.80) | 1005, 40.02 dB | pyvips 4.25 (1.40) | 1100, 39.00 dB |",
        "1.50 times ours (1.30)",
        "| of 1 task(s), submitted | 1000 | 1.00 | 26 | 112 µs |",
        "at 1500 jobs a second, half of what it bears, `appendfsync always`:\n0.60 ms at p50 (1), 8.00 ms at p99 (10), 15.0 ms at most.",
        "| of 1 task(s) | 900 / 500 | 1.80 | 200 / 600 µs | 0.33 |",
        "`vipsthumbnail` takes 1.80 times as long",
    ] {
        assert!(section.contains(part), "{part}\nin\n{section}");
    }
}

#[test]
fn where_all_is_well_the_list_says_so() {
    let list = caveats(&whole());
    assert!(list.contains("Nothing of what was measured.") && list.contains("a node with a GPU"), "{list}");
    assert!(!list.contains("JPEG to 320 px"), "all rows were measured: {list}");
}

#[test]
fn whatever_is_not_faster_or_worse_is_listed() {
    let mut runs = whole();
    let outcomes = &mut runs.peers.as_mut().expect("there").report;
    outcomes[0].sides[2] = side("pyvips", 18.0, 0.9, 900, Some(41.0));
    let resize = outcomes.iter_mut().find(|outcome| outcome.row.name == "resize").expect("there");
    resize.sides[1].ratio = 1.2;
    let node = &mut runs.node.as_mut().expect("there").report;
    node.peer.as_mut().expect("there").ratio = 1.1;
    node.failed.insert("TIMEOUT".into(), 3);
    let rows = &mut runs.queue.as_mut().expect("there").rows;
    rows[0].convertfly.whole = 400.0;
    rows[1].bullmq.work.redis_us = 25.0;
    rows[1].bullmq.submit.redis_us = 75.0;
    runs.thumbnail.as_mut().expect("there").report.wall_ratio = 0.8;
    runs.scheduler.as_mut().expect("there").report[0].start[0].p99 = 12.0;
    let list = caveats(&runs);
    for line in [
        "- JPEG to 320 px: pyvips is faster, 0.90 of our time; 1.40 was the target",
        "- JPEG to 320 px: 11.1 % more bytes than pyvips",
        "- JPEG to 320 px: pyvips is 1.00 dB nearer to the exact result",
        "- JPEG to 1600 px, Lanczos3: 1.20 times as fast as sharp; 1.35 was the target",
        "- the whole node: 1.10 times as fast as sharp behind BullMQ; 1.30 was the target",
        "- the whole node: 3 job(s) failed: TIMEOUT",
        "- the scheduler, jobs of 1 task(s) a second: BullMQ is faster, 0.80 of our time; 1.50 was the target",
        "- the scheduler takes 2.00 of the processor time of Redis that BullMQ takes for jobs of 3 task(s); 0.60 was the target for one",
        "- from enqueue to start at half load, `appendfsync always`: 12.00 ms at p99; 10 ms was the target",
        "- one photo by a whole process: vipsthumbnail is faster, 0.80 of our time; 1.00 was the target",
    ] {
        assert!(list.lines().any(|found| found == line), "{line}\nin\n{list}");
    }
}

#[test]
fn what_was_not_measured_is_named() {
    let list = caveats(&Runs::default());
    for part in [
        "JPEG to 320 px; ",
        "the whole node; ",
        "from enqueue to start",
        "the scheduler beside BullMQ; ",
        "one photo by a whole process; ",
    ] {
        assert!(list.contains(part), "{part}\nin\n{list}");
    }
}

#[test]
fn runs_are_read_as_the_benches_print_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, value: serde_json::Value| std::fs::write(folder.path().join(name), value.to_string()).expect("written");
    let Runs { peers, node, scheduler, thumbnail, .. } = whole();
    write("peers.json", serde_json::to_value(&peers).expect("JSON"));
    write("node.json", serde_json::to_value(&node).expect("JSON"));
    write("scheduler.json", serde_json::to_value(&scheduler).expect("JSON"));
    write("thumbnail.json", serde_json::to_value(&thumbnail).expect("JSON"));
    let read = Runs::read(folder.path()).expect("they are read");
    let expected = Runs { peers, node, scheduler, thumbnail, queue: None, gpu: None };
    assert_eq!(section(&read), section(&expected), "nothing is lost");

    let slow = Measured { run: run(true), report: Vec::<scheduler::Report>::new() };
    write("scheduler.json", serde_json::to_value(&slow).expect("JSON"));
    let message = Runs::read(folder.path()).expect_err("a debug build").to_string();
    assert!(message.contains("scheduler.json is of a debug build"), "{message}");
    write("scheduler.json", serde_json::json!({ "report": 5 }));
    assert!(Runs::read(folder.path()).is_err(), "another form");
}

#[test]
fn a_section_takes_the_place_of_the_one_before_it() {
    let text = format!("# Title\n\n{BEGIN}\n\nold\n\n{END}\n\n## More\n");
    let done = replaced(&text, &section(&whole())).expect("there is a place");
    assert!(done.starts_with("# Title\n\n") && done.ends_with("\n\n## More\n") && !done.contains("old"), "{done}");
    assert_eq!(replaced(&done, &section(&whole())).expect("again"), done, "twice is once");
    for broken in ["nothing".to_owned(), format!("{END}\n{BEGIN}"), format!("{BEGIN}{BEGIN}{END}")] {
        assert!(replaced(&broken, "new").is_err(), "{broken}");
    }
}
