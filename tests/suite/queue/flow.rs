//! What a failure means for the rest of its job: `fail_fast`, `ignore_error`, and retries of both.

use std::collections::HashMap;

use convertfly_scheduler::job::{JobChoices, JobStatus, NewJob};
use convertfly_scheduler::store::{Lease, StoreError};
use convertfly_scheduler::task::{ErrorCode, TaskError, TaskSpec, TaskStatus};
use serde_json::Value;

use crate::support::redis::{TTL, TestStore, job, result, task};

fn pardoned(name: &str, input: &[&str]) -> TaskSpec {
    TaskSpec { ignore_error: true, credits: 1, ..task(name, input) }
}

fn fail_fast(account: &str, tasks: Vec<TaskSpec>) -> NewJob {
    NewJob { choices: JobChoices { fail_fast: true, ..JobChoices::default() }, ..job(account, tasks) }
}

async fn leases(t: &TestStore) -> HashMap<String, Lease> {
    t.lease_all(9, TTL).await.into_iter().map(|lease| (lease.spec.name.clone(), lease)).collect()
}

async fn finish(t: &TestStore, lease: &Lease) {
    t.store.finish("w", lease, &result(lease), &Value::Null, &[], TTL).await.expect("finish");
}

async fn fail(t: &TestStore, lease: &Lease) {
    t.store.fail(lease, &TaskError::new(ErrorCode::InvalidData, "broken"), &Value::Null, false).await.expect("fail");
}

async fn statuses(t: &TestStore, new: &NewJob) -> (JobStatus, HashMap<String, TaskStatus>) {
    let record = t.store.job(&new.account, &new.id).await.expect("job");
    (record.status, record.tasks.iter().map(|task| (task.spec.name.clone(), task.status)).collect())
}

