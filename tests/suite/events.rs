//! Server-sent events: each change once, in order, across reconnects.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::Server;

/// An open stream of events.
struct Events {
    reader: BufReader<TcpStream>,
    head: String,
    chunk: usize,
}

/// One event.
#[derive(Debug)]
struct Event {
    id: Option<u64>,
    name: String,
    data: Value,
}

impl Events {
    fn open(server: &Server, path: &str, headers: &str) -> Self {
        let host = server.url.strip_prefix("http://").expect("http");
        let mut stream = TcpStream::connect(host).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
        let key = &server.key;
        write!(stream, "GET /api/v1{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{headers}\r\n")
            .expect("a request");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).expect("a line") > 0, "the head ends: {head}");
        }
        Self { reader, head: head.to_ascii_lowercase(), chunk: 0 }
    }

    /// The next line of the body, which arrives in chunks; `None` at its end.
    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            if self.chunk == 0 {
                let mut size = String::new();
                self.reader.read_line(&mut size).expect("a chunk's size");
                if size.trim().is_empty() {
                    size.clear();
                    self.reader.read_line(&mut size).expect("a chunk's size");
                }
                self.chunk = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|e| panic!("{e}: {size:?}"));
                if self.chunk == 0 {
                    return None;
                }
            }
            let mut byte = [0];
            self.reader.read_exact(&mut byte).expect("a byte");
            self.chunk -= 1;
            if byte[0] == b'\n' {
                return Some(String::from_utf8(line).expect("UTF-8"));
            }
            line.push(byte[0]);
        }
    }

    /// The next event, passing over comments; `None` at the end of the stream.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: None, name: String::new(), data: Value::Null };
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = Some(id.parse().expect("a number")),
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).expect("JSON in one line"),
                None if line.is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }

    fn rest(mut self) -> Vec<Event> {
        std::iter::from_fn(move || self.next()).collect()
    }
}

fn waiting_job(server: &Server) -> Value {
    let created = server.call(
        "POST",
        "/jobs",
        Some(&json!({"tasks": {
            "up": {"operation": "import/upload", "filename": "a.png"},
            "convert": {"operation": "convert", "input": "up", "output_format": "webp"},
            "export": {"operation": "export/url", "input": "convert"},
        }})),
    );
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    created.json()["data"].clone()
}

fn upload(server: &Server, job: &Value) {
    let url = job["tasks"]["up"]["result"]["url"].as_str().expect("a link");
    assert_eq!(server.send("PUT", url, None, Some(&pictures::png(30, 20, 1)), &[]).status, 200, "uploaded");
}

fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().filter_map(|event| event.id).collect()
}

