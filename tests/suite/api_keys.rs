//! API keys: made, listed, revoked; what each may do; and the sandbox of test keys.

use std::time::{Duration, Instant};

use convertfly_scheduler::store::{ApiKey, Revoker, StoreError};
use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::redis::{TestStore, redis_client};
use crate::support::server::Server;

/// Makes a key by the API; returns its record with the key in it.
fn make(server: &Server, body: &Value) -> Value {
    let made = server.call("POST", "/api-keys", Some(body));
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.bytes));
    made.json()["data"].clone()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value:#}"))
}

#[test]
fn keys_are_made_listed_and_kept_in_their_bounds() {
    let server = Server::start();
    r010_a_request_without_a_valid_key_is_unauthenticated(&server);
    r011_keys_have_their_prefix(&server);
    r012_r013_a_key_does_what_its_scopes_say(&server);
    r014_a_key_needs_a_name(&server);
    r015_r016_r379c_the_key_is_shown_at_its_making_alone(&server);
    r017_r019_the_list_tells_keys_apart(&server);
    r019_unknown_scopes_are_refused_with_a_hint(&server);
    a84_a85_revoked_keys_are_401_and_only_full_keys_manage_keys(&server);
    a86_a87_keys_of_an_account_share_its_jobs(&server);
    the_last_full_key_stays(&server);
    an_account_has_at_most_a_hundred_keys(&server);
}

fn r010_a_request_without_a_valid_key_is_unauthenticated(server: &Server) {
    let url = format!("{}/api/v1/account", server.url);
    let (most, last) = server.key.split_at(server.key.len() - 1);
    let mistyped = format!("{most}{}", if last == "x" { "y" } else { "x" });
    let unknown = convertfly_api::keys::generate(convertfly_api::keys::Mode::Live).expose().clone();
    for key in [None, Some("x"), Some(mistyped.as_str()), Some(unknown.as_str()), Some("")] {
        let answer = server.send("GET", &url, key, None, &[]);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("UNAUTHENTICATED")), "{key:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "it says how");
        assert_eq!(answer.header("x-credits-remaining"), None, "nobody's credits are shown");
    }
}

fn r011_keys_have_their_prefix(server: &Server) {
    assert!(server.key.starts_with("cvfly_sk_live_"), "the first key");
    for (mode, prefix) in [("live", "cvfly_sk_live_"), ("test", "cvfly_sk_test_")] {
        let key = make(server, &json!({ "name": mode, "mode": mode }));
        assert!(text(&key, "key").starts_with(prefix), "{key:#}");
        assert_eq!((text(&key, "mode"), text(&key, "prefix")), (mode, prefix), "{key:#}");
    }
}

fn r012_r013_a_key_does_what_its_scopes_say(server: &Server) {
    let needs = [
        ("GET", "/jobs", "jobs:read"),
        ("GET", "/jobs/job_x", "jobs:read"),
        ("GET", "/jobs/job_x/wait", "jobs:read"),
        ("GET", "/jobs/job_x/tasks", "jobs:read"),
        ("GET", "/jobs/job_x/tasks/a", "jobs:read"),
        ("GET", "/account/ledger", "jobs:read"),
        ("POST", "/jobs", "jobs:write"),
        ("DELETE", "/jobs/job_x", "jobs:write"),
        ("POST", "/jobs/job_x/tasks/a/cancel", "jobs:write"),
        ("POST", "/jobs/job_x/tasks/a/retry", "jobs:write"),
        ("GET", "/api-keys", "*"),
        ("POST", "/api-keys", "*"),
        ("DELETE", "/api-keys/key_x", "*"),
        ("GET", "/account", ""),
    ];
    for scopes in [&["jobs:read"][..], &["jobs:write"], &["webhooks:manage"], &["*"]] {
        let made = make(server, &json!({ "name": "matrix", "scopes": scopes }));
        for (method, path, needed) in needs {
            let body = (method == "POST").then(|| json!({}));
            let answer = server.call_as(text(&made, "key"), method, path, body.as_ref());
            let may = needed.is_empty() || scopes.contains(&"*") || scopes.contains(&needed);
            assert_eq!(answer.status != 403, may, "{scopes:?} {method} {path}: {}", answer.status);
            assert_ne!(answer.status, 401, "{method} {path}: the key is valid");
            if !may {
                let error = answer.json();
                assert_eq!(
                    (error["code"].as_str(), error["details"]["required_scope"].as_str()),
                    (Some("FORBIDDEN"), Some(needed)),
                    "{error:#}"
                );
            }
        }
    }
}

