//! `import/upload` by `PUT`, and `import/base64`.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::Server;

/// A job that waits for an upload: its identifier and the upload's link.
fn waiting(server: &Server) -> (String, String) {
    let job = json!({"tasks": {
        "upload": {"operation": "import/upload", "filename": "photo.png"},
        "export": {"operation": "export/url", "input": ["upload"]},
    }});
    let created = server.call("POST", "/jobs", Some(&job));
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    let data = created.json()["data"].clone();
    // A06, A07: the job waits, its task says where the bytes go, and it is all in the 201.
    assert_eq!((&data["status"], &data["tasks"]["upload"]["status"]), (&json!("WAITING"), &json!("WAITING")), "{data:#}");
    let result = &data["tasks"]["upload"]["result"];
    assert_eq!((&result["url"], &result["method"]), (&result["upload_url"], &json!("PUT")), "{result}");
    assert_eq!(result["url"], result["tus_url"], "{result}");
    assert!(result["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{result}");
    (data["id"].as_str().expect("an id").into(), result["url"].as_str().expect("a link").into())
}

fn code(answer: &crate::support::server::Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn r073_an_upload_by_put_continues_its_job() {
    let server = Server::start();
    let photo = pictures::png(30, 20, 1);
    let (id, url) = waiting(&server);
    assert!(url.contains("/upload/"), "R007: its own kind of link: {url}");
    let head = server.send("HEAD", &url, None, None, &[]);
    assert_eq!((head.status, head.header("upload-offset")), (200, Some("0")), "HEAD: nothing yet");
    let answer = server.send("PUT", &url, None, Some(&photo), &[("content-type", "whatever/it-is")]);
    assert_eq!(answer.status, 200, "R073: no key, any type: {}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.json()["data"]["size"], photo.len(), "{}", answer.json());
    // R074: the job goes on by itself.
    let job = server.wait(&id);
    assert_eq!(server.download(&job).bytes, photo, "what was sent comes back");
    let head = server.send("HEAD", &url, None, None, &[]);
    assert_eq!(head.header("upload-offset").map(str::to_owned), Some(photo.len().to_string()), "HEAD: all of it");
    // A07: one upload can succeed.
    assert_eq!(code(&server.send("PUT", &url, None, Some(b"other"), &[])), (409, "CONFLICT".into()), "a second one");
    assert_eq!(server.download(&job).bytes, photo, "and changes nothing");
    assert_eq!(server.files("storage").len(), 1, "nor leaves anything: {:?}", server.files("storage"));
}

#[test]
fn uploads_whose_bytes_are_not_those_announced_leave_nothing() {
    let server = Server::start();
    let (_, url) = waiting(&server);
    let (right, wrong) = ("XUFAKrxLKna5cZ2REBfFkg==", "AUFAKrxLKna5cZ2REBfFkg==");
    let sha = |first: char| format!("sha-256=:{first}PJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
    for (name, value) in [
        ("content-md5", wrong.to_owned()),
        ("repr-digest", sha('A')),
        ("content-digest", sha('A')),
        ("content-md5", "no base64".into()),
        ("repr-digest", "sha-256=short".into()),
    ] {
        let answer = server.send("PUT", &url, None, Some(b"hello"), &[(name, &value)]);
        assert_eq!(code(&answer), (400, "INVALID_DATA".into()), "{name}: {value}");
        assert!(
            answer.json()["details"]["field"].as_str().is_some_and(|field| field.eq_ignore_ascii_case(name)),
            "{}",
            answer.json()
        );
        assert_eq!(server.files("storage"), Vec::<String>::new(), "{name}: nothing is kept");
    }
    // A body that ends before its announced length.
    let address = server.url.strip_prefix("http://").expect("a plain address");
    let path = url.strip_prefix(&server.url).expect("a link to this server");
    let mut socket = TcpStream::connect(address).expect("connected");
    write!(socket, "PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nonly this").expect("sent");
    drop(socket);
    // And one in chunks of its own, with everything right.
    let mut socket = TcpStream::connect(address).expect("connected");
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-MD5: {right}\r\nRepr-Digest: {}\r\nConnection: close\r\n\r\n",
        sha('L')
    );
    socket.write_all(head.as_bytes()).expect("sent");
    for part in ["2\r\nhe\r\n", "3\r\nllo\r\n", "0\r\n\r\n"] {
        socket.write_all(part.as_bytes()).expect("sent");
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.files("storage").len(), 1, "the good one alone: {:?}", server.files("storage"));
}

#[test]
fn r074_an_upload_has_a_limit() {
    let server = Server::start();
    let (_, url) = waiting(&server);
    let address = server.url.strip_prefix("http://").expect("a plain address");
    let path = url.strip_prefix(&server.url).expect("a link to this server");
    let mut socket = TcpStream::connect(address).expect("connected");
    // A82: 5 GiB and one byte, refused before any of them is sent.
    write!(socket, "PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5368709121\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("5368709120"), "{answer}");
}

#[test]
fn a81_base64_in_every_spelling_up_to_10_mib() {
    let server = Server::start();
    let photo = pictures::png(16, 16, 3);
    let text = STANDARD.encode(&photo);
    let wrapped = text.as_bytes().chunks(60).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join("\r\n");
    let job = |file: &str| {
        json!({"tasks": {
            "import": {"operation": "import/base64", "file": file, "filename": "a.png"},
            "export": {"operation": "export/url", "input": "import"},
        }})
    };
    for file in [text.clone(), wrapped, URL_SAFE_NO_PAD.encode(&photo), format!("data:image/png;base64,{text}")] {
        let done: Value = server.run(&job(&file));
        assert_eq!(server.download(&done).bytes, photo, "{}…", &file[..30]);
    }
    let most = STANDARD.encode(vec![7u8; 10 << 20]);
    assert_eq!(server.call("POST", "/jobs", Some(&job(&most))).status, 201, "R075: 10 MiB decoded");
    let more = STANDARD.encode(vec![7u8; (10 << 20) + 1]);
    assert_eq!(code(&server.call("POST", "/jobs", Some(&job(&more)))), (413, "PAYLOAD_TOO_LARGE".into()), "R075: one more");
}
