//! The caller's account.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::data;
use crate::error::ApiError;
use crate::middleware::CREDITS_REMAINING;
use crate::middleware::auth::Caller;
use crate::state::AppState;
use crate::validate::MAX_TASKS;
use crate::view::timestamp;

/// `GET /account`: plan, credits and limits.
pub(crate) async fn get(State(state): State<AppState>, caller: Caller) -> Result<Response, ApiError> {
    let account = state.store().account(&caller.account).await.map_err(|e| ApiError::from(e).about("account"))?;
    let limits = state.limits();
    let view = json!({
        "id": account.id,
        "name": account.name,
        "plan": account.plan,
        "credits_remaining": account.balance,
        "credits_reserved": account.held,
        "credits_used": account.spent,
        "created_at": timestamp(account.created_at),
        "limits": {
            "requests_per_minute": account.requests_per_minute,
            "concurrent_jobs": account.max_concurrent_jobs,
            "waiting_jobs": account.max_waiting_jobs,
            "tasks_per_job": MAX_TASKS,
            "waits_per_key": state.policy().waits_per_key,
            "upload_bytes": limits.upload,
            "job_body_bytes": limits.job_body,
            "body_bytes": limits.small_body,
        },
    });
    let mut response = data(StatusCode::OK, view);
    response.headers_mut().insert(CREDITS_REMAINING, HeaderValue::from(account.balance));
    Ok(response)
}
