//! A node that is killed leaves no child behind.

use std::process::{Command, Stdio};

use super::{Files, LONG, config, confinement, handler, only, runs, until};
use crate::Cancel;
use crate::Pool;

/// Set in the node process of the test only: where it writes the number of its child once that spins.
const NODE: &str = "CONVERTFLY_TEST_NODE";

#[test]
fn node_entry() {
    let Ok(path) = std::env::var(NODE) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let pool = Pool::start(config(2, &confinement())).await.expect("the child starts");
        let files = Files::new("");
        let cancel = Cancel::new();
        let hung = pool.run(handler::job("spin"), files.descriptors(), &cancel, LONG);
        let tell = async {
            files.started().await;
            let pid = pool.stats().pid.expect("a child");
            std::fs::write(&path, format!("{pid} ")).expect("the number is written");
        };
        let _ = tokio::join!(hung, tell);
    });
}

#[tokio::test]
async fn a_killed_node_leaves_no_child() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("child");
    let mut node = Command::new(std::env::current_exe().expect("this binary"))
        .args(only("node::node_entry"))
        .env(NODE, &path)
        .env("TMPDIR", directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a node starts");
    let mut child = None;
    until("the node's child spins", || {
        child = std::fs::read_to_string(&path).ok().and_then(|text| text.strip_suffix(' ').and_then(|pid| pid.parse().ok()));
        child.is_some()
    })
    .await;
    let child = child.expect("just read");
    assert!(runs(child), "the child works");
    node.kill().expect("the node is killed with SIGKILL");
    node.wait().expect("the node is gone");
    until("its child is gone as well", || !runs(child)).await;
}
