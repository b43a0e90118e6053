//! `export/url`: links, archives of several files, and what a download answers.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::server::{Answer, Server};

/// A job that imports these files and exports them all together.
fn several(files: &[(&str, &[u8])], export: &Value) -> Value {
    let mut tasks = serde_json::Map::new();
    let mut names = Vec::new();
    for (index, (filename, bytes)) in files.iter().enumerate() {
        let name = format!("in{index}");
        tasks.insert(name.clone(), json!({"operation": "import/base64", "file": STANDARD.encode(bytes), "filename": filename}));
        names.push(name);
    }
    let mut task = json!({"operation": "export/url", "input": names});
    task.as_object_mut().expect("an object").extend(export.as_object().expect("an object").clone());
    tasks.insert("export".into(), task);
    json!({ "tasks": tasks })
}

fn result(job: &Value) -> &Value {
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    &job["tasks"]["export"]["result"]
}

fn get(server: &Server, url: &str, headers: &[(&str, &str)]) -> Answer {
    server.send("GET", url, None, None, headers)
}

/// Names and contents of an archive, as python's zipfile reads it after checking every CRC.
fn unzip(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.zip");
    std::fs::write(&path, bytes).expect("written");
    let script = "import base64,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                  for i in z.infolist(): print(i.filename + '|' + base64.b64encode(z.read(i)).decode())";
    let output = Command::new("python3").arg("-c").arg(script).arg(&path).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let test = Command::new("unzip").arg("-tq").arg(&path).output().expect("unzip runs");
    assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stdout));
    let lines = String::from_utf8(output.stdout).expect("text");
    let split = |line: &str| {
        let (name, content) = line.split_once('|').expect("a name");
        (name.to_owned(), STANDARD.decode(content).expect("base64"))
    };
    lines.lines().map(split).collect()
}

#[test]
fn a22_several_files_come_as_one_archive_and_each_by_itself() {
    let server = Server::start();
    let files: [(&str, &[u8]); 4] =
        [("a.bin", b"first"), ("b \u{fc}.bin", &[7; 100_000]), ("a.bin", b"second"), ("../../etc/x", b"x")];
    let job = server.run(&several(&files, &json!({})));
    let result = result(&job);
    let url = result["url"].as_str().expect("a link");
    let whole = get(&server, url, &[]);
    assert_eq!(whole.status, 200, "{}", String::from_utf8_lossy(&whole.bytes));
    let expected: [(&str, &[u8]); 4] =
        [("a.bin", b"first"), ("b \u{fc}.bin", &[7; 100_000]), ("a-2.bin", b"second"), ("x", b"x")];
    let expected: Vec<(String, Vec<u8>)> = expected.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    assert!(unzip(&whole.bytes) == expected, "every file under a name of its own");
    assert_eq!(whole.header("content-type"), Some("application/zip"), "its type");
    assert_eq!(whole.header("content-length"), Some(whole.bytes.len().to_string().as_str()), "its size is known before");
    let disposition = whole.header("content-disposition").expect("a name");
    assert!(disposition.starts_with("attachment; filename=\"export.zip\""), "{disposition}");

    // Each file has a link of its own.
    for (file, (_, bytes)) in result["files"].as_array().expect("files").iter().zip(&files) {
        assert_eq!(&get(&server, file["url"].as_str().expect("a link"), &[]).bytes, bytes, "{file}");
    }
    // The archive is the same each time, so that a broken download can be taken up.
    let tag = whole.header("etag").expect("a tag").to_owned();
    let middle = format!("bytes=70-{}", whole.bytes.len() - 30);
    let part = get(&server, url, &[("range", &middle), ("if-range", &tag)]);
    assert_eq!(part.status, 206, "a range of it");
    assert!(part.bytes == whole.bytes[70..=whole.bytes.len() - 30], "exactly those bytes");
    assert_eq!(get(&server, url, &[("if-none-match", &tag)]).status, 304, "nothing new");
    let head = server.send("HEAD", url, None, None, &[]);
    assert_eq!((head.status, head.header("etag")), (200, Some(tag.as_str())), "HEAD says the same");
    assert_eq!(get(&server, url, &[("range", "bytes=99999999-")]).status, 416, "beyond the end");

    // With the job, its archive goes.
    let id = job["id"].as_str().expect("an id");
    assert_eq!(server.call("DELETE", &format!("/jobs/{id}"), None).status, 204, "deleted");
    assert_eq!(get(&server, url, &[]).status, 404, "the link is dead");
}

#[test]
fn a22_archives_can_be_forced_and_forbidden_and_named() {
    let server = Server::start();
    let two: [(&str, &[u8]); 2] = [("a.bin", b"first"), ("b.bin", b"second")];
    let job = server.run(&several(&two, &json!({"options": {"archive_multiple_files": false}})));
    let first = result(&job);
    assert_eq!(first["url"], first["files"][0]["url"], "no archive");
    assert_eq!(get(&server, first["url"].as_str().expect("a link"), &[]).bytes, b"first", "the first file");

    let job = server.run(&several(&two[..1], &json!({"archive_multiple_files": true, "filename": "all of it"})));
    let answer = get(&server, result(&job)["url"].as_str().expect("a link"), &[]);
    assert_eq!(unzip(&answer.bytes), [("a.bin".to_owned(), b"first".to_vec())], "an archive of one");
    assert!(answer.header("content-disposition").is_some_and(|name| name.contains("\"all of it.zip\"")), "{:?}", answer.headers);

    // A29: a name for a single file; A30: made harmless.
    let job = server.run(&several(&two[..1], &json!({"filename": "../\u{202e}evil\r\nSet-Cookie: a.bin"})));
    let answer = get(&server, result(&job)["url"].as_str().expect("a link"), &[]);
    let name = answer.header("content-disposition").expect("a name").to_owned();
    assert!(name.contains("filename=\"evilSet-Cookie: a.bin\""), "{name}");
    assert_eq!(answer.header("set-cookie"), None, "no header can be smuggled in");
}

