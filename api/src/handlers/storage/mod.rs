//! Signed links: a file comes in by `PUT` or piece by piece (tus), or goes out by `GET`. No key, no cookie: the token is the
//! permission.

mod archive;
mod checks;
mod download;
mod tus;
mod upload;

use convertfly_scheduler::storage::sign::{Grant, Method as Direction, SignError, verify};
use convertfly_scheduler::storage::{StorageKey, Stored};
use convertfly_scheduler::task::FileRef;
use http::{HeaderMap, HeaderValue};

pub(crate) use download::{download, serve};
pub(crate) use tus::{create, describe, patch, status, terminate};
pub(crate) use upload::upload;

use crate::error::{ApiError, Code};
use crate::links::now_ms;
use crate::state::AppState;

/// Sets a header whose value we made; one that is not fit for a header is left out.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// What a link that is not accepted comes to. A link for the other direction is no different from a forged one.
fn refused(error: SignError) -> ApiError {
    match error {
        SignError::Expired => ApiError::new(Code::Gone, "This link has expired: get the job again for a fresh one"),
        SignError::Invalid | SignError::WrongMethod => ApiError::new(Code::NotFound, "This link is not valid"),
    }
}

/// The place that an upload link leads to.
struct Slot {
    account: String,
    job: String,
    slot: String,
    max_bytes: u64,
    grant: Grant,
}

impl Slot {
    /// Reads an upload link.
    fn open(state: &AppState, token: &str) -> Result<Self, ApiError> {
        let grant = verify(state.link_secret(), token, Direction::Put, now_ms()).map_err(refused)?;
        let StorageKey::Upload { account, job, slot } = grant.key.clone() else { return Err(refused(SignError::Invalid)) };
        Ok(Self { account, job, slot, max_bytes: grant.max_bytes.unwrap_or(state.limits().upload), grant })
    }

    /// A key for one of the slot's objects. Of two uploads at once the loser must not write over the winner's bytes, so each
    /// has a name of its own.
    fn key(&self, name: &str) -> StorageKey {
        StorageKey::Upload { account: self.account.clone(), job: self.job.clone(), slot: format!("{}.{name}", self.slot) }
    }
}

/// The record of a file that has come in.
fn arrived(file_id: String, key: &StorageKey, filename: String, stored: Stored) -> FileRef {
    FileRef {
        file_id,
        key: key.to_string(),
        filename,
        size: stored.size,
        format: None,
        sha256: Some(stored.sha256),
        crc32: Some(stored.crc32),
        width: None,
        height: None,
        page: None,
        remote: None,
    }
}
