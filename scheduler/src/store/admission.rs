//! Rate limits: requests per bucket in fixed windows of the server's clock, counted by one script that tells the balance, too.

use std::time::Duration;

use super::connection::Store;
use super::jobs::texts;
use super::{StoreError, scripts};

/// What a bucket says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Whether the request is within the limit; one that is not has not been counted.
    pub allowed: bool,
    /// Requests that a window allows.
    pub limit: u64,
    /// Requests of this window, this one included.
    pub used: u64,
    /// End of the window, Unix milliseconds of the store's clock.
    pub ends_at: u64,
    /// The store's clock, Unix milliseconds.
    pub now: u64,
    /// The account's credits; `None` for a caller without a key.
    pub balance: Option<i64>,
    /// Whether an operator has suspended the account: its keys open nothing.
    pub suspended: bool,
}

impl Store {
    /// Counts `requests` of an API key against its account's limit in the present window; 0 only looks. Windows begin at
    /// multiples of `window`, so that one of 60 s is a minute of the clock.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown account, [`StoreError::Unavailable`].
    pub async fn admit_key(&self, account: &str, key: &str, window: Duration, requests: u32) -> Result<Admission, StoreError> {
        self.admit(self.shard(account), account, key, "", window, requests).await
    }

    /// The same for somebody without a key, known by a network address, with a limit of the caller's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn admit_stranger(
        &self,
        network: &str,
        limit: u64,
        window: Duration,
        requests: u32,
    ) -> Result<Admission, StoreError> {
        self.admit(self.shard(network), "", &format!("net:{network}"), &limit.to_string(), window, requests).await
    }

    async fn admit(
        &self,
        shard: u16,
        account: &str,
        bucket: &str,
        limit: &str,
        window: Duration,
        requests: u32,
    ) -> Result<Admission, StoreError> {
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut call = self.invocation(&scripts::ADMIT, shard);
        call.arg(account).arg(bucket).arg(limit).arg(window).arg(requests);
        let reply = texts(call.invoke_async(&mut self.connection()).await?)?;
        let number = |i: usize| reply.get(i).and_then(|text| text.parse::<u64>().ok());
        let allowed = match reply.first().map(String::as_str) {
            Some("ok") => true,
            Some("over") => false,
            _ => return Err(StoreError::NotFound),
        };
        let (Some(limit), Some(used), Some(ends_at), Some(now)) = (number(1), number(2), number(3), number(4)) else {
            return Err(StoreError::Broken(format!("the admission script replied {reply:?}")));
        };
        let balance = reply.get(5).and_then(|text| text.parse().ok());
        let suspended = reply.get(6).is_some_and(|text| !text.is_empty());
        Ok(Admission { allowed, limit, used, ends_at, now, balance, suspended })
    }
}
