//! Another account's identifiers are no different from ones that never were: every route with an identifier in its path, taken
//! from the server's own document, so that new routes are covered on the day they come.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::openapi::document;
use crate::support::accounts::another;
use crate::support::pictures;
use crate::support::server::{Answer, Server};

/// What the owner has: by placeholder, an identifier that exists and one of the same form that does not.
fn things(server: &Server) -> HashMap<&'static str, (String, String)> {
    let mut things = HashMap::new();
    let job = server.convert(&pictures::png(8, 8, 1), "secret.png", "png", &json!({}));
    let unlike = |id: &str| {
        let (prefix, tail) = id.split_once('_').expect("a prefix");
        format!("{prefix}_{}", tail.chars().rev().collect::<String>())
    };
    let id = |value: &Value| value.as_str().unwrap_or_else(|| panic!("an identifier: {value}")).to_owned();
    let mut put = |name, id: String| {
        let other = unlike(&id);
        things.insert(name, (id, other));
    };
    put("job", id(&job["id"]));
    put("file", id(&job["tasks"]["export"]["result"]["file_id"]));
    let made = |path: &str, body: Value| {
        let answer = server.call("POST", path, Some(&body));
        (answer.status == 201).then(|| answer.json()["data"]["id"].clone())
    };
    if let Some(key) = made("/api-keys", json!({ "name": "production" })) {
        put("key", id(&key));
    }
    if let Some(webhook) = made("/webhooks", json!({ "url": "https://example.com/hook", "events": ["job.finished"] })) {
        let sent = server.call("POST", &format!("/webhooks/{}/test", id(&webhook)), Some(&json!({})));
        assert_eq!(sent.status, 202, "{}", sent.json());
        put("webhook", id(&webhook));
        put("delivery", id(&sent.json()["data"]["id"]));
    }
    // A task's name is no secret: that it exists in a job of that account is.
    things.insert("task", ("export".to_owned(), "export".to_owned()));
    things
}

/// What of an answer a stranger could learn from.
fn learned(answer: &Answer) -> (u16, Vec<u8>, Vec<(String, String)>) {
    let varies = ["x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit"];
    let headers = answer.headers.iter().filter(|(name, _)| !varies.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    (answer.status, answer.bytes.clone(), headers.collect())
}

#[test]
fn r006_foreign_identifiers_are_like_unknown_ones_on_every_route() {
    let server = Server::start();
    let stranger = another(&server, 100, &["*"]);
    let (document, things) = (document(&server), things(&server));
    let mut walked = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let names: Vec<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
        if names.is_empty() || path.starts_with("/storage/") {
            continue; // Signed links belong to whoever holds them.
        }
        for (method, operation) in methods.as_object().expect("methods") {
            let fill = |known: bool| {
                names.iter().fold(path.clone(), |path, name| {
                    let (real, unknown) =
                        things.get(name).unwrap_or_else(|| panic!("{path}: say in `things` how a {name} is made"));
                    path.replace(&format!("{{{name}}}"), if known { real } else { unknown })
                })
            };
            let example = operation["requestBody"]["content"]["application/json"]["example"].clone();
            let body = (!example.is_null()).then(|| example.to_string().into_bytes());
            let ask = |path: &str| {
                let url = format!("{}{path}", server.url);
                let headers = [("content-type", "application/json")];
                server.send(&method.to_ascii_uppercase(), &url, Some(&stranger.key), body.as_deref(), &headers)
            };
            let (foreign, unknown) = (learned(&ask(&fill(true))), learned(&ask(&fill(false))));
            assert_eq!(foreign.0, 404, "{method} {path}: {}", String::from_utf8_lossy(&foreign.1));
            assert_eq!(foreign, unknown, "{method} {path}: byte for byte");
            walked.push(format!("{method} {path}"));
        }
    }
    assert!(walked.len() >= 7, "{walked:?}");
    // Nothing of it has touched what the owner has.
    for (name, path) in [("job", "jobs"), ("file", "files")] {
        if document["paths"].get(format!("/api/v1/{path}/{{{name}}}")).is_some() {
            assert_eq!(
                server.call("GET", &format!("/{path}/{}", things[name].0), None).status,
                200,
                "the owner's {name} is there"
            );
        }
    }
    for list in ["/jobs", "/webhooks", "/api-keys"] {
        let mine = server.send("GET", &format!("{}/api/v1{list}", server.url), Some(&stranger.key), None, &[]);
        let text = String::from_utf8_lossy(&mine.bytes).into_owned();
        assert!(things.values().all(|(id, _)| id == "export" || !text.contains(id)), "{list} shows nothing foreign: {text}");
    }
}
