//! The API dies at each step of a submit (F6).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use convertfly_scheduler::store::NewAccount;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::fleet::{Fleet, Member};
use crate::support::own_redis::OwnRedis;
use crate::support::pictures;

async fn account(store: &convertfly_scheduler::store::Store, credits: u64) -> String {
    let id = "acct_default".to_owned();
    let new = NewAccount {
        id: id.clone(),
        name: "default".into(),
        plan: "enterprise".into(),
        weight: 1,
        max_concurrent_jobs: 1000,
        max_waiting_jobs: 100_000,
        requests_per_minute: 100_000_000,
        credits,
    };
    assert!(store.create_account(&new).await.expect("create"), "a new account");
    id
}

fn body() -> Value {
    use base64::Engine;
    let file = base64::engine::general_purpose::STANDARD.encode(pictures::png(16, 16, 1));
    json!({"tasks": {
        "import": {"operation": "import/base64", "file": file, "filename": "a.png"},
        "convert": {"operation": "convert", "input": ["import"], "output_format": "png"},
    }})
}

fn host(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// Sends the first `share` of a POST of the job under an Idempotency-Key; the connection stays open.
fn begin(url: &str, key: &str, idempotency: &str, share: f64) -> std::io::Result<TcpStream> {
    let body = body().to_string();
    let request = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nIdempotency-Key: {idempotency}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        host(url),
        body.len()
    );
    let mut stream = TcpStream::connect(host(url))?;
    let length = (request.len() as f64 * share) as usize;
    stream.write_all(&request.as_bytes()[..length])?;
    Ok(stream)
}

/// The status of the answer; nothing where the connection breaks off.
fn status(mut stream: TcpStream) -> Option<u16> {
    let mut answer = String::new();
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let _ = stream.read_to_string(&mut answer);
    answer.split(' ').nth(1)?.parse().ok()
}

/// Repeats the submit until it is answered with 201.
async fn retry(url: &str, key: &str, idempotency: &str) {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let (url, key, idempotency) = (url.to_owned(), key.to_owned(), idempotency.to_owned());
        let answer =
            tokio::task::spawn_blocking(move || status(begin(&url, &key, &idempotency, 1.0).ok()?)).await.expect("asked");
        match answer {
            Some(201) => return,
            Some(409 | 503) | None => {}
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "it is accepted in the end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f6_an_api_killed_at_any_step_of_a_submit_leaves_one_job_and_one_charge() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r");
    let mut redis = OwnRedis::start(&path, "always").await;
    let account = account(&redis.store().await, 100).await;
    let fleet = Fleet::new(folder.path(), redis.url(), folder.path().join("storage"));
    let mut api = fleet.api(None);
    let mut url = api.wait_ready();
    let key = std::fs::read_to_string(fleet.data.join("api-key")).expect("a key").trim().to_owned();
    let steps = ["in the head", "in the body", "before the script", "after the script", "after the answer"];
    for (n, step) in steps.iter().enumerate() {
        let name = format!("step-{n}");
        match *step {
            "in the head" => drop(begin(&url, &key, &name, 0.1).expect("sent")),
            "in the body" => {
                let stream = begin(&url, &key, &name, 0.9).expect("sent");
                tokio::time::sleep(Duration::from_millis(200)).await;
                kill(&mut api);
                drop(stream);
            }
            "before the script" | "after the script" => {
                // Redis holds still: the call waits for it with a command on the way, and its API dies.
                redis.process.signal(Signal::STOP);
                let stream = begin(&url, &key, &name, 1.0).expect("sent");
                tokio::time::sleep(Duration::from_millis(700)).await;
                kill(&mut api);
                drop(stream);
                if *step == "before the script" {
                    // What was on the way is lost with Redis.
                    redis.kill();
                    redis = OwnRedis::start(&path, "always").await;
                } else {
                    redis.process.signal(Signal::CONT);
                    assert!(redis.answers().await, "Redis goes on");
                }
            }
            _ => retry(&url, &key, &name).await,
        }
        kill(&mut api);
        api = fleet.api(None);
        url = api.wait_ready();
        retry(&url, &key, &name).await;
        let store = redis.store().await;
        let total = store.jobs(&account, 1, 1, None, None).await.expect("jobs").total;
        let a = store.account(&account).await.expect("account");
        assert_eq!((total, a.held), (n as u64 + 1, n as i64 + 1), "killed {step}: one job, charged once");
        let sums = store.ledger_sums(&account).await.expect("ledger");
        assert_eq!(sums, [a.balance, a.held, a.spent], "killed {step}: the ledger agrees");
    }
    drop(api);
    redis.kill();
}

fn kill(api: &mut Member) {
    api.process.signal(Signal::KILL);
    api.process.wait();
}