fn r014_a_key_needs_a_name(server: &Server) {
    for body in [json!({}), json!({ "name": "" }), json!({ "name": 5 }), json!({ "scopes": ["*"] })] {
        let answer = server.call("POST", "/api-keys", Some(&body));
        assert_eq!((answer.status, answer.json()["details"]["field"].as_str()), (400, Some("name")), "{body}");
    }
    let made = make(server, &json!({ "name": "plain" }));
    assert_eq!(made["scopes"], json!(["*"]), "full access is the default");
    let array = server.call("POST", "/api-keys", Some(&json!([1])));
    assert_eq!((array.status, array.json()["code"].as_str()), (400, Some("INVALID_DATA")), "an object is needed");
    let form = server.send(
        "POST",
        &format!("{}/api/v1/api-keys", server.url),
        Some(&server.key),
        Some(b"name=a"),
        &[("content-type", "text/plain")],
    );
    assert_eq!(form.status, 400, "JSON is needed");
}

fn r015_r016_r379c_the_key_is_shown_at_its_making_alone(server: &Server) {
    let answer = server.call("POST", "/api-keys", Some(&json!({ "name": "once", "scopes": ["jobs:read"] })));
    assert_eq!(answer.header("cache-control"), Some("no-store"), "nobody keeps a copy");
    let made = answer.json()["data"].clone();
    assert!(text(&made, "id").starts_with("key_") && text(&made, "name") == "once", "{made:#}");
    assert_eq!(made["scopes"], json!(["jobs:read"]), "{made:#}");
    assert!(text(&made, "created_at").ends_with('Z'), "{made:#}");
    let key = text(&made, "key");
    let list = server.call("GET", "/api-keys", None);
    assert!(!String::from_utf8_lossy(&list.bytes).contains(key), "the list never shows a key");
    let mut redis = redis_client(&server.redis_url()).get_connection().expect("connect");
    let mut dump = String::new();
    for name in redis::cmd("KEYS").arg("*").query::<Vec<String>>(&mut redis).expect("keys") {
        if redis::cmd("TYPE").arg(&name).query::<String>(&mut redis).expect("a type") == "hash" {
            let fields: Vec<Vec<u8>> = redis::cmd("HGETALL").arg(&name).query(&mut redis).expect("a hash");
            dump.push_str(&fields.iter().map(|field| String::from_utf8_lossy(field)).collect::<String>());
        }
    }
    assert!(dump.contains(text(&made, "id")), "the record is there");
    assert!(!dump.contains(key) && !dump.contains(&key[14..44]), "the store has its hash alone");
}

