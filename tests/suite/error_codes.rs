//! Every code of the reference, by a request that earns it. All have the same form, and the same facts as problem+json.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Value, json};

use crate::support::accounts::{another, key_of};
use crate::support::pictures;
use crate::support::server::{Answer, Server};

/// One server for all tests of this file that run at the same time; it ends with the last of them.
fn server() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

fn ask(server: &Server, key: Option<&str>, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
    let text = body.map(Value::to_string);
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    server.send(method, &format!("{}/api/v1{path}", server.url), key, text.as_deref().map(str::as_bytes), &all)
}

/// Asks twice, for both forms of the error, and holds them against each other. Returns the body in the reference's form.
fn refused(server: &Server, key: Option<&str>, method: &str, path: &str, body: Option<&Value>, status: u16, code: &str) -> Value {
    let answer = ask(server, key, method, path, body, &[]);
    let error = answer.json();
    assert_eq!((answer.status, error["code"].as_str()), (status, Some(code)), "{method} {path}: {error}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{method} {path}");
    assert!(error["message"].as_str().is_some_and(|text| text.len() > 10), "it says something: {error}");
    assert!(error.get("data").is_none() && error.get("error").is_none(), "no wrapper: {error}");
    let other = ask(server, key, method, path, body, &[("accept", "application/problem+json")]);
    let problem = other.json();
    assert_eq!((other.status, other.header("content-type")), (status, Some("application/problem+json")), "{problem}");
    assert_eq!(problem["type"], "about:blank", "{problem}");
    assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &error["code"]), "{problem}");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "RFC 9457: {problem}");
    assert_eq!(problem.get("details").is_some(), error.get("details").is_some(), "the same details: {problem}");
    error
}

fn convert(fields: Value) -> Value {
    let mut task = json!({ "operation": "convert", "input": ["in"], "output_format": "png" });
    task.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    json!({ "tasks": { "in": { "operation": "import/upload", "filename": "a.jpg" }, "c": task } })
}

#[test]
fn r340_invalid_data() {
    let server = server();
    for (body, field) in [
        (json!({}), "tasks"),
        (convert(json!({ "options": { "quality": 0 } })), "quality"),
        (convert(json!({ "operation": "convertt" })), "operation"),
        (convert(json!({ "input": ["c"] })), "input"),
        (convert(json!({ "input": ["nobody"] })), "input"),
    ] {
        let error = refused(&server, Some(server.key.as_str()), "POST", "/jobs", Some(&body), 400, "INVALID_DATA");
        assert_eq!(error["details"]["field"], field, "{error}");
    }
    let url = format!("{}/api/v1/jobs", server.url);
    let answer =
        server.send("POST", &url, Some(server.key.as_str()), Some(b"{\"tasks\":"), &[("content-type", "application/json")]);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("INVALID_DATA")), "malformed JSON");
}

#[test]
fn r341_unauthenticated() {
    let server = server();
    for wrong in [None, Some("nonsense"), Some("cvfly_sk_live_abc123def456...")] {
        refused(&server, wrong, "GET", "/jobs", None, 401, "UNAUTHENTICATED");
    }
    let answer = ask(&server, None, "GET", "/jobs", None, &[]);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "RFC 6750");
    assert_eq!(answer.header("x-credits-remaining"), None, "nobody's balance");
}

#[test]
fn r342_r364_insufficient_credits_and_nothing_happens() {
    let server = server();
    let poor = another(&server, 0, &["*"]);
    let error = refused(&server, Some(&poor.key), "POST", "/jobs", Some(&convert(json!({}))), 402, "INSUFFICIENT_CREDITS");
    assert_eq!((&error["details"]["needed"], &error["details"]["balance"]), (&json!(1), &json!(0)), "{error}");
    let list = ask(&server, Some(&poor.key), "GET", "/jobs", None, &[]);
    assert_eq!(list.json()["meta"]["total"], 0, "nothing is queued");
    let free = json!({ "tasks": { "in": { "operation": "import/upload" } } });
    assert_eq!(ask(&server, Some(&poor.key), "POST", "/jobs", Some(&free), &[]).status, 201, "what costs nothing needs nothing");
}

