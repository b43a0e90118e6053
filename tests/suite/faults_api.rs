//! The API dies at each step of a submit, and is replaced under load (F6, F21).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use convertfly_scheduler::storage::{Storage, StorageConfig};
use convertfly_scheduler::store::{NewAccount, keys};
use convertfly_scheduler::upkeep::{self, UpkeepConfig};
use redis::AsyncCommands;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::fleet::{Fleet, Member};
use crate::support::own_redis::OwnRedis;
use crate::support::pictures;
use crate::support::redis::{TestStore, connect};

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

/// A client as behind a load balancer: a fresh connection to some API that accepts one.
fn client(apis: Arc<RwLock<Vec<String>>>, key: String, stop: Arc<AtomicBool>, created: Arc<AtomicU32>, n: usize) -> Vec<String> {
    let mut faults = Vec::new();
    let mut i = 0;
    while !stop.load(Ordering::Relaxed) {
        i += 1;
        let urls = apis.read().expect("never poisoned").clone();
        let name = format!("client-{n}-{i}");
        // One that does not accept connections is none of the balancer's any more.
        let Some(stream) = urls.iter().find_map(|url| begin(url, &key, &name, 1.0).ok()) else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        match status(stream) {
            Some(201) => _ = created.fetch_add(1, Ordering::Relaxed),
            Some(503) => {}
            other => faults.push(format!("{name}: {other:?}")),
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f21_rolling_restarts_under_load_are_not_noticed() {
    let rounds: usize = std::env::var("CONVERTFLY_RESTARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let t = TestStore::start().await;
    let root = t.folder.path().join("storage");
    let storage = Storage::open(&StorageConfig::local(&root)).await.expect("storage");
    let account = account(&t.store, 1_000_000).await;
    let stop_role = CancellationToken::new();
    let role = tokio::spawn(upkeep::run(t.store.clone(), storage.clone(), UpkeepConfig::default(), stop_role.clone()));
    let fleet = Fleet::new(t.folder.path(), t.redis.url(), root);
    let mut members = [fleet.api(None), fleet.api(None)];
    let urls: Vec<String> = members.iter_mut().map(Member::wait_ready).collect();
    let key = std::fs::read_to_string(fleet.data.join("api-key")).expect("a key").trim().to_owned();
    let mut workers = [fleet.worker(), fleet.worker()];
    workers.iter_mut().for_each(|worker| _ = worker.wait_ready());
    let apis = Arc::new(RwLock::new(urls.clone()));
    let (stop, created) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let clients: Vec<_> = (0..2)
        .map(|n| {
            let (apis, key, stop, created) = (Arc::clone(&apis), key.clone(), Arc::clone(&stop), Arc::clone(&created));
            std::thread::spawn(move || client(apis, key, stop, created, n))
        })
        .collect();
    for round in 0..rounds {
        let i = round % 2;
        // As a deployment does: no new connections to the one that goes, then the signal, then its successor.
        apis.write().expect("never poisoned").retain(|url| *url != urls[i]);
        members[i].process.signal(Signal::TERM);
        workers[i].process.signal(Signal::TERM);
        assert!(members[i].process.wait().success(), "a drained API ends well");
        assert!(workers[i].process.wait().success(), "a drained worker ends well");
        members[i] = fleet.api(Some(host(&urls[i])));
        workers[i] = fleet.worker();
        members[i].wait_ready();
        workers[i].wait_ready();
        apis.write().expect("never poisoned").push(urls[i].clone());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let faults: Vec<String> = clients.into_iter().flat_map(|client| client.join().expect("a client ends well")).collect();
    assert!(faults.is_empty(), "no client noticed anything undocumented: {faults:?}");
    let created = created.load(Ordering::Relaxed);
    let shard = keys::shard_of(&account, t.store.shards());
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        let ended: u32 = connection.zcard(keys::expiry(shard)).await.expect("ended");
        if ended == created {
            break;
        }
        assert!(Instant::now() < deadline, "{ended} of {created} jobs have ended");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let a = t.store.account(&account).await.expect("account");
    assert_eq!((a.spent, a.held), (i64::from(created), 0), "each was done and paid once");
    t.assert_money(&account).await;
    let jobs: Vec<String> = connection.zrange(keys::account_jobs(shard, &account), 0, -1).await.expect("jobs");
    for id in jobs {
        let losses: u32 = t.store.job(&account, &id).await.expect("job").tasks.iter().map(|task| task.losses).sum();
        assert_eq!(losses, 0, "a drained worker is no lost one");
    }
    println!("F21: {rounds} restarts of an API and a worker, {created} jobs, 0 undocumented answers");
    stop_role.cancel();
    role.await.expect("the role ends");
}
