//! Runs one leased task: finds its operation and hands it what it needs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use convertfly_scheduler::catalog::Catalog;
use convertfly_scheduler::store::Lease;
use convertfly_scheduler::task::TaskResult;
use convertfly_scheduler::{ids, sealed};
use serde_json::{Map, Value};

use super::Shared;
use super::active::Entry;
use crate::engines::Progress;
use crate::failure::Failure;
use crate::operations::{self, Context};

/// What a task made and how.
pub(super) struct Outcome {
    /// For the customer and for the tasks behind it.
    pub(super) result: TaskResult,
    /// How it was done.
    pub(super) explain: Value,
}

/// The lease with its secrets opened, if its task has any. They live as long as the run.
fn opened(shared: &Shared, lease: &Lease) -> Result<Option<Lease>, Failure> {
    let catalog = Catalog::builtin();
    if !sealed::has_secrets(catalog, &lease.spec) {
        return Ok(None);
    }
    let mut opened = lease.clone();
    sealed::open_task(&shared.services.sealer, catalog, &lease.job, &mut opened.spec).map_err(Failure::internal)?;
    Ok(Some(opened))
}

/// Runs the task to its end, its time limit, or until it is told to stop.
pub(super) async fn run(shared: &Shared, entry: &Arc<Entry>) -> Result<Outcome, Failure> {
    let opened = opened(shared, &entry.lease)?;
    let lease = opened.as_ref().unwrap_or(&entry.lease);
    let operation = operations::by_name(&lease.spec.operation)
        .ok_or_else(|| Failure::internal(format!("this worker does not know the operation {}", lease.spec.operation)))?;
    let progress = {
        let entry = Arc::clone(entry);
        Progress::new(move |share| entry.set_progress(share))
    };
    let next_index = || entry.next_index();
    let made = || shared.vacate(entry);
    // A customer may set a shorter limit than the node's, not a longer one.
    let asked = lease.spec.fields.get("timeout").and_then(Value::as_u64).map(Duration::from_secs);
    let limit = asked.map_or(shared.services.task_timeout, |asked| asked.min(shared.services.task_timeout));
    let context = Context {
        services: &shared.services,
        lease,
        cancel: &entry.cancel,
        progress: &progress,
        next_index: &next_index,
        made: &made,
        deadline: limit,
    };
    let start = Instant::now();
    let mut explain = Map::new();
    let work = (operation.run)(&context, &mut explain);
    // Engines watch the deadline themselves; the grace is for those that cannot.
    let result = match tokio::time::timeout(limit + Duration::from_secs(5), work).await {
        Ok(result) => own(lease, result?),
        Err(_) => return Err(Failure::TimedOut),
    };
    explain.insert("queued_ms".into(), lease.queued_ms.into());
    explain.insert("attempt".into(), (lease.attempts + lease.losses + 1).into());
    explain.insert("total_ms".into(), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into());
    Ok(Outcome { result, explain: Value::Object(explain) })
}

/// Gives every file an identifier that tells its job, whatever the operation has called it: that is how files are found again.
fn own(lease: &Lease, mut result: TaskResult) -> TaskResult {
    for file in &mut result.files {
        if ids::job_of_file(&file.file_id).as_deref() != Some(lease.job.as_str()) {
            file.file_id = ids::file_id(&lease.job);
        }
    }
    result
}
