//! Bad requests and bad files: the documented code, the field, and nothing lost.

use base64::Engine;
use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::Server;

fn post(server: &Server, tasks: Value) -> (u16, Value) {
    let answer = server.call("POST", "/jobs", Some(&json!({ "tasks": tasks })));
    (answer.status, answer.json())
}

#[test]
fn requests_are_checked_field_by_field() {
    let server = Server::start();
    let import = json!({"operation": "import/url", "url": "https://example.com/a.png"});
    let convert = |fields: Value| {
        let mut task = json!({"operation": "convert", "input": ["in"], "output_format": "png"});
        task.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        json!({"in": import, "c": task})
    };
    for (tasks, status, field, word) in [
        (json!({}), 400, "tasks", ""),
        (json!({"in": import, "c": {"operation": "convert", "input": ["in"]}}), 400, "output_format", "required"),
        (json!({"in": {"operation": "import/url"}}), 400, "url", "required"),
        (json!({"in": {"operation": "import/url", "url": "ftp://example.com/a"}}), 400, "url", "http"),
        (json!({"in": {"operation": "import/ur", "url": "https://example.com/a"}}), 400, "operation", "import/url"),
        (convert(json!({"options": {"quality": 101}})), 400, "quality", "100"),
        (convert(json!({"options": {"quality": "85"}})), 400, "quality", "integer"),
        (convert(json!({"options": {"qualty": 85}})), 400, "qualty", "quality"),
        (convert(json!({"options": {"fit": "stretch"}})), 400, "fit", "crop"),
        (convert(json!({"input": ["nobody"]})), 400, "input", "nobody"),
        (convert(json!({"input": ["c"]})), 400, "input", ""),
        (convert(json!({"input": []})), 400, "input", ""),
        (convert(json!({"output_format": "docx"})), 422, "output_format", ""),
        (
            json!({"a": {"operation": "convert", "input": ["b"], "output_format": "png"}, "b": {"operation": "convert", "input": ["a"], "output_format": "png"}}),
            400,
            "input",
            "",
        ),
    ] {
        let (got, body) = post(&server, tasks.clone());
        assert_eq!(got, status, "{tasks}: {body}");
        assert_eq!(body["details"]["field"], field, "{tasks}: {body}");
        assert!(body.to_string().contains(word), "{tasks}: the answer helps on with `{word}`: {body}");
        assert_eq!(body["code"], if status == 422 { "UNSUPPORTED_FORMAT" } else { "INVALID_DATA" }, "{body}");
    }
    let (_, body) = post(&server, json!({"in": {"operation": "import/url"}, "c": {"operation": "convert", "input": ["x"]}}));
    assert!(
        body["details"]["errors"].as_array().or(body["errors"].as_array()).is_some_and(|all| all.len() >= 3),
        "all problems are listed: {body}"
    );
    assert_eq!(server.call("GET", "/jobs", None).json()["meta"]["total"], 0, "no bad job was stored");
}

#[test]
fn duplicate_task_names_and_broken_json_are_refused() {
    let server = Server::start();
    let headers = [("content-type", "application/json")];
    let url = format!("{}/api/v1/jobs", server.url);
    for body in [
        r#"{"tasks": {"a": {"operation": "import/upload"}, "a": {"operation": "import/upload"}}}"#,
        r#"{"tasks": {"a": "#,
        r#"[]"#,
        "",
    ] {
        let answer = server.send("POST", &url, Some(&server.key), Some(body.as_bytes()), &headers);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("INVALID_DATA")), "{body}");
    }
}

#[test]
fn keys_are_checked() {
    let server = Server::start();
    let url = format!("{}/api/v1/jobs", server.url);
    let mut wrong = server.key.clone();
    let last = if wrong.pop() == Some('a') { 'b' } else { 'a' };
    wrong.push(last);
    for key in [None, Some("nonsense"), Some(wrong.as_str())] {
        let answer = server.send("GET", &url, key, None, &[]);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("UNAUTHENTICATED")), "{key:?}");
    }
    assert_eq!(
        server.send("GET", &format!("{}/nowhere", server.url), Some(&server.key), None, &[]).json()["code"],
        "NOT_FOUND",
        "JSON too"
    );
    let answer = server.send("PATCH", &url, Some(&server.key), None, &[]);
    assert!(answer.status == 405 && answer.header("allow").is_some(), "405 says what is allowed");
}

#[test]
fn bad_files_fail_with_a_reason_and_cost_nothing() {
    let server = Server::start();
    let good = pictures::png(64, 64, 3);
    let mut bomb = good.clone();
    // 60,000 x 60,000 pixels in the header, with the header's checksum set right by the encoder's own rule: a lying file.
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let crc = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    let truncated = &good[..good.len() / 2];
    for (file, name, code, word) in [
        (bomb.as_slice(), "bomb.png", "PAYLOAD_TOO_LARGE", "60000"),
        (truncated, "cut.png", "INVALID_DATA", "PNG"),
        (b"no picture, but a text", "page.png", "INVALID_DATA", ""),
        (&good[..9], "tiny.png", "INVALID_DATA", ""),
    ] {
        let job = server.convert(file, name, "jpg", &json!({}));
        let error = &job["tasks"]["convert"]["error"];
        assert_eq!((job["status"].as_str(), error["code"].as_str()), (Some("ERROR"), Some(code)), "{name}: {job:#}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(word)), "{name}: {error}");
        assert_eq!(job["credits_used"], 0, "{name} is refunded");
    }
    // A file by another name is converted all the same, with a warning.
    let job = server.convert(&good, "really-a-png.jpg", "png", &json!({}));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert!(job.to_string().contains("The file is a png"), "the mismatch is said: {job:#}");
    // Nothing of all this disturbs the next customer.
    assert_eq!(server.convert(&good, "a.png", "png", &json!({}))["status"], "FINISHED", "the node lives on");
    assert_eq!(server.call("GET", "/account", None).json()["data"]["credits_remaining"], 999_998, "two successes were paid");
}

/// CRC-32 as PNG uses it (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn base64_is_limited() {
    let server = Server::start();
    let file = base64::engine::general_purpose::STANDARD.encode(vec![0u8; (10 << 20) + 1]);
    let (status, body) = post(&server, json!({"in": {"operation": "import/base64", "file": file, "filename": "a.png"}}));
    assert_eq!((status, body["code"].as_str()), (413, Some("PAYLOAD_TOO_LARGE")), "{body}");
    let (status, body) = post(&server, json!({"in": {"operation": "import/base64", "file": "no base64!", "filename": "a.png"}}));
    assert_eq!((status, body["details"]["field"].as_str()), (400, Some("file")), "{body}");
}
