//! The front over real sockets: slow clients, odd requests, limits, shutdown. No store is needed for any of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::store::{Admission, ApiKey, KeyStamp, StoreError};
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::error::ApiError;
use crate::handlers::read_within;
use crate::keys::{Mode, generate, sha256_hex};
use crate::metrics::Metrics;
use crate::middleware::admission::Bucket;
use crate::middleware::auth::{Access, Directory};
use crate::openapi::{Doc, Tag};
use crate::policy::Policy;
use crate::router::{Route, assemble, row};

/// No test waits this long unless something hangs.
const HANG: Duration = Duration::from_secs(60);

fn doc() -> Doc {
    Doc::new("test", Tag::Service, "A route of this test")
}

/// A directory of two keys: one may write, one may read.
#[derive(Clone)]
struct Keys {
    write: Arc<String>,
    read: Arc<String>,
    asked: Arc<AtomicUsize>,
    gate: Arc<Notify>,
}

impl Keys {
    fn new() -> Self {
        let key = || Arc::new(generate(Mode::Live).expose().clone());
        Self { write: key(), read: key(), asked: Arc::default(), gate: Arc::default() }
    }
}

impl Directory for Keys {
    async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let known = [(&self.write, "jobs:write"), (&self.read, "jobs:read")];
        let found = known.into_iter().find(|(key, _)| sha256_hex(key) == hash);
        Ok(found.map(|(_, scope)| ApiKey {
            id: "key_1".into(),
            account: "acct_1".into(),
            scopes: vec![scope.into()],
            ..ApiKey::default()
        }))
    }

    fn key_stamp(&self, _hash: &str) -> Option<KeyStamp> {
        None
    }

    async fn key_used(&self, _key: &ApiKey) {}

    async fn balance(&self, _account: &str) -> Result<i64, StoreError> {
        Ok(42)
    }

    async fn admit(&self, bucket: Bucket<'_>, requests: u32) -> Result<Admission, StoreError> {
        let balance = matches!(bucket, Bucket::Key(_)).then_some(42);
        let used = u64::from(requests);
        let (ends_at, now) = (1_743_681_600_000, 1_743_681_555_000);
        Ok(Admission { allowed: true, limit: 60, used, ends_at, now, balance, suspended: false })
    }
}

/// Answers with the length of the body.
async fn count(body: Body) -> Result<String, ApiError> {
    Ok(read_within(body, 1 << 20, 10 * HANG).await?.len().to_string())
}

async fn panics() -> Response {
    panic!("planted")
}

async fn gated(axum::extract::State(keys): axum::extract::State<Keys>) -> &'static str {
    keys.gate.notified().await;
    "through"
}

fn rows() -> Vec<Route<Keys>> {
    vec![
        row(Method::POST, "/count", Access::Public, None, count, doc()),
        row(Method::POST, "/small", Access::Public, Some(10), count, doc()),
        row(Method::GET, "/panic", Access::Public, None, panics, doc()),
        row(Method::GET, "/gated", Access::Public, None, gated, doc()),
        row(Method::GET, "/big", Access::Public, None, async || vec![0u8; 64 << 20], doc()),
        row(Method::GET, "/api/v1/things/{id}", Access::Scope("jobs:write"), None, async || "a thing", doc()),
        row(Method::DELETE, "/api/v1/things/{id}", Access::Scope("jobs:write"), None, async || "gone", doc()),
        row(Method::GET, "/storage/dl/{token}", Access::SignedLink, None, async || "bytes".into_response(), doc()),
    ]
}

fn front(keys: &Keys) -> (Arc<Front>, Arc<Metrics>) {
    let rows = rows();
    let metrics = Metrics::new(rows.iter().map(|row| (row.method.as_str(), row.path)));
    let routes = assemble(rows, keys.clone(), Policy::default());
    (Arc::new(Front::new(routes, metrics.clone(), Policy::default(), false)), metrics)
}

