//! `admin credits`.

use clap::Subcommand;
use convertfly_scheduler::store::{LedgerEntry, Store};
use serde_json::{Value, json};

use super::{Report, account, timestamp};

#[derive(Subcommand)]
pub(super) enum What {
    /// Add credits to an account.
    Add {
        /// Account, by name or identifier.
        name: String,
        /// Credits; a number below zero takes them away.
        #[arg(allow_negative_numbers = true)]
        credits: i64,
        /// Why, for the ledger.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Show the newest movements of an account's credits.
    Ledger {
        /// Account, by name or identifier.
        name: String,
        /// Entries.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
}

pub(super) async fn run(store: &Store, what: &What) -> anyhow::Result<Report> {
    match what {
        What::Add { name, credits, note } => {
            let account = account(store, name).await?;
            anyhow::ensure!(*credits != 0, "0 credits change nothing; say how many are to be added");
            let balance = store.add_credits(&account.id, *credits, note).await?;
            let json = json!({ "account": account.id, "name": account.name, "added": credits, "credits_remaining": balance });
            Ok(Report::new(format!("{} has {balance} credits", account.name), json))
        }
        What::Ledger { name, limit } => {
            let account = account(store, name).await?;
            let entries = store.ledger(&account.id, None, *limit as usize).await?;
            let rows: Vec<[String; 7]> = entries.iter().map(row).collect();
            let json: Value = entries.iter().map(entry).collect();
            Ok(Report::table(["at", "kind", "amount", "balance", "job", "task", "note"], &rows, json))
        }
    }
}

fn row(entry: &LedgerEntry) -> [String; 7] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        timestamp(entry.at),
        entry.kind.clone(),
        entry.amount.to_string(),
        entry.balance.to_string(),
        text(&entry.job),
        text(&entry.task),
        text(&entry.note),
    ]
}

fn entry(entry: &LedgerEntry) -> Value {
    json!({
        "id": format!("led_{}", entry.id),
        "kind": entry.kind,
        "amount": entry.amount,
        "balance_change": entry.change,
        "balance_after": entry.balance,
        "job_id": entry.job,
        "task": entry.task,
        "note": entry.note,
        "created_at": timestamp(entry.at),
    })
}
