//! Parts of files: of one version, within bounds, and each of them through the whole gate.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use convertfly_sandbox::parts::Awaited;

use super::server::{Answer, Server, field};
use super::*;
use crate::fetch::{Beginning, Parts};
use crate::glance::{Glance, Source};

const A: &str = "93.184.215.14:80";

/// What a request's range says.
fn asked(head: &str) -> (usize, usize) {
    let range = field(head, "range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-')).expect("a range");
    (range.0.parse().expect("a number"), range.1.parse().expect("a number"))
}

/// A byte of the file that [`part`] gives.
fn byte(at: usize) -> u8 {
    (at.wrapping_mul(31) >> 7) as u8
}

/// The part that is asked for of a file of that size.
fn part(head: &str, size: usize, more: &str) -> Answer {
    let (first, last) = asked(head);
    let last = last.min(size - 1);
    let body: Vec<u8> = (first..=last).map(byte).collect();
    let range = format!("206 Partial Content\nContent-Range: bytes {first}-{last}/{size}\nContent-Length: {}", body.len());
    Answer::new(&format!("{range}\n{more}"), &body)
}

async fn beginning(fetcher: &Fetcher, url: &str) -> Result<Option<Beginning>, Failure> {
    fetcher.beginning(Request { url, headers: &[], max_bytes: 1, deadline: Duration::from_secs(3600) }, 100).await
}

async fn parts(fetcher: &Fetcher, url: &str) -> Parts {
    let begun = beginning(fetcher, url).await.expect("an answer").expect("parts");
    fetcher.parts(url, &[], begun.version).expect("a place")
}

fn local() -> Fetcher {
    stubbed(loopback_config(), StubResolver::default(), RecordingDialer::default()).0
}

#[tokio::test]
async fn only_files_that_can_be_told_from_others_are_read_in_parts() {
    let cases: [(&str, bool); 5] = [
        ("ETag: \"a\"", true),
        ("Last-Modified: Sat, 28 Nov 2026 12:00:00 GMT", true),
        ("ETag: W/\"a\"", false),
        ("X-Nothing: 1", false),
        ("ETag: \"a\"\nContent-Encoding: gzip", false),
    ];
    for (more, usable) in cases {
        let server = Server::start(move |_, head| part(head, 1000, more)).await;
        let found = beginning(&local(), &server.url("/film.mp4")).await.expect("an answer");
        assert_eq!(found.is_some(), usable, "{more}");
        if let Some(found) = found {
            assert_eq!((found.bytes.len(), found.version.size), (100, 1000), "{more}: the first bytes, and the size of all");
            assert_eq!(found.filename.as_deref(), Some("film.mp4"), "{more}");
        }
    }
    let server = Server::start(|_, _| Answer::ok(b"all of it")).await;
    assert!(beginning(&local(), &server.url("/")).await.expect("an answer").is_none(), "a source that knows no ranges");
}

/// What a source says to a request.
type Says = fn(&str) -> Answer;

#[tokio::test]
async fn parts_of_another_file_are_refused() {
    let cases: [(&str, Says); 4] = [
        ("another tag", |head| part(head, 1000, "ETag: \"b\"")),
        ("another size", |head| part(head, 1001, "ETag: \"a\"")),
        ("all of it", |_| Answer::ok(&[7; 1000])),
        ("another part", |head| part(&head.replace("bytes=2", "bytes=3"), 1000, "ETag: \"a\"")),
    ];
    for (name, second) in cases {
        let answer = move |number, head: &str| if number == 0 { part(head, 1000, "ETag: \"a\"") } else { second(head) };
        let server = Server::start(answer).await;
        let parts = parts(&local(), &server.url("/")).await;
        let failure = parts.read(200, 50).await.expect_err(name);
        assert!(matches!(failure, Failure::Unreachable { .. }), "{name}: {failure}");
        assert_eq!(field(&server.heads()[1], "if-range"), Some("\"a\""), "{name}: the source is told what is wanted");
    }
    let server = Server::start(|_, head| part(head, 1000, "ETag: \"a\"")).await;
    let read = parts(&local(), &server.url("/")).await.read(990, 50).await.expect("a part");
    assert_eq!(read, (990..1000).map(byte).collect::<Vec<u8>>(), "up to the end");
}

#[tokio::test]
async fn each_part_passes_the_whole_gate() {
    // The name leads inside from its second use on.
    let server = Server::start(|_, head| part(head, 1000, "ETag: \"a\"")).await;
    let rebound = StubResolver::default().with("a.test", &[&["93.184.215.14"], &["127.0.0.1"]]);
    let (fetcher, _, dialer) = stubbed(test_config(), rebound, RecordingDialer::default().route(A, server.address));
    let failure = parts(&fetcher, "http://a.test/").await.read(200, 50).await.expect_err("inside");
    assert!(failure.to_string().contains(convertfly_scheduler::guard::NOT_PUBLIC), "{failure}");
    assert_eq!(dialer.dialled(), [A.parse().expect("an address")], "and nobody goes there");

    // The source redirects inside from its second request on.
    let hostile = ["http://127.0.0.1/", "http://169.254.169.254/latest/", "http://inside.test/", "file:///etc/passwd"];
    for location in hostile {
        let answer = move |number, head: &str| match number {
            0 => part(head, 1000, "ETag: \"a\""),
            _ => Answer::new(&format!("302 Found\nLocation: {location}\nContent-Length: 0"), b""),
        };
        let server = Server::start(answer).await;
        let resolver = StubResolver::default().with("a.test", &[&["93.184.215.14"]]).with("inside.test", &[&["10.0.0.1"]]);
        let (fetcher, _, dialer) = stubbed(test_config(), resolver, RecordingDialer::default().route(A, server.address));
        let failure = parts(&fetcher, "http://a.test/").await.read(200, 50).await.expect_err("inside");
        assert!(matches!(failure, Failure::Unreachable { retry: false, .. }), "{location}: {failure}");
        assert_eq!(dialer.dialled().len(), 2, "{location}: the redirect is not followed");
    }
}

/// A look into a file of that size, and a reader of it in a thread, as a child would be.
async fn look<T: Send + 'static>(
    size: usize,
    read: impl FnOnce(&Awaited) -> T + Send + 'static,
) -> (Server, Glance, T, std::fs::File) {
    let server = Server::start(move |_, head| part(head, size, "ETag: \"a\"")).await;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("sparse");
    let glance = Glance::open(Box::new(parts(&local(), &server.url("/")).await), &path).await.expect("a look");
    let file = std::fs::File::open(&path).expect("the sparse file");
    let (ours, theirs): (_, OwnedFd) = Glance::socket().expect("a socket");
    let reader = tokio::task::spawn_blocking(move || read(&Awaited::new(theirs.into())));
    let cancel = Cancel::new();
    let (done, ()) = tokio::join!(reader, glance.serve(ours, &cancel));
    (server, glance, done.expect("read"), file)
}

