//! Files by their identifiers, `import/file`, names of outputs, and `keep_intermediates`.

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::{Answer, Server};

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

fn file_of<'a>(job: &'a Value, task: &str) -> &'a str {
    job["tasks"][task]["result"]["file_id"].as_str().unwrap_or_else(|| panic!("no file: {job:#}"))
}

fn content(server: &Server, id: &str, headers: &[(&str, &str)]) -> Answer {
    server.send("GET", &format!("{}/api/v1/files/{id}/content", server.url), Some(&server.key), None, headers)
}

/// A job of two conversions, one behind the other, without an export.
fn chain(keep: bool) -> Value {
    json!({"keep_intermediates": keep, "tasks": {
        "in": {"operation": "import/base64", "file": base64(&pictures::png(40, 30, 1)), "filename": "photo.jpg"},
        "small": {"operation": "convert", "input": "in", "output_format": "bmp", "options": {"width": 20}},
        "last": {"operation": "convert", "input": "small", "output_format": "webp", "filename": "end.png"},
    }})
}

#[test]
fn a28_imports_and_last_files_are_served_and_intermediates_are_not() {
    let server = Server::start();
    let source = pictures::png(40, 30, 1);
    let job = server.run(&chain(false));
    assert_eq!(job["status"], "FINISHED", "{job:#}");

    let imported = server.call("GET", &format!("/files/{}", file_of(&job, "in")), None);
    assert_eq!(imported.status, 200, "{}", text(&imported));
    let meta = imported.json()["data"].clone();
    assert_eq!((&meta["job_id"], &meta["task"], &meta["format"]), (&job["id"], &json!("in"), &json!("png")), "{meta:#}");
    assert_eq!(meta["size"], source.len(), "{meta:#}");
    let bytes = server.send("GET", meta["content_url"].as_str().expect("a URL"), Some(&server.key), None, &[]);
    assert_eq!((bytes.status, &bytes.bytes), (200, &source), "byte for byte");
    let keyless = server.send("GET", meta["content_url"].as_str().expect("a URL"), None, None, &[]);
    assert_eq!(keyless.status, 401, "an identifier is no permission");

    let last = file_of(&job, "last").to_owned();
    let whole = content(&server, &last, &[]);
    assert_eq!((whole.status, &whole.bytes[..4]), (200, &b"RIFF"[..]), "what nothing takes");
    assert_eq!(whole.header("content-type"), Some("image/webp"), "its media type");
    let part = content(&server, &last, &[("range", "bytes=4-9")]);
    assert_eq!((part.status, &part.bytes[..]), (206, &whole.bytes[4..10]), "a part");
    let tag = whole.header("etag").expect("an ETag").to_owned();
    assert_eq!(content(&server, &last, &[("if-none-match", &tag)]).status, 304, "unchanged");
    let head = server.send("HEAD", &format!("{}/api/v1/files/{last}/content", server.url), Some(&server.key), None, &[]);
    assert_eq!((head.status, head.bytes.len()), (200, 0), "HEAD");

    let middle = file_of(&job, "small").to_owned();
    for path in [format!("/files/{middle}"), format!("/files/{middle}/content")] {
        let hidden = server.call("GET", &path, None);
        assert_eq!(hidden.status, 404, "{}", text(&hidden));
        assert!(hidden.json()["message"].as_str().is_some_and(|text| text.contains("keep_intermediates")), "{}", text(&hidden));
    }
    for unknown in ["file_x", "file_0000000000000000000000AAAAAAAA", "job_1", &format!("{}A", &last[..last.len() - 1])] {
        if unknown != last {
            assert_eq!(server.call("GET", &format!("/files/{unknown}"), None).status, 404, "{unknown}");
        }
    }
    let kept = server.run(&chain(true));
    assert_eq!(kept["keep_intermediates"], true, "the job says so");
    assert_eq!(content(&server, file_of(&kept, "small"), &[]).status, 200, "all of its files are served");

    // A31, A29: what may be worth knowing.
    let codes: Vec<&str> =
        job["warnings"].as_array().expect("warnings").iter().filter_map(|warning| warning["code"].as_str()).collect();
    assert_eq!(codes, ["NO_EXPORT", "NAME_MISMATCH", "FILE"], "{job:#}");
    assert_eq!(job["tasks"]["last"]["result"]["files"][0]["filename"], "end.png", "A29: named as asked");

    // R040: with the job all is gone.
    assert_eq!(server.call("DELETE", &format!("/jobs/{}", job["id"].as_str().expect("an id")), None).status, 204, "deleted");
    assert_eq!(content(&server, &last, &[]).status, 404, "gone");
}

#[test]
fn a28_import_file_takes_a_file_into_another_job() {
    let server = Server::start();
    let first = server.run(&chain(false));
    let id = file_of(&first, "last");
    let reuse = |id: &str| {
        json!({"tasks": {
            "again": {"operation": "import/file", "file_id": id, "filename": "again.webp"},
            "convert": {"operation": "convert", "input": "again", "output_format": "png"},
            "export": {"operation": "export/url", "input": "convert"},
        }})
    };
    let second = server.run(&reuse(id));
    assert_eq!(second["status"], "FINISHED", "{second:#}");
    assert!(server.download(&second).bytes.starts_with(b"\x89PNG"), "converted");
    let copy = file_of(&second, "again");
    assert_ne!(copy, id, "a file of its own");
    assert_eq!(
        server.call("DELETE", &format!("/jobs/{}", first["id"].as_str().expect("an id")), None).status,
        204,
        "the source goes"
    );
    assert_eq!(content(&server, copy, &[]).status, 200, "the copy stays");
    for gone in [id, "file_nonsense"] {
        let refused = server.call("POST", "/jobs", Some(&reuse(gone)));
        assert_eq!((refused.status, &refused.json()["details"]["field"]), (400, &json!("file_id")), "{}", text(&refused));
        assert_eq!(refused.json()["details"]["path"], "/tasks/again/file_id", "{}", text(&refused));
    }
}

#[test]
fn r077_a22_a23_a24_a29_several_inputs_make_several_named_outputs() {
    let server = Server::start();
    let import = |seed: u32, name: &str| json!({"operation": "import/base64", "file": base64(&pictures::png(9, 7, seed)), "filename": name});
    let job = server.run(&json!({"tasks": {
        "one": import(1, "one.png"), "two": import(2, "../tw\u{0}o.png"),
        "plain": {"operation": "convert", "input": ["two", "one"], "output_format": "jpg"},
        "named": {"operation": "convert", "input": ["one", "two"], "output_format": "gif", "filename": "pic-%02d.gif"},
        "same": {"operation": "convert", "input": ["one", "two"], "output_format": "gif", "filename": "pic.gif"},
    }}));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert_eq!(job["credits_used"], 6, "each input of each conversion is paid");
    let names = |task: &str| -> Vec<String> {
        let files = job["tasks"][task]["result"]["files"].as_array().expect("files");
        files.iter().filter_map(|file| file["filename"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(names("plain"), ["two.jpg", "one.jpg"], "A23: in the listed order; A30: no path, no control character");
    assert_eq!(names("named"), ["pic-01.gif", "pic-02.gif"], "A22: by pattern");
    assert_eq!(names("same"), ["pic-1.gif", "pic-2.gif"], "A22: numbered");
}
