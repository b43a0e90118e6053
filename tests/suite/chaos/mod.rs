//! Real API and worker processes, killed, frozen and cut off from Redis at random, with tasks among the others that kill whoever
//! runs them: nothing is lost, paid twice or told twice.
//!
//! `CONVERTFLY_CHAOS_JOBS` sets the number of jobs: 400 here, 5,000 in the long form. Harm keeps pace with the jobs: a worker is
//! killed for every fifth, Redis for every 200th, a worker frozen for every 80th, an API killed for every 40th.

mod clients;
mod harm;
mod verify;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use convertfly_scheduler::ids;
use convertfly_scheduler::storage::{PutLimit, Storage, StorageConfig, StorageKey};
use convertfly_scheduler::store::NewAccount;
use convertfly_scheduler::task::FileRef;
use convertfly_scheduler::upkeep::{self, UpkeepConfig};
use tokio_util::sync::CancellationToken;

use crate::support::fleet::Fleet;
use crate::support::pictures;
use crate::support::redis::{TestStore, chain, redis_client};

/// For so many jobs, a worker is killed; frozen; Redis is killed; an API is killed.
const KILL: usize = 5;
const FREEZE: usize = 80;
const REDIS: usize = 200;
const API: usize = 40;

/// One job in so many is poison: whichever worker runs it dies.
const POISON: usize = 100;

/// What is done to the processes, and to what extent.
#[derive(Default, Debug)]
pub(crate) struct Counts {
    kills: AtomicU32,
    freezes: AtomicU32,
    redis_kills: AtomicU32,
    api_kills: AtomicU32,
    poisoned: AtomicU32,
}

/// What clients and harm share.
pub(crate) struct Scene {
    jobs: usize,
    /// Jobs that a client has begun to submit.
    begun: AtomicUsize,
    /// Clients that are not done: the last one may wait for its answer long after the others' jobs have ended.
    submitting: AtomicUsize,
    counts: Counts,
    /// Addresses of the APIs that answer.
    apis: std::sync::RwLock<Vec<String>>,
    /// Where poison is fetched from.
    poison_url: String,
}

impl Scene {
    fn is_poison(i: usize) -> bool {
        i % POISON == POISON / 2
    }

    /// Whether so much harm has been done that job `i` may come: so that every run is as bad as the next, however fast.
    fn due(&self, i: usize) -> bool {
        let done = |counter: &AtomicU32, every: usize| counter.load(Ordering::Relaxed) as usize * every > i;
        let c = &self.counts;
        done(&c.kills, KILL) && done(&c.redis_kills, REDIS) && done(&c.freezes, FREEZE) && done(&c.api_kills, API)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_t23_f1_f6_f18_nothing_is_lost_or_done_twice() {
    let jobs: usize = std::env::var("CONVERTFLY_CHAOS_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let t = TestStore::start().await;
    let root = t.folder.path().join("storage");
    let storage = Storage::open(&StorageConfig::local(&root)).await.expect("storage");
    let account = "acct_default".to_owned();
    let new = NewAccount {
        id: account.clone(),
        name: "default".into(),
        plan: "enterprise".into(),
        weight: 1,
        max_concurrent_jobs: 1000,
        max_waiting_jobs: 1_000_000,
        requests_per_minute: 100_000_000,
        credits: jobs as u64,
    };
    t.create(&new).await;
    let stop = CancellationToken::new();
    let upkeep = UpkeepConfig { reap: Duration::from_millis(200), ..UpkeepConfig::default() };
    let scheduler = tokio::spawn(upkeep::run(t.store.clone(), storage.clone(), upkeep, stop.clone()));
    let fleet = Fleet::new(t.folder.path(), t.redis.url(), root)
        .with("CONVERTFLY_LEASE_MS", harm::LEASE_MS.to_string())
        .with("CONVERTFLY_CPU_SLOTS", "1")
        .with("CONVERTFLY_IO_SLOTS", "4")
        .with("CONVERTFLY_ALLOW_NETS", "127.0.0.0/8");

    let start = Instant::now();
    let (poison_url, poison) = harm::poison();
    let scene = Arc::new(Scene {
        jobs,
        begun: AtomicUsize::new(0),
        submitting: AtomicUsize::new(0),
        counts: Counts::default(),
        apis: std::sync::RwLock::default(),
        poison_url,
    });
    let key = {
        let mut first = fleet.api(None);
        first.wait_ready();
        std::fs::read_to_string(fleet.data.join("api-key")).expect("the first start writes a key").trim().to_owned()
    };
    let ghost = tokio::spawn(harm::haunt(t.store.clone(), redis_client(&t.redis.url()), account.clone(), stop.clone()));
    let clients = clients::start(&scene, &key);
    harm::wreak(&t, &account, &fleet, &scene, &poison).await;
    let mut retries = 0;
    for client in clients {
        retries += client.join().expect("a client ends well");
    }
    stop.cancel();
    scheduler.await.expect("the scheduler role ends");
    let haunted = ghost.await.expect("the zombie ends");

    let seen = verify::verify(&t, &storage, &account, jobs).await;
    let c = &scene.counts;
    let figure = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
    println!(
        "chaos: {jobs} jobs, {} tasks in {:.0} s; kill -9: {} workers, {} of them by {} poison tasks, {} APIs, {} Redis; {} SIGSTOP, {haunted} commits by zombies, {retries} submits repeated; {seen:?}; 0 lost, 0 double-charged, 0 duplicate events",
        jobs * 3,
        start.elapsed().as_secs_f64(),
        figure(&c.kills),
        figure(&c.poisoned),
        jobs / POISON,
        figure(&c.api_kills),
        figure(&c.redis_kills),
        figure(&c.freezes),
    );
    assert!(haunted > 0 && scene.due(jobs - 1), "the run was chaotic: {c:?} {haunted}");
}

/// Stores the pictures and submits a job for each, without an API.
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
            page: None,
            remote: None,
        };
        t.store.submit(&job, &HashMap::from([("import".to_owned(), file)])).await.expect("submitted");
        submitted.push(job.id);
    }
    submitted
}