#[test]
fn r343_r013_forbidden() {
    let server = server();
    let account = another(&server, 10, &["jobs:read"]);
    let error = refused(&server, Some(&account.key), "POST", "/jobs", Some(&convert(json!({}))), 403, "FORBIDDEN");
    assert_eq!(error["details"]["required_scope"], "jobs:write", "{error}");
    assert_eq!(ask(&server, Some(&account.key), "GET", "/jobs", None, &[]).status, 200, "what it may do");
    let writer = key_of(&server, &account.account, &["jobs:write"]);
    refused(&server, Some(&writer), "GET", "/jobs", None, 403, "FORBIDDEN");
    let created = ask(&server, Some(&writer), "POST", "/jobs", Some(&convert(json!({}))), &[]);
    assert!(created.status == 201 && created.json()["data"]["id"].is_string(), "the answer to its own write: {}", created.json());
}

#[test]
fn r344_not_found() {
    let server = server();
    for path in
        ["/jobs/job_none", "/jobs/nonsense", "/jobs/job_none/tasks", "/jobs/job_none/wait", "/jobs/job_none/tasks/a", "/nowhere"]
    {
        refused(&server, Some(server.key.as_str()), "GET", path, None, 404, "NOT_FOUND");
    }
    let created = ask(&server, Some(server.key.as_str()), "POST", "/jobs", Some(&convert(json!({}))), &[]).json();
    let id = created["data"]["id"].as_str().expect("an id");
    refused(&server, Some(server.key.as_str()), "GET", &format!("/jobs/{id}/tasks/nobody"), None, 404, "NOT_FOUND");
    assert_eq!(ask(&server, Some(server.key.as_str()), "DELETE", &format!("/jobs/{id}"), None, &[]).status, 204, "deleted");
    refused(&server, Some(server.key.as_str()), "GET", &format!("/jobs/{id}"), None, 404, "NOT_FOUND");
    refused(&server, Some(server.key.as_str()), "DELETE", &format!("/jobs/{id}"), None, 404, "NOT_FOUND");
}

#[test]
fn r345_r055_conflict() {
    let server = server();
    let job = server.convert(&pictures::png(4, 4, 1), "a.png", "png", &json!({}));
    let task = format!("/jobs/{}/tasks/convert", job["id"].as_str().expect("an id"));
    refused(&server, Some(server.key.as_str()), "POST", &format!("{task}/cancel"), None, 409, "CONFLICT");
    refused(&server, Some(server.key.as_str()), "POST", &format!("{task}/retry"), None, 409, "CONFLICT");
}

#[test]
fn r346_r075_payload_too_large() {
    let server = server();
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    let job = |bytes: usize| json!({ "tasks": { "in": { "operation": "import/base64", "file": engine.encode(vec![0u8; bytes]), "filename": "a.png" } } });
    let error =
        refused(&server, Some(server.key.as_str()), "POST", "/jobs", Some(&job((10 << 20) + 1)), 413, "PAYLOAD_TOO_LARGE");
    assert_eq!(error["details"]["field"], "file", "{error}");
    assert!(error.to_string().contains("10485760"), "the cap is named: {error}");
    assert_eq!(
        ask(&server, Some(server.key.as_str()), "POST", "/jobs", Some(&job(10 << 20)), &[]).status,
        201,
        "exactly 10 MiB, decoded"
    );
    // A body that is over the cap as announced is refused before it is sent.
    let announced = refuse_announced(&server, "/api/v1/jobs", 17 << 20);
    assert!(announced.starts_with("HTTP/1.1 413") && announced.contains("\"max_bytes\":16777216"), "{announced}");
}

/// Announces a body, sends none, and reads the answer.
fn refuse_announced(server: &Server, path: &str, bytes: usize) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.url.trim_start_matches("http://")).expect("connected");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n",
        server.key
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn r347_a46_unsupported_format() {
    let server = server();
    for (fields, name) in [
        (json!({ "output_format": "docx" }), "docx"),
        (json!({ "output_format": "mp3" }), "mp3"),
        (json!({ "input_format": "mp3" }), "mp3"),
        (json!({ "output_format": "pngg" }), "did you mean `png`"),
    ] {
        let error =
            refused(&server, Some(server.key.as_str()), "POST", "/jobs", Some(&convert(fields)), 422, "UNSUPPORTED_FORMAT");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(name)), "it names {name}: {error}");
        assert_eq!(error["details"]["task"], "c", "{error}");
    }
    // What is known only once the bytes have been seen ends the task instead.
    let job = server.convert(b"ID3\x04\0\0\0\0\0\0 no picture at all", "song.bin", "png", &json!({}));
    let codes = ["UNSUPPORTED_FORMAT", "INVALID_DATA"];
    assert!(codes.iter().any(|code| job["error"]["code"] == *code), "{job:#}");
    assert_eq!((&job["status"], &job["credits_used"]), (&json!("ERROR"), &json!(0)), "and costs nothing: {job:#}");
}

