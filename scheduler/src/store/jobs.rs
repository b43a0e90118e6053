//! What customers do to jobs: submit, cancel, retry, delete, upload.

use std::collections::HashMap;

use redis::Value;

use super::batches::Arguments;
use super::connection::Store;
use super::{Claim, StoreError, Submitted, scripts};
use crate::catalog::Catalog;
use crate::graph;
use crate::ids;
use crate::job::{JobStatus, NewJob};
use crate::task::{FileRef, TaskRecord};

/// How long an upload may be awaited: an hour.
const UPLOAD_LIFETIME_MS: u64 = 3_600_000;

/// For a request that was so slow that another one with its `Idempotency-Key` does the work.
const TAKEN_OVER: &str = "Another request with this Idempotency-Key has taken over: send it again to see what became of it";

impl Store {
    /// Stores a job, reserves its credits and makes it ready, or queues it behind the account's limit: one script.
    /// `uploads` names, per task, the object that already holds its bytes (`import/base64`).
    ///
    /// # Errors
    /// [`StoreError::InsufficientCredits`], [`StoreError::QueueFull`], [`StoreError::NotFound`] for an unknown account,
    /// [`StoreError::Conflict`] when the job exists, [`StoreError::Unavailable`]. None of them leaves anything behind.
    pub async fn submit(&self, job: &NewJob, uploads: &HashMap<String, FileRef>) -> Result<Submitted, StoreError> {
        let dependents = graph::dependents(&job.tasks);
        let mut call = Arguments::default();
        call.arg(&job.account)
            .arg(&job.id)
            .arg(job.tag.as_deref().unwrap_or(""))
            .arg(job.created_by_key.as_deref().unwrap_or(""))
            .arg(to_json(&job.choices)?)
            .arg(Claim::argument(job.claim.as_ref()));
        let mut tasks = job.tasks.clone();
        graph::note_readers(&mut tasks);
        if !job.choices.keep_intermediates {
            graph::note_glances(&mut tasks, Catalog::builtin());
        }
        for (task, next) in tasks.iter().zip(&dependents) {
            let distinct: std::collections::HashSet<&String> = task.needs().collect();
            let needs: Vec<&str> = task.needs().map(String::as_str).collect();
            let next: Vec<&str> = next.iter().map(|&i| job.tasks[i].name.as_str()).collect();
            let file = uploads.get(&task.name).map(to_json).transpose()?.unwrap_or_default();
            let slot = if task.awaits_upload { ids::new_id("up") } else { String::new() };
            call.arg(&task.name)
                .arg(to_json(task)?)
                .arg(task.lane.as_str())
                .arg(task.credits)
                .arg(distinct.len())
                .arg(next.join(" "))
                .arg(needs.join(" "))
                .arg(slot)
                .arg(job.upload_lifetime_ms.unwrap_or(UPLOAD_LIFETIME_MS))
                .arg(file)
                .arg(if task.ignore_error { "1" } else { "" });
        }
        let reply = texts(self.inner.submits[usize::from(self.shard(&job.account))].call(call).await?)?;
        let number = |i: usize| reply.get(i).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        match reply.first().map(String::as_str) {
            Some("ok") => Ok(Submitted {
                status: reply.get(1).and_then(|text| JobStatus::parse(text)).unwrap_or(JobStatus::Waiting),
                credits_used: number(2),
                balance: number(3),
            }),
            Some("credits") => Err(StoreError::InsufficientCredits { needed: number(1), balance: number(2) }),
            Some("frozen") => Err(StoreError::Frozen),
            Some("suspended") => Err(StoreError::Forbidden("This account is suspended: contact support".into())),
            Some("full") => Err(StoreError::QueueFull { limit: u64::try_from(number(1)).unwrap_or(0) }),
            Some("claim") => Err(StoreError::Conflict(TAKEN_OVER.into())),
            Some("exists") => Err(StoreError::Conflict("A job of this identifier exists already".into())),
            _ => Err(StoreError::NotFound),
        }
    }

    /// Cancels a waiting or running task and what depends on it; credits go back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] when it has ended, [`StoreError::Unavailable`].
    pub async fn cancel_task(&self, account: &str, job: &str, task: &str) -> Result<TaskRecord, StoreError> {
        let mut call = self.invocation(&scripts::CANCEL, self.shard(account));
        let reply: String = call.arg(account).arg(job).arg(task).invoke_async(&mut self.connection()).await?;
        match reply.as_str() {
            "ok" => self.task(account, job, task).await,
            "missing" => Err(StoreError::NotFound),
            state => Err(StoreError::Conflict(format!("The task cannot be cancelled: it is {state} already"))),
        }
    }

