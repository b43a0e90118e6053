//! A private Redis and a store on it, gone with the test.

use std::collections::HashMap;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::embedded::EmbeddedRedis;
use convertfly_scheduler::ids;
use convertfly_scheduler::job::NewJob;
use convertfly_scheduler::store::{Lease, NewAccount, Store, StoreError, Submitted};
use convertfly_scheduler::task::{FileRef, TaskResult, TaskSpec};
use tempfile::TempDir;

/// Long enough never to expire within a test.
pub(crate) const TTL: u64 = 600_000;

/// A store on its own Redis child.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) redis: EmbeddedRedis,
    /// Keeps the data directory until the test ends.
    pub(crate) folder: TempDir,
}

impl TestStore {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let redis = EmbeddedRedis::start(&folder.path().join("redis")).await.expect("redis-server starts");
        let url = redis.url();
        let store = patiently(|| Store::open(&url, 16)).await.expect("the store opens");
        Self { store, redis, folder }
    }

    /// An account with that many credits and slots.
    pub(crate) async fn account(&self, name: &str, credits: u64, concurrent: u64) -> String {
        let id = format!("acct_{name}");
        let account = NewAccount {
            id: id.clone(),
            name: name.into(),
            plan: "test".into(),
            weight: 1,
            max_concurrent_jobs: concurrent,
            max_waiting_jobs: 100_000,
            requests_per_minute: 6000,
            credits,
        };
        self.create(&account).await;
        id
    }

    /// Makes an account that is new; only where a reply was late it may be there by the next call.
    pub(crate) async fn create(&self, account: &NewAccount) {
        let calls = std::cell::Cell::new(0);
        let create = || {
            calls.set(calls.get() + 1);
            self.store.create_account(account)
        };
        let made = patiently(create).await.expect("create");
        let late = calls.get() > 1 && patiently(|| self.store.account(&account.id)).await.is_ok();
        assert!(made || late, "a new account");
    }

    pub(crate) async fn submit(&self, job: &NewJob) -> Submitted {
        self.store.submit(job, &HashMap::new()).await.expect("the job is accepted")
    }

    /// Leases one task from any shard; panics when none is ready.
    pub(crate) async fn lease(&self, ttl: u64) -> Lease {
        self.lease_all(1, ttl).await.into_iter().next().expect("a task is ready")
    }

    /// Leases at most `slots` tasks a lane from every shard.
    pub(crate) async fn lease_all(&self, slots: u32, ttl: u64) -> Vec<Lease> {
        let lanes: Vec<(Lane, u32)> = Lane::ALL.into_iter().map(|lane| (lane, slots)).collect();
        let mut leases = Vec::new();
        for shard in 0..self.store.shards() {
            leases.extend(self.store.lease_from(shard, "worker", &lanes, ttl).await.expect("lease"));
        }
        leases
    }

    /// Lets leases of one millisecond expire and reaps them, until `count` have been dealt with.
    pub(crate) async fn reap_until(&self, count: u64) {
        let mut done = 0;
        while done < count {
            let reaped = self.store.reap().await.expect("reap");
            done += reaped.requeued + reaped.lost + reaped.delayed + reaped.expired_uploads;
        }
    }

    /// The account's money adds up: by its own figures, and by its ledger.
    pub(crate) async fn assert_money(&self, account: &str) {
        let a = patiently(|| self.store.account(account)).await.expect("account");
        assert_eq!(a.balance + a.held + a.spent, a.granted, "nothing made, nothing lost: {a:?}");
        assert!(a.balance >= 0 && a.held >= 0 && a.spent >= 0, "no pot below zero: {a:?}");
        let sums = patiently(|| self.store.ledger_sums(account)).await.expect("ledger");
        assert_eq!(sums, [a.balance, a.held, a.spent], "the ledger tells the same");
    }

    /// Every event in the outboxes, as `event job task run`, sorted.
    pub(crate) async fn events(&self) -> Vec<String> {
        let mut connection = connect(&self.redis.url()).await.expect("connect");
        let mut events = Vec::new();
        for shard in 0..self.store.shards() {
            let reply: redis::streams::StreamRangeReply = redis::cmd("XRANGE")
                .arg(convertfly_scheduler::store::keys::outbox(shard))
                .arg("-")
                .arg("+")
                .query_async(&mut connection)
                .await
                .expect("outbox");
            for entry in reply.ids {
                let field = |name: &str| entry.get::<String>(name).unwrap_or_default();
                // A first run is not written.
                let run = entry.get::<String>("run").unwrap_or_else(|| "0".to_owned());
                events.push(format!("{} {} {} {run}", field("event"), field("job"), field("task")));
            }
        }
        events.sort();
        events
    }
}

/// Calls again while Redis does not answer in time, for half a minute: a disk that is being written to may keep it waiting.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(call: impl Fn() -> F) -> Result<T, StoreError> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match call().await {
            Err(StoreError::Unavailable(why)) if std::time::Instant::now() < deadline => {
                eprintln!("Redis keeps us waiting: {why}")
            }
            other => return other,
        }
    }
}

/// A client beside the store, for looking at what it wrote.
pub(crate) fn redis_client(url: &str) -> redis::Client {
    redis::Client::open(url).expect("a Redis URL")
}

/// A connection beside the store, patient with a busy machine.
pub(crate) async fn connect(url: &str) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    let patience = Some(std::time::Duration::from_secs(60));
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(patience).set_connection_timeout(patience);
    redis_client(url).get_multiplexed_async_connection_with_config(&config).await
}

/// A task of one credit in the cpu lane (or, without inputs, a free import in the io lane).
pub(crate) fn task(name: &str, input: &[&str]) -> TaskSpec {
    TaskSpec {
        name: name.into(),
        operation: if input.is_empty() { "import/url" } else { "convert" }.into(),
        input: input.iter().map(|&s| s.to_owned()).collect(),
        lane: if input.is_empty() { Lane::Io } else { Lane::Cpu },
        credits: u32::from(!input.is_empty()),
        ..TaskSpec::default()
    }
}

/// A job of these tasks.
pub(crate) fn job(account: &str, tasks: Vec<TaskSpec>) -> NewJob {
    NewJob { account: account.into(), id: ids::new_id("job"), tasks, ..NewJob::default() }
}

/// `import -> convert -> export`: one credit.
pub(crate) fn chain(account: &str) -> NewJob {
    let mut export = task("export", &["convert"]);
    export.credits = 0;
    export.lane = Lane::Io;
    job(account, vec![task("import", &[]), task("convert", &["import"]), export])
}

/// A result with one file, named after the fence.
pub(crate) fn result(lease: &Lease) -> TaskResult {
    TaskResult {
        files: vec![FileRef {
            file_id: ids::new_id("file"),
            key: format!("jobs/{}/{}/out/{}.0", lease.account, lease.job, lease.fence),
            filename: "a.png".into(),
            size: 1,
            format: Some("png".into()),
            ..FileRef::default()
        }],
        ..TaskResult::default()
    }
}
