//! Buckets on a real protocol server that checks signatures, with faults on demand (F7), and behind the address guard (T1, T21).

#[path = "../../../scheduler/src/storage/s3_server_test.rs"]
#[expect(dead_code, reason = "shared with the tests of storage, which use the rest")]
mod server;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde_json::json;

use self::server::{ACCESS_KEY, BUCKET, Fault, SECRET_KEY, TestServer};
use super::upload::PART;
use super::*;
use crate::fetch::{FetchConfig, Fetcher};
use crate::glance::Source;

const MIB: usize = 1 << 20;

fn fetcher() -> Fetcher {
    let allow = "127.0.0.0/8".parse().expect("a network");
    Fetcher::new(FetchConfig { allow, ..FetchConfig::default() }).expect("a client")
}

/// Short waits; a try may take long on a busy machine.
fn quick() -> Tuning {
    Tuning { first_backoff: Duration::from_millis(1), attempt: Duration::from_secs(60), ..Tuning::default() }
}

fn options(server: &TestServer) -> Map<String, Value> {
    let options = json!({
        "bucket": BUCKET, "endpoint": format!("http://{}", server.address),
        "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY,
    });
    options.as_object().cloned().expect("an object")
}

fn bucket(server: &TestServer, direction: Direction, tuning: Tuning) -> Bucket {
    Bucket::open(&fetcher(), &options(server), direction, tuning).expect("a bucket")
}

fn content(size: usize) -> Bytes {
    (0..size).map(|i| (i * 131 + i / 251) as u8).collect::<Vec<u8>>().into()
}

async fn put(bucket: &Bucket, key: &str, given: &Map<String, Value>, bytes: &Bytes) -> Result<Sent, Failure> {
    let chunks: Vec<_> = bytes.chunks(300_000).map(|chunk| Ok(bytes.slice_ref(chunk))).collect();
    bucket.put(key, given, stream::iter(chunks).boxed(), "image/png", "attachment", &|_| {}).await
}

fn stored(server: &TestServer, key: &str) -> Option<Vec<u8>> {
    // The server's folder, without the prefix that storage of our own has.
    let path = server.object_path("").parent()?.parent()?.join(key);
    std::fs::read(path).ok()
}

fn message(outcome: Result<Sent, Failure>) -> String {
    match outcome {
        Err(Failure::Undelivered { message }) => message,
        other => panic!("expected a failure that the customer can read, got {other:?}"),
    }
}

