//! The handlers, a file per kind of resource, and what they share: reading bodies, path and query.

pub(crate) mod account;
pub(crate) mod api_keys;
pub(crate) mod convert;
pub(crate) mod files;
pub(crate) mod formats;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod ledger;
pub(crate) mod reference;
pub(crate) mod room;
pub(crate) mod storage;
pub(crate) mod tasks;
#[cfg(test)]
mod tests;
pub(crate) mod webhooks;

use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use crate::error::{ApiError, Code};
use crate::middleware::auth::Caller;
use crate::middleware::too_large;
use crate::server::body::BodyError;
use crate::state::AppState;

/// Longest wait for memory to read a large body into.
const MEMORY_WAIT: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// Set while a handler works on a body that is in memory already, and paid for: taking the memory twice could lock.
    pub(crate) static IN_MEMORY: ();
}

/// `{"data": …}`. Jobs change and their links are secrets, so nothing keeps a copy.
fn data(status: StatusCode, data: Value) -> Response {
    let body = Value::Object([("data".to_owned(), data)].into_iter().collect());
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The names in the path. What is not UTF-8 names nothing.
pub(crate) struct Names<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let names = Path::<T>::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found("resource"))?;
        Ok(Self(names.0))
    }
}

/// The parameters after the question mark; unknown ones are ignored.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters themselves.
    fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A whole number, `default` when absent; `None` in place of the number when it is not one.
    fn number(&self, name: &str, default: u64) -> Option<u64> {
        match self.get(name) {
            None => Some(default),
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Some(_) => None,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

/// Whoever the guard has let through.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::server)
    }
}

/// A job's identifier, or the 404 that a guess deserves, without asking the store.
fn job_id(text: &str) -> Result<&str, ApiError> {
    let plain = text
        .strip_prefix("job_")
        .is_some_and(|id| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    plain.then_some(text).ok_or_else(|| ApiError::not_found("job"))
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

/// The bytes that a request announces.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body of at most `limit` bytes into memory. The permit holds the memory of a large one until it is dropped.
pub(crate) async fn read_body<'a>(
    state: &'a AppState,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<(Bytes, Option<SemaphorePermit<'a>>), ApiError> {
    let expected = announced(headers).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(limit).min(limit);
    let permit = if expected > state.limits().small_body && IN_MEMORY.try_with(|()| ()).is_err() {
        let kib = u32::try_from(expected.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        match timeout(MEMORY_WAIT, state.body_memory().acquire_many(kib)).await {
            Ok(Ok(permit)) => Some(permit),
            _ => return Err(ApiError::new(Code::Unavailable, "Too many large requests at once: try again in a moment")),
        }
    } else {
        None
    };
    Ok((read_within(body, limit, state.limits().body_total).await?, permit))
}

/// Reads a body of at most `limit` bytes that arrives within `total`.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE`, `REQUEST_TIMEOUT`, or `INVALID_DATA` when it ends early.
pub(crate) async fn read_within(body: Body, limit: usize, total: Duration) -> Result<Bytes, ApiError> {
    match timeout(total, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit as u64)),
        Ok(Err(error)) => Err(body_error(timed_out(error.as_ref()))),
        Err(_) => Err(body_error(true)),
    }
}

/// Whether a body failed because its client was too slow.
fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(BodyError::TimedOut)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The error for a body that did not arrive whole.
fn body_error(timed_out: bool) -> ApiError {
    if timed_out {
        ApiError::new(Code::RequestTimeout, "The request's body did not arrive in time: send it again")
    } else {
        ApiError::new(Code::InvalidData, "The request's body ended early or is not well formed: send it again")
    }
}
