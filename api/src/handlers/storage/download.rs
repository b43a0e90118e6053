//! Files on their way out.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use convertfly_scheduler::storage::names::content_disposition;
use convertfly_scheduler::storage::sign::{Grant, Method as Direction, SignError, verify};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{archive, insert, refused};
use crate::error::{ApiError, Code};
use crate::handlers::Names;
use crate::links::now_ms;
use crate::range::{Wanted, wanted};
use crate::state::AppState;

/// What a served file may do in a browser: nothing but look like itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// `GET /storage/dl/:token`, and HEAD: one file, or all files of a task as an archive.
pub(crate) async fn download(
    State(state): State<AppState>,
    Names(token): Names<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let now = now_ms();
    match verify(state.link_secret(), &token, Direction::Get, now) {
        Ok(grant) => one_file(&state, &grant, &Asked { method, headers, now }).await,
        // The two kinds of link are signed apart; what is neither is refused as the second one.
        Err(SignError::Invalid) => archive::download(&state, &token, &Asked { method, headers, now }).await,
        Err(error) => Err(refused(error)),
    }
}

/// A request for bytes.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) now: u64,
}

/// What is known of the bytes that a link leads to.
pub(super) struct Facts<'a> {
    pub(super) size: u64,
    /// Without quotes.
    pub(super) tag: Option<&'a str>,
    pub(super) filename: &'a str,
    pub(super) content_type: &'a str,
    pub(super) inline: bool,
    /// Hexadecimal.
    pub(super) sha256: Option<&'a str>,
    pub(super) expires_at_ms: u64,
}

/// Serves the object of a grant, or the part of it that the headers ask for.
///
/// # Errors
/// `NOT_FOUND`, `RANGE_NOT_SATISFIABLE`, `UNAVAILABLE`.
pub(crate) async fn serve(state: &AppState, grant: &Grant, method: Method, headers: &HeaderMap) -> Result<Response, ApiError> {
    one_file(state, grant, &Asked { method, headers: headers.clone(), now: now_ms() }).await
}

async fn one_file(state: &AppState, grant: &Grant, asked: &Asked) -> Result<Response, ApiError> {
    let meta = state.storage().head(&grant.key).await?;
    let facts = Facts {
        size: meta.size,
        tag: grant.sha256.as_deref().or(meta.etag.as_deref()),
        filename: grant.filename.as_deref().unwrap_or_default(),
        content_type: grant.content_type.as_deref().unwrap_or("application/octet-stream"),
        inline: grant.inline,
        sha256: grant.sha256.as_deref(),
        expires_at_ms: grant.expires_at_ms,
    };
    respond(asked, &facts, async |range| Ok(Body::from_stream(state.storage().get(&grant.key, range).await?.stream))).await
}

/// Answers with the bytes, a range of them, or only what is known about them. `open` gives the bytes from first to last.
pub(super) async fn respond(
    asked: &Asked,
    facts: &Facts<'_>,
    open: impl AsyncFnOnce(Option<(u64, u64)>) -> Result<Body, ApiError>,
) -> Result<Response, ApiError> {
    let (headers, size) = (&asked.headers, facts.size);
    let etag = facts.tag.map(|tag| format!("\"{tag}\""));
    if etag.is_some() && lists(headers, etag.as_deref()) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        describe(&mut response, facts, etag.as_deref(), asked.now);
        return Ok(response);
    }
    // A range of another version than the client has would make it glue two files together.
    let same = headers.get(IF_RANGE).is_none_or(|tag| tag.to_str().ok() == etag.as_deref());
    let range =
        headers.get(RANGE).and_then(|range| range.to_str().ok()).filter(|_| same && headers.get_all(RANGE).iter().count() == 1);
    let part = match wanted(range, size) {
        Wanted::All => None,
        Wanted::Part(first, last) => Some((first, last)),
        Wanted::Unsatisfiable => {
            let text = format!("The range lies outside the file, which has {size} bytes");
            let mut response = ApiError::new(Code::RangeNotSatisfiable, text).into_response();
            insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
    };
    let length = part.map_or(size, |(first, last)| last - first + 1);
    let body = if asked.method == Method::HEAD { Body::empty() } else { open(part).await? };
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, body).into_response();
    describe(&mut response, facts, etag.as_deref(), asked.now);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some((first, last)) = part {
        insert(headers, CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
    }
    Ok(response)
}

/// The headers that every answer about a file has, with and without its bytes.
fn describe(response: &mut Response, facts: &Facts<'_>, etag: Option<&str>, now: u64) {
    let headers = response.headers_mut();
    insert(headers, CONTENT_TYPE, facts.content_type);
    insert(headers, CONTENT_DISPOSITION, &content_disposition(facts.filename, facts.inline));
    insert(headers, CONTENT_SECURITY_POLICY, POLICY);
    insert(headers, ACCEPT_RANGES, "bytes");
    let seconds = facts.expires_at_ms.saturating_sub(now) / 1_000;
    insert(headers, CACHE_CONTROL, &format!("private, max-age={seconds}"));
    if let Some(etag) = etag {
        insert(headers, ETAG, etag);
    }
    if let Some(digest) = facts.sha256.and_then(bytes_of_hex) {
        insert(headers, REPR_DIGEST, &format!("sha-256=:{}:", STANDARD.encode(digest)));
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect())
}

/// Whether `If-None-Match` lists the tag.
fn lists(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let listed = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed
        .flat_map(|text| text.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || Some(tag.trim_start_matches("W/")) == etag)
}
