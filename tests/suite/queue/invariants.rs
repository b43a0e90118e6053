//! A random walk over every call, in any order and with stale leases: after each step the books and indexes agree.

use std::collections::{HashMap, HashSet};

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::job::{JobRecord, JobStatus};
use convertfly_scheduler::store::{Lease, StoreError, keys};
use convertfly_scheduler::task::{ErrorCode, TaskError, TaskRecord, TaskStatus};
use redis::AsyncCommands;
use serde_json::Value;

use crate::support::redis::{TTL, TestStore, chain, job, redis_client, result, task};

/// Steps of one walk, and walks.
const STEPS: usize = 120;
const WALKS: u64 = 12;

/// xorshift64* (Vigna 2016): enough to choose steps, and repeatable from the seed that a failure prints.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}

#[tokio::test]
async fn any_order_of_calls_keeps_the_books() {
    let t = TestStore::start().await;
    for seed in 1..=WALKS {
        walk(&t, seed).await;
    }
}

async fn walk(t: &TestStore, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let account = t.account(&format!("walk{seed}"), 12, 3).await;
    let (mut jobs, mut leases): (Vec<String>, Vec<Lease>) = (Vec::new(), Vec::new());
    let shard = keys::shard_of(&account, 16);
    for step in 0..STEPS {
        let what = random.below(12);
        match what {
            0..=2 => {
                let mut new = if random.below(2) == 0 {
                    chain(&account)
                } else {
                    job(&account, vec![task("a", &[]), task("b", &["a"]), task("c", &["a"]), task("d", &["b", "c"])])
                };
                new.choices.fail_fast = random.below(3) == 0;
                for task in &mut new.tasks {
                    task.ignore_error = random.below(3) == 0;
                }
                new.tag = (random.below(2) == 0).then(|| "t".to_owned());
                match t.store.submit(&new, &HashMap::new()).await {
                    Ok(_) => jobs.push(new.id),
                    Err(StoreError::InsufficientCredits { .. }) => {}
                    Err(error) => panic!("seed {seed} step {step}: {error}"),
                }
            }
            3..=4 => {
                // One in three leases is lost at once.
                let ttl = if random.below(3) == 0 { 1 } else { TTL };
                leases.extend(t.store.lease_from(shard, "w", &[(Lane::Io, 2), (Lane::Cpu, 2)], ttl).await.expect("lease"));
            }
            5..=7 if !leases.is_empty() => {
                // Old leases stay in the list on purpose: calls are repeated and come late.
                let lease = leases[random.below(leases.len())].clone();
                let lanes = if random.below(2) == 0 { &[Lane::Io, Lane::Cpu][..] } else { &[] };
                let done = t.store.finish("w", &lease, &result(&lease), &Value::Null, lanes, TTL).await.expect("finish");
                if let convertfly_scheduler::store::Finished::Committed { next } = done {
                    leases.extend(next);
                }
            }
            8 if !leases.is_empty() => {
                let lease = leases[random.below(leases.len())].clone();
                let error = TaskError::new(ErrorCode::ServerError, "x");
                t.store.fail(&lease, &error, &Value::Null, random.below(2) == 0).await.expect("fail");
            }
            9 => {
                t.store.reap().await.expect("reap");
            }
            10 if !jobs.is_empty() => {
                let id = jobs[random.below(jobs.len())].clone();
                if random.below(4) == 0 {
                    t.store.delete_job(&account, &id).await.expect("delete");
                    jobs.retain(|other| *other != id);
                } else {
                    let record = t.store.job(&account, &id).await.expect("job");
                    let name = record.tasks[random.below(record.tasks.len())].spec.name.clone();
                    let _ = t.store.cancel_task(&account, &id, &name).await;
                }
            }
            11 if !jobs.is_empty() => {
                let id = &jobs[random.below(jobs.len())];
                let record = t.store.job(&account, id).await.expect("job");
                let name = &record.tasks[random.below(record.tasks.len())].spec.name;
                let _ = t.store.retry_task(&account, id, name).await;
            }
            _ => {}
        }
        check(t, &account, shard, &format!("seed {seed} step {step} choice {what}")).await;
    }
}

/// Books and indexes of one account, from the outside.
async fn check(t: &TestStore, account: &str, shard: u16, at: &str) {
    t.assert_money(account).await;
    let a = t.store.account(account).await.expect("account");
    let page = t.store.jobs(account, 1, 10_000, None, None).await.expect("jobs");
    let client = redis_client(&t.redis.url());
    let mut connection = client.get_multiplexed_async_connection().await.expect("connect");
    let leased: HashSet<String> =
        connection.zrange::<_, Vec<String>>(keys::leases(shard), 0, -1).await.expect("leases").into_iter().collect();
    let delayed: HashSet<String> =
        connection.zrange::<_, Vec<String>>(keys::delayed(shard), 0, -1).await.expect("delayed").into_iter().collect();
    let mut queued: HashSet<String> = HashSet::new();
    for lane in ["io", "cpu"] {
        let listed: Vec<String> = connection.lrange(keys::lane_tasks(shard, lane, account), 0, -1).await.expect("lane");
        let turn: Option<f64> = connection.zscore(keys::lane(shard, lane), account).await.expect("turn");
        assert!(listed.is_empty() || turn.is_some(), "{at}: ready tasks in {lane} but no turn");
        queued.extend(listed);
    }
    for status in [JobStatus::Waiting, JobStatus::Processing, JobStatus::Finished, JobStatus::Error] {
        for tag in [None, Some("t")] {
            let listed = t.store.jobs(account, 1, 10_000, Some(status), tag).await.expect("jobs");
            let matches = |job: &&JobRecord| job.status == status && (tag.is_none() || job.tag.as_deref() == tag);
            let expected: Vec<&str> = page.jobs.iter().filter(matches).map(|job| job.id.as_str()).collect();
            let listed: Vec<&str> = listed.jobs.iter().map(|job| job.id.as_str()).collect();
            assert_eq!(listed, expected, "{at}: the list of {status:?} {tag:?}");
        }
    }
    let (mut held, mut active) = (0i64, 0u64);
    for job in &page.jobs {
        let is_active = job.status == JobStatus::Processing;
        active += u64::from(is_active);
        let unfinished = job.tasks.iter().filter(|task| !task.status.is_terminal()).count();
        assert_eq!(unfinished == 0, job.status.is_terminal(), "{at}: a job ends with its last task: {job:?}");
        for task in &job.tasks {
            let name = format!("{}/{}", job.id, task.spec.name);
            held += if task.status.is_terminal() { 0 } else { i64::from(task.spec.credits) };
            assert_eq!(task.status == TaskStatus::Processing, leased.contains(&name), "{at}: {name} leased");
            let done = |input: &TaskRecord| {
                input.status == TaskStatus::Finished || (input.status == TaskStatus::Error && input.spec.ignore_error)
            };
            let inputs_done = task.spec.input.iter().all(|input| job.task(input).is_some_and(done));
            if task.status == TaskStatus::Waiting && is_active && inputs_done {
                assert!(queued.contains(&name) || delayed.contains(&name), "{at}: {name} is ready and nobody would ever run it");
            }
        }
    }
    assert_eq!(a.held, held, "{at}: held is the price of what is unfinished");
    assert_eq!(a.active_jobs, active, "{at}: slots in use");
    assert!(active <= 3, "{at}: never over the limit");
}
