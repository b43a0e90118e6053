//! Credits over HTTP: prices, reservation, refund, retry, the ledger, and what happens when the books do not add up.

use std::collections::HashMap;
use std::time::Duration;

use convertfly_scheduler::storage::{Storage, StorageConfig};
use convertfly_scheduler::store::{Audit, StoreError, Truth, keys};
use convertfly_scheduler::upkeep::{self, UpkeepConfig};
use redis::Commands;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::pictures;
use crate::support::redis::{TTL, TestStore, chain, redis_client, result};
use crate::support::server::{Answer, Server};

/// An account of its own with that many credits; returns a key of it.
fn account(server: &Server, name: &str, credits: u32) -> String {
    server.admin_says(&["account", "create", name, "--plan", "enterprise", "--credits", &credits.to_string()]);
    server.admin_says(&["key", "create", name])
}

/// A job of one credit that waits for its file.
fn waiting_job() -> Value {
    json!({ "tasks": {
        "up": { "operation": "import/upload", "filename": "a.png" },
        "convert": { "operation": "convert", "input": ["up"], "output_format": "png" },
    }})
}

/// A job of one credit on these bytes.
fn job(bytes: &[u8]) -> Value {
    use base64::Engine;
    let file = base64::engine::general_purpose::STANDARD.encode(bytes);
    json!({ "tasks": {
        "import": { "operation": "import/base64", "file": file, "filename": "a.png" },
        "convert": { "operation": "convert", "input": ["import"], "output_format": "png" },
    }})
}

fn id(answer: &Answer) -> String {
    answer.json()["data"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no job: {}", String::from_utf8_lossy(&answer.bytes)))
        .to_owned()
}

fn wait(server: &Server, key: &str, id: &str) -> Value {
    let answer = server.call_as(key, "GET", &format!("/jobs/{id}/wait?timeout=120"), None);
    assert_eq!(answer.status, 200, "it ends: {}", String::from_utf8_lossy(&answer.bytes));
    answer.json()["data"].clone()
}

/// Remaining, reserved and used, as the account shows them.
fn pots(server: &Server, key: &str) -> [i64; 3] {
    let data = server.call_as(key, "GET", "/account", None).json()["data"].clone();
    ["credits_remaining", "credits_reserved", "credits_used"].map(|pot| data[pot].as_i64().unwrap_or_else(|| panic!("{data:#}")))
}

/// The whole ledger, the newest entry first, by pages of three.
fn ledger(server: &Server, key: &str) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.call_as(key, "GET", &format!("/account/ledger?limit=3&cursor={cursor}"), None).json();
        entries.extend(page["data"].as_array().expect("entries").iter().cloned());
        match page["meta"]["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return entries,
        }
    }
}

fn kinds(ledger: &[Value]) -> Vec<(&str, i64, i64)> {
    let entry =
        |entry: &'_ Value| (entry["balance_change"].as_i64().unwrap_or(99), entry["balance_after"].as_i64().unwrap_or(99));
    ledger.iter().rev().map(|e| (e["kind"].as_str().unwrap_or("?"), entry(e).0, entry(e).1)).collect()
}

#[test]
fn credits_over_http() {
    let server = Server::start();
    r365_a_new_account_has_fifty_credits(&server);
    r360_every_image_pair_costs_one(&server);
    r361_r362_a64_the_headers_tell_the_balance(&server);
    r342_r364_a_job_that_is_not_covered_leaves_nothing(&server);
    a60_a61_r363_reserved_settled_refunded_and_charged_again(&server);
    a62_each_input_is_paid(&server);
    a60_a_source_that_nobody_knew_is_paid_by_what_it_was(&server);
    a65_the_account_and_its_ledger(&server);
    t20_sixty_four_submits_race_for_ten_credits(&server);
    books_that_are_apart_stop_the_charging(&server);
}

fn r365_a_new_account_has_fifty_credits(server: &Server) {
    server.admin_says(&["account", "create", "fresh", "--plan", "free"]);
    let key = server.admin_says(&["key", "create", "fresh"]);
    let answer = server.call_as(&key, "GET", "/account", None);
    assert_eq!(answer.json()["data"]["credits_remaining"], 50, "R365");
    assert_eq!(kinds(&ledger(server, &key)), [("grant", 50, 50)], "and an entry that says so");
}

