//! Sources that lie, stall, break off or never end.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::transfer::StallMeter;
use super::server::{Answer, End, Server, field};
use super::*;

fn client(config: FetchConfig) -> Fetcher {
    stubbed(config, StubResolver::default(), RecordingDialer::default()).0
}

/// 300 KB without a repeating pattern that a misplaced resumption could hide in.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[tokio::test]
async fn ordinary_bodies_arrive_whole() {
    let body = content();
    let plain = body.clone();
    let server = Server::start(move |_, head| match head.split(' ').nth(1) {
        Some("/sized.bin") => Answer::new(&format!("200 OK\nContent-Type: image/png\nContent-Length: {}", plain.len()), &plain),
        Some("/unsized.bin") => Answer::new("200 OK", &plain),
        _ => {
            let chunks: Vec<u8> =
                plain.chunks(70_001).flat_map(|c| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat()).collect();
            Answer::new("200 OK\nTransfer-Encoding: chunked", &[chunks.as_slice(), b"0\r\n\r\n"].concat())
        }
    })
    .await;
    let fetcher = client(loopback_config());
    for path in ["/sized.bin", "/unsized.bin", "/chunked.bin"] {
        let run = download(&fetcher, &server.url(path)).await;
        assert!(run.content() == body, "{path}: every byte is there");
        let done = run.outcome.expect("downloaded");
        assert_eq!((done.size, done.filename.as_deref()), (300_000, Some(&path[1..])), "{path}");
        assert_eq!(done.content_type.as_deref(), (path == "/sized.bin").then_some("image/png"), "{path}");
    }
}

