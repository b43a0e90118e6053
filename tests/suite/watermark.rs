//! Watermarks over the API: the picture is a task of its own, and what is wrong with the request is said before anything runs.

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::Server;

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn import(picture: &[u8], name: &str) -> Value {
    json!({ "operation": "import/base64", "file": base64(picture), "filename": name })
}

#[test]
fn r094_r077_a26_a_picture_is_placed_by_the_name_of_its_task() {
    let server = Server::start();
    let job = server.run(&json!({ "tasks": {
        "photo": import(&pictures::png(120, 90, 3), "photo.png"),
        "logo": import(&pictures::png(30, 20, 8), "logo.png"),
        "mark": { "operation": "watermark", "input": "photo", "image": "logo", "opacity": 70, "position_vertical": "bottom" },
        "export": { "operation": "export/url", "input": "mark" },
    }}));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert_eq!(job["credits_used"], 1, "one input, one credit: the picture is no input");
    let file = server.download(&job);
    assert_eq!(pictures::png_size(&file.bytes), Some((120, 90)), "the size of the photo");
    assert_ne!(file.bytes, pictures::png(120, 90, 3), "it is marked");
    assert_eq!(job["tasks"]["mark"]["result"]["files"][0]["filename"], "photo.png", "{job:#}");
    let warned = job["warnings"].to_string();
    assert!(!warned.contains("UNUSED_OUTPUT"), "the logo is used: {warned}");
}

#[test]
fn a_watermark_needs_a_text_or_a_picture_that_is_there() {
    let server = Server::start();
    let refused = |mark: Value| {
        let body = json!({ "tasks": { "photo": import(&pictures::png(9, 9, 3), "photo.png"), "mark": mark } });
        let answer = server.call("POST", "/jobs", Some(&body));
        assert_eq!(answer.status, 400, "{mark}: {:#}", answer.json());
        answer.json()["details"]["field"].as_str().map(str::to_owned)
    };
    let mark = |more: Value| {
        let mut mark = json!({ "operation": "watermark", "input": "photo" });
        mark.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        mark
    };
    assert_eq!(refused(mark(json!({}))), Some("text".into()), "neither");
    let body = json!({ "tasks": { "photo": import(&pictures::png(9, 9, 3), "photo.png"), "mark": mark(json!({})) } });
    let answer = server.call("POST", "/jobs", Some(&body)).json();
    assert_eq!(answer["message"], "Missing required field: text (or image, or image_url)", "{answer:#}");
    assert_eq!(answer["details"]["reason"], "required", "{answer:#}");
    assert_eq!(refused(mark(json!({ "text": "a", "image_url": "https://example.com/a.png" }))), Some("image_url".into()), "both");
    assert_eq!(refused(mark(json!({ "text": "a", "image": "photo" }))), Some("image".into()), "both");
    assert_eq!(refused(mark(json!({ "options": { "image": "logo" } }))), Some("image".into()), "no such task");
    assert_eq!(refused(mark(json!({ "image": "mark" }))), Some("image".into()), "itself");
    assert_eq!(refused(mark(json!({ "text": "a", "opacity": 101 }))), Some("opacity".into()), "out of range");
}

#[test]
fn a_picture_whose_import_failed_fails_the_watermark_and_costs_nothing() {
    let server = Server::start();
    let job = server.run(&json!({ "tasks": {
        "photo": import(&pictures::png(12, 9, 3), "photo.png"),
        "logo": { "operation": "import/url", "url": "http://192.0.2.1/logo.png", "ignore_error": true, "timeout": 1 },
        "mark": { "operation": "watermark", "input": "photo", "image": "logo" },
    }}));
    assert_eq!(job["status"], "ERROR", "{job:#}");
    assert_eq!(job["tasks"]["mark"]["error"]["details"]["field"], "image", "{job:#}");
    assert_eq!(job["credits_used"], 0, "nothing was made");
}

#[test]
fn a26_a_picture_may_be_named_by_its_address() {
    use crate::imports::{Source, send};
    let server = Server::start();
    let logo = pictures::png(30, 20, 8);
    let source = Source::start(move |_, head, stream| match head.contains("/logo.png") {
        true => send(stream, "200 OK\nContent-Type: image/png", &logo),
        false => send(stream, "200 OK\nContent-Type: text/plain", b"no picture"),
    });
    let run = |url: String| {
        server.run(&json!({ "tasks": {
            "photo": import(&pictures::png(120, 90, 3), "photo.png"),
            "mark": { "operation": "watermark", "input": "photo", "image_url": url },
            "export": { "operation": "export/url", "input": "mark" },
        }}))
    };
    let job = run(source.url("/logo.png"));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert_ne!(server.download(&job).bytes, pictures::png(120, 90, 3), "it is marked");
    for url in [source.url("/text"), "http://10.1.2.3/logo.png".to_owned()] {
        let job = run(url.clone());
        let error = &job["tasks"]["mark"]["error"];
        assert_eq!((&job["status"], &error["details"]["field"]), (&json!("ERROR"), &json!("image_url")), "{url}: {job:#}");
        assert_eq!(job["credits_used"], 0, "{url}: nothing was made");
    }
}
