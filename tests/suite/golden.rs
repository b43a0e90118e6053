//! The samples of the published reference, sent as they stand there, but for the addresses of their files.

use serde_json::{Value, json};

use crate::support::server::{Answer, Server};
use crate::support::source;
use crate::support::{papers, pictures};

const QUICK_START: &str = r#"{
"tasks": {
"import-file": {
"operation": "import/url",
"url": "https://example.com/report.pdf"
},
"convert": {
"operation": "convert",
"input": ["import-file"],
"output_format": "docx"
},
"export": {
"operation": "export/url",
"input": ["convert"]
}
}
}"#;

const CREATE: &str = r#"{
"tag": "invoice-batch",
"tasks": {
"import-file": {
"operation": "import/url",
"url": "https://example.com/invoice.pdf"
},
"to-png": {
"operation": "convert",
"input": ["import-file"],
"output_format": "png",
"options": { "density": 300 }
},
"export": {
"operation": "export/url",
"input": ["to-png"]
}
}
}"#;

const IMPORT_URL: &str = r#"{
"import-file": {
"operation": "import/url",
"url": "https://example.com/document.pdf",
"filename": "document.pdf",
"headers": {
"Authorization": "Bearer your-external-token"
}
}
}"#;

const IMPORT_UPLOAD: &str = r#"{
"upload-file": {
"operation": "import/upload",
"filename": "photo.jpg"
}
}"#;

const IMPORT_BASE64: &str = r#"{
"import-file": {
"operation": "import/base64",
"file": "JVBERi0xLjQKJcOkw7zD...",
"filename": "document.pdf"
}
}"#;

const CONVERT_HQ: &str = r#"{
"convert-hq": {
"operation": "convert",
"input": ["import-file"],
"output_format": "png",
"options": {
"density": 300,
"quality": 95
}
}
}"#;

fn post(server: &Server, body: &str) -> Answer {
    let url = format!("{}/api/v1/jobs", server.url);
    server.send("POST", &url, Some(&server.key), Some(body.as_bytes()), &[("content-type", "application/json")])
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Whether `value` has every member of `sample` in the same place, with a value of the same type.
fn has_shape(value: &Value, sample: &Value) -> bool {
    match (value, sample) {
        (Value::Object(value), Value::Object(sample)) => {
            sample.iter().all(|(key, sample)| value.get(key).is_some_and(|value| has_shape(value, sample)))
        }
        (Value::Array(value), Value::Array(sample)) => {
            value.iter().zip(sample).all(|(value, sample)| has_shape(value, sample)) && value.len() >= sample.len()
        }
        _ => std::mem::discriminant(value) == std::mem::discriminant(sample),
    }
}

#[test]
fn r370_r371_r034_the_quick_start_and_what_it_gets_back() {
    let server = Server::start();
    let source = source::serve(papers::pdf("Quarterly report")).replace("photo.png", "report.pdf");
    let body = QUICK_START.replace("https://example.com/report.pdf", &source);
    let created = post(&server, &body);
    assert_eq!(created.status, 201, "{}", created.json());
    let job = created.json()["data"].clone();
    assert!(
        matches!(job["status"].as_str(), Some("PROCESSING" | "WAITING" | "FINISHED")),
        "at once, not when it has ended: {job}"
    );
    server.wait(job["id"].as_str().expect("an id"));
    let got = server.call("GET", &format!("/jobs/{}", job["id"].as_str().expect("an id")), None).json();
    let sample = json!({
        "data": {
            "id": "job_7kX9mP2qR", "status": "FINISHED", "created_at": "2026-04-03T10:30:00Z",
            "tasks": { "export": { "status": "FINISHED", "result": { "url": "https://storage.convertfly.io/dl/abc123..." } } }
        }
    });
    assert!(has_shape(&got, &sample), "{got:#}");
    assert_eq!(got["data"]["tasks"]["export"]["status"], "FINISHED", "{got:#}");
    let file = server.send("GET", got["data"]["tasks"]["export"]["result"]["url"].as_str().expect("a link"), None, None, &[]);
    assert!(papers::document_xml(&file.bytes).contains("report"), "a document with the words of the source");
}

#[test]
fn r098_what_no_engine_converts_is_refused_by_name() {
    let server = Server::start();
    let answer = post(&server, &QUICK_START.replace("docx", "xlsx"));
    let error = answer.json();
    assert_eq!((answer.status, error["code"].as_str()), (422, Some("UNSUPPORTED_FORMAT")), "{error}");
    assert_eq!(error["details"]["task"], "convert", "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("xlsx")), "it names the format: {error}");
    let answer = post(&server, &QUICK_START.replace("\"convert\",", "\"convertt\","));
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("INVALID_DATA")), "an operation that there is not");
    assert!(answer.json()["message"].as_str().is_some_and(|text| text.contains("did you mean `convert`")), "{}", answer.json());
}

#[test]
fn r372_r379f_r032_create_with_tag_and_options() {
    let server = Server::start();
    let source = source::serve(pictures::png(24, 16, 1));
    let body = CREATE.replace("https://example.com/invoice.pdf", &source);
    let created = post(&server, &body);
    let answer = created.json();
    assert_eq!(created.status, 201, "{answer}");
    assert_eq!(created.header("content-type"), Some("application/json"), "as in the sample");
    assert_eq!(created.header("x-credits-used"), Some("1"), "as in the sample");
    assert_eq!(created.header("x-credits-remaining"), Some("999999"), "as in the sample");
    let sample = json!({ "data": {
        "id": "job_7kX9mP2qR", "tag": "invoice-batch", "status": "PROCESSING", "credits_used": 1, "created_at": "2026-04-03T10:30:00Z",
        "tasks": { "import-file": { "status": "FINISHED" }, "to-png": { "status": "PROCESSING" }, "export": { "status": "WAITING" } }
    } });
    assert!(has_shape(&answer, &sample), "{answer:#}");
    assert_eq!(members(&answer["data"]["tasks"]), ["import-file", "to-png", "export"], "a map, in the customer's order");
    assert_eq!((&answer["data"]["tag"], &answer["data"]["credits_used"]), (&json!("invoice-batch"), &json!(1)), "{answer:#}");
}

