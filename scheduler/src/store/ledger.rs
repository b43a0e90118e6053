//! Credits: top-ups, the ledger as customers read it, and its audit.

use std::collections::HashMap;

use redis::AsyncCommands;
use redis::streams::{StreamId, StreamRangeReply};

use super::connection::Store;
use super::{StoreError, keys, scripts};

/// Ledger entries that one call of the audit reads at most, so that it stays short.
const AUDIT_BATCH: u32 = 1_000;

/// One movement of credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Position in the ledger, `<Unix milliseconds>-<number>`.
    pub id: String,
    /// `grant`, `reserve`, `settle`, `refund` or `correction`.
    pub kind: String,
    /// Credits moved.
    pub amount: i64,
    /// Change of the balance: 0 for `settle`, which takes what is reserved already.
    pub change: i64,
    /// Balance afterwards.
    pub balance: i64,
    /// The job that it was for.
    pub job: Option<String>,
    /// The task that it was for.
    pub task: Option<String>,
    /// The operator's words.
    pub note: Option<String>,
    /// Unix milliseconds.
    pub at: u64,
}

impl LedgerEntry {
    fn read(entry: &StreamId) -> Self {
        let number = |name: &str| entry.get::<i64>(name).unwrap_or(0);
        let text = |name: &str| entry.get::<String>(name).filter(|text| !text.is_empty());
        Self {
            id: entry.id.clone(),
            kind: text("kind").unwrap_or_default(),
            amount: number("amount"),
            change: number("balance"),
            balance: number("left"),
            job: text("job"),
            task: text("task"),
            note: text("note"),
            at: entry.id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0),
        }
    }
}

/// An account's money in two accounts of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Balance, held and spent, as the entries of the ledger sum up.
    pub ledger: [i64; 3],
    /// Balance, held, spent and granted, as the account has them; `None` for what is no number.
    pub pots: [Option<i64>; 4],
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audit {
    /// The books agree.
    Agree(Books),
    /// They do not: from now on nothing is charged to the account.
    Apart(Books),
    /// They did not at an earlier audit either.
    StillApart(Books),
}

/// Which of the two is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The account's own figures; an entry corrects the ledger.
    Account,
    /// The ledger; the account's figures are set by it.
    Ledger,
}

impl Store {
    /// Adds credits to an account (or takes some away, below zero) and returns the balance.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] when there is less than is to be taken, [`StoreError::Unavailable`].
    pub async fn add_credits(&self, account: &str, credits: i64, note: &str) -> Result<i64, StoreError> {
        let mut call = self.invocation(&scripts::CREDIT, self.shard(account));
        let reply: Vec<String> = call.arg(account).arg(credits).arg(note).invoke_async(&mut self.connection()).await?;
        let balance = || reply.get(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        match reply.first().map(String::as_str) {
            Some("ok") => Ok(balance()),
            Some("low") => Err(StoreError::Conflict(format!("The balance is {}: no more than that can be taken", balance()))),
            _ => Err(StoreError::NotFound),
        }
    }

    /// A page of an account's ledger, the newest first; `before` is the identifier that the page before ended with.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ledger(&self, account: &str, before: Option<&str>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        // Before the very first position there is nothing, and Redis takes the question for an error.
        if before
            .and_then(|id| id.split_once('-'))
            .is_some_and(|(ms, sequence)| [ms, sequence].iter().all(|part| part.parse() == Ok(0)))
        {
            return Ok(Vec::new());
        }
        let key = keys::ledger(self.shard(account), account);
        let end = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let page: StreamRangeReply = self.connection().xrevrange_count(key, end, "-", limit).await?;
        Ok(page.ids.iter().map(LedgerEntry::read).collect())
    }

