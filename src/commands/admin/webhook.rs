//! `admin webhook`.

use anyhow::bail;
use clap::Subcommand;
use convertfly_scheduler::store::{DeliveryRecord, DeliveryStatus, Store, StoreError, Webhook, WebhookChange};
use convertfly_scheduler::view::webhooks as view;
use serde_json::Value;

use super::{Report, account, timestamp};

#[derive(Subcommand)]
pub(super) enum What {
    /// List an account's webhooks.
    List {
        /// Account, by name or identifier.
        name: String,
    },
    /// Show a webhook.
    Show {
        /// Account, by name or identifier.
        name: String,
        /// The webhook's identifier, `wh_…`.
        webhook: String,
    },
    /// Send nothing more to a webhook, until its owner or `enable` says otherwise.
    Disable {
        /// Account, by name or identifier.
        name: String,
        /// The webhook's identifier, `wh_…`.
        webhook: String,
        /// Why, for its owner.
        #[arg(long, default_value = "Disabled by the operator of this service")]
        reason: String,
    },
    /// Send to a webhook again, what has waited included.
    Enable {
        /// Account, by name or identifier.
        name: String,
        /// The webhook's identifier, `wh_…`.
        webhook: String,
    },
    /// List what was sent to a webhook, the newest first.
    Deliveries {
        /// Account, by name or identifier.
        name: String,
        /// The webhook's identifier, `wh_…`.
        webhook: String,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u64,
    },
    /// Send a delivery that has ended once more.
    Replay {
        /// Account, by name or identifier.
        name: String,
        /// The webhook's identifier, `wh_…`.
        webhook: String,
        /// The delivery's identifier, `dlv_…`.
        delivery: String,
    },
}

pub(super) async fn run(store: &Store, what: &What) -> anyhow::Result<Report> {
    match what {
        What::List { name } => {
            let account = account(store, name).await?;
            let found = store.webhooks(&account.id).await?;
            let json: Value = found.iter().map(|webhook| view::webhook(webhook, None)).collect();
            let rows: Vec<[String; 5]> = found.iter().map(row).collect();
            Ok(Report::table(["id", "state", "failures", "events", "url"], &rows, json))
        }
        What::Show { name, webhook } => show(store, &account(store, name).await?.id, name, webhook).await,
        What::Disable { name, webhook, reason } => {
            let change = WebhookChange::Disable { reason: reason.clone() };
            changed(store, name, webhook, &change).await
        }
        What::Enable { name, webhook } => changed(store, name, webhook, &WebhookChange::Enable).await,
        What::Deliveries { name, webhook, limit } => {
            let account = account(store, name).await?;
            match store.deliveries(&account.id, webhook, 1, *limit).await {
                Ok(page) => {
                    let json: Value = page.deliveries.iter().map(view::delivery).collect();
                    let rows: Vec<[String; 6]> = page.deliveries.iter().map(delivery_row).collect();
                    Ok(Report::table(["id", "created", "event", "status", "attempts", "last answer"], &rows, json))
                }
                Err(error) => missing(error, name, webhook),
            }
        }
        What::Replay { name, webhook, delivery } => {
            let account = account(store, name).await?;
            match store.replay_delivery(&account.id, webhook, delivery).await {
                Ok(record) => Ok(Report::new(format!("{delivery} is sent once more"), view::delivery(&record))),
                Err(StoreError::NotFound) => bail!(
                    "the webhook `{webhook}` of {name} has no delivery `{delivery}`; \
                     `convertfly admin webhook deliveries {name} {webhook}` shows those that it has"
                ),
                Err(error) => Err(error.into()),
            }
        }
    }
}

async fn changed(store: &Store, name: &str, webhook: &str, change: &WebhookChange) -> anyhow::Result<Report> {
    let account = account(store, name).await?;
    match store.change_webhook(&account.id, webhook, change).await {
        Ok(()) => show(store, &account.id, name, webhook).await,
        Err(error) => missing(error, name, webhook),
    }
}

async fn show(store: &Store, account: &str, name: &str, webhook: &str) -> anyhow::Result<Report> {
    match store.webhook(account, webhook).await {
        Ok(found) => {
            let json = view::webhook(&found, None);
            Ok(Report::table(["id", "state", "failures", "events", "url"], &[row(&found)], json))
        }
        Err(error) => missing(error, name, webhook),
    }
}

fn missing(error: StoreError, name: &str, webhook: &str) -> anyhow::Result<Report> {
    match error {
        StoreError::NotFound => {
            bail!("{name} has no webhook `{webhook}`; `convertfly admin webhook list {name}` shows those that it has")
        }
        error => Err(error.into()),
    }
}

fn row(webhook: &Webhook) -> [String; 5] {
    let state = webhook
        .disabled
        .as_ref()
        .map_or_else(|| "enabled".to_owned(), |(reason, at)| format!("disabled {}: {reason}", timestamp(*at)));
    [webhook.id.clone(), state, webhook.failures.to_string(), webhook.events.join(","), webhook.url.clone()]
}

fn delivery_row(delivery: &DeliveryRecord) -> [String; 6] {
    let status = match delivery.status {
        DeliveryStatus::Pending => "pending",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Failed => "failed",
    };
    let last = delivery.log.last().map_or_else(String::new, |attempt| match (attempt.code, &attempt.error) {
        (Some(code), _) => code.to_string(),
        (None, Some(error)) => error.clone(),
        (None, None) => String::new(),
    });
    [
        delivery.id.clone(),
        timestamp(delivery.created_at),
        delivery.name.clone(),
        status.to_owned(),
        delivery.attempts.to_string(),
        last,
    ]
}