#[test]
fn a78_details_say_where() {
    let server = server();
    let body = json!({ "tasks": {
        "in": { "operation": "import/url" },
        "c~/d": { "operation": "import/upload" },
        "c": { "operation": "convert", "input": ["in"], "options": { "quality": 101, "widht": 7 } },
    } });
    let error = refused(&server, Some(server.key.as_str()), "POST", "/jobs", Some(&body), 400, "INVALID_DATA");
    let all = error["details"]["errors"].as_array().unwrap_or_else(|| panic!("all problems at once: {error}"));
    let paths: Vec<&str> = all.iter().filter_map(|problem| problem["path"].as_str()).collect();
    for path in ["/tasks/in/url", "/tasks/c~0~1d", "/tasks/c/output_format", "/tasks/c/options/quality", "/tasks/c/options/widht"]
    {
        assert!(paths.contains(&path), "{path}: {error:#}");
    }
    let missing = all.iter().find(|problem| problem["path"] == "/tasks/c/output_format").expect("found above");
    assert_eq!(
        (&missing["field"], &missing["task"], &missing["reason"]),
        (&json!("output_format"), &json!("c"), &json!("required")),
        "{missing}"
    );
    assert!(
        all.iter().any(|problem| problem["reason"].as_str().is_some_and(|text| text.contains("did you mean `width`"))),
        "{error:#}"
    );
    assert_eq!(error["details"]["path"], paths[0], "the first one stands in front");
}

#[test]
fn a79_r002_odd_requests() {
    let server = server();
    let url = format!("{}/api/v1/jobs", server.url);
    let body = convert(json!({})).to_string();
    for (media, status) in [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("APPLICATION/JSON", 201),
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 400),
        ("multipart/form-data; boundary=x", 400),
    ] {
        let answer = server.send("POST", &url, Some(server.key.as_str()), Some(body.as_bytes()), &[("content-type", media)]);
        assert_eq!(answer.status, status, "{media}");
        assert!(status == 201 || answer.json()["details"]["field"] == "Content-Type", "{media}");
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = server.send(method, &url, Some(server.key.as_str()), None, &[]);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (405, Some("METHOD_NOT_ALLOWED")), "{method}");
        assert!(
            answer.header("allow").is_some_and(|allow| allow.contains("POST") && allow.contains("GET")),
            "{:?}",
            answer.headers
        );
    }
    assert_eq!(
        ask(&server, Some(server.key.as_str()), "GET", "/jobs?nonsense=1&sort=up", None, &[]).status,
        200,
        "unknown parameters are ignored"
    );
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("page=0", "page"),
        ("status=DONE", "status"),
        ("page=99999999999999999999", "page"),
    ] {
        let error = refused(&server, Some(server.key.as_str()), "GET", &format!("/jobs?{query}"), None, 400, "INVALID_DATA");
        assert_eq!(error["details"]["field"], field, "{query}: {error}");
    }
    let any = ask(&server, Some(server.key.as_str()), "GET", "/jobs", None, &[("accept", "text/html, image/*")]);
    assert_eq!((any.status, any.header("content-type")), (200, Some("application/json")), "there is one form of answers");
}

#[test]
fn r003_r004_r005_the_form_of_answers() {
    let server = server();
    let job = server.convert(&pictures::png(4, 4, 1), "a.png", "png", &json!({}));
    let list = ask(&server, Some(server.key.as_str()), "GET", "/jobs?limit=1", None, &[]).json();
    assert!(list["data"].is_array() && list["meta"].is_object(), "lists have data and meta: {list}");
    for at in ["created_at", "ended_at"] {
        let text = job[at].as_str().unwrap_or_else(|| panic!("{at}: {job:#}"));
        let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "0000-00-00T00:00:00Z", "{at}: whole seconds, UTC");
    }
    let file = &job["tasks"]["convert"]["result"]["file_id"];
    for (id, prefix) in [(&job["id"], "job_"), (file, "file_"), (&json!(server.key), "cvfly_sk_live_")] {
        let tail = id.as_str().and_then(|id| id.strip_prefix(prefix)).unwrap_or_else(|| panic!("{prefix}: {id}"));
        assert!(tail.len() >= 17, "96 random bits at least: {id}");
    }
}

