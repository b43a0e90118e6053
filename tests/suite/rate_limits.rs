//! The rate limit: exact from many processes at once, on the clock's minute, told on every answer, and closed without Redis.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use convertfly_scheduler::store::keys;
use serde_json::json;

use crate::support::api::{Api, key_for};
use crate::support::redis::{TestStore, redis_client};
use crate::support::server::{Answer, Server};

fn number(answer: &Answer, name: &str) -> u64 {
    let text = answer.header(name).unwrap_or_else(|| panic!("{} without {name}: {:?}", answer.status, answer.headers));
    text.parse().unwrap_or_else(|_| panic!("{name}: {text}"))
}

/// The limit's headers are there, and agree with each other.
fn shows_the_limit(answer: &Answer, limit: u64) {
    assert_eq!(number(answer, "x-ratelimit-limit"), limit, "{:?}", answer.headers);
    let (left, reset) = (number(answer, "x-ratelimit-remaining"), number(answer, "x-ratelimit-reset"));
    assert!(left <= limit, "{:?}", answer.headers);
    let draft = answer.header("ratelimit").unwrap_or_default();
    assert!(draft.starts_with(&format!("\"rpm\";r={left};t=")), "the draft's header says the same: {draft}");
    assert_eq!(answer.header("ratelimit-policy"), Some(format!("\"rpm\";q={limit};w=60").as_str()), "the draft's policy");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    assert!(reset % 60 == 0 && reset + 60 > now && reset <= now + 60, "the end of the clock's minute: {reset} at {now}");
}

#[test]
fn r321_r323_r361_a64_a77_every_answer_tells_limits_and_credits() {
    let server = Server::start_with(&[("CONVERTFLY_STRANGER_REQUESTS", "10")]);
    let url = |path: &str| format!("{}{path}", server.url);
    let large = vec![b' '; 100 << 10];
    let json = [("content-type", "application/json")];
    for (method, path, body, status) in [
        ("GET", "/api/v1/account", None, 200),
        ("GET", "/api/v1/jobs/job_unknown", None, 404),
        ("GET", "/api/v1/nowhere", None, 404),
        ("GET", "/nowhere", None, 404),
        ("PATCH", "/api/v1/jobs", None, 405),
        ("OPTIONS", "/api/v1/jobs", None, 204),
        ("HEAD", "/api/v1/account", None, 200),
        ("POST", "/api/v1/jobs", Some(&b"{"[..]), 400),
        ("POST", "/api/v1/jobs/job_a/tasks/b/retry", Some(&large[..]), 413),
    ] {
        let answer = server.send(method, &url(path), Some(&server.key), body, &json);
        assert_eq!(answer.status, status, "{method} {path}");
        shows_the_limit(&answer, 6000);
        assert_eq!(answer.header("x-credits-remaining"), Some("1000000"), "{method} {path}");
        let refused = server.send(method, &url(path), Some("nonsense"), body, &json);
        shows_the_limit(&refused, 10);
        assert_eq!(refused.header("x-credits-remaining"), None, "{method} {path} without a valid key");
    }
    // Health and links to files are not requests of the API.
    let answer = server.send("GET", &url("/healthz"), None, None, &[]);
    assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (200, None), "health is not counted");
}

#[test]
fn r320_r322_r324_r348_r379d_one_request_too_many() {
    let server = Server::start_with(&[("CONVERTFLY_REQUESTS_PER_MINUTE", "7")]);
    // Twenty requests touch two minutes at most, so that at least one minute sees more than seven.
    let mut minutes: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for _ in 0..20 {
        let answer = server.call("GET", "/account", None);
        shows_the_limit(&answer, 7);
        let minute = minutes.entry(number(&answer, "x-ratelimit-reset")).or_default();
        if answer.status == 200 {
            minute.0 += 1;
            assert_eq!(number(&answer, "x-ratelimit-remaining"), u64::from(7 - minute.0), "counted down");
            continue;
        }
        minute.1 += 1;
        let seconds = number(&answer, "retry-after");
        assert!((1..=60).contains(&seconds), "until the minute ends: {seconds}");
        assert_eq!((answer.status, number(&answer, "x-ratelimit-remaining")), (429, 0), "{:?}", answer.headers);
        assert_eq!(
            answer.json(),
            json!({ "code": "TOO_MANY_REQUESTS", "message": format!("Rate limit exceeded. Retry after {seconds} seconds.") }),
            "code and message, nothing else"
        );
        assert_eq!(answer.header("x-credits-remaining"), Some("1000000"), "a refusal tells the credits, too");
    }
    assert!(minutes.values().all(|(accepted, _)| *accepted <= 7), "{minutes:?}");
    assert!(minutes.values().any(|(accepted, refused)| *accepted == 7 && *refused > 0), "{minutes:?}");
}

