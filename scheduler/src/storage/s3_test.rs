//! What only a bucket has: signatures, presigned addresses, a network that fails, an environment that must not matter.

use std::time::Duration;

use super::s3::{PART, Tuning};
use super::s3_server_test::{Fault, TestServer, plain_http};
use super::suite_test::{Home, chunks, limit, output, quick, read, sample, upload};
use super::{Storage, StorageConfig, StorageError, names};
use crate::secret::Secret;

/// Where answers are cut: after more bytes than the server's HTTP library holds back, so that the client has got some.
const CUT: u64 = 600_000;

const PREFIX: &str = "/files/some/prefix/";

/// The server of a home that has one.
fn server(home: &Home) -> &TestServer {
    home.server.as_ref().expect("a bucket has a server")
}

async fn opened(change: impl FnOnce(&mut StorageConfig)) -> (TestServer, Storage) {
    let server = TestServer::start().await;
    let mut config = super::suite_test::config(&server);
    change(&mut config);
    let storage = Storage::open_tuned(&config, quick()).await.expect("it opens");
    (server, storage)
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let (server, storage) = opened(|config| config.s3_secret_access_key = Some(Secret::new("not the secret".into()))).await;
    let error = storage.put_stream(&upload("up_1"), chunks(b"x"), limit(9)).await.expect_err("a wrong signature");
    assert!(matches!(&error, StorageError::Denied(text) if text.contains("SignatureDoesNotMatch")), "got {error:?}");
    assert!(!error.is_retryable() && server.seen("PUT").len() == 1, "trying again is of no use");
    assert!(storage.check().await.is_err() && storage.head(&upload("up_1")).await.is_err(), "nor does anything else work");
    assert_eq!(server.remains(), Vec::<String>::new(), "nothing was stored");
    assert!(!format!("{error:?} {error} {storage:?}").contains("not the secret"), "the secret is never printed");
}

#[tokio::test]
async fn a_missing_bucket_is_named_as_the_operators_fault() {
    let (_server, storage) = opened(|config| config.location = "s3://no-such-bucket".into()).await;
    let error = storage.list_prefix("jobs/", None, 9).await.expect_err("no such bucket");
    assert!(matches!(&error, StorageError::Denied(text) if text.contains("NoSuchBucket")), "got {error:?}");
}

#[tokio::test]
async fn requests_are_plain_enough_for_every_server() {
    let home = Home::s3().await;
    for (index, size) in [(0, 100), (1, PART + 1)] {
        let key = output("job_1", "1", index);
        home.storage.put_stream(&key, chunks(&sample(size)), limit(u64::MAX)).await.expect("stored");
        read(&home.storage, &key, None).await.expect("reads");
    }
    home.storage.delete_prefix("jobs/acct_1/job_1/").await.expect("deleted");
    let seen = server(&home).seen("");
    assert!(seen.len() >= 10, "puts, parts, reads and deletions: {}", seen.len());
    for request in seen {
        for header in ["x-amz-trailer", "x-amz-checksum-mode", "content-encoding", "x-amz-sdk-checksum-algorithm"] {
            assert!(!request.headers.contains_key(header), "{} has {header}", request.line);
        }
        let signed = request.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
        let hashed = signed.is_some_and(|value| value.len() == 64);
        assert!(hashed, "the body's hash is part of the signature of {}: {signed:?}", request.line);
    }
}

#[tokio::test]
async fn small_objects_carry_their_hash_and_type() {
    let home = Home::s3().await;
    let source = home.folder.path().join("source");
    std::fs::write(&source, b"abc").expect("a source");
    home.storage.put_file(&upload("up_1"), &source, "image/png").await.expect("stored");
    home.storage.put_stream(&upload("up_2"), chunks(b"abc"), limit(9)).await.expect("stored");
    let put = server(&home).seen("PUT object").iter().map(|request| request.headers.clone()).collect::<Vec<_>>();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(put[0]["x-amz-meta-sha256"], abc, "FIPS 180-2's first example");
    assert_eq!(
        (&put[0]["content-type"], &put[1]["content-type"]),
        (&"image/png".parse().expect("a value"), &"application/octet-stream".parse().expect("a value")),
        "a stream's type is not guessed"
    );
}

