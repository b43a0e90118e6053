//! The statements of the reference about jobs, tasks and options of conversions, one by one.

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::{Answer, Server};

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

fn import() -> Value {
    json!({"operation": "import/base64", "file": base64(&pictures::png(40, 20, 1)), "filename": "a.png"})
}

fn create(server: &Server, body: &Value) -> Value {
    let created = server.call("POST", "/jobs", Some(body));
    assert_eq!(created.status, 201, "{}", text(&created));
    created.json()["data"].clone()
}

fn refused(server: &Server, body: &Value, field: &str) {
    let answer = server.call("POST", "/jobs", Some(body));
    assert_eq!((answer.status, &answer.json()["details"]["field"]), (400, &json!(field)), "{body}: {}", text(&answer));
}

#[test]
fn r030_r031_a80_the_body_of_a_job() {
    let server = Server::start();
    let job = create(&server, &json!({"tag": "invoice-batch", "tasks": {"in": import()}}));
    assert_eq!(job["tag"], "invoice-batch", "R030");
    assert_eq!(create(&server, &json!({"tasks": {"in": import()}}))["tag"], Value::Null, "R030: the tag is optional");
    refused(&server, &json!({"tag": "x"}), "tasks");
    refused(&server, &json!({"tasks": {}}), "tasks");
    refused(&server, &json!({"tasks": []}), "tasks");
    refused(&server, &json!({"tag": "x".repeat(256), "tasks": {"in": import()}}), "tag");
    refused(&server, &json!({"fail_fast": "yes", "tasks": {"in": import()}}), "fail_fast");
    refused(&server, &json!({"keep_intermediates": 1, "tasks": {"in": import()}}), "keep_intermediates");
    refused(&server, &json!({"tasks": {"in": {"operation": "import/upload", "ignore_error": 1}}}), "ignore_error");
    refused(&server, &json!({"tasks": {"in": {"operation": "import/upload", "typo": 1}}}), "typo");
    let twice = br#"{"tasks": {"in": {"operation": "import/upload"}, "in": {"operation": "import/upload"}}}"#;
    let url = format!("{}/api/v1/jobs", server.url);
    let answer = server.send("POST", &url, Some(&server.key), Some(twice), &[("content-type", "application/json")]);
    assert_eq!((answer.status, &answer.json()["details"]["reason"]), (400, &json!("duplicate")), "R031: {}", text(&answer));
    for name in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
        assert_eq!(server.call("POST", "/jobs", Some(&json!({"tasks": {name: import()}}))).status, 400, "A80: {name:?}");
    }
    let many = |count: usize| -> Value {
        let tasks: serde_json::Map<String, Value> =
            (0..count).map(|i| (format!("t{i}"), json!({"operation": "import/upload"}))).collect();
        json!({"tasks": tasks})
    };
    assert_eq!(create(&server, &many(1_000))["tasks"].as_object().map(serde_json::Map::len), Some(1_000), "A80: a thousand");
    refused(&server, &many(1_001), "tasks");
}

#[test]
fn r032_r033_r034_r035_r036_the_life_of_a_job() {
    let server = Server::start();
    let body = json!({"tasks": {
        "in": import(),
        "one": {"operation": "convert", "input": ["in"], "output_format": "bmp"},
        "two": {"operation": "convert", "input": ["one"], "output_format": "webp"},
        "three": {"operation": "convert", "input": ["two"], "output_format": "jpg"},
        "export": {"operation": "export/url", "input": ["three"]},
    }});
    let created = create(&server, &body);
    for key in ["id", "tag", "status", "credits_used", "created_at", "tasks"] {
        assert!(created.get(key).is_some(), "R032: {key}: {created:#}");
    }
    assert!(created["id"].as_str().is_some_and(|id| id.starts_with("job_") && id.len() >= 20), "R005: {created:#}");
    assert!(["WAITING", "PROCESSING", "FINISHED"].iter().any(|status| created["status"] == *status), "R034, A01: {created:#}");
    assert!(created["tasks"]["export"]["status"].is_string(), "R032: a map of tasks with a status each");
    assert_eq!(created["credits_used"], 3, "A60: reserved at once");
    let id = created["id"].as_str().expect("an id");
    let job = server.wait(id);
    assert_eq!(job["status"], "FINISHED", "R033, R036: {job:#}");
    let at = |task: &str, key: &str| {
        job["tasks"][task][key].as_str().map(str::to_owned).unwrap_or_else(|| panic!("{task} {key}: {job:#}"))
    };
    for pair in ["in", "one", "two", "three", "export"].windows(2) {
        assert!(at(pair[0], "ended_at") <= at(pair[1], "started_at"), "R035: {pair:?}");
    }
    assert!(server.download(&job).bytes.starts_with(b"\xff\xd8\xff"), "R036: the whole chain");
    let again = server.call("GET", &format!("/jobs/{id}/wait?timeout=120"), None);
    assert_eq!(again.status, 200, "R042: at once");
    for (timeout, status) in [("0", 200), ("301", 200), ("x", 400), ("-1", 400), ("1.5", 400)] {
        let answer = server.call("GET", &format!("/jobs/{id}/wait?timeout={timeout}"), None);
        assert_eq!(answer.status, status, "A09: {timeout}");
    }
}