#[test]
fn a77_strangers_share_the_free_plan_by_address() {
    let proxied = Server::start_with(&[("CONVERTFLY_STRANGER_REQUESTS", "10"), ("CONVERTFLY_TRUSTED_PROXIES", "127.0.0.0/8")]);
    let direct = Server::start_with(&[("CONVERTFLY_STRANGER_REQUESTS", "10")]);
    let ask = |server: &Server, key: Option<&str>, from: &str| {
        server.send("GET", &format!("{}/api/v1/account", server.url), key, None, &[("x-forwarded-for", from)])
    };
    // Thirty requests of one stranger: some are refused, whatever minute it is.
    let statuses = |server: &Server, from: &dyn Fn(u32) -> String| -> Vec<u16> {
        (0..30).map(|i| ask(server, None, &from(i)).status).collect()
    };
    let same = statuses(&proxied, &|_| "198.51.100.1".into());
    assert!(same.contains(&401) && same.contains(&429), "one address, one bucket: {same:?}");
    assert_eq!(ask(&proxied, None, "198.51.100.2").status, 401, "another address has its own");
    let many = statuses(&proxied, &|i| format!("203.0.113.{i}"));
    assert!(many.iter().all(|status| *status == 401), "each its own: {many:?}");
    let forged = statuses(&direct, &|i| format!("203.0.113.{i}"));
    assert!(forged.contains(&429), "nobody's word is taken but a trusted proxy's: {forged:?}");
    for server in [&proxied, &direct] {
        assert_eq!(ask(server, Some(&server.key), "198.51.100.1").status, 200, "a key is not held up by strangers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t19_without_redis_nothing_is_let_through() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let api = Api::start(&t, &[]);
    assert_eq!(api.call(&key, "GET", "/account", None, &[]).status, 200, "with Redis");
    let TestStore { redis, folder: _folder, .. } = t;
    redis.stop().await;
    for (method, path) in [("GET", "/account"), ("GET", "/jobs"), ("POST", "/jobs")] {
        let answer = api.call(&key, method, path, Some("{}"), &[]);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{method} {path}");
        assert_eq!(answer.json()["code"], "UNAVAILABLE", "{method} {path}");
    }
    assert_eq!(api.call(&key, "GET", "/nowhere", None, &[]).status, 404, "what needs no store is answered without it");
    assert_eq!(api.call("nonsense", "GET", "/account", None, &[]).status, 401, "a refusal needs none");
}

/// Each wait holds a connection; one key must not hold them all.
#[test]
fn t18_a_key_waits_only_so_often_at_once() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let settings = folder.path().join("convertfly.toml");
    std::fs::write(&settings, "[api]\nwaits_per_key = 2\n").expect("a settings file");
    let server = Server::start_with(&[("CONVERTFLY_CONFIG", settings.to_str().expect("UTF-8"))]);
    let job = json!({ "tasks": { "in": { "operation": "import/upload", "filename": "a.png" } } });
    let id = server.call("POST", "/jobs", Some(&job)).json()["data"]["id"].as_str().expect("an id").to_owned();
    let wait = |seconds: u32| server.call("GET", &format!("/jobs/{id}/wait?timeout={seconds}"), None);
    let call = |what: &str| server.call("GET", &format!("/jobs/{id}/{what}"), None);
    let call = &call;
    std::thread::scope(|scope| {
        // One of them may find the loop below in its place.
        let hold = |what: &'static str| {
            scope.spawn(move || std::iter::repeat_with(|| call(what)).find(|answer| answer.status != 429).expect("an answer"))
        };
        let (waiter, stream) = (hold("wait?timeout=300"), hold("events"));
        // The two may take a moment to get there.
        let deadline = Instant::now() + Duration::from_secs(60);
        let refused = loop {
            let answer = wait(0);
            if answer.status == 429 {
                break answer;
            }
            assert_eq!(answer.status, 202, "not ended yet");
            assert!(Instant::now() < deadline, "two are waiting");
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!((refused.json()["details"]["limit"].as_u64(), refused.header("retry-after")), (Some(2), Some("5")), "why");
        assert_eq!(server.call("GET", &format!("/jobs/{id}"), None).status, 200, "anything else goes on");
        assert_eq!(server.call("DELETE", &format!("/jobs/{id}"), None).status, 204, "deleted");
        assert_eq!(waiter.join().expect("no panic").status, 404, "told at once");
        assert_eq!(stream.join().expect("no panic").status, 200, "a stream counts, too, and ends with the job");
    });
    assert_eq!(wait(0).status, 404, "the places are free again");
}

/// Many clients, several processes, one key: every window is used up and none is exceeded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t19_64_clients_use_every_window_and_exceed_none() {
    const CLIENTS: usize = 64;
    const WINDOWS: usize = 10;
    // The long form: `SUITE_RATE_WINDOW=60` hammers through ten minutes of the clock, with a breath between requests: 64 clients then still ask
    // many times as often as they may, and the machine is left to others.
    let seconds: u64 = std::env::var("SUITE_RATE_WINDOW").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let (limit, breath) = if seconds >= 60 { (1_000, Duration::from_millis(200)) } else { (100, Duration::ZERO) };
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let mut connection = redis_client(&t.redis.url()).get_multiplexed_async_connection().await.expect("connect");
    let name = keys::account(keys::shard_of(&account, 16), &account);
    let _: () = redis::cmd("HSET").arg(name).arg("rpm").arg(limit).query_async(&mut connection).await.expect("a limit");
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let window = (seconds * 1_000).to_string();
    let apis: Vec<Api> = (0..3).map(|_| Api::start(&t, &[("CONVERTFLY_RATE_WINDOW_MS", &window)])).collect();
    // By the end of the window that the answer names: accepted, refused.
    let seen: Mutex<BTreeMap<u64, (u64, u64)>> = Mutex::default();
    let until = Instant::now() + Duration::from_secs(seconds * (WINDOWS as u64 + 2));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (api, key, seen) = (&apis[client % apis.len()], &key, &seen);
            scope.spawn(move || {
                let agent = api.client();
                while Instant::now() < until {
                    let answer = agent.call(key, "GET", "/jobs?limit=1", None, &[]);
                    std::thread::sleep(breath);
                    let mut seen = seen.lock().expect("lock");
                    let window = seen.entry(number(&answer, "x-ratelimit-reset")).or_default();
                    match answer.status {
                        200 => window.0 += 1,
                        429 => window.1 += 1,
                        other => panic!("{other}: {}", String::from_utf8_lossy(&answer.bytes)),
                    }
                }
            });
        }
    });
    let seen = seen.into_inner().expect("lock");
    let (asked, accepted) = seen.values().fold((0, 0), |sum, (yes, no)| (sum.0 + yes + no, sum.1 + yes));
    println!("{asked} requests, {accepted} accepted, limit {limit} in {seconds} s: {seen:?}");
    assert!(seen.values().all(|(yes, _)| *yes <= limit), "no window is exceeded: {seen:?}");
    // The first and the last window were not hammered from end to end.
    let whole: Vec<_> = seen.values().skip(1).take(seen.len().saturating_sub(2)).collect();
    assert!(whole.len() >= WINDOWS, "{} whole windows", whole.len());
    assert!(whole.iter().all(|(yes, _)| yes * 100 >= limit * 99), "99 % of each is used: {seen:?}");
    assert!(whole.iter().all(|(_, no)| *no > 0), "there was more to be had: {seen:?}");
}