#[tokio::test]
async fn files_of_every_size_arrive_with_their_options() {
    let server = TestServer::start().await;
    let bucket = bucket(&server, Direction::Export, quick());
    let mut given = options(&server);
    given.extend(
        json!({ "metadata": {"origin": "test"}, "cache_control": "max-age=60", "content_type": "image/x-own", "acl": "private" })
            .as_object()
            .cloned()
            .expect("an object"),
    );
    for size in [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 7] {
        let (key, bytes) = (format!("deep/er/f {size}.bin"), content(size));
        put(&bucket, &key, &given, &bytes).await.expect("delivered");
        assert!(stored(&server, &key).is_some_and(|found| found == bytes), "{size} bytes");
    }
    let seen = server.seen("PUT object");
    let header = |name: &str| seen[0].headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    for (name, value) in [
        ("x-amz-meta-origin", "test"),
        ("cache-control", "max-age=60"),
        ("content-type", "image/x-own"),
        ("x-amz-acl", "private"),
        ("content-disposition", "attachment"),
    ] {
        assert_eq!(header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(server.seen("POST uploads").len(), 3, "those over one part went in parts");
}

#[tokio::test]
async fn f7_faults_that_pass_are_waited_out() {
    for (request, fault, times) in [
        ("PUT object", Fault::Status(500, "InternalError"), 4),
        ("PUT object", Fault::Status(503, "SlowDown"), 2),
        ("PUT object", Fault::LoseAnswer, 1),
        ("PUT part", Fault::Status(500, "InternalError"), 4),
        ("PUT part", Fault::CutRequest(PART as u64 / 2), 2),
        ("PUT part", Fault::LoseAnswer, 2),
        ("POST upload ", Fault::Status(503, "SlowDown"), 1),
        ("POST upload ", Fault::LoseAnswer, 1),
        // A server that checks its own tags refuses the whole (see below); to one that does not, every byte was signed.
        ("PUT part", Fault::WrongTag, 1),
    ] {
        let server = TestServer::start().await;
        server.plan(request, fault, times);
        let bytes = content(if request.contains("object") { MIB } else { 2 * PART + 5 });
        let outcome = put(&bucket(&server, Direction::Export, quick()), "k", &Map::new(), &bytes).await;
        assert!(outcome.is_ok(), "{request} {fault:?}: {outcome:?}");
        assert!(stored(&server, "k").is_some_and(|found| found == bytes), "{request} {fault:?}: whole");
        assert_eq!(server.remains().len(), 1, "{request} {fault:?}: one object alone: {:?}", server.remains());
    }
    // A try that gets no answer is given up.
    let server = TestServer::start().await;
    server.plan("PUT object", Fault::Hang, 1);
    let tuning = Tuning { attempt: Duration::from_secs(3), ..quick() };
    let outcome = put(&bucket(&server, Direction::Export, tuning), "k", &Map::new(), &content(100)).await;
    assert!(outcome.is_ok(), "a hang: {outcome:?}");
}

#[tokio::test]
async fn f7_faults_that_stay_end_with_a_reason_and_leave_nothing() {
    for (request, fault, times, expected, tries) in [
        ("PUT object", Fault::Status(500, "InternalError"), 99, "HTTP 500 InternalError", 5),
        ("PUT object", Fault::Status(503, "SlowDown"), 99, "HTTP 503 SlowDown", 5),
        ("PUT object", Fault::Status(403, "RequestTimeTooSkewed"), 99, "clock", 1),
        ("PUT object", Fault::Status(403, "AccessDenied"), 99, "credentials", 1),
        ("PUT object", Fault::Status(301, "PermanentRedirect"), 99, "region", 1),
        ("POST uploads", Fault::Status(403, "AccessDenied"), 99, "credentials", 1),
        ("PUT part", Fault::Status(500, "InternalError"), 99, "HTTP 500", 5),
        ("PUT part", Fault::CutRequest(PART as u64 / 2), 99, "broke off", 5),
        ("POST upload ", Fault::Status(400, "InvalidPart"), 99, "did not store the bytes", 1),
        ("POST upload ", Fault::Status(500, "InternalError"), 99, "HTTP 500", 5),
    ] {
        let server = TestServer::start().await;
        server.plan(request, fault, times);
        let bytes = content(if request.contains("object") { MIB } else { PART + 5 });
        let message = message(put(&bucket(&server, Direction::Export, quick()), "k", &Map::new(), &bytes).await);
        assert!(message.contains(expected), "{request} {fault:?}: {message}");
        for secret in [ACCESS_KEY, SECRET_KEY] {
            assert!(!message.contains(secret), "{request}: {message}");
        }
        let asked = server.seen(request).iter().filter(|seen| seen.line.starts_with(request)).count();
        assert_eq!(asked, tries, "{request} {fault:?}: tries");
        server.until(|| server.remains().is_empty()).await;
    }
}

#[tokio::test]
async fn f7_an_export_that_is_cancelled_gives_its_parts_up() {
    let server = TestServer::start().await;
    let bucket = bucket(&server, Direction::Export, quick());
    let first = content(PART);
    let body = stream::iter([Ok(first.clone()), Ok(first)]).chain(stream::pending()).boxed();
    let given = Map::new();
    {
        let putting = bucket.put("k", &given, body, "image/png", "attachment", &|_| {});
        let begun = server.until(|| !server.seen("PUT part").is_empty());
        tokio::select! {
            outcome = putting => panic!("the stream does not end: {outcome:?}"),
            () = begun => {}
        }
    }
    server.until(|| server.remains().is_empty()).await;
}

#[tokio::test]
async fn objects_come_back_also_over_a_connection_that_breaks() {
    let server = TestServer::start().await;
    let exports = bucket(&server, Direction::Export, quick());
    let bytes = content(3 * MIB);
    for key in ["in/b.bin", "in/a.bin", "other"] {
        put(&exports, key, &Map::new(), &bytes).await.expect("stored");
    }
    put(&exports, "in/folder/", &Map::new(), &Bytes::new()).await.expect("a folder");
    let imports = bucket(&server, Direction::Import, quick());
    assert_eq!(imports.list("in/").await, Ok(vec!["in/a.bin".to_owned(), "in/b.bin".to_owned()]), "sorted, without folders");
    let folder = tempfile::tempdir().expect("a folder");
    server.plan("GET object", Fault::CutAnswer(MIB as u64 + 3), 2);
    let path = folder.path().join("a");
    assert_eq!(imports.get("in/a.bin", &path, 1 << 30, &|_, _| {}).await, Ok(3 * MIB as u64), "all of it");
    assert!(std::fs::read(&path).expect("read") == bytes, "in order");
    let ranged = server.seen("GET object").iter().filter(|seen| seen.headers.contains_key("range")).count();
    assert_eq!(ranged, 2, "from where it broke off");
    let too_large = imports.get("in/a.bin", &folder.path().join("b"), 1000, &|_, _| {}).await;
    assert!(matches!(too_large, Err(Failure::TooLarge { .. })), "{too_large:?}");
    let missing = imports.get("in/none", &folder.path().join("c"), 1000, &|_, _| {}).await;
    assert!(
        matches!(&missing, Err(Failure::Unreachable { message, retry: false }) if message.contains("NoSuchKey")),
        "{missing:?}"
    );
    assert!(matches!(imports.list("nothing/").await, Err(Failure::Invalid { .. })), "an empty prefix is a mistake");
}

#[tokio::test]
async fn keys_and_names_that_mean_something_else_are_refused() {
    let server = TestServer::start().await;
    let bucket = bucket(&server, Direction::Export, quick());
    for key in ["", "/a", "a/../b", "..", "./a", "a/.", "a\nb", "a\0b", &"x".repeat(1025)] {
        let outcome = put(&bucket, key, &Map::new(), &content(1)).await;
        assert!(matches!(outcome, Err(Failure::Invalid { .. })), "{key:?}: {outcome:?}");
    }
    for (name, value) in [
        ("bucket", "a"),
        ("bucket", "evil.example/x"),
        ("bucket", "arn:aws:s3:us-east-1:1:accesspoint/x"),
        ("bucket", "a..b"),
        ("bucket", "user@host"),
        ("region", "x.evil.example/"),
        ("endpoint", "http://user:pass@127.0.0.1/"),
        ("endpoint", "ftp://127.0.0.1/"),
        ("access_key_id", ""),
        ("secret_access_key", ""),
    ] {
        let mut given = options(&server);
        given.insert(name.into(), value.into());
        let opened = Bucket::open(&fetcher(), &given, Direction::Export, quick());
        assert!(matches!(opened, Err(Failure::Invalid { field: Some(field), .. }) if field == name), "{name}: {value}");
    }
    for (name, value) in
        [("metadata", json!({"a b": "x"})), ("metadata", json!({"a": "\u{fc}"})), ("cache_control", json!("a\r\nX: y"))]
    {
        let mut given = Map::new();
        given.insert(name.into(), value.clone());
        let outcome = put(&bucket, "k", &given, &content(1)).await;
        assert!(matches!(outcome, Err(Failure::Invalid { field: Some(field), .. }) if field == name), "{name}: {value}");
    }
    assert!(server.seen("").is_empty(), "nothing was sent");
}

/// T1 at the sink of S3: every row of the URL table as an endpoint, and a name that changes its mind.
#[tokio::test]
async fn t1_no_hostile_endpoint_is_dialled() {
    let (got_through, rows) = crate::fetch::tests::hostile_endpoints(async |fetcher, endpoint| {
        let given = json!({
            "bucket": "bucket", "endpoint": endpoint, "access_key_id": "a", "secret_access_key": "b",
        });
        let tuning = Tuning { tries: 1, ..quick() };
        let bucket = Bucket::open(&fetcher, given.as_object().expect("an object"), Direction::Export, tuning)?;
        put(&bucket, "k", &Map::new(), &content(1)).await.map(drop)
    })
    .await;
    assert!(rows >= 150, "{rows} rows");
    assert!(got_through.is_empty(), "dialled: {got_through:#?}");
}

#[tokio::test]
async fn parts_of_an_object_are_of_one_version() {
    let server = TestServer::start().await;
    let (given, first) = (Map::new(), content(MIB));
    put(&bucket(&server, Direction::Export, quick()), "film.mp4", &given, &first).await.expect("delivered");
    let import = || bucket(&server, Direction::Import, quick());
    let begun = import().beginning("film.mp4", 100).await.expect("an answer").expect("parts");
    assert_eq!((&begun.bytes[..], begun.version.size), (&first[..100], MIB as u64), "the beginning, and the size of all");
    let object = import().object("film.mp4".to_owned(), begun.version);
    assert_eq!(object.read(5_000, 70).await.expect("a part"), first[5_000..5_070], "a part");
    assert_eq!(object.read(MIB as u64 - 10, 70).await.expect("a part"), first[MIB - 10..], "up to the end");
    let second: Bytes = content(MIB + 1).slice(1..);
    put(&bucket(&server, Direction::Export, quick()), "film.mp4", &given, &second).await.expect("delivered");
    let failure = object.read(5_000, 70).await.expect_err("another object");
    assert!(matches!(failure, Failure::Unreachable { .. }), "{failure}");
    assert!(import().beginning("missing", 100).await.is_err(), "nothing has no parts");
}