struct Server {
    address: SocketAddr,
    keys: Keys,
    metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let keys = Keys::new();
        let (front, metrics) = front(&keys);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let running = tokio::spawn(run(listener, front, Arc::new(limits), CancellationToken::new(), shutdown));
        Self { address, keys, metrics, stop, running }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends `request` on a connection of its own and reads until the server closes it.
    async fn talk(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        rest(&mut stream).await
    }

    /// One request, closed after the answer; status line with headers, and body.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> (String, String) {
        let answer = self.talk(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_owned(), body.to_owned())
    }
}

/// Everything until the server closes the connection; a reset counts as closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(HANG, stream.read_to_end(&mut answer)).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("")
}

fn code(body: &str) -> String {
    let json: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("the body is JSON ({e}): {body}"));
    assert!(json["message"].is_string(), "{json}");
    json["code"].as_str().unwrap_or_default().to_owned()
}

fn has(head: &str, name: &str, value: &str) -> bool {
    head.lines().any(|line| line.split_once(": ").is_some_and(|(n, v)| n.eq_ignore_ascii_case(name) && v == value))
}

fn brief() -> Limits {
    let brief = Duration::from_millis(150);
    Limits { header_timeout: brief, body_first_byte: brief, body_stall: brief, ..Limits::default() }
}

