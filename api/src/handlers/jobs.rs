//! Jobs: create, list, get, wait, delete.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::ids::new_id;
use convertfly_scheduler::job::{JobRecord, JobStatus, NewJob};
use convertfly_scheduler::storage::{PutLimit, StorageKey};
use convertfly_scheduler::store::{StoreError, Submitted};
use convertfly_scheduler::task::{FileRef, TaskRecord};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Names, Query, data, job_id, read_body};
use crate::error::{ApiError, Code};
use crate::links::{links, now_ms};
use crate::middleware::auth::Caller;
use crate::middleware::{CREDITS_REMAINING, CREDITS_USED};
use crate::state::AppState;
use crate::validate::{self, Payload};
use crate::view;

/// Longest wait, seconds.
const MAX_WAIT: u64 = 300;

/// Most jobs on a page.
const MAX_LIMIT: u64 = 100;

/// Bodies over this size are checked on a thread of their own: parsing megabytes would hold up other requests.
const SMALL: usize = 64 << 10;

/// How long after a deletion a worker may still be writing a result that nobody wants any more.
const STRAGGLERS: Duration = Duration::from_secs(10);

/// `POST /jobs`.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    expect_json(&headers)?;
    let (bytes, memory) = read_body(&state, &headers, body, state.limits().job_body).await?;
    let (catalog, account, key) = (state.catalog(), caller.account, caller.key);
    let accepted = if bytes.len() <= SMALL {
        validate::job(catalog, &bytes, &account, &key)
    } else {
        let checked = tokio::task::spawn_blocking(move || validate::job(catalog, &bytes, &account, &key)).await;
        checked.map_err(|_| ApiError::server())?
    }?;
    let job = accepted.job;
    let uploads = store_payloads(&state, &job, accepted.payloads).await?;
    drop(memory);
    let submitted = match state.store().submit(&job, &uploads).await {
        Ok(submitted) => submitted,
        Err(error) => {
            if !uploads.is_empty() {
                discard_payloads(&state, &job, &error);
            }
            return Err(ApiError::from(error).about("account"));
        }
    };
    // The job exists and is paid for, whatever happens to this read: the answer must say so.
    let record = match state.store().job(&job.account, &job.id).await {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!(job = job.id, %error, "the new job could not be read back");
            as_submitted(job, &submitted)
        }
    };
    let mut response = data(StatusCode::CREATED, show(&state, &record).await);
    let headers = response.headers_mut();
    headers.insert(CREDITS_REMAINING, HeaderValue::from(submitted.balance));
    headers.insert(CREDITS_USED, HeaderValue::from(submitted.credits_used));
    Ok(response)
}

/// `GET /jobs`.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller, query: Query) -> Result<Response, ApiError> {
    let invalid = |field: &str, reason: &str| ApiError::field(Code::InvalidData, field, reason);
    let limit = query.number("limit", 20).filter(|limit| (1..=MAX_LIMIT).contains(limit));
    let limit = limit.ok_or_else(|| invalid("limit", "must be an integer from 1 to 100"))?;
    let page =
        query.number("page", 1).filter(|&page| page >= 1 && page.checked_mul(limit).is_some_and(|end| end <= u64::MAX >> 1));
    let page = page.ok_or_else(|| invalid("page", "must be an integer of 1 or more"))?;
    let status = match query.get("status") {
        None => None,
        Some(text) => {
            Some(JobStatus::parse(text).ok_or_else(|| invalid("status", "must be one of WAITING, PROCESSING, FINISHED, ERROR"))?)
        }
    };
    let found = state.store().jobs(&caller.account, page, limit, status, query.get("tag")).await?;
    let mut jobs = Vec::with_capacity(found.jobs.len());
    for record in &found.jobs {
        jobs.push(show(&state, record).await);
    }
    let body = json!({ "data": jobs, "meta": { "page": page, "limit": limit, "total": found.total } });
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response())
}

