//! F19: indexes that were damaged by hand are mended, whatever was lost, while work goes on.

use std::time::Duration;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::storage::{Storage, StorageConfig};
use convertfly_scheduler::store::{Failed, Finished, Lease, Store, keys};
use convertfly_scheduler::task::{ErrorCode, TaskError};
use convertfly_scheduler::upkeep::{self, UpkeepConfig};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::random::Random;
use crate::support::redis::{TTL, TestStore, chain, connect, job, result, task};

/// Takes tasks and finishes them until told to stop; every now and then it dies with one.
async fn work(store: Store, shard: u16, stop: CancellationToken, seed: u64) {
    let mut random = Random::new(seed);
    while !stop.is_cancelled() {
        let lanes = [(Lane::Io, 2), (Lane::Cpu, 2)];
        let Ok(leases) = store.lease_from(shard, "w", &lanes, 1000).await else { continue };
        tokio::time::sleep(Duration::from_millis(if leases.is_empty() { 10 } else { 1 })).await;
        for lease in leases {
            if random.below(20) > 0 {
                follow(&store, lease).await;
            }
        }
    }
}

async fn follow(store: &Store, lease: Lease) {
    let mut next = vec![lease];
    while let Some(lease) = next.pop() {
        let done = store.finish("w", &lease, &result(&lease), &Value::Null, &[Lane::Io, Lane::Cpu], 1000).await;
        let Ok(Finished::Committed { next: more }) = done else { return };
        next.extend(more);
    }
}

/// What the sweeper has mended so far, as all processes count it.
async fn mended(t: &TestStore) -> u64 {
    t.store.counters().await.expect("the counters").get("mended").copied().unwrap_or(0)
}

