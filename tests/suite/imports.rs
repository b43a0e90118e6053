//! `import/url`: what a source may do, and what the customer's headers may not.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::Server;

/// A source that answers each request as it is told; keeps the requests' heads.
pub(crate) struct Source {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Source {
    pub(crate) fn start(answer: impl Fn(usize, &str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let mut stream = stream;
                let mut head = String::new();
                let mut lines = BufReader::new(stream.try_clone().expect("a second handle"));
                while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).is_ok_and(|read| read > 0) {}
                answer(number, &head, &mut stream);
                seen.lock().expect("not poisoned").push(head.to_ascii_lowercase());
            }
        });
        Self { address, heads }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("not poisoned").clone()
    }
}

pub(crate) fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", head.replace('\n', "\r\n"));
    // The client may have gone away; that is what some tests are about.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn import(fields: &Value) -> Value {
    let mut task = json!({"operation": "import/url"});
    task.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    json!({"tasks": {"import": task, "export": {"operation": "export/url", "input": "import"}}})
}

#[test]
fn r070_headers_reach_their_own_origin_and_no_other() {
    let photo = pictures::png(12, 8, 1);
    let server = Server::start();
    let file = photo.clone();
    let other = Source::start(move |_, _, stream| {
        send(
            stream,
            &format!(
                "200 OK\nContent-Disposition: attachment; filename=\"x.png\"; filename*=UTF-8''%E5%9B%BE.png\nContent-Length: {}",
                file.len()
            ),
            &file,
        );
    });
    let there = other.url("/moved");
    let first = Source::start(move |_, head, stream| {
        if head.starts_with("GET /start") {
            send(stream, "302 Found\nLocation: /near\nContent-Length: 0", b"");
        } else {
            send(stream, &format!("302 Found\nLocation: {there}\nContent-Length: 0"), b"");
        }
    });
    let job = server.run(&import(&json!({
        "url": first.url("/start"), "headers": {"Authorization": "Bearer secret-token", "X-Own": "mine"},
    })));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert_eq!(server.download(&job).bytes, photo, "the file");
    // A83: sent to the source and to redirects within it, dropped on the way to another origin.
    for head in first.heads() {
        assert!(head.contains("authorization: bearer secret-token") && head.contains("x-own: mine"), "{head}");
    }
    assert_eq!(first.heads().len(), 2, "two hops within it");
    let heads = other.heads();
    assert!(!heads[0].contains("secret-token") && !heads[0].contains("x-own"), "{}", heads[0]);
    // RFC 6266: the extended name counts.
    assert_eq!(job["tasks"]["import"]["result"]["files"][0]["filename"], "\u{56fe}.png", "{job:#}");

    for name in ["Host", "Content-Length", "Transfer-Encoding", "Connection"] {
        let answer = server.call("POST", "/jobs", Some(&import(&json!({"url": first.url("/"), "headers": {name: "x"}}))));
        assert_eq!(answer.status, 400, "A83: {name} is not the customer's: {}", answer.json());
    }
    let answer = server.call("POST", "/jobs", Some(&import(&json!({"url": first.url("/"), "headers": {"X-A": "b\r\nX-C: d"}}))));
    assert_eq!(answer.status, 400, "no second header can be smuggled in");
}

#[test]
fn a83_a_broken_import_goes_on_where_it_broke_off() {
    let server = Server::start();
    let file: Vec<u8> = (0..900_000u32).map(|i| (i * 7) as u8).collect();
    let whole = file.clone();
    let source = Source::start(move |number, head, stream| {
        let range = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("range: bytes=").map(str::to_owned));
        let from: usize = range.map_or(0, |range| range.trim_end_matches('-').parse().expect("a number"));
        let status = if from == 0 {
            "200 OK".to_owned()
        } else {
            format!("206 Partial Content\nContent-Range: bytes {from}-{}/{}", whole.len() - 1, whole.len())
        };
        let rest = &whole[from..];
        // Twice it breaks off after 300,000 bytes.
        let sent = if number < 2 { &rest[..300_000] } else { rest };
        send(stream, &format!("{status}\nETag: \"v1\"\nContent-Length: {}", rest.len()), sent);
    });
    let job = server.run(&import(&json!({"url": source.url("/data.bin")})));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert!(server.download(&job).bytes == file, "every byte, in order");
    let heads = source.heads();
    assert_eq!(heads.len(), 3, "two breaks");
    for (head, range) in heads[1..].iter().zip(["bytes=300000-", "bytes=600000-"]) {
        assert!(head.contains(&format!("range: {range}")) && head.contains("if-range: \"v1\""), "{head}");
    }
}

#[test]
fn a45_content_decides_and_input_format_overrides() {
    let server = Server::start();
    let photo = pictures::png(9, 9, 1);
    let source = Source::start(move |_, _, stream| send(stream, &format!("200 OK\nContent-Length: {}", photo.len()), &photo));
    let job = server.run(&import(&json!({"url": source.url("/photo.jpg")})));
    let result = &job["tasks"]["import"]["result"];
    assert_eq!(result["files"][0]["format"], "png", "R076: by its bytes: {result}");
    assert!(result["warnings"][0].as_str().is_some_and(|text| text.contains("jpg")), "and the mismatch is said: {result}");
    let job = server.run(&import(&json!({"url": source.url("/photo"), "input_format": ".BMP", "filename": "../own name.dat"})));
    let file = &job["tasks"]["import"]["result"]["files"][0];
    assert_eq!(
        (&file["format"], &file["filename"]),
        (&json!("bmp"), &json!("own name.dat")),
        "R076: the customer's word: {file}"
    );
}

/// R071: the server's memory does not grow with the file. 300 MB here; `SUITE_IMPORT_BYTES=5368709120` for all of the limit.
#[test]
fn r071_a_large_import_is_streamed() {
    let size: u64 = std::env::var("SUITE_IMPORT_BYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(300_000_000);
    let server = Server::start();
    let source = Source::start(move |_, _, stream| {
        send(stream, &format!("200 OK\nContent-Length: {size}"), b"");
        let (block, mut left) = (vec![0u8; 1 << 20], size);
        while left > 0 {
            let part = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if stream.write_all(&block[..part]).is_err() {
                return;
            }
            left -= part as u64;
        }
    });
    let before = server.forget_peak();
    let created = server.call("POST", "/jobs", Some(&import(&json!({"url": source.url("/zeros.bin")})))).json();
    let id = created["data"]["id"].as_str().expect("an id");
    let mut job = server.call("GET", &format!("/jobs/{id}/wait?timeout=300"), None);
    while job.status == 202 {
        job = server.call("GET", &format!("/jobs/{id}/wait?timeout=300"), None);
    }
    let job = job.json()["data"].clone();
    let grown = server.peak_memory().saturating_sub(before);
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert_eq!(job["tasks"]["import"]["result"]["files"][0]["size"], size, "all of it");
    eprintln!("{size} bytes imported with {} MiB more memory", grown >> 20);
    assert!(grown < 64 << 20, "{} MiB more for {size} bytes", grown >> 20);
    let url = job["tasks"]["export"]["result"]["url"].as_str().expect("a link");
    let head = server.send("HEAD", url, None, None, &[]);
    assert_eq!(head.header("content-length").map(str::to_owned), Some(size.to_string()), "and it can be downloaded");
}
