//! API keys and scopes.

use std::future::Future;
use std::time::Instant;

use convertfly_scheduler::store::{Admission, ApiKey, KeyStamp, StoreError};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::key_cache::KeyCache;
use crate::error::{ApiError, Code};
use crate::keys;
use crate::middleware::admission::Bucket;
use crate::state::AppState;

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
    /// What the key may do.
    pub(crate) scopes: Vec<String>,
    /// Whether it is a test key: its work is free and marked.
    pub(crate) test: bool,
}

impl From<&ApiKey> for Caller {
    fn from(key: &ApiKey) -> Self {
        Self { account: key.account.clone(), key: key.id.clone(), scopes: key.scopes.clone(), test: key.test }
    }
}

/// Where keys and balances are found: the store, or a test's own.
pub(crate) trait Directory: Clone + Send + Sync + 'static {
    /// The key behind a hash.
    fn key_by_hash(&self, sha256_hex: &str) -> impl Future<Output = Result<Option<ApiKey>, StoreError>> + Send;
    /// Whether what is remembered of a key still holds; `None` while nothing may be remembered.
    fn key_stamp(&self, sha256_hex: &str) -> Option<KeyStamp>;
    /// Notes that a key was used; failing to is of no consequence.
    fn key_used(&self, key: &ApiKey) -> impl Future<Output = ()> + Send;
    /// An account's credits.
    fn balance(&self, account: &str) -> impl Future<Output = Result<i64, StoreError>> + Send;
    /// Counts requests against a bucket; 0 only looks.
    fn admit(&self, bucket: Bucket<'_>, requests: u32) -> impl Future<Output = Result<Admission, StoreError>> + Send;
    /// What handlers share, where there is a store behind it.
    fn state(&self) -> Option<&AppState> {
        None
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
    let (now, stamp) = (Instant::now(), directory.key_stamp(&hash));
    let found = match cache.get(&hash, now, stamp) {
        Some(found) => found,
        None => {
            let found = directory.key_by_hash(&hash).await?.ok_or_else(invalid)?;
            cache.put(hash, found.clone(), now, stamp);
            found
        }
    };
    if cache.note_due(&found.id, now) {
        let (directory, key) = (directory.clone(), found.clone());
        tokio::spawn(async move { directory.key_used(&key).await });
    }
    Ok(found)
}

/// Whether the key may use the route.
///
/// # Errors
/// `FORBIDDEN`, naming the scope that is missing, or because the account is suspended.
pub(crate) fn authorise(access: Access, key: &ApiKey, suspended: bool) -> Result<(), ApiError> {
    if suspended {
        return Err(refuse_suspended());
    }
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
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
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

/// The error for an account that its operator has suspended.
fn refuse_suspended() -> ApiError {
    ApiError::new(Code::Forbidden, "This account is suspended: nothing can be read or started with its keys. Contact support")
        .with_details(serde_json::json!({ "reason": "account_suspended" }))
}

/// The refusal of a key, whatever is wrong with it.
pub(super) fn invalid() -> ApiError {
    ApiError::new(Code::Unauthenticated, "Invalid API key: it is mistyped, unknown or revoked")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scopes: &[&str]) -> ApiKey {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        ApiKey { id: "key_1".into(), account: "acct_1".into(), scopes, ..ApiKey::default() }
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
            (&["jobs:read", "jobs:write", "webhooks:manage"], Access::Scope("*"), false),
            (&["*"], Access::Scope("*"), true),
        ] {
            let outcome = authorise(access, &key(scopes), false);
            assert_eq!(outcome.is_ok(), allowed, "{scopes:?} for {access:?}");
            assert!(outcome.err().is_none_or(|error| error.code == Code::Forbidden), "a refusal is FORBIDDEN");
        }
    }

    #[test]
    fn a_suspended_account_may_do_nothing() {
        for access in [Access::AnyKey, Access::Scope("jobs:read")] {
            let error = authorise(access, &key(&["*"]), true).expect_err("refused");
            assert_eq!(error.code, Code::Forbidden, "{access:?}");
            assert!(error.message.contains("suspended"), "{error:?}");
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
}