fn r017_r019_the_list_tells_keys_apart(server: &Server) {
    let made = make(server, &json!({ "name": "seen" }));
    let (id, key) = (text(&made, "id"), text(&made, "key"));
    let find = || {
        let list = server.call("GET", "/api-keys", None).json();
        list["data"].as_array().expect("a list").iter().find(|entry| entry["id"] == id).cloned().expect("it is listed")
    };
    let entry = find();
    assert_eq!((text(&entry, "prefix"), text(&entry, "last4")), ("cvfly_sk_live_", &key[key.len() - 4..]), "{entry:#}");
    assert_eq!((entry.get("key"), &entry["last_used_at"]), (None, &Value::Null), "never used, never shown: {entry:#}");
    assert_eq!(server.call_as(key, "GET", "/account", None).status, 200, "it is used");
    let deadline = Instant::now() + Duration::from_secs(30);
    while find()["last_used_at"].is_null() {
        assert!(Instant::now() < deadline, "its use is noted");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn r019_unknown_scopes_are_refused_with_a_hint(server: &Server) {
    let answer = server.call("POST", "/api-keys", Some(&json!({ "name": "a", "scopes": ["jobs:writ"] })));
    let error = answer.json();
    assert_eq!((answer.status, error["code"].as_str()), (400, Some("INVALID_DATA")), "{error:#}");
    assert!(text(&error, "message").contains("did you mean `jobs:write`?"), "{error:#}");
    assert_eq!(
        (error["details"]["field"].as_str(), error["details"]["path"].as_str()),
        (Some("scopes"), Some("/scopes/0")),
        "{error:#}"
    );
}

fn a84_a85_revoked_keys_are_401_and_only_full_keys_manage_keys(server: &Server) {
    let made = make(server, &json!({ "name": "short-lived" }));
    let (id, key) = (text(&made, "id"), text(&made, "key"));
    assert_eq!(server.call_as(key, "GET", "/account", None).status, 200, "it opens");
    let revoked = server.call_as(key, "DELETE", &format!("/api-keys/{id}"), None);
    assert_eq!((revoked.status, revoked.bytes.len()), (204, 0), "a key may revoke itself");
    assert_eq!(server.call_as(key, "GET", "/account", None).status, 401, "and is 401 from then on");
    assert_eq!(server.call("DELETE", &format!("/api-keys/{id}"), None).status, 404, "twice is not found");
    let test = make(server, &json!({ "name": "sandbox", "mode": "test" }));
    let wider = server.call_as(text(&test, "key"), "POST", "/api-keys", Some(&json!({ "name": "a", "mode": "live" })));
    assert_eq!((wider.status, wider.json()["details"]["field"].as_str()), (403, Some("mode")), "a test key makes no live one");
    let like = server.call_as(text(&test, "key"), "POST", "/api-keys", Some(&json!({ "name": "a" }))).json();
    assert_eq!(like["data"]["mode"], "test", "but another test key: {like:#}");
    let live = make(server, &json!({ "name": "live" }));
    let reach = server.call_as(text(&test, "key"), "DELETE", &format!("/api-keys/{}", text(&live, "id")), None);
    assert_eq!(reach.status, 403, "and revokes no live one");
}

fn a86_a87_keys_of_an_account_share_its_jobs(server: &Server) {
    let writer = make(server, &json!({ "name": "writer", "scopes": ["jobs:write"] }));
    let reader = make(server, &json!({ "name": "reader", "scopes": ["jobs:read"] }));
    let job = json!({ "tasks": { "up": { "operation": "import/upload" } } });
    let created = server.call_as(text(&writer, "key"), "POST", "/jobs", Some(&job));
    let body = created.json();
    assert_eq!((created.status, body["data"]["status"].as_str()), (201, Some("WAITING")), "the writer reads its own write");
    assert_eq!(body["data"]["created_by_key"], writer["id"], "{body:#}");
    let path = format!("/jobs/{}", text(&body["data"], "id"));
    assert_eq!(server.call_as(text(&writer, "key"), "GET", &path, None).status, 403, "and nothing afterwards");
    assert_eq!(server.call_as(text(&reader, "key"), "GET", &path, None).status, 200, "another key of the account sees it");
}

fn the_last_full_key_stays(server: &Server) {
    server.admin_says(&["account", "create", "lonely", "--plan", "enterprise"]);
    let key = server.admin_says(&["key", "create", "lonely"]);
    let id = text(&server.call_as(&key, "GET", "/api-keys", None).json()["data"][0], "id").to_owned();
    let refused = server.call_as(&key, "DELETE", &format!("/api-keys/{id}"), None);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("CONFLICT")), "nobody could manage keys");
    let other = server.call_as(&key, "POST", "/api-keys", Some(&json!({ "name": "second" }))).json();
    assert_eq!(server.call_as(&key, "DELETE", &format!("/api-keys/{id}"), None).status, 204, "with another one it may go");
    assert_eq!(server.call_as(&key, "GET", "/account", None).status, 401, "gone");
    let (id, key) = (text(&other["data"], "id"), text(&other["data"], "key"));
    server.admin_says(&["key", "revoke", "lonely", id]);
    assert_eq!(server.call_as(key, "GET", "/account", None).status, 401, "an operator may revoke the last one");
}

