//! The routes from request to response, on a store and a storage of the test's own; the test plays the worker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::embedded::EmbeddedRedis;
use convertfly_scheduler::guard::{AllowNets, Gate};
use convertfly_scheduler::seal::Sealer;
use convertfly_scheduler::storage::sign::{Grant, LinkSecret, Method as Direction, sign};
use convertfly_scheduler::storage::{PutLimit, Storage, StorageConfig, StorageKey};
use convertfly_scheduler::store::{ApiKey, Lease, NewAccount, Store};
use convertfly_scheduler::task::{ErrorCode, FileRef, TaskError, TaskResult};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::front::Front;
use crate::keys::{Mode, generate, sha256_hex};
use crate::limits::Limits;
use crate::links::now_ms;
use crate::policy::Policy;
use crate::state::{AppState, Parts};

const BASE: &str = "https://convertfly.test";

/// An API with a Redis child and a folder, both gone with the test.
struct Api {
    state: AppState,
    front: Front,
    key: String,
    redis: Option<EmbeddedRedis>,
    folder: TempDir,
}

/// An answer.
struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The public code of an error, with its status.
    fn error(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or("no code").to_owned())
    }
}

impl Api {
    async fn start(credits: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let redis = EmbeddedRedis::start(&folder.path().join("redis")).await.expect("redis-server starts");
        let store = Store::open(&redis.url(), 16).await.expect("the store opens");
        let storage = Storage::open(&StorageConfig::local(folder.path().join("files"))).await.expect("the folder opens");
        let parts = Parts {
            gate: Gate { allow: AllowNets::default(), high_ports: true },
            sealer: Sealer::from_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("a key"),
            store,
            storage,
            link_secret: LinkSecret::new(vec![7; 32]).expect("32 bytes"),
            public_url: format!("{BASE}/"),
            catalog: crate::validate::tests::catalog(),
            limits: Limits { upload: 1_000, ..Limits::default() },
            policy: Policy { stranger_requests: 1_000_000, ..Policy::default() },
        };
        let state = AppState::new(parts);
        let front = Front::of(&state);
        let mut api = Self { state, front, key: String::new(), redis: Some(redis), folder };
        api.key = api.account("a", credits).await;
        api
    }

    /// Makes an account and returns a key of it.
    async fn account(&self, name: &str, credits: u64) -> String {
        let account = NewAccount {
            id: format!("acct_{name}"),
            name: name.into(),
            plan: "test".into(),
            weight: 1,
            max_concurrent_jobs: 10,
            max_waiting_jobs: 10,
            requests_per_minute: 6_000,
            credits,
        };
        assert!(self.state.store().create_account(&account).await.expect("create"), "a new account");
        let key = generate(Mode::Live).expose().clone();
        let record = ApiKey { id: format!("key_{name}"), account: account.id, scopes: vec!["*".into()], ..ApiKey::default() };
        self.state.store().put_key(&sha256_hex(&key), &record).await.expect("a key");
        key
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.front.handle(request, SocketAddr::from(([127, 0, 0, 1], 1))).await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
        Answer { status: head.status.as_u16(), headers: head.headers, bytes }
    }

