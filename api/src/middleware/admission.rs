//! The rate limit, before anything else is done for a request: who asks, whether they may ask again, and what every answer says
//! about it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::store::{Admission, ApiKey, StoreError};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::auth::{Access, Directory, authenticate};
use super::guard::CREDITS_REMAINING;
use super::key_cache::KeyCache;
use crate::error::{ApiError, Code};
use crate::policy::{Policy, network};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// The same in the form of the IETF draft (draft-ietf-httpapi-ratelimit-headers).
const DRAFT: HeaderName = HeaderName::from_static("ratelimit");
const DRAFT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bucket<'a> {
    /// Those of a key.
    Key(&'a ApiKey),
    /// Those without a valid key from one address, or one IPv6 /64.
    Network(&'a str),
}

/// Where a request came from, and what its answer will say about limits and credits, whoever makes the answer. An extension of
/// every request; clones are the same visit.
#[derive(Clone)]
pub(crate) struct Visit(Arc<Inner>);

struct Inner {
    /// The other end of the connection.
    peer: IpAddr,
    found: Mutex<Found>,
}

#[derive(Clone, Copy, Default)]
struct Found {
    admission: Option<Admission>,
    balance: Option<i64>,
}

impl Visit {
    pub(crate) fn from(peer: IpAddr) -> Self {
        Self(Arc::new(Inner { peer, found: Mutex::default() }))
    }

    fn found(&self) -> Found {
        *self.0.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admitted(&self, admission: Admission) {
        let found = Found { admission: Some(admission), balance: admission.balance };
        *self.0.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// Replaces the balance by one that was read later; `None` when it is not known any more.
    pub(crate) fn set_balance(&self, balance: Option<i64>) {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner).balance = balance;
    }

    /// Adds what is known of limits and credits to an answer.
    pub(crate) fn describe(&self, headers: &mut HeaderMap, window_ms: u64) {
        let found = self.found();
        if let Some(balance) = found.balance
            && !headers.contains_key(CREDITS_REMAINING)
        {
            headers.insert(CREDITS_REMAINING, HeaderValue::from(balance));
        }
        let Some(admission) = found.admission else { return };
        let (left, seconds) = (left(&admission), window_ms.div_ceil(1_000));
        headers.insert(LIMIT, HeaderValue::from(admission.limit));
        headers.insert(REMAINING, HeaderValue::from(left));
        headers.insert(RESET, HeaderValue::from(admission.ends_at.div_ceil(1_000)));
        for (name, value) in [
            (DRAFT, format!("\"rpm\";r={left};t={}", seconds_left(&admission))),
            (DRAFT_POLICY, format!("\"rpm\";q={};w={seconds}", admission.limit)),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Requests that are left in the window.
fn left(admission: &Admission) -> u64 {
    admission.limit.saturating_sub(admission.used)
}

/// Seconds until the window ends, at least one.
fn seconds_left(admission: &Admission) -> u32 {
    let seconds = admission.ends_at.saturating_sub(admission.now).div_ceil(1_000);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

/// The refusal of the reference, word for word.
fn over(admission: &Admission) -> ApiError {
    let seconds = seconds_left(admission);
    let mut error = ApiError::new(Code::TooManyRequests, format!("Rate limit exceeded. Retry after {seconds} seconds."));
    error.retry_after = Some(seconds);
    error
}

/// Who asks, as the gate found out; an extension of every request that is counted.
#[derive(Clone)]
pub(crate) struct Visitor {
    /// The key, or why there is none.
    pub(crate) key: Result<ApiKey, ApiError>,
    /// Whether the key's account is suspended: as it is now, since a key may be remembered from before.
    pub(crate) suspended: bool,
}

/// What the gate knows.
pub(crate) struct Gate<D> {
    /// Where keys and buckets are found.
    pub(crate) directory: D,
    /// Keys found a moment ago.
    pub(crate) cache: KeyCache,
    /// Who may use the path of each row.
    pub(crate) paths: HashMap<&'static str, Access>,
    /// Settings.
    pub(crate) policy: Policy,
}

/// Counts a request, or refuses it. Health, metrics, documents and signed links are not counted; OPTIONS only looks, since
/// browsers send it without a key before they ask.
pub(crate) async fn admit<D: Directory>(State(gate): State<Arc<Gate<D>>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().and_then(|path| gate.paths.get(path.as_str())).copied();
    let visit = request.extensions().get::<Visit>().cloned();
    let (Some(visit), false) = (visit, matches!(path, Some(Access::Public | Access::SignedLink))) else {
        return next.run(request).await;
    };
    let looks = request.method() == Method::OPTIONS;
    let visitor = match enter(&gate, &visit, request.headers(), u32::from(!looks)).await {
        Ok(visitor) => visitor,
        // What needs no store is answered without it: the methods of a path, and that there is nothing at one.
        Err(_) if looks => return next.run(request).await,
        Err(error) if error.code == Code::Unavailable && path.is_none() => return next.run(request).await,
        Err(error) => return error.into_response(),
    };
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// Finds out who asks and counts it.
async fn enter<D: Directory>(gate: &Gate<D>, visit: &Visit, headers: &HeaderMap, requests: u32) -> Result<Visitor, ApiError> {
    let (key, refusal) = match authenticate(&gate.directory, &gate.cache, headers).await {
        Ok(key) => (Some(key), None),
        Err(error) if error.code == Code::Unauthenticated => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let counted = match &key {
        Some(key) => gate.directory.admit(Bucket::Key(key), requests).await,
        None => {
            let address = network(gate.policy.client(visit.0.peer, headers)).to_string();
            gate.directory.admit(Bucket::Network(&address), requests).await
        }
    };
    let admission = match (counted, refusal.clone()) {
        (Ok(admission), _) => admission,
        // A key whose account is gone is no key.
        (Err(StoreError::NotFound), _) => return Err(super::auth::invalid()),
        // A refusal needs no store to be true.
        (Err(StoreError::Unavailable(_)), Some(refusal)) => return Ok(Visitor { key: Err(refusal), suspended: false }),
        (Err(error), _) => return Err(error.into()),
    };
    visit.admitted(admission);
    if !admission.allowed && requests > 0 {
        return Err(over(&admission));
    }
    let key = key.ok_or_else(|| refusal.unwrap_or_else(super::auth::invalid));
    Ok(Visitor { key, suspended: admission.suspended })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(used: u64, now: u64) -> Admission {
        Admission { allowed: used <= 60, limit: 60, used, ends_at: 1_743_681_600_000, now, balance: Some(9), suspended: false }
    }

    #[test]
    fn r324_the_refusal_is_that_of_the_reference() {
        let error = over(&admission(60, 1_743_681_555_000));
        let body = serde_json::to_string(&error.body()).expect("JSON");
        assert_eq!(
            body, r#"{"code":"TOO_MANY_REQUESTS","message":"Rate limit exceeded. Retry after 45 seconds."}"#,
            "byte for byte, without details"
        );
        assert_eq!(error.retry_after, Some(45), "Retry-After");
        assert_eq!(over(&admission(60, 1_743_681_599_999)).retry_after, Some(1), "never 0");
    }

    #[test]
    fn r379d_the_headers_are_those_of_the_reference() {
        let visit = Visit::from(IpAddr::from([192, 0, 2, 1]));
        visit.admitted(admission(60, 1_743_681_555_000));
        let mut headers = HeaderMap::new();
        visit.describe(&mut headers, 60_000);
        let shown = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("absent").to_owned();
        assert_eq!(shown("x-ratelimit-limit"), "60", "limit");
        assert_eq!(shown("x-ratelimit-remaining"), "0", "remaining");
        assert_eq!(shown("x-ratelimit-reset"), "1743681600", "reset");
        assert_eq!(shown("ratelimit"), "\"rpm\";r=0;t=45", "the draft's form");
        assert_eq!(shown("ratelimit-policy"), "\"rpm\";q=60;w=60", "the draft's policy");
        assert_eq!(shown("x-credits-remaining"), "9", "credits");
    }
}
