//! DNS rebinding: a name that is public when it is checked and internal when it is used.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use super::server::{Answer, Server};
use super::*;
use crate::bucket::{Bucket, Direction, Tuning};

const TRIES: usize = 10_000;

#[tokio::test]
async fn the_canary_on_loopback_is_never_reached_in_10_000_tries() {
    let canary = Server::start(|_, _| Answer::ok(b"secret")).await;
    let port = canary.address.port();
    let public: SocketAddr = format!("{PUBLIC}:{port}").parse().expect("an address with a port");
    // Both answers have a TTL of 0: each question is asked anew. The public address refuses the connection, which makes the
    // client try again: the moment that a rebinding attack waits for.
    let second: [&[&str]; 4] = [&["127.0.0.1"], &["::1"], &[PUBLIC, "127.0.0.1"], &["::ffff:127.0.0.1"]];
    let name = |attempt: usize| format!("rebind{attempt}.test");
    let with_answer = |stub: StubResolver, n| stub.with(&name(n), &[&[PUBLIC], second[n % second.len()]]);
    let resolver = (0..TRIES).fold(StubResolver::default(), with_answer);
    let (fetcher, resolver, dialer) = stubbed(test_config(), resolver, RecordingDialer::default());
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("input");
    for attempt in 0..TRIES {
        let url = format!("http://{}:{port}/", name(attempt));
        let request = Request { url: &url, headers: &[], max_bytes: 100, deadline: Duration::from_secs(3600) };
        let outcome = fetcher.download(request, &path, &Cancel::new(), |_, _| {}).await;
        let refused = Failure::Unreachable { message: convertfly_scheduler::guard::NOT_PUBLIC.to_owned(), retry: false };
        assert_eq!(outcome, Err(refused), "try {attempt}: the second answer is refused for good");
        assert_eq!(resolver.asked(&name(attempt)), 2, "try {attempt}: one question per connection");
    }
    assert_eq!(dialer.dialled(), [public; TRIES], "each time only the vetted address was dialled, once");
    assert_eq!(canary.accepted(), 0, "nothing reached the canary");
    // And the canary works.
    let (fetcher, _, dialer) = stubbed(loopback_config(), StubResolver::default(), RecordingDialer::default());
    assert_eq!(download(&fetcher, &canary.url("/")).await.content(), b"secret", "an allowed download reaches it");
    assert_eq!((canary.accepted(), dialer.dialled()), (1, vec![canary.address]), "and is counted");
}

/// The SDK makes its own tries, so the attack waits for the second of them: the endpoint of a bucket, read and written in turn.
#[tokio::test]
async fn the_endpoint_of_a_bucket_does_not_lead_to_loopback_in_2_000_tries() {
    let canary = Server::start(|_, _| Answer::ok(b"secret")).await;
    let port = canary.address.port();
    let public: SocketAddr = format!("{PUBLIC}:{port}").parse().expect("an address with a port");
    let tries = TRIES / 5;
    let name = |attempt: usize| format!("bucket{attempt}.test");
    let with_answer = |stub: StubResolver, n| stub.with(&name(n), &[&[PUBLIC], &["127.0.0.1"]]);
    let resolver = (0..tries).fold(StubResolver::default(), with_answer);
    let (fetcher, resolver, dialer) = stubbed(test_config(), resolver, RecordingDialer::default());
    let dir = tempfile::tempdir().expect("a directory");
    let tuning = Tuning { first_backoff: Duration::ZERO, ..Tuning::default() };
    for attempt in 0..tries {
        let given = serde_json::json!({
            "bucket": "attacked", "endpoint": format!("http://{}:{port}", name(attempt)), "access_key_id": "a", "secret_access_key": "s",
        });
        let given = given.as_object().cloned().expect("an object");
        let failure = if attempt % 2 == 0 {
            let bucket = Bucket::open(&fetcher, &given, Direction::Import, tuning).expect("a bucket");
            bucket.get("key", &dir.path().join(attempt.to_string()), 100, &|_, _| {}).await.expect_err("refused")
        } else {
            let bucket = Bucket::open(&fetcher, &given, Direction::Export, tuning).expect("a bucket");
            let body = stream::iter([Ok(Bytes::from_static(b"body"))]).boxed();
            bucket.put("key", &given, body, "image/png", "attachment", &|_| {}).await.expect_err("refused")
        };
        assert!(failure.to_string().ends_with("is not a public address"), "try {attempt}: {failure}");
        assert_eq!(resolver.asked(&name(attempt)), 2, "try {attempt}: one question per connection, and none after the refusal");
    }
    assert_eq!(dialer.dialled(), vec![public; tries], "each time only the vetted address was dialled, once");
    assert_eq!(canary.accepted(), 0, "nothing reached the canary");
}

#[tokio::test]
async fn a_connection_asks_once_and_stays_with_the_answer() {
    let server = Server::start(|_, _| Answer::ok(b"public")).await;
    let resolver = StubResolver::default().with("once.test", &[&[PUBLIC], &["127.0.0.1"]]);
    let dialer = RecordingDialer::default().route("93.184.215.14:80", server.address);
    let (fetcher, resolver, dialer) = stubbed(test_config(), resolver, dialer);
    let run = download(&fetcher, "http://once.test/a").await;
    assert_eq!(run.content(), b"public", "the vetted address answered");
    assert_eq!((resolver.asked("once.test"), dialer.dialled().len()), (1, 1), "one question, one connection");
    assert_eq!(super::server::field(&server.heads()[0], "host"), Some("once.test"), "the name stays in Host");
}

#[tokio::test]
async fn a_redirect_to_the_same_name_is_resolved_and_vetted_again() {
    let server = Server::start(|_, _| Answer::new("302 Found\nLocation: /again\nContent-Length: 0", b"")).await;
    let resolver = StubResolver::default().with("hop.test", &[&[PUBLIC], &["127.0.0.1"]]);
    let dialer = RecordingDialer::default().route("93.184.215.14:80", server.address);
    let (fetcher, _, dialer) = stubbed(test_config(), resolver, dialer);
    let message = download(&fetcher, "http://hop.test/").await.message();
    assert_eq!(message, convertfly_scheduler::guard::NOT_PUBLIC, "the second hop is refused");
    assert_eq!(dialer.dialled().len(), 1, "and not dialled");
}

#[tokio::test]
async fn the_next_vetted_address_is_tried_when_one_does_not_answer() {
    let server = Server::start(|_, _| Answer::ok(b"second")).await;
    let resolver = StubResolver::default().with("two.test", &[&["1.1.1.1", "1.0.0.1"]]);
    let dialer = RecordingDialer::default().route("1.0.0.1:80", server.address);
    let (fetcher, resolver, dialer) = stubbed(FetchConfig { retries: 0, ..test_config() }, resolver, dialer);
    assert_eq!(download(&fetcher, "http://two.test/").await.content(), b"second", "the second address answered");
    assert_eq!(dialer.dialled().len(), 2, "both were dialled");
    assert_eq!(resolver.asked("two.test"), 1, "after one question");
}