    async fn ask_as(&self, key: &str, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .expect("a request");
        self.send(request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask_as(&self.key, Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask_as(&self.key, Method::POST, path, &body.to_string()).await
    }

    /// A request without a key to a link that the API gave out.
    async fn link(&self, method: Method, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let path = url.strip_prefix(BASE).unwrap_or_else(|| panic!("a link to this server: {url}"));
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_vec())).expect("a request")).await
    }

    /// Creates a job, which must succeed, and returns its view.
    async fn create(&self, body: &Value) -> Value {
        let answer = self.post("/jobs", body).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()["data"].clone()
    }

    /// Leases the one task that is ready.
    async fn lease(&self) -> Lease {
        let lanes: Vec<(Lane, u32)> = Lane::ALL.into_iter().map(|lane| (lane, 1)).collect();
        let store = self.state.store();
        for shard in 0..store.shards() {
            if let Some(lease) = store.lease_from(shard, "w", &lanes, 600_000).await.expect("lease").into_iter().next() {
                return lease;
            }
        }
        panic!("no task is ready");
    }

    /// Plays the worker: one task, which makes `files` out of whatever it gets.
    async fn work(&self, files: &[&[u8]], expires_at: Option<u64>) -> Lease {
        let lease = self.lease().await;
        let mut result = TaskResult { expires_at, ..TaskResult::default() };
        for (index, bytes) in (0u32..).zip(files) {
            let key =
                StorageKey::Output { account: lease.account.clone(), job: lease.job.clone(), fence: lease.fence.clone(), index };
            let limit = PutLimit { max_bytes: bytes.len() as u64, exact: None };
            let stored =
                self.state.storage().put_stream(&key, stream::iter([Ok(bytes.to_vec().into())]), limit).await.expect("put");
            result.files.push(FileRef {
                file_id: format!("file_{index}"),
                key: key.to_string(),
                filename: format!("Ünï {index}.png"),
                size: stored.size,
                format: Some("png".into()),
                sha256: Some(stored.sha256),
                crc32: Some(stored.crc32),
                width: None,
                height: None,
                page: None,
                remote: None,
            });
        }
        self.state.store().finish("w", &lease, &result, &json!({ "engine": "test" }), &[], 600_000).await.expect("finish");
        lease
    }

    /// Files in storage, whatever they are called.
    fn files(&self) -> usize {
        fn count(folder: &std::path::Path) -> usize {
            let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
            entries.flatten().map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
        }
        count(&self.folder.path().join("files/jobs"))
    }
}

fn pipeline(import: Value) -> Value {
    json!({ "tag": "t1", "tasks": {
        "in": import,
        "to-png": { "operation": "convert", "input": "in", "output_format": "png", "options": { "quality": 80 } },
        "out": { "operation": "export/url", "input": ["to-png"] },
    } })
}

fn uploaded() -> Value {
    pipeline(json!({ "operation": "import/upload", "filename": "a.jpg" }))
}

fn hour() -> Option<u64> {
    Some(now_ms() + 3_600_000)
}

