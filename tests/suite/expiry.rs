//! What becomes of things in time: links, files, records, uploads; and of running work when its job is deleted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::Server;

/// Files below a folder.
pub(crate) fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

/// Looks until `done`, for a minute at most.
fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "not in a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a12_links_then_files_then_records_expire() {
    let server = Server::start_with(&[("CONVERTFLY_KEEP_FILES", "3"), ("CONVERTFLY_KEEP_RECORDS", "20")]);
    let job = server.convert(&pictures::png(8, 8, 1), "a.png", "png", &json!({}));
    let id = job["id"].as_str().expect("an id").to_owned();
    let link = job["tasks"]["export"]["result"]["url"].as_str().expect("a link").to_owned();
    let file = job["tasks"]["convert"]["result"]["file_id"].as_str().expect("a file").to_owned();
    assert!(!walk(&server.folder.path().join("storage")).is_empty(), "there are files");
    let expired = until("the link is dead", || {
        let answer = server.send("GET", &link, None, None, &[]);
        (answer.status == 410).then_some(answer)
    });
    assert_eq!(expired.json()["code"], "GONE", "A12: 410 in the format of errors");
    until("the files are gone", || walk(&server.folder.path().join("storage")).is_empty().then_some(()));
    // The record stays, and says what it can.
    until("the record knows", || (server.call("GET", &format!("/files/{file}"), None).status == 410).then_some(()));
    assert_eq!(server.call("GET", &format!("/jobs/{id}"), None).status, 200, "the record is still there");
    assert_eq!(server.call("POST", &format!("/jobs/{id}/tasks/convert/retry"), None).status, 409, "nothing to work on");
    until("the record is gone", || (server.call("GET", &format!("/jobs/{id}"), None).status == 404).then_some(()));
    assert_eq!(server.call("GET", "/jobs", None).json()["meta"]["total"], 0, "and the list is empty");
}

#[test]
fn a06_an_upload_that_never_comes_expires() {
    let server = Server::start_with(&[("CONVERTFLY_UPLOAD_LIFETIME", "1")]);
    let job = server.run(&json!({"tasks": {
        "up": {"operation": "import/upload"},
        "convert": {"operation": "convert", "input": "up", "output_format": "png"},
    }}));
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("ERROR"), &json!("UPLOAD_EXPIRED")), "{job:#}");
    assert_eq!(job["tasks"]["convert"]["error"]["code"], "INPUT_TASK_FAILED", "{job:#}");
    assert_eq!(job["credits_used"], 0, "nothing is charged");
    let retried = server.call("POST", &format!("/jobs/{}/tasks/up/retry", job["id"].as_str().expect("an id")), None);
    assert_eq!(retried.status, 409, "there is nothing to try again with");
}

/// A source that sends a little and then nothing more; tells when its client has gone away.
fn stalling() -> (String, std::sync::mpsc::Receiver<()>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/picture.png", listener.local_addr().expect("an address"));
    let (left, gone) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, left) = (stream, left.clone());
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nContent-Type: image/png\r\n\r\nabc");
                // Nothing more is sent; a read that ends says that the client has left.
                while stream.read(&mut request).is_ok_and(|count| count > 0) {}
                let _ = left.send(());
            });
        }
    });
    (url, gone)
}

fn stalled(server: &Server, url: &str, more: &Value) -> String {
    let mut import = json!({"operation": "import/url", "url": url});
    import.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let created = server.call(
        "POST",
        "/jobs",
        Some(&json!({"tasks": {
            "in": import, "convert": {"operation": "convert", "input": "in", "output_format": "png"},
        }})),
    );
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    created.json()["data"]["id"].as_str().expect("an id").to_owned()
}

fn running(server: &Server, id: &str) {
    until("the import runs", || {
        (server.call("GET", &format!("/jobs/{id}/tasks/in"), None).json()["data"]["status"] == "PROCESSING").then_some(())
    });
}

#[test]
fn r040_f23_a_deleted_job_stops_its_work_and_leaves_no_file() {
    let server = Server::start();
    let (url, gone) = stalling();
    let id = stalled(&server, &url, &json!({}));
    running(&server, &id);
    assert_eq!(server.call("DELETE", &format!("/jobs/{id}"), None).status, 204, "A11");
    gone.recv_timeout(Duration::from_secs(30)).expect("the running work ends, without waiting for its source");
    assert_eq!(server.call("GET", &format!("/jobs/{id}"), None).status, 404, "R006");
    assert_eq!(server.call("DELETE", &format!("/jobs/{id}"), None).status, 404, "A11: twice");
    for folder in ["storage", "scratch"] {
        // Locks of processes, whose names start with a dot, are nobody's file.
        let locks = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        until(folder, || walk(&server.folder.path().join(folder)).iter().all(locks).then_some(()));
    }
    let account = server.call("GET", "/account", None).json()["data"].clone();
    assert_eq!((&account["credits_remaining"], &account["credits_reserved"]), (&json!(1_000_000), &json!(0)), "A88: refunded");
}

#[test]
fn r054_a_cancelled_task_stops_its_work() {
    let server = Server::start();
    let (url, gone) = stalling();
    let id = stalled(&server, &url, &json!({}));
    running(&server, &id);
    let cancelled = server.call("POST", &format!("/jobs/{id}/tasks/in/cancel"), None);
    assert_eq!((cancelled.status, &cancelled.json()["data"]["status"]), (200, &json!("CANCELLED")), "R054: a running task");
    gone.recv_timeout(Duration::from_secs(30)).expect("the running work ends");
    let job = server.wait(&id);
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("ERROR"), &json!("CANCELLED")), "A02: {job:#}");
    assert_eq!(job["tasks"]["convert"]["status"], "CANCELLED", "R054: what depends on it, too");
    let again = server.call("POST", &format!("/jobs/{id}/tasks/in/cancel"), None);
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("CONFLICT")), "R055");
}

#[test]
fn a13_a_task_ends_at_its_own_time_limit() {
    let server = Server::start();
    let (url, _gone) = stalling();
    for limit in [json!({"timeout": 1}), json!({"options": {"timeout": 1}})] {
        let job = server.wait(&stalled(&server, &url, &limit));
        assert_eq!(job["tasks"]["in"]["error"]["code"], "TIMEOUT", "{job:#}");
        assert_eq!((&job["status"], &job["credits_used"]), (&json!("ERROR"), &json!(0)), "refunded: {job:#}");
    }
    for (limit, place) in [(json!(0), "0"), (json!(18_001), "too long"), (json!("1"), "text"), (json!(1.5), "no integer")] {
        let refused = server.call(
            "POST",
            "/jobs",
            Some(&json!({"tasks": {"in": {"operation": "import/url", "url": url, "timeout": limit}}})),
        );
        assert_eq!((refused.status, &refused.json()["details"]["field"]), (400, &json!("timeout")), "{place}");
    }
}