#[tokio::test]
async fn a05_fail_fast_cancels_what_is_left_and_a_retry_brings_it_back() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 10).await;
    let new = fail_fast(&account, vec![task("a", &[]), task("b", &[]), task("c", &["b"]), task("after", &["a"])]);
    t.submit(&new).await;
    let running = leases(&t).await;
    fail(&t, &running["a"]).await;
    let (job, tasks) = statuses(&t, &new).await;
    assert_eq!(job, JobStatus::Error, "at once, though `b` was running");
    assert_eq!((tasks["b"], tasks["c"]), (TaskStatus::Cancelled, TaskStatus::Cancelled), "independent work is cancelled");
    assert_eq!(tasks["after"], TaskStatus::Error, "A04: what depends on it fails");
    let record = t.store.job(&account, &new.id).await.expect("job");
    assert_eq!(record.error.map(|error| error.code), Some(ErrorCode::InvalidData), "the failure is the job's error");
    assert_eq!(record.credits_used, 0, "all came back");
    t.assert_money(&account).await;

    t.store.retry_task(&account, &new.id, "a").await.expect("retry");
    let (job, tasks) = statuses(&t, &new).await;
    assert_eq!(job, JobStatus::Processing, "R058");
    assert!(tasks.values().all(|status| *status == TaskStatus::Waiting), "all that fell with it is back: {tasks:?}");
    for _ in 0..2 {
        for lease in leases(&t).await.values() {
            finish(&t, lease).await;
        }
    }
    assert_eq!(statuses(&t, &new).await.0, JobStatus::Finished, "R058: it can end well");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a05_an_ignored_error_does_not_fail_the_job() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 10).await;
    let new = job(&account, vec![pardoned("a", &[]), task("b", &[]), task("both", &["a", "b"])]);
    t.submit(&new).await;
    let running = leases(&t).await;
    fail(&t, &running["a"]).await;
    assert_eq!(statuses(&t, &new).await.1["both"], TaskStatus::Waiting, "it waits for its other input");
    let made = result(&running["b"]);
    t.store.finish("w", &running["b"], &made, &Value::Null, &[], TTL).await.expect("finish");
    let last = t.lease(TTL).await;
    assert_eq!((last.spec.name.as_str(), &last.inputs), ("both", &made.files), "it goes on with the file that there is");
    finish(&t, &last).await;
    let (job, tasks) = statuses(&t, &new).await;
    assert_eq!((job, tasks["a"]), (JobStatus::Finished, TaskStatus::Error), "the failure is shown, the job is well");
    assert_eq!(t.store.job(&account, &new.id).await.expect("job").credits_used, 1, "the failed task is not paid");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a05_without_any_input_left_a_task_fails() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 10).await;
    let new = job(&account, vec![pardoned("a", &[]), pardoned("b", &[]), task("both", &["a", "b"]), task("end", &["both"])]);
    t.submit(&new).await;
    for lease in leases(&t).await.values() {
        fail(&t, lease).await;
    }
    let record = t.store.job(&account, &new.id).await.expect("job");
    let code = |name: &str| record.task(name).and_then(|task| task.error.as_ref()).map(|error| error.code);
    assert_eq!((code("both"), code("end")), (Some(ErrorCode::InputTaskFailed), Some(ErrorCode::InputTaskFailed)), "{record:?}");
    assert_eq!(record.status, JobStatus::Error, "these failures count");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a05_fail_fast_minds_only_failures_that_count() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 10).await;
    let new = fail_fast(&account, vec![pardoned("a", &[]), task("b", &[]), task("needs-a", &["a"]), task("c", &[])]);
    t.submit(&new).await;
    let running = leases(&t).await;
    fail(&t, &running["a"]).await;
    let (job, tasks) = statuses(&t, &new).await;
    assert_eq!(tasks["needs-a"], TaskStatus::Error, "it has no file");
    assert_eq!((job, tasks["b"], tasks["c"]), (JobStatus::Error, TaskStatus::Cancelled, TaskStatus::Cancelled), "which counts");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a03_a_retry_leaves_out_what_something_else_still_blocks() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 10).await;
    let new = job(&account, vec![task("a", &[]), task("b", &[]), task("both", &["a", "b"])]);
    t.submit(&new).await;
    for lease in leases(&t).await.values() {
        fail(&t, lease).await;
    }
    t.store.retry_task(&account, &new.id, "a").await.expect("retry");
    finish(&t, &t.lease(TTL).await).await;
    let (job, tasks) = statuses(&t, &new).await;
    assert_eq!(
        (job, tasks["both"]),
        (JobStatus::Error, TaskStatus::Error),
        "`b` has failed: nothing can go on, so the job has ended"
    );
    let again = t.store.retry_task(&account, &new.id, "both").await;
    assert!(matches!(again, Err(StoreError::Conflict(text)) if text.contains("`b`")), "it names what is in the way");
    t.store.retry_task(&account, &new.id, "b").await.expect("retry");
    finish(&t, &t.lease(TTL).await).await;
    finish(&t, &t.lease(TTL).await).await;
    assert_eq!(statuses(&t, &new).await.0, JobStatus::Finished, "now it can");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a03_a_retry_of_an_ignored_failure_while_others_go_on() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 10).await;
    let new = job(&account, vec![pardoned("a", &[]), task("b", &[]), task("both", &["a", "b"])]);
    t.submit(&new).await;
    let running = leases(&t).await;
    fail(&t, &running["a"]).await;
    t.store.retry_task(&account, &new.id, "a").await.expect("retry");
    let again = t.lease(TTL).await;
    finish(&t, &again).await;
    assert!(t.lease_all(9, TTL).await.is_empty(), "`both` still waits for `b`");
    finish(&t, &running["b"]).await;
    let last = t.lease(TTL).await;
    assert_eq!(last.inputs.len(), 2, "and gets both files");
    finish(&t, &last).await;
    assert_eq!(statuses(&t, &new).await.0, JobStatus::Finished, "well");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a03_what_has_gone_on_without_an_input_is_left_alone_when_that_is_retried() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 10).await;
    let new = job(&account, vec![pardoned("a", &[]), task("b", &[]), task("both", &["a", "b"])]);
    t.submit(&new).await;
    let running = leases(&t).await;
    fail(&t, &running["a"]).await;
    finish(&t, &running["b"]).await;
    let both = t.lease(TTL).await;
    // It pauses before its next attempt.
    let error = TaskError::new(ErrorCode::ServerError, "once more");
    t.store.fail(&both, &error, &Value::Null, true).await.expect("fail");
    t.store.retry_task(&account, &new.id, "a").await.expect("retry");
    assert_eq!(t.store.sweep(std::time::Duration::ZERO).await.expect("sweep"), 0, "it is where it belongs");
    finish(&t, &t.lease(TTL).await).await;
    assert_eq!(t.store.sweep(std::time::Duration::ZERO).await.expect("sweep"), 0, "and nowhere else");
    let record = t.store.job(&account, &new.id).await.expect("job");
    assert_eq!(record.task("both").map(|task| task.status), Some(TaskStatus::Waiting), "its pause goes on");
    t.assert_money(&account).await;
}