#[tokio::test]
async fn a_job_from_upload_to_download() {
    let api = Api::start(10).await;
    let created = api.post("/jobs", &uploaded()).await;
    assert_eq!(created.status, 201, "{}", created.json());
    assert_eq!((created.header("x-credits-remaining"), created.header("x-credits-used")), ("9", "1"), "the reservation");
    let job = &created.json()["data"];
    let id = job["id"].as_str().expect("an id").to_owned();
    assert_eq!((&job["status"], &job["tag"], &job["credits_used"]), (&json!("WAITING"), &json!("t1"), &json!(1)), "{job}");
    let slot = &job["tasks"]["in"]["result"];
    assert_eq!((&slot["method"], &slot["url"]), (&json!("PUT"), &slot["upload_url"]), "{job}");
    let url = slot["url"].as_str().expect("an upload URL").to_owned();

    let put = api.link(Method::PUT, &url, &[("content-type", "image/jpeg")], b"JPEG").await;
    assert_eq!((put.status, &put.json()["data"]["size"]), (200, &json!(4)), "{}", put.json());
    assert_eq!(put.header("access-control-allow-origin"), "*", "browsers may upload");
    let again = api.link(Method::PUT, &url, &[], b"OTHER").await;
    assert_eq!(again.error(), (409, "CONFLICT".into()), "one success only");
    assert_eq!(api.files(), 1, "the second upload left nothing behind");

    let lease = api.work(&[b"JPEG"], None).await;
    assert_eq!(
        lease.upload.as_ref().map(|file| (file.filename.as_str(), file.size)),
        Some(("a.jpg", 4)),
        "the bytes that arrived"
    );
    api.work(&[b"0123456789"], None).await;
    api.work(&[b"0123456789"], hour()).await;
    let waited = api.get(&format!("/jobs/{id}/wait")).await;
    assert_eq!((waited.status, &waited.json()["data"]["status"]), (200, &json!("FINISHED")), "ended already");
    let result = waited.json()["data"]["tasks"]["out"]["result"].clone();
    let url = result["url"].as_str().expect("a download URL").to_owned();
    assert_eq!(result["files"][0]["url"], result["url"], "{result}");
    assert_eq!(waited.json()["data"]["tasks"]["to-png"]["explain"]["engine"], "test", "how it was done");

    let whole = api.link(Method::GET, &url, &[], b"").await;
    assert_eq!((whole.status, &whole.bytes[..]), (200, &b"0123456789"[..]), "the file");
    let etag = format!("\"{}\"", sha256_hex("0123456789"));
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "10"),
        ("accept-ranges", "bytes"),
        ("etag", etag.as_str()),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    let disposition = whole.header("content-disposition");
    assert!(disposition.starts_with("attachment") && disposition.contains("filename*=UTF-8''"), "{disposition}");
    assert!(whole.header("cache-control").starts_with("private, max-age=3"), "{:?}", whole.headers);
    let head = api.link(Method::HEAD, &url, &[], b"").await;
    assert_eq!((head.status, head.header("content-length"), head.bytes.len()), (200, "10", 0), "HEAD");

    let part = api.link(Method::GET, &url, &[("range", "bytes=2-4"), ("if-range", &etag)], b"").await;
    assert_eq!((part.status, &part.bytes[..], part.header("content-range")), (206, &b"234"[..], "bytes 2-4/10"), "a range");
    let other = api.link(Method::GET, &url, &[("range", "bytes=2-4"), ("if-range", "\"other\"")], b"").await;
    assert_eq!((other.status, other.bytes.len()), (200, 10), "another version: all of it");
    let outside = api.link(Method::GET, &url, &[("range", "bytes=10-")], b"").await;
    assert_eq!((outside.error().0, outside.header("content-range")), (416, "bytes */10"), "outside");
    let known = api.link(Method::GET, &url, &[("if-none-match", &format!("W/{etag}"))], b"").await;
    assert_eq!((known.status, known.bytes.len()), (304, 0), "the client has it");
    let wrong = api.link(Method::GET, &url.replace("/dl/", "/upload/"), &[], b"").await;
    assert_eq!(wrong.error().0, 405, "GET of an upload link");
    let wrong = api.link(Method::PUT, &url.replace("/dl/", "/upload/"), &[], b"x").await;
    assert_eq!(wrong.error(), (404, "NOT_FOUND".into()), "a download link does not upload");

    let deleted = api.ask_as(&api.key, Method::DELETE, &format!("/jobs/{id}"), "").await;
    assert_eq!((deleted.status, deleted.bytes.len()), (204, 0), "deleted");
    assert_eq!(api.files(), 0, "and its files");
    assert_eq!(api.get(&format!("/jobs/{id}")).await.error(), (404, "NOT_FOUND".into()), "gone");
    assert_eq!(api.ask_as(&api.key, Method::DELETE, &format!("/jobs/{id}"), "").await.error().0, 404, "gone");
    assert_eq!(api.link(Method::GET, &url, &[], b"").await.error(), (404, "NOT_FOUND".into()), "the link is dead");
}

#[tokio::test]
async fn links_expire_and_bound_their_bytes() {
    let api = Api::start(10).await;
    let job = api.create(&uploaded()).await;
    let url = job["tasks"]["in"]["result"]["url"].as_str().expect("a URL").to_owned();
    let large = api.link(Method::PUT, &url, &[("content-length", "1001")], b"").await;
    assert_eq!(large.error(), (413, "PAYLOAD_TOO_LARGE".into()), "announced");
    let large = api.link(Method::PUT, &url, &[], &[0; 1_001]).await;
    assert_eq!(large.error(), (413, "PAYLOAD_TOO_LARGE".into()), "counted");
    let short = api.link(Method::PUT, &url, &[("content-length", "9")], b"12345").await;
    assert_eq!(short.error().0, 400, "fewer bytes than announced");
    assert_eq!(api.files(), 0, "nothing is kept of any of them");
    let last = url.len() - 1;
    let forged = format!("{}{}", &url[..last], if url.ends_with('A') { 'B' } else { 'A' });
    assert_eq!(api.link(Method::PUT, &forged, &[], b"x").await.error(), (404, "NOT_FOUND".into()), "forged");
    let key = StorageKey::Upload { account: "acct_a".into(), job: "job_1".into(), slot: "up_1".into() };
    for (direction, method, path) in [(Direction::Put, Method::PUT, "upload"), (Direction::Get, Method::GET, "dl")] {
        let grant = Grant {
            method: direction,
            key: key.clone(),
            expires_at_ms: now_ms(),
            max_bytes: None,
            filename: None,
            content_type: None,
            inline: false,
            sha256: None,
        };
        let url = format!("{BASE}/storage/{path}/{}", sign(api.state.link_secret(), &grant));
        assert_eq!(api.link(method, &url, &[], b"").await.error(), (410, "GONE".into()), "expired {path}");
    }
    assert_eq!(api.link(Method::PUT, &url, &[], &[0; 1_000]).await.status, 200, "the true link still works");
}