fn an_account_has_at_most_a_hundred_keys(server: &Server) {
    server.admin_says(&["account", "create", "keen", "--plan", "enterprise"]);
    let key = server.admin_says(&["key", "create", "keen"]);
    for i in 1..100 {
        let made = server.call_as(&key, "POST", "/api-keys", Some(&json!({ "name": format!("key {i}") })));
        assert_eq!(made.status, 201, "key {i}: {}", String::from_utf8_lossy(&made.bytes));
    }
    let full = server.call_as(&key, "POST", "/api-keys", Some(&json!({ "name": "one more" })));
    assert_eq!((full.status, full.json()["code"].as_str()), (409, Some("CONFLICT")), "{}", String::from_utf8_lossy(&full.bytes));
    assert_eq!(server.call_as(&key, "GET", "/api-keys", None).json()["data"].as_array().map(Vec::len), Some(100), "all listed");
}

#[test]
fn r018_a_revocation_is_felt_at_once_by_every_api_process() {
    let server = Server::start();
    let beside = server.beside();
    for round in 0..20 {
        let made = make(&server, &json!({ "name": format!("round {round}"), "scopes": ["jobs:read"] }));
        let key = text(&made, "key");
        for process in [&server, &beside] {
            assert_eq!(process.call_as(key, "GET", "/jobs", None).status, 200, "round {round}: it opens, and is remembered");
        }
        assert_eq!(server.call("DELETE", &format!("/api-keys/{}", text(&made, "id")), None).status, 204, "revoked");
        assert_eq!(server.call_as(key, "GET", "/jobs", None).status, 401, "round {round}: the very next request");
        // The other process may not have heard of it; the script that counts its requests has.
        let answers: Vec<u16> = (0..10).map(|_| beside.call_as(key, "GET", "/jobs", None).status).collect();
        assert!(answers.iter().all(|&status| status == 401), "round {round}: {answers:?}");
    }
}

