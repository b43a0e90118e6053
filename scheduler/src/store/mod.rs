//! The Redis store: the one record of jobs, queues, leases and money.
//!
//! Every change of state is one Lua script on one shard (`store/lua/`); this module has one typed function per script and
//! the reads. Key names are in [`keys`] alone.

use std::collections::HashMap;

use serde_json::Value;

use crate::catalog::Lane;
use crate::job::{JobRecord, JobStatus, NewJob};
use crate::task::{FileRef, TaskError, TaskRecord, TaskResult, TaskSpec};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Redis is away, slow or refuses; nothing is known to have happened. Try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// No such job, task or account; another account's are no different.
    #[error("not found")]
    NotFound,
    /// The state does not allow it; the text says which state it is in.
    #[error("{0}")]
    Conflict(String),
    /// The balance does not cover the price.
    #[error("{needed} credits are needed, {balance} are left")]
    InsufficientCredits {
        /// Price of what was asked.
        needed: i64,
        /// Credits left.
        balance: i64,
    },
    /// Too many jobs of the account wait already.
    #[error("{limit} jobs of this account are waiting already")]
    QueueFull {
        /// The plan's limit.
        limit: u64,
    },
    /// The store's contents do not read as they should, or Redis is set up in a way that would lose data.
    #[error("{0}")]
    Broken(String),
}

/// What `submit` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// WAITING or PROCESSING.
    pub status: JobStatus,
    /// Credits that were reserved.
    pub credits_used: i64,
    /// Credits left after the reservation.
    pub balance: i64,
}

/// A leased task: everything a worker needs.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Owner.
    pub account: String,
    /// Job.
    pub job: String,
    /// What to do.
    pub spec: TaskSpec,
    /// Fencing token, `epoch-counter-random`: part of every output's key, and required by heartbeat, finish and fail.
    pub fence: String,
    /// Files of the input tasks, in the customer's order.
    pub inputs: Vec<FileRef>,
    /// The upload to read, for `import/upload` and `import/base64`.
    pub upload: Option<FileRef>,
    /// Times that it failed before.
    pub attempts: u32,
    /// Times that its worker was lost before.
    pub losses: u32,
    /// Milliseconds between becoming ready and this lease.
    pub queued_ms: u64,
}

/// What a heartbeat learns about one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Still ours, extended.
    Held,
    /// No longer ours (expired and given away, cancelled or deleted): stop and discard.
    Lost,
}

/// What `finish` did.
#[derive(Clone, Debug)]
pub enum Finished {
    /// Committed; `next` are successors leased to this worker in the same step.
    Committed {
        /// Continuation leases.
        next: Vec<Lease>,
    },
    /// This very lease was committed before (a repeated call after a lost reply).
    Already,
    /// The lease is no longer ours: nothing changed; discard the output.
    Stale,
}

/// What `fail` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It will be tried again.
    Requeued,
    /// It ended in ERROR, dependents fell, credits went back.
    Ended,
    /// The lease is no longer ours: nothing changed.
    Stale,
}

/// An account with its money and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Identifier, `acct_…`.
    pub id: String,
    /// Name for operators.
    pub name: String,
    /// Plan name.
    pub plan: String,
    /// Credits free to spend.
    pub balance: i64,
    /// Credits reserved by unfinished tasks.
    pub held: i64,
    /// Credits spent.
    pub spent: i64,
    /// Jobs that may be active at once.
    pub max_concurrent_jobs: u64,
    /// Jobs that may wait.
    pub max_waiting_jobs: u64,
    /// Requests a minute per key.
    pub requests_per_minute: u64,
}

/// An API key as the store knows it: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Identifier, `key_…`.
    pub id: String,
    /// Owner.
    pub account: String,
    /// Name for people.
    pub name: String,
    /// `jobs:read`, `jobs:write`, `webhooks:manage` or `*`.
    pub scopes: Vec<String>,
    /// Unix milliseconds.
    pub created_at: u64,
}

/// A page of an account's jobs.
#[derive(Clone, Debug)]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<JobRecord>,
    /// How many match in all.
    pub total: u64,
}

/// Connection to the store; cheap to clone.
#[derive(Clone)]
pub struct Store {}