#[tokio::test]
async fn progress_grows_to_the_size() {
    let server = Server::start(|_, _| Answer::ok(&vec![7; 5 << 20])).await;
    let (calls, last) = (AtomicU64::new(0), AtomicU64::new(0));
    let dir = tempfile::tempdir().expect("a directory");
    let url = server.url("/");
    let request = Request { url: &url, headers: &[], max_bytes: 5 << 20, deadline: Duration::from_secs(3600) };
    let seen = |bytes: u64, total: Option<u64>| {
        assert_eq!(total, Some(5 << 20), "the source told the size");
        assert!(last.swap(bytes, Ordering::SeqCst) <= bytes, "it never goes back");
        calls.fetch_add(1, Ordering::SeqCst);
    };
    let done = client(loopback_config()).download(request, &dir.path().join("f"), &Cancel::new(), seen).await;
    assert_eq!(done.expect("exactly at the cap is allowed").size, 5 << 20, "all of it");
    assert_eq!(last.load(Ordering::SeqCst), 5 << 20, "the last report is the size");
    assert!((3..=6).contains(&calls.load(Ordering::SeqCst)), "about once a MiB: {}", calls.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_cap_holds_however_the_size_is_told() {
    let endless = |head: &str, end| {
        let head = head.to_owned();
        move |_: usize, _: &str| Answer::new(&head, b"").then(end)
    };
    let cases = [
        ("a length above the cap", Server::start(endless("200 OK\nContent-Length: 1001", End::Hang)).await),
        ("a length of 5 GiB and one", Server::start(endless("200 OK\nContent-Length: 5368709121", End::Hang)).await),
        ("no length, for ever", Server::start(endless("200 OK", End::Repeat(&[7; 4096]))).await),
        ("chunked for ever", Server::start(endless("200 OK\nTransfer-Encoding: chunked", End::Repeat(b"5\r\nabcde\r\n"))).await),
    ];
    let fetcher = client(loopback_config());
    for (name, server) in cases {
        let run = download_with(&fetcher, &server.url("/"), &[], 1000).await;
        assert!(matches!(run.outcome, Err(Failure::TooLarge { .. })), "{name}: {:?}", run.outcome);
        assert!(run.message().contains("1000 bytes"), "{name}: the limit is named");
        assert_eq!(server.accepted(), 1, "{name}: no other try");
    }
}

#[tokio::test]
async fn a_length_that_lies_fails() {
    let short = Server::start(|_, _| Answer::new("200 OK\nContent-Length: 100", b"only this")).await;
    let run = download(&client(loopback_config()), &short.url("/")).await;
    assert_eq!(run.message(), "The source broke off after 9 of 100 bytes", "fewer bytes than promised");
    assert_eq!(short.accepted(), 4, "after three more tries");

    let long = Server::start(|_, _| Answer::new("200 OK\nContent-Length: 4", b"more than four bytes")).await;
    let run = download(&client(loopback_config()), &long.url("/")).await;
    assert_eq!(run.message(), "The source sent more bytes than its Content-Length says", "more bytes than promised");
    let two = Server::start(|_, _| Answer::new("200 OK\nContent-Length: 4\nContent-Length: 5", b"12345")).await;
    assert_eq!(
        download(&client(loopback_config()), &two.url("/")).await.message(),
        "The source's answer is not valid HTTP",
        "two lengths"
    );
}

#[tokio::test]
async fn an_empty_or_encoded_file_fails_with_the_reason() {
    let empty = Server::start(|_, _| Answer::ok(b"")).await;
    let message = download(&client(loopback_config()), &empty.url("/")).await.message();
    assert_eq!(message, "HTTP 200 from the source, but the file is empty", "empty");
    for coding in ["gzip", "br", "identity, gzip", "deflate", "x-unknown"] {
        let head = format!("200 OK\nContent-Encoding: {coding}\nContent-Length: 4");
        let server = Server::start(move |_, _| Answer::new(&head, b"\x1f\x8b\x08\0")).await;
        let message = download(&client(loopback_config()), &server.url("/")).await.message();
        assert!(message.contains("Content-Encoding"), "{coding}: {message}");
    }
    let identity = Server::start(|_, _| Answer::new("200 OK\nContent-Encoding: identity\nContent-Length: 1", b"x")).await;
    assert_eq!(download(&client(loopback_config()), &identity.url("/")).await.content(), b"x", "identity is none");
}

#[tokio::test]
async fn statuses_are_final_or_tried_again() {
    let cases = [
        ("404 Not Found", false),
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("410 Gone", false),
        ("204 No Content", false),
        ("206 Partial Content", false),
        ("304 Not Modified", false),
        ("300 Multiple", false),
        ("416 Range", false),
        ("429 Too Many", true),
        ("408 Timeout", true),
        ("500 Oops", true),
        ("502 Bad", true),
        ("503 Unavailable", true),
    ];
    for (status, again) in cases {
        let server = Server::start(move |_, _| Answer::new(&format!("{status}\nContent-Length: 0"), b"")).await;
        let run = download(&client(loopback_config()), &server.url("/")).await;
        let expected = format!("HTTP {} from the source", &status[..3]);
        assert_eq!(run.outcome, Err(Failure::Unreachable { message: expected, retry: again }), "{status}");
        assert_eq!(server.accepted(), if again { 4 } else { 1 }, "{status}: attempts");
    }
}

#[tokio::test]
async fn a_source_that_recovers_is_read() {
    let server = Server::start(|n, _| match n {
        0 => Answer::new("503 Unavailable\nRetry-After: 0\nContent-Length: 0", b""),
        1 => Answer(Vec::new(), End::Reset),
        2 => Answer::new("200 OK\nContent-Length: 10", b"half").then(End::Reset),
        _ => Answer::ok(b"whole file"),
    })
    .await;
    let run = download(&client(loopback_config()), &server.url("/")).await;
    assert_eq!(run.content(), b"whole file", "the fourth attempt succeeded, and nothing of the third is left");
    assert!(server.heads().iter().all(|head| field(head, "range").is_none()), "without an ETag all of it is asked for again");
}

#[tokio::test]
async fn a_strong_etag_resumes_where_it_broke_off() {
    let body = content();
    let whole = body.clone();
    let server = Server::start(move |n, head| {
        let first: usize = field(head, "range").map_or(0, |r| r[6..].trim_end_matches('-').parse().expect("a number"));
        let rest = &whole[first..];
        let head = match first {
            0 => format!("200 OK\nETag: \"v1\"\nContent-Length: {}", whole.len()),
            _ => format!(
                "206 Partial\nETag: \"v1\"\nContent-Range: bytes {first}-{}/{}\nContent-Length: {}",
                whole.len() - 1,
                whole.len(),
                rest.len()
            ),
        };
        // The first three attempts break off after 100 KB each, the third exactly at the end.
        Answer::new(&head, &rest[..rest.len().min(if n < 2 { 100_000 } else { rest.len() })])
    })
    .await;
    let run = download(&client(loopback_config()), &server.url("/")).await;
    assert!(run.content() == body, "the parts make the file");
    let ranges: Vec<_> = server.heads().iter().map(|head| field(head, "range").map(str::to_owned)).collect();
    let asked = [None, Some("bytes=100000-".to_owned()), Some("bytes=200000-".to_owned())];
    assert_eq!(ranges, asked, "each attempt asks for the rest");
    assert_eq!(field(&server.heads()[1], "if-range"), Some("\"v1\""), "under the same tag");
}

#[tokio::test]
async fn a_changed_file_is_started_again_and_never_mixed() {
    let old = "200 OK\nETag: \"v1\"\nContent-Length: 10";
    let second = [
        ("a whole new file", "200 OK\nETag: \"v2\"\nContent-Length: 9".to_owned(), &b"new file!"[..]),
        ("another tag", "206 P\nETag: \"v2\"\nContent-Range: bytes 4-9/10\nContent-Length: 6".to_owned(), b"WRONG!"),
        ("another start", "206 P\nContent-Range: bytes 0-9/10\nContent-Length: 10".to_owned(), b"WRONGWRONG"),
        ("another total", "206 P\nContent-Range: bytes 4-10/11\nContent-Length: 7".to_owned(), b"WRONG!!"),
        ("no range", "206 P\nContent-Length: 6".to_owned(), b"WRONG!"),
        ("not satisfiable", "416 No\nContent-Length: 0".to_owned(), b""),
    ];
    for (name, head, body) in second {
        let server = Server::start(move |n, _| match n {
            0 => Answer::new(old, b"old "),
            1 => Answer::new(&head, body),
            _ => Answer::ok(b"new file!"),
        })
        .await;
        let run = download(&client(loopback_config()), &server.url("/")).await;
        assert_eq!(run.content(), b"new file!", "{name}");
        assert_eq!(field(&server.heads()[1], "range"), Some("bytes=4-"), "{name}: the rest was asked for");
    }
    let weak = Server::start(|n, _| match n {
        0 => Answer::new("200 OK\nETag: W/\"v1\"\nContent-Length: 10", b"old "),
        _ => Answer::ok(b"new file!"),
    })
    .await;
    assert_eq!(download(&client(loopback_config()), &weak.url("/")).await.content(), b"new file!", "a weak tag");
    assert_eq!(field(&weak.heads()[1], "range"), None, "a weak tag does not resume");
}

#[tokio::test]
async fn a_resumed_file_keeps_to_the_cap() {
    let server = Server::start(|n, _| match n {
        0 => Answer::new(
            "200 OK\nETag: \"v\"\nTransfer-Encoding: chunked",
            b"3c\r\n".iter().chain(&[7; 60]).copied().collect::<Vec<_>>().as_slice(),
        ),
        _ => Answer::new("206 P\nContent-Range: bytes 60-159/*\nContent-Length: 100", b"").then(End::Repeat(&[7; 100])),
    })
    .await;
    let run = download_with(&client(loopback_config()), &server.url("/"), &[], 100).await;
    assert!(matches!(run.outcome, Err(Failure::TooLarge { .. })), "60 and 100 are more than 100: {:?}", run.outcome);
}

#[tokio::test]
async fn a_stalled_body_fails_whether_it_drips_or_stops() {
    // 1 MiB in 50 ms of waiting: no drip of one byte at a time comes near, however slow the machine.
    let config = FetchConfig { stall_window: Duration::from_millis(50), stall_bytes: 1 << 20, ..loopback_config() };
    for (name, end) in [("stops", End::Hang), ("drips", End::Drip(Duration::from_millis(2)))] {
        let server = Server::start(move |_, _| Answer::new("200 OK", b"start").then(end)).await;
        let run = download(&client(config.clone()), &server.url("/")).await;
        assert_eq!(run.message(), "The source sent less than 1048576 bytes in 0.05 s", "{name}");
        assert_eq!(server.accepted(), 1, "{name}: a slow source is not asked again");
    }
}

#[tokio::test]
async fn a_source_that_never_answers_fails() {
    let server = Server::start(|_, _| Answer(Vec::new(), End::Hang)).await;
    let config = FetchConfig { response_timeout: Duration::from_millis(20), retries: 1, ..loopback_config() };
    let message = download(&client(config.clone()), &server.url("/")).await.message();
    assert_eq!(message, "The source did not answer within 0.02 s", "silence");
    let server = Server::start(|_, _| Answer(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), End::Drip(Duration::from_millis(1)))).await;
    let message = download(&client(config), &server.url("/")).await.message();
    assert_eq!(message, "The source did not answer within 0.02 s", "a head that drips");
}

#[tokio::test]
async fn an_endless_head_or_nonsense_fails() {
    let fetcher = client(loopback_config());
    let endless = Server::start(|_, _| Answer(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), End::Repeat(&[b'x'; 4096]))).await;
    assert_eq!(
        download(&fetcher, &endless.url("/")).await.message(),
        "The source's answer is not valid HTTP",
        "an endless field"
    );
    let nonsense = Server::start(|_, _| Answer(b"220 mail.test ESMTP\r\n".to_vec(), End::Hang)).await;
    assert_eq!(
        download(&fetcher, &nonsense.url("/")).await.message(),
        "The source's answer is not valid HTTP",
        "another protocol"
    );
}

