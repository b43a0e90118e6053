//! Several pictures out of one: what the tasks have in common is done once, and nobody can tell by the results.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::{Map, Value, json};

use crate::support::accounts::another;
use crate::support::pictures;
use crate::support::server::Server;

/// Three that need the whole picture, and two that are made of a smaller one.
const WIDTHS: [u32; 5] = [1300, 1100, 900, 350, 120];

fn photo(server: &Server) -> Vec<u8> {
    let job = server.convert(&pictures::png(1400, 1000, 7), "a.png", "jpg", &json!({ "quality": 90 }));
    server.download(&job).bytes
}

fn import(file: &[u8], name: &str) -> Value {
    json!({ "operation": "import/base64", "file": base64::engine::general_purpose::STANDARD.encode(file), "filename": name })
}

/// A job that makes one picture of each width.
fn renditions(file: &[u8]) -> Value {
    let mut tasks = Map::new();
    tasks.insert("import".to_owned(), import(file, "a.jpg"));
    for width in WIDTHS {
        let options = json!({ "width": width });
        tasks.insert(
            format!("to{width}"),
            json!({ "operation": "convert", "input": "import", "output_format": "jpg", "options": options }),
        );
        tasks.insert(format!("out{width}"), json!({ "operation": "export/url", "input": format!("to{width}") }));
    }
    json!({ "tasks": tasks })
}

/// The results of such a job, by width.
fn results(server: &Server, job: &Value) -> BTreeMap<u32, Vec<u8>> {
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    let bytes = |width: u32| {
        let url = job["tasks"][format!("out{width}")]["result"]["url"].as_str().expect("a link").to_owned();
        (width, server.send("GET", &url, None, None, &[]).bytes)
    };
    WIDTHS.into_iter().map(bytes).collect()
}

/// How many of the tasks decoded the picture themselves, and how many got it, or what it is made of, from another one.
fn decodes(job: &Value) -> (usize, usize) {
    let said = |word: &str| WIDTHS.iter().filter(|width| job["tasks"][format!("to{width}")]["explain"]["decode"] == word).count();
    (said("own"), said("shared"))
}

#[test]
fn five_renditions_of_one_upload_are_decoded_once_and_are_those_of_five_jobs() {
    let server = Server::start();
    let photo = photo(&server);
    let job = server.run(&renditions(&photo));
    assert_eq!(decodes(&job), (1, 4), "one of them decodes: {job:#}");
    for width in WIDTHS {
        assert_eq!(job["tasks"][format!("to{width}")]["explain"]["decode_tasks"], 5, "{width}: {job:#}");
    }
    assert_eq!(job["credits_used"], 5, "each is paid");
    let together = results(&server, &job);
    for (width, bytes) in &together {
        let alone = server.convert(&photo, "a.jpg", "jpg", &json!({ "width": width }));
        assert_eq!(alone["tasks"]["convert"]["explain"].get("decode"), None, "alone there is nothing to share");
        assert!(server.download(&alone).bytes == *bytes, "{width}: byte for byte what a job of its own makes");
    }

    let apart = Server::start_with(&[("CONVERTFLY_SHARE_DECODES", "false")]);
    let job = apart.run(&renditions(&photo));
    assert_eq!(decodes(&job), (0, 0), "switched off nobody shares, nor says so: {job:#}");
    assert!(results(&apart, &job) == together, "and the results are the same");
}

#[test]
fn what_a_gpu_makes_of_coefficients_is_what_the_processor_makes() {
    let cpu = Server::start();
    let photo = photo(&cpu);
    let wanted = results(&cpu, &cpu.run(&renditions(&photo)));
    let gpu = Server::start_with(&[("CONVERTFLY_GPU", "software")]);
    let job = gpu.run(&renditions(&photo));
    for width in WIDTHS {
        let explain = &job["tasks"][format!("to{width}")]["explain"];
        assert_eq!(explain["way"], "coefficients on the gpu", "{explain:#}");
        assert!(explain["device"].as_str().is_some_and(|device| device.starts_with("gpu:")), "{explain:#}");
        assert!(explain["reason"].as_str().is_some_and(|why| why.starts_with("CONVERTFLY_GPU=software")), "{explain:#}");
        assert_eq!(explain["fallbacks"], json!([]), "{explain:#}");
        assert!(explain["batch"]["tasks"].as_u64() >= Some(1) && explain["batch"]["sources"] == 1, "{explain:#}");
        assert!(explain["batch"]["ms"]["jpeg/inverse"].is_number(), "what each stage took: {explain:#}");
    }
    assert_eq!(decodes(&job), (1, 4), "one of them decodes: {job:#}");
    assert!(results(&gpu, &job) == wanted, "byte for byte");
    let alone = gpu.convert(&photo, "a.jpg", "jpg", &json!({ "width": WIDTHS[0] }));
    assert_eq!(alone["tasks"]["convert"]["explain"]["way"], "coefficients on the gpu", "{alone:#}");
    assert!(gpu.download(&alone).bytes == wanted[&WIDTHS[0]], "alone, too");
}

