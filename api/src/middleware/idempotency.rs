//! `Idempotency-Key`: a POST that is sent again is done once, and answered as before.
//!
//! The key is claimed in the store before the handler runs; what the handler does is bound to the claim in the script that does
//! it (see [`Idempotent`]); the answer is stored for a day. A process that dies loses its claim after a few seconds, and the
//! next request finds what had been bound, or begins anew.
//!
//! Answers may carry secrets that are shown once (an API key, a signing secret). They are sealed under a key that is derived
//! from the API key and the `Idempotency-Key` of the request, neither of which is stored: only whoever sends both again can
//! have them opened.

use std::convert::Infallible;
use std::pin::pin;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use convertfly_scheduler::ids::random_base62;
use convertfly_scheduler::seal::Sealer;
use convertfly_scheduler::store::{CLAIM_LEASE, Claim, Claimed};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LINK, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::auth::{Caller, bearer};
use super::guard::CREDITS_USED;
use crate::error::{ApiError, Code};
use crate::fail_point;
use crate::handlers::{IN_MEMORY, read_body};
use crate::keys::hex;
use crate::state::AppState;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Longest key, bytes.
const MAX_KEY: usize = 255;

/// Largest answer that is stored, bytes; a larger one is made again from what was bound.
const MAX_ANSWER: u64 = 64 << 10;

/// Headers that belong to an answer; all others are about one request.
const KEPT: [HeaderName; 8] = [
    CONTENT_TYPE,
    CACHE_CONTROL,
    ETAG,
    LINK,
    LOCATION,
    CREDITS_USED,
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("x-job-id"),
];

/// What an `Idempotency-Key` asks of the handler that does the work. Without the header, both are empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Idempotent {
    /// To be given to the script that does the work.
    pub(crate) claim: Option<Claim>,
    /// What an earlier request has bound: the work is done, only its answer is wanted.
    pub(crate) done: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Idempotent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// An answer as it is stored, before it is sealed.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Whether a request is to be done once.
pub(crate) fn wanted(request: &Request) -> bool {
    request.method() == http::Method::POST && request.headers().contains_key(IDEMPOTENCY_KEY)
}

