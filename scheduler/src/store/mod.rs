//! The Redis store: the one record of jobs, queues, leases and money.
//!
//! Every change of state is one Lua script on one shard (`store/lua/`); this module has one typed function per script and
//! the reads. Key names are in [`keys`] alone.

mod accounts;
mod admission;
mod api_keys;
mod batches;
mod claims;
mod connection;
mod growing;
mod hook_scripts;
mod jobs;
mod key_watch;
pub mod keys;
mod leasing;
mod ledger;
mod lists;
mod notices;
mod read;
mod scripts;
mod sweep;
mod upkeep;
mod watch;
mod webhooks;

pub use accounts::{NewAccount, PlanLimits};
pub use admission::Admission;
pub use api_keys::{ApiKey, MAX_KEYS, Revoker};
pub use claims::{CLAIM_LEASE, Claim, Claimed};
pub use connection::Store;
pub use growing::{LONGEST_UPLOAD_MS, PartialUpload, SlotState};
pub use key_watch::{KeyStamp, KeyWatch};
pub use leasing::{Backlog, Leaser};
pub use ledger::{Audit, Books, LedgerEntry, Truth};
pub use lists::Cursor;
pub use notices::Notice;
pub use upkeep::{Due, Reaped};
pub use watch::JobWatch;
pub use webhooks::{
    Attempt, DeliveryPage, DeliveryRecord, DeliveryRules, DeliveryStatus, DueDelivery, MAX_WEBHOOKS, NewWebhook, OutboxReader,
    Outcome, Webhook, WebhookChange, account_context, webhook_context,
};

use crate::job::{JobRecord, JobStatus};
use crate::task::{FileRef, TaskSpec};

/// Times that a task may fail on its own account before it ends in ERROR.
pub const MAX_ATTEMPTS: u32 = 3;

/// Workers that a task may lose before it ends in ERROR `WORKER_LOST`.
pub const MAX_LOSSES: u32 = 3;

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
    /// It is not this caller's to do; the text says whose.
    #[error("{0}")]
    Forbidden(String),
    /// The balance does not cover the price.
    #[error("{needed} credits are needed, {balance} are left")]
    InsufficientCredits {
        /// Price of what was asked.
        needed: i64,
        /// Credits left.
        balance: i64,
    },
    /// An audit has found the account's books apart; until an operator has settled that, nothing is charged to it.
    #[error("the books of this account do not add up; nothing is charged until an operator has looked at them")]
    Frozen,
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

impl From<redis::RedisError> for StoreError {
    fn from(error: redis::RedisError) -> Self {
        Self::from(&error)
    }
}

impl From<&redis::RedisError> for StoreError {
    fn from(error: &redis::RedisError) -> Self {
        // A reply of the wrong type is a fault in the data; everything else is Redis being away, full or refusing.
        if error.kind() == redis::ErrorKind::UnexpectedReturnType {
            Self::Broken(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
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
    /// Files of the tasks that it reads beside its inputs.
    pub beside: Vec<FileRef>,
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
    /// This very lease was committed before (a repeated call after a lost reply); `next` as in the first reply, leased anew.
    Already {
        /// Continuation leases.
        next: Vec<Lease>,
    },
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
    /// Credits ever granted: `balance + held + spent` at all times.
    pub granted: i64,
    /// Jobs active now.
    pub active_jobs: u64,
    /// Jobs that may be active at once.
    pub max_concurrent_jobs: u64,
    /// Jobs that may wait.
    pub max_waiting_jobs: u64,
    /// Requests a minute per key.
    pub requests_per_minute: u64,
    /// Whether an operator has suspended it: its keys open nothing.
    pub suspended: bool,
    /// Whether an audit has found its books apart: nothing is charged until an operator has settled that.
    pub frozen: bool,
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
    /// Where the list goes on, if it does.
    pub next: Option<Cursor>,
}
