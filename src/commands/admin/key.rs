//! `admin key`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use clap::Subcommand;
use convertfly_api::keys::{self, Mode};
use convertfly_scheduler::ids::new_id;
use convertfly_scheduler::store::{ApiKey, Revoker, Store, StoreError};
use serde_json::{Value, json};

use super::{Report, account, timestamp};

#[derive(Subcommand)]
pub(super) enum What {
    /// Make a key and print it alone: it is shown this once.
    Create {
        /// Account, by name or identifier.
        name: String,
        /// Name of the key, for lists.
        #[arg(long, default_value = "made by an operator")]
        label: String,
        /// What it may do, separated by commas.
        #[arg(long, value_delimiter = ',', default_value = "*", value_parser = ["*", "jobs:read", "jobs:write", "webhooks:manage"])]
        scopes: Vec<String>,
        /// Make a test key: its jobs are free and what they make is marked TEST.
        #[arg(long)]
        test: bool,
    },
    /// List an account's keys.
    List {
        /// Account, by name or identifier.
        name: String,
    },
    /// Revoke a key; from then on it opens nothing.
    Revoke {
        /// Account, by name or identifier.
        name: String,
        /// The key's identifier, `key_…`.
        key: String,
    },
}

pub(super) async fn run(store: &Store, what: &What) -> anyhow::Result<Report> {
    match what {
        What::Create { name, label, scopes, test } => {
            let account = account(store, name).await?;
            let mode = if *test { Mode::Test } else { Mode::Live };
            let key = keys::generate(mode);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            let scopes = if scopes.iter().any(|scope| scope == "*") { vec!["*".to_owned()] } else { scopes.clone() };
            let record = ApiKey {
                id: new_id("key"),
                account: account.id,
                name: label.clone(),
                scopes,
                test: *test,
                last4: keys::last4(key.expose()),
                created_at: u64::try_from(now).unwrap_or(0),
                ..ApiKey::default()
            };
            store.put_key(&keys::sha256_hex(key.expose()), &record).await?;
            let mut json = view(&record);
            json["key"] = key.expose().as_str().into();
            Ok(Report::new(key.expose().as_str(), json))
        }
        What::List { name } => {
            let account = account(store, name).await?;
            let found = store.api_keys(&account.id).await?;
            let json: Value = found.iter().map(view).collect();
            let rows: Vec<[String; 6]> = found.iter().map(row).collect();
            Ok(Report::table(["id", "key", "scopes", "created", "last used", "name"], &rows, json))
        }
        What::Revoke { name, key } => {
            let account = account(store, name).await?;
            match store.revoke_key(&account.id, key, Revoker::Operator).await {
                Ok(()) => Ok(Report::new(format!("{key} is revoked"), json!({ "id": key, "revoked": true }))),
                Err(StoreError::NotFound) => {
                    bail!(
                        "{} has no key `{key}`; `convertfly admin key list {}` shows those that it has",
                        account.name,
                        account.name
                    )
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

fn mode(key: &ApiKey) -> Mode {
    if key.test { Mode::Test } else { Mode::Live }
}

fn row(key: &ApiKey) -> [String; 6] {
    [
        key.id.clone(),
        format!("{}…{}", keys::prefix(mode(key)), key.last4),
        key.scopes.join(","),
        timestamp(key.created_at),
        key.last_used_at.map_or_else(|| "never".to_owned(), timestamp),
        key.name.clone(),
    ]
}

fn view(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "mode": mode(key).word(),
        "prefix": keys::prefix(mode(key)),
        "last4": key.last4,
        "created_at": timestamp(key.created_at),
        "last_used_at": key.last_used_at.map(timestamp),
    })
}
