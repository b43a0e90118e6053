//! From a lease to a committed result: run, report, clean up, continue.

use std::sync::Arc;
use std::time::Duration;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::storage::StorageKey;
use convertfly_scheduler::store::{Failed, Finished, Lease, StoreError};
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::active::{Entry, Place, Stop};
use super::run::{self, Outcome};
use crate::failure::{Failure, task_error};

/// Runs a task, and then the successors that each commit leases to this node.
pub(super) async fn run_and_report(shared: &Arc<Shared>, entry: Arc<Entry>, mut permit: Option<OwnedSemaphorePermit>) {
    let mut entry = entry;
    loop {
        entry.swap_place(permit.take().map(Place::Slot));
        let outcome = run::run(shared, &entry).await;
        let ending = match entry.swap_place(None) {
            Some(Place::Slot(slot)) => {
                permit = Some(slot);
                None
            }
            ending => ending,
        };
        let next = report(shared, &entry, outcome, &mut permit).await;
        drop(ending);
        shared.active.leave(&entry.lease.fence);
        let Some(next) = next else { return };
        entry = next;
    }
}

/// Tells the store, and returns the successor that goes on in the same place, with its slot in `permit`. Others that were leased to us
/// run beside it.
async fn report(
    shared: &Arc<Shared>,
    entry: &Entry,
    outcome: Result<Outcome, Failure>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Option<Arc<Entry>> {
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

/// Slots in which successors may continue: ours if we still have it, one of each other lane where one is free, and of the lane of pixels as
/// many as there are tasks that wait for this file, since what they have in common is done once where they meet. Beyond our own, only where nothing
/// waits in that lane: otherwise an account that keeps a node busy would keep all others, and its own older jobs, from their turns.
fn reserve(shared: &Shared, lease: &Lease, own: Option<OwnedSemaphorePermit>) -> Vec<(Lane, Option<OwnedSemaphorePermit>)> {
    let had = u32::from(own.is_some());
    let mut reserved: Vec<_> = own.map(|own| (lease.spec.lane, Some(own))).into_iter().collect();
    for (lane, slots) in shared.slots.iter().filter(|(lane, _)| !shared.backlog.is_in(**lane)) {
        let wanted = if *lane == Lane::Cpu { lease.spec.readers.max(1) } else { 1 };
        let wanted = if *lane == lease.spec.lane { wanted - had } else { wanted };
        let free = (0..wanted).map_while(|_| Arc::clone(slots).try_acquire_owned().ok());
        reserved.extend(free.map(|slot| (*lane, Some(slot))));
    }
    reserved
}

/// Commits a result. Successors may continue here in the same step.
async fn commit(
    shared: &Arc<Shared>,
    entry: &Entry,
    outcome: Outcome,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Option<Arc<Entry>> {
    let lease = &entry.lease;
    let mut reserved = reserve(shared, lease, permit.take());
    let lanes: Vec<Lane> = if shared.tasks.is_closed() { Vec::new() } else { reserved.iter().map(|(lane, _)| *lane).collect() };
    let call = || shared.store.finish(&shared.worker, lease, &outcome.result, &outcome.explain, &lanes, shared.ttl_ms);
    let next = match persist("finish", call).await {
        Some(Finished::Committed { next } | Finished::Already { next }) => next,
        Some(Finished::Stale) => {
            tracing::info!(job = lease.job, task = lease.spec.name, "result of a lost lease: discarded");
            discard(shared, entry).await;
            return None;
        }
        None => return None,
    };
    // Registered before anything is awaited, so that heartbeats begin at once.
    let mut first = None;
    for lease in next {
        let slot = reserved.iter().position(|(lane, _)| *lane == lease.spec.lane);
        let slot = slot.and_then(|at| reserved.swap_remove(at).1);
        let entry = shared.active.enter(lease);
        match first {
            None => (first, *permit) = (Some(entry), slot),
            Some(_) => shared.go_on(entry, slot),
        }
    }
    // Whoever looks for work finds the slots that were not needed, and the one that this task had.
    drop(reserved);
    shared.freed.notify_one();
    first
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