#[test]
fn r042_a10_waits_for_jobs_that_have_ended_or_not() {
    let server = Server::start();
    let waiting = create(&server, &json!({"tasks": {"up": {"operation": "import/upload"}}}));
    let id = waiting["id"].as_str().expect("an id");
    let early = server.call("GET", &format!("/jobs/{id}/wait?timeout=0"), None);
    assert_eq!((early.status, early.header("retry-after")), (202, Some("1")), "R041: {}", text(&early));
    assert_eq!(early.json()["data"]["status"], "WAITING", "A06: nothing can run yet");
    assert_eq!(server.call("POST", &format!("/jobs/{id}/tasks/up/cancel"), None).status, 200, "cancelled");
    let ended = server.call("GET", &format!("/jobs/{id}/wait?timeout=120"), None);
    assert_eq!((ended.status, &ended.json()["data"]["status"]), (200, &json!("ERROR")), "A10: an error is an end");
}

#[test]
fn r050_r051_r052_r053_a24_a25_tasks() {
    let server = Server::start();
    let job = server.run(&json!({"tasks": {
        "in": import(),
        "convert": {"operation": "convert", "input": "in", "output_format": "png", "options": {"width": 10}},
        "export": {"operation": "export/url", "input": ["convert"]},
        "up": {"operation": "import/base64", "file": base64(&pictures::png(3, 3, 1)), "filename": "b.png"},
    }}));
    let id = job["id"].as_str().expect("an id");
    let list = server.call("GET", &format!("/jobs/{id}/tasks"), None).json()["data"].clone();
    let list = list.as_array().expect("R051: an array");
    for task in list {
        assert!(["name", "operation", "status", "result"].iter().all(|key| task.get(key).is_some()), "R051: {task:#}");
        assert_eq!(
            *task,
            server.call("GET", &format!("/jobs/{id}/tasks/{}", task["name"].as_str().expect("a name")), None).json()["data"],
            "R053"
        );
    }
    assert!(job["tasks"]["convert"]["result"]["file_id"].as_str().is_some_and(|file| file.starts_with("file_")), "R052");
    assert!(job["tasks"]["export"]["result"]["url"].is_string(), "R052");
    assert_eq!(server.call("GET", &format!("/jobs/{id}/tasks/none"), None).status, 404, "R053");
    let task =
        |input: Value| json!({"tasks": {"in": import(), "c": {"operation": "convert", "input": input, "output_format": "png"}}});
    for bad in [json!([]), json!("c"), json!("none"), json!(["in", "in"]), json!(7), Value::Null] {
        refused(&server, &task(bad), "input");
    }
    refused(&server, &json!({"tasks": {"in": {"operation": "import/upload", "input": "in"}}}), "input");
    let circle = json!({"tasks": {
        "a": {"operation": "convert", "input": "b", "output_format": "png"}, "b": {"operation": "convert", "input": "a", "output_format": "png"},
    }});
    let answer = server.call("POST", "/jobs", Some(&circle)).json();
    assert_eq!(answer["details"]["field"], "input", "A25: {answer:#}");
    assert!(answer["details"]["path"].as_str().is_some_and(|path| path.starts_with("/tasks/")), "A25: {answer:#}");
}

#[test]
fn r280_r281_r283_r284_a47_a48_options_of_conversions() {
    let server = Server::start();
    let convert = |options: Value| json!({"tasks": {"in": import(), "c": {"operation": "convert", "input": "in", "output_format": "jpg", "options": options}}});
    let size = |options: Value| {
        let job = server.run(&convert(options));
        let file = &job["tasks"]["c"]["result"]["files"][0];
        (
            file["width"].as_u64().unwrap_or_else(|| panic!("{job:#}")),
            file["height"].as_u64().unwrap_or(0),
            file["size"].as_u64().unwrap_or(0),
        )
    };
    let (low, high) = (size(json!({"quality": 1})).2, size(json!({"quality": 100})).2);
    assert!(low < high, "R280: quality is heard: {low} {high}");
    assert_eq!(size(json!({})).2, size(json!({"quality": 85})).2, "R280: the default is 85");
    for bad in [json!(0), json!(101), json!(8.5), json!("85")] {
        refused(&server, &convert(json!({"quality": bad})), "quality");
    }
    let sides = |options: Value| {
        let (width, height, _) = size(options);
        (width, height)
    };
    assert_eq!(sides(json!({"width": 10})), (10, 5), "R283: the ratio is kept");
    assert_eq!(sides(json!({"height": 10})), (20, 10), "R284: the ratio is kept");
    assert_eq!(sides(json!({"width": 10, "height": 10})), (10, 10), "A47: exactly that");
    assert_eq!(sides(json!({"width": 80})), (80, 40), "A48: larger, too");
    refused(&server, &convert(json!({"width": 16_385})), "width");
}
