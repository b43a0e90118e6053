//! A job: a set of tasks under one identifier, paid and reported together.

use serde::{Deserialize, Serialize};

use crate::store::Claim;
use crate::task::{TaskError, TaskRecord, TaskSpec, TaskStatus};

/// Status of a job as clients see it: the four documented ones and no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobStatus {
    /// Queued: for a concurrency slot, or for the customer's bytes.
    #[default]
    Waiting,
    /// Active.
    Processing,
    /// Every task finished.
    Finished,
    /// At least one task failed or was cancelled, and nothing more can run.
    Error,
}

impl JobStatus {
    /// Whether the job has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Error)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Processing => "PROCESSING",
            Self::Finished => "FINISHED",
            Self::Error => "ERROR",
        }
    }

    /// Reads a wire name back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Processing, Self::Finished, Self::Error].into_iter().find(|status| status.as_str() == text)
    }
}

/// A job to be submitted: validated, priced and in dependency order. `NewJob::default()` is empty and belongs to nobody.
#[derive(Clone, Debug, Default)]
pub struct NewJob {
    /// Owner.
    pub account: String,
    /// Identifier, `job_…`.
    pub id: String,
    /// Label of the customer.
    pub tag: Option<String>,
    /// Tasks in the customer's order; names are unique, inputs exist, no cycles (see [`crate::graph::check`]).
    pub tasks: Vec<TaskSpec>,
    /// Identifier of the API key that created it.
    pub created_by_key: Option<String>,
    /// What the customer chose for the job as a whole.
    pub choices: JobChoices,
    /// The claim of the request that submits it, if it came with an `Idempotency-Key`.
    pub claim: Option<Claim>,
    /// How long its uploads may be awaited, milliseconds; `None` is an hour.
    pub upload_lifetime_ms: Option<u64>,
}

impl NewJob {
    /// Makes it a job of a test key: free, and what it makes is marked TEST.
    pub fn make_test(&mut self) {
        self.choices.test = true;
        for task in &mut self.tasks {
            (task.credits, task.test) = (0, true);
        }
    }
}

/// What a customer chooses for a job as a whole; stored with it and read back unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobChoices {
    /// Where `job.finished` or `job.failed` is sent, beside the registered webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The first failure cancels what is left, instead of letting independent branches finish.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
    /// Files of intermediate tasks stay readable; adjacent tasks are not fused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_intermediates: bool,
    /// Made with a test key: free, and its outputs are marked TEST.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

/// A job as it is read back from the store.
#[derive(Clone, Debug, Default)]
pub struct JobRecord {
    /// Identifier.
    pub id: String,
    /// Owner.
    pub account: String,
    /// Label of the customer.
    pub tag: Option<String>,
    /// Where it stands.
    pub status: JobStatus,
    /// First failure, once in error.
    pub error: Option<TaskError>,
    /// Credits reserved or spent, net of refunds.
    pub credits_used: i64,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds.
    pub ended_at: Option<u64>,
    /// Identifier of the API key that created it.
    pub created_by_key: Option<String>,
    /// What the customer chose for the job as a whole.
    pub choices: JobChoices,
    /// Tasks in the customer's order.
    pub tasks: Vec<TaskRecord>,
    /// Version of the record: grows with every change; the weak ETag.
    pub version: u64,
    /// The version at the last change of the job's own status.
    pub status_version: u64,
    /// Whether its files have been deleted at their time.
    pub files_gone: bool,
}

impl JobRecord {
    /// The task of that name.
    pub fn task(&self, name: &str) -> Option<&TaskRecord> {
        self.tasks.iter().find(|task| task.spec.name == name)
    }

    /// Whether some task waits for the customer's bytes.
    pub fn awaits_upload(&self) -> bool {
        self.tasks.iter().any(|task| task.status == TaskStatus::Waiting && task.upload.is_some())
    }
}
