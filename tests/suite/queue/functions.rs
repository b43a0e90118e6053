//! The functions in Redis: they come back when they are lost, several calls go in one, and records of an older build still count.

use std::collections::HashMap;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::store::{Finished, Lease, Store, StoreError, keys};
use futures_util::future::join_all;
use serde_json::Value;

use crate::support::redis::{TTL, TestStore, chain, connect, job, result, task};

/// More calls at once than go into one call of Redis.
const JOBS: usize = 100;

async fn libraries(t: &TestStore) -> Vec<String> {
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let found: Vec<HashMap<String, redis::Value>> =
        redis::cmd("FUNCTION").arg("LIST").query_async(&mut connection).await.expect("a list");
    let name = |library: &HashMap<String, redis::Value>| redis::from_redis_value_ref(&library["library_name"]).expect("a name");
    found.iter().map(name).collect()
}

/// How many calls of functions Redis has had.
async fn calls(t: &TestStore) -> u64 {
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.expect("info");
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_fcall:calls=")).expect("there were calls");
    line.split(',').next().and_then(|count| count.parse().ok()).expect("a count")
}

async fn finish(t: &TestStore, lease: &Lease) -> Result<Finished, StoreError> {
    t.store.finish("worker", lease, &result(lease), &Value::Null, &[], TTL).await
}

#[tokio::test]
async fn functions_that_are_lost_are_loaded_again() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let () = redis::cmd("FUNCTION").arg("FLUSH").query_async(&mut connection).await.expect("flush");
    assert_eq!(libraries(&t).await, Vec::<String>::new(), "nothing is left");
    let new = job(&account, vec![task("in", &[])]);
    t.submit(&new).await;
    assert_eq!(libraries(&t).await.len(), 1, "the call has loaded them");
    let lease = t.lease(TTL).await;
    assert!(matches!(finish(&t, &lease).await, Ok(Finished::Committed { .. })), "and all of them work");
}

#[tokio::test]
async fn the_functions_of_another_version_go_when_a_process_starts() {
    let t = TestStore::start().await;
    let ours = libraries(&t).await;
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    for name in ["convertfly_0123456789ab", "somebody_elses"] {
        let text = format!("#!lua name={name}\nredis.register_function('{name}_f', function() return 1 end)");
        let _: String = redis::cmd("FUNCTION").arg("LOAD").arg(text).query_async(&mut connection).await.expect("load");
    }
    Store::open(&t.redis.url(), 16).await.expect("another process");
    let mut left = libraries(&t).await;
    left.retain(|name| name != "somebody_elses");
    assert_eq!(left, ours, "only the older version's are dropped");
    assert_eq!(libraries(&t).await.len(), 2, "nobody else's");
}

#[tokio::test]
async fn calls_that_go_together_succeed_and_fail_each_for_itself() {
    let t = TestStore::start().await;
    let account = t.account("a", 60, JOBS as u64).await;
    let before = calls(&t).await;
    let jobs: Vec<_> = (0..JOBS).map(|_| chain(&account)).collect();
    let none = HashMap::new();
    let submitted = join_all(jobs.iter().map(|job| t.store.submit(job, &none))).await;
    assert!(calls(&t).await - before < JOBS as u64 / 4, "several go in one call of Redis");
    let accepted = submitted.iter().filter(|reply| reply.is_ok()).count();
    let refused = |reply: &&Result<_, _>| matches!(reply, Err(StoreError::InsufficientCredits { needed: 1, balance: 0 }));
    assert_eq!((accepted, submitted.iter().filter(refused).count()), (60, 40), "as many as there are credits for");
    t.assert_money(&account).await;

    let leases = t.lease_all(JOBS as u32, TTL).await;
    assert_eq!(leases.len(), 60, "one task of each is ready");
    // One lease was lost, and one record is no longer what it was.
    let mut claims = leases.clone();
    claims[7].fence = leases[8].fence.clone();
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let broken = keys::task(keys::shard_of(&account, t.store.shards()), &claims[30].job, "import");
    let () = redis::pipe().del(&broken).set(&broken, "x").query_async(&mut connection).await.expect("damaged");
    let finished = join_all(claims.iter().map(|lease| finish(&t, lease))).await;
    for (i, reply) in finished.iter().enumerate() {
        match i {
            7 => assert!(matches!(reply, Ok(Finished::Stale)), "the wrong fence: {reply:?}"),
            30 => assert!(reply.is_err(), "the damaged record: {reply:?}"),
            _ => assert!(matches!(reply, Ok(Finished::Committed { .. })), "number {i}: {reply:?}"),
        }
    }
    assert_eq!(t.events().await.len(), 58, "an event for each that was committed");

    // And on to the ends of the jobs.
    for done in 1..=2 {
        let leases = t.lease_all(JOBS as u32, TTL).await;
        assert_eq!(leases.len(), 58, "the next task of each, round {done}");
        for reply in join_all(leases.iter().map(|lease| finish(&t, lease))).await {
            assert!(matches!(reply, Ok(Finished::Committed { .. })), "round {done}: {reply:?}");
        }
    }
    t.assert_money(&account).await;
    let a = t.store.account(&account).await.expect("account");
    assert_eq!((a.balance, a.held, a.spent, a.active_jobs), (0, 2, 58, 2), "58 jobs are paid, two go on");
    let page = t.store.jobs(&account, 1, 100, Some(JobStatus::Finished), None).await.expect("a list");
    assert_eq!((page.total, page.jobs.len()), (58, 58), "the lists say the same");
}

#[tokio::test]
async fn records_of_an_older_build_count_as_they_are() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = chain(&account);
    t.submit(&new).await;
    // What was written then, and is left out now.
    let shard = keys::shard_of(&account, t.store.shards());
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let mut pipe = redis::pipe();
    let zero = |name: &'static str| (name, "0");
    pipe.hset_multiple(keys::job(shard, &new.id), &["failed", "queued", "uploads", "run"].map(zero));
    for (name, ready) in [("import", "1"), ("convert", "0"), ("export", "0")] {
        let key = keys::task(shard, &new.id, name);
        pipe.hset_multiple(&key, &["attempts", "losses", "run", "progress"].map(zero)).hset(&key, "from", "");
        pipe.hset(&key, "ready", ready);
    }
    let () = pipe.query_async(&mut connection).await.expect("written");
    let mut lease = t.lease(TTL).await;
    loop {
        let done = t.store.finish("worker", &lease, &result(&lease), &Value::Null, &Lane::ALL, TTL).await.expect("finish");
        let Finished::Committed { next } = done else { panic!("committed: {done:?}") };
        match next.into_iter().next() {
            Some(next) => lease = next,
            None => break,
        }
    }
    assert_eq!(t.store.job(&account, &new.id).await.expect("job").status, JobStatus::Finished, "it ends as any");
    assert_eq!(t.events().await.len(), 4, "with an event for each task and its own");
    t.assert_money(&account).await;
}
