//! The life of a job over the API: create, import in three ways, wait, list, cancel, retry, delete.

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::Server;
use crate::support::source;

fn url_job(url: &str) -> Value {
    json!({"tag": "test", "tasks": {
        "import-file": {"operation": "import/url", "url": url, "headers": {"Authorization": "Bearer s3cr3t"}},
        "convert": {"operation": "convert", "input": ["import-file"], "output_format": "webp", "options": {"width": 20}},
        "export": {"operation": "export/url", "input": ["convert"]},
    }})
}

#[test]
fn import_by_url() {
    let server = Server::start();
    let job = server.run(&url_job(&source::serve(pictures::png(40, 30, 1))));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert_eq!(job["tag"], "test", "the tag comes back");
    assert_eq!(job["credits_used"], 1, "one image conversion");
    assert!(!job.to_string().contains("s3cr3t"), "headers are never echoed");
    let file = server.download(&job);
    assert!(file.bytes.starts_with(b"RIFF"), "a WebP");
}

#[test]
fn addresses_that_are_not_public_are_refused() {
    let server = Server::start_with(&[]);
    let job = server.run(&url_job(&source::serve(pictures::png(4, 3, 1))));
    assert_eq!(job["status"], "ERROR", "{job:#}");
    assert_eq!(job["tasks"]["import-file"]["error"]["details"]["field"], "url", "{job:#}");
    assert_eq!(job["tasks"]["convert"]["error"]["code"], "INPUT_TASK_FAILED", "{job:#}");
    assert_eq!(job["credits_used"], 0, "nothing is charged");
}

#[test]
fn import_by_upload() {
    let server = Server::start();
    let body = json!({"tasks": {
        "upload-file": {"operation": "import/upload", "filename": "photo.png"},
        "convert": {"operation": "convert", "input": "upload-file", "output_format": "jpg"},
        "export": {"operation": "export/url", "input": ["convert"]},
    }});
    let created = server.call("POST", "/jobs", Some(&body));
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    let job = created.json()["data"].clone();
    assert_eq!(job["status"], "WAITING", "it awaits bytes: {job:#}");
    let url = job["tasks"]["upload-file"]["result"]["url"].as_str().expect("the link is in the 201").to_owned();
    let put = server.send("PUT", &url, None, Some(&pictures::png(30, 20, 1)), &[("content-type", "image/png")]);
    assert_eq!(put.status, 200, "{}", String::from_utf8_lossy(&put.bytes));
    let again = server.send("PUT", &url, None, Some(b"other"), &[]);
    assert_eq!(again.status, 409, "one upload a link");
    let job = server.wait(job["id"].as_str().expect("an id"));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert!(server.download(&job).bytes.starts_with(b"\xff\xd8\xff"), "a JPEG");
}

#[test]
fn lists_tasks_and_account() {
    let server = Server::start();
    let job = server.convert(&pictures::png(4, 4, 1), "a.png", "gif", &json!({}));
    let id = job["id"].as_str().expect("an id");
    let list = server.call("GET", "/jobs?status=FINISHED&limit=5", None).json();
    assert_eq!((list["meta"]["total"].as_u64(), list["meta"]["limit"].as_u64()), (Some(1), Some(5)), "{list:#}");
    assert_eq!(list["data"][0]["id"], id, "{list:#}");
    assert_eq!(server.call("GET", "/jobs?tag=other", None).json()["meta"]["total"], 0, "no such tag");
    let tasks = server.call("GET", &format!("/jobs/{id}/tasks"), None).json();
    let names: Vec<&str> = tasks["data"].as_array().expect("an array").iter().filter_map(|task| task["name"].as_str()).collect();
    assert_eq!(names, ["import", "convert", "export"], "in the customer's order");
    let task = server.call("GET", &format!("/jobs/{id}/tasks/convert"), None).json();
    assert!(task["data"]["result"]["file_id"].as_str().is_some_and(|file| file.starts_with("file_")), "{task:#}");
    assert_eq!(server.call("GET", &format!("/jobs/{id}/tasks/none"), None).status, 404, "unknown task");
    let account = server.call("GET", "/account", None);
    assert_eq!(account.json()["data"]["credits_remaining"], 999_999, "one was spent");
    assert_eq!(account.header("x-credits-remaining"), Some("999999"), "on every answer");
}

#[test]
fn cancel_retry_and_delete() {
    let server = Server::start();
    let created = server.call(
        "POST",
        "/jobs",
        Some(&json!({"tasks": {
            "up": {"operation": "import/upload", "filename": "a.jpg"},
            "convert": {"operation": "convert", "input": ["up"], "output_format": "png"},
        }})),
    );
    let id = created.json()["data"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(created.header("x-credits-used"), Some("1"), "reserved");
    let cancelled = server.call("POST", &format!("/jobs/{id}/tasks/convert/cancel"), None);
    assert_eq!((cancelled.status, cancelled.json()["data"]["status"].as_str()), (200, Some("CANCELLED")), "a waiting task");
    assert_eq!(server.call("POST", &format!("/jobs/{id}/tasks/convert/cancel"), None).status, 409, "twice is a conflict");
    assert_eq!(server.call("POST", &format!("/jobs/{id}/tasks/up/retry"), None).status, 409, "only what failed is retried");
    let retried = server.call("POST", &format!("/jobs/{id}/tasks/convert/retry"), None);
    assert_eq!(retried.status, 409, "its input has not finished: {}", String::from_utf8_lossy(&retried.bytes));
    assert_eq!(server.call("DELETE", &format!("/jobs/{id}"), None).status, 204, "deleted");
    assert_eq!(server.call("GET", &format!("/jobs/{id}"), None).status, 404, "gone");
    assert_eq!(server.call("DELETE", &format!("/jobs/{id}"), None).status, 404, "twice is not found");
}

#[test]
fn delete_removes_the_files() {
    let server = Server::start();
    let job = server.convert(&pictures::png(8, 8, 1), "a.png", "png", &json!({}));
    let link = job["tasks"]["export"]["result"]["url"].as_str().expect("a link").to_owned();
    let id = job["id"].as_str().expect("an id");
    assert_eq!(server.call("DELETE", &format!("/jobs/{id}"), None).status, 204, "deleted");
    assert_eq!(server.send("GET", &link, None, None, &[]).status, 404, "the link is dead");
    let files = walk(&server.folder.path().join("storage"));
    assert!(files.is_empty(), "no byte is left: {files:?}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