    /// Sums an account's ledger: `[balance, held, spent]` by its entries alone, those that have been dropped included. Equal to
    /// the account's own figures unless something is broken.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ledger_sums(&self, account: &str) -> Result<[i64; 3], StoreError> {
        let shard = self.shard(account);
        let dropped: Vec<Option<i64>> =
            self.connection().hmget(keys::audit(shard, account), &["base_balance", "base_held", "base_spent"][..]).await?;
        let mut sums = [0i64; 3];
        for (sum, dropped) in sums.iter_mut().zip(dropped) {
            *sum += dropped.unwrap_or(0);
        }
        let mut start = "-".to_owned();
        loop {
            let page: StreamRangeReply =
                self.connection().xrange_count(keys::ledger(shard, account), &start, "+", 10_000).await?;
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

    /// Holds an account's ledger against its figures. Reads what the ledger has grown by since the last audit, or all of it when
    /// `from_start`; drops entries older than `keep_ms` once both agree. Where they are apart, nothing is charged any more until
    /// [`Store::settle_books`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn audit(&self, account: &str, from_start: bool, keep_ms: u64) -> Result<Audit, StoreError> {
        let mut from_start = from_start;
        loop {
            let mut call = self.invocation(&scripts::AUDIT, self.shard(account));
            call.arg(account).arg(AUDIT_BATCH).arg(u8::from(from_start)).arg(keep_ms);
            let reply: Vec<String> = call.invoke_async(&mut self.connection()).await?;
            let number = |i: usize| reply.get(i).and_then(|text| text.parse::<i64>().ok());
            let books = Books { ledger: [1, 2, 3].map(|i| number(i).unwrap_or(0)), pots: [4, 5, 6, 7].map(number) };
            match reply.first().map(String::as_str) {
                Some("more") => from_start = false,
                Some("ok") => return Ok(Audit::Agree(books)),
                Some("mismatch") => return Ok(Audit::Apart(books)),
                Some("known") => return Ok(Audit::StillApart(books)),
                _ => return Err(StoreError::NotFound),
            }
        }
    }

    /// Makes the two agree again after an audit from the start, and lets charging go on; returns the balance.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] when the account's figures are to be taken and are no numbers, or when
    /// the ledger has grown since the audit, [`StoreError::Unavailable`].
    pub async fn settle_books(&self, account: &str, truth: Truth) -> Result<i64, StoreError> {
        let mut call = self.invocation(&scripts::BOOKS, self.shard(account));
        let word = if truth == Truth::Account { "pots" } else { "ledger" };
        let reply: Vec<String> = call.arg(account).arg(word).invoke_async(&mut self.connection()).await?;
        match reply.first().map(String::as_str) {
            Some("ok") => Ok(reply.get(1).and_then(|text| text.parse().ok()).unwrap_or(0)),
            Some("more") => Err(StoreError::Conflict("The ledger has grown since the audit: run it again".into())),
            Some("unreadable") => {
                Err(StoreError::Conflict("The account's own figures are no numbers: take the ledger's instead".into()))
            }
            _ => Err(StoreError::NotFound),
        }
    }

    /// Says whether credits of failed tasks come back (the default), or tasks that fail through their file or options are charged.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_refund_on_error(&self, refund: bool) -> Result<(), StoreError> {
        for shard in 0..self.shards() {
            let mut connection = self.connection();
            if refund {
                let _: u64 = connection.hdel(keys::meta(shard), "charge_errors").await?;
            } else {
                let _: u64 = connection.hset(keys::meta(shard), "charge_errors", 1).await?;
            }
        }
        Ok(())
    }

    /// Adds to a counter that all processes of a store share.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn count(&self, counter: &str, by: u64) -> Result<(), StoreError> {
        let _: u64 = self.connection().hincr(keys::GLOBAL_COUNTERS, counter, by).await?;
        Ok(())
    }

    /// The counters that all processes of a store share.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn counters(&self) -> Result<HashMap<String, u64>, StoreError> {
        Ok(self.connection().hgetall(keys::GLOBAL_COUNTERS).await?)
    }
}