#[test]
fn r373_r374_r375_r051_lists_waits_and_tasks() {
    let server = Server::start();
    let job = server.convert(&pictures::png(4, 4, 1), "a.png", "png", &json!({}));
    let id = job["id"].as_str().expect("an id");
    let list = server.call("GET", "/jobs?status=FINISHED&limit=5", None).json();
    assert_eq!(
        (&list["meta"]["page"], &list["meta"]["limit"], &list["meta"]["total"]),
        (&json!(1), &json!(5), &json!(1)),
        "{list:#}"
    );
    let waited = server.call("GET", &format!("/jobs/{id}/wait?timeout=120"), None);
    assert_eq!((waited.status, waited.json()["data"]["status"].as_str()), (200, Some("FINISHED")), "at once");
    let tasks = server.call("GET", &format!("/jobs/{id}/tasks"), None).json();
    let sample = json!({ "data": [
        { "name": "import-file", "operation": "import/url", "status": "FINISHED", "result": { "file_id": "file_Xk9m..." } },
        { "name": "convert", "operation": "convert", "status": "FINISHED", "result": { "file_id": "file_Pm3n..." } }
    ] });
    assert!(has_shape(&tasks, &sample), "an array with names: {tasks:#}");
}

#[test]
fn r376_import_by_url_with_headers() {
    let server = Server::start();
    let source = source::serve(pictures::png(4, 4, 1));
    let tasks = IMPORT_URL.replace("https://example.com/document.pdf", &source).replace("document.pdf", "picture.png");
    let job = server.run(&json!({ "tasks": serde_json::from_str::<Value>(&tasks).expect("JSON") }));
    assert_eq!(job["tasks"]["import-file"]["status"], "FINISHED", "{job:#}");
    assert_eq!(job["tasks"]["import-file"]["result"]["files"][0]["filename"], "picture.png", "{job:#}");
    assert!(!job.to_string().contains("your-external-token"), "never shown again");
}

#[test]
fn r377_r007_import_by_upload_goes_to_a_link_that_needs_no_key() {
    let server = Server::start();
    let created = post(&server, &format!("{{\"tasks\": {IMPORT_UPLOAD}}}")).json();
    let result = &created["data"]["tasks"]["upload-file"]["result"];
    let url = result["url"].as_str().unwrap_or_else(|| panic!("{created:#}"));
    assert!(url.contains("/upload/"), "{url}");
    let put = server.send("PUT", url, None, Some(&pictures::png(5, 5, 1)), &[("content-type", "image/jpeg")]);
    assert_eq!(put.status, 200, "{}", String::from_utf8_lossy(&put.bytes));
    let job = server.wait(created["data"]["id"].as_str().expect("an id"));
    assert_eq!(job["tasks"]["upload-file"]["result"]["files"][0]["filename"], "photo.jpg", "{job:#}");
}

#[test]
fn r378_import_by_base64() {
    let server = Server::start();
    // The sample's file is cut off by three dots: no base64, and said so. Its beginning is one.
    let cut = post(&server, &format!("{{\"tasks\": {IMPORT_BASE64}}}"));
    assert_eq!((cut.status, cut.json()["details"]["field"].as_str()), (400, Some("file")), "{}", cut.json());
    let tasks = IMPORT_BASE64.replace("JVBERi0xLjQKJcOkw7zD...", "JVBERi0xLjQKJcOkw7zD");
    let job = server.run(&json!({ "tasks": serde_json::from_str::<Value>(&tasks).expect("JSON") }));
    let task = &job["tasks"]["import-file"];
    // Bytes that are no picture are refused by what they are, once they have been seen.
    assert!(
        task["status"] == "FINISHED" && task["result"]["files"][0]["size"] == 15
            || task["error"]["code"] == "UNSUPPORTED_FORMAT"
            || task["error"]["code"] == "INVALID_DATA",
        "{job:#}"
    );
}

#[test]
fn r379_convert_with_quality() {
    let server = Server::start();
    let mut tasks: Value = serde_json::from_str(CONVERT_HQ).expect("JSON");
    let file = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(pictures::png(6, 6, 1))
    };
    tasks["import-file"] = json!({ "operation": "import/base64", "file": file, "filename": "a.png" });
    let job = server.run(&json!({ "tasks": tasks }));
    assert_eq!(job["tasks"]["convert-hq"]["status"], "FINISHED", "{job:#}");
}

#[test]
fn r379e_r351_the_400_sample_word_for_word() {
    let server = Server::start();
    let answer = post(&server, &QUICK_START.replace(",\n\"output_format\": \"docx\"", ""));
    let error = answer.json();
    assert_eq!(answer.status, 400, "{error}");
    let sample = json!({
        "code": "INVALID_DATA",
        "message": "Missing required field: output_format",
        "details": { "field": "output_format", "reason": "required" }
    });
    assert_eq!((&error["code"], &error["message"]), (&sample["code"], &sample["message"]), "{error}");
    assert_eq!(
        (&error["details"]["field"], &error["details"]["reason"]),
        (&json!("output_format"), &json!("required")),
        "{error}"
    );
    assert_eq!(members(&error), ["code", "message", "details"], "no wrapper around it");
}
