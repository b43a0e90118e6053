//! Jobs run their tasks in order, hand results on, fail and are cancelled as documented.

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::store::{Failed, Finished, Pulse, StoreError};
use convertfly_scheduler::task::{ErrorCode, TaskError, TaskStatus};
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::support::redis::{TTL, TestStore, chain, job, result, task};

#[tokio::test]
async fn a_chain_runs_in_order_and_hands_files_on() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = chain(&account);
    assert_eq!(t.submit(&new).await.status, JobStatus::Processing, "a slot was free");

    let import = t.lease(TTL).await;
    assert_eq!(import.spec.name, "import", "the root comes first");
    assert!(t.lease_all(9, TTL).await.is_empty(), "nothing else is ready");
    let made = result(&import);
    let done = t.store.finish("w", &import, &made, &Value::Null, &[], TTL).await.expect("finish");
    assert!(matches!(done, Finished::Committed { ref next } if next.is_empty()), "no continuation asked for: {done:?}");

    let convert = t.lease(TTL).await;
    assert_eq!((convert.spec.name.as_str(), &convert.inputs), ("convert", &made.files), "it gets the import's file");
    // The export continues on the same worker, in the same step.
    let done = t.store.finish("w", &convert, &result(&convert), &Value::Null, &[Lane::Io], TTL).await.expect("finish");
    let Finished::Committed { next } = done else { panic!("{done:?}") };
    assert_eq!(next.len(), 1, "one continuation");
    t.store.finish("w", &next[0], &result(&next[0]), &Value::Null, &[], TTL).await.expect("finish");

    let record = t.store.job(&account, &new.id).await.expect("job");
    assert_eq!(record.status, JobStatus::Finished, "all tasks finished");
    assert_eq!(record.credits_used, 1, "the convert was paid");
    assert!(record.tasks.iter().all(|task| task.status == TaskStatus::Finished && task.result.is_some()), "{record:?}");
    let events: Vec<String> = t.events().await;
    assert_eq!(events.len(), 4, "three tasks and the job, each once: {events:?}");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a_failure_fells_what_depends_on_it_and_nothing_else() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = job(&account, vec![task("in", &[]), task("bad", &["in"]), task("after", &["bad"]), task("good", &["in"])]);
    t.submit(&new).await;
    let import = t.lease(TTL).await;
    t.store.finish("w", &import, &result(&import), &Value::Null, &[], TTL).await.expect("finish");
    for lease in t.lease_all(9, TTL).await {
        if lease.spec.name == "bad" {
            let error = TaskError::new(ErrorCode::InvalidData, "The PNG file is truncated");
            assert_eq!(
                t.store.fail(&lease, &error, &Value::Null, false).await.expect("fail"),
                Failed::Ended,
                "no retry asked for"
            );
            let record = t.store.job(&account, &new.id).await.expect("job");
            assert_eq!(record.status, JobStatus::Processing, "the other branch still runs");
        } else {
            t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await.expect("finish");
        }
    }
    let record = t.store.job(&account, &new.id).await.expect("job");
    let code = |name: &str| record.task(name).and_then(|task| task.error.as_ref()).map(|error| error.code);
    assert_eq!(record.status, JobStatus::Error, "one task failed");
    assert_eq!(record.error.as_ref().map(|error| error.code), Some(ErrorCode::InvalidData), "the first failure is the job's");
    assert_eq!(code("after"), Some(ErrorCode::InputTaskFailed), "its input failed");
    assert_eq!(record.task("good").map(|task| task.status), Some(TaskStatus::Finished), "independent branches finish");
    assert_eq!(record.credits_used, 1, "only `good` is paid");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a_failure_is_tried_again_until_the_limit() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = job(&account, vec![task("in", &[])]);
    t.submit(&new).await;
    let error = TaskError::new(ErrorCode::ServerError, "x");
    for attempt in 0..3 {
        let lease = t.lease(TTL).await;
        assert_eq!(lease.attempts, attempt, "attempts are counted");
        let failed = t.store.fail(&lease, &error, &Value::Null, true).await.expect("fail");
        assert_eq!(failed, if attempt < 2 { Failed::Requeued } else { Failed::Ended }, "attempt {attempt}");
        if attempt < 2 {
            assert!(t.lease_all(9, TTL).await.is_empty(), "it pauses before the next attempt");
            t.reap_until(1).await;
        }
    }
    assert_eq!(t.store.job(&account, &new.id).await.expect("job").status, JobStatus::Error, "the third failure is final");
}