#[tokio::test]
async fn reading_on_takes_larger_and_larger_parts() {
    let (server, glance, (), mut file) = look(20 << 20, |awaited| {
        let mut at = 0;
        while at < 6 << 20 {
            at += awaited.wait_for(at, 128 << 10).expect("a part");
        }
        awaited.wait_for((20 << 20) - 10, 10).expect("the end");
    })
    .await;
    let sizes: Vec<_> =
        server.heads()[1..].iter().map(|head| asked(head)).map(|(first, last)| (last + 1 - first) >> 10).collect();
    assert_eq!(sizes, [256, 512, 1024, 2048, 4096, 0], "in KiB; the last one is the end of the file");
    assert!(!glance.is_over(), "all of it was had");
    let mut read = vec![0; 6 << 20];
    file.read_exact(&mut read).expect("read");
    assert!(read.iter().enumerate().all(|(at, value)| *value == byte(at)), "the bytes stand where they belong");
}

#[tokio::test]
async fn who_asks_for_too_many_parts_needs_all_of_the_file() {
    let (server, glance, failed, mut file) =
        look(100 << 20, |awaited| (1..100).find(|step| awaited.wait_for(step << 20, 1).is_err())).await;
    assert_eq!(failed, Some(64), "63 jumps after the beginning");
    assert!(glance.is_over(), "and it is known");
    assert_eq!(server.heads().len(), 65, "nothing more was asked for");
    assert!(file.write_all(b"x").is_err(), "and nobody but the node writes to it");
}