fn r360_every_image_pair_costs_one(server: &Server) {
    let formats = server.call("GET", "/formats", None).json();
    let mut pairs = 0;
    for format in formats["data"].as_array().expect("formats").iter().filter(|format| format["category"] == "image") {
        for output in format["outputs"].as_array().expect("outputs") {
            // A video of an animation costs what a video costs.
            let price = if ["mp4", "webm"].iter().any(|video| output["format"] == *video) { 2 } else { 1 };
            assert_eq!(output["credits"], price, "{format:#}");
            pairs += 1;
        }
    }
    assert!(pairs >= 36, "six formats to six: {pairs}");
    let operations = server.call("GET", "/operations", None).json();
    for operation in operations["data"].as_array().expect("operations") {
        if operation["kind"] == "import" || operation["kind"] == "export" {
            assert_eq!(operation["credits"], 0, "imports and exports are free: {operation:#}");
        }
    }
}

fn r361_r362_a64_the_headers_tell_the_balance(server: &Server) {
    let key = account(server, "headers", 5);
    let created = server.call_as(&key, "POST", "/jobs", Some(&waiting_job()));
    assert_eq!((created.header("x-credits-used"), created.header("x-credits-remaining")), (Some("1"), Some("4")), "on the 201");
    for (method, path, status) in
        [("GET", "/account", 200), ("GET", "/jobs", 200), ("GET", "/jobs/job_none", 404), ("GET", "/jobs?limit=x", 400)]
    {
        let answer = server.call_as(&key, method, path, None);
        assert_eq!((answer.status, answer.header("x-credits-remaining")), (status, Some("4")), "{path}");
        assert_eq!(answer.header("x-credits-used"), None, "{path} costs nothing");
    }
}

fn r342_r364_a_job_that_is_not_covered_leaves_nothing(server: &Server) {
    let key = account(server, "poor", 1);
    let first = id(&server.call_as(&key, "POST", "/jobs", Some(&waiting_job())));
    let before = ledger(server, &key);
    let refused = server.call_as(&key, "POST", "/jobs", Some(&job(&pictures::png(4, 4, 1))));
    let error = refused.json();
    assert_eq!((refused.status, error["code"].as_str()), (402, Some("INSUFFICIENT_CREDITS")), "{error:#}");
    assert_eq!((&error["details"]["needed"], &error["details"]["balance"]), (&json!(1), &json!(0)), "{error:#}");
    assert_eq!((refused.header("x-credits-remaining"), refused.header("x-credits-used")), (Some("0"), None), "nothing is used");
    assert_eq!(server.call_as(&key, "GET", "/jobs", None).json()["meta"]["total"], 1, "no second job");
    assert_eq!(ledger(server, &key), before, "no entry");
    // A retry is not covered either: another job holds the only credit.
    assert_eq!(
        server.call_as(&key, "POST", &format!("/jobs/{first}/tasks/convert/cancel"), None).status,
        200,
        "its credit comes back"
    );
    let second = server.call_as(&key, "POST", "/jobs", Some(&job(b"no picture")));
    let second = wait(server, &key, &id(&second))["id"].as_str().expect("an id").to_owned();
    assert_eq!(pots(server, &key), [1, 0, 0], "a failure costs nothing");
    server.call_as(&key, "POST", "/jobs", Some(&waiting_job()));
    let retried = server.call_as(&key, "POST", &format!("/jobs/{second}/tasks/convert/retry"), None);
    assert_eq!((retried.status, retried.json()["code"].as_str()), (402, Some("INSUFFICIENT_CREDITS")), "R364");
    assert_eq!(pots(server, &key), [0, 1, 0], "and changes nothing");
    let left = server.call_as(&key, "GET", &format!("/jobs/{second}"), None).json();
    assert_eq!(left["data"]["status"], "ERROR", "{left:#}");
}

