//! Smaller files over the API: the same picture, never more bytes, and what was done is told.

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::{Answer, Server};

fn import(name: &str, bytes: &[u8]) -> Value {
    use base64::Engine;
    json!({ "operation": "import/base64", "file": base64::engine::general_purpose::STANDARD.encode(bytes), "filename": name })
}

fn optimize(server: &Server, name: &str, bytes: &[u8], options: &Value) -> (Value, Answer) {
    let job = server.run(&json!({ "tasks": {
        "import": import(name, bytes),
        "optimize": { "operation": "optimize", "input": "import", "options": options },
        "export": { "operation": "export/url", "input": "optimize" },
    }}));
    assert_eq!(job["status"], "FINISHED", "{name} with {options}: {job:#}");
    let file = server.download(&job);
    (job, file)
}

#[test]
fn r091_a55_every_format_becomes_smaller_and_never_larger() {
    let server = Server::start();
    let picture = pictures::png(200, 150, 7);
    let drawing =
        b"<?xml version=\"1.0\"?>\n<!-- by hand -->\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"20\" height=\"10\">\n  \
                    <path d=\"M 1.00 2.00 L 10.50 8.00 Z\" fill=\"#ff0000\"/>\n</svg>\n";
    let mut files = vec![("svg", drawing.to_vec()), ("png", picture.clone())];
    for format in ["jpg", "webp", "gif"] {
        let job = server.convert(&picture, "a.png", format, &json!({ "quality": 97 }));
        files.push((format, server.download(&job).bytes));
    }
    for (format, before) in &files {
        let name = format!("picture.{format}");
        let (job, file) = optimize(&server, &name, before, &json!({ "profile": "max" }));
        assert!(file.bytes.len() < before.len(), "{format}: {} of {}", file.bytes.len(), before.len());
        let task = &job["tasks"]["optimize"];
        let told = &task["result"]["files"][0];
        assert_eq!((&told["format"], &told["filename"]), (&json!(format), &json!(name)), "{job:#}");
        assert_eq!(told["size"], json!(file.bytes.len()), "{job:#}");
        assert_eq!(task["explain"]["kept_original"], false, "{job:#}");
        assert_eq!(job["credits_used"], 1, "{format}");
        // What is as small as it gets comes back as it was, and that is said.
        let (again, same) = optimize(&server, &name, &file.bytes, &json!({ "profile": "archive" }));
        assert!(same.bytes.len() <= file.bytes.len(), "{format}: never larger");
        if again["tasks"]["optimize"]["explain"]["kept_original"] == true {
            assert_eq!(same.bytes, file.bytes, "{format}: the very bytes");
            assert!(
                again["tasks"]["optimize"]["result"].to_string().contains("could not be made smaller")
                    || again.to_string().contains("could not be made smaller"),
                "{again:#}"
            );
        }
    }
    // A drawing that has been made smaller cannot be made smaller again.
    let (_, small) = optimize(&server, "a.svg", &files[0].1, &json!({}));
    let (job, same) = optimize(&server, "a.svg", &small.bytes, &json!({}));
    assert_eq!((&job["tasks"]["optimize"]["explain"]["kept_original"], &same.bytes), (&json!(true), &small.bytes), "{job:#}");
}

#[test]
fn r286_a20_quality_profile_and_max_bytes_are_options() {
    let server = Server::start();
    let job = server.convert(&pictures::png(300, 200, 9), "a.png", "jpg", &json!({ "quality": 98 }));
    let photo = server.download(&job).bytes;
    let (job, file) = optimize(&server, "a.jpg", &photo, &json!({ "max_bytes": 3_000 }));
    assert!(file.bytes.len() <= 3_000, "{}: {job:#}", file.bytes.len());
    let (job, file) = optimize(&server, "a.jpg", &photo, &json!({ "quality": "auto", "profile": "print" }));
    let score = job["tasks"]["optimize"]["explain"]["score"].as_f64();
    assert!(score.is_none_or(|score| score >= 90.0) && file.bytes.len() <= photo.len(), "{job:#}");
    let failed = server.run(&json!({ "tasks": {
        "import": import("a.jpg", &photo),
        "optimize": { "operation": "optimize", "input": "import", "max_bytes": 20 },
    }}));
    assert_eq!(failed["tasks"]["optimize"]["error"]["details"]["field"], "max_bytes", "{failed:#}");
    assert_eq!(failed["credits_used"], 0, "and costs nothing");
    for (field, value) in
        [("quality", json!("best")), ("quality", json!(101)), ("profile", json!("fast")), ("max_bytes", json!(0))]
    {
        let body = json!({ "tasks": {
            "import": import("a.jpg", &photo),
            "optimize": { "operation": "optimize", "input": "import", "options": { field: value } },
        }});
        let answer = server.call("POST", "/jobs", Some(&body));
        assert_eq!((answer.status, &answer.json()["details"]["field"]), (400, &json!(field)), "{value}: {:#}", answer.json());
    }
}

#[test]
fn r036_a_chain_of_every_step_ends_in_one_file() {
    let server = Server::start();
    let job = server.run(&json!({ "tasks": {
        "import": import("a.png", &pictures::png(240, 160, 3)),
        "convert": { "operation": "convert", "input": "import", "output_format": "jpg", "options": { "quality": 95 } },
        "optimize": { "operation": "optimize", "input": "convert" },
        "watermark": { "operation": "watermark", "input": "optimize", "text": "mine" },
        "export": { "operation": "export/url", "input": "watermark" },
    }}));
    assert_eq!((&job["status"], &job["credits_used"]), (&json!("FINISHED"), &json!(3)), "{job:#}");
    assert!(server.download(&job).bytes.starts_with(b"\xff\xd8\xff"), "a picture comes out");
}
