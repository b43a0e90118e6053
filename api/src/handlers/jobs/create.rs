//! `POST /jobs`.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use convertfly_scheduler::job::{JobRecord, NewJob};
use convertfly_scheduler::sealed;
use convertfly_scheduler::store::Submitted;
use convertfly_scheduler::task::{FileRef, TaskRecord};
use convertfly_scheduler::webhooks::sign::SigningSecret;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::payloads::{discard_payloads, store_payloads};
use super::plan::plan;
use super::reuse::reused;
use super::wait::MAX_WAIT;
use super::{about_job, show};
use crate::error::{ApiError, Code};
use crate::fail_point;
use crate::handlers::{Query, data, expect_json, read_body, room, webhooks};
use crate::links::now_ms;
use crate::middleware::auth::Caller;
use crate::middleware::idempotency::Idempotent;
use crate::middleware::{CREDITS_REMAINING, CREDITS_USED};
use crate::prefer::Preferences;
use crate::state::AppState;
use crate::validate;

/// Bodies over this size are checked on a thread of their own: parsing megabytes would hold up other requests.
const SMALL: usize = 64 << 10;

/// `POST /jobs`.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    once: Idempotent,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(id) = &once.done {
        return already(&state, &caller, id).await;
    }
    expect_json(&headers)?;
    let dry_run = match query.get("dry_run") {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(_) => return Err(ApiError::field(Code::InvalidData, "dry_run", "must be true or false")),
    };
    let prefer = Preferences::read(&headers);
    // Before anything is done, so that a refusal has no effect.
    let _place = match prefer.wait {
        Some(seconds) if seconds > 0 && !dry_run => Some(state.waits().enter(&caller.key)?),
        _ => None,
    };
    let (bytes, memory) = read_body(&state, &headers, body, state.limits().job_body).await?;
    let test = caller.test;
    let (catalog, account, key) = (state.catalog(), caller.account, caller.key);
    let mut accepted = if bytes.len() <= SMALL {
        validate::job(catalog, &bytes, &account, &key)
    } else {
        let checked = tokio::task::spawn_blocking(move || validate::job(catalog, &bytes, &account, &key)).await;
        checked.map_err(|_| ApiError::server())?
    }?;
    if test {
        accepted.job.make_test();
    }
    let reused = reused(&state, &accepted.job).await?;
    if dry_run {
        return plan(&state, &accepted).await;
    }
    room::check(&state)?;
    let mut job = accepted.job;
    let secret = webhook_secret(&state, &job).await?;
    job.claim = once.claim;
    job.upload_lifetime_ms = u64::try_from(state.limits().upload_lifetime.as_millis()).ok();
    seal(&state, &mut job)?;
    let mut files = store_payloads(&state, &job, accepted.payloads).await?;
    drop(memory);
    files.extend(reused);
    fail_point::reach("before submit");
    let submitted = submit(&state, &job, &files).await?;
    fail_point::reach("submitted");
    // Who prefers to wait and not to wait is answered after the time that they name, as the standard says.
    let wait = prefer.wait.map(|seconds| seconds.min(MAX_WAIT));
    if let Some(seconds) = wait {
        wait_for(&state, &job.account, &job.id, Instant::now() + Duration::from_secs(seconds)).await;
    }
    // The job exists and is paid for, whatever happens to this read: the answer must say so.
    let record = match state.store().job(&job.account, &job.id).await {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!(job = job.id, %error, "the new job could not be read back");
            as_submitted(job, &submitted)
        }
    };
    let mut view = show(&state, &record).await;
    if let Some(secret) = secret {
        view["webhook_signing_secret"] = secret.expose().into();
    }
    let mut response = data(StatusCode::CREATED, view);
    let headers = response.headers_mut();
    headers.insert(CREDITS_REMAINING, HeaderValue::from(submitted.balance));
    headers.insert(CREDITS_USED, HeaderValue::from(submitted.credits_used));
    insert_location(headers, &record.id);
    Preferences::applied(headers, prefer.respond_async, wait);
    Ok(response)
}

/// Seals the secrets of a job's tasks: none of them reaches the store in the clear.
pub(crate) fn seal(state: &AppState, job: &mut NewJob) -> Result<(), ApiError> {
    for task in &mut job.tasks {
        sealed::seal_task(state.sealer(), state.catalog(), &job.id, task).map_err(|error| {
            tracing::error!(%error, "secrets of a job could not be sealed");
            ApiError::server()
        })?;
    }
    Ok(())
}

/// The secret that signs the event of the job's `webhook_url`, once the URL is found to be one that may be sent to.
async fn webhook_secret(state: &AppState, job: &NewJob) -> Result<Option<SigningSecret>, ApiError> {
    let Some(url) = &job.choices.webhook_url else { return Ok(None) };
    state.gate().check_webhook(url).map_err(|reason| ApiError::field(Code::InvalidData, "webhook_url", reason))?;
    webhooks::default_secret(state, &job.account).await.map(Some)
}

/// The job that an earlier request with the same `Idempotency-Key` has submitted, without living to say so.
async fn already(state: &AppState, caller: &Caller, id: &str) -> Result<Response, ApiError> {
    let record = state.store().job(&caller.account, id).await.map_err(about_job)?;
    let mut view = show(state, &record).await;
    if record.choices.webhook_url.is_some() {
        view["webhook_signing_secret"] = webhooks::default_secret(state, &record.account).await?.expose().into();
    }
    let mut response = data(StatusCode::CREATED, view);
    response.headers_mut().insert(CREDITS_USED, HeaderValue::from(record.credits_used));
    Ok(response)
}

/// Submits a job whose files are in storage; takes them out again if it is not accepted.
pub(crate) async fn submit(state: &AppState, job: &NewJob, files: &HashMap<String, FileRef>) -> Result<Submitted, ApiError> {
    match state.store().submit(job, files).await {
        Ok(submitted) => Ok(submitted),
        Err(error) => {
            if !files.is_empty() {
                discard_payloads(state, job, &error);
            }
            Err(ApiError::from(error).about("account"))
        }
    }
}

/// Waits until a job has ended, the deadline has passed, or this server goes down. How it stands then is for others to read.
pub(crate) async fn wait_for(state: &AppState, account: &str, job: &str, deadline: Instant) {
    tokio::select! {
        _ = state.store().wait(account, job, deadline) => {}
        () = state.drain().cancelled() => {}
    }
}

/// Where a job is.
pub(crate) fn insert_location(headers: &mut HeaderMap, job: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("/api/v1/jobs/{job}")) {
        headers.insert(LOCATION, value);
    }
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
