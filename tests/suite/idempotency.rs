//! `Idempotency-Key`: a POST that is sent again is done once, wherever the process that did it died.

use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use crate::support::api::{Api, Client, key_for};
use crate::support::pictures;
use crate::support::redis::{TestStore, redis_client};
use crate::support::server::Answer;

/// A test waits that long for a claim to be given up; it takes ten seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Import and convert: one credit. It waits for an upload that never comes.
fn body(tag: &str) -> String {
    json!({ "tag": tag, "tasks": {
        "in": { "operation": "import/upload", "filename": "a.png" },
        "out": { "operation": "convert", "input": ["in"], "output_format": "jpg" },
    } })
    .to_string()
}

/// The same with the file in the request: it has to be stored before the job is.
fn body_with_file(tag: &str) -> String {
    let file = base64::engine::general_purpose::STANDARD.encode(pictures::png(8, 8, 1));
    json!({ "tag": tag, "tasks": {
        "in": { "operation": "import/base64", "file": file, "filename": "a.png" },
        "out": { "operation": "convert", "input": ["in"], "output_format": "jpg" },
    } })
    .to_string()
}

fn post(client: &Client, key: &str, once: &str, body: &str) -> Option<Answer> {
    client.attempt(key, "POST", "/jobs", Some(body), &[("idempotency-key", once)])
}

/// Sends a request again, as a client does, until it is answered by something else than "in a moment".
fn insist(client: &Client, key: &str, once: &str, body: &str) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = post(client, key, once, body).expect("an answer");
        if answer.status != 409 {
            return answer;
        }
        assert_eq!((answer.json()["code"].as_str(), answer.header("retry-after")), (Some("CONFLICT"), Some("1")), "in flight");
        assert!(Instant::now() < deadline, "the claim of a dead process is given up");
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn id(answer: &Answer) -> String {
    answer.json()["data"]["id"].as_str().unwrap_or_else(|| panic!("no job: {}", answer.json())).to_owned()
}

