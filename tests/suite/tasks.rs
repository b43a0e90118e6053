//! Choices of jobs and tasks over HTTP: plans, preferences, failures that may be, failures that end it all, retries.

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

fn import(bytes: &[u8]) -> Value {
    json!({"operation": "import/base64", "file": base64(bytes), "filename": "a.png"})
}

fn torn() -> Vec<u8> {
    let picture = pictures::png(30, 20, 1);
    picture[..picture.len() / 2].to_owned()
}

#[test]
fn a_dry_run_plans_and_stores_nothing() {
    let server = Server::start();
    let body = json!({"tasks": {
        "in": {"operation": "import/url", "url": "https://example.com/photo.png"},
        "unknown": {"operation": "import/url", "url": "https://example.com/thing"},
        "convert": {"operation": "convert", "input": ["in", "unknown"], "output_format": "webp"},
    }});
    let plan = server.call("POST", "/jobs?dry_run=true", Some(&body));
    assert_eq!(plan.status, 200, "{}", text(&plan));
    let plan = plan.json()["data"].clone();
    assert_eq!(
        (&plan["dry_run"], &plan["credits"]),
        (&json!(true), &json!(3)),
        "1, and 2 for what is not known before it is read: {plan:#}"
    );
    assert_eq!((&plan["balance"], &plan["balance_after"]), (&json!(1_000_000), &json!(999_997)), "{plan:#}");
    let route = &plan["tasks"]["convert"]["route"];
    assert_eq!(route[0], json!({"from": "png", "to": "webp", "lane": "cpu", "engine": "image", "credits": 1}), "{plan:#}");
    assert_eq!((&route[1]["from"], &route[1]["engine"]), (&Value::Null, &Value::Null), "not known before it is read: {plan:#}");
    assert_eq!(plan["warnings"][0]["code"], "NO_EXPORT", "A31: {plan:#}");
    assert_eq!(plan["tasks"]["in"]["lane"], "io", "{plan:#}");
    let account = server.call("GET", "/account", None).json()["data"].clone();
    assert_eq!((&account["credits_remaining"], &account["credits_reserved"]), (&json!(1_000_000), &json!(0)), "nothing charged");
    assert_eq!(server.call("GET", "/jobs", None).json()["meta"]["total"], 0, "nothing stored");
    let mut wrong = body.clone();
    wrong["tasks"]["convert"]["output_format"] = Value::Null;
    let (dry, real) = (server.call("POST", "/jobs?dry_run=true", Some(&wrong)), server.call("POST", "/jobs", Some(&wrong)));
    assert_eq!((dry.status, dry.json()), (real.status, real.json()), "the same errors");
    assert_eq!(server.call("POST", "/jobs?dry_run=maybe", Some(&body)).status, 400, "yes or no");
}