#[tokio::test]
async fn what_is_remembered_of_keys_is_not_trusted_after_an_interruption() {
    let t = TestStore::start().await;
    let account = t.account("a", 1, 1).await;
    let key = |id: &str| ApiKey { id: id.into(), account: account.clone(), scopes: vec!["*".into()], ..ApiKey::default() };
    let hash = "00".repeat(32);
    t.store.put_key(&hash, &key("key_1")).await.expect("a key");
    t.store.put_key(&"01".repeat(32), &key("key_2")).await.expect("another one");
    let changed = async |before| {
        tokio::time::timeout(Duration::from_secs(60), async {
            while t.store.key_watch().stamp(&hash).is_none_or(|now| Some(now) == before) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("it is noticed");
        t.store.key_watch().stamp(&hash)
    };
    let first = changed(None).await;
    let client = redis_client(&t.redis.url());
    let mut connection = client.get_multiplexed_async_connection().await.expect("connect");
    let killed: u32 = redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query_async(&mut connection).await.expect("killed");
    assert!(killed > 0, "there was a subscription");
    let second = changed(first).await;
    t.store.revoke_key(&account, "key_1", Revoker::Live).await.expect("revoked");
    changed(second).await;
    assert_eq!(t.store.key_by_hash(&hash).await.expect("read"), None, "it opens nothing");
    let last = t.store.revoke_key(&account, "key_2", Revoker::Live).await;
    assert!(matches!(last, Err(StoreError::Conflict(_))), "the last one stays: {last:?}");
}

/// Converts a picture with one key; returns the job and the file.
fn converted(server: &Server, key: &str, file: &[u8], format: &str) -> (Value, Vec<u8>) {
    use base64::Engine;
    let file = base64::engine::general_purpose::STANDARD.encode(file);
    let job = json!({ "tasks": {
        "import": { "operation": "import/base64", "file": file, "filename": "picture.png" },
        "convert": { "operation": "convert", "input": ["import"], "output_format": format },
        "export": { "operation": "export/url", "input": ["convert"] },
    }});
    let created = server.call_as(key, "POST", "/jobs", Some(&job));
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    if key.starts_with("cvfly_sk_test_") {
        assert_eq!(created.header("x-credits-used"), Some("0"), "nothing is reserved");
    }
    let job = server.wait(text(&created.json()["data"], "id"));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    let file = server.download(&job).bytes;
    (job, file)
}

/// The grey value of a pixel of a PNG.
fn grey(file: &[u8], x: u32, y: u32) -> u8 {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("pixels");
    pixels[(y * info.width + x) as usize * info.color_type.samples()]
}

#[test]
fn a66_test_keys_are_free_and_their_outputs_are_marked() {
    let server = Server::start();
    let test = make(&server, &json!({ "name": "sandbox", "mode": "test" }));
    let key = text(&test, "key");
    let ground = pictures::plain_png(200, 100, 128);
    for format in ["jpg", "png", "gif", "bmp", "tiff", "webp"] {
        let (job, file) = converted(&server, key, &ground, format);
        assert_eq!((&job["test"], &job["credits_used"]), (&json!(true), &json!(0)), "{job:#}");
        assert_eq!(job["tasks"]["convert"]["credits"], 0, "{job:#}");
        let (live, shown) = converted(&server, &server.key, &file, "png");
        assert_eq!((live.get("test"), &live["credits_used"]), (None, &json!(1)), "{live:#}");
        // Dots are three pixels wide here: the bar of the T, and the ground left of its stem.
        let (bar, left) = (grey(&shown, 7, 1), grey(&shown, 1, 16));
        assert!(bar < 80 && left > 100, "{format}: the word TEST stands there: {bar} {left}");
    }
    let (_, unmarked) = converted(&server, &server.key, &ground, "png");
    assert!(grey(&unmarked, 7, 1) > 100, "a live key marks nothing");
    let (_, tiny) = converted(&server, key, &pictures::plain_png(1, 1, 255), "png");
    assert!(grey(&tiny, 0, 0) < 100, "one pixel is marked, too");

    let list = server.call_as(key, "GET", "/jobs?limit=100", None).json();
    let jobs = list["data"].as_array().expect("a list");
    assert_eq!(jobs.iter().filter(|job| job["test"] == true).count(), 7, "test jobs say so in the account's one list");
    assert_eq!(jobs.iter().filter(|job| job.get("test").is_none()).count(), 7, "beside the live ones");
    let account = server.call_as(key, "GET", "/account", None);
    assert_eq!(account.json()["data"]["credits_used"], 7, "live jobs alone are paid");
    let ledger = server.call("GET", "/account/ledger?limit=100", None).json();
    assert_eq!(ledger["data"].as_array().map(Vec::len), Some(1 + 2 * 7), "and stand in the ledger: {ledger:#}");
}

#[test]
fn a66_a_test_key_works_without_credits() {
    let server = Server::start();
    server.admin_says(&["account", "create", "broke", "--plan", "enterprise", "--credits", "0"]);
    let live = server.admin_says(&["key", "create", "broke"]);
    let test = server.admin_says(&["key", "create", "broke", "--test"]);
    let job = json!({ "tasks": {
        "up": { "operation": "import/upload" },
        "convert": { "operation": "convert", "input": ["up"], "output_format": "png" },
    }});
    assert_eq!(server.call_as(&live, "POST", "/jobs", Some(&job)).status, 402, "a live one costs");
    let free = server.call_as(&test, "POST", "/jobs", Some(&job));
    assert_eq!((free.status, free.header("x-credits-remaining")), (201, Some("0")), "a test one does not");
}