async fn jobs_and_holds(t: &TestStore, account: &str) -> (u64, i64) {
    t.assert_money(account).await;
    let jobs = t.store.jobs(account, 1, 100, None, None).await.expect("jobs").total;
    (jobs, t.store.account(account).await.expect("account").held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_wherever_the_api_dies_there_is_one_job_and_one_hold() {
    let t = TestStore::start().await;
    let healthy = Api::start(&t, &[]);
    let mut cases = Vec::new();
    for (i, place) in ["claimed", "before submit", "submitted", "done", "answered"].into_iter().enumerate() {
        let account = t.account(&format!("a{i}"), 10, 10).await;
        let key = key_for(&t.store, &account, &format!("key_a{i}"), &["*"]).await;
        cases.push((place, account, key));
    }
    std::thread::scope(|scope| {
        for (place, _, key) in &cases {
            let (t, healthy) = (&t, &healthy);
            scope.spawn(move || {
                let body = body_with_file(place);
                let mut doomed = Api::start(t, &[("CONVERTFLY_FAIL_POINT", place)]);
                assert!(post(&doomed.client(), key, "order-1", &body).is_none(), "{place}: the process dies over it");
                assert!(!doomed.process.wait().success(), "{place}: it is dead");
                let client = healthy.client();
                let answer = insist(&client, key, "order-1", &body);
                assert_eq!(answer.status, 201, "{place}: {}", answer.json());
                assert_eq!(answer.header("x-credits-used"), Some("1"), "{place}: paid once");
                let replayed = matches!(*place, "submitted" | "done" | "answered");
                assert_eq!(answer.header("idempotency-replayed").is_some(), replayed, "{place}: done before");
                let again = insist(&client, key, "order-1", &body);
                assert_eq!((again.status, id(&again)), (201, id(&answer)), "{place}: the same job");
                assert_eq!(again.header("idempotency-replayed"), Some("true"), "{place}");
                assert_eq!(again.header("x-credits-remaining"), Some("9"), "{place}: the balance is today's");
            });
        }
    });
    for (place, account, _) in &cases {
        assert_eq!(jobs_and_holds(&t, account).await, (1, 1), "{place}: one job, one credit held");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_process_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    const KEYS: usize = 24;
    let t = TestStore::start().await;
    let account = t.account("a", 1_000, 1_000).await;
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let mut deaths = 0;
    for round in 0..6 {
        let api = Api::start(&t, &[]);
        let client = api.client();
        std::thread::scope(|scope| {
            for n in 0..KEYS / 6 {
                let (client, key) = (client.clone(), &key);
                let name = format!("order-{round}-{n}");
                scope.spawn(move || post(&client, key, &name, &body(&name)));
            }
            // Between nothing done and everything done: another moment each round.
            std::thread::sleep(Duration::from_millis(4 * round + 1));
            api.kill();
            deaths += 1;
        });
    }
    let api = Api::start(&t, &[]);
    let mut ids = std::collections::HashSet::new();
    for round in 0..6 {
        for n in 0..KEYS / 6 {
            let name = format!("order-{round}-{n}");
            let answer = insist(&api.client(), &key, &name, &body(&name));
            assert_eq!((answer.status, answer.json()["data"]["tag"].as_str()), (201, Some(name.as_str())), "{name}");
            ids.insert(id(&answer));
        }
    }
    assert_eq!((deaths, ids.len()), (6, KEYS), "each key has a job of its own");
    assert_eq!(jobs_and_holds(&t, &account).await, (KEYS as u64, KEYS as i64), "and there is none beside them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_at_once_from_everywhere_is_done_once() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 100).await;
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let apis = [Api::start(&t, &[]), Api::start(&t, &[])];
    let body = body("one");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = |i: usize| {
            let (client, key, body) = (apis[i % 2].client(), &key, &body);
            scope.spawn(move || insist(&client, key, "\"order-1\"", body))
        };
        let asked: Vec<_> = (0..16).map(ask).collect();
        asked.into_iter().map(|answer| answer.join().expect("no panic")).collect()
    });
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.bytes == answers[0].bytes), "the very same answer");
    let fresh = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
    assert_eq!(fresh, 1, "one did it, the others were told");
    assert_eq!(jobs_and_holds(&t, &account).await, (1, 1), "one job");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_for_one_request_and_free_again_after_a_refusal() {
    let t = TestStore::start().await;
    let account = t.account("a", 1, 10).await;
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let other = key_for(&t.store, &account, "key_b", &["*"]).await;
    let api = Api::start(&t, &[]);
    let client = api.client();
    let send =
        |key: &str, path: &str, once: &str, body: &str| client.call(key, "POST", path, Some(body), &[("idempotency-key", once)]);
    // What was refused has done nothing, and may be mended.
    assert_eq!(send(&key, "/jobs", "k", "{}").status, 400, "refused");
    let made = send(&key, "/jobs", "k", &body("mine"));
    assert_eq!((made.status, made.header("idempotency-replayed")), (201, None), "mended: {}", made.json());
    let again = send(&key, "/jobs", "k", &body("mine"));
    assert_eq!((again.status, again.bytes == made.bytes), (201, true), "byte for byte");
    assert_eq!(again.header("x-credits-used"), Some("1"), "with the headers that belong to it");
    assert_ne!(again.header("x-request-id"), made.header("x-request-id"), "but a request of its own");
    // Another body, path or API key is another request.
    for (key, path, body) in
        [(&key, "/jobs", body("another")), (&key, "/jobs?x=1", body("mine")), (&other, "/jobs", body("mine"))]
    {
        let answer = send(key, path, "k", &body);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (422, Some("IDEMPOTENCY_KEY_REUSED")), "{path} {body}");
    }
    assert_eq!(send(&key, "/jobs", "poor", &body("mine")).status, 402, "no credits left");
    for bad in ["a b", ""] {
        let answer = send(&key, "/jobs", bad, &body("mine"));
        assert_eq!((answer.status, answer.json()["details"]["field"].as_str()), (400, Some("Idempotency-Key")), "{bad:?}");
    }
    // Cancel and retry, too: the second time the answer is the first one, not a conflict.
    let job = id(&made);
    let cancel = format!("/jobs/{job}/tasks/out/cancel");
    assert_eq!(send(&key, &cancel, "c", "").status, 200, "cancelled");
    let again = send(&key, &cancel, "c", "");
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")), "{}", again.json());
    assert_eq!(client.call(&key, "POST", &cancel, None, &[]).status, 409, "without a key it is a conflict");
    assert_eq!(client.call(&key, "GET", "/account", None, &[("idempotency-key", "k")]).status, 200, "GET needs none");
    assert_eq!(jobs_and_holds(&t, &account).await.0, 1, "one job in all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_stored_sealed_and_for_a_day() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let api = Api::start(&t, &[]);
    let made = post(&api.client(), &key, "my-own-order-number", &body("a-tag-of-mine")).expect("an answer");
    assert_eq!(made.status, 201, "{}", made.json());
    let mut connection = redis_client(&t.redis.url()).get_multiplexed_async_connection().await.expect("connect");
    let claims: Vec<String> = redis::cmd("KEYS").arg("*claim:*").query_async(&mut connection).await.expect("keys");
    assert_eq!(claims.len(), 1, "{claims:?}");
    let stored: Vec<(String, String)> = redis::cmd("HGETALL").arg(&claims[0]).query_async(&mut connection).await.expect("it");
    let answer = &stored.iter().find(|(field, _)| field == "answer").expect("an answer").1;
    let job = id(&made);
    for secret in ["a-tag-of-mine", "my-own-order-number", key.as_str(), job.as_str()] {
        assert!(!answer.contains(secret) && !claims[0].contains(secret), "{secret} must not be readable");
    }
    let ttl: i64 = redis::cmd("TTL").arg(&claims[0]).query_async(&mut connection).await.expect("a time");
    assert!((86_000..=86_400).contains(&ttl), "a day: {ttl} s");
    let view: Value = made.json();
    assert_eq!(view["data"]["tag"], "a-tag-of-mine", "the client has it all the same");
}

/// A key that is shown once is shown again to the client that lost the answer, and to nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r016_a_new_api_key_is_replayed_and_never_readable_in_the_store() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let api = Api::start(&t, &[]);
    let once = [("idempotency-key", "new-key-1")];
    let make = || api.call(&key, "POST", "/api-keys", Some(r#"{"name":"shop"}"#), &once);
    let (made, again) = (make(), make());
    let secret = made.json()["data"]["key"].as_str().unwrap_or_else(|| panic!("a key: {}", made.json())).to_owned();
    assert_eq!((again.status, again.json()["data"]["key"].as_str()), (201, Some(secret.as_str())), "the same key");
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "not another one");
    assert_eq!(again.header("cache-control"), Some("no-store"), "kept by nobody");
    let listed = api.call(&key, "GET", "/api-keys", None, &[]).json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2), "the first key and the new one: {listed}");
    // Everything that Redis holds, as it would be written to a dump.
    let mut connection = redis_client(&t.redis.url()).get_multiplexed_async_connection().await.expect("connect");
    let names: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("keys");
    for name in names {
        let dump: Vec<u8> = redis::cmd("DUMP").arg(&name).query_async(&mut connection).await.expect("a value");
        let all = [name, dump].concat();
        assert!(!all.windows(secret.len()).any(|part| part == secret.as_bytes()), "the key is readable in the store");
    }
    let used = api.call(&secret, "GET", "/account", None, &[]);
    assert_eq!(used.status, 200, "it works: {}", used.json());
}

/// Without the key the second request would be a conflict, and the secret lost with the first answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r301_a_new_webhook_is_made_once_and_its_secret_shown_again() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let api = Api::start(&t, &[]);
    let body = r#"{"url":"https://example.com/hook","events":["job.finished"]}"#;
    let make = |headers: &[(&str, &str)]| api.call(&key, "POST", "/webhooks", Some(body), headers);
    let made = make(&[("idempotency-key", "hook-1")]);
    assert_eq!(made.status, 201, "{}", made.json());
    let again = make(&[("idempotency-key", "hook-1")]);
    assert_eq!((again.status, again.bytes == made.bytes), (201, true), "byte for byte: {}", again.json());
    assert!(again.json()["data"]["signing_secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")), "the secret");
    assert_eq!(make(&[]).status, 409, "without the key it is another request, and a conflict");
    let listed = api.call(&key, "GET", "/webhooks", None, &[]).json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "one webhook: {listed}");
}
