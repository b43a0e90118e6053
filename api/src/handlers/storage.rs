//! Signed links: a file comes in by `PUT`, or goes out by `GET`. No key, no cookie: the token is the permission.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::ids::{file_id, random_base62};
use convertfly_scheduler::storage::names::{content_disposition, sanitise_filename};
use convertfly_scheduler::storage::sign::{Grant, Method as Direction, SignError, verify};
use convertfly_scheduler::storage::{PutLimit, StorageKey};
use convertfly_scheduler::store::StoreError;
use convertfly_scheduler::task::FileRef;
use futures_util::StreamExt;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;

use super::{Names, announced, data, timed_out};
use crate::error::{ApiError, Code};
use crate::links::now_ms;
use crate::middleware::too_large;
use crate::range::{Wanted, wanted};
use crate::state::AppState;

/// What a served file may do in a browser: nothing but look like itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// `PUT /storage/upload/:token`.
pub(crate) async fn upload(
    State(state): State<AppState>,
    Names(token): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let grant = verify(state.link_secret(), &token, Direction::Put, now_ms()).map_err(refused)?;
    let StorageKey::Upload { account, job, slot } = &grant.key else { return Err(refused(SignError::Invalid)) };
    let (max_bytes, exact) = (grant.max_bytes.unwrap_or(state.limits().upload), announced(&headers));
    if exact.is_some_and(|bytes| bytes > max_bytes) {
        return Err(too_large(max_bytes));
    }
    let about = |error: StoreError| ApiError::from(error).about("upload");
    state.store().upload_open(account, job, slot).await.map_err(about)?;
    // A name of its own: of two uploads at once the loser must not write over the winner's bytes.
    let attempt = format!("{slot}.{}", random_base62(11));
    let key = StorageKey::Upload { account: account.clone(), job: job.clone(), slot: attempt };
    let stream = body.into_data_stream().map(|chunk| {
        chunk.map_err(|error| {
            let kind = if timed_out(&error) { io::ErrorKind::TimedOut } else { io::ErrorKind::UnexpectedEof };
            io::Error::new(kind, error)
        })
    });
    let stored = state.storage().put_stream(&key, stream, PutLimit { max_bytes, exact }).await?;
    let file = FileRef {
        file_id: file_id(job),
        key: key.to_string(),
        filename: sanitise_filename(grant.filename.as_deref().unwrap_or_default()),
        size: stored.size,
        format: None,
        sha256: Some(stored.sha256),
        width: None,
        height: None,
    };
    if let Err(error) = state.store().upload_arrived(account, job, slot, &file).await {
        // When the store did not answer it may have taken the file, so the bytes stay until the job goes.
        if !matches!(error, StoreError::Unavailable(_))
            && let Err(error) = state.storage().delete(&key).await
        {
            tracing::error!(%key, %error, "an upload that came too late could not be removed");
        }
        return Err(about(error));
    }
    let view = json!({ "file_id": file.file_id, "filename": file.filename, "size": file.size, "sha256": file.sha256 });
    Ok(data(StatusCode::OK, view))
}

/// `GET /storage/dl/:token`, and HEAD.
pub(crate) async fn download(
    State(state): State<AppState>,
    Names(token): Names<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let grant = verify(state.link_secret(), &token, Direction::Get, now_ms()).map_err(refused)?;
    serve(&state, &grant, method, &headers).await
}

/// Serves the object of a grant, or the part of it that the headers ask for.
///
/// # Errors
/// `NOT_FOUND`, `RANGE_NOT_SATISFIABLE`, `UNAVAILABLE`.
pub(crate) async fn serve(state: &AppState, grant: &Grant, method: Method, headers: &HeaderMap) -> Result<Response, ApiError> {
    let now = now_ms();
    let meta = state.storage().head(&grant.key).await?;
    let etag = grant.sha256.as_deref().or(meta.etag.as_deref()).map(|tag| format!("\"{tag}\""));
    if etag.is_some() && lists(headers, etag.as_deref()) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        describe(&mut response, grant, etag.as_deref(), now);
        return Ok(response);
    }
    // A range of another version than the client has would make it glue two files together.
    let same = headers.get(IF_RANGE).is_none_or(|tag| tag.to_str().ok() == etag.as_deref());
    let range =
        headers.get(RANGE).and_then(|range| range.to_str().ok()).filter(|_| same && headers.get_all(RANGE).iter().count() == 1);
    let part = match wanted(range, meta.size) {
        Wanted::All => None,
        Wanted::Part(first, last) => Some((first, last)),
        Wanted::Unsatisfiable => {
            let text = format!("The range lies outside the file, which has {} bytes", meta.size);
            let mut response = ApiError::new(Code::RangeNotSatisfiable, text).into_response();
            insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", meta.size));
            return Ok(response);
        }
    };
    let length = part.map_or(meta.size, |(first, last)| last - first + 1);
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(state.storage().get(&grant.key, part).await?.stream)
    };
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, body).into_response();
    describe(&mut response, grant, etag.as_deref(), now);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some((first, last)) = part {
        insert(headers, CONTENT_RANGE, &format!("bytes {first}-{last}/{}", meta.size));
    }
    Ok(response)
}

/// The headers that every answer about a file has, with and without its bytes.
fn describe(response: &mut Response, grant: &Grant, etag: Option<&str>, now: u64) {
    let headers = response.headers_mut();
    insert(headers, CONTENT_TYPE, grant.content_type.as_deref().unwrap_or("application/octet-stream"));
    insert(headers, CONTENT_DISPOSITION, &content_disposition(grant.filename.as_deref().unwrap_or_default(), grant.inline));
    insert(headers, CONTENT_SECURITY_POLICY, POLICY);
    insert(headers, ACCEPT_RANGES, "bytes");
    let seconds = grant.expires_at_ms.saturating_sub(now) / 1_000;
    insert(headers, CACHE_CONTROL, &format!("private, max-age={seconds}"));
    if let Some(etag) = etag {
        insert(headers, ETAG, etag);
    }
}

/// Sets a header whose value we made; one that is not fit for a header is left out.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether `If-None-Match` lists the tag.
fn lists(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let listed = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed
        .flat_map(|text| text.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || Some(tag.trim_start_matches("W/")) == etag)
}

/// What a link that is not accepted comes to. A link for the other direction is no different from a forged one.
fn refused(error: SignError) -> ApiError {
    match error {
        SignError::Expired => ApiError::new(Code::Gone, "This link has expired: get the job again for a fresh one"),
        SignError::Invalid | SignError::WrongMethod => ApiError::new(Code::NotFound, "This link is not valid"),
    }
}