#[expect(
    clippy::unused_async,
    unused_variables,
    reason = "the signatures that the other crates are built against; the scripts follow"
)]
impl Store {
    /// Connects to `url` (`redis://…` or `redis+unix://…`), checks that Redis will not lose data and that the shard count fits.
    pub async fn open(url: &str, shards: u16) -> Result<Self, StoreError> {
        Err(StoreError::Unavailable(String::new()))
    }
    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// The secret that signs storage URLs, shared by every process of this store; 32 bytes.
    pub async fn url_secret(&self) -> Result<Vec<u8>, StoreError> {
        Ok(Vec::new())
    }
    /// The account and key behind the SHA-256 of an API key, hex.
    pub async fn key_by_hash(&self, sha256_hex: &str) -> Result<Option<ApiKey>, StoreError> {
        Ok(None)
    }
    /// An account.
    pub async fn account(&self, id: &str) -> Result<Account, StoreError> {
        Err(StoreError::NotFound)
    }
    /// Stores a job, reserves its credits and makes it ready, or queues it behind the account's limit: one script.
    /// `uploads` names, per task, the object that already holds its bytes (`import/base64`).
    pub async fn submit(&self, job: &NewJob, uploads: &HashMap<String, FileRef>) -> Result<Submitted, StoreError> {
        Err(StoreError::NotFound)
    }
    /// A job with its tasks.
    pub async fn job(&self, account: &str, job: &str) -> Result<JobRecord, StoreError> {
        Err(StoreError::NotFound)
    }
    /// A page of an account's jobs, newest first. `page` starts at 1.
    pub async fn jobs(
        &self,
        account: &str,
        page: u64,
        limit: u64,
        status: Option<JobStatus>,
        tag: Option<&str>,
    ) -> Result<JobPage, StoreError> {
        Ok(JobPage { jobs: Vec::new(), total: 0 })
    }
    /// Resolves once the job has ended, or at `deadline`, with its record then. No polling while Redis' notices arrive.
    pub async fn wait(&self, account: &str, job: &str, deadline: tokio::time::Instant) -> Result<JobRecord, StoreError> {
        Err(StoreError::NotFound)
    }
    /// Cancels a waiting or running task and what depends on it; credits go back.
    pub async fn cancel_task(&self, account: &str, job: &str, task: &str) -> Result<TaskRecord, StoreError> {
        Err(StoreError::NotFound)
    }
    /// Runs a failed or cancelled task, and what fell with it, again; reserves its credits again.
    pub async fn retry_task(&self, account: &str, job: &str, task: &str) -> Result<(TaskRecord, i64), StoreError> {
        Err(StoreError::NotFound)
    }
    /// Deletes a job: leases are voided, credits of unfinished tasks go back, no event follows. The files are the caller's to
    /// delete, under [`crate::storage::StorageKey::job_prefix`].
    pub async fn delete_job(&self, account: &str, job: &str) -> Result<(), StoreError> {
        Err(StoreError::NotFound)
    }
    /// Whether the upload slot still waits for its bytes: `NotFound` when there is no such slot, `Conflict` when the bytes
    /// have arrived or the task has ended.
    pub async fn upload_open(&self, account: &str, job: &str, slot: &str) -> Result<(), StoreError> {
        Err(StoreError::NotFound)
    }
    /// Tells that the bytes of an upload slot have arrived at `file.key`: the task becomes ready. One slot, one success.
    pub async fn upload_arrived(&self, account: &str, job: &str, slot: &str, file: &FileRef) -> Result<(), StoreError> {
        Err(StoreError::NotFound)
    }
    /// Leases up to `slots` tasks per lane for `ttl_ms`.
    pub async fn lease(&self, worker: &str, lanes: &[(Lane, u32)], ttl_ms: u64) -> Result<Vec<Lease>, StoreError> {
        Ok(Vec::new())
    }
    /// Extends leases; `progress` is the share done, 0 to 1.
    pub async fn heartbeat(&self, leases: &[(&Lease, Option<f64>)], ttl_ms: u64) -> Result<Vec<Pulse>, StoreError> {
        Ok(Vec::new())
    }
    /// Commits a result; with `lanes`, successors in them are leased to `worker` in the same step.
    pub async fn finish(
        &self,
        worker: &str,
        lease: &Lease,
        result: &TaskResult,
        explain: &Value,
        lanes: &[Lane],
        ttl_ms: u64,
    ) -> Result<Finished, StoreError> {
        Ok(Finished::Stale)
    }
    /// Reports a failure; `retry` asks for another attempt where the limit of attempts allows it.
    pub async fn fail(&self, lease: &Lease, error: &TaskError, explain: &Value, retry: bool) -> Result<Failed, StoreError> {
        Ok(Failed::Stale)
    }
    /// Hands a lease back unfinished (drain): it is ready again at once and nothing is counted.
    pub async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        Ok(())
    }
}
