//! From a lease to a committed result: run, report, clean up, continue.

use std::sync::Arc;
use std::time::Duration;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::storage::StorageKey;
use convertfly_scheduler::store::{Failed, Finished, Lease, StoreError};
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::active::{Entry, Stop};
use super::run::{self, Outcome};
use crate::failure::{Failure, task_error};

/// Runs a task, and then the successors that each commit leases to this node.
pub(super) async fn run_and_report(shared: &Arc<Shared>, entry: Arc<Entry>, mut permit: Option<OwnedSemaphorePermit>) {
    let mut entry = entry;
    loop {
        let outcome = run::run(shared, &entry).await;
        let next = report(shared, &entry, outcome, &mut permit).await;
        shared.active.leave(&entry.lease.fence);
        let Some(next) = next else { return };
        entry = shared.active.enter(next);
    }
}

/// Tells the store, and returns the successor that it leased to us, with its slot in `permit`.
async fn report(
    shared: &Arc<Shared>,
    entry: &Entry,
    outcome: Result<Outcome, Failure>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Option<Lease> {
    let lease = &entry.lease;
    match (outcome, entry.stopped()) {
        (Ok(outcome), _) => return commit(shared, entry, outcome, permit).await,
        (Err(_), Stop::Lost) => tracing::info!(job = lease.job, task = lease.spec.name, "lease lost: discarded"),
        (Err(_), Stop::Drain) => {
            tracing::info!(job = lease.job, task = lease.spec.name, "handed back");
            persist("release", || shared.store.release(lease)).await;
        }
        (Err(failure), Stop::No) => {
            tracing::warn!(job = lease.job, task = lease.spec.name, %failure, "task failed");
            let error = task_error(&failure);
            let explain = serde_json::json!({ "queued_ms": lease.queued_ms, "attempt": lease.attempts + lease.losses + 1 });
            let failed = persist("fail", || shared.store.fail(lease, &error, &explain, failure.is_retryable())).await;
            if failed == Some(Failed::Stale) {
                tracing::info!(job = lease.job, task = lease.spec.name, "failure of a lost lease: discarded");
            }
        }
    }
    discard(shared, entry).await;
    None
}

/// Commits a result. Our own lane, and those in which a slot is free and nothing waits for it, may continue in the same step:
/// without the latter, an account that keeps a node busy would keep all others, and its own older jobs, from their turns.
async fn commit(shared: &Shared, entry: &Entry, outcome: Outcome, permit: &mut Option<OwnedSemaphorePermit>) -> Option<Lease> {
    let lease = &entry.lease;
    let mut reserved: Vec<(Lane, Option<OwnedSemaphorePermit>)> = vec![(lease.spec.lane, permit.take())];
    for (lane, slots) in &shared.slots {
        if *lane != lease.spec.lane
            && !shared.backlog.is_in(*lane)
            && let Ok(slot) = Arc::clone(slots).try_acquire_owned()
        {
            reserved.push((*lane, Some(slot)));
        }
    }
    let lanes: Vec<Lane> = if shared.tasks.is_closed() { Vec::new() } else { reserved.iter().map(|(lane, _)| *lane).collect() };
    let call = || shared.store.finish(&shared.worker, lease, &outcome.result, &outcome.explain, &lanes, shared.ttl_ms);
    match persist("finish", call).await {
        Some(Finished::Committed { next } | Finished::Already { next }) => {
            let next = next.into_iter().next()?;
            *permit = reserved.into_iter().find(|(lane, _)| *lane == next.spec.lane).and_then(|(_, slot)| slot);
            Some(next)
        }
        Some(Finished::Stale) => {
            tracing::info!(job = lease.job, task = lease.spec.name, "result of a lost lease: discarded");
            discard(shared, entry).await;
            None
        }
        None => None,
    }
}

/// Deletes what an uncommitted lease has stored. Its keys carry its fence, so nobody else's object can be meant.
async fn discard(shared: &Shared, entry: &Entry) {
    let lease = &entry.lease;
    for index in 0..entry.stored() {
        let key =
            StorageKey::Output { account: lease.account.clone(), job: lease.job.clone(), fence: lease.fence.clone(), index };
        if let Err(error) = shared.services.storage.delete(&key).await {
            tracing::warn!(%error, "an uncommitted object stays until its job's files expire");
        }
    }
}

/// Repeats a call until the store answers: the work is done, and the fence makes a repetition harmless.
async fn persist<T, F: Future<Output = Result<T, StoreError>>>(what: &str, call: impl Fn() -> F) -> Option<T> {
    let mut pause = Duration::from_millis(50);
    loop {
        match call().await {
            Ok(value) => return Some(value),
            Err(StoreError::Unavailable(error)) => tracing::warn!(%error, what, "the store does not answer; trying again"),
            Err(error) => {
                tracing::error!(%error, what, "the store refuses");
                return None;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}
