//! A task: its states, what it makes and how it fails.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::Lane;

/// Status of a task as clients see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskStatus {
    /// Not started: waits for its inputs, for bytes, for a slot or for a worker.
    #[default]
    Waiting,
    /// Leased by a worker.
    Processing,
    /// Done; `result` is set.
    Finished,
    /// Failed; `error` is set.
    Error,
    /// Cancelled by the customer.
    Cancelled,
}

impl TaskStatus {
    /// Whether the task has ended, whichever way.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Error | Self::Cancelled)
    }

    /// Whether the state machine allows the step `self -> next`. The Lua scripts enforce the same table; the contract
    /// suite checks every observed step against this function.
    pub fn may_become(self, next: Self) -> bool {
        use TaskStatus::{Cancelled, Error, Finished, Processing, Waiting};
        match self {
            Waiting => matches!(next, Processing | Error | Cancelled),
            // Back to waiting: a lost lease or a failure that may be tried again.
            Processing => matches!(next, Waiting | Finished | Error | Cancelled),
            // Retry.
            Error | Cancelled => next == Waiting,
            Finished => false,
        }
    }

    /// The name on the wire, `WAITING` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Processing => "PROCESSING",
            Self::Finished => "FINISHED",
            Self::Error => "ERROR",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads a wire name back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Processing, Self::Finished, Self::Error, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// Public code of a failed task, safe to show to the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The file or an option is at fault.
    InvalidData,
    /// The file's format cannot be converted as asked.
    UnsupportedFormat,
    /// The file exceeds a limit: bytes, pixels, frames.
    PayloadTooLarge,
    /// A file could not be fetched from the customer's address.
    ImportFailed,
    /// A result could not be delivered to the customer's bucket.
    ExportFailed,
    /// A task whose output this one needs has failed.
    InputTaskFailed,
    /// The customer cancelled it.
    Cancelled,
    /// It took longer than its time limit.
    Timeout,
    /// The upload did not arrive in time.
    UploadExpired,
    /// Three workers died while running it.
    WorkerLost,
    /// A fault of ours; the cause is in the log.
    ServerError,
}

/// Why a task failed, in words for the customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskError {
    /// Machine-readable code.
    pub code: ErrorCode,
    /// What is wrong and what to do next.
    pub message: String,
    /// `{field, reason, …}` where a field is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl TaskError {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None }
    }
}

/// A stored file that a task made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileRef {
    /// Public identifier, `file_…`.
    pub file_id: String,
    /// Where the bytes are: a rendered [`crate::storage::StorageKey`]. Never shown to clients.
    pub key: String,
    /// Name for people, already sanitised.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// Detected or produced format, canonical name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Hex SHA-256 of the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// CRC-32 of the bytes, for zip archives. Never shown to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
    /// Pixels, where the file is an image and they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels, where the file is an image and they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Which page of the source it shows, from 1, where it shows one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Where the bytes still are and what they have to be like, sealed: they were not stored, and `key` is empty. Never shown to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
}

/// What a finished task made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The files, in order; the first one is the task's `file_id`.
    #[serde(default)]
    pub files: Vec<FileRef>,
    /// Set by `export/url`: the links are valid until then, Unix milliseconds. The API signs the links when it shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// What `export/s3` has stored in the customer's bucket, in the order of the files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ExportedObject>,
    /// Inline data, for `metadata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// Things the customer should know: a mismatch of extension and content, say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the work is worth by the pairs of formats that ran, credits; without it, what was reserved. A source whose format
    /// nobody knew reserves the dearest pair: what was cheaper gives the rest back as it finishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<u32>,
}

impl TaskRecord {
    /// Its price: what was reserved, and once it has finished what was paid.
    pub fn price(&self) -> u32 {
        let reserved = self.spec.credits;
        self.result.as_ref().and_then(|result| result.credits).map_or(reserved, |credits| credits.min(reserved))
    }
}

