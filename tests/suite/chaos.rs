//! Real worker processes, killed, frozen and cut off from Redis at random: nothing is lost, paid twice or told twice.
//!
//! `CONVERTFLY_CHAOS_JOBS` sets the number of jobs (1,000 here; thousands for a soak).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::Stdio;
use std::time::{Duration, Instant};

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::ids;
use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::storage::{PutLimit, Storage, StorageConfig, StorageKey};
use convertfly_scheduler::store::{Store, keys};
use convertfly_scheduler::task::{ErrorCode, FileRef, TaskStatus};
use convertfly_scheduler::upkeep::{self, UpkeepConfig};
use futures_util::StreamExt;
use redis::AsyncCommands;
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::support::pictures;
use crate::support::process::{Process, program};
use crate::support::redis::{TestStore, chain, redis_client, result};

const WORKERS: usize = 4;
const LEASE_MS: u64 = 1500;
/// Something bad happens this often.
const KILL_EVERY: Duration = Duration::from_millis(50);

#[derive(Default, Debug)]
struct Counts {
    kills: u32,
    freezes: u32,
    redis_kills: u32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice() {
    let jobs: usize = std::env::var("CONVERTFLY_CHAOS_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let t = TestStore::start().await;
    let root = t.folder.path().join("storage");
    let storage = Storage::open(&StorageConfig::local(&root)).await.expect("storage");
    let account = t.account("chaos", jobs as u64, 1_000_000).await;
    let stop = CancellationToken::new();
    let upkeep = UpkeepConfig { reap: Duration::from_millis(200), ..UpkeepConfig::default() };
    let scheduler = tokio::spawn(upkeep::run(t.store.clone(), storage.clone(), upkeep, stop.clone()));

    let start = Instant::now();
    let submitted = submit(&t, &storage, &account, jobs).await;
    let ghost = tokio::spawn(haunt(t.store.clone(), redis_client(&t.redis.url()), account.clone(), stop.clone()));
    let counts = wreak(&t, &account, &root, jobs).await;
    stop.cancel();
    scheduler.await.expect("the scheduler role ends");
    let haunted = ghost.await.expect("the zombie ends");

    let seen = verify(&t, &storage, &account, &submitted).await;
    println!(
        "chaos: {jobs} jobs, {} tasks in {:.0} s; {} worker kill -9, {} SIGSTOP, {} Redis kill -9, {haunted} commits by zombies; {seen:?}; 0 lost, 0 double-charged, 0 duplicate events",
        jobs * 3,
        start.elapsed().as_secs_f64(),
        counts.kills,
        counts.freezes,
        counts.redis_kills
    );
    assert!(
        counts.kills > 5 && counts.freezes > 0 && counts.redis_kills > 0 && haunted > 0,
        "the run was chaotic: {counts:?} {haunted}"
    );
}

/// Stores the pictures and submits a job for each.
pub(crate) async fn submit(t: &TestStore, storage: &Storage, account: &str, jobs: usize) -> Vec<String> {
    let mut submitted = Vec::new();
    for i in 0..jobs {
        let mut job = chain(account);
        job.tasks[0].operation = "import/base64".into();
        job.tasks[1].fields =
            serde_json::from_value(serde_json::json!({"output_format": "png", "options": {"width": 40}})).expect("fields");
        job.tasks[2].operation = "export/url".into();
        let bytes = pictures::png(64, 48, i as u32);
        let key = StorageKey::Upload { account: account.into(), job: job.id.clone(), slot: ids::new_id("up") };
        let size = bytes.len() as u64;
        let stream = futures_util::stream::iter([Ok(bytes::Bytes::from(bytes))]);
        let stored = storage.put_stream(&key, stream, PutLimit { max_bytes: size, exact: Some(size) }).await.expect("stored");
        let file = FileRef {
            file_id: ids::new_id("file"),
            key: key.to_string(),
            filename: format!("{i}.png"),
            size,
            format: None,
            sha256: Some(stored.sha256),
            crc32: Some(stored.crc32),
            width: None,
            height: None,
        };
        t.store.submit(&job, &HashMap::from([("import".to_owned(), file)])).await.expect("submitted");
        submitted.push(job.id);
    }
    submitted
}

/// A worker that comes back from the dead at the worst moment: it lets its lease run out, waits until another worker is at the
/// task, and commits all the same. Returns how often it tried; whether one of them counted is for the verification to see.
async fn haunt(store: Store, client: redis::Client, account: String, stop: CancellationToken) -> u32 {
    let shard = keys::shard_of(&account, store.shards());
    let mut tried = 0;
    while !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let Ok(mut leases) = store.lease_from(shard, "zombie", &[(Lane::Cpu, 1)], 1).await else { continue };
        let (Some(lease), Ok(mut connection)) = (leases.pop(), client.get_multiplexed_async_connection().await) else { continue };
        let key = keys::task(shard, &lease.job, &lease.spec.name);
        while !stop.is_cancelled() {
            let Ok((status, fence)) = connection.hmget::<_, _, (String, String)>(&key, &["status", "fence"][..]).await else {
                break;
            };
            if status == "PROCESSING" && fence != lease.fence {
                tried +=
                    u32::from(store.finish("zombie", &lease, &result(&lease), &serde_json::Value::Null, &[], 1).await.is_ok());
                break;
            }
            if status != "PROCESSING" && status != "WAITING" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    tried
}

/// Runs workers and does them harm until every job has ended.
async fn wreak(t: &TestStore, account: &str, root: &std::path::Path, jobs: usize) -> Counts {
    let data = t.folder.path().join("node");
    std::fs::create_dir_all(&data).expect("a data folder");
    let spawn = || {
        let mut command = program(&data);
        command.arg("worker").env("CONVERTFLY_REDIS_URL", t.redis.url()).env("CONVERTFLY_STORAGE", root);
        command.env("CONVERTFLY_LEASE_MS", LEASE_MS.to_string()).env("CONVERTFLY_CPU_SLOTS", "1").env("CONVERTFLY_LOG", "error");
        let log = std::env::var_os("SUITE_LOG").map_or_else(Stdio::null, |_| Stdio::inherit());
        Process(command.stdout(Stdio::null()).stderr(log).spawn().expect("a worker starts"))
    };
    let mut workers: Vec<Process> = (0..WORKERS).map(|_| spawn()).collect();
    let mut frozen: Vec<Option<Instant>> = vec![None; WORKERS];
    let mut counts = Counts::default();
    let deadline = Instant::now() + Duration::from_secs(60 + jobs as u64);
    let mut turn = 0usize;
    loop {
        tokio::time::sleep(KILL_EVERY).await;
        turn += 1;
        for (worker, since) in workers.iter().zip(&mut frozen) {
            if since.is_some_and(|since| since.elapsed() > Duration::from_millis(LEASE_MS * 2)) {
                worker.signal(Signal::CONT);
                *since = None;
            }
        }
        let victim = getrandom_below(WORKERS);
        if turn.is_multiple_of(17) {
            let pid = Pid::from_raw(t.redis.pid().cast_signed()).expect("Redis runs");
            let _ = kill_process(pid, Signal::KILL);
            counts.redis_kills += 1;
        } else if turn.is_multiple_of(5) && frozen[victim].is_none() {
            workers[victim].signal(Signal::STOP);
            frozen[victim] = Some(Instant::now());
            counts.freezes += 1;
        } else if frozen[victim].is_none() {
            workers[victim] = spawn();
            counts.kills += 1;
        }
        // How many are left is asked without the store's own words for it.
        if let Ok(a) = t.store.account(account).await
            && a.active_jobs == 0
        {
            return counts;
        }
        assert!(
            Instant::now() < deadline,
            "jobs are still unfinished after {:?}: {:?}",
            deadline,
            t.store.account(account).await
        );
    }
}

fn getrandom_below(n: usize) -> usize {
    let mut byte = [0u8; 1];
    getrandom::fill(&mut byte).expect("random bytes");
    usize::from(byte[0]) % n
}

/// Looks at everything afterwards; returns how many tasks ended how.
async fn verify(t: &TestStore, storage: &Storage, account: &str, submitted: &[String]) -> BTreeMap<String, usize> {
    let shard = keys::shard_of(account, t.store.shards());
    let client = redis_client(&t.redis.url());
    let mut connection = client.get_multiplexed_async_connection().await.expect("connect");
    let mut expected: BTreeSet<String> = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut spent = 0;
    for id in submitted {
        let job = t.store.job(account, id).await.expect("no job is lost");
        assert!(job.status.is_terminal(), "no job is stuck: {job:?}");
        let finished = job.tasks.iter().all(|task| task.status == TaskStatus::Finished);
        assert_eq!(finished, job.status == JobStatus::Finished, "a job is what its tasks are: {job:?}");
        expected.insert(format!("{} {id}  0", if finished { "job.finished" } else { "job.failed" }));
        for task in &job.tasks {
            let name = &task.spec.name;
            let ended = if task.status == TaskStatus::Finished { "task.finished" } else { "task.failed" };
            expected.insert(format!("{ended} {id} {name} 0"));
            match &task.error {
                None => *seen.entry("finished".into()).or_default() += 1,
                Some(error) => {
                    let code = error.code;
                    assert!(
                        matches!(code, ErrorCode::WorkerLost | ErrorCode::InputTaskFailed),
                        "the files are good, so a task fails only with its workers: {error:?}"
                    );
                    *seen.entry(format!("{code:?}")).or_default() += 1;
                }
            }
            if task.status == TaskStatus::Finished && name == "convert" {
                spent += 1;
                let file = &task.result.as_ref().expect("a result").files[0];
                // The object that counts was made by the lease that was valid when it was committed.
                let fence: String = connection.hget(keys::task(shard, id, name), "fence").await.expect("fence");
                assert!(
                    file.key.contains(&format!("/{fence}.")),
                    "{} was committed under the fence {fence}: a zombie's result",
                    file.key
                );
                check_object(storage, file).await;
            }
        }
    }
    let events = t.events().await;
    let distinct: BTreeSet<String> = events.iter().cloned().collect();
    assert_eq!(events.len(), distinct.len(), "no event twice");
    assert_eq!(distinct, expected, "an event for everything that ended, and none besides");
    t.assert_money(account).await;
    let a = t.store.account(account).await.expect("account");
    assert_eq!((a.held, a.spent), (0, spent), "exactly the finished conversions were paid");
    seen
}

/// A committed object is there, whole, and the picture that was asked for.
async fn check_object(storage: &Storage, file: &FileRef) {
    let key = StorageKey::parse(&file.key).expect("a key");
    let mut object = storage.get(&key, None).await.unwrap_or_else(|e| panic!("{} is missing: {e}", file.key));
    let mut bytes = Vec::new();
    while let Some(chunk) = object.stream.next().await {
        bytes.extend_from_slice(&chunk.expect("readable"));
    }
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(Some(&sha256), file.sha256.as_ref(), "{} is whole", file.key);
    assert_eq!(pictures::png_size(&bytes), Some((40, 30)), "{} is the picture asked for", file.key);
}
