//! Reading jobs and tasks, and waiting for them.

use std::collections::HashMap;

use redis::AsyncCommands;
use tokio::time::Instant;

use super::connection::Store;
use super::{StoreError, keys};
use crate::job::{JobRecord, JobStatus};
use crate::task::{TaskRecord, TaskSpec, TaskStatus, UploadSlot};

pub(super) type Fields = HashMap<String, String>;

impl Store {
    /// A job with its tasks.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also for another account's job, [`StoreError::Unavailable`].
    pub async fn job(&self, account: &str, job: &str) -> Result<JobRecord, StoreError> {
        let shard = self.shard(account);
        let fields: Fields = self.connection().hgetall(keys::job(shard, job)).await?;
        if fields.get("account").map(String::as_str) != Some(account) {
            return Err(StoreError::NotFound);
        }
        let mut pipe = redis::pipe();
        for name in task_names(&fields) {
            pipe.hgetall(keys::task(shard, job, name));
        }
        let tasks: Vec<Fields> = pipe.query_async(&mut self.connection()).await?;
        let tasks = tasks.iter().map(task_record).collect::<Result<Vec<_>, _>>()?;
        job_record(job, &fields, tasks)
    }

    /// A job by its identifier alone, whichever account it is of: for operators.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn find_job(&self, job: &str) -> Result<JobRecord, StoreError> {
        let mut pipe = redis::pipe();
        for shard in 0..self.shards() {
            pipe.hget(keys::job(shard, job), "account");
        }
        let owners: Vec<Option<String>> = pipe.query_async(&mut self.connection()).await?;
        let owner = owners.into_iter().flatten().next().ok_or(StoreError::NotFound)?;
        self.job(&owner, job).await
    }

    /// A task of a job.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn task(&self, account: &str, job: &str, task: &str) -> Result<TaskRecord, StoreError> {
        let shard = self.shard(account);
        let mut connection = self.connection();
        let owner: Option<String> = connection.hget(keys::job(shard, job), "account").await?;
        let fields: Fields = connection.hgetall(keys::task(shard, job, task)).await?;
        if owner.as_deref() != Some(account) || fields.is_empty() {
            return Err(StoreError::NotFound);
        }
        task_record(&fields)
    }

    /// Resolves once the job has ended, or at `deadline`, with its record then. Costs no polling while Redis' notices arrive.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also when it is deleted meanwhile, [`StoreError::Unavailable`].
    pub async fn wait(&self, account: &str, job: &str, deadline: Instant) -> Result<JobRecord, StoreError> {
        loop {
            // Listen first, then read: an end between the two is not missed.
            let notify = self.inner.hub.job_ended(job);
            let notified = notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            // The record is for whoever sees it: most come too early, and what they need is to know that.
            let key = keys::job(self.shard(account), job);
            let (owner, status): (Option<String>, Option<String>) = self.connection().hmget(key, &["account", "status"]).await?;
            if owner.as_deref() != Some(account) {
                return Err(StoreError::NotFound);
            }
            let ended = status.and_then(|text| JobStatus::parse(&text)).is_none_or(JobStatus::is_terminal);
            if ended || Instant::now() >= deadline {
                return self.job(account, job).await;
            }
            // No looking in between: when notices may have been missed the hub wakes everybody.
            let _ = tokio::time::timeout_at(deadline, notified).await;
        }
    }
}

/// The names of a job's tasks, in the customer's order.
pub(super) fn task_names(job: &Fields) -> impl Iterator<Item = &str> {
    job.get("tasks").map(String::as_str).unwrap_or_default().split_whitespace()
}

fn parse<T: serde::de::DeserializeOwned>(fields: &Fields, name: &str) -> Result<Option<T>, StoreError> {
    match fields.get(name) {
        None => Ok(None),
        Some(text) => {
            serde_json::from_str(text).map(Some).map_err(|e| StoreError::Broken(format!("field `{name}` does not read: {e}")))
        }
    }
}

fn number<T: std::str::FromStr>(fields: &Fields, name: &str) -> Option<T> {
    fields.get(name).and_then(|text| text.parse().ok())
}

pub(super) fn task_record(fields: &Fields) -> Result<TaskRecord, StoreError> {
    let spec: TaskSpec = parse(fields, "spec")?.ok_or(StoreError::NotFound)?;
    let status = fields.get("status").and_then(|text| TaskStatus::parse(text)).ok_or(StoreError::NotFound)?;
    let upload = match (fields.get("slot"), fields.contains_key("file")) {
        (Some(id), false) => Some(UploadSlot { id: id.clone(), expires_at: number(fields, "slot_expires").unwrap_or(0) }),
        _ => None,
    };
    Ok(TaskRecord {
        spec,
        status,
        result: parse(fields, "result")?,
        error: if status.is_terminal() { parse(fields, "error")? } else { None },
        explain: parse(fields, "explain")?,
        progress: match status {
            TaskStatus::Finished => Some(1.0),
            TaskStatus::Processing => Some(number(fields, "progress").unwrap_or(0.0)),
            _ => number(fields, "progress"),
        },
        attempts: number(fields, "attempts").unwrap_or(0),
        losses: number(fields, "losses").unwrap_or(0),
        upload,
        version: number(fields, "ver").unwrap_or(0),
        started_at: number(fields, "started"),
        ended_at: number(fields, "ended"),
    })
}

pub(super) fn job_record(id: &str, fields: &Fields, tasks: Vec<TaskRecord>) -> Result<JobRecord, StoreError> {
    let status = fields.get("status").and_then(|text| JobStatus::parse(text)).ok_or(StoreError::NotFound)?;
    Ok(JobRecord {
        id: id.to_owned(),
        account: fields.get("account").cloned().unwrap_or_default(),
        tag: fields.get("tag").cloned(),
        status,
        error: if status == JobStatus::Error { parse(fields, "error")? } else { None },
        credits_used: number(fields, "credits").unwrap_or(0),
        created_at: number(fields, "created").unwrap_or(0),
        ended_at: number(fields, "ended"),
        created_by_key: fields.get("key").cloned(),
        choices: parse(fields, "choices")?.unwrap_or_default(),
        tasks,
        version: number(fields, "ver").unwrap_or(0),
        status_version: number(fields, "sver").unwrap_or(0),
        files_gone: fields.get("files").is_some_and(|files| files == "gone"),
    })
}