#[test]
fn r096_downloads_say_all_that_a_client_may_want_to_know() {
    let server = Server::start();
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let job = server.run(&several(&[("picture.svg", svg)], &json!({})));
    let url = result(&job)["url"].as_str().expect("a link");
    let whole = get(&server, url, &[]);
    let sha256 = Sha256::digest(svg);
    let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = [
        ("etag", format!("\"{hex}\"")),
        ("repr-digest", format!("sha-256=:{}:", STANDARD.encode(sha256))),
        ("accept-ranges", "bytes".into()),
        ("content-length", svg.len().to_string()),
        ("x-content-type-options", "nosniff".into()),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox".into()),
        ("access-control-allow-origin", "*".into()),
    ];
    for (name, value) in &expected {
        assert_eq!(whole.header(name), Some(value.as_str()), "{name}");
    }
    assert!(whole.header("content-disposition").is_some_and(|value| value.starts_with("attachment;")), "never shown by itself");
    assert!(whole.header("cache-control").is_some_and(|value| value.starts_with("private, max-age=")), "until it expires");
    assert!(whole.header("access-control-expose-headers").is_some_and(|value| value.contains("Repr-Digest")), "for scripts");

    let head = server.send("HEAD", url, None, None, &[]);
    assert_eq!(head.bytes, b"", "no body");
    for (name, value) in &expected {
        assert_eq!(head.header(name), Some(value.as_str()), "HEAD: {name}");
    }
    let tag = format!("\"{hex}\"");
    let part = |range: &str, condition: &str| get(&server, url, &[("range", range), ("if-range", condition)]);
    let cut = part("bytes=5-9", &tag);
    assert_eq!(
        (cut.status, cut.bytes.as_slice(), cut.header("repr-digest")),
        (206, &svg[5..10], whole.header("repr-digest")),
        "a part"
    );
    assert_eq!(cut.header("content-range"), Some(format!("bytes 5-9/{}", svg.len()).as_str()), "which one");
    assert_eq!(part("bytes=5-9", "\"other\"").status, 200, "of another version: all of it");
    assert_eq!(part("bytes=5-9", "Tue, 24 Nov 2026 10:00:00 GMT").status, 200, "a date says nothing here: all of it");
    assert_eq!(part("bytes=-4", &tag).bytes, &svg[svg.len() - 4..], "the end");
    let beyond = get(&server, url, &[("range", "bytes=9999-")]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some(format!("bytes */{}", svg.len()).as_str())), "beyond");
    assert_eq!(get(&server, url, &[("if-none-match", &format!("\"x\", W/{tag}"))]).status, 304, "known already");

    // The customer's choice, signed into the link: it cannot be added to another one.
    assert!(
        get(&server, &format!("{url}?inline=1"), &[]).header("content-disposition").is_some_and(|v| v.starts_with("attachment"))
    );
    let job = server.run(&several(&[("picture.svg", svg)], &json!({"options": {"inline": true}})));
    let shown = get(&server, result(&job)["url"].as_str().expect("a link"), &[]);
    assert!(shown.header("content-disposition").is_some_and(|value| value.starts_with("inline;")), "{:?}", shown.headers);
    assert!(shown.header("content-security-policy").is_some_and(|value| value.contains("sandbox")), "still in its box");
}

/// 2 x 96 MiB through the archive: the server's memory does not follow.
#[test]
fn a22_an_archive_is_streamed() {
    let server = Server::start();
    const SIZE: usize = 96 << 20;
    let tasks = json!({"tasks": {
        "one": {"operation": "import/upload", "filename": "one.bin"},
        "two": {"operation": "import/upload", "filename": "two.bin"},
        "export": {"operation": "export/url", "input": ["one", "two"]},
    }});
    let created = server.call("POST", "/jobs", Some(&tasks)).json();
    let bytes: Vec<u8> = (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for name in ["one", "two"] {
        let url = created["data"]["tasks"][name]["result"]["url"].as_str().expect("a link");
        assert_eq!(server.send("PUT", url, None, Some(&bytes), &[]).status, 200, "uploaded");
    }
    let job = server.wait(created["data"]["id"].as_str().expect("an id"));
    let url = result(&job)["url"].as_str().expect("a link").to_owned();
    let scratch = server.files("").len();
    let before = server.forget_peak();
    let answer = get(&server, &url, &[]);
    let grown = server.peak_memory().saturating_sub(before);
    assert_eq!(answer.header("content-length").map(str::to_owned), Some(answer.bytes.len().to_string()), "all of it");
    assert!(answer.bytes.len() > 2 * SIZE, "both files");
    assert!(grown < 48 << 20, "{} MiB more for an archive of 192 MiB", grown >> 20);
    assert_eq!(server.files("").len(), scratch, "no file was made for it");
    drop(bytes);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.zip");
    std::fs::write(&path, &answer.bytes).expect("written");
    let test = Command::new("unzip").arg("-tq").arg(&path).output().expect("unzip runs");
    assert!(test.status.success(), "every CRC is right: {}", String::from_utf8_lossy(&test.stdout));
}