#[tokio::test]
async fn a_presigned_address_works_by_itself_and_cannot_be_changed() {
    let home = Home::s3().await;
    let (key, other) = (output("job_1", "1", 0), output("job_2", "1", 0));
    for key in [&key, &other] {
        home.storage.put_stream(key, chunks(&sample(70_000)), limit(99_999)).await.expect("stored");
    }
    let disposition = names::content_disposition("Bericht \"3\" – Übersicht.png", false);
    let url = home.storage.presign_get(&key, Duration::from_secs(600), &disposition, "image/png").await.expect("an address");
    assert!(url.contains("X-Amz-Expires=600") && url.contains("X-Amz-SignedHeaders=host&"), "only the host is needed: {url}");
    let (status, headers, body) = plain_http("GET", &url).await;
    assert!(status == 200 && body == sample(70_000), "a plain client reads it: {status}");
    assert_eq!(headers["content-disposition"], disposition.as_str(), "under the customer's name");
    assert_eq!(headers["content-type"], "image/png", "as what it is");
    let day = home.storage.presign_get(&key, Duration::from_secs(30 * 24 * 3600), "attachment", "image/png").await;
    assert!(day.expect("an address").contains("X-Amz-Expires=604800"), "no longer than the protocol allows");
    for (what, from, to) in [
        ("the object", "job_1", "job_2"),
        ("the time", "X-Amz-Expires=600", "X-Amz-Expires=6000"),
        ("the type", "image%2Fpng", "text%2Fhtml"),
        ("the name", "attachment", "inline"),
        ("the signer", "AKIATEST", "AKIATESU"),
    ] {
        let changed = url.replacen(from, to, 1);
        assert_ne!(changed, url, "{what} is in the address");
        assert_eq!(plain_http("GET", &changed).await.0, 403, "{what} was changed");
    }
    let signature = url.find("X-Amz-Signature=").expect("a signature") + "X-Amz-Signature=".len();
    for at in signature..signature + 64 {
        let digit = if &url[at..=at] == "0" { "1" } else { "0" };
        let changed = format!("{}{digit}{}", &url[..at], &url[at + 1..]);
        assert_eq!(plain_http("GET", &changed).await.0, 403, "digit {} of the signature was changed", at - signature);
    }
    for method in ["PUT", "DELETE"] {
        assert_eq!(plain_http(method, &url).await.0, 403, "a download's address used for {method}");
    }
    assert_eq!(plain_http("GET", url.split('?').next().expect("a path")).await.0, 403, "without any signature");
}

#[tokio::test]
async fn faults_that_pass_are_survived() {
    let large = sample(PART + 1000);
    for fault in [Fault::Status(503, "SlowDown"), Fault::Status(500, "InternalError"), Fault::LoseAnswer] {
        let home = Home::s3().await;
        for (request, times) in
            [("PUT object", 4), ("POST uploads", 2), ("PUT part", 3), ("POST upload ", 2), ("GET object", 4), ("HEAD", 2)]
        {
            server(&home).plan(request, fault, times);
        }
        for (index, bytes) in [(0, &large[..1000]), (1, &large[..])] {
            let key = output("job_1", "1", index);
            let put = home.storage.put_stream(&key, chunks(bytes), limit(u64::MAX)).await;
            assert_eq!(put.expect("stored").size, bytes.len() as u64, "{fault:?}, object {index}");
            assert!(read(&home.storage, &key, None).await.expect("reads") == bytes, "{fault:?}, object {index} is changed");
        }
        assert_eq!(server(&home).seen("PUT object").len(), 5, "four tries failed and the fifth worked, under {fault:?}");
        home.storage.delete_prefix("jobs/acct_1/job_1/").await.expect("deleted");
        // An answer lost when an upload began leaves one without parts, which is found with its job.
        assert_eq!(home.remains(), Vec::<String>::new(), "nothing stays after {fault:?}");
    }
}

