//! The quick start of the published reference, in curl, JavaScript and Python, word for word: only the base URL, the key, the
//! source and the format (png for docx) are put in.

use std::process::Command;

use serde_json::Value;

use crate::support::pictures;
use crate::support::server::Server;
use crate::support::source;

const CURL: &str = r#"curl -X POST https://convertfly.io/api/v1/jobs \
-H "Authorization: Bearer cvfly_sk_live_abc123..." \
-H "Content-Type: application/json" \
-d '{
"tasks": {
"import-file": {
"operation": "import/url",
"url": "https://example.com/report.pdf"
},
"convert": {
"operation": "convert",
"input": ["import-file"],
"output_format": "docx"
},
"export": {
"operation": "export/url",
"input": ["convert"]
}
}
}'"#;

const JAVASCRIPT: &str = r#"const res = await fetch("https://convertfly.io/api/v1/jobs", {
method: "POST",
headers: {
"Authorization": "Bearer cvfly_sk_live_abc123...",
"Content-Type": "application/json",
},
body: JSON.stringify({
tasks: {
"import-file": {
operation: "import/url",
url: "https://example.com/report.pdf",
},
convert: {
operation: "convert",
input: ["import-file"],
output_format: "docx",
},
export: {
operation: "export/url",
input: ["convert"],
},
},
}),
});
const { data: job } = await res.json();
console.log(job.id); // "job_7kX9mP2qR..."
console.log(job.status); // "PROCESSING""#;

const PYTHON: &str = r#"import requests
resp = requests.post(
"https://convertfly.io/api/v1/jobs",
headers={"Authorization": "Bearer cvfly_sk_live_abc123..."},
json={
"tasks": {
"import-file": {
"operation": "import/url",
"url": "https://example.com/report.pdf",
},
"convert": {
"operation": "convert",
"input": ["import-file"],
"output_format": "docx",
},
"export": {
"operation": "export/url",
"input": ["convert"],
},
}
},
)
job = resp.json()["data"]
print(job["id"]) # "job_7kX9mP2qR..."
print(job["status"]) # "PROCESSING""#;

const POLL: &str = r#"curl https://convertfly.io/api/v1/jobs/job_7kX9mP2qR \
-H "Authorization: Bearer cvfly_sk_live_abc123...""#;

const DOWNLOAD: &str = r#"curl -o result.docx "https://storage.convertfly.io/dl/abc123...""#;

/// Puts in what a reader of the reference puts in.
fn fill(text: &str, server: &Server, source: &str) -> String {
    text.replace("https://convertfly.io", &server.url)
        .replace("cvfly_sk_live_abc123...", &server.key)
        .replace("https://example.com/report.pdf", source)
        .replace("docx", "png")
}

fn output(program: &str, arguments: &[&str], folder: &std::path::Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; `deploy/install-deps.sh test` installs it"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Polls and downloads as the reference does, once the job has ended.
fn follow(server: &Server, id: &str) {
    let job = server.wait(id);
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let poll = fill(POLL, server, "").replace("job_7kX9mP2qR", id);
    let polled: Value = serde_json::from_str(&output("sh", &["-c", &poll], folder.path())).expect("JSON");
    let link = polled["data"]["tasks"]["export"]["result"]["url"].as_str().expect("the link is where the reference shows it");
    let download = fill(&DOWNLOAD.replace("https://storage.convertfly.io/dl/abc123...", link), server, "");
    output("sh", &["-c", &download], folder.path());
    let file = std::fs::read(folder.path().join("result.png")).expect("the downloaded file");
    assert_eq!(pictures::png_size(&file), Some((24, 16)), "the converted picture");
}

#[test]
fn r370_curl() {
    let server = Server::start();
    let source = source::serve(pictures::png(24, 16, 1));
    let folder = tempfile::tempdir().expect("a temporary directory");
    let created: Value =
        serde_json::from_str(&output("sh", &["-c", &fill(CURL, &server, &source)], folder.path())).expect("JSON");
    follow(&server, created["data"]["id"].as_str().expect("an id"));
}

#[test]
fn r379g_javascript() {
    let server = Server::start();
    let source = source::serve(pictures::png(24, 16, 1));
    let folder = tempfile::tempdir().expect("a temporary directory");
    let script = fill(JAVASCRIPT, &server, &source);
    let printed = output("node", &["--input-type=module", "-e", &script], folder.path());
    let mut lines = printed.lines();
    let id = lines.next().expect("the job's id");
    assert!(matches!(lines.next(), Some("PROCESSING" | "WAITING")), "the job's status: {printed}");
    follow(&server, id);
}

#[test]
fn r379g_python() {
    let server = Server::start();
    let source = source::serve(pictures::png(24, 16, 1));
    let folder = tempfile::tempdir().expect("a temporary directory");
    // Debian's interpreter: the one that the install script gives `requests`.
    let printed = output("/usr/bin/python3", &["-c", &fill(PYTHON, &server, &source)], folder.path());
    let mut lines = printed.lines();
    let id = lines.next().expect("the job's id");
    assert!(matches!(lines.next(), Some("PROCESSING" | "WAITING")), "the job's status: {printed}");
    follow(&server, id);
}
