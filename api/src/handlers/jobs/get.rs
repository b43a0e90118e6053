//! `GET /jobs/:id`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{about_job, show};
use crate::error::ApiError;
use crate::handlers::{Names, data, job_id};
use crate::middleware::auth::Caller;
use crate::state::AppState;

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
