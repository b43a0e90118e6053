//! `GET /jobs`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::job::JobStatus;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::json;

use super::show;
use crate::error::{ApiError, Code};
use crate::handlers::Query;
use crate::middleware::auth::Caller;
use crate::state::AppState;

/// Last page that can be asked for; no list is that long.
const MAX_PAGE: u64 = 1_000_000_000;

/// Most jobs on a page.
const MAX_LIMIT: u64 = 100;

/// `GET /jobs`.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller, query: Query) -> Result<Response, ApiError> {
    let invalid = |field: &str, reason: &str| ApiError::field(Code::InvalidData, field, reason);
    let limit = query.number("limit", 20).filter(|limit| (1..=MAX_LIMIT).contains(limit));
    let limit = limit.ok_or_else(|| invalid("limit", "must be an integer from 1 to 100"))?;
    let page = query.number("page", 1).filter(|page| (1..=MAX_PAGE).contains(page));
    let page = page.ok_or_else(|| invalid("page", "must be an integer from 1 to 1000000000"))?;
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
