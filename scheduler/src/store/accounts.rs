//! Accounts: their plans, and what operators do with them.

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

/// What a plan allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Plan name.
    pub name: String,
    /// Jobs that may be active at once.
    pub max_concurrent_jobs: u64,
    /// Jobs that may wait.
    pub max_waiting_jobs: u64,
    /// Requests a minute per key.
    pub requests_per_minute: u64,
}

impl Store {
    /// Makes an account; `false` when one of that identifier or name exists already, which is then left as it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn create_account(&self, account: &NewAccount) -> Result<bool, StoreError> {
        if !self.claim_name(&account.name, &account.id).await? {
            return Ok(false);
        }
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
            suspended: fields.contains_key("suspended"),
            frozen: fields.contains_key("frozen"),
            created_at: count("created"),
        })
    }

    /// Identifiers of every account, sorted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn account_ids(&self) -> Result<Vec<String>, StoreError> {
        let mut pipe = redis::pipe();
        for shard in 0..self.shards() {
            pipe.smembers(keys::accounts(shard));
        }
        let shards: Vec<Vec<String>> = pipe.query_async(&mut self.connection()).await?;
        let mut ids: Vec<String> = shards.into_iter().flatten().collect();
        ids.sort();
        Ok(ids)
    }

    /// The account of that name, or of that identifier.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn account_named(&self, name: &str) -> Result<Account, StoreError> {
        let id: Option<String> = self.connection().hget(keys::ACCOUNT_NAMES, name).await?;
        self.account(id.as_deref().unwrap_or(name)).await
    }

    /// Moves an account to another plan; waiting jobs start at once where the plan has room for them.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn set_plan(&self, account: &str, plan: &PlanLimits) -> Result<(), StoreError> {
        let number = |value: u64| value.to_string();
        self.set_account(
            account,
            &[
                ("plan", plan.name.clone()),
                ("max_concurrent", number(plan.max_concurrent_jobs)),
                ("max_waiting", number(plan.max_waiting_jobs)),
                ("rpm", number(plan.requests_per_minute)),
            ],
        )
        .await
    }

    /// Suspends an account, or takes that back. While it is suspended its keys open nothing; what runs already goes on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn set_suspended(&self, account: &str, suspended: bool) -> Result<(), StoreError> {
        self.set_account(account, &[("suspended", if suspended { "1".into() } else { String::new() })]).await
    }

    /// Deletes a suspended account that has no jobs left, with its keys and its ledger.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] when it is not suspended or has jobs, [`StoreError::Unavailable`].
    pub async fn delete_account(&self, account: &str) -> Result<(), StoreError> {
        let found = self.account(account).await?;
        let shard = self.shard(account);
        let mut call = self.invocation(&scripts::ACCOUNT_DELETE, shard);
        call.arg(account).arg(keys::of_account(shard, account));
        match call.invoke_async::<String>(&mut self.connection()).await?.as_str() {
            "ok" => {}
            "live" => return Err(StoreError::Conflict("Only a suspended account can be deleted".into())),
            "jobs" => return Err(StoreError::Conflict("The account has jobs: delete them first".into())),
            _ => return Err(StoreError::NotFound),
        }
        // Last: a name that leads nowhere can be claimed again.
        let _: u64 = self.connection().hdel(keys::ACCOUNT_NAMES, &found.name).await?;
        Ok(())
    }

    async fn set_account(&self, account: &str, fields: &[(&str, String)]) -> Result<(), StoreError> {
        let mut call = self.invocation(&scripts::ACCOUNT_SET, self.shard(account));
        call.arg(account);
        for (field, value) in fields {
            call.arg(field).arg(value);
        }
        let known: u8 = call.invoke_async(&mut self.connection()).await?;
        if known == 1 { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// Gives a name to an identifier unless another account has it.
    async fn claim_name(&self, name: &str, id: &str) -> Result<bool, StoreError> {
        let mut connection = self.connection();
        let _: bool = connection.hset_nx(keys::ACCOUNT_NAMES, name, id).await?;
        let holder: String = connection.hget(keys::ACCOUNT_NAMES, name).await?;
        if holder == id {
            return Ok(true);
        }
        match self.account(&holder).await {
            Ok(_) => Ok(false),
            // Claimed for an account that was never made: the process died in between.
            Err(StoreError::NotFound) => {
                let _: u64 = connection.hset(keys::ACCOUNT_NAMES, name, id).await?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}
