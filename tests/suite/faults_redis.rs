//! Redis hangs, dies, loses its tail, its disk, or its latest past (F2, F3, F5).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use convertfly_scheduler::store::{Finished, NewAccount, Store, StoreError};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::fleet::Fleet;
use crate::support::own_redis::{OwnRedis, SmallDisk, copy_folder};
use crate::support::pictures;
use crate::support::redis::{TTL, chain, result};
use crate::support::server::Server;

/// Seconds that Redis is away: 5 here, 60 in the long form.
fn outage() -> Duration {
    Duration::from_secs(std::env::var("CONVERTFLY_OUTAGE_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5))
}

async fn account(store: &Store) -> String {
    let id = "acct_default".to_owned();
    let new = NewAccount {
        id: id.clone(),
        name: "default".into(),
        plan: "enterprise".into(),
        weight: 1,
        max_concurrent_jobs: 1000,
        max_waiting_jobs: 1000,
        requests_per_minute: 1_000_000,
        credits: 1000,
    };
    store.create_account(&new).await.expect("an account");
    id
}

/// What one call of the load saw.
#[derive(Debug)]
struct Seen {
    at: Instant,
    took: Duration,
    status: u16,
    retry_after: bool,
}

/// Reads and writes until told to stop.
fn load(server: &Arc<Server>, stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<Vec<Seen>>> {
    let job = json!({"tasks": {"in": {"operation": "import/upload", "filename": "a.png"}}});
    let call = move |server: &Server, which: usize| match which {
        0 => server.call("GET", "/account", None),
        1 => server.call("GET", "/jobs?limit=5", None),
        _ => server.call("POST", "/jobs", Some(&job)),
    };
    let thread = |which: usize| {
        let (server, stop, call) = (Arc::clone(server), Arc::clone(stop), call.clone());
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let at = Instant::now();
                let answer = call(&server, which);
                let retry_after = answer.header("retry-after").is_some();
                seen.push(Seen { at, took: at.elapsed(), status: answer.status, retry_after });
                std::thread::sleep(Duration::from_millis(50));
            }
            seen
        })
    };
    (0..3).map(thread).collect()
}

