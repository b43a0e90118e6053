//! The concurrent-jobs limit queues, in order; the waiting line is bounded; an unsafe Redis is refused.

use std::collections::HashMap;
use std::process::Stdio;

use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::store::{NewAccount, Store, StoreError, keys};
use serde_json::Value;

use crate::support::redis::{TTL, TestStore, connect, job, result, task};

#[tokio::test]
async fn jobs_beyond_the_limit_wait_in_order() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 2).await;
    let jobs: Vec<_> = (0..4).map(|_| job(&account, vec![task("in", &[])])).collect();
    let mut states = Vec::new();
    for job in &jobs {
        states.push(t.submit(job).await.status);
    }
    use JobStatus::{Processing, Waiting};
    assert_eq!(states, [Processing, Processing, Waiting, Waiting], "two slots");
    t.store.delete_job(&account, &jobs[2].id).await.expect("delete a waiting job");
    let first = t.lease(TTL).await;
    assert_eq!(first.job, jobs[0].id, "first come, first served");
    t.store.finish("w", &first, &result(&first), &Value::Null, &[], TTL).await.expect("finish");
    assert_eq!(
        t.store.job(&account, &jobs[3].id).await.expect("job").status,
        Processing,
        "the slot went to the next that still exists"
    );
    assert_eq!(t.store.account(&account).await.expect("account").active_jobs, 2, "two active again");
}

#[tokio::test]
async fn a_full_waiting_line_refuses_without_a_trace() {
    let t = TestStore::start().await;
    let new = NewAccount {
        id: "acct_x".into(),
        name: "x".into(),
        plan: "test".into(),
        weight: 1,
        max_concurrent_jobs: 1,
        max_waiting_jobs: 1,
        requests_per_minute: 1,
        credits: 5,
    };
    t.store.create_account(&new).await.expect("account");
    t.submit(&job("acct_x", vec![task("in", &[])])).await;
    t.submit(&job("acct_x", vec![task("in", &[])])).await;
    let refused = t.store.submit(&job("acct_x", vec![task("in", &[]), task("c", &["in"])]), &HashMap::new()).await;
    assert!(matches!(refused, Err(StoreError::QueueFull { limit: 1 })), "{refused:?}");
    assert_eq!(t.store.jobs("acct_x", 1, 20, None, None).await.expect("jobs").total, 2, "nothing was stored");
    assert_eq!(t.store.account("acct_x").await.expect("account").held, 0, "nothing was reserved");
}

#[tokio::test]
async fn a_cancelled_job_gives_up_its_place_and_a_retry_needs_one() {
    let t = TestStore::start().await;
    let new = NewAccount {
        id: "acct_y".into(),
        name: "y".into(),
        plan: "test".into(),
        weight: 1,
        max_concurrent_jobs: 1,
        max_waiting_jobs: 1,
        requests_per_minute: 1,
        credits: 5,
    };
    t.store.create_account(&new).await.expect("account");
    t.submit(&job("acct_y", vec![task("in", &[])])).await;
    let waiting = job("acct_y", vec![task("in", &[])]);
    t.submit(&waiting).await;
    t.store.cancel_task("acct_y", &waiting.id, "in").await.expect("cancelled in the line");
    let next = job("acct_y", vec![task("in", &[])]);
    assert_eq!(t.submit(&next).await.status, JobStatus::Waiting, "its place is free again");
    let refused = t.store.retry_task("acct_y", &waiting.id, "in").await;
    assert!(matches!(refused, Err(StoreError::QueueFull { limit: 1 })), "a retry waits like any other job: {refused:?}");
    assert_eq!(t.store.job("acct_y", &waiting.id).await.expect("job").status, JobStatus::Error, "nothing changed");
    t.store.delete_job("acct_y", &next.id).await.expect("delete");
    t.store.retry_task("acct_y", &waiting.id, "in").await.expect("now there is room");
}

#[tokio::test]
async fn an_unsafe_redis_is_refused() {
    for (arguments, expected) in [
        (&["--appendonly", "no"][..], "append-only"),
        (&["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"], "noeviction"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let socket = folder.path().join("r.sock");
        let mut child = std::process::Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--dir"])
            .arg(folder.path())
            .arg("--unixsocket")
            .arg(&socket)
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server");
        let url = format!("redis+unix://{}", socket.display());
        let error = loop {
            match Store::open(&url, 16).await {
                Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
                Err(error) => break error.to_string(),
                Ok(_) => panic!("a Redis with {arguments:?} must be refused"),
            }
        };
        child.kill().expect("kill");
        child.wait().expect("wait");
        assert!(error.contains(expected), "the message says what to set: {error}");
    }
}

#[tokio::test]
async fn another_shard_count_is_refused() {
    let t = TestStore::start().await;
    let error = Store::open(&t.redis.url(), 8).await.err().expect("8 is not 16").to_string();
    assert!(error.contains("CONVERTFLY_SHARDS=16"), "the message says what to set: {error}");
}

#[tokio::test]
async fn stores_of_older_builds_are_taken_over_and_those_of_newer_ones_refused() {
    let t = TestStore::start().await;
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let layout = |value: u32| redis::cmd("HSET").arg(keys::GLOBAL_META).arg("layout").arg(value).to_owned();
    let _: u32 = layout(1).query_async(&mut connection).await.expect("as an older build has left it");
    Store::open(&t.redis.url(), 16).await.expect("it is read");
    let found: u32 =
        redis::cmd("HGET").arg(keys::GLOBAL_META).arg("layout").query_async(&mut connection).await.expect("a layout");
    assert_eq!(found, 2, "an older build refuses it from now on");
    let _: u32 = layout(3).query_async(&mut connection).await.expect("as a newer build would");
    let error = Store::open(&t.redis.url(), 16).await.err().expect("3 is not known").to_string();
    assert!(error.contains("layout = 3") && error.contains("a newer one"), "the message says what to run: {error}");
}
