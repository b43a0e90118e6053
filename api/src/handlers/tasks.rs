//! Tasks: list, get, cancel, retry.

use axum::extract::State;
use axum::response::Response;
use convertfly_scheduler::task::TaskRecord;
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::{Names, data, job_id};
use crate::error::ApiError;
use crate::links::links;
use crate::middleware::CREDITS_USED;
use crate::middleware::auth::Caller;
use crate::middleware::idempotency::Idempotent;
use crate::state::AppState;
use crate::validate::is_task_name;
use crate::view;

/// `GET /jobs/:id/tasks`: an array, in contrast to the map in the job.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller, Names(job): Names<String>) -> Result<Response, ApiError> {
    let record = state.store().job(&caller.account, job_id(&job)?).await.map_err(|e| ApiError::from(e).about("job"))?;
    let links = links(&state, &record.account, &record.id, &record.tasks).await;
    Ok(data(StatusCode::OK, record.tasks.iter().map(|task| view::task(task, &links)).collect()))
}

/// `GET /jobs/:job_id/tasks/:task_name`.
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Names(names): Names<(String, String)>,
) -> Result<Response, ApiError> {
    let (job, task) = plain(&names)?;
    let record = state.store().task(&caller.account, job, task).await.map_err(|e| ApiError::from(e).about("task"))?;
    Ok(data(StatusCode::OK, show(&state, &caller, job, record).await))
}

/// `POST …/cancel`.
pub(crate) async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Names(names): Names<(String, String)>,
) -> Result<Response, ApiError> {
    let (job, task) = plain(&names)?;
    let record = state.store().cancel_task(&caller.account, job, task).await.map_err(|e| ApiError::from(e).about("task"))?;
    Ok(data(StatusCode::OK, show(&state, &caller, job, record).await))
}

/// `POST …/retry`.
pub(crate) async fn retry(
    State(state): State<AppState>,
    caller: Caller,
    Names(names): Names<(String, String)>,
    once: Idempotent,
) -> Result<Response, ApiError> {
    let (job, task) = plain(&names)?;
    let retried = match once.done {
        // Done by an earlier request with the same `Idempotency-Key`: how the task stands now, and what it cost then.
        Some(credits) => {
            let record = state.store().task(&caller.account, job, task).await;
            record.map(|record| (record, credits.parse().unwrap_or(0)))
        }
        None => state.store().retry_task_once(&caller.account, job, task, once.claim.as_ref()).await,
    };
    let (record, credits) = retried.map_err(|e| ApiError::from(e).about("task"))?;
    let mut response = data(StatusCode::OK, show(&state, &caller, job, record).await);
    response.headers_mut().insert(CREDITS_USED, HeaderValue::from(credits));
    Ok(response)
}

/// Job and task in the path, or the 404 that a guess deserves.
fn plain((job, task): &(String, String)) -> Result<(&str, &str), ApiError> {
    let job = job_id(job)?;
    if is_task_name(task) { Ok((job, task)) } else { Err(ApiError::not_found("task")) }
}

async fn show(state: &AppState, caller: &Caller, job: &str, record: TaskRecord) -> Value {
    let records = [record];
    let links = links(state, &caller.account, job, &records).await;
    view::task(&records[0], &links)
}