/// An object in a customer's bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedObject {
    /// The bucket.
    pub bucket: String,
    /// Its key there.
    pub key: String,
    /// The bucket's tag of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// A validated task as it is stored and handed to workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Name within the job.
    pub name: String,
    /// Operation name, a row of the catalogue.
    pub operation: String,
    /// Names of the tasks whose files it takes, in the customer's order.
    #[serde(default)]
    pub input: Vec<String>,
    /// Names of the tasks whose files it reads beside its inputs (the picture of a watermark), in the order of the fields that
    /// name them. They come first in time as inputs do, and cost nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Which lane it runs in.
    pub lane: Lane,
    /// Credits reserved for it.
    pub credits: u32,
    /// Validated fields of the operation (`url`, `output_format`, `options`, …), exactly what the worker reads. Secrets in
    /// it (headers, say) are never echoed by the API.
    pub fields: serde_json::Map<String, Value>,
    /// Whether it waits for bytes from the customer (`import/upload`).
    #[serde(default)]
    pub awaits_upload: bool,
    /// Its failure does not fail the job; tasks that take its files go on without them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_error: bool,
    /// Part of a job of a test key: what it makes is marked TEST.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// How many tasks of the job that work on pixels take a file that this one takes, itself included: what they have in common
    /// can be done once. Reckoned at submit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub siblings: u32,
    /// How many tasks of the job that work on pixels take what this one makes. Reckoned at submit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub readers: u32,
    /// Whether its file need not be stored: the customer does not want it kept, and every task that takes it only looks into it.
    /// Reckoned at submit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub glanced: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl TaskSpec {
    /// Every task that has to end before this one can start: inputs, then those beside them.
    pub fn needs(&self) -> impl Iterator<Item = &String> {
        self.input.iter().chain(&self.beside)
    }
}

/// A task as it is read back from the store. `TaskRecord { spec, ..Default::default() }` is one that has just been submitted.
#[derive(Clone, Debug, Default)]
pub struct TaskRecord {
    /// What was asked for.
    pub spec: TaskSpec,
    /// Where it stands.
    pub status: TaskStatus,
    /// What it made, once finished.
    pub result: Option<TaskResult>,
    /// Why it failed.
    pub error: Option<TaskError>,
    /// How it was done: engine, device, milliseconds per stage.
    pub explain: Option<Value>,
    /// Share done, 0 to 1.
    pub progress: Option<f64>,
    /// Times that it failed on its own account.
    pub attempts: u32,
    /// Times that its worker was lost.
    pub losses: u32,
    /// Where the upload goes and until when, for `import/upload` that still waits.
    pub upload: Option<UploadSlot>,
    /// The job's version at this task's last change.
    pub version: u64,
    /// Unix milliseconds of the first lease.
    pub started_at: Option<u64>,
    /// Unix milliseconds of the end.
    pub ended_at: Option<u64>,
}

/// The place that waits for a customer's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadSlot {
    /// Unguessable identifier; part of the object's key and of the signed URL.
    pub id: String,
    /// Unix milliseconds after which the task ends in `UPLOAD_EXPIRED`.
    pub expires_at: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_leave_only_by_retry() {
        use TaskStatus::{Cancelled, Error, Finished, Processing, Waiting};
        for from in [Waiting, Processing, Finished, Error, Cancelled] {
            for to in [Waiting, Processing, Finished, Error, Cancelled] {
                if from.is_terminal() && from.may_become(to) {
                    assert_eq!(to, Waiting, "{from:?} may only be retried");
                }
            }
        }
        assert!(!Finished.may_become(Waiting), "a finished task stays finished");
    }

    #[test]
    fn names_read_back() {
        assert_eq!(TaskStatus::parse("CANCELLED"), Some(TaskStatus::Cancelled), "wire name");
        assert_eq!(serde_json::to_string(&ErrorCode::InputTaskFailed).expect("json"), "\"INPUT_TASK_FAILED\"", "code name");
    }
}