/// Removes members from every index, as a mistaken hand would; returns how many.
async fn damage(connection: &mut redis::aio::MultiplexedConnection, account: &str, shard: u16) -> u64 {
    let mut removed = 0;
    for index in [keys::leases(shard), keys::delayed(shard), keys::lane(shard, "io"), keys::lane(shard, "cpu")] {
        let count: u64 = redis::cmd("ZREMRANGEBYRANK").arg(index).arg(0).arg(1).query_async(connection).await.expect("removed");
        removed += count;
    }
    let lines = ["io", "cpu"].map(|lane| [keys::lane_tasks(shard, lane, account), keys::lane_begun(shard, lane, account)]);
    for list in lines.into_iter().flatten().chain([keys::waiting(shard, account)]) {
        let gone: Option<Vec<String>> = redis::cmd("RPOP").arg(list).arg(3).query_async(connection).await.expect("removed");
        removed += gone.map_or(0, |gone| gone.len() as u64);
    }
    removed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f19_damaged_indexes_are_mended_under_load() {
    let t = TestStore::start().await;
    let storage = Storage::open(&StorageConfig::local(t.folder.path().join("storage"))).await.expect("storage");
    let account = t.account("drift", 10_000, 60).await;
    let shard = keys::shard_of(&account, 16);
    let stop = CancellationToken::new();
    let config = UpkeepConfig { reap: Duration::from_millis(100), sweep: Duration::from_millis(500), ..UpkeepConfig::default() };
    let upkeep = tokio::spawn(upkeep::run(t.store.clone(), storage, config, stop.clone()));
    let workers: Vec<_> = (0..2).map(|seed| tokio::spawn(work(t.store.clone(), shard, stop.clone(), seed))).collect();
    let mut connection = connect(&t.redis.url()).await.expect("connect");

    let (mut jobs, mut removed) = (Vec::new(), 0);
    for round in 0..400 {
        let new = if round % 2 == 0 {
            chain(&account)
        } else {
            job(&account, vec![task("a", &[]), task("b", &["a"]), task("c", &["a"]), task("d", &["b", "c"])])
        };
        t.submit(&new).await;
        jobs.push(new.id);
        if round % 20 == 19 {
            removed += damage(&mut connection, &account, shard).await;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let mut open = 0;
        for status in [JobStatus::Waiting, JobStatus::Processing] {
            open += t.store.jobs(&account, 1, 1, Some(status), None).await.expect("jobs").total;
        }
        if open == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{open} jobs are unfinished");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for id in &jobs {
        let record = t.store.job(&account, id).await.expect("no job is lost");
        assert!(record.status.is_terminal(), "no job is stuck: {record:?}");
        for error in record.tasks.iter().filter_map(|task| task.error.as_ref()) {
            assert!(matches!(error.code, ErrorCode::WorkerLost | ErrorCode::InputTaskFailed), "{error:?}");
        }
    }
    let mended = mended(&t).await;
    println!("F19: {removed} entries removed by hand, {mended} places mended, {} jobs ended", jobs.len());
    assert!(removed > 20 && mended > 0, "there was something to mend: {removed} removed, {mended} mended");
    t.assert_money(&account).await;
    stop.cancel();
    for worker in workers {
        worker.await.expect("a worker ends");
    }
    upkeep.await.expect("the role ends");
}

/// Whatever one entry is taken away, one sweep puts it back; and where nothing is missing, it touches nothing.
#[tokio::test]
async fn f19_each_lost_place_is_found_and_a_sound_store_is_left_alone() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 2).await;
    let shard = keys::shard_of(&account, 16);
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let mut upload = job(&account, vec![task("a", &[]), task("b", &["a"])]);
    upload.tasks[0].awaits_upload = true;
    let jobs = [chain(&account), chain(&account), chain(&account), upload];
    for job in &jobs {
        t.submit(job).await;
    }
    let lease = t.lease(TTL).await;
    let pause = Duration::ZERO;
    // What became ready within the last moments counts as listed; let it age beyond the clock's step.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(t.store.sweep(pause).await.expect("sweep"), 0, "nothing is missing");
    let mut damage = async |command: &str, arguments: &[String]| {
        let gone: redis::Value =
            redis::cmd(command).arg(arguments).query_async(&mut connection).await.expect("an entry is removed");
        assert!(!matches!(gone, redis::Value::Int(0) | redis::Value::Nil), "{command} {arguments:?} removed something");
        let mended = t.store.sweep(pause).await.expect("sweep");
        assert!(mended > 0, "{command} {arguments:?} was noticed");
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(t.store.sweep(pause).await.expect("sweep"), 0, "once is enough after {command} {arguments:?}");
    };
    let reference = format!("{}/{}", lease.job, lease.spec.name);
    damage("ZREM", &[keys::leases(shard), reference]).await;
    damage("ZREM", &[keys::uploads(shard), format!("{}/a", jobs[3].id)]).await;
    damage("RPOP", &[keys::lane_tasks(shard, "io", &account)]).await;
    damage("DEL", &[keys::waiting(shard, &account)]).await;
    damage("ZREM", &[keys::lane(shard, "io"), account.clone()]).await;
    // A task that waits for its next attempt, whose pause is forgotten, would wait for ever.
    let paused = t.lease(TTL).await;
    let error = TaskError::new(ErrorCode::ServerError, "a fault of ours");
    let failed = t.store.fail(&paused, &error, &Value::Null, true).await.expect("fail");
    assert_eq!(failed, Failed::Requeued, "it is tried again later");
    damage("ZREM", &[keys::delayed(shard), format!("{}/{}", paused.job, paused.spec.name)]).await;
    assert!(mended(&t).await >= 6, "each is counted");
    // And everything still runs: the lease that was listed again, the ready task, the job that waits for a slot.
    let mut leases = vec![lease];
    while let Some(lease) = leases.pop() {
        t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await.expect("finish");
        leases.extend(t.lease_all(9, TTL).await);
    }
    for job in &jobs[..3] {
        assert_eq!(t.store.job(&account, &job.id).await.expect("job").status, JobStatus::Finished, "it ran to its end");
    }
}
