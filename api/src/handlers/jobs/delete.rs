//! `DELETE /jobs/:id`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::storage::StorageKey;
use http::StatusCode;

use super::about_job;
use crate::error::ApiError;
use crate::handlers::{Names, job_id};
use crate::middleware::auth::Caller;
use crate::state::AppState;

/// `DELETE /jobs/:id`.
pub(crate) async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Names(job): Names<String>,
) -> Result<Response, ApiError> {
    let job = job_id(&job)?;
    state.store().delete_job(&caller.account, job).await.map_err(about_job)?;
    // A worker may still be writing, and this process may end here: the scheduler removes them once more, later.
    remove(&state, &StorageKey::job_prefix(&caller.account, job)).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Removes a job's files. The job is gone already, so the client is told of its success; the log has the rest.
pub(super) async fn remove(state: &AppState, prefix: &str) {
    if let Err(error) = state.storage().delete_prefix(prefix).await {
        tracing::error!(prefix, %error, "files of a deleted job could not be removed");
    }
}
