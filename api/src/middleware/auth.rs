//! API keys and scopes.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use convertfly_scheduler::store::{ApiKey, StoreError};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::{ApiError, Code};
use crate::keys;

/// How long a key that was found stays good without asking again: so long may a revoked key live on.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Keys that are remembered at once.
const MOST_REMEMBERED: usize = 10_000;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing: health and metrics.
    Public,
    /// The signed token in its path; open to browsers of any origin.
    SignedLink,
    /// Any valid key.
    AnyKey,
    /// A valid key with this scope, or with `*`.
    Scope(&'static str),
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The account that owns the key.
    pub(crate) account: String,
    /// The key's identifier.
    pub(crate) key: String,
}

/// Where keys and balances are found: the store, or a test's own.
pub(crate) trait Directory: Clone + Send + Sync + 'static {
    /// The key behind a hash.
    fn key_by_hash(&self, sha256_hex: &str) -> impl Future<Output = Result<Option<ApiKey>, StoreError>> + Send;
    /// An account's credits.
    fn balance(&self, account: &str) -> impl Future<Output = Result<i64, StoreError>> + Send;
}

/// Keys that were found a moment ago. Only hits are kept: a new key works at once.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<HashMap<String, (Instant, ApiKey)>>);

impl KeyCache {
    fn get(&self, hash: &str, now: Instant) -> Option<ApiKey> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(hash).filter(|(found, _)| now.duration_since(*found) < REMEMBERED).map(|(_, key)| key.clone())
    }

    fn put(&self, hash: String, key: ApiKey, now: Instant) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MOST_REMEMBERED {
            keys.retain(|_, (found, _)| now.duration_since(*found) < REMEMBERED);
        }
        if keys.len() < MOST_REMEMBERED {
            keys.insert(hash, (now, key));
        }
    }
}

/// Finds out who asks.
///
/// # Errors
/// `UNAUTHENTICATED`, or what the store says.
pub(crate) async fn authenticate<D: Directory>(directory: &D, cache: &KeyCache, headers: &HeaderMap) -> Result<ApiKey, ApiError> {
    let key = bearer(headers)?;
    if keys::parse(key).is_none() {
        return Err(invalid());
    }
    let hash = keys::sha256_hex(key);
    // Taken before the store is asked: a key that is revoked meanwhile must not live longer for it.
    let now = Instant::now();
    if let Some(found) = cache.get(&hash, now) {
        return Ok(found);
    }
    let found = directory.key_by_hash(&hash).await?.ok_or_else(invalid)?;
    cache.put(hash, found.clone(), now);
    Ok(found)
}

/// Whether the key may use the route.
///
/// # Errors
/// `FORBIDDEN`, naming the scope that is missing.
pub(crate) fn authorise(access: Access, key: &ApiKey) -> Result<(), ApiError> {
    match access {
        Access::Scope(scope) if !key.scopes.iter().any(|have| have == "*" || have == scope) => {
            let text = format!("This API key lacks the scope {scope}: use another key, or make one with that scope");
            Err(ApiError::new(Code::Forbidden, text)
                .with_details(serde_json::json!({ "required_scope": scope, "scopes": key.scopes })))
        }
        _ => Ok(()),
    }
}

/// The key in `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let Some(first) = first else {
        return Err(ApiError::new(Code::Unauthenticated, "Missing API key: send the header `Authorization: Bearer <key>`"));
    };
    if second.is_some() {
        return Err(invalid());
    }
    let (scheme, key) = first.to_str().ok().and_then(|text| text.trim().split_once(' ')).ok_or_else(invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(key.trim()) } else { Err(invalid()) }
}

fn invalid() -> ApiError {
    ApiError::new(Code::Unauthenticated, "Invalid API key: it is mistyped, unknown or revoked")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scopes: &[&str]) -> ApiKey {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        ApiKey { id: "key_1".into(), account: "acct_1".into(), name: "test".into(), scopes, created_at: 0 }
    }

    #[test]
    fn the_scope_matrix() {
        for (scopes, access, allowed) in [
            (&["*"][..], Access::Scope("jobs:write"), true),
            (&["jobs:write"], Access::Scope("jobs:write"), true),
            (&["jobs:read"], Access::Scope("jobs:write"), false),
            (&["jobs:write"], Access::Scope("jobs:read"), false),
            (&["jobs:read", "webhooks:manage"], Access::Scope("jobs:read"), true),
            (&[], Access::Scope("jobs:read"), false),
            (&["jobs:*"], Access::Scope("jobs:read"), false),
            (&["webhooks:manage"], Access::AnyKey, true),
        ] {
            let outcome = authorise(access, &key(scopes));
            assert_eq!(outcome.is_ok(), allowed, "{scopes:?} for {access:?}");
            assert!(outcome.err().is_none_or(|error| error.code == Code::Forbidden), "a refusal is FORBIDDEN");
        }
    }

    #[test]
    fn the_header_is_read_leniently_and_its_faults_are_401() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a header value"));
            }
            bearer(&headers).map(str::to_owned).map_err(|error| error.code)
        };
        assert_eq!(read(&["bEaReR  abc "]), Ok("abc".to_owned()), "case and spaces do not matter");
        for bad in [&[][..], &["abc"], &["Basic abc"], &["Bearer a", "Bearer b"], &["Bearer"]] {
            assert_eq!(read(bad), Err(Code::Unauthenticated), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_remembered_for_one_second() {
        let (cache, start) = (KeyCache::default(), Instant::now());
        cache.put("hash".into(), key(&["*"]), start);
        assert!(cache.get("hash", start + Duration::from_millis(999)).is_some(), "still known");
        assert!(cache.get("hash", start + Duration::from_secs(1)).is_none(), "asked again after a second");
        assert!(cache.get("other", start).is_none(), "nothing else");
    }

    #[test]
    fn the_cache_does_not_grow_without_bound() {
        let (cache, start) = (KeyCache::default(), Instant::now());
        for i in 0..MOST_REMEMBERED + 5 {
            cache.put(format!("hash{i}"), key(&["*"]), start);
        }
        assert_eq!(cache.0.lock().expect("lock").len(), MOST_REMEMBERED, "full");
        cache.put("late".into(), key(&["*"]), start + REMEMBERED);
        assert_eq!(cache.0.lock().expect("lock").len(), 1, "what is too old makes room");
    }
}