/// Does a request once.
pub(crate) async fn once(state: &AppState, caller: &Caller, max_body: Option<usize>, request: Request, next: Next) -> Response {
    attempt(state, caller, max_body, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn attempt(
    state: &AppState,
    caller: &Caller,
    max_body: Option<usize>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let key = key_of(request.headers())?;
    let sealer = sealer(bearer(request.headers())?, &key)?;
    let (mut parts, body) = request.into_parts();
    let limit = max_body.unwrap_or(state.limits().job_body);
    let (bytes, memory) = read_body(state, &parts.headers, body, limit).await?;
    let fingerprint = fingerprint(&parts, caller, &bytes);
    let claim = Claim { account: caller.account.clone(), digest: hex(&Sha256::digest(key.as_bytes())), owner: random_base62(22) };
    let done = match state.store().claim(&claim, &fingerprint).await? {
        Claimed::Fresh => None,
        Claimed::Resumed(what) => Some(what),
        Claimed::Answered(sealed) => return replay(&sealer, &claim, &sealed),
        Claimed::Busy => {
            let text = "Another request with this Idempotency-Key is being worked on: try again in a moment";
            let mut error = ApiError::new(Code::Conflict, text);
            error.retry_after = Some(1);
            return Err(error);
        }
        Claimed::Reused => {
            return Err(ApiError::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was used for another request (method, path, API key or body differ): use a new one",
            ));
        }
    };
    fail_point::reach("claimed");
    let resumed = done.is_some();
    parts.extensions.insert(Idempotent { claim: Some(claim.clone()), done });
    let mut work = pin!(IN_MEMORY.scope((), next.run(Request::from_parts(parts, Body::from(bytes)))));
    let mut response = tokio::select! {
        response = &mut work => response,
        () = hold(state, &claim) => return Err(ApiError::server()),
    };
    drop(memory);
    fail_point::reach("done");
    response = settle(state, &sealer, &claim, response).await;
    fail_point::reach("answered");
    if resumed && response.status().is_success() {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The key that the client chose. The draft writes it as a quoted string, most clients without quotes: both mean the same.
fn key_of(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let text = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let bare = |text: &'_ str| text.strip_prefix('"')?.strip_suffix('"').filter(|key| !key.is_empty()).map(str::len);
    let key = text.map(|text| bare(text).map_or(text, |length| &text[1..=length]));
    let fit = |key: &&str| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    key.filter(fit).map(str::to_owned).ok_or_else(|| {
        ApiError::field(Code::InvalidData, "Idempotency-Key", "must be one header of 1 to 255 visible ASCII characters")
    })
}

/// What a request asks for: another one must not have the same key.
fn fingerprint(parts: &Parts, caller: &Caller, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    for part in [parts.method.as_str().as_bytes(), target.as_bytes(), caller.key.as_bytes(), body] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

/// Seals under the two secrets that only the client has. An API key carries 178 random bits, so one round of hashing will do.
fn sealer(api_key: &str, key: &str) -> Result<Sealer, ApiError> {
    let mut hash = Sha256::new();
    hash.update(b"convertfly idempotent answer\0");
    hash.update(api_key.as_bytes());
    hash.update(b"\0");
    hash.update(key.as_bytes());
    Sealer::from_text(&STANDARD.encode(hash.finalize())).map_err(|_| ApiError::server())
}

/// Renews a claim for as long as its request is worked on.
async fn hold(state: &AppState, claim: &Claim) {
    loop {
        tokio::time::sleep(CLAIM_LEASE / 3).await;
        // A claim that is lost shows when the work is to be bound to it; one that cannot be renewed may still be ours.
        if let Err(error) = state.store().renew_claim(claim).await {
            tracing::warn!(%error, "a claim on an Idempotency-Key could not be renewed");
        }
    }
}

/// Stores an answer, or frees the key when nothing was done.
async fn settle(state: &AppState, sealer: &Sealer, claim: &Claim, response: Response) -> Response {
    let status = response.status();
    let (response, outcome) = if status.is_success() && storable(&response) {
        let (parts, body) = response.into_parts();
        let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
            return ApiError::server().into_response();
        };
        let outcome = match seal(sealer, claim, status, &parts.headers, &bytes) {
            Some(sealed) => state.store().answer_claim(claim, &sealed).await,
            None => state.store().drop_claim(claim, true).await,
        };
        (Response::from_parts(parts, Body::from(bytes)), outcome)
    } else {
        // A refusal has done nothing, and the client may mend its request; after a fault of ours nobody knows.
        let outcome = state.store().drop_claim(claim, !status.is_client_error()).await;
        (response, outcome)
    };
    match outcome {
        Ok(true) => {}
        Ok(false) => tracing::warn!("a request took longer than its claim on an Idempotency-Key"),
        Err(error) => tracing::warn!(%error, "the answer to an Idempotency-Key could not be stored"),
    }
    response
}

/// Text of a known and moderate size.
fn storable(response: &Response) -> bool {
    let json = response.headers().get(CONTENT_TYPE).is_none_or(|media| media.as_bytes().starts_with(b"application/json"));
    json && http_body::Body::size_hint(response.body()).exact().is_some_and(|bytes| bytes <= MAX_ANSWER)
}

fn seal(sealer: &Sealer, claim: &Claim, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let kept = headers.iter().filter(|(name, _)| KEPT.contains(name));
    let headers = kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect();
    let answer = Answer { status: status.as_u16(), headers, body: String::from_utf8(body.to_vec()).ok()? };
    sealer.seal(&place(claim), &serde_json::to_vec(&answer).ok()?).ok()
}

/// The answer that was given before.
fn replay(sealer: &Sealer, claim: &Claim, sealed: &str) -> Result<Response, ApiError> {
    let opened = sealer.open(&place(claim), sealed).map_err(|error| {
        tracing::error!(%error, "the stored answer to an Idempotency-Key does not open");
        ApiError::server()
    })?;
    let answer: Answer = serde_json::from_slice(&opened).map_err(|_| ApiError::server())?;
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| ApiError::server())?;
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The place of a sealed answer: it opens nowhere else.
fn place(claim: &Claim) -> String {
    format!("idempotency:{}:{}", claim.account, claim.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<String, Code> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(value).expect("a header value"));
        }
        key_of(&headers).map_err(|error| error.code)
    }

    #[test]
    fn a_key_is_one_short_text_with_or_without_quotes() {
        assert_eq!(read(&["order-1"]), read(&["\"order-1\""]), "the draft's form and the plain one");
        for bad in [&[][..], &[""], &["a b"], &["a", "b"], &["é"], &[&"x".repeat(256)]] {
            assert_eq!(read(bad), Err(Code::InvalidData), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_opens_only_with_both_secrets() {
        let claim = |digest: &str| Claim { account: "acct_1".into(), digest: digest.into(), owner: "o".into() };
        let ours = sealer("cvfly_sk_live_a", "order-1").expect("a sealer");
        let body = br#"{"data":{"key":"cvfly_sk_live_new"}}"#;
        let sealed = seal(&ours, &claim("d"), StatusCode::CREATED, &HeaderMap::new(), body).expect("sealed");
        assert!(!sealed.contains("cvfly"), "nothing is readable: {sealed}");
        assert_eq!(replay(&ours, &claim("d"), &sealed).map(|response| response.status()), Ok(StatusCode::CREATED), "ours");
        for (api_key, key, digest) in
            [("cvfly_sk_live_b", "order-1", "d"), ("cvfly_sk_live_a", "order-2", "d"), ("cvfly_sk_live_a", "order-1", "e")]
        {
            let other = sealer(api_key, key).expect("a sealer");
            assert!(replay(&other, &claim(digest), &sealed).is_err(), "{api_key} {key} {digest} must not open it");
        }
    }
}
