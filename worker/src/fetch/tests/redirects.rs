//! Redirects: each hop passes the whole gate again, and the customer's headers stay with the first origin.

use super::server::{Answer, Server, field};
use super::*;

const A: &str = "93.184.215.14:80";
const B: &str = "93.184.215.15:80";

fn resolver() -> StubResolver {
    StubResolver::default()
        .with("a.test", &[&["93.184.215.14"]])
        .with("b.test", &[&["93.184.215.15"]])
        .with("inside.test", &[&["10.0.0.1"]])
}

fn found(location: &str) -> Answer {
    Answer::new(&format!("302 Found\nLocation: {location}\nContent-Length: 0"), b"")
}

/// Downloads from a server that first redirects to `location`; gives the run and the addresses dialled.
async fn redirected_to(location: &'static str) -> (Run, Vec<SocketAddr>) {
    let server = Server::start(move |n, _| if n == 0 { found(location) } else { Answer::ok(b"reached") }).await;
    let (fetcher, _, dialer) = stubbed(test_config(), resolver(), RecordingDialer::default().route(A, server.address));
    let run = download(&fetcher, "http://a.test/start").await;
    (run, dialer.dialled())
}

#[tokio::test]
async fn hostile_locations_are_not_followed() {
    let hostile = [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://127.0.0.1:8080/",
        "//127.0.0.1/",
        "//0x7f.1/",
        "\\\\127.0.0.1\\",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://localhost/",
        "http://inside.test/",
        "http://user:pass@a.test/",
        "http://a.test:22/",
        "http://a.test:0/",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "gopher://a.test:6379/_",
        "ftp://a.test/",
        "data:,x",
        "javascript:x",
        "unix:/run/docker.sock",
        "http://",
        "http://[",
        "https:",
    ];
    for location in hostile {
        let (run, dialled) = redirected_to(location).await;
        assert!(matches!(run.outcome, Err(Failure::Unreachable { retry: false, .. })), "{location}: {:?}", run.outcome);
        let message = run.message();
        assert!(!message.contains("169.254") && !message.contains("127.0"), "{location}: {message}");
        assert_eq!(dialled, [A.parse().expect("an address")], "{location}: only the first hop was dialled");
    }
}

#[tokio::test]
async fn ordinary_locations_are_followed() {
    for location in ["/next", "next", "?page=2", "http://a.test/x", "//a.test/x", "HTTP://A.TEST/x", "/ü", "#f"] {
        let (run, dialled) = redirected_to(location).await;
        assert_eq!(run.content(), b"reached", "{location}");
        assert_eq!(dialled.len(), 2, "{location}: each hop has its own connection");
    }
}

#[tokio::test]
async fn every_redirect_status_with_a_location_is_followed_and_without_one_is_not() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let first = move |n, _: &str| match n {
            0 => Answer::new(&format!("{status}\nLocation: /x\nContent-Length: 0"), b""),
            _ => Answer::ok(b"reached"),
        };
        let server = Server::start(first).await;
        let (fetcher, ..) = stubbed(loopback_config(), resolver(), RecordingDialer::default());
        let run = download(&fetcher, &server.url("/")).await;
        assert_eq!(run.content(), b"reached", "{status}");
        assert!(server.heads()[1].starts_with("GET /x HTTP/1.1"), "{status}: {}", server.heads()[1]);
        let done = run.outcome.expect("reached");
        assert_eq!((done.final_url.path(), done.size), ("/x", 7), "{status}");
    }
    let server = Server::start(|_, _| Answer::new("302 Found\nContent-Length: 0", b"")).await;
    let (fetcher, ..) = stubbed(loopback_config(), resolver(), RecordingDialer::default());
    let message = download(&fetcher, &server.url("/")).await.message();
    assert_eq!(message, "The source redirects without saying where to", "no Location");
    assert_eq!(server.accepted(), 1, "and no other try");
}

#[tokio::test]
async fn five_hops_are_followed_and_loops_end() {
    let chain = |length: usize| move |n: usize, _: &str| if n < length { found(&format!("/hop{n}")) } else { Answer::ok(b"end") };
    let (fetcher, ..) = stubbed(loopback_config(), resolver(), RecordingDialer::default());
    let five = Server::start(chain(5)).await;
    assert_eq!(download(&fetcher, &five.url("/")).await.content(), b"end", "five hops");
    for (name, server) in [("six hops", Server::start(chain(6)).await), ("a loop", Server::start(|_, _| found("/")).await)] {
        let message = download(&fetcher, &server.url("/")).await.message();
        assert_eq!(message, "The source redirects more than 5 times", "{name}");
        assert_eq!(server.accepted(), 6, "{name}: the first request and five hops");
    }
}

#[tokio::test]
async fn the_customers_headers_go_to_the_first_origin_only() {
    let headers = [("Authorization", "Bearer marker-1"), ("X-Custom", "marker-2"), ("Cookie", "marker-3")];
    let b = Server::start(|_, _| found("http://a.test/back")).await;
    let a = Server::start(|n, _| match n {
        0 => found("/same-origin"),
        1 => found("http://b.test/other"),
        _ => Answer::ok(b"end"),
    })
    .await;
    let dialer = RecordingDialer::default().route(A, a.address).route(B, b.address);
    let (fetcher, ..) = stubbed(test_config(), resolver(), dialer);
    let run = download_with(&fetcher, "http://a.test/", &headers, 100).await;
    assert_eq!(run.content(), b"end", "the chain was followed");
    let (at_a, at_b) = (a.heads(), b.heads());
    for head in &at_a[..2] {
        assert_eq!(field(head, "authorization"), Some("Bearer marker-1"), "same origin: {head}");
        assert_eq!(field(head, "x-custom"), Some("marker-2"), "same origin: {head}");
    }
    for head in [&at_b[0], &at_a[2]] {
        assert!(!head.contains("marker"), "another origin, and whatever it leads back to, gets nothing: {head}");
        assert!(field(head, "user-agent").is_some_and(|agent| agent.starts_with("ConvertFly/")), "ours stay: {head}");
    }
    assert_eq!(field(&at_b[0], "host"), Some("b.test"), "Host follows the hop");
    assert_eq!(field(&at_b[0], "referer"), None, "and nothing tells where it came from");
}

#[tokio::test]
async fn another_port_is_another_origin() {
    let other = Server::start(|_, _| Answer::ok(b"end")).await;
    let first = Server::start(|_, _| found("http://a.test:8080/")).await;
    let dialer = RecordingDialer::default().route(A, first.address).route("93.184.215.14:8080", other.address);
    let (fetcher, ..) = stubbed(test_config(), resolver(), dialer);
    let run = download_with(&fetcher, "http://a.test/", &[("Authorization", "marker")], 100).await;
    assert_eq!(run.content(), b"end", "followed");
    assert!(first.heads()[0].contains("marker") && !other.heads()[0].contains("marker"), "dropped on the way");
}
