//! `GET /jobs/:id/wait`.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::{about_job, events, show};
use crate::error::{ApiError, Code};
use crate::handlers::{Names, Query, data, job_id};
use crate::middleware::Moved;
use crate::middleware::auth::Caller;
use crate::state::AppState;

/// Longest wait, seconds.
pub(super) const MAX_WAIT: u64 = 300;

/// `GET /jobs/:id/wait`.
pub(crate) async fn wait(
    State(state): State<AppState>,
    caller: Caller,
    Names(job): Names<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = job_id(&job)?;
    let seconds = query.number("timeout", MAX_WAIT);
    let seconds = seconds.ok_or_else(|| ApiError::field(Code::InvalidData, "timeout", "must be an integer from 0 to 300"))?;
    let place = state.waits().enter(&caller.key)?;
    let deadline = Instant::now() + Duration::from_secs(seconds.min(MAX_WAIT));
    if events::wanted(&headers) {
        return events::follow(state, caller, job, &headers, Some(deadline), place).await;
    }
    let record = tokio::select! {
        record = state.store().wait(&caller.account, job, deadline) => record,
        // A server that is going down says how the job stands; the client asks the next one.
        () = state.drain().cancelled() => state.store().job(&caller.account, job).await,
    };
    let record = record.map_err(about_job)?;
    let view = show(&state, &record).await;
    let ended = record.status.is_terminal();
    let mut response = data(if ended { StatusCode::OK } else { StatusCode::ACCEPTED }, view);
    if !ended {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response.extensions_mut().insert(Moved);
    Ok(response)
}