fn a60_a61_r363_reserved_settled_refunded_and_charged_again(server: &Server) {
    let key = account(server, "careful", 3);
    let created = server.call_as(&key, "POST", "/jobs", Some(&waiting_job()));
    assert_eq!(created.json()["data"]["credits_used"], 1, "used from the beginning, as the reference's samples have it");
    assert_eq!(pots(server, &key), [2, 1, 0], "reserved");
    let url = created.json()["data"]["tasks"]["up"]["result"]["url"].as_str().expect("a link").to_owned();
    assert_eq!(server.send("PUT", &url, None, Some(b"no picture"), &[]).status, 200, "a file that will fail");
    let failed = wait(server, &key, &id(&created));
    assert_eq!((&failed["status"], &failed["credits_used"]), (&json!("ERROR"), &json!(0)), "net of the refund: {failed:#}");
    assert_eq!(pots(server, &key), [3, 0, 0], "refunded");
    let retry = format!("/jobs/{}/tasks/convert/retry", id(&created));
    let retried = server.call_as(&key, "POST", &retry, None);
    assert_eq!((retried.status, retried.header("x-credits-used")), (200, Some("1")), "a retry costs again");
    assert_eq!(wait(server, &key, &id(&created))["credits_used"], 0, "and comes back again");
    let done = server.call_as(&key, "POST", "/jobs", Some(&job(&pictures::png(4, 4, 1))));
    assert_eq!(wait(server, &key, &id(&done))["credits_used"], 1, "a success is paid once");
    assert_eq!(pots(server, &key), [2, 0, 1], "settled");
    let expected = [
        ("grant", 3, 3),
        ("reserve", -1, 2),
        ("refund", 1, 3),
        ("reserve", -1, 2),
        ("refund", 1, 3),
        ("reserve", -1, 2),
        ("settle", 0, 2),
    ];
    assert_eq!(kinds(&ledger(server, &key)), expected, "an entry per movement");
}

/// Before it is read, it may be a video; then it is a picture.
fn a60_a_source_that_nobody_knew_is_paid_by_what_it_was(server: &Server) {
    let key = account(server, "unknown", 3);
    let mut body = job(&pictures::png(4, 4, 1));
    body["tasks"]["import"]["filename"] = json!("thing");
    body["tasks"]["convert"]["output_format"] = json!("webp");
    let created = server.call_as(&key, "POST", "/jobs", Some(&body));
    assert_eq!(created.header("x-credits-used"), Some("2"), "the dearest: {:#}", created.json());
    let done = wait(server, &key, &id(&created));
    assert_eq!((&done["status"], &done["credits_used"]), (&json!("FINISHED"), &json!(1)), "{done:#}");
    assert_eq!(done["tasks"]["convert"]["credits"], 1, "{done:#}");
    assert_eq!(pots(server, &key), [2, 0, 1], "the rest is back");
    let kinds = kinds(&ledger(server, &key)).iter().map(|entry| entry.0.to_owned()).collect::<Vec<_>>();
    assert_eq!(kinds, ["grant", "reserve", "settle", "refund"], "each movement has its entry");
}

fn a62_each_input_is_paid(server: &Server) {
    let mut body = waiting_job();
    body["tasks"]["second"] = json!({ "operation": "import/upload", "filename": "b.png" });
    body["tasks"]["convert"]["input"] = json!(["up", "second"]);
    let created = server.call("POST", "/jobs", Some(&body));
    assert_eq!(created.header("x-credits-used"), Some("2"), "two inputs, two credits");
}

fn a65_the_account_and_its_ledger(server: &Server) {
    let key = account(server, "reader", 7);
    let created = id(&server.call_as(&key, "POST", "/jobs", Some(&waiting_job())));
    server.admin_says(&["credits", "add", "reader", "5", "--note", "invoice 12"]);
    let data = server.call_as(&key, "GET", "/account", None).json()["data"].clone();
    assert_eq!((&data["name"], &data["plan"]), (&json!("reader"), &json!("enterprise")), "{data:#}");
    assert_eq!(pots(server, &key), [11, 1, 0], "remaining, reserved, used");
    assert!(data["limits"]["concurrent_jobs"].is_u64(), "{data:#}");
    let entries = ledger(server, &key);
    assert_eq!(kinds(&entries), [("grant", 7, 7), ("reserve", -1, 6), ("grant", 5, 11)], "in order");
    assert_eq!((&entries[0]["note"], &entries[1]["job_id"]), (&json!("invoice 12"), &json!(created)), "{entries:#?}");
    assert!(entries[0]["id"].as_str().is_some_and(|id| id.starts_with("led_")), "{entries:#?}");
    let sum: i64 = entries.iter().filter_map(|entry| entry["balance_change"].as_i64()).sum();
    assert_eq!(sum, 11, "the sum of the ledger is the balance");
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=1-1", "cursor=led_x", "cursor=led_1-1-1"] {
        let answer = server.call_as(&key, "GET", &format!("/account/ledger?{bad}"), None);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("INVALID_DATA")), "{bad}");
    }
    for edge in ["led_0-0", "led_00-00", "led_0-1", "led_18446744073709551615-18446744073709551615"] {
        let answer = server.call_as(&key, "GET", &format!("/account/ledger?cursor={edge}"), None);
        let rest = if edge.starts_with("led_1") { entries.len() } else { 0 };
        assert_eq!((answer.status, answer.json()["data"].as_array().map(Vec::len)), (200, Some(rest)), "{edge}");
    }
}