/// `GET /jobs/:id`.
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Names(job): Names<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let record = state.store().job(&caller.account, job_id(&job)?).await.map_err(about_job)?;
    let etag = format!("W/\"{}\"", record.version);
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut response = if known.flat_map(|text| text.split(',')).any(|tag| matches!(tag.trim(), "*") || tag.trim() == etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        data(StatusCode::OK, show(&state, &record).await)
    };
    response.headers_mut().insert(ETAG, HeaderValue::try_from(etag).map_err(|_| ApiError::server())?);
    Ok(response)
}

/// `GET /jobs/:id/wait`.
pub(crate) async fn wait(
    State(state): State<AppState>,
    caller: Caller,
    Names(job): Names<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let job = job_id(&job)?;
    let seconds = query.number("timeout", MAX_WAIT);
    let seconds = seconds.ok_or_else(|| ApiError::field(Code::InvalidData, "timeout", "must be an integer from 0 to 300"))?;
    let deadline = Instant::now() + Duration::from_secs(seconds.min(MAX_WAIT));
    let record = tokio::select! {
        record = state.store().wait(&caller.account, job, deadline) => record,
        // A server that is going down says how the job stands; the client asks the next one.
        () = state.drain().cancelled() => state.store().job(&caller.account, job).await,
    };
    let record = record.map_err(about_job)?;
    let view = show(&state, &record).await;
    if record.status.is_terminal() {
        return Ok(data(StatusCode::OK, view));
    }
    let mut response = data(StatusCode::ACCEPTED, view);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    Ok(response)
}

/// `DELETE /jobs/:id`.
pub(crate) async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Names(job): Names<String>,
) -> Result<Response, ApiError> {
    let job = job_id(&job)?;
    state.store().delete_job(&caller.account, job).await.map_err(about_job)?;
    let prefix = StorageKey::job_prefix(&caller.account, job);
    remove(&state, &prefix).await;
    tokio::spawn(async move {
        tokio::time::sleep(STRAGGLERS).await;
        remove(&state, &prefix).await;
    });
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Removes a job's files. The job is gone already, so the client is told of its success; the log has the rest.
async fn remove(state: &AppState, prefix: &str) {
    if let Err(error) = state.storage().delete_prefix(prefix).await {
        tracing::error!(prefix, %error, "files of a deleted job could not be removed");
    }
}

/// A job with its links.
async fn show(state: &AppState, record: &JobRecord) -> Value {
    view::job(record, &links(state, &record.account, &record.id, &record.tasks).await)
}

fn about_job(error: StoreError) -> ApiError {
    ApiError::from(error).about("job")
}

/// JSON must be called JSON: what curl sends by default (a form) is refused with a hint.
fn expect_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "application/json" || (media.starts_with("application/") && media.ends_with("+json")) {
        return Ok(());
    }
    Err(ApiError::field(Code::InvalidData, "Content-Type", "must be application/json"))
}

/// Puts the files of a request into storage; none of them ever passes through the store.
async fn store_payloads(state: &AppState, job: &NewJob, payloads: Vec<Payload>) -> Result<HashMap<String, FileRef>, ApiError> {
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
            file_id: new_id("file"),
            key: key.to_string(),
            filename: payload.filename,
            size: stored.size,
            format: None,
            sha256: Some(stored.sha256),
            width: None,
            height: None,
        };
        uploads.insert(payload.task, file);
    }
    Ok(uploads)
}

/// Removes the files of a job that was not accepted. When the store did not answer, the job may exist all the same: then it
/// is asked again until it says.
fn discard_payloads(state: &AppState, job: &NewJob, error: &StoreError) {
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

/// A job as it was submitted, for the rare case that it cannot be read back.
fn as_submitted(job: NewJob, submitted: &Submitted) -> JobRecord {
    let task = |spec| TaskRecord { spec, ..TaskRecord::default() };
    JobRecord {
        id: job.id,
        account: job.account,
        tag: job.tag,
        status: submitted.status,
        credits_used: submitted.credits_used,
        created_at: now_ms(),
        created_by_key: job.created_by_key,
        choices: job.choices,
        tasks: job.tasks.into_iter().map(task).collect(),
        ..JobRecord::default()
    }
}