#[tokio::test]
async fn a_silent_or_dawdling_head_is_cut_off() {
    let server = Server::start(brief()).await;
    assert_eq!(rest(&mut server.connect().await).await, "", "a connection without a byte");
    assert_eq!(server.talk("GET /count HTT").await, "", "half a request line");
    // Far longer than any gap between two bytes, so that only the clock of the whole head can cut this one off.
    let server = Server::start(Limits { header_timeout: Duration::from_secs(1), ..Limits::default() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /count HTTP/1.1\r\nHost: x\r\nX-A: ").await.expect("sent");
    // A byte every few milliseconds never completes the head; the clock runs from its first byte.
    let dawdle = async {
        while stream.write_all(b"b").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(HANG, dawdle).await.expect("cut off in the middle");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let server = Server::start(brief()).await;
    for (what, start) in [("nothing", ""), ("a stall", "0123")] {
        let answer = server.talk(&format!("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{start}")).await;
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or("");
        assert_eq!((status(&answer), code(body).as_str()), ("408", "REQUEST_TIMEOUT"), "{what}: {answer}");
    }
    let mut stream = server.connect().await;
    stream.write_all(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").await.expect("sent");
    // Some bytes now and then are not progress.
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = timeout(HANG, reader.read_to_end(&mut answer)) => {}
    }
    assert_eq!(status(&String::from_utf8_lossy(&answer)), "408", "a drip");
}

#[tokio::test]
async fn a_body_that_comes_is_read_chunked_or_not() {
    let server = Server::start(Limits::default()).await;
    let body = "x".repeat(300_000);
    let sized = format!("POST /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n{body}");
    assert!(server.talk(&sized).await.ends_with("\r\n\r\n300000"), "sized");
    let chunked = "POST /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
    assert!(server.talk(chunked).await.ends_with("\r\n\r\n6"), "chunked");
}

#[tokio::test]
async fn keep_alive_has_a_clock_of_its_own() {
    let patient = Limits { header_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = Server::start(patient).await;
    let mut stream = server.connect().await;
    let mut buffer = [0u8; 4096];
    for _ in 0..2 {
        stream.write_all(b"OPTIONS /count HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        let read = timeout(HANG, stream.read(&mut buffer)).await.expect("an answer").expect("read");
        assert!(buffer[..read].starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&buffer[..read]));
        // Longer than a head may take, shorter than a connection may idle: the pause is what is tested.
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let hasty = Server::start(Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() }).await;
    let answer = hasty.talk("OPTIONS /count HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204"), "answered, then closed for idling: {answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = Server::start(Limits { write_stall: Duration::from_millis(150), ..Limits::default() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let closed = async {
        while !server.metrics.render().contains("\nconvertfly_http_connections 0\n") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    stream.readable().await.expect("the answer has begun");
    timeout(HANG, closed).await.expect("the connection is given up");
}

#[tokio::test]
async fn nothing_can_be_smuggled_behind_two_lengths() {
    let server = Server::start(Limits::default()).await;
    let behind = async |lengths: &str| {
        let second = "OPTIONS /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = server.talk(&format!("POST /count HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\n0\r\n\r\n{second}")).await;
        answer.matches("HTTP/1.1 20").count()
    };
    assert_eq!(behind("Transfer-Encoding: chunked").await, 2, "an honest second request is answered");
    for lengths in ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"] {
        assert_eq!(behind(lengths).await, 1, "{lengths}: one answer, then the end (RFC 9112, section 6.3)");
    }
    for bad in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: -1",
        "Content-Length: 1, 2",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ] {
        let answer = server.talk(&format!("POST /count HTTP/1.1\r\nHost: x\r\n{bad}\r\n\r\n12")).await;
        assert_eq!(status(&answer), "400", "{bad}: {answer}");
    }
    let answer = server.talk(&format!("GET /count HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n", "a".repeat(100_000))).await;
    assert!(matches!(status(&answer), "431" | ""), "too large a head: {answer}");
}

#[tokio::test]
async fn what_is_not_there_is_404_and_405_in_json() {
    let server = Server::start(Limits::default()).await;
    for path in ["/", "/api/v1/nothing", "/api/v1/things", "/api/v1/things/%ff", "/API/v1/things/1"] {
        let (head, body) = server.ask("GET", path, "").await;
        if path.ends_with("%ff") {
            assert_eq!(status(&head), "401", "{path} has a route, so the key comes first");
        } else {
            assert_eq!((status(&head), code(&body).as_str()), ("404", "NOT_FOUND"), "{path}");
            assert!(has(&head, "content-type", "application/json"), "{head}");
        }
    }
    let (head, body) = server.ask("PATCH", "/api/v1/things/1", "").await;
    assert_eq!((status(&head), code(&body).as_str()), ("405", "METHOD_NOT_ALLOWED"), "{head}");
    let allow = head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap_or_default().to_owned();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        assert!(allow.split(',').any(|m| m.trim() == method), "{method} is missing in `{allow}`");
    }
    let (head, _) = server.ask("OPTIONS", "/api/v1/things/1/", "").await;
    assert_eq!(status(&head), "204", "a slash at the end does not matter: {head}");
    assert!(has(&head, "allow", "GET, DELETE, HEAD, OPTIONS"), "{head}");
    assert!(!head.contains("access-control"), "the API is not for browsers: {head}");
    let (head, body) = server.ask("GET", "/nothing", "Accept: application/problem+json\r\n").await;
    assert!(has(&head, "content-type", "application/problem+json") && body.contains("\"status\":404"), "{head}\n{body}");
}

#[tokio::test]
async fn signed_links_are_open_to_browsers() {
    let server = Server::start(Limits::default()).await;
    let (head, body) = server.ask("GET", "/storage/dl/t", "Origin: https://example.com\r\n").await;
    assert!(has(&head, "access-control-allow-origin", "*") && body == "bytes", "{head}");
    let (head, _) =
        server.ask("OPTIONS", "/storage/dl/t", "Origin: https://e.com\r\nAccess-Control-Request-Method: GET\r\n").await;
    assert!(has(&head, "access-control-allow-methods", "GET, HEAD, OPTIONS"), "{head}");
}

#[tokio::test]
async fn r349_a_panic_is_500_in_json_and_the_server_lives_on() {
    let server = Server::start(Limits::default()).await;
    for _ in 0..2 {
        let (head, body) = server.ask("GET", "/panic", "X-Request-Id: mine-1\r\n").await;
        assert_eq!((status(&head), code(&body).as_str()), ("500", "SERVER_ERROR"), "{head}");
        assert!(has(&head, "x-request-id", "mine-1") && has(&head, "x-content-type-options", "nosniff"), "{head}");
        assert!(!body.contains("planted"), "the cause stays inside: {body}");
    }
}

#[tokio::test]
async fn keys_scopes_and_the_balance() {
    let server = Server::start(Limits::default()).await;
    let path = "/api/v1/things/1";
    let mistyped = server.keys.write.replace("live", "test");
    let never_issued = generate(Mode::Live).expose().clone();
    for bad in
        [String::new(), format!("Authorization: Bearer {mistyped}\r\n"), format!("Authorization: Bearer {never_issued}\r\n")]
    {
        let (head, body) = server.ask("GET", path, &bad).await;
        assert_eq!((status(&head), code(&body).as_str()), ("401", "UNAUTHENTICATED"), "{head}");
        assert!(has(&head, "www-authenticate", "Bearer") && !head.contains("x-credits"), "{head}");
    }
    assert_eq!(server.keys.asked.load(Ordering::Relaxed), 1, "a typo is refused without asking the store");
    let (head, body) = server.ask("GET", path, &format!("Authorization: Bearer {}\r\n", server.keys.read)).await;
    assert_eq!((status(&head), code(&body).as_str()), ("403", "FORBIDDEN"), "{head}");
    assert!(has(&head, "x-credits-remaining", "42"), "known key, known balance: {head}");
    let (head, body) = server.ask("GET", path, &format!("authorization: bearer {}\r\n", server.keys.write)).await;
    assert_eq!((status(&head), body.as_str()), ("200", "a thing"), "{head}");
    assert!(has(&head, "x-credits-remaining", "42") && head.contains("x-request-id: req_"), "{head}");
    let (head, body) = server.ask("HEAD", path, &format!("Authorization: Bearer {}\r\n", server.keys.write)).await;
    assert_eq!((status(&head), body.as_str()), ("200", ""), "{head}");
    let metrics = server.metrics.render();
    assert!(metrics.contains(r#"{method="GET",route="/api/v1/things/{id}",status="403"} 1"#), "{metrics}");
    assert!(!metrics.contains("cvfly_sk"), "no key in the metrics");
}

#[tokio::test]
async fn a_body_over_its_limit_is_413_and_the_answer_can_be_read() {
    let server = Server::start(Limits::default()).await;
    let announced = "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nConnection: close\r\n\r\n";
    let answer = server.talk(announced).await;
    assert_eq!(status(&answer), "413", "before a byte of it was sent: {answer}");
    // A client that sends everything before it reads must still find the answer.
    let size = 4 << 20;
    let whole =
        format!("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{}", "x".repeat(size));
    let answer = server.talk(&whole).await;
    assert_eq!(
        (status(&answer), code(answer.split("\r\n\r\n").nth(1).unwrap_or("")).as_str()),
        ("413", "PAYLOAD_TOO_LARGE"),
        "whole"
    );
    let answer = server
        .talk(&format!(
            "POST /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n{}\r\n0\r\n\r\n",
            "x".repeat(2 << 20)
        ))
        .await;
    assert_eq!(status(&answer), "413", "unannounced: {answer}");
}

#[tokio::test]
async fn a_connection_outlives_a_refused_body() {
    let server = Server::start(Limits { header_timeout: Duration::from_millis(300), ..Limits::default() }).await;
    let mut stream = server.connect().await;
    let mut buffer = [0u8; 4096];
    for _ in 0..2 {
        // The rest of the body comes after the answer; it is not the head of another request.
        stream.write_all(b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n").await.expect("sent");
        let read = timeout(HANG, stream.read(&mut buffer)).await.expect("an answer").expect("read");
        assert!(buffer[..read].starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&buffer[..read]));
        stream.write_all(b"hello world").await.expect("sent");
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
}

#[tokio::test]
async fn connections_are_bounded_in_all_and_per_address() {
    let total = Limits { connections: 1, ..Limits::default() };
    let per_address = Limits { connections_per_ip: 1, count_loopback: true, ..Limits::default() };
    for limits in [total, per_address] {
        let server = Server::start(limits).await;
        let mut first = server.connect().await;
        first.write_all(b"GET /gated HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("sent");
        let answer = rest(&mut server.connect().await).await;
        assert_eq!(
            (status(&answer), code(answer.split("\r\n\r\n").nth(1).unwrap_or("")).as_str()),
            ("503", "UNAVAILABLE"),
            "{answer}"
        );
        assert!(server.metrics.render().contains("\nconvertfly_http_connections_refused_total 1\n"), "counted");
        server.keys.gate.notify_one();
        assert!(rest(&mut first).await.ends_with("through"), "the first one is served");
    }
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_accepts_no_more() {
    let server = Server::start(Limits::default()).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /gated HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let in_flight = async {
        while !server.metrics.render().contains("\nconvertfly_http_requests_in_flight 1\n") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(HANG, in_flight).await.expect("the request has begun");
    server.stop.send(()).expect("running");
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    let refused = async { while TcpStream::connect(server.address).await.is_ok() {} };
    timeout(HANG, refused).await.expect("no new connection");
    assert!(!server.running.is_finished(), "it waits for the request");
    server.keys.gate.notify_one();
    assert!(rest(&mut busy).await.ends_with("through"), "the request finishes");
    timeout(HANG, server.running).await.expect("it ends").expect("without a panic");
}

#[tokio::test]
async fn f21_what_is_on_its_way_at_a_shutdown_is_answered_and_closed() {
    // Longer than the test takes: nothing here is left to the clock.
    let server = Server::start(Limits { linger: Duration::from_secs(60), ..Limits::default() }).await;
    let mut fresh = server.connect().await;
    let mut kept = server.connect().await;
    let ask = b"OPTIONS /count HTTP/1.1\r\nHost: x\r\n\r\n";
    kept.write_all(ask).await.expect("sent");
    let mut buffer = [0u8; 4096];
    let read = timeout(HANG, kept.read(&mut buffer)).await.expect("an answer").expect("read");
    assert!(!String::from_utf8_lossy(&buffer[..read]).contains("connection: close"), "kept alive");
    let mut halfway = server.connect().await;
    halfway.write_all(&ask[..20]).await.expect("sent");
    server.stop.send(()).expect("running");
    let mut late = TcpStream::connect(server.address).await.expect("a connection");
    for (stream, rest_of_it) in [(&mut fresh, &ask[..]), (&mut kept, ask), (&mut halfway, &ask[20..]), (&mut late, ask)] {
        stream.write_all(rest_of_it).await.expect("sent");
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 204") && has(&answer, "connection", "close"), "{answer}");
    }
}

#[tokio::test]
async fn f21_what_the_kernel_has_accepted_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let drain = CancellationToken::new();
    let limits = Limits { linger: Duration::from_secs(60), ..Limits::default() };
    let door = Door::new(front(&Keys::new()).0, Arc::new(limits), drain.clone());
    let waiting: Vec<std::net::TcpStream> =
        (0..20).map(|_| std::net::TcpStream::connect(address).expect("accepted by the kernel")).collect();
    for mut stream in &waiting {
        std::io::Write::write_all(&mut stream, b"OPTIONS /count HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    }
    drain.cancel();
    door.empty(listener);
    assert!(std::net::TcpStream::connect(address).is_err(), "nothing more is accepted");
    for stream in waiting {
        stream.set_nonblocking(true).expect("set");
        let answer = rest(&mut TcpStream::from_std(stream).expect("a stream")).await;
        assert!(answer.starts_with("HTTP/1.1 204") && has(&answer, "connection", "close"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let server = Server::start(Limits { drain: Duration::from_millis(100), ..Limits::default() }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /gated HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    server.stop.send(()).expect("running");
    timeout(HANG, server.running).await.expect("it ends").expect("without a panic");
    assert_eq!(rest(&mut stuck).await, "", "the stuck one is cut off");
}