    /// Runs a failed or cancelled task, and what fell with it, again; reserves its credits again and says how many.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] when it is in another state, its inputs are missing or its files have
    /// expired, [`StoreError::QueueFull`], [`StoreError::InsufficientCredits`], [`StoreError::Unavailable`].
    pub async fn retry_task(&self, account: &str, job: &str, task: &str) -> Result<(TaskRecord, i64), StoreError> {
        self.retry_task_once(account, job, task, None).await
    }

    /// [`Store::retry_task`] for a request with an `Idempotency-Key`: what is bound to its claim is the number of credits.
    ///
    /// # Errors
    /// As there, and [`StoreError::Conflict`] when another request has taken the claim over.
    pub async fn retry_task_once(
        &self,
        account: &str,
        job: &str,
        task: &str,
        claim: Option<&Claim>,
    ) -> Result<(TaskRecord, i64), StoreError> {
        let mut call = self.invocation(&scripts::RETRY, self.shard(account));
        let reply: Vec<String> =
            texts(call.arg(account).arg(job).arg(task).arg(Claim::argument(claim)).invoke_async(&mut self.connection()).await?)?;
        let number = |i: usize| reply.get(i).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let word = reply.get(1).cloned().unwrap_or_default();
        match reply.first().map(String::as_str) {
            Some("ok") => Ok((self.task(account, job, task).await?, number(1))),
            Some("state") => {
                Err(StoreError::Conflict(format!("Only a task in ERROR or CANCELLED can be retried; this one is {word}")))
            }
            Some("claim") => Err(StoreError::Conflict(TAKEN_OVER.into())),
            Some("input") => Err(StoreError::Conflict(format!("Its input `{word}` has not finished; retry that task first"))),
            Some("upload") => Err(StoreError::Conflict("Its file was never uploaded; create a new job".into())),
            Some("frozen") => Err(StoreError::Frozen),
            Some("gone") => Err(StoreError::Conflict("The files of this job have expired; create a new job".into())),
            Some("credits") => Err(StoreError::InsufficientCredits { needed: number(1), balance: number(2) }),
            Some("full") => Err(StoreError::QueueFull { limit: u64::try_from(number(1)).unwrap_or(0) }),
            _ => Err(StoreError::NotFound),
        }
    }

    /// Deletes a job: leases are voided, credits of unfinished tasks go back, no event follows. The files are the caller's to
    /// delete, under [`crate::storage::StorageKey::job_prefix`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn delete_job(&self, account: &str, job: &str) -> Result<(), StoreError> {
        let mut call = self.invocation(&scripts::DELETE, self.shard(account));
        let reply: String = call.arg(account).arg(job).invoke_async(&mut self.connection()).await?;
        if reply == "ok" { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// Whether the upload slot still waits for its bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such slot, [`StoreError::Conflict`] when the bytes have arrived or the task has
    /// ended, [`StoreError::Unavailable`].
    pub async fn upload_open(&self, account: &str, job: &str, slot: &str) -> Result<(), StoreError> {
        self.uploaded(account, job, slot, None).await
    }

    /// Tells that the bytes of an upload slot have arrived at `file.key`: the task becomes ready. One slot, one success.
    ///
    /// # Errors
    /// As [`Store::upload_open`].
    pub async fn upload_arrived(&self, account: &str, job: &str, slot: &str, file: &FileRef) -> Result<(), StoreError> {
        self.uploaded(account, job, slot, Some(file)).await
    }

    async fn uploaded(&self, account: &str, job: &str, slot: &str, file: Option<&FileRef>) -> Result<(), StoreError> {
        let mut call = self.invocation(&scripts::UPLOADED, self.shard(account));
        call.arg(account).arg(job).arg(slot).arg(file.map(to_json).transpose()?.unwrap_or_default());
        let reply: String = call.arg(u8::from(file.is_none())).invoke_async(&mut self.connection()).await?;
        match reply.as_str() {
            "ok" => Ok(()),
            "arrived" => Err(StoreError::Conflict("The file of this upload has arrived already".into())),
            "ended" => Err(StoreError::Conflict("This upload is no longer open: its task has ended".into())),
            _ => Err(StoreError::NotFound),
        }
    }
}

/// JSON text of a record of ours.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Broken(format!("a record does not serialise: {e}")))
}

/// The strings and numbers of a flat reply.
pub(super) fn texts(value: Value) -> Result<Vec<String>, StoreError> {
    match value {
        Value::Array(items) => {
            items.into_iter().map(|item| redis::from_redis_value(item).map_err(|e| StoreError::Broken(e.to_string()))).collect()
        }
        other => Err(StoreError::Broken(format!("unexpected reply: {other:?}"))),
    }
}
