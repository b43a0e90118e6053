//! The OpenAPI document and the page of a running server.

use base64::Engine;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::server::Server;

/// The document of a server, which needs no key.
pub(crate) fn document(server: &Server) -> Value {
    let answer = server.send("GET", &format!("{}/api/v1/openapi.json", server.url), None, None, &[]);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()
}

#[test]
fn r001_the_document_lists_the_reference_under_its_base_path() {
    let server = Server::start();
    let document = document(&server);
    assert_eq!(document["openapi"], "3.1.0", "the version");
    assert_eq!(document["servers"], json!([{ "url": server.url }]), "where clients reach it");
    for (method, path) in [
        ("post", "/jobs"),
        ("get", "/jobs"),
        ("get", "/jobs/{job}"),
        ("delete", "/jobs/{job}"),
        ("get", "/jobs/{job}/wait"),
        ("get", "/jobs/{job}/tasks"),
        ("get", "/jobs/{job}/tasks/{task}"),
        ("post", "/jobs/{job}/tasks/{task}/cancel"),
        ("post", "/jobs/{job}/tasks/{task}/retry"),
    ] {
        let operation = &document["paths"][format!("/api/v1{path}")][method];
        assert!(operation["operationId"].is_string(), "{method} {path} is described");
        assert_eq!(operation["security"], json!([{ "apiKey": [] }]), "{method} {path} needs a key");
    }
    let scheme = &document["components"]["securitySchemes"]["apiKey"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")), "how keys are sent");
    let headers = &document["paths"]["/api/v1/jobs"]["get"]["responses"]["200"]["headers"];
    for name in ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Credits-Remaining", "X-Request-Id"] {
        assert!(headers.get(name).is_some(), "{name} is described: {headers}");
    }
    assert_eq!(document["x-limits"]["tasks_per_job"]["value"], 1_000, "caps are listed: {}", document["x-limits"]);
    // Tasks are told apart by their operation, and each knows its options with their ranges.
    let mapping = &document["components"]["schemas"]["TaskDefinition"]["discriminator"]["mapping"];
    let operations = server.call("GET", "/operations", None).json();
    for operation in operations["data"].as_array().expect("operations") {
        let name = operation["name"].as_str().expect("a name");
        let target = mapping[name].as_str().unwrap_or_else(|| panic!("{name} has a schema"));
        let schema = document.pointer(target.trim_start_matches('#')).expect("the schema");
        assert_eq!(schema["properties"]["operation"]["const"], name, "{schema}");
        for option in operation["options"].as_array().expect("options") {
            let described = &schema["properties"]["options"]["properties"][option["name"].as_str().expect("a name")];
            assert!(described.is_object(), "{name}: {option}");
            for (range, keyword) in [("min", "minimum"), ("max", "maximum"), ("default", "default"), ("values", "enum")] {
                assert_eq!(option.get(range), described.get(keyword), "{name}: {option}");
            }
        }
    }
}

#[test]
fn the_document_is_kept_by_clients_until_it_changes() {
    let server = Server::start();
    for path in ["/api/v1/openapi.json", "/docs", "/api/v1/docs"] {
        let url = format!("{}{path}", server.url);
        let first = server.send("GET", &url, None, None, &[]);
        let etag = first.header("etag").expect("a tag").to_owned();
        assert_eq!(first.header("cache-control"), Some("public, no-cache"), "kept, and asked about");
        let again = server.send("GET", &url, None, None, &[("if-none-match", &etag)]);
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{path}");
        assert_eq!(server.send("GET", &url, None, None, &[("if-none-match", "\"x\"")]).status, 200, "{path}");
        assert_eq!(server.send("HEAD", &url, None, None, &[]).bytes.len(), 0, "{path}");
    }
}

#[test]
fn the_page_needs_nothing_from_outside_and_its_policy_says_so() {
    let server = Server::start();
    let page = server.send("GET", &format!("{}/docs", server.url), None, None, &[]);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "HTML");
    let text = String::from_utf8(page.bytes.clone()).expect("UTF-8");
    let policy = page.header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let inner = text.split_once(&format!("<{tag}>")).expect("the tag").1.split_once(&format!("</{tag}>")).expect("its end").0;
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(inner));
        assert!(policy.contains(&format!("{directive} 'sha256-{hash}'")), "the browser runs this {tag} and no other: {policy}");
        assert_eq!(text.matches(&format!("<{tag}")).count(), 1, "one {tag}");
    }
    for word in ["src=\"", "url(", "@import", "<link", "<img", "onclick=", "style=\""] {
        assert!(!text.contains(word), "nothing of the kind of {word}");
    }
    assert!(text.contains(&format!("curl -X POST {}/api/v1/jobs", server.url)), "samples name this very server");
    for chapter in
        ["Quick start", "Authentication", "Webhooks", "Rate limits", "Errors", "Credits", "verifyWebhook", "verify_webhook"]
    {
        assert!(text.contains(chapter), "{chapter}");
    }
    assert_eq!(server.send("GET", &format!("{}/api/v1/docs", server.url), None, None, &[]).bytes, page.bytes, "the same page");
}
