//! Accounts and their ledgers.

use std::collections::HashMap;

use redis::AsyncCommands;

use super::connection::Store;
use super::{Account, StoreError, keys, scripts};

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Identifier, `acct_…`.
    pub id: String,
    /// Name for operators.
    pub name: String,
    /// Plan name.
    pub plan: String,
    /// Share of a contended lane, relative to other accounts; at least 1.
    pub weight: u32,
    /// Jobs that may be active at once.
    pub max_concurrent_jobs: u64,
    /// Jobs that may wait.
    pub max_waiting_jobs: u64,
    /// Requests a minute per key.
    pub requests_per_minute: u64,
    /// Credits to start with.
    pub credits: u64,
}

impl Store {
    /// Makes an account; `false` when one of that identifier exists already, which is then left as it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn create_account(&self, account: &NewAccount) -> Result<bool, StoreError> {
        let made: u8 = self
            .invocation(&scripts::ACCOUNT, self.shard(&account.id))
            .arg(&account.id)
            .arg(&account.name)
            .arg(&account.plan)
            .arg(account.weight)
            .arg(account.max_concurrent_jobs)
            .arg(account.max_waiting_jobs)
            .arg(account.requests_per_minute)
            .arg(account.credits)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(made == 1)
    }

    /// An account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn account(&self, id: &str) -> Result<Account, StoreError> {
        let fields: HashMap<String, String> = self.connection().hgetall(keys::account(self.shard(id), id)).await?;
        if fields.is_empty() {
            return Err(StoreError::NotFound);
        }
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let number = |name: &str| fields.get(name).and_then(|v| v.parse::<i64>().ok()).unwrap_or(0);
        let count = |name: &str| u64::try_from(number(name)).unwrap_or(0);
        Ok(Account {
            id: id.to_owned(),
            name: text("name"),
            plan: text("plan"),
            balance: number("balance"),
            held: number("held"),
            spent: number("spent"),
            granted: number("granted"),
            active_jobs: count("active"),
            max_concurrent_jobs: count("max_concurrent"),
            max_waiting_jobs: count("max_waiting"),
            requests_per_minute: count("rpm"),
        })
    }

    /// Sums an account's ledger: `[balance, held, spent]` by its entries alone. Equal to the account's own figures unless
    /// something is broken.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ledger_sums(&self, account: &str) -> Result<[i64; 3], StoreError> {
        let key = keys::ledger(self.shard(account), account);
        let mut sums = [0i64; 3];
        let mut start = "-".to_owned();
        loop {
            let page: redis::streams::StreamRangeReply = self.connection().xrange_count(&key, &start, "+", 10_000).await?;
            for entry in &page.ids {
                for (sum, field) in sums.iter_mut().zip(["balance", "held", "spent"]) {
                    *sum += entry.get::<i64>(field).unwrap_or(0);
                }
            }
            match page.ids.last() {
                Some(last) if page.ids.len() == 10_000 => start = format!("({}", last.id),
                _ => return Ok(sums),
            }
        }
    }
}
