//! Credits: reserved at submit, settled at finish, refunded at failure, charged again by a retry; never twice, never lost.

use std::collections::HashMap;

use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::store::StoreError;
use convertfly_scheduler::task::{ErrorCode, TaskError, TaskStatus};
use serde_json::Value;

use crate::support::redis::{TTL, TestStore, chain, result};

#[tokio::test]
async fn sixty_four_submits_race_for_ten_credits() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 100).await;
    let racers: Vec<_> = (0..64)
        .map(|_| {
            let (store, job) = (t.store.clone(), chain(&account));
            tokio::spawn(async move { store.submit(&job, &HashMap::new()).await })
        })
        .collect();
    let mut accepted = 0;
    for racer in racers {
        match racer.await.expect("no panic") {
            Ok(_) => accepted += 1,
            Err(StoreError::InsufficientCredits { needed: 1, balance: 0 }) => {}
            Err(error) => panic!("only 402 is due: {error}"),
        }
    }
    assert_eq!(accepted, 10, "exactly what the balance covers");
    assert_eq!(t.store.jobs(&account, 1, 100, None, None).await.expect("jobs").total, 10, "refused jobs leave nothing");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a_retry_charges_again_and_success_is_paid_once() {
    let t = TestStore::start().await;
    let account = t.account("a", 1, 10).await;
    let new = chain(&account);
    t.submit(&new).await;
    let import = t.lease(TTL).await;
    t.store.finish("w", &import, &result(&import), &Value::Null, &[], TTL).await.expect("finish");
    let convert = t.lease(TTL).await;
    let error = TaskError::new(ErrorCode::InvalidData, "x");
    t.store.fail(&convert, &error, &Value::Null, false).await.expect("fail");
    let a = t.store.account(&account).await.expect("account");
    assert_eq!((a.balance, a.held, a.spent), (1, 0, 0), "a failure is refunded");

    let conflict = t.store.retry_task(&account, &new.id, "export").await;
    assert!(matches!(conflict, Err(StoreError::Conflict(_))), "its input has not finished: {conflict:?}");
    let (task, credits) = t.store.retry_task(&account, &new.id, "convert").await.expect("retry");
    assert_eq!((task.status, credits), (TaskStatus::Waiting, 1), "reserved again");
    assert_eq!(t.store.job(&account, &new.id).await.expect("job").status, JobStatus::Processing, "the job is back");
    let conflict = t.store.retry_task(&account, &new.id, "convert").await;
    assert!(matches!(conflict, Err(StoreError::Conflict(_))), "not while it waits: {conflict:?}");

    for _ in 0..2 {
        let lease = t.lease(TTL).await;
        t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await.expect("finish");
    }
    let record = t.store.job(&account, &new.id).await.expect("job");
    assert_eq!((record.status, record.credits_used, record.error), (JobStatus::Finished, 1, None), "paid once");
    let finished = t.events().await.into_iter().filter(|event| event.starts_with("job.")).collect::<Vec<_>>();
    assert_eq!(finished.len(), 2, "failed once, finished once: {finished:?}");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a_retry_without_credits_changes_nothing() {
    let t = TestStore::start().await;
    let account = t.account("a", 1, 10).await;
    let (first, second) = (chain(&account), chain(&account));
    t.submit(&first).await;
    t.store.cancel_task(&account, &first.id, "import").await.expect("cancel");
    t.submit(&second).await;
    let refused = t.store.retry_task(&account, &first.id, "import").await;
    assert!(matches!(refused, Err(StoreError::InsufficientCredits { needed: 1, balance: 0 })), "{refused:?}");
    assert_eq!(t.store.job(&account, &first.id).await.expect("job").status, JobStatus::Error, "still ended");
    t.assert_money(&account).await;
}
