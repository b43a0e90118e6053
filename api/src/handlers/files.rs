//! Files by their identifiers, for the holder of an API key.
//!
//! There is no index: a file's identifier contains its job's, and the job's record knows its files. So finding one costs
//! no task anything, and a deleted job leaves nothing behind.

use axum::extract::State;
use axum::response::Response;
use convertfly_scheduler::graph;
use convertfly_scheduler::ids::job_of_file;
use convertfly_scheduler::storage::StorageKey;
use convertfly_scheduler::storage::sign::{Grant, Method as Direction};
use convertfly_scheduler::task::{FileRef, TaskRecord};
use http::{HeaderMap, Method, StatusCode};

use super::{Names, data, storage};
use crate::error::{ApiError, Code};
use crate::links::{media_type, now_ms};
use crate::middleware::auth::Caller;
use crate::state::AppState;
use crate::view;

/// A file that may be read.
pub(crate) struct Found {
    /// The file.
    pub(crate) file: FileRef,
    /// Its job.
    pub(crate) job: String,
    /// The task that made it.
    pub(crate) task: String,
}

/// Finds a file of the account: one that was imported, or that no other task takes, or of a job that keeps them all.
///
/// # Errors
/// `NOT_FOUND`, with a hint for an intermediate file; `GONE` once the job's files have expired; `UNAVAILABLE`.
pub(crate) async fn find(state: &AppState, account: &str, id: &str) -> Result<Found, ApiError> {
    let missing = || ApiError::not_found("file");
    let job = job_of_file(id).ok_or_else(missing)?;
    let record = state.store().job(account, &job).await.map_err(|e| ApiError::from(e).about("file"))?;
    let has = |task: &&TaskRecord| task.result.iter().flat_map(|result| &result.files).any(|file| file.file_id == id);
    let holders: Vec<&TaskRecord> = record.tasks.iter().filter(has).collect();
    // An export passes on what another task has made.
    let maker =
        holders.iter().find(|task| !task.spec.operation.starts_with("export/")).or(holders.first()).ok_or_else(missing)?;
    let consumed = |name: &String| record.tasks.iter().any(|task| task.spec.needs().any(|need| need == name));
    let import = |task: &TaskRecord| task.spec.operation.starts_with("import/");
    let kept = |task: &TaskRecord| import(task) && graph::keeps(&task.spec);
    let shown = record.choices.keep_intermediates || holders.iter().any(|task| kept(task) || !consumed(&task.spec.name));
    if !shown {
        let text = if import(maker) {
            "This file was imported with `keep: false`: import it without that to read it later"
        } else {
            "This is an intermediate file, taken by another task of its job: create the job with keep_intermediates to read such files"
        };
        return Err(ApiError::new(Code::NotFound, text));
    }
    if record.files_gone {
        return Err(ApiError::new(Code::Gone, "The files of this job have expired: create a new job"));
    }
    let mut files = maker.result.iter().flat_map(|result| &result.files);
    let file = files.find(|file| file.file_id == id).cloned().ok_or_else(missing)?;
    Ok(Found { file, job, task: maker.spec.name.clone() })
}

/// `GET /files/:id`.
pub(crate) async fn get(State(state): State<AppState>, caller: Caller, Names(id): Names<String>) -> Result<Response, ApiError> {
    let found = find(&state, &caller.account, &id).await?;
    let mut view = view::file(&found.file, None);
    view["job_id"] = found.job.into();
    view["task"] = found.task.into();
    view["content_url"] = format!("{}/api/v1/files/{id}/content", state.linker().public_url).into();
    Ok(data(StatusCode::OK, view))
}

/// `GET /files/:id/content`, and HEAD.
pub(crate) async fn content(
    State(state): State<AppState>,
    caller: Caller,
    Names(id): Names<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = find(&state, &caller.account, &id).await?;
    let grant = grant(&state, found.file)?;
    storage::serve(&state, &grant, method, &headers).await
}

/// The permission to read a file here and now.
///
/// # Errors
/// `NOT_FOUND` for a key that we have never made.
pub(crate) fn grant(state: &AppState, file: FileRef) -> Result<Grant, ApiError> {
    Ok(Grant {
        method: Direction::Get,
        key: StorageKey::parse(&file.key).ok_or_else(|| ApiError::not_found("file"))?,
        expires_at_ms: now_ms(),
        max_bytes: None,
        content_type: Some(media_type(state, &file)),
        filename: Some(file.filename),
        inline: false,
        sha256: file.sha256,
    })
}