#[tokio::test]
async fn the_deadline_and_a_cancellation_end_a_download() {
    let server = Server::start(|_, _| Answer::new("200 OK", b"start").then(End::Hang)).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (path, url) = (dir.path().join("f"), server.url("/"));
    let fetcher = client(loopback_config());
    let request = Request { url: &url, headers: &[], max_bytes: 100, deadline: Duration::from_millis(50) };
    assert_eq!(fetcher.download(request, &path, &Cancel::new(), |_, _| {}).await, Err(Failure::TimedOut), "the deadline");
    assert!(!path.exists(), "nothing is left behind");

    let cancel = Cancel::new();
    let request = Request { deadline: Duration::from_secs(3600), ..request };
    let asked = server.accepted();
    let running = fetcher.download(request, &path, &cancel, |_, _| {});
    let stop = async {
        while server.heads().len() <= asked {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    assert_eq!(tokio::join!(running, stop).0, Err(Failure::Cancelled), "a cancellation in mid-body");
    assert!(!path.exists(), "nothing is left behind");
    assert_eq!(fetcher.download(request, &path, &cancel, |_, _| {}).await, Err(Failure::Cancelled), "one before the start");
    assert_eq!(server.accepted(), asked + 1, "which asks nobody");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_our_fault() {
    let server = Server::start(|_, _| Answer::ok(b"x")).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (url, target) = (server.url("/"), dir.path().join("target"));
    std::fs::write(&target, b"kept").expect("written");
    std::os::unix::fs::symlink(&target, dir.path().join("link")).expect("linked");
    let request = Request { url: &url, headers: &[], max_bytes: 100, deadline: Duration::from_secs(3600) };
    for path in [dir.path().join("missing/f"), dir.path().join("link")] {
        let outcome = client(loopback_config()).download(request, &path, &Cancel::new(), |_, _| {}).await;
        assert!(matches!(outcome, Err(Failure::Internal { .. })), "{}: {outcome:?}", path.display());
    }
    assert_eq!(std::fs::read(&target).expect("there"), b"kept", "a link is not written through");
}

#[test]
fn only_waiting_for_the_source_counts_as_stalling() {
    let second = Duration::from_secs(1);
    let mut meter = StallMeter::new(30 * second, 30 << 10);
    assert!((0..1000).all(|_| meter.record(Duration::ZERO, 0)), "no waiting, no stall");
    assert!((0..300).all(|_| meter.record(second, 1024)), "exactly 1 KiB/s is enough");
    assert!((0..29).all(|_| meter.record(second, 1023)), "the window is not over");
    assert_eq!(meter.remaining(), second, "what is left of it");
    assert!(!meter.record(second, 1023), "1023 bytes a second are too few");
    assert_eq!(meter.remaining(), 30 * second, "a new window begins");
}
