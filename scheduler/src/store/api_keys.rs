//! API keys. What is true of a key stands in its account's shard; the global index only leads from a key's hash to the account,
//! so a key is revoked by one script in one place, and what is left of the index opens nothing.

use std::collections::HashMap;

use redis::AsyncCommands;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::connection::Store;
use super::jobs::to_json;
use super::key_watch::KeyWatch;
use super::{StoreError, keys, scripts};

/// Most keys that an account may have.
pub const MAX_KEYS: usize = 100;

/// An API key as the store knows it: never the key itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKey {
    /// Identifier, `key_…`.
    pub id: String,
    /// Owner.
    pub account: String,
    /// Name for people.
    pub name: String,
    /// `jobs:read`, `jobs:write`, `webhooks:manage` or `*`.
    pub scopes: Vec<String>,
    /// Works in the sandbox: free, and what it makes is marked TEST.
    pub test: bool,
    /// The key's last four characters, to tell keys apart by.
    pub last4: String,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds of the last use, to the minute; not read by [`Store::key_by_hash`].
    pub last_used_at: Option<u64>,
}

/// A key's record in its account's shard.
#[derive(Serialize, Deserialize)]
struct Record {
    hash: String,
    name: String,
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    last4: String,
    created: u64,
}

impl Record {
    fn read(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|e| StoreError::Broken(format!("the record of an API key does not read: {e}")))
    }

    fn key(self, id: &str, account: &str) -> ApiKey {
        ApiKey {
            id: id.to_owned(),
            account: account.to_owned(),
            name: self.name,
            scopes: self.scopes,
            test: self.test,
            last4: self.last4,
            created_at: self.created,
            last_used_at: None,
        }
    }
}

/// Who asks for a revocation, and what is allowed to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoker {
    /// A live key of the account: not the last one that can manage keys.
    Live,
    /// A test key of the account: other test keys alone.
    Test,
    /// An operator: any key.
    Operator,
}

impl Store {
    /// Stores an API key by its SHA-256, hex.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the account has [`MAX_KEYS`] already, [`StoreError::NotFound`] for an unknown account,
    /// [`StoreError::Unavailable`].
    pub async fn put_key(&self, sha256_hex: &str, key: &ApiKey) -> Result<(), StoreError> {
        let record = Record {
            hash: sha256_hex.to_owned(),
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            test: key.test,
            last4: key.last4.clone(),
            created: key.created_at,
        };
        let mut call = self.invocation(&scripts::KEY_PUT, self.shard(&key.account));
        call.arg(&key.account).arg(&key.id).arg(to_json(&record)?).arg(MAX_KEYS);
        match call.invoke_async::<String>(&mut self.connection()).await?.as_str() {
            "ok" => {}
            "full" => {
                let text =
                    format!("This account has {MAX_KEYS} API keys, which is the most: revoke one that is not used any more");
                return Err(StoreError::Conflict(text));
            }
            _ => return Err(StoreError::NotFound),
        }
        // Second: until it is there the key opens nothing, and nobody has been told of it yet.
        let fields = [("account", key.account.as_str()), ("id", key.id.as_str())];
        Ok(self.connection().hset_multiple(keys::api_key(sha256_hex), &fields).await?)
    }

    /// Whether the account has any key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn has_keys(&self, account: &str) -> Result<bool, StoreError> {
        Ok(self.connection().exists(keys::key_records(self.shard(account), account)).await?)
    }

    /// The key behind the SHA-256 of an API key, hex.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn key_by_hash(&self, sha256_hex: &str) -> Result<Option<ApiKey>, StoreError> {
        let index: (Option<String>, Option<String>) =
            self.connection().hmget(keys::api_key(sha256_hex), &["account", "id"][..]).await?;
        let (Some(account), Some(id)) = index else { return Ok(None) };
        let shard = self.shard(&account);
        let record: Option<String> = self.connection().hget(keys::key_records(shard, &account), &id).await?;
        let Some(record) = record.map(|text| Record::read(&text)).transpose()? else { return Ok(None) };
        if !bool::from(record.hash.as_bytes().ct_eq(sha256_hex.as_bytes())) {
            return Ok(None);
        }
        Ok(Some(record.key(&id, &account)))
    }

    /// An account's keys, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn api_keys(&self, account: &str) -> Result<Vec<ApiKey>, StoreError> {
        let shard = self.shard(account);
        let (records, uses): (HashMap<String, String>, HashMap<String, u64>) = redis::pipe()
            .hgetall(keys::key_records(shard, account))
            .hgetall(keys::key_uses(shard, account))
            .query_async(&mut self.connection())
            .await?;
        let read = |(id, text): (&String, &String)| {
            let key = Record::read(text)?.key(id, account);
            Ok(ApiKey { last_used_at: uses.get(id).copied(), ..key })
        };
        let mut found: Vec<ApiKey> = records.iter().map(read).collect::<Result<_, StoreError>>()?;
        found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        Ok(found)
    }

    /// Revokes a key: from this moment it opens nothing, whichever process is asked.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] for the last one that can manage keys, [`StoreError::Forbidden`] for a
    /// live key when a test key asks, [`StoreError::Unavailable`].
    pub async fn revoke_key(&self, account: &str, id: &str, revoker: Revoker) -> Result<(), StoreError> {
        let mut call = self.invocation(&scripts::KEY_REVOKE, self.shard(account));
        call.arg(account).arg(id).arg(u8::from(revoker == Revoker::Operator)).arg(u8::from(revoker == Revoker::Test));
        let reply: Vec<String> = call.invoke_async(&mut self.connection()).await?;
        match (reply.first().map(String::as_str), reply.get(1)) {
            (Some("ok"), Some(hash)) => {
                // This process need not wait for the notice.
                self.key_watch().changed(hash);
                // What is left of the index opens nothing, so a failure here is of no consequence.
                let _: Result<(), _> = self.connection().del(keys::api_key(hash)).await;
                Ok(())
            }
            (Some("last"), _) => Err(StoreError::Conflict(
                "This is the account's last live key with the scope `*`, and without it nobody could manage keys: make another one \
                 first"
                    .into(),
            )),
            (Some("live"), _) => {
                Err(StoreError::Forbidden("A test key manages test keys alone: use a live key with the scope `*`".into()))
            }
            _ => Err(StoreError::NotFound),
        }
    }

    /// Notes that a key was used now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn key_used(&self, account: &str, id: &str) -> Result<(), StoreError> {
        let mut call = self.invocation(&scripts::KEY_USED, self.shard(account));
        let _: u8 = call.arg(account).arg(id).invoke_async(&mut self.connection()).await?;
        Ok(())
    }

    /// Tells whether what is remembered of a key still holds.
    pub fn key_watch(&self) -> &KeyWatch {
        self.inner.hub.key_watch()
    }
}
