//! `POST /convert`: a file in, a file out. Inside it is a job like any other: same checks, same price, same limits, and its
//! files stay as long as those of any job, so that a client whose connection breaks need not pay twice.

mod form;
mod options;

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::ids::{file_id, new_id};
use convertfly_scheduler::job::{JobRecord, JobStatus};
use convertfly_scheduler::storage::StorageKey;
use convertfly_scheduler::task::{ErrorCode, FileRef, TaskError};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::jobs::{insert_location, seal, show, submit, wait_for};
use super::{Query, data, files, room, storage};
use crate::error::{ApiError, Code};
use crate::middleware::CREDITS_USED;
use crate::middleware::auth::Caller;
use crate::middleware::idempotency::Idempotent;
use crate::prefer::Preferences;
use crate::state::AppState;
use crate::validate::{self, Accepted};
use options::Options;

/// The job inside.
const JOB_ID: HeaderName = HeaderName::from_static("x-job-id");

/// Names of the tasks of the job inside.
const IMPORT: &str = "import";
const EXPORT: &str = "export";

/// `POST /convert`.
pub(crate) async fn convert(
    State(state): State<AppState>,
    caller: Caller,
    once: Idempotent,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let prefer = Preferences::read(&headers);
    // Before anything is taken in, so that a refusal has no effect.
    let _place = match patience(&state, prefer) {
        Duration::ZERO => None,
        _ => Some(state.waits().enter(&caller.key)?),
    };
    if let Some(id) = &once.done {
        return answer(&state, &caller.account, id, prefer).await;
    }
    room::check(&state)?;
    let id = new_id("job");
    let target = StorageKey::Upload { account: caller.account.clone(), job: id.clone(), slot: new_id("up") };
    let prefix = StorageKey::job_prefix(&caller.account, &id);
    let taken = take(&state, &caller, &id, &target, query, &headers, body).await;
    let (accepted, file) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            // What had arrived before the fault was found.
            if let Err(error) = state.storage().delete_prefix(&prefix).await {
                tracing::error!(prefix, %error, "the file of a refused request could not be removed");
            }
            return Err(error);
        }
    };
    let mut job = accepted.job;
    job.claim = once.claim;
    seal(&state, &mut job)?;
    submit(&state, &job, &HashMap::from([(IMPORT.to_owned(), file)])).await?;
    answer(&state, &job.account, &job.id, prefer).await
}

/// How long this request waits for its job.
fn patience(state: &AppState, prefer: Preferences) -> Duration {
    let most = state.limits().convert_wait;
    match prefer {
        Preferences { respond_async: true, wait: None } => Duration::ZERO,
        Preferences { wait: Some(seconds), .. } => Duration::from_secs(seconds).min(most),
        _ => most,
    }
}

/// Waits for the job inside, and answers with its result, its error, or the job itself when that takes too long.
async fn answer(state: &AppState, account: &str, id: &str, prefer: Preferences) -> Result<Response, ApiError> {
    let wait = patience(state, prefer);
    if !wait.is_zero() {
        wait_for(state, account, id, Instant::now() + wait).await;
    }
    let record = state.store().job(account, id).await?;
    let mut response = match record.status {
        JobStatus::Finished => finished(state, &record).await?,
        JobStatus::Error => failed(&record).into_response(),
        _ => {
            let mut response = data(StatusCode::ACCEPTED, show(state, &record).await);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Preferences::applied(response.headers_mut(), prefer.respond_async, prefer.wait.map(|_| wait.as_secs()));
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CREDITS_USED, HeaderValue::from(record.credits_used));
    if let Ok(value) = HeaderValue::try_from(record.id.as_str()) {
        headers.insert(JOB_ID, value);
    }
    insert_location(headers, &record.id);
    Ok(response)
}

/// Takes the request in: its options, and its file into storage.
async fn take(
    state: &AppState,
    caller: &Caller,
    id: &str,
    target: &StorageKey,
    query: Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Accepted, FileRef), ApiError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut options = Options::new(query.into_pairs())?;
    let stored = if let Ok(boundary) = multer::parse_boundary(content_type) {
        form::read(state, body, boundary, target, &mut options).await?
    } else {
        // What is wrong with the options is said before a byte of the file is read.
        accept(state, caller, id, &options)?;
        form::store(state, target, super::announced(headers), body.into_data_stream()).await?
    };
    let accepted = accept(state, caller, id, &options)?;
    if stored.size == 0 {
        return Err(ApiError::field(
            Code::InvalidData,
            "body",
            "must be the file's bytes, or a form with a part `file`; it is empty",
        ));
    }
    let file = FileRef {
        file_id: file_id(id),
        key: target.to_string(),
        filename: options.filename(),
        size: stored.size,
        format: None,
        sha256: Some(stored.sha256),
        crc32: Some(stored.crc32),
        width: None,
        height: None,
        page: None,
        remote: None,
    };
    Ok((accepted, file))
}

/// The job inside, checked and priced by the same code as any other.
fn accept(state: &AppState, caller: &Caller, id: &str, options: &Options) -> Result<Accepted, ApiError> {
    let body = options.job(state.catalog())?;
    let mut accepted =
        validate::job(state.catalog(), body.to_string().as_bytes(), &caller.account, &caller.key).map_err(options::translate)?;
    accepted.job.id = id.to_owned();
    if caller.test {
        accepted.job.make_test();
    }
    for task in accepted.job.tasks.iter_mut().filter(|task| task.name == IMPORT) {
        // Its bytes are there already.
        task.awaits_upload = false;
    }
    Ok(accepted)
}

/// The bytes of what was made. Of several files there is no single body: the job lists them.
async fn finished(state: &AppState, record: &JobRecord) -> Result<Response, ApiError> {
    let made = record.task(EXPORT).and_then(|task| task.result.as_ref()).map(|result| result.files.as_slice());
    match made {
        Some([file]) => {
            let grant = files::grant(state, file.clone())?;
            storage::serve(state, &grant, Method::GET, &HeaderMap::new()).await
        }
        _ => Ok(data(StatusCode::ACCEPTED, show(state, record).await)),
    }
}

/// The error of a job that failed, as the same fault of a request would be answered.
fn failed(record: &JobRecord) -> ApiError {
    let unknown = TaskError::new(ErrorCode::ServerError, "The conversion failed");
    let error = record.error.as_ref().unwrap_or(&unknown);
    let code = match error.code {
        ErrorCode::InvalidData | ErrorCode::ImportFailed => Code::InvalidData,
        ErrorCode::UnsupportedFormat => Code::UnsupportedFormat,
        ErrorCode::PayloadTooLarge => Code::PayloadTooLarge,
        ErrorCode::Cancelled => Code::Conflict,
        ErrorCode::Timeout => Code::Unavailable,
        _ => Code::ServerError,
    };
    let mut details =
        error.details.clone().filter(Value::is_object).unwrap_or_else(|| json!({ "field": "file", "reason": error.message }));
    details["job_id"] = record.id.as_str().into();
    ApiError::new(code, error.message.clone()).with_details(details)
}