/// A server on `redis`, its load, an outage between `begin` and `end`, and what must be true of all that.
async fn outlive(url: String, begin: impl AsyncFnOnce(), end: impl AsyncFnOnce()) {
    let server = Arc::new(Server::start_with(&[("CONVERTFLY_REDIS_URL", &url), ("CONVERTFLY_LEASE_MS", "2000")]));
    let before = server.convert(&pictures::png(8, 8, 1), "a.png", "png", &json!({}));
    let stop = Arc::new(AtomicBool::new(false));
    let load = load(&server, &stop);
    tokio::time::sleep(Duration::from_millis(500)).await;
    begin().await;
    let (began, probe) = (Instant::now(), Arc::clone(&server));
    tokio::time::sleep(outage() / 2).await;
    let health = move |path: &str| probe.send("GET", &format!("{}{path}", probe.url), None, None, &[]).status;
    let (health, statuses) = tokio::task::spawn_blocking(move || {
        let statuses = [health("/healthz"), health("/readyz")];
        (health, statuses)
    })
    .await
    .expect("asked");
    assert_eq!(statuses, [200, 503], "it lives, and is not ready");
    tokio::time::sleep((outage() / 2).saturating_sub(Duration::from_millis(200))).await;
    let ended = Instant::now();
    end().await;
    tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + Duration::from_secs(60);
        while health("/readyz") != 200 {
            assert!(Instant::now() < deadline, "it is ready again by itself");
            std::thread::sleep(Duration::from_millis(50));
        }
    })
    .await
    .expect("ready");
    let recovered = ended.elapsed();
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let seen: Vec<Seen> = load.into_iter().flat_map(|thread| thread.join().expect("the load ends well")).collect();

    let mut away = 0;
    for call in &seen {
        let expected = matches!(call.status, 200 | 201) || (call.status == 503 && call.retry_after);
        assert!(expected, "only 503 with Retry-After is documented: {call:?}");
        assert!(call.took < Duration::from_secs(20), "nobody hangs: {call:?}");
        away += usize::from(call.status == 503);
    }
    assert!(away > 0, "the load met the outage");
    let during = seen.iter().filter(|call| call.at > began && call.at < ended);
    let slowest = during.map(|call| call.took).max().unwrap_or_default();
    println!("F2: {} calls, {away} times 503, slowest {slowest:?}, ready {recovered:?} after the return", seen.len());
    // What was acknowledged is all there, and work goes on.
    let server = Arc::into_inner(server).expect("the load has ended");
    let id = before["id"].as_str().expect("an id");
    assert_eq!(server.call("GET", &format!("/jobs/{id}"), None).json()["data"]["status"], "FINISHED", "nothing is lost");
    let created = seen.iter().filter(|call| call.status == 201).count() as u64;
    let total = server.call("GET", "/jobs", None).json()["meta"]["total"].as_u64().expect("a total");
    assert!(total > created, "every acknowledged job exists: {total} for {created} and one before");
    let after = server.convert(&pictures::png(8, 8, 2), "b.png", "png", &json!({}));
    assert_eq!(after["status"], "FINISHED", "and it converts: {after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f2_a_redis_that_hangs_is_answered_with_503_and_outlived() {
    let folder = tempfile::tempdir().expect("a folder");
    let redis = OwnRedis::start(&folder.path().join("r"), "always").await;
    account(&redis.store().await).await;
    outlive(redis.url(), async || redis.process.signal(Signal::STOP), async || redis.process.signal(Signal::CONT)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f2_roles_that_start_before_their_redis_answers_wait_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let redis = OwnRedis::start(&folder.path().join("r"), "always").await;
    redis.process.signal(Signal::STOP);
    let fleet = Fleet::new(folder.path(), redis.url(), folder.path().join("storage"));
    let mut members = [fleet.api(None), fleet.worker()];
    // Longer than they try to connect at once.
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(members.iter().all(|member| member.ready().is_none()), "nobody is ready without Redis");
    redis.process.signal(Signal::CONT);
    for member in &mut members {
        member.wait_ready();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f2_a_redis_that_is_gone_is_answered_with_503_and_outlived() {
    let folder = tempfile::tempdir().expect("a folder");
    let redis = OwnRedis::start(&folder.path().join("r"), "always").await;
    account(&redis.store().await).await;
    let (url, path) = (redis.url(), folder.path().join("r"));
    let mut again = None;
    outlive(
        url,
        async || redis.kill(),
        async || {
            again = Some(OwnRedis::start(&path, "always").await);
        },
    )
    .await;
}

/// The file of the append-only log that grows.
fn log_file(folder: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder.join("appendonlydir")).expect("the log's folder").flatten();
    files.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("a growing file")
}

#[tokio::test]
async fn f3_a_log_that_was_cut_off_loads_and_loses_no_more_than_its_tail() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r");
    let redis = OwnRedis::start(&path, "always").await;
    let store = redis.store().await;
    let account = account(&store).await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        let job = chain(&account);
        store.submit(&job, &HashMap::new()).await.expect("submitted");
        jobs.push(job.id);
    }
    drop(store);
    redis.kill();
    for cut in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 100] {
        let copy = folder.path().join(format!("cut{cut}"));
        copy_folder(&path, &copy);
        let log = std::fs::OpenOptions::new().write(true).open(log_file(&copy)).expect("the log");
        let length = log.metadata().expect("its length").len();
        log.set_len(length - cut).expect("cut off");
        let redis = OwnRedis::start(&copy, "always").await;
        let store = redis.store().await;
        // A script is written as one: the last job is there or not, but never in part.
        let a = store.account(&account).await.expect("the account");
        let there = store.jobs(&account, 1, 20, None, None).await.expect("jobs");
        assert!(there.total >= 4, "{cut} bytes are less than a job: {} left", there.total);
        assert_eq!(a.held, there.total as i64, "{cut} bytes: what is held is what the jobs need");
        assert_eq!(a.balance + a.held + a.spent, a.granted, "{cut} bytes: the books agree");
        for id in &jobs[..4] {
            assert_eq!(store.job(&account, id).await.expect("a job").tasks.len(), 3, "{cut} bytes: whole");
        }
        redis.kill();
    }
}

