//! Hostile JSON: every rule with the words of its refusal.

use serde_json::{Value, json};

use crate::support::server::Server;

/// Status, code, field and reason of the answer to a body.
fn ask(server: &Server, body: &str) -> (u16, String, String, String) {
    let url = format!("{}/api/v1/jobs", server.url);
    let answer = server.send("POST", &url, Some(&server.key), Some(body.as_bytes()), &[("content-type", "application/json")]);
    let json = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (answer.status, text(&json["code"]), text(&json["details"]["field"]), text(&json["details"]["reason"]))
}

fn nested(depth: usize) -> String {
    format!(r#"{{"x-deep":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn r031_every_rule_has_its_words() {
    let server = Server::start();
    let up = r#"{"operation":"import/upload"}"#;
    let mut wrong = Vec::new();
    let many = |count: usize| (0..count).map(|i| format!(r#""t{i}":{up}"#)).collect::<Vec<_>>().join(",");
    for (body, field, reason) in [
        (format!(r#"{{"tasks":{{"a":{up},"a":{up}}}}}"#), "a", "duplicate"),
        (format!(r#"{{"tasks":{{"a":{up}}},"tasks":{{"b":{up}}}}}"#), "tasks", "duplicate"),
        (r#"{"tasks":{"a":{"operation":"import/upload","operation":"import/url"}}}"#.to_owned(), "operation", "duplicate"),
        (format!(r#"{{"tasks":{{"\u0061":{up},"a":{up}}}}}"#), "a", "duplicate"),
        (nested(40), "body", "arrays and objects are nested deeper than 32 levels at line 1 column 42"),
        (nested(100_000), "body", "arrays and objects are nested deeper than 32 levels at line 1 column 42"),
        (format!(r#"{{"tasks":{{{}}}}}"#, many(1_001)), "tasks", "must name at most 1000 tasks, not 1001"),
        ("{\"tasks\":{}}".to_owned(), "tasks", "must name at least one task"),
        ("{}".to_owned(), "tasks", "required"),
        ("[]".to_owned(), "body", "must be a JSON object"),
        (r#"{"tasks":[]}"#.to_owned(), "tasks", "must be an object that maps task names to tasks"),
        (r#"{"tasks":{"a":7}}"#.to_owned(), "a", "must be an object with an `operation`"),
        (r#"{"tasks":{"a":{}}}"#.to_owned(), "operation", "required"),
        (format!(r#"{{"tasks":{{"a b":{up}}}}}"#), "tasks", "must be 1 to 64 letters, digits, `-` or `_`"),
        (format!(r#"{{"tasks":{{"":{up}}}}}"#), "tasks", "must be 1 to 64 letters, digits, `-` or `_`"),
        (format!(r#"{{"tasks":{{"{}":{up}}}}}"#, "x".repeat(65)), "tasks", "must be 1 to 64 letters, digits, `-` or `_`"),
        (format!(r#"{{"tasks":{{"a":{up}}},"tag":{}}}"#, json!("x".repeat(256))), "tag", "must be a string of at most 255 bytes"),
        (format!(r#"{{"tasks":{{"a":{up}}},"taks":1}}"#), "taks", "unknown; did you mean `tasks`?"),
        (format!(r#"{{"tasks":{{"a":{up}}},"__proto__":{{"admin":true}}}}"#), "__proto__", "unknown"),
        (r#"{"tasks":{"a":{"operation":"import/upload","__proto__":1}}}"#.to_owned(), "__proto__", "unknown"),
        (r#"{"tasks":{"a":{"operation":"convert","input":["a"],"output_format":"png"}}}"#.to_owned(), "input", "a task cannot be its own input"),
        (
            r#"{"tasks":{"a":{"operation":"convert","input":"b","output_format":"png"},"b":{"operation":"convert","input":"a","output_format":"png"}}}"#.to_owned(),
            "input",
            "tasks wait for each other in a circle: b -> a -> b",
        ),
        (r#"{"tasks":{"a":{"operation":"convert","input":["x"],"output_format":"png"}}}"#.to_owned(), "input", "no task of this job is called `x`"),
        (format!(r#"{{"tasks":{{"i":{up},"c":{{"operation":"convert","input":["i","i"],"output_format":"png"}}}}}}"#), "input", "names `i` twice"),
        (format!(r#"{{"tasks":{{"i":{up},"c":{{"operation":"convert","input":"i","output_format":"png","options":{{"width":{}}}}}}}}}"#, "9".repeat(400)), "body", ""),
        (format!(r#"{{"tasks":{{"i":{up},"c":{{"operation":"convert","input":"i","output_format":"png","options":{{"width":18446744073709551615}}}}}}}}"#), "width", "must be an integer from 1 to 16384"),
        (format!(r#"{{"tasks":{{"i":{up},"c":{{"operation":"convert","input":"i","output_format":"png","options":{{"quality":1.5e0}}}}}}}}"#), "quality", "must be an integer from 1 to 100"),
        ("{\"tasks\":{\"a\":\"\u{0}\"}}".to_owned(), "body", ""),
        ("{\"tasks\":NaN}".to_owned(), "body", ""),
        ("{\"tasks\":{}}}".to_owned(), "body", ""),
        (String::new(), "body", ""),
    ] {
        let (status, code, got, why) = ask(&server, &body);
        let told = if reason.is_empty() { !why.is_empty() } else { why == reason };
        if (status, code.as_str(), got.as_str()) != (400, "INVALID_DATA", field) || !told {
            let shown: String = body.chars().take(200).collect();
            wrong.push(format!("{shown}\n  is answered by {status} {code} {got}: {why}\n  and not by {field}: {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let broken = [&b"{\"tasks\":{\"a\":\"\xff\"}}"[..], b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0"];
    for body in broken {
        let url = format!("{}/api/v1/jobs", server.url);
        let answer = server.send("POST", &url, Some(&server.key), Some(body), &[("content-type", "application/json")]);
        assert_eq!((answer.status, answer.json()["details"]["field"].as_str()), (400, Some("body")), "{body:?} is not JSON");
    }
    // 16 MiB of values are not taken apart at length: the number of values is bounded.
    let flood = format!("{{\"x\":[{}0]}}", "0,".repeat(300_000));
    assert_eq!(ask(&server, &flood).0, 400, "too many values");
    assert_eq!(server.call("GET", "/jobs", None).json()["meta"]["total"], 0, "none of it became a job");
}

#[test]
fn a80_a_thousand_tasks_are_a_job_and_hard_names_are_names() {
    let server = Server::start();
    let names = ["a", "A", "-", "_", "0", &"x".repeat(64), "constructor", "toString", "hasOwnProperty", "__proto__"];
    let mut tasks = serde_json::Map::new();
    for name in names {
        tasks.insert(name.to_owned(), json!({ "operation": "import/upload" }));
    }
    while tasks.len() < 1_000 {
        let name = format!("t{}", tasks.len());
        tasks.insert(name, json!({ "operation": "import/upload" }));
    }
    let job = json!({ "tasks": tasks, "tag": "ü".repeat(127) });
    let created = server.call("POST", "/jobs", Some(&job));
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes[..created.bytes.len().min(500)]));
    let view = created.json()["data"].clone();
    let shown: Vec<&String> = view["tasks"].as_object().expect("tasks").keys().collect();
    assert_eq!(shown, tasks.keys().collect::<Vec<_>>(), "all of them, in their order");
    assert_eq!(view["tag"], "ü".repeat(127), "254 bytes of tag");
    assert_eq!(
        server.call("DELETE", &format!("/jobs/{}", view["id"].as_str().expect("an id")), None).status,
        204,
        "and it can go"
    );
}
