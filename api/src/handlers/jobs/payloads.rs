//! Files that come inside a request: into storage before the job is submitted, and out again if it is not.

use std::collections::HashMap;
use std::time::Duration;

use convertfly_scheduler::ids::{file_id, new_id};
use convertfly_scheduler::job::NewJob;
use convertfly_scheduler::storage::{PutLimit, StorageKey};
use convertfly_scheduler::store::StoreError;
use convertfly_scheduler::task::FileRef;
use futures_util::stream;

use super::delete::remove;
use crate::error::ApiError;
use crate::state::AppState;
use crate::validate::Payload;

/// Puts the files of a request into storage; none of them ever passes through the store.
pub(super) async fn store_payloads(
    state: &AppState,
    job: &NewJob,
    payloads: Vec<Payload>,
) -> Result<HashMap<String, FileRef>, ApiError> {
    let mut uploads = HashMap::new();
    for payload in payloads {
        let key = StorageKey::Upload { account: job.account.clone(), job: job.id.clone(), slot: new_id("up") };
        let size = payload.bytes.len() as u64;
        let limit = PutLimit { max_bytes: size, exact: Some(size) };
        let stored = match state.storage().put_stream(&key, stream::iter([Ok(payload.bytes)]), limit).await {
            Ok(stored) => stored,
            Err(error) => {
                remove(state, &StorageKey::job_prefix(&job.account, &job.id)).await;
                return Err(error.into());
            }
        };
        let file = FileRef {
            file_id: file_id(&job.id),
            key: key.to_string(),
            filename: payload.filename,
            size: stored.size,
            format: None,
            sha256: Some(stored.sha256),
            crc32: Some(stored.crc32),
            width: None,
            height: None,
            page: None,
            remote: None,
        };
        uploads.insert(payload.task, file);
    }
    Ok(uploads)
}

/// Removes the files of a job that was not accepted. When the store did not answer, the job may exist all the same: then it
/// is asked again until it says.
pub(super) fn discard_payloads(state: &AppState, job: &NewJob, error: &StoreError) {
    let uncertain = matches!(error, StoreError::Unavailable(_));
    let (state, account, id) = (state.clone(), job.account.clone(), job.id.clone());
    tokio::spawn(async move {
        for _ in 0..60 {
            if !uncertain || matches!(state.store().job(&account, &id).await, Err(StoreError::NotFound)) {
                return remove(&state, &StorageKey::job_prefix(&account, &id)).await;
            }
            if state.store().job(&account, &id).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        tracing::error!(job = id, "the store stayed away: files of a job that may not exist are left in storage");
    });
}