#[tokio::test]
async fn cancel_stops_a_task_and_its_dependents() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = chain(&account);
    t.submit(&new).await;
    let lease = t.lease(TTL).await;
    let cancelled = t.store.cancel_task(&account, &new.id, "import").await.expect("cancel");
    assert_eq!(cancelled.status, TaskStatus::Cancelled, "a running task can be cancelled");
    assert_eq!(t.store.heartbeat(&[(&lease, None)], TTL).await.expect("heartbeat"), [Pulse::Lost], "its worker hears of it");
    assert!(
        matches!(t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await, Ok(Finished::Stale)),
        "a late result is refused"
    );
    let record = t.store.job(&account, &new.id).await.expect("job");
    assert!(record.tasks.iter().all(|task| task.status == TaskStatus::Cancelled), "dependents fall: {record:?}");
    assert_eq!(record.error.map(|error| error.code), Some(ErrorCode::Cancelled), "the job says why");
    assert!(
        matches!(t.store.cancel_task(&account, &new.id, "import").await, Err(StoreError::Conflict(_))),
        "twice is a conflict"
    );
    assert!(
        matches!(t.store.cancel_task("acct_other", &new.id, "import").await, Err(StoreError::NotFound)),
        "others see nothing"
    );
    t.assert_money(&account).await;
}

#[tokio::test]
async fn delete_leaves_nothing_behind() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = chain(&account);
    t.submit(&new).await;
    let lease = t.lease(TTL).await;
    let before = t.events().await.len();
    t.store.delete_job(&account, &new.id).await.expect("delete");
    assert!(matches!(t.store.job(&account, &new.id).await, Err(StoreError::NotFound)), "gone");
    assert!(matches!(t.store.delete_job(&account, &new.id).await, Err(StoreError::NotFound)), "twice is not found");
    assert!(
        matches!(t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await, Ok(Finished::Stale)),
        "its worker's result is refused"
    );
    assert_eq!(t.events().await.len(), before, "no event follows");
    let a = t.store.account(&account).await.expect("account");
    assert_eq!((a.balance, a.held, a.active_jobs), (10, 0, 0), "credits and slot came back");
    let client = crate::support::redis::redis_client(&t.redis.url());
    let mut connection = client.get_multiplexed_async_connection().await.expect("connect");
    let left: Vec<String> = redis::cmd("KEYS").arg(format!("*{}*", new.id)).query_async(&mut connection).await.expect("keys");
    assert!(left.is_empty(), "no key names it: {left:?}");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn waiting_wakes_at_the_end_and_times_out_before() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = job(&account, vec![task("in", &[])]);
    t.submit(&new).await;
    let early = t.store.wait(&account, &new.id, Instant::now() + Duration::from_millis(20)).await.expect("wait");
    assert_eq!(early.status, JobStatus::Processing, "the time-out shows the job as it is");
    let waiters: Vec<_> = (0..200)
        .map(|_| {
            let (store, account, id) = (t.store.clone(), account.clone(), new.id.clone());
            tokio::spawn(async move { store.wait(&account, &id, Instant::now() + Duration::from_secs(60)).await })
        })
        .collect();
    let lease = t.lease(TTL).await;
    t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await.expect("finish");
    let woken = async {
        for waiter in waiters {
            assert_eq!(waiter.await.expect("no panic").expect("wait").status, JobStatus::Finished, "everyone sees the end");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), woken).await.expect("all wake by the notice, long before the fallback");
}