#[test]
fn accounts_share_nothing() {
    let server = Server::start();
    let other = another(&server, 100, &["jobs:read", "jobs:write"]);
    let body = renditions(&photo(&server));
    let create = |key: &str| {
        let answer = server.call_as(key, "POST", "/jobs", Some(&body));
        assert_eq!(answer.status, 201, "{:#}", answer.json());
        answer.json()["data"]["id"].as_str().expect("an id").to_owned()
    };
    let jobs = [(server.key.clone(), create(&server.key)), (other.key.clone(), create(&other.key))];
    for (key, id) in jobs {
        let job = server.call_as(&key, "GET", &format!("/jobs/{id}/wait?timeout=120"), None).json()["data"].clone();
        assert_eq!(job["status"], "FINISHED", "{job:#}");
        assert_eq!(decodes(&job), (1, 4), "each account's own picture is decoded, though the bytes are the same: {job:#}");
    }
}

#[test]
fn a_damaged_file_fails_each_rendition_and_each_is_refunded() {
    let server = Server::start();
    let mut photo = photo(&server);
    photo.truncate(photo.len() / 2);
    let job = server.run(&renditions(&photo));
    assert_eq!(job["status"], "ERROR", "{job:#}");
    assert_eq!(job["credits_used"], 0, "every one got its credit back");
    let error = |width: u32| job["tasks"][format!("to{width}")]["error"].clone();
    for width in WIDTHS {
        assert_eq!(error(width)["code"], "INVALID_DATA", "{width}: {job:#}");
        assert_eq!(error(width), error(WIDTHS[0]), "all say the same");
    }
    let failed = server.call("GET", "/account", None).json()["data"]["credits_remaining"].clone();
    assert_eq!(failed, 1_000_000 - 1, "only the picture itself was paid");
}

#[test]
fn one_rendition_that_is_cancelled_leaves_the_others() {
    let server = Server::start_with(&[("CONVERTFLY_CPU_SLOTS", "1")]);
    let photo = photo(&server);
    let created = server.call("POST", "/jobs", Some(&renditions(&photo))).json();
    let id = created["data"]["id"].as_str().expect("an id").to_owned();
    let cancelled = server.call("POST", &format!("/jobs/{id}/tasks/to350/cancel"), None).status;
    let job = server.wait(&id);
    for width in WIDTHS.into_iter().filter(|width| *width != 350) {
        assert_eq!(job["tasks"][format!("to{width}")]["status"], "FINISHED", "{width} goes on ({cancelled}): {job:#}");
    }
    let (own, shared) = decodes(&job);
    assert!(own <= 1 && own + shared >= 4, "and they share as before: {job:#}");
}

#[test]
fn a_chain_of_exact_pictures_is_decoded_once_and_makes_what_single_jobs_make() {
    let server = Server::start();
    let source = pictures::png(500, 400, 9);
    let job = server.run(&json!({ "keep_intermediates": true, "tasks": {
        "import": import(&source, "a.png"),
        "smaller": { "operation": "convert", "input": "import", "output_format": "png", "options": { "width": 300 } },
        "mark": { "operation": "watermark", "input": "smaller", "text": "ours" },
        "export": { "operation": "thumbnail", "input": "mark", "options": { "width": 100, "output_format": "webp" } },
        "link": { "operation": "export/url", "input": "export" },
    }}));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    let said = |task: &str| job["tasks"][task]["explain"]["decode"].clone();
    assert_eq!([said("smaller"), said("mark"), said("export")], [Value::Null, json!("kept"), json!("kept")], "{job:#}");
    let content = |id: &Value| {
        let answer = server.call("GET", &format!("/files/{}/content", id.as_str().expect("an id")), None);
        assert_eq!(answer.status, 200, "the file can be read");
        answer.bytes
    };
    let marked = content(&job["tasks"]["mark"]["result"]["file_id"]);
    let alone = server.run(&json!({ "tasks": {
        "import": import(&marked, "a.png"),
        "thumbnail": { "operation": "thumbnail", "input": "import", "options": { "width": 100, "output_format": "webp" } },
        "export": { "operation": "export/url", "input": "thumbnail" },
    }}));
    let chained = content(&job["tasks"]["export"]["result"]["file_id"]);
    assert!(server.download(&alone).bytes == chained, "byte for byte");
}
