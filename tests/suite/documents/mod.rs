//! Documents over the API: every pair of the three rows, pages, text, and what must not be in a result.

mod canary;
mod details;
#[cfg(feature = "documents")]
mod editable;
#[cfg(feature = "documents")]
mod editable_files;
#[cfg(feature = "documents")]
mod editable_forms;
#[cfg(feature = "documents")]
mod endurance;
mod faults;
#[cfg(feature = "documents")]
mod marks;
#[cfg(feature = "documents")]
mod pages;
mod pairs;

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::server::Server;

/// One server for all tests of this folder that run at the same time: LibreOffice is started once.
fn server() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

/// Converts a file to several formats in one job; the job, and the results in the order of the targets.
fn convert_all(server: &Server, file: &[u8], name: &str, targets: &[&str], options: &Value) -> (Value, Vec<Vec<u8>>) {
    let mut tasks = json!({ "in": { "operation": "import/base64", "file": STANDARD.encode(file), "filename": name } });
    for (index, target) in targets.iter().enumerate() {
        tasks[format!("c{index}")] =
            json!({ "operation": "convert", "input": "in", "output_format": target, "options": options });
        tasks[format!("e{index}")] = json!({ "operation": "export/url", "input": format!("c{index}") });
    }
    let job = server.run(&json!({ "tasks": tasks }));
    assert_eq!(job["status"], "FINISHED", "{name} to {targets:?}: {job:#}");
    let download = |index: usize| {
        let url = job["tasks"][format!("e{index}")]["result"]["url"].as_str().expect("a link");
        server.send("GET", url, None, None, &[]).bytes
    };
    let results = (0..targets.len()).map(download).collect();
    (job, results)
}

/// The text of a file, by programs and libraries that are not ours.
const TEXT: &str = r#"
import html, re, subprocess, sys, zipfile
path = sys.argv[1]
kind = path.rsplit('.', 1)[1]
if kind == 'pdf':
    text = subprocess.run(['pdftotext', path, '-'], check=True, capture_output=True).stdout.decode()
elif kind in ('docx', 'xlsx', 'pptx', 'odt', 'ods', 'odp'):
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    wanted = re.compile(r'word/document|xl/(worksheets/|sharedStrings)|ppt/slides/slide|content\.xml')
    text = ' '.join(archive.read(name).decode() for name in archive.namelist() if wanted.match(name))
    text = html.unescape(re.sub('<[^>]+>', ' ', text))
else:
    text = open(path, encoding='utf-8-sig').read()
    if kind == 'html':
        text = html.unescape(re.sub('<[^>]+>', ' ', text))
sys.stdout.write(text)
"#;

/// The text of a result.
fn text(file: &[u8], format: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("file.{format}"));
    std::fs::write(&path, file).expect("a file");
    let output = Command::new("python3").args(["-c", TEXT]).arg(&path).output().expect("python3 runs");
    assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// How many pages a PDF file has, by pdfinfo.
fn page_count(pdf: &[u8]) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.pdf");
    std::fs::write(&path, pdf).expect("a file");
    let output = Command::new("pdfinfo").arg(&path).output().expect("pdfinfo runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = said.lines().find_map(|line| line.strip_prefix("Pages:")).unwrap_or_else(|| panic!("no page count: {said}"));
    count.trim().parse().expect("a number")
}
