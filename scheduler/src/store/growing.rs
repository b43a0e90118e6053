//! Uploads that come in over several requests: who is at one, and how far it has come.

use serde::{Deserialize, Serialize};

use super::connection::Store;
use super::jobs::to_json;
use super::{StoreError, scripts};
use crate::storage::Progress;
use crate::task::FileRef;

/// How long a request keeps its slot without a word.
const HOLD_MS: u64 = 30_000;

/// How long after the job's creation an upload may go on, if it makes progress: a day.
pub const LONGEST_UPLOAD_MS: u64 = 24 * 3_600_000;

/// An upload in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialUpload {
    /// Bytes of the whole; not known yet for a client that does not say.
    pub length: Option<u64>,
    /// Name that the client gives the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// The `Upload-Metadata` that it was created with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// How far it has come.
    pub progress: Progress,
}

/// How an upload slot stands.
#[derive(Clone, Debug, PartialEq)]
pub enum SlotState {
    /// It waits for bytes; the upload that was begun, if one was, and when it expires (Unix milliseconds).
    Open(Option<PartialUpload>, u64),
    /// The whole file is there.
    Arrived(FileRef),
    /// Its task has ended without it.
    Ended,
}

/// What a request wants of a slot.
enum Step<'a> {
    Look,
    Take,
    Note(Option<&'a PartialUpload>, u64),
}

impl Store {
    /// How an upload slot stands.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn upload_state(&self, account: &str, job: &str, slot: &str) -> Result<SlotState, StoreError> {
        self.growing(account, job, slot, "-", Step::Look).await
    }

    /// Takes the slot for the request `holder` alone, for as long as it notes something every 30 s.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while another request has it; [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn take_upload(&self, account: &str, job: &str, slot: &str, holder: &str) -> Result<SlotState, StoreError> {
        self.growing(account, job, slot, holder, Step::Take).await
    }

    /// Notes how far the upload has come (`None`: that there is none); gives the slot back when the request is `done`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another request has it by now: then nothing is noted. [`StoreError::NotFound`],
    /// [`StoreError::Unavailable`].
    pub async fn note_upload(
        &self,
        account: &str,
        job: &str,
        slot: &str,
        holder: &str,
        upload: Option<&PartialUpload>,
        done: bool,
    ) -> Result<SlotState, StoreError> {
        self.growing(account, job, slot, holder, Step::Note(upload, if done { 0 } else { HOLD_MS })).await
    }

    async fn growing(&self, account: &str, job: &str, slot: &str, holder: &str, step: Step<'_>) -> Result<SlotState, StoreError> {
        let (op, hold, upload) = match step {
            Step::Look => ("look", 0, None),
            Step::Take => ("take", HOLD_MS, None),
            Step::Note(upload, hold) => ("note", hold, upload),
        };
        let mut call = self.invocation(&scripts::TUS, self.shard(account));
        call.arg(account).arg(job).arg(slot).arg(op).arg(holder).arg(hold);
        call.arg(upload.map(to_json).transpose()?.unwrap_or_default()).arg(LONGEST_UPLOAD_MS);
        let reply: Vec<String> = call.invoke_async(&mut self.connection()).await?;
        let text = |i: usize| reply.get(i).map(String::as_str).filter(|text| !text.is_empty());
        let broken = |e: serde_json::Error| StoreError::Broken(format!("an upload's record does not read: {e}"));
        match text(0) {
            Some("ok") => {
                let upload = text(1).map(serde_json::from_str).transpose().map_err(broken)?;
                Ok(SlotState::Open(upload, text(2).and_then(|at| at.parse().ok()).unwrap_or(0)))
            }
            Some("arrived") => {
                let file = text(3).ok_or_else(|| StoreError::Broken("an upload without its record".into()))?;
                Ok(SlotState::Arrived(serde_json::from_str(file).map_err(broken)?))
            }
            Some("ended") => Ok(SlotState::Ended),
            Some("held" | "lost") => Err(StoreError::Conflict("Another request sends bytes to this upload at the moment".into())),
            _ => Err(StoreError::NotFound),
        }
    }
}
