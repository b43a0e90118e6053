//! The document says what it must, in a form that tools understand.

use std::collections::BTreeSet;

use convertfly_scheduler::catalog::Catalog;
use serde_json::{Value, json};

use super::check::Checker;
use super::*;
use crate::router::routes;
use crate::validate;

fn built() -> Value {
    let limits = Limits::default();
    let about = About { catalog: Catalog::builtin(), limits: &limits, public_url: "https://convertfly.test" };
    document(&routes(&limits), &about)
}

/// Every value of the document, with its pointer.
fn walk<'a>(value: &'a Value, at: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(at, value);
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| walk(value, &format!("{at}/{key}"), visit)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, value)| walk(value, &format!("{at}/{i}"), visit)),
        _ => {}
    }
}

#[test]
fn every_route_is_described_once_and_in_full() {
    let (limits, document) = (Limits::default(), built());
    let mut ids = BTreeSet::new();
    for row in routes(&limits) {
        let operation = &document["paths"][row.path][row.method.as_str().to_ascii_lowercase()];
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{} {} is missing", row.method, row.path));
        assert!(ids.insert(id.to_owned()), "{id} names two routes");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id} is a method's name");
        assert!(!row.doc.summary.is_empty() && !row.doc.summary.ends_with('.'), "{id}: a title");
        assert!(row.doc.answers.iter().any(|(status, _)| (200..300).contains(status)), "{id} can succeed");
        for code in &row.doc.errors {
            assert!(operation["responses"].get(code.status().as_str()).is_some(), "{id}: {code:?}");
        }
        let named = |name: &str| operation["parameters"].as_array().is_some_and(|all| all.iter().any(|p| p["name"] == name));
        for name in row.path.split(['{', '}']).skip(1).step_by(2) {
            assert!(named(name.trim_start_matches('*')), "{id}: {name} in the path is described");
        }
        if row.method == http::Method::POST && operation.get("requestBody").is_some() {
            assert!(operation["responses"].get("413").is_some(), "{id}: bodies are bounded");
        }
    }
}

#[test]
fn references_lead_somewhere_and_nothing_lies_about() {
    let document = built();
    let mut used = BTreeSet::new();
    walk(&document, "", &mut |at, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{at}: {reference} leads nowhere");
            used.insert(pointer.to_owned());
        }
        if let Some(mapping) = value.pointer("/discriminator/mapping").and_then(Value::as_object) {
            for target in mapping.values().filter_map(Value::as_str) {
                assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{at}: {target} leads nowhere");
            }
        }
    });
    for kind in ["schemas", "responses", "headers"] {
        for name in document["components"][kind].as_object().expect("an object").keys() {
            assert!(used.contains(&format!("/components/{kind}/{name}")), "nothing refers to {name}");
        }
    }
}

#[test]
fn examples_fit_their_schemas() {
    let document = built();
    let checker = Checker::strict(&document);
    let mut seen = 0;
    walk(&document, "", &mut |at, value| {
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            assert_eq!(checker.faults(schema, example), Vec::<String>::new(), "{at}");
            seen += 1;
        }
    });
    assert!(seen >= 15, "{seen} examples");
    let error = &document["components"]["schemas"]["Error"];
    assert_eq!(checker.faults(error, &error["example"]), Vec::<String>::new(), "the error's own example");
}

#[test]
fn the_request_of_a_job_is_the_one_that_is_understood() {
    let document = built();
    let schema = &document["components"]["schemas"]["JobRequest"];
    let keys: BTreeSet<&str> = schema["properties"].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, validate::JOB_KEYS.into_iter().collect(), "the keys of the body");
    let checker = Checker::strict(&document);
    let convert = |more: Value| {
        let mut task = json!({ "operation": "convert", "input": "in", "output_format": "png" });
        task.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({ "tasks": { "in": { "operation": "import/url", "url": "https://a.example/x.jpg" }, "c": task } })
    };
    for good in [
        json!({}),
        json!({ "options": { "quality": 1 } }),
        json!({ "quality": 100 }),
        json!({ "x-note": 1, "options": { "x-n": 2 } }),
    ] {
        let body = convert(good);
        assert_eq!(checker.faults(schema, &body), Vec::<String>::new(), "{body}");
        assert!(validate::job(Catalog::builtin(), body.to_string().as_bytes(), "a", "k").is_ok(), "{body}");
    }
    for bad in [
        json!({ "options": { "quality": 0 } }),
        json!({ "options": { "qualty": 1 } }),
        json!({ "operation": "import/ur" }),
        json!({ "input": [] }),
        json!({ "output_format": 7 }),
        json!({ "options": { "fit": "stretch" } }),
    ] {
        let body = convert(bad);
        assert!(!checker.faults(schema, &body).is_empty(), "{body}");
        assert!(validate::job(Catalog::builtin(), body.to_string().as_bytes(), "a", "k").is_err(), "{body}");
    }
}

#[test]
fn the_page_is_whole_and_fetches_nothing() {
    let limits = Limits::default();
    let about = About { catalog: Catalog::builtin(), limits: &limits, public_url: "https://convertfly.test" };
    let document = built();
    let page = page::render(&document, &about);
    assert!(!page.contains("{{"), "every part is put in: {:?}", page.split("{{").nth(1).map(|rest| &rest[..40]));
    let attributes = |name: &str| -> Vec<String> {
        page.split(&format!("{name}=\"")).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    };
    assert!(attributes("src").is_empty() && !page.contains("@import") && !page.contains("<link"), "nothing is fetched");
    let ids = attributes(" id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each id once: {ids:?}");
    for target in attributes("href").iter().filter_map(|href| href.strip_prefix('#')) {
        assert!(ids.iter().any(|id| id == target), "#{target} leads nowhere");
    }
    for row in routes(&limits) {
        assert!(ids.iter().any(|id| id == row.doc.id), "{} is on the page", row.doc.id);
    }
    for (code, format) in
        crate::error::Code::all().map(|code| code.name()).zip(["jpg", "png", "gif", "bmp", "tiff", "webp"].iter().cycle())
    {
        assert!(page.contains(code) && page.contains(&format!("<code>{format}</code>")), "{code} and {format} are explained");
    }
    for tag in ["section", "div", "pre", "code", "dl", "table", "details", "ul", "main", "nav"] {
        let (open, close) = (page.matches(&format!("<{tag}")).count(), page.matches(&format!("</{tag}>")).count());
        let longer = if tag == "code" || tag == "section" { 0 } else { page.matches(&format!("<{tag}er")).count() };
        assert_eq!(open - longer, close, "<{tag}> and </{tag}>");
    }
}