#[test]
fn prefer_wait_answers_with_the_end() {
    let server = Server::start();
    let body = json!({"tasks": {"in": import(&pictures::png(9, 9, 1)), "c": {"operation": "convert", "input": "in", "output_format": "gif"}}});
    let url = format!("{}/api/v1/jobs", server.url);
    let post = |prefer: &str, body: &Value| {
        server.send(
            "POST",
            &url,
            Some(&server.key),
            Some(body.to_string().as_bytes()),
            &[("content-type", "application/json"), ("prefer", prefer)],
        )
    };
    let done = post("wait=100", &body);
    assert_eq!((done.status, &done.json()["data"]["status"]), (201, &json!("FINISHED")), "{}", text(&done));
    assert_eq!(done.header("preference-applied"), Some("wait=100"), "RFC 7240");
    let id = done.json()["data"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(done.header("location"), Some(format!("/api/v1/jobs/{id}").as_str()), "where it is");
    let waiting = json!({"tasks": {"up": {"operation": "import/upload"}}});
    let early = post("respond-async, wait=1", &waiting);
    assert_eq!((early.status, &early.json()["data"]["status"]), (201, &json!("WAITING")), "the time was over: {}", text(&early));
    assert_eq!(early.header("preference-applied"), Some("respond-async, wait=1"), "both");
}

#[test]
fn a05_ignore_error_and_fail_fast() {
    let server = Server::start();
    let good = pictures::png(12, 9, 1);
    let pardoned = server.run(&json!({"tasks": {
        "bad": import(&torn()), "good": import(&good),
        "a": {"operation": "convert", "input": "bad", "output_format": "gif", "ignore_error": true},
        "b": {"operation": "convert", "input": "good", "output_format": "gif"},
        "export": {"operation": "export/url", "input": ["a", "b"]},
    }}));
    assert_eq!((&pardoned["status"], &pardoned["tasks"]["a"]["status"]), (&json!("FINISHED"), &json!("ERROR")), "{pardoned:#}");
    assert_eq!(
        pardoned["tasks"]["export"]["result"]["files"].as_array().map(Vec::len),
        Some(1),
        "the export goes on: {pardoned:#}"
    );
    assert_eq!(pardoned["credits_used"], 1, "what failed is not paid");
    assert_eq!(pardoned.get("error"), None, "no error of the job");

    // The other branch hangs for ever: only fail_fast lets the job end.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x.png", silent.local_addr().expect("an address"));
    let fast = server.run(&json!({"fail_fast": true, "tasks": {
        "slow": {"operation": "import/url", "url": url},
        "bad": import(&torn()), "a": {"operation": "convert", "input": "bad", "output_format": "gif"},
        "b": {"operation": "convert", "input": "slow", "output_format": "gif"},
    }}));
    assert_eq!((&fast["status"], &fast["fail_fast"]), (&json!("ERROR"), &json!(true)), "{fast:#}");
    assert_eq!(
        (&fast["tasks"]["slow"]["status"], &fast["tasks"]["b"]["status"]),
        (&json!("CANCELLED"), &json!("CANCELLED")),
        "{fast:#}"
    );
    assert_eq!((&fast["error"]["code"], &fast["credits_used"]), (&json!("INVALID_DATA"), &json!(0)), "the failure is the error");
}

#[test]
fn r056_r057_r058_a03_retry_over_http() {
    let server = Server::start();
    let job = server
        .run(&json!({"tasks": {"in": import(&torn()), "c": {"operation": "convert", "input": "in", "output_format": "gif"},
        "out": {"operation": "export/url", "input": "c"}}}));
    let id = job["id"].as_str().expect("an id");
    assert_eq!(
        (&job["status"], &job["tasks"]["out"]["error"]["code"]),
        (&json!("ERROR"), &json!("INPUT_TASK_FAILED")),
        "A04: {job:#}"
    );
    let explain = &job["tasks"]["c"]["explain"];
    assert!(explain["queued_ms"].is_number() && explain["attempt"].is_number(), "also of a failure: {job:#}");
    let finished = server.call("POST", &format!("/jobs/{id}/tasks/in/retry"), None);
    assert_eq!((finished.status, &finished.json()["code"]), (409, &json!("CONFLICT")), "R056: only what failed");
    let retried = server.call("POST", &format!("/jobs/{id}/tasks/c/retry"), None);
    assert_eq!((retried.status, retried.header("x-credits-used")), (200, Some("1")), "R057: {}", text(&retried));
    let again = server.wait(id);
    assert_eq!((&again["status"], &again["credits_used"]), (&json!("ERROR"), &json!(0)), "the file is as torn as before");
    assert_eq!(again["tasks"]["out"]["error"]["code"], "INPUT_TASK_FAILED", "A03: what fell with it ran again, too");
}

#[test]
fn r037_explain_and_conditional_get() {
    let server = Server::start();
    let job = server.convert(&pictures::png(30, 20, 1), "a.png", "webp", &json!({}));
    for key in ["queued_ms", "total_ms", "fetch_ms", "store_ms", "attempt"] {
        assert!(job["tasks"]["convert"]["explain"][key].is_number(), "{key}: {job:#}");
    }
    let path = format!("{}/api/v1/jobs/{}", server.url, job["id"].as_str().expect("an id"));
    let first = server.send("GET", &path, Some(&server.key), None, &[]);
    let tag = first.header("etag").expect("an ETag").to_owned();
    let same = server.send("GET", &path, Some(&server.key), None, &[("if-none-match", &tag)]);
    assert_eq!((same.status, same.bytes.len()), (304, 0), "unchanged");
    let other = server.send("GET", &path, Some(&server.key), None, &[("if-none-match", "W/\"0\"")]);
    assert_eq!(other.status, 200, "another version");
}