#[tokio::test]
async fn f3_a_full_disk_refuses_and_recovers() {
    for appendfsync in ["always", "everysec"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r");
        let Some(disk) = SmallDisk::mount(&path, 24) else {
            println!("F3: not run, this user cannot mount a small disk");
            return;
        };
        let mut redis = OwnRedis::start(&path, appendfsync).await;
        let store = redis.store().await;
        let account = account(&store).await;
        let mut acknowledged = Vec::new();
        let ballast = disk.fill(0);
        // With `always` the server gives up, with `everysec` it refuses writes: either way nothing is acknowledged.
        let mut refused = 0;
        let deadline = Instant::now() + Duration::from_secs(60);
        while refused < 3 {
            let job = chain(&account);
            match store.submit(&job, &HashMap::new()).await {
                Ok(_) => acknowledged.push(job.id),
                Err(StoreError::Unavailable(_)) => refused += 1,
                Err(error) => panic!("{appendfsync}: a full disk is `unavailable`: {error}"),
            }
            assert!(Instant::now() < deadline, "{appendfsync}: writes are refused in the end");
        }
        std::fs::remove_file(ballast).expect("room again");
        if !matches!(redis.process.0.try_wait(), Ok(None)) {
            redis = OwnRedis::start(&path, appendfsync).await;
        }
        let job = chain(&account);
        while store.submit(&job, &HashMap::new()).await.is_err() {
            assert!(Instant::now() < deadline + Duration::from_secs(60), "{appendfsync}: it takes jobs again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        acknowledged.push(job.id);
        for id in &acknowledged {
            store.job(&account, id).await.unwrap_or_else(|e| panic!("{appendfsync}: {id} was acknowledged: {e}"));
        }
        let a = store.account(&account).await.expect("account");
        assert_eq!(a.balance + a.held + a.spent, a.granted, "{appendfsync}: the books agree");
        println!("F3: {appendfsync}: {} acknowledged, all there", acknowledged.len());
        redis.kill();
    }
}

#[tokio::test]
async fn f5_a_commit_from_a_forgotten_past_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, old) = (folder.path().join("r"), folder.path().join("old"));
    let redis = OwnRedis::start(&path, "always").await;
    let store = redis.store().await;
    let account = account(&store).await;
    let job = chain(&account);
    store.submit(&job, &HashMap::new()).await.expect("submitted");
    copy_folder(&path, &old);
    let shard = convertfly_scheduler::store::keys::shard_of(&account, 16);
    let lanes = [(convertfly_scheduler::catalog::Lane::Io, 1)];
    let sleeper = store.lease_from(shard, "sleeper", &lanes, TTL).await.expect("lease").remove(0);
    // Power fails, and the disk had not written what it said it had.
    redis.kill();
    std::fs::remove_dir_all(&path).expect("the newer past is gone");
    std::fs::rename(&old, &path).expect("the older one is back");
    let redis = OwnRedis::start(&path, "always").await;
    let store = redis.store().await;
    let early = store.finish("sleeper", &sleeper, &result(&sleeper), &Value::Null, &[], TTL).await.expect("an answer");
    assert!(matches!(early, Finished::Stale), "a lease that was never given: {early:?}");
    let heir = store.lease_from(shard, "heir", &lanes, TTL).await.expect("lease").remove(0);
    let count = |fence: &str| fence.split('-').nth(1).map(str::to_owned);
    assert_eq!(count(&heir.fence), count(&sleeper.fence), "the counter gives the same number again");
    assert_ne!(heir.fence, sleeper.fence, "but not the same fence");
    let late = store.finish("sleeper", &sleeper, &result(&sleeper), &Value::Null, &[], TTL).await.expect("an answer");
    assert!(matches!(late, Finished::Stale), "nor one that is another's now: {late:?}");
    let made = result(&heir);
    store.finish("heir", &heir, &made, &Value::Null, &[], TTL).await.expect("finish");
    let record = store.job(&account, &job.id).await.expect("job");
    assert_eq!(record.tasks[0].result.as_ref(), Some(&made), "the heir's object counts");
    redis.kill();
}
