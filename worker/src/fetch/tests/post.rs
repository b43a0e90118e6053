//! Posting to webhooks: what goes out, what comes back, and that the gate holds here as well.

use bytes::Bytes;

use super::server::{Answer, End, Server, field};
use super::*;

async fn post(fetcher: &Fetcher, url: &str) -> Result<crate::fetch::Posted, Failure> {
    fetcher.post(url, &[("x-webhook-id", "evt_1".to_owned())], Bytes::from_static(b"{}")).await
}

#[tokio::test]
async fn an_answer_is_told_and_its_body_cut() {
    let server = Server::start(|_, _| Answer::new("429 Slow Down\nRetry-After: 7", &[b'x'; 10_000])).await;
    let (fetcher, ..) = stubbed(loopback_config(), StubResolver::default(), RecordingDialer::default());
    let posted = post(&fetcher, &server.url("/hook")).await.expect("an answer");
    assert_eq!((posted.status, posted.retry_after.as_deref(), posted.body.len()), (429, Some("7"), 4096), "4 KiB at most");
    let head = &server.heads()[0];
    assert!(head.starts_with("POST /hook HTTP/1.1"), "{head}");
    assert_eq!((field(head, "x-webhook-id"), field(head, "content-length")), (Some("evt_1"), Some("2")), "{head}");
    assert!(field(head, "user-agent").is_some_and(|agent| agent.starts_with("ConvertFly/")), "{head}");
}

#[tokio::test]
async fn f15_a_redirect_is_not_followed() {
    let canary = Server::start(|_, _| Answer::ok(b"")).await;
    let to = canary.url("/");
    let server = Server::start(move |_, _| Answer::new(&format!("302 Found\nLocation: {to}\nContent-Length: 0"), b"")).await;
    let (fetcher, ..) = stubbed(loopback_config(), StubResolver::default(), RecordingDialer::default());
    assert_eq!(post(&fetcher, &server.url("/")).await.expect("an answer").status, 302, "told as it is");
    assert_eq!(canary.accepted(), 0, "and left alone");
}

#[tokio::test]
async fn a_body_that_never_ends_does_not_hold_the_answer_up() {
    let endless = Server::start(|_, _| Answer::new("200 OK", b"").then(End::Repeat(b"spam"))).await;
    let silent = Server::start(|_, _| Answer::new("200 OK\nContent-Length: 5", b"").then(End::Hang)).await;
    let (fetcher, ..) = stubbed(loopback_config(), StubResolver::default(), RecordingDialer::default());
    for server in [&endless, &silent] {
        assert_eq!(post(&fetcher, &server.url("/")).await.expect("an answer").status, 200, "the head counts");
    }
}

#[tokio::test]
async fn t1_webhooks_never_leave_the_public_internet() {
    let canary = Server::start(|_, _| Answer::ok(b"")).await;
    let port = canary.address.port();
    let resolver = || {
        StubResolver::default()
            .with("internal.test", &[&["127.0.0.1"]])
            .with("mixed.test", &[&[PUBLIC, "127.0.0.1"]])
            .with("rebinding.test", &[&[PUBLIC], &["127.0.0.1"]])
    };
    let (fetcher, _, dialer) = stubbed(test_config(), resolver(), RecordingDialer::default());
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://internal.test:{port}/"),
        format!("https://mixed.test:{port}/"),
        format!("http://internal.test:{port}/"),
    ] {
        post(&fetcher, &url).await.expect_err(&url);
    }
    for _ in 0..100 {
        // The first answer is public and leads nowhere; the second one would lead home, and is asked for only by a next attempt.
        let (fetcher, resolver, _) = stubbed(test_config(), resolver(), RecordingDialer::default());
        post(&fetcher, &format!("https://rebinding.test:{port}/")).await.expect_err("refused");
        assert_eq!(resolver.asked("rebinding.test"), 1, "one question for one attempt");
    }
    assert_eq!((canary.accepted(), on_loopback(&dialer)), (0, 0), "nothing on this machine was reached");
}

fn on_loopback(dialer: &RecordingDialer) -> usize {
    dialer.dialled().iter().filter(|address| address.ip().is_loopback()).count()
}

/// The URL table of downloads, each form as it is and over https: the sink of webhooks lets none of them through either.
#[tokio::test]
async fn t1_every_hostile_form_is_refused_as_a_webhook() {
    let (fetcher, _, dialer) = stubbed(test_config(), super::urls::resolver(), RecordingDialer::default());
    let mut tried = 0;
    for url in super::urls::REFUSED {
        for form in [(*url).to_owned(), url.replacen("http:", "https:", 1)] {
            post(&fetcher, &form).await.expect_err(&form);
            tried += 1;
        }
    }
    assert!(tried >= 300, "{tried} forms");
    assert!(dialer.dialled().is_empty(), "nothing was dialled: {:?}", dialer.dialled());
}

#[tokio::test]
async fn a73_http_is_for_allowed_networks_alone() {
    let resolver =
        || StubResolver::default().with("mixed.test", &[&["127.0.0.1", PUBLIC]]).with("inside.test", &[&["127.0.0.1"]]);
    let server = Server::start(|_, _| Answer::ok(b"")).await;
    let port = server.address.port();
    let (fetcher, _, dialer) = stubbed(loopback_config(), resolver(), RecordingDialer::default());
    post(&fetcher, &format!("http://inside.test:{port}/")).await.expect("an allowed network, by name");
    post(&fetcher, &format!("http://mixed.test:{port}/")).await.expect_err("one address is public");
    post(&fetcher, "http://public.test/").await.expect_err("a public address in clear");
    post(&fetcher, "http://93.184.215.14/").await.expect_err("the same as a literal");
    assert!(dialer.dialled().iter().all(|address| address.ip().is_loopback()), "no public address was dialled in clear");
    let (closed, ..) = stubbed(test_config(), resolver(), RecordingDialer::default());
    post(&closed, "http://public.test/").await.expect_err("without allowed networks there is no http");
}
