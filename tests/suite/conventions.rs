//! What users of HTTP expect of any API: methods, compression, versions, security headers, pages of other origins.

use std::io::Read;

use serde_json::json;

use crate::support::pictures;
use crate::support::server::{Answer, Server};

fn ask(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    server.send(method, &format!("{}{path}", server.url), Some(&server.key), None, headers)
}

fn all<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
}

#[test]
fn a79_methods_mean_what_they_mean_everywhere() {
    let server = Server::start();
    for (path, allow) in [
        ("/api/v1/jobs", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/account", "GET, HEAD, OPTIONS"),
        ("/api/v1/jobs/job_a", "DELETE, GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ] {
        let sorted = |answer: &Answer| {
            let mut names: Vec<_> = answer.header("allow").unwrap_or_default().split(", ").map(str::to_owned).collect();
            // axum lists only GET where HEAD is implied.
            if names.contains(&"GET".to_owned()) && !names.contains(&"HEAD".to_owned()) {
                names.push("HEAD".into());
            }
            names.retain(|name| !name.is_empty());
            names.sort();
            names.dedup();
            names.join(", ")
        };
        let options = ask(&server, "OPTIONS", path, &[]);
        assert_eq!((options.status, sorted(&options).as_str()), (204, allow), "OPTIONS {path}");
        let refused = ask(&server, "PATCH", path, &[]);
        assert_eq!((refused.status, refused.json()["code"].as_str()), (405, Some("METHOD_NOT_ALLOWED")), "PATCH {path}");
        for method in allow.split(", ").filter(|method| *method != "OPTIONS") {
            assert!(sorted(&refused).contains(method), "405 of {path} lists {method}: {:?}", refused.header("allow"));
        }
    }
    let (get, head) = (ask(&server, "GET", "/api/v1/account", &[]), ask(&server, "HEAD", "/api/v1/account", &[]));
    assert_eq!((head.status, head.bytes.len()), (200, 0), "HEAD is GET without the body");
    assert_eq!(head.header("content-length"), Some(get.bytes.len().to_string().as_str()), "and with its length");
    assert_eq!(ask(&server, "GET", "/api/v1/account/", &[]).status, 200, "a slash at the end does not matter");
}

#[test]
fn json_is_compressed_when_it_is_worth_it_and_files_never() {
    let server = Server::start();
    let plain = ask(&server, "GET", "/api/v1/formats", &[]);
    assert_eq!((plain.header("content-encoding"), all(&plain, "vary")), (None, vec!["Accept-Encoding"]), "not asked for");
    for accept in ["gzip", "br;q=1.0, gzip;q=0.5", "*"] {
        let packed = raw(&server, "/api/v1/formats", accept);
        assert!(packed.contains("content-encoding: gzip"), "{accept}: {packed}");
    }
    let packed = server.send(
        "GET",
        &format!("{}/api/v1/openapi.json", server.url),
        None,
        None,
        &[("accept-encoding", "gzip"), ("x-request-id", "r1")],
    );
    // The client unpacks by itself only if it can; either way the text is the same.
    let text = match packed.header("content-encoding") {
        Some("gzip") => {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&packed.bytes[..]).read_to_string(&mut text).expect("gzip");
            text
        }
        _ => String::from_utf8(packed.bytes.clone()).expect("text"),
    };
    assert_eq!(text.as_bytes(), ask(&server, "GET", "/api/v1/openapi.json", &[]).bytes, "the same document");
    assert!(!raw(&server, "/api/v1/account", "gzip").contains("content-encoding"), "a short answer stays as it is");
    let job = server.convert(&pictures::png(64, 64, 1), "a.png", "png", &json!({}));
    let url = job["tasks"]["export"]["result"]["url"].as_str().expect("a link");
    let path = url.strip_prefix(&server.url).expect("a link of this server");
    assert!(!raw(&server, path, "gzip").contains("content-encoding"), "a file stays as it is");
}

/// The head of an answer, in lower case, as it comes over the wire.
fn raw(server: &Server, path: &str, accept: &str) -> String {
    use std::io::Write;
    let address = server.url.strip_prefix("http://").expect("a plain URL");
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    let key = &server.key;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\nAccept-Encoding: {accept}\r\n\r\n"
    )
    .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    text.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase()
}

#[test]
fn every_answer_has_its_version_and_its_request_id() {
    let server = Server::start();
    for path in ["/api/v1/account", "/api/v1/nowhere", "/healthz"] {
        let answer = ask(&server, "GET", path, &[("x-request-id", "mine-1"), ("traceparent", "nonsense")]);
        assert_eq!(answer.header("x-convertfly-version"), Some(env!("CARGO_PKG_VERSION")), "{path}");
        assert_eq!(answer.header("x-request-id"), Some("mine-1"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}: this server is plain http");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}: no pages by default");
    }
    for path in ["/api/v1/account", "/api/v1/jobs"] {
        let answer = ask(&server, "GET", path, &[]);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}: nobody keeps a copy");
    }
}

#[test]
fn https_is_told_and_pages_of_some_origins_let_in() {
    let server = Server::start_with(&[
        ("CONVERTFLY_PUBLIC_URL", "https://convertfly.example"),
        ("CONVERTFLY_CORS_ORIGINS", "https://app.example, http://localhost:3000"),
    ]);
    let answer = ask(&server, "GET", "/api/v1/account", &[("origin", "https://app.example")]);
    assert_eq!(answer.status, 200, "{:?}", answer.headers);
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"), "https from now on");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"), "let in");
    assert!(all(&answer, "vary").contains(&"Origin"), "caches are told: {:?}", all(&answer, "vary"));
    assert!(answer.header("access-control-expose-headers").is_some_and(|all| all.contains("X-RateLimit-Reset")), "readable");
    assert_eq!(answer.header("access-control-allow-credentials"), None, "no cookies, ever");
    let preflight = server.send(
        "OPTIONS",
        &format!("{}/api/v1/jobs", server.url),
        None,
        None,
        &[("origin", "http://localhost:3000"), ("access-control-request-method", "POST")],
    );
    assert_eq!(preflight.status, 204, "{:?}", preflight.headers);
    assert!(preflight.header("access-control-allow-methods").is_some_and(|all| all.contains("POST")), "{:?}", preflight.headers);
    assert!(preflight.header("access-control-allow-headers").is_some_and(|all| all.contains("Idempotency-Key")), "named");
    for (origin, path) in [("https://evil.example", "/api/v1/account"), ("null", "/api/v1/account")] {
        let answer = ask(&server, "GET", path, &[("origin", origin)]);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{origin} is not let in");
    }
}

#[test]
fn a67_the_account_shows_its_limits() {
    let server = Server::start();
    let limits = ask(&server, "GET", "/api/v1/account", &[]).json()["data"]["limits"].clone();
    for (name, value) in [
        ("requests_per_minute", 6_000u64),
        ("concurrent_jobs", 1_000),
        ("waiting_jobs", 100_000),
        ("tasks_per_job", 1_000),
        ("waits_per_key", 4_096),
        ("upload_bytes", 5 << 30),
        ("job_body_bytes", 16 << 20),
        ("body_bytes", 64 << 10),
    ] {
        assert_eq!(limits[name], value, "{name}: {limits}");
    }
    let large = vec![b' '; 20 << 20];
    let answer = server.send("POST", &format!("{}/api/v1/jobs", server.url), Some(&server.key), Some(&large), &[]);
    assert_eq!((answer.status, &answer.json()["details"]["max_bytes"]), (413, &json!(16 << 20)), "413 names the cap");
}