fn t20_sixty_four_submits_race_for_ten_credits(server: &Server) {
    let key = account(server, "racer", 10);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let submits: Vec<_> =
            (0..64).map(|_| scope.spawn(|| server.call_as(&key, "POST", "/jobs", Some(&waiting_job())).status)).collect();
        submits.into_iter().map(|submit| submit.join().expect("no panic")).collect()
    });
    let count = |status| statuses.iter().filter(|&&s| s == status).count();
    assert_eq!((count(201), count(402)), (10, 54), "exactly what the balance covers: {statuses:?}");
    assert_eq!(server.call_as(&key, "GET", "/jobs", None).json()["meta"]["total"], 10, "refused jobs leave nothing");
    assert_eq!(pots(server, &key), [0, 10, 0], "all reserved, none below zero");
    assert_eq!(ledger(server, &key).len(), 11, "a grant and ten reservations");
}

fn books_that_are_apart_stop_the_charging(server: &Server) {
    let key = account(server, "broken", 10);
    let id = server.call_as(&key, "GET", "/account", None).json()["data"]["id"].as_str().expect("an id").to_owned();
    let name = keys::account(keys::shard_of(&id, 16), &id);
    let mut redis = redis_client(&server.redis_url()).get_connection().expect("connect");
    for (how, balance) in [("--repair", 10), ("--accept", 15)] {
        let _: i64 = redis.hincr(&name, "balance", 5).expect("planted");
        let found: Value = serde_json::from_str(&server.admin_says(&["account", "audit", "broken", "--json"])).expect("JSON");
        assert_eq!((&found["agree"], &found["charging_stopped"]), (&json!(false), &json!(true)), "{found:#}");
        assert_eq!((&found["ledger"]["balance"], &found["figures"]["balance"]), (&json!(10), &json!(15)), "{found:#}");
        let refused = server.call_as(&key, "POST", "/jobs", Some(&waiting_job()));
        assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("UNAVAILABLE")), "nothing is charged");
        assert!(refused.json()["message"].as_str().is_some_and(|text| text.contains("Charging is stopped")), "and it says why");
        assert!(refused.header("retry-after").is_some(), "with a time to come again");
        assert_eq!(server.call_as(&key, "GET", "/jobs", None).status, 200, "reading goes on");
        let settled: Value =
            serde_json::from_str(&server.admin_says(&["account", "audit", "broken", how, "--json"])).expect("JSON");
        assert_eq!((&settled["settled"], &settled["credits_remaining"]), (&json!(true), &json!(balance)), "{how}: {settled:#}");
        let again: Value = serde_json::from_str(&server.admin_says(&["account", "audit", "broken", "--json"])).expect("JSON");
        assert_eq!((&again["agree"], &again["charging_stopped"]), (&json!(true), &json!(false)), "{how}: {again:#}");
    }
    assert_eq!(server.call_as(&key, "POST", "/jobs", Some(&waiting_job())).status, 201, "charged again");
    assert_eq!(kinds(&ledger(server, &key)), [("grant", 10, 10), ("correction", 5, 15), ("reserve", -1, 14)], "in the open");
}

#[test]
fn a61_an_operator_may_charge_for_files_that_fail() {
    let server = Server::start_with(&[("CONVERTFLY_REFUND_ON_ERROR", "false")]);
    let key = account(&server, "charged", 2);
    let failed = id(&server.call_as(&key, "POST", "/jobs", Some(&job(b"no picture"))));
    let failed = wait(&server, &key, &failed);
    assert_eq!((&failed["status"], &failed["credits_used"]), (&json!("ERROR"), &json!(1)), "{failed:#}");
    assert_eq!(pots(&server, &key), [1, 0, 1], "a file at fault is paid");
    let cancelled = server.call_as(&key, "POST", "/jobs", Some(&waiting_job()));
    server.call_as(&key, "POST", &format!("/jobs/{}/tasks/up/cancel", id(&cancelled)), None);
    assert_eq!(pots(&server, &key), [1, 0, 1], "what never ran is not");
}

