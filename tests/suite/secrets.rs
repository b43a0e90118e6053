//! What must never be read in a log, a metric or an error: keys, credentials, addresses with tokens, contents of files.

use serde_json::{Value, json};

use crate::support::server::{Answer, Server};
use crate::support::{pictures, source};

/// A marker of its own for each place where a secret may stand.
struct Markers {
    prefix: &'static str,
    planted: Vec<(String, &'static str)>,
}

impl Markers {
    fn plant(&mut self, place: &'static str) -> String {
        let marker = format!("{}{}end", self.prefix, self.planted.len());
        self.planted.push((marker.clone(), place));
        marker
    }

    /// Places whose marker is in `text`.
    fn found(&self, text: &str) -> Vec<&'static str> {
        self.planted.iter().filter(|(marker, _)| text.contains(marker.as_str())).map(|&(_, place)| place).collect()
    }
}

/// Keeps what an answer says.
fn see(bodies: &mut Vec<String>, answer: Answer) -> Answer {
    bodies.push(String::from_utf8_lossy(&answer.bytes).into_owned());
    answer
}

#[test]
fn t25_no_secret_reaches_a_log_a_metric_or_an_error() {
    let server = Server::start();
    let (mut secret, mut private) =
        (Markers { prefix: "SECRET", planted: Vec::new() }, Markers { prefix: "PRIVATE", planted: Vec::new() });
    let mut bodies: Vec<String> = Vec::new();
    let api = format!("{}/api/v1", server.url);
    // Credentials of requests, good and bad.
    for scheme in ["Bearer ", "Basic ", "Bearer cvfly_sk_live_", "Bearer a b", ""] {
        let value = format!("{scheme}{}", secret.plant("Authorization"));
        see(&mut bodies, server.send("GET", &format!("{api}/jobs"), None, None, &[("authorization", &value)]));
    }
    let headers = [
        ("cookie", secret.plant("Cookie")),
        ("x-api-key", secret.plant("X-Api-Key")),
        ("idempotency-key", secret.plant("Idempotency-Key")),
    ];
    for (name, value) in &headers {
        see(&mut bodies, server.send("GET", &format!("{api}/account"), Some(&server.key), None, &[(name, value)]));
    }
    for (place, path) in [("query", "/jobs?api_key="), ("token", "/../storage/dl/"), ("upload token", "/../storage/upload/")] {
        let path = format!("{api}{path}{}", secret.plant(place)).replace("/api/v1/..", "");
        see(&mut bodies, server.send("GET", &path, Some(&server.key), None, &[]));
        see(&mut bodies, server.send("PUT", &path, Some(&server.key), Some(b"x"), &[]));
    }

    // Jobs that work and jobs that fail, with secrets in every field that may hold one.
    let address = source::serve(pictures::png(8, 8, 1));
    let url_job = |url: &str, secret: &mut Markers, private: &mut Markers| {
        let (user, password, query, fragment) =
            (secret.plant("user"), secret.plant("password"), secret.plant("query"), secret.plant("fragment"));
        let url = format!("{}?token={query}#{fragment}", url.replace("://", &format!("://{user}:{password}@")));
        json!({ "tag": private.plant("tag"), "tasks": {
            "import": {
                "operation": "import/url", "url": url, "filename": format!("{}.png", private.plant("filename")),
                "headers": { "Authorization": format!("Bearer {}", secret.plant("header")), "X-Key": secret.plant("header") },
            },
            "convert": { "operation": "convert", "input": ["import"], "output_format": "webp" },
            "export": { "operation": "export/url", "input": ["convert"] },
        }})
    };
    // One that ends well: credentials in the address are refused, so it has them in its query and headers alone.
    let mut fine = url_job(&address, &mut secret, &mut private);
    fine["tasks"]["import"]["url"] = format!("{address}?token={}", secret.plant("query")).into();
    let jobs = [
        fine,
        url_job(&address, &mut secret, &mut private),
        url_job("http://10.1.2.3/a.png", &mut secret, &mut private),
        url_job("https://no-such-host.invalid/a.png", &mut secret, &mut private),
        url_job("http://127.0.0.1:1/a.png", &mut secret, &mut private),
        url_job("ftp://example.com/a.png", &mut secret, &mut private),
    ];
    for job in &jobs {
        let created = see(&mut bodies, server.call("POST", "/jobs", Some(job)));
        if created.status == 201 {
            let ended = server.wait(created.json()["data"]["id"].as_str().expect("an id"));
            let mut shown = ended.clone();
            // A link is a secret of its own, and the customer's own words come back.
            shown["tag"] = Value::Null;
            bodies.push(shown.to_string());
        }
    }
    let content = secret.plant("content of a file");
    let job = server.convert(content.as_bytes(), &format!("{}.png", private.plant("filename")), "png", &json!({}));
    bodies.push(job.to_string());
    for (place, body) in [
        ("unknown field", r#"{"tasks":{"a":{"operation":"import/url","url":"https://x/","password":"MARK"}}}"#),
        ("wrong type", r#"{"tasks":{"a":{"operation":"import/url","url":["MARK"]}}}"#),
        ("bad header", r#"{"tasks":{"a":{"operation":"import/url","url":"https://x/","headers":{"Host":"MARK"}}}}"#),
        ("bad header", r#"{"tasks":{"a":{"operation":"import/url","url":"https://x/","headers":{"X-A":"MARK\n"}}}}"#),
        ("bad base64", r#"{"tasks":{"a":{"operation":"import/base64","file":"MARK!!!!","filename":"a.png"}}}"#),
        ("broken JSON", r#"{"tasks":{"a":{"operation":"import/url","url":"MARK"#),
        ("no JSON", "MARK"),
        ("webhook", r#"{"webhook_url":"ftp://u:MARK@h/?t=MARK","tasks":{"a":{"operation":"import/upload"}}}"#),
    ] {
        let body = body.replace("MARK", &secret.plant(place));
        let json = [("content-type", "application/json")];
        see(&mut bodies, server.send("POST", &format!("{api}/jobs"), Some(&server.key), Some(body.as_bytes()), &json));
        see(&mut bodies, server.send("POST", &format!("{api}/api-keys"), Some(&server.key), Some(body.as_bytes()), &json));
    }

    // The keys themselves: one that works, one that is revoked.
    let made = server.call("POST", "/api-keys", Some(&json!({ "name": private.plant("name of a key") }))).json()["data"].clone();
    let key = made["key"].as_str().expect("a key").to_owned();
    for _ in 0..2 {
        see(&mut bodies, server.call_as(&key, "GET", "/account", None));
        server.call("DELETE", &format!("/api-keys/{}", made["id"].as_str().expect("an id")), None);
    }
    let links: Vec<String> = bodies
        .iter()
        .flat_map(|body| body.split("/storage/").skip(1).filter_map(|rest| rest.split('"').next()))
        .map(str::to_owned)
        .collect();
    assert!(!links.is_empty(), "there were links");

    let log = server.log();
    assert!(log.lines().count() > 30, "the log was read: {} lines", log.lines().count());
    let metrics = server.send("GET", &format!("{}/metrics", server.url), None, None, &[]);
    let metrics = String::from_utf8_lossy(&metrics.bytes).into_owned();
    for (what, text) in [("log", &log), ("metrics", &metrics)] {
        assert_eq!(secret.found(text), [""; 0], "secrets in the {what}");
        assert_eq!(private.found(text), [""; 0], "customers' words in the {what}");
        assert!(!text.contains(&server.key) && !text.contains(&key), "a key in the {what}");
        assert!(links.iter().all(|link| !text.contains(link.as_str())), "a link in the {what}");
    }
    let bodies = bodies.join("\n");
    assert_eq!(secret.found(&bodies), [""; 0], "secrets in the bodies");
    assert!(!bodies.contains(&key) && !bodies.contains(&server.key), "a key in a body");
    assert!(secret.planted.len() >= 40, "{} markers were planted", secret.planted.len());
}
