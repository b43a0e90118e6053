//! Claims on an `Idempotency-Key`: which request holds it, what that request has done, and what it answered.
//!
//! The record is written before a request does anything. What it does is bound to the record in the very script that does it
//! (`bind_claim` in `lib.lua`), so a process may die at any moment: the next request with the key finds either nothing done, or
//! what was done, never half of it.

use std::time::Duration;

use super::connection::Store;
use super::jobs::texts;
use super::{StoreError, scripts};

/// How long a request that does not renew its claim holds it: that of a process that died.
pub const CLAIM_LEASE: Duration = Duration::from_secs(10);

/// How long a key is remembered: a day.
const LIFETIME: Duration = Duration::from_hours(24);

/// A request's hold on an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The account that the key belongs to.
    pub account: String,
    /// Hex SHA-256 of the key: what the client chose is not stored.
    pub digest: String,
    /// Random name of this request.
    pub owner: String,
}

impl Claim {
    /// The form in which scripts take a claim: digest and owner, or nothing for a request without one.
    pub(super) fn argument(claim: Option<&Self>) -> String {
        claim.map(|claim| format!("{} {}", claim.digest, claim.owner)).unwrap_or_default()
    }
}

/// What claiming a key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is free, and now ours.
    Fresh,
    /// It is ours, and an earlier request has done this already, without living to say so.
    Resumed(String),
    /// An earlier request has answered this.
    Answered(String),
    /// An earlier request is at it.
    Busy,
    /// The key was used for another request.
    Reused,
}

impl Store {
    /// Claims a key for a request with that fingerprint.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim(&self, claim: &Claim, fingerprint: &str) -> Result<Claimed, StoreError> {
        let mut call = self.invocation(&scripts::CLAIM, self.shard(&claim.account));
        call.arg(&claim.account).arg(&claim.digest).arg(fingerprint).arg(&claim.owner);
        call.arg(millis(CLAIM_LEASE)).arg(millis(LIFETIME));
        let mut reply = texts(call.invoke_async(&mut self.connection()).await?)?.into_iter();
        let (word, text) = (reply.next().unwrap_or_default(), reply.next().unwrap_or_default());
        match word.as_str() {
            "go" => Ok(Claimed::Fresh),
            "resume" => Ok(Claimed::Resumed(text)),
            "answered" => Ok(Claimed::Answered(text)),
            "busy" => Ok(Claimed::Busy),
            "other" => Ok(Claimed::Reused),
            _ => Err(StoreError::Broken(format!("the claim script replied {word}"))),
        }
    }

    /// Holds a claim for another [`CLAIM_LEASE`]; `false` when another request has taken it over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn renew_claim(&self, claim: &Claim) -> Result<bool, StoreError> {
        self.end_claim(claim, "renew", &millis(CLAIM_LEASE).to_string()).await
    }

    /// Stores the answer that every later request with the key gets.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn answer_claim(&self, claim: &Claim, answer: &str) -> Result<bool, StoreError> {
        self.end_claim(claim, "answer", answer).await
    }

    /// Gives a claim up. With `uncertain`, something may have been done, and the key stays bound to its request; without,
    /// nothing was, and the key is free.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn drop_claim(&self, claim: &Claim, uncertain: bool) -> Result<bool, StoreError> {
        self.end_claim(claim, if uncertain { "leave" } else { "drop" }, "").await
    }

    async fn end_claim(&self, claim: &Claim, how: &str, text: &str) -> Result<bool, StoreError> {
        let mut call = self.invocation(&scripts::CLAIM_END, self.shard(&claim.account));
        call.arg(&claim.account).arg(&claim.digest).arg(&claim.owner).arg(how).arg(text);
        let held: u8 = call.invoke_async(&mut self.connection()).await?;
        Ok(held == 1)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
