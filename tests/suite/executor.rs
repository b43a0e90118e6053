//! The node never decodes a customer's byte itself, and the death of the child that does costs nobody a result.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::pictures;
use crate::support::server::Server;

/// The executor children of a server.
pub(crate) fn children(server: &Server) -> Vec<Pid> {
    let parent = server.process.0.id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let is_child = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(parent.as_str());
        if is_child && line.contains("image-executor") {
            found.extend(entry.file_name().to_str().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw));
        }
    }
    found
}

/// Threads of a process; the shared child has one per slot, a solitary one has a single worker.
fn threads(pid: Pid) -> usize {
    std::fs::read_dir(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("task")).map_or(0, Iterator::count)
}

#[test]
fn killing_the_child_again_and_again_costs_no_result() {
    let server = Server::start_with(&[("CONVERTFLY_CPU_SLOTS", "4")]);
    let file = base64::engine::general_purpose::STANDARD.encode(pictures::png(900, 700, 5));
    let mut ids = Vec::new();
    for _ in 0..24 {
        let created = server.call(
            "POST",
            "/jobs",
            Some(&json!({"tasks": {
                "import": {"operation": "import/base64", "file": file, "filename": "a.png"},
                "convert": {"operation": "convert", "input": ["import"], "output_format": "webp"},
            }})),
        );
        ids.push(created.json()["data"]["id"].as_str().expect("an id").to_owned());
    }
    let mut kills = 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    while kills < 3 && Instant::now() < deadline {
        // Only the shared one: a task whose own, solitary process dies as well is taken for the culprit, and rightly so.
        for child in children(&server).into_iter().filter(|child| threads(*child) > 4) {
            kills += usize::from(kill_process(child, Signal::KILL).is_ok());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(kills >= 3, "children were killed");
    for id in ids {
        let job = server.wait(&id);
        assert_eq!(job["status"], "FINISHED", "every task has its result: {job:#}");
    }
    assert_eq!(server.call("GET", "/account", None).json()["data"]["credits_remaining"], 1_000_000 - 24, "each paid once");
}

#[test]
fn the_child_is_confined() {
    let server = Server::start();
    server.convert(&pictures::png(8, 8, 1), "a.png", "png", &json!({}));
    let pids = children(&server);
    assert!(!pids.is_empty(), "a child runs");
    for pid in pids {
        let status =
            std::fs::read_to_string(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("status")).expect("status");
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default().to_owned();
        assert_eq!(field("NoNewPrivs:"), "1", "no new privileges");
        assert_eq!(field("Seccomp:"), "2", "system calls are filtered");
    }
}
