//! The program without a node at the other end.

use std::process::{Command, Stdio};

#[test]
fn started_by_hand_it_says_so_and_does_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut program = Command::new(env!("CARGO_BIN_EXE_convertfly-office"));
    let output = program.env("HOME", folder.path()).env("TMPDIR", folder.path()).stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("not by hand"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "nothing is written");
}