#[test]
fn a40_a41_a42_documents_are_named_until_an_engine_converts_them() {
    let server = server();
    let formats = ask(&server, Some(server.key.as_str()), "GET", "/formats", None, &[]).json();
    let known = |from: &str, to: &str| {
        let format = formats["data"].as_array().expect("formats").iter().find(|format| format["name"] == from);
        let outputs = format.and_then(|format| format["outputs"].as_array()).map(Vec::as_slice).unwrap_or_default();
        outputs.iter().any(|output| output["format"] == to)
    };
    for (from, to) in [("md", "pdf"), ("pdf", "pptx"), ("pdf", "png"), ("docx", "pdf")] {
        let body = json!({ "tasks": {
            "in": { "operation": "import/upload", "filename": format!("a.{from}") },
            "c": { "operation": "convert", "input": "in", "input_format": from, "output_format": to },
        } });
        let answer = ask(&server, Some(server.key.as_str()), "POST", "/jobs", Some(&body), &[]);
        if known(from, to) {
            assert_eq!(answer.status, 201, "{from} -> {to}: {}", answer.json());
        } else {
            assert_eq!(answer.status, 422, "{from} -> {to}: {}", answer.json());
            assert!(
                answer.json()["message"].as_str().is_some_and(|text| text.contains(from) || text.contains(to)),
                "{from} -> {to}: {}",
                answer.json()
            );
        }
    }
}

#[test]
fn a43_a44_aliases_are_understood_and_canonical_names_come_back() {
    let server = server();
    for (given, canonical) in
        [("JPEG", "jpg"), (".PNG", "png"), ("tif", "tiff"), (" webp", "webp"), ("Gif", "gif"), ("jpe", "jpg")]
    {
        let job = server.convert(&pictures::png(4, 4, 1), "a.png", given, &json!({}));
        let file = &job["tasks"]["convert"]["result"]["files"][0];
        assert_eq!(
            (&file["format"], &file["filename"]),
            (&json!(canonical), &json!(format!("a.{canonical}"))),
            "{given}: {job:#}"
        );
    }
    let formats = ask(&server, Some(server.key.as_str()), "GET", "/formats", None, &[]).json();
    let jpg = formats["data"].as_array().expect("formats").iter().find(|format| format["name"] == "jpg").expect("jpg").clone();
    assert!(jpg["aliases"].as_array().is_some_and(|all| all.contains(&json!("jpeg"))), "{jpg}");
    assert!(jpg["outputs"].as_array().is_some_and(|all| all.contains(&json!({ "format": "png", "credits": 1 }))), "{jpg}");
}

#[test]
fn a45_r076_the_content_decides_unless_the_customer_does() {
    let server = server();
    let png = pictures::png(4, 4, 1);
    let job = server.convert(&png, "really-a-png.gif", "png", &json!({}));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert!(job.to_string().contains("The file is a png"), "the mismatch is said: {job:#}");
    // Stated and wrong: the decoder's failure says what was found.
    use base64::Engine;
    let file = base64::engine::general_purpose::STANDARD.encode(&png);
    for place in ["in", "c"] {
        let mut body = json!({ "tasks": {
            "in": { "operation": "import/base64", "file": file, "filename": "a" },
            "c": { "operation": "convert", "input": "in", "output_format": "webp" },
        } });
        body["tasks"][place]["input_format"] = json!("png");
        assert_eq!(server.run(&body)["status"], "FINISHED", "stated and right, on {place}");
        body["tasks"][place]["input_format"] = json!("gif");
        let job = server.run(&body);
        assert_eq!(job["status"], "ERROR", "stated and wrong, on {place}: {job:#}");
        assert!(job["error"]["message"].as_str().is_some_and(|text| text.contains("png")), "{place}: {job:#}");
    }
}