#[tokio::test]
async fn of_two_uploads_at_once_the_first_to_arrive_wins_whole() {
    let api = Api::start(10).await;
    let job = api.create(&uploaded()).await;
    let url = job["tasks"]["in"]["result"]["url"].as_str().expect("a URL").to_owned();
    let (reading, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let pieces = [None, Some("LATE "), Some("AND OTHER")];
    let (begun, go_on) = (reading.clone(), finish.clone());
    // Once its body is read, this upload has been let in; it ends only after the other one has.
    let body = stream::iter(pieces).filter_map(move |piece| {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        async move {
            if piece.is_none() {
                begun.notify_one();
                go_on.notified().await;
            }
            piece.map(Ok::<_, std::io::Error>)
        }
    });
    let path = url.strip_prefix(BASE).expect("a link to this server");
    let slow = Request::put(path).body(Body::from_stream(body)).expect("a request");
    let (late, ()) = tokio::join!(api.send(slow), async {
        reading.notified().await;
        assert_eq!(api.link(Method::PUT, &url, &[], b"FIRST").await.status, 200, "while the other one is under way");
        finish.notify_one();
    });
    assert_eq!(late.error(), (409, "CONFLICT".into()), "one success only");
    let file = api.lease().await.upload.expect("the upload");
    let key = StorageKey::parse(&file.key).expect("a key");
    let object = api.state.storage().get(&key, None).await.expect("the object");
    let bytes = Body::from_stream(object.stream).collect().await.expect("bytes").to_bytes();
    assert_eq!((&bytes[..], api.files()), (&b"FIRST"[..], 1), "the winner's bytes, and no others");
}

#[tokio::test]
async fn lists_filter_and_page() {
    let api = Api::start(10).await;
    for _ in 0..3 {
        api.create(&uploaded()).await;
    }
    let page = api.get("/jobs?limit=2&page=2&tag=t1&status=WAITING&whatever=1").await.json();
    assert_eq!(page["meta"], json!({ "page": 2, "limit": 2, "total": 3, "next_cursor": null }), "{page}");
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(api.get("/jobs?tag=t2").await.json()["meta"]["total"], 0, "another tag");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=", "page"),
        ("page=18446744073709551615", "page"),
        ("page=99999999999999999999", "page"),
        ("status=waiting", "status"),
    ] {
        let answer = api.get(&format!("/jobs?{query}")).await;
        assert_eq!(answer.error(), (400, "INVALID_DATA".into()), "{query}");
        assert_eq!(answer.json()["details"]["field"], field, "{query}");
    }
}

#[tokio::test]
async fn waiting_ends_by_time_by_drain_or_by_the_job() {
    let api = Api::start(10).await;
    let id = api.create(&uploaded()).await["id"].as_str().expect("an id").to_owned();
    let answer = api.get(&format!("/jobs/{id}/wait?timeout=0")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (202, "1"), "not ended");
    for bad in ["-1", "x", "1.5", "1e3", "99999999999999999999"] {
        let answer = api.get(&format!("/jobs/{id}/wait?timeout={bad}")).await;
        assert_eq!((answer.error().0, &answer.json()["details"]["field"]), (400, &json!("timeout")), "{bad}");
    }
    assert_eq!(api.get("/jobs/job_none/wait").await.error().0, 404, "no such job");
    let path = format!("/jobs/{id}/wait");
    let (answer, ()) = tokio::join!(api.get(&path), async {
        api.state.store().cancel_task("acct_a", &id, "in").await.expect("cancel");
    });
    assert_eq!((answer.status, &answer.json()["data"]["status"]), (200, &json!("ERROR")), "ended while it waited");
    assert_eq!(answer.json()["data"]["error"]["code"], "CANCELLED", "{}", answer.json());
    let other = api.create(&uploaded()).await["id"].as_str().expect("an id").to_owned();
    let path = format!("/jobs/{other}/wait?timeout=999");
    let waited = tokio::time::timeout(Duration::from_secs(60), api.get(&path));
    let (answer, ()) = tokio::join!(waited, async { api.state.drain().cancel() });
    let answer = answer.expect("it does not wait on");
    assert_eq!((answer.status, &answer.json()["data"]["status"]), (202, &json!("WAITING")), "a server that goes down says so");
}

