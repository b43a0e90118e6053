//! `POST /jobs`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use convertfly_scheduler::job::{JobRecord, NewJob};
use convertfly_scheduler::sealed;
use convertfly_scheduler::store::Submitted;
use convertfly_scheduler::task::TaskRecord;
use convertfly_scheduler::webhooks::sign::SigningSecret;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::payloads::{discard_payloads, store_payloads};
use super::{about_job, show};
use crate::error::{ApiError, Code};
use crate::fail_point;
use crate::handlers::{data, expect_json, read_body, webhooks};
use crate::links::now_ms;
use crate::middleware::auth::Caller;
use crate::middleware::idempotency::Idempotent;
use crate::middleware::{CREDITS_REMAINING, CREDITS_USED};
use crate::state::AppState;
use crate::validate;

/// Bodies over this size are checked on a thread of their own: parsing megabytes would hold up other requests.
const SMALL: usize = 64 << 10;

/// `POST /jobs`.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    once: Idempotent,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(id) = &once.done {
        return already(&state, &caller, id).await;
    }
    expect_json(&headers)?;
    let (bytes, memory) = read_body(&state, &headers, body, state.limits().job_body).await?;
    let test = caller.test;
    let (catalog, account, key) = (state.catalog(), caller.account, caller.key);
    let accepted = if bytes.len() <= SMALL {
        validate::job(catalog, &bytes, &account, &key)
    } else {
        let checked = tokio::task::spawn_blocking(move || validate::job(catalog, &bytes, &account, &key)).await;
        checked.map_err(|_| ApiError::server())?
    }?;
    let mut job = accepted.job;
    if test {
        job.make_test();
    }
    let secret = webhook_secret(&state, &job).await?;
    job.claim = once.claim;
    for task in &mut job.tasks {
        sealed::seal_task(state.sealer(), state.catalog(), &job.id, task).map_err(|error| {
            tracing::error!(%error, "secrets of a job could not be sealed");
            ApiError::server()
        })?;
    }
    let uploads = store_payloads(&state, &job, accepted.payloads).await?;
    drop(memory);
    fail_point::reach("before submit");
    let submitted = match state.store().submit(&job, &uploads).await {
        Ok(submitted) => submitted,
        Err(error) => {
            if !uploads.is_empty() {
                discard_payloads(&state, &job, &error);
            }
            return Err(ApiError::from(error).about("account"));
        }
    };
    fail_point::reach("submitted");
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
    Ok(response)
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