#[tokio::test]
async fn t20_the_scheduler_finds_corrupted_books_counts_them_and_stops_charging() {
    let t = TestStore::start().await;
    let (good, bad) = (t.account("good", 10, 10).await, t.account("bad", 10, 10).await);
    let storage = Storage::open(&StorageConfig::local(t.folder.path().join("storage"))).await.expect("storage");
    let stop = CancellationToken::new();
    let role = UpkeepConfig { audit: Duration::from_millis(50), ..UpkeepConfig::default() };
    let running = tokio::spawn(upkeep::run(t.store.clone(), storage, role, stop.clone()));
    t.submit(&chain(&bad)).await;
    let mut redis = redis_client(&t.redis.url()).get_multiplexed_async_connection().await.expect("connect");
    let name = keys::account(keys::shard_of(&bad, 16), &bad);
    let _: i64 = redis::AsyncCommands::hincr(&mut redis, &name, "held", -1).await.expect("planted");
    tokio::time::timeout(Duration::from_secs(60), async {
        while t.store.counters().await.expect("counters").get("ledger_mismatches") != Some(&1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it is found");
    let refused = t.store.submit(&chain(&bad), &HashMap::new()).await;
    assert!(matches!(refused, Err(StoreError::Frozen)), "nothing more is charged: {refused:?}");
    t.submit(&chain(&good)).await;
    // Several rounds later it is still counted once.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(t.store.counters().await.expect("counters").get("ledger_mismatches"), Some(&1), "once per account");
    assert!(!t.store.account(&good).await.expect("account").frozen, "others go on");
    stop.cancel();
    running.await.expect("it ends");

    assert!(
        matches!(t.store.audit(&bad, true, u64::MAX >> 12).await.expect("audit"), Audit::StillApart(_)),
        "from the start, too"
    );
    assert_eq!(t.store.settle_books(&bad, Truth::Ledger).await.expect("settled"), 9, "by the ledger");
    t.assert_money(&bad).await;
    t.submit(&chain(&bad)).await;
}

#[tokio::test]
async fn a_ledger_is_dropped_behind_its_audit_alone_and_still_adds_up() {
    let t = TestStore::start().await;
    let account = t.account("a", 3_000, 5_000).await;
    let shard = keys::shard_of(&account, 16);
    let mut redis = redis_client(&t.redis.url()).get_multiplexed_async_connection().await.expect("connect");
    let run = async |jobs: usize| {
        for _ in 0..jobs {
            t.submit(&chain(&account)).await;
        }
        for _ in 0..2 {
            for lease in t.lease_all(5_000, TTL).await {
                t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await.expect("finish");
            }
        }
    };
    run(700).await;
    let length = |n: &mut redis::aio::MultiplexedConnection| {
        let mut n = n.clone();
        let name = keys::ledger(shard, &account);
        async move { redis::AsyncCommands::xlen::<_, u64>(&mut n, name).await.expect("a length") }
    };
    assert_eq!(length(&mut redis).await, 1_401, "a grant, and two entries a job");
    let kept = t.store.audit(&account, false, u64::MAX >> 12).await.expect("audit");
    assert!(matches!(kept, Audit::Agree(_)), "more than one batch of it: {kept:?}");
    assert_eq!(length(&mut redis).await, 1_401, "young entries stay");
    tokio::time::sleep(Duration::from_millis(5)).await;
    t.store.audit(&account, false, 0).await.expect("audit");
    t.store.audit(&account, false, 0).await.expect("audit");
    assert_eq!(length(&mut redis).await, 0, "old ones go");
    t.assert_money(&account).await;
    run(10).await;
    assert!(matches!(t.store.audit(&account, false, u64::MAX >> 12).await.expect("audit"), Audit::Agree(_)), "and it goes on");
    assert!(
        matches!(t.store.audit(&account, true, u64::MAX >> 12).await.expect("audit"), Audit::Agree(_)),
        "from the start, too"
    );
    t.assert_money(&account).await;
}