#[tokio::test]
async fn tasks_can_be_listed_cancelled_and_retried() {
    let api = Api::start(1).await;
    let job = api.create(&pipeline(json!({ "operation": "import/url", "url": "https://example.com/a.jpg" }))).await;
    let id = job["id"].as_str().expect("an id");
    let list = api.get(&format!("/jobs/{id}/tasks/")).await.json();
    let names: Vec<&str> = list["data"].as_array().expect("an array").iter().filter_map(|task| task["name"].as_str()).collect();
    assert_eq!(names, ["in", "to-png", "out"], "in the customer's order");
    let task = |name: &str| format!("/jobs/{id}/tasks/{name}");
    assert_eq!(api.get(&task("to-png")).await.json()["data"]["operation"], "convert", "one task");
    for unknown in ["nope", "a%20b", "%ff", "x".repeat(65).as_str()] {
        assert_eq!(api.get(&task(unknown)).await.error(), (404, "NOT_FOUND".into()), "{unknown}");
    }
    assert_eq!(api.post(&task("to-png/retry"), &json!({})).await.error(), (409, "CONFLICT".into()), "it waits");
    let cancelled = api.post(&task("in/cancel"), &json!({})).await;
    assert_eq!((cancelled.status, &cancelled.json()["data"]["status"]), (200, &json!("CANCELLED")), "{}", cancelled.json());
    assert_eq!(cancelled.header("x-credits-remaining"), "1", "the reservation is back");
    assert_eq!(api.post(&task("in/cancel"), &json!({})).await.error(), (409, "CONFLICT".into()), "it has ended");
    let retried = api.post(&task("in/retry"), &json!({})).await;
    assert_eq!((retried.status, retried.header("x-credits-used")), (200, "1"), "{}", retried.json());
    assert_eq!(retried.header("x-credits-remaining"), "0", "reserved again");

    let lease = api.lease().await;
    let error = TaskError::new(ErrorCode::ImportFailed, "404 there");
    api.state.store().fail(&lease, &error, &Value::Null, false).await.expect("fail");
    let failed = api.get(&format!("/jobs/{id}")).await.json()["data"].clone();
    assert_eq!(failed["tasks"]["in"]["error"], json!({ "code": "IMPORT_FAILED", "message": "404 there" }), "{failed}");
    assert_eq!(failed["tasks"]["out"]["error"]["code"], "INPUT_TASK_FAILED", "{failed}");
}

#[tokio::test]
async fn a_file_in_the_request_goes_to_storage_and_not_to_redis() {
    let api = Api::start(1).await;
    let body = pipeline(json!({ "operation": "import/base64", "file": "aGVsbG8=", "filename": "a.jpg" }));
    let job = api.create(&body).await;
    assert_eq!(api.files(), 1, "the decoded file");
    let lease = api.work(&[b"hello"], None).await;
    let upload = lease.upload.expect("an upload");
    assert_eq!((upload.size, upload.filename.as_str()), (5, "a.jpg"), "{upload:?}");
    assert!(!format!("{:?}", lease.spec).contains("aGVsbG8"), "not in the record");
    assert_eq!(job["tasks"]["in"]["status"], "WAITING", "{job}");

    let poor = api.post("/jobs", &body).await;
    assert_eq!(poor.error(), (402, "INSUFFICIENT_CREDITS".into()), "{}", poor.json());
    assert_eq!(poor.header("x-credits-remaining"), "0", "the balance is told");
    let removed = async {
        while api.files() > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("the refused job's file is removed");
}

#[tokio::test]
async fn polling_with_an_etag_is_answered_by_304() {
    let api = Api::start(1).await;
    let id = api.create(&uploaded()).await["id"].as_str().expect("an id").to_owned();
    let first = api.get(&format!("/jobs/{id}")).await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with("W/\"") && first.header("cache-control") == "no-store", "{:?}", first.headers);
    let poll = |tag: String| {
        let request = Request::get(format!("/api/v1/jobs/{id}"))
            .header("authorization", format!("Bearer {}", api.key))
            .header("if-none-match", tag)
            .body(Body::empty());
        api.send(request.expect("a request"))
    };
    let same = poll(format!("\"x\", {etag}")).await;
    assert_eq!((same.status, same.bytes.len(), same.header("etag")), (304, 0, etag.as_str()), "unchanged");
    api.state.store().cancel_task("acct_a", &id, "in").await.expect("cancel");
    let changed = poll(etag.clone()).await;
    assert!(changed.status == 200 && changed.header("etag") != etag, "changed: {:?}", changed.headers);
}