#[tokio::test]
async fn faults_that_last_end_after_five_tries() {
    let large = sample(2 * PART);
    for request in ["PUT object", "PUT part"] {
        let home = Home::s3().await;
        server(&home).plan(request, Fault::Status(503, "SlowDown"), 99);
        let bytes = if request == "PUT part" { &large[..] } else { &large[..10] };
        let error = home.storage.put_stream(&upload("up_1"), chunks(bytes), limit(u64::MAX)).await.expect_err("it is down");
        assert!(matches!(&error, StorageError::Unavailable(text) if text.contains("SlowDown")), "got {error:?}");
        assert!(error.is_retryable(), "the task waits and comes back");
        assert_eq!(server(&home).seen(request).len(), 5, "{request} was tried five times");
        assert_eq!(home.remains(), Vec::<String>::new(), "nothing stays");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let server = TestServer::start().await;
    let impatient = Tuning { tries: 2, attempt: Duration::from_millis(100), ..quick() };
    let storage = Storage::open_tuned(&super::suite_test::config(&server), impatient).await.expect("it opens");
    server.plan("", Fault::Hang, 99);
    let error = storage.check().await.expect_err("no answer");
    assert!(matches!(error, StorageError::Unavailable(_)) && server.seen("").len() == 2, "got {error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let (_server, storage) = opened(|config| config.s3_endpoint = Some(format!("http://{free}"))).await;
    let error = storage.check().await.expect_err("nobody listens");
    assert!(error.is_retryable(), "got {error:?}");
}

#[tokio::test]
async fn a_download_cut_half_way_goes_on_where_it_stopped() {
    let home = Home::s3().await;
    let (key, bytes) = (output("job_1", "1", 0), sample(3_500_000));
    home.storage.put_stream(&key, chunks(&bytes), limit(u64::MAX)).await.expect("stored");
    for (range, wanted) in [(None, &bytes[..]), (Some((1000, 3_399_999)), &bytes[1000..3_400_000])] {
        server(&home).plan("GET object", Fault::CutAnswer(CUT), 5);
        assert!(read(&home.storage, &key, range).await.expect("it goes on") == wanted, "{range:?} comes back changed");
    }
    let resumed = server(&home).seen("GET object").iter().filter(|request| request.headers.contains_key("if-match")).count();
    assert!(resumed >= 2, "each of the two was taken up again: {resumed}");
    server(&home).plan("GET object", Fault::CutAnswer(1000), 99);
    read(&home.storage, &key, None).await.expect_err("at some point it is enough");
    let target = home.folder.path().join("target");
    let error = home.storage.download_to(&key, &target, u64::MAX).await.expect_err("nor to a file");
    assert!(error.is_retryable() && !target.exists(), "half a file does not stay: {error:?}");
}

#[tokio::test]
async fn another_object_is_never_joined_to_half_of_one() {
    let home = Home::s3().await;
    let key = output("job_1", "1", 0);
    home.storage.put_stream(&key, chunks(&vec![1; 2_000_000]), limit(u64::MAX)).await.expect("stored");
    server(&home).plan("GET object", Fault::CutAnswer(CUT), 1);
    let object = home.storage.get(&key, None).await.expect("it is there");
    home.storage.put_stream(&key, chunks(&vec![2; 2_000_000]), limit(u64::MAX)).await.expect("replaced");
    let chunks: Vec<_> = futures_util::StreamExt::collect(object.stream).await;
    assert!(chunks.last().is_some_and(Result::is_err), "the rest belongs to another object");
    assert!(chunks.len() > 1, "it had begun");
    assert!(chunks.iter().flatten().all(|chunk| chunk.iter().all(|byte| *byte == 1)), "and none of it came through");
}

#[tokio::test]
async fn uploads_of_the_killed_are_swept() {
    let home = Home::s3().await;
    let hour = Duration::from_secs(3600);
    let begin = async |job: &str| {
        let super::BackEnd::S3(s3) = &home.storage.0 else { panic!("a bucket") };
        let create = s3.client.create_multipart_upload().bucket(&*s3.bucket).content_type("image/png");
        create.key(s3.full(&output(job, "1", 0).to_string())).send().await.expect("an upload begins");
    };
    begin("job_1").await;
    begin("job_2").await;
    home.storage.delete_prefix("jobs/acct_1/job_1/").await.expect("deleted");
    assert_eq!(home.remains().len(), 1, "the job's upload went with it, the other's stayed: {:?}", home.remains());
    assert_eq!(home.storage.sweep(hour * 24 * 365 * 100).await.expect("swept"), 0, "it is not that old");
    assert_eq!(home.storage.sweep(hour).await.expect("swept"), 1, "it is older than an hour");
    assert_eq!(home.remains(), Vec::<String>::new(), "nothing stays");
    server(&home).refuse_to_list_uploads();
    assert_eq!(home.storage.sweep(hour).await.expect("no fault"), 0, "a server without the listing is no failure");
}

#[tokio::test]
async fn deletions_and_listings_follow_all_pages() {
    let home = Home::s3().await;
    for index in 0..1005u32 {
        // Straight into the bucket's folder: a thousand requests would only test the server.
        let path = home.server.as_ref().expect("a server").object_path(&output("job_1", "1", index).to_string());
        std::fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| std::fs::write(path, b"x")).expect("an object");
    }
    let page = home.storage.list_prefix("jobs/acct_1/job_1/", None, 5000).await.expect("a page");
    assert!(page.objects.len() == 1000 && page.next.is_some(), "a bucket gives a thousand at a time");
    assert_eq!(home.storage.delete_prefix("jobs/acct_1/job_1/").await.expect("deleted"), 1005, "all pages");
    assert_eq!(home.remains(), Vec::<String>::new(), "nothing stays");
}

/// Run by the next test in a process of its own, too.
#[tokio::test]
async fn a_round_trip() {
    let home = Home::s3().await;
    home.storage.put_stream(&upload("up_1"), chunks(b"abc"), limit(9)).await.expect("stored");
    assert_eq!(read(&home.storage, &upload("up_1"), None).await.expect("reads"), b"abc", "it comes back");
    let seen = server(&home).seen("PUT");
    let signed = seen[0].headers["authorization"].to_str().expect("text");
    assert!(signed.contains("/us-east-1/s3/aws4_request") && seen[0].line.contains(PREFIX), "ours: {signed}, {}", seen[0].line);
}

#[tokio::test]
async fn no_setting_of_amazons_tools_is_read() {
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", trap.local_addr().expect("its address"));
    let folder = tempfile::TempDir::new().expect("a folder");
    let profile = folder.path().join("profile");
    std::fs::write(
        &profile,
        format!(
            "[default]\nregion = xx-trap-1\nendpoint_url = {address}\naws_access_key_id = TRAP\naws_secret_access_key = TRAP\n"
        ),
    )
    .expect("a profile");
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "storage::s3_test::a_round_trip"]).kill_on_drop(true);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "TRAP"),
        ("AWS_SECRET_ACCESS_KEY", "TRAP"),
        ("AWS_SESSION_TOKEN", "TRAP"),
        ("AWS_REGION", "xx-trap-1"),
        ("AWS_DEFAULT_REGION", "xx-trap-1"),
        ("AWS_PROFILE", "default"),
        ("AWS_ENDPOINT_URL", &address),
        ("AWS_ENDPOINT_URL_S3", &address),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &address),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported"),
    ] {
        child.env(name, value);
    }
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        child.env(name, &profile);
    }
    tokio::select! {
        output = child.output() => {
            let output = output.expect("it runs");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "the round trip works unmoved: {text}");
        }
        visitor = trap.accept() => panic!("somebody followed a variable: {visitor:?}"),
    }
}