#[test]
fn events_tell_each_change_once_and_end_with_the_job() {
    let server = Server::start();
    let job = waiting_job(&server);
    let id = job["id"].as_str().expect("an id");
    let path = format!("/jobs/{id}/events");
    let mut stream = Events::open(&server, &path, "");
    assert!(
        stream.head.starts_with("http/1.1 200") && stream.head.contains("content-type: text/event-stream"),
        "{}",
        stream.head
    );
    let picture = stream.next().expect("the job as it stands");
    assert_eq!((picture.name.as_str(), &picture.data["status"]), ("job", &json!("WAITING")), "{picture:?}");
    upload(&server, &job);
    let events = stream.rest();
    let all = ids(&events);
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]) && picture.id < all.first().copied(), "ids grow: {picture:?} {all:?}");
    let last = events.last().expect("an end");
    assert_eq!((last.name.as_str(), &last.data["status"]), ("job", &json!("FINISHED")), "the end is the last event: {last:?}");
    assert!(last.data["tasks"]["export"]["result"]["url"].is_string(), "with the links: {last:?}");
    for name in ["up", "convert", "export"] {
        let told = |status: &str| {
            events
                .iter()
                .filter(|event| event.name == "task" && event.data["name"] == name && event.data["status"] == status)
                .count()
        };
        assert_eq!(told("FINISHED"), 1, "the end of {name} is told once: {events:#?}");
    }
    assert!(events.iter().any(|event| event.data["job_id"] == id), "a task tells its job");

    // Come back at any point: exactly what came after it, by its latest state.
    for (i, from) in all.iter().enumerate() {
        let again = Events::open(&server, &path, &format!("Last-Event-ID: {from}\r\n"));
        if i + 1 == all.len() {
            assert!(again.head.starts_with("http/1.1 204"), "nothing is left, so an EventSource stops: {}", again.head);
            continue;
        }
        let again = ids(&again.rest());
        assert!(again.iter().all(|id| id > from), "nothing is repeated after {from}: {again:?}");
        assert_eq!(again.last(), all.last(), "the end is not lost after {from}: {again:?}");
    }
    // A client that lost its connection half-way misses no task's end.
    let again = Events::open(&server, &path, &format!("Last-Event-ID: {}\r\n", picture.id.expect("an id"))).rest();
    let ended: Vec<&str> = again
        .iter()
        .filter(|e| e.name == "task" && e.data["status"] == "FINISHED")
        .filter_map(|e| e.data["name"].as_str())
        .collect();
    assert_eq!(ended, ["up", "convert", "export"], "in the order in which it happened");

    let other = server.send("GET", &format!("{}/api/v1/jobs/job_none/events", server.url), Some(&server.key), None, &[]);
    assert_eq!(other.status, 404, "unknown");
}

#[test]
fn wait_streams_too_and_ends_at_its_time() {
    let server = Server::start();
    let job = waiting_job(&server);
    let id = job["id"].as_str().expect("an id");
    let events = Events::open(&server, &format!("/jobs/{id}/wait?timeout=1"), "Accept: text/event-stream\r\n").rest();
    assert_eq!(events.len(), 1, "the picture, and then the time is over: {events:?}");
    let mut stream = Events::open(&server, &format!("/jobs/{id}/wait?timeout=60"), "Accept: text/event-stream\r\n");
    stream.next().expect("the picture");
    assert_eq!(server.call("DELETE", &format!("/jobs/{id}"), None).status, 204, "deleted");
    let rest = stream.rest();
    assert_eq!(rest.last().map(|event| event.name.as_str()), Some("deleted"), "who follows a deleted job is told: {rest:?}");
}

#[test]
fn f21_a_drain_ends_streams_and_answers_waits() {
    let mut server = Server::start();
    let job = waiting_job(&server);
    let id = job["id"].as_str().expect("an id").to_owned();
    let mut stream = Events::open(&server, &format!("/jobs/{id}/events"), "");
    stream.next().expect("the picture");
    let mut wait = Events::open_unread(&server, &format!("/jobs/{id}/wait?timeout=120"));
    server.process.signal(rustix::process::Signal::TERM);
    assert!(stream.next().is_none(), "the stream ends whole, with its last chunk");
    let mut head = String::new();
    wait.read_line(&mut head).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 202"), "F21: {head}");
    assert!(server.process.wait().success(), "and the server stops");
}

impl Events {
    /// Sends a request and leaves the answer to the caller. Returns once the server has it for sure.
    fn open_unread(server: &Server, path: &str) -> BufReader<TcpStream> {
        let host = server.url.strip_prefix("http://").expect("http");
        let mut stream = TcpStream::connect(host).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
        write!(stream, "GET /api/v1{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n", server.key)
            .expect("a request");
        let busy = || {
            let metrics = server.send("GET", &format!("{}/metrics", server.url), None, None, &[]);
            let text = String::from_utf8_lossy(&metrics.bytes).into_owned();
            let line = text.lines().find(|line| line.starts_with("convertfly_http_requests_in_flight"));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(2.0)
        };
        // The wait, and the metrics themselves. A stream of events is answered, so it is not in flight.
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while busy() < 2.0 && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        BufReader::new(stream)
    }
}