#[tokio::test]
async fn another_account_sees_nothing() {
    let api = Api::start(10).await;
    let stranger = api.account("b", 10).await;
    let id = api.create(&uploaded()).await["id"].as_str().expect("an id").to_owned();
    for (method, path) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/wait"),
        (Method::GET, "/tasks"),
        (Method::GET, "/tasks/in"),
        (Method::POST, "/tasks/in/cancel"),
        (Method::POST, "/tasks/in/retry"),
    ] {
        let foreign = api.ask_as(&stranger, method.clone(), &format!("/jobs/{id}{path}"), "").await;
        let unknown = api.ask_as(&stranger, method.clone(), &format!("/jobs/job_0000000000000000000000{path}"), "").await;
        assert_eq!(
            (foreign.status, foreign.bytes),
            (404, unknown.bytes),
            "{method} {path}: no different from one that never was"
        );
    }
    assert_eq!(api.ask_as(&stranger, Method::GET, "/jobs", "").await.json()["meta"]["total"], 0, "an empty list");
    assert_eq!(api.get(&format!("/jobs/{id}")).await.json()["data"]["status"], "WAITING", "the owner's job is untouched");
}

#[tokio::test]
async fn catalogue_account_and_health() {
    let api = Api::start(7).await;
    let formats = api.get("/formats").await.json();
    let jpg = formats["data"].as_array().expect("an array").iter().find(|format| format["name"] == "jpg").expect("jpg").clone();
    assert_eq!(jpg["outputs"], json!([{ "format": "png", "credits": 1 }, { "format": "pdf", "credits": 1 }]), "{jpg}");
    let operations = api.get("/operations").await.json();
    assert!(
        operations["data"].as_array().expect("an array").iter().any(|operation| operation["name"] == "convert"),
        "{operations}"
    );
    let account = api.get("/account").await;
    let view = account.json()["data"].clone();
    assert_eq!((&view["plan"], &view["credits_remaining"]), (&json!("test"), &json!(7)), "{view}");
    assert_eq!(view["limits"]["concurrent_jobs"], 10, "{view}");
    assert_eq!(account.header("x-credits-remaining"), "7", "{:?}", account.headers);
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200)] {
        assert_eq!(api.link(Method::GET, &format!("{BASE}{path}"), &[], b"").await.status, status, "{path}");
    }
    let body = Request::post("/api/v1/jobs").header("authorization", format!("Bearer {}", api.key));
    let form = body.header("content-type", "application/x-www-form-urlencoded").body(Body::from("{}")).expect("a request");
    let answer = api.send(form).await;
    assert_eq!((answer.error().0, &answer.json()["details"]["field"]), (400, &json!("Content-Type")), "a form is no JSON");
}

#[tokio::test]
async fn r350_without_its_store_the_api_says_503_and_lives() {
    let mut api = Api::start(7).await;
    let id = api.create(&uploaded()).await["id"].as_str().expect("an id").to_owned();
    api.redis.take().expect("running").stop().await;
    for (method, path) in
        [(Method::GET, format!("/jobs/{id}")), (Method::POST, "/jobs".to_owned()), (Method::GET, "/account".to_owned())]
    {
        let answer = api.ask_as(&api.key, method, &path, &uploaded().to_string()).await;
        assert_eq!(answer.error(), (StatusCode::SERVICE_UNAVAILABLE.as_u16(), "UNAVAILABLE".into()), "{path}");
        assert_eq!(answer.header("retry-after"), "1", "{path}");
    }
    assert_eq!(api.link(Method::GET, &format!("{BASE}/healthz"), &[], b"").await.status, 200, "alive");
    let ready = api.link(Method::GET, &format!("{BASE}/readyz"), &[], b"").await;
    assert_eq!(
        (ready.status, ready.json()),
        (503, json!({ "status": "failed", "store": "failed", "storage": "ok", "space": "ok" })),
        "not ready"
    );
}
