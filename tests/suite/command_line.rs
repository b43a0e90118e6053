//! The command line without a server.

use std::path::Path;
use std::process::Output;

use crate::support::pictures;
use crate::support::process::program;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().expect("the program runs")
}

fn error(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn convert_one_file() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("a.png"), pictures::png(200, 100, 1)).expect("written");
    let done = run(folder.path(), &["convert", "a.png", "b.webp", "-o", "width=50", "-o", "quality=80"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(std::fs::read(folder.path().join("b.webp")).expect("the output").starts_with(b"RIFF"), "a WebP");
    let again = error(&run(folder.path(), &["convert", "a.png", "b.webp"]));
    assert!(again.contains("--overwrite"), "an existing file is kept: {again}");
    assert!(run(folder.path(), &["convert", "a.png", "b.webp", "--overwrite"]).status.success(), "unless told otherwise");
}

#[test]
fn convert_a_pattern_into_a_folder() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for i in 0..5 {
        std::fs::write(folder.path().join(format!("{i}.png")), pictures::png(20, 10, i)).expect("written");
    }
    std::fs::write(folder.path().join("bad.png"), b"\x89PNG\r\n\x1a\nnothing").expect("written");
    let done = run(folder.path(), &["convert", "*.png", "out", "--to", "jpg"]);
    let message = error(&done);
    assert!(message.contains("bad.png") && message.contains("5 converted, 1 failed"), "the bad one is named: {message}");
    let made = std::fs::read_dir(folder.path().join("out")).expect("the folder").count();
    assert_eq!(made, 5, "the others are done, and no temporary file is left");
}

#[test]
fn mistakes_are_explained() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("a.png"), pictures::png(4, 4, 1)).expect("written");
    for (arguments, word) in [
        (&["convert", "a.png", "b.jpg", "-o", "qualty=3"][..], "quality"),
        (&["convert", "a.png", "b.jpg", "-o", "quality=300"], "1 to 100"),
        (&["convert", "a.png", "b.jpg", "-o", "quality"], "NAME=VALUE"),
        (&["convert", "a.png", "b.docx"], "docx"),
        (&["convert", "none*.png", "b.jpg"], "no such file"),
        (&["convert", "a.png", "./", "--to", "doc"], "--to"),
        (&["convert", "a.png", "./"], "--overwrite"),
    ] {
        let message = error(&run(folder.path(), arguments));
        assert!(message.contains(word), "{arguments:?}: {message}");
    }
}

#[test]
fn formats_lists_every_pair() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let output = run(folder.path(), &["formats", "--json"]);
    let pairs: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(pairs.as_array().map(Vec::len), Some(291 + 107 + 33), "those of the catalogue");
}

#[test]
fn doctor_looks_at_everything() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let output = run(folder.path(), &["doctor", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    for part in ["cpu", "gpu", "redis", "ffmpeg", "libreoffice", "fonts"] {
        assert!(text.contains(part), "{part} is reported: {text}");
    }
}
