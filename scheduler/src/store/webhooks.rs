//! Webhooks: endpoints, the way from the outbox to deliveries, and what became of each.

use std::collections::HashMap;

use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, Value};

use super::connection::Store;
use super::{StoreError, hook_scripts, keys};

/// Webhooks that an account may have.
pub const MAX_WEBHOOKS: u32 = 100;

/// Events that one call of the fan-out takes, so that the script stays short.
const FAN_OUT_BATCH: u32 = 100;

/// How long a reader of the outbox waits for something new before it looks by itself, milliseconds.
const READ_BLOCK_MS: usize = 1_000;

/// A registered endpoint. Its secret stays in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Identifier, `wh_…`.
    pub id: String,
    /// Owner.
    pub account: String,
    /// Where events go.
    pub url: String,
    /// `job.finished` and so on, sorted.
    pub events: Vec<String>,
    /// What may be shown of the secret.
    pub hint: String,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Why nothing is sent to it, and since when (Unix milliseconds).
    pub disabled: Option<(String, u64)>,
    /// Attempts that failed since the last one that did not.
    pub failures: u64,
    /// Until when the secret before the present one stays valid, Unix milliseconds.
    pub previous_secret_until: Option<u64>,
}

/// An endpoint to be registered.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Owner.
    pub account: String,
    /// Identifier, `wh_…`.
    pub id: String,
    /// Where events go, checked.
    pub url: String,
    /// Sorted, without repetition.
    pub events: Vec<String>,
    /// The secret, sealed for [`webhook_context`].
    pub sealed_secret: String,
    /// What may be shown of it.
    pub hint: String,
}

/// A change of an endpoint.
#[derive(Clone, Debug)]
pub enum WebhookChange {
    /// It goes, with its log and everything that waits.
    Delete,
    /// It is sent to again, what has waited included.
    Enable,
    /// Nothing is sent to it until it is enabled.
    Disable {
        /// Why.
        reason: String,
    },
    /// Other events.
    Events(Vec<String>),
    /// A new secret.
    Rotate {
        /// Sealed for [`webhook_context`].
        sealed_secret: String,
        /// What may be shown of it.
        hint: String,
        /// How long the old one stays valid, milliseconds.
        overlap_ms: u64,
    },
}

/// The place of an endpoint's sealed secret.
pub fn webhook_context(webhook: &str) -> String {
    format!("webhook:{webhook}")
}

/// The place of an account's sealed default secret, which signs the `webhook_url` of jobs.
pub fn account_context(account: &str) -> String {
    format!("account:{account}")
}

/// A delivery that is leased to a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDelivery {
    /// Identifier, `dlv_…`.
    pub id: String,
    /// What the result must show to count.
    pub fence: String,
    /// The endpoint: `wh_…`, or `whj_…` for a job's own URL.
    pub webhook: String,
    /// Whether it goes to a job's own URL, which the account's default secret signs.
    pub of_job: bool,
    /// Where it goes.
    pub url: String,
    /// Sealed secrets, the newest first; more than one while a secret is being changed.
    pub secrets: Vec<String>,
    /// Owner.
    pub account: String,
    /// Identifier of the event, the same for every attempt and endpoint.
    pub event: String,
    /// `job.finished` and so on.
    pub name: String,
    /// The job, empty for a test event.
    pub job: String,
    /// The task, for its events.
    pub task: Option<String>,
    /// When it happened, Unix milliseconds.
    pub at: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// The payload, where it is not made from the job's record.
    pub body: Option<String>,
}

impl DueDelivery {
    /// The place of its sealed secrets.
    pub fn secret_context(&self) -> String {
        if self.of_job { account_context(&self.account) } else { webhook_context(&self.webhook) }
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint took it.
    Delivered,
    /// Another attempt follows after that many milliseconds.
    Retry {
        /// Pause.
        pause_ms: u64,
    },
    /// That was the last attempt.
    Failed,
    /// The endpoint says that it is gone (HTTP 410): it is disabled.
    Gone,
    /// The job has been deleted, so its event is not sent and leaves no trace.
    Dropped,
}

/// One attempt, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// Unix milliseconds.
    pub at: u64,
    /// HTTP status, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Why there was none, or why it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The beginning of the answer's body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// How long things are kept and held.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryRules {
    /// Attempts of one event after which later events of the same job are no longer held back.
    pub hold_attempts: u32,
    /// Seconds for which a delivered one stays in the log.
    pub keep_delivered_s: u64,
    /// Seconds for which a failed one stays in the log.
    pub keep_failed_s: u64,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// An attempt is due, under way or planned.
    Pending,
    /// Taken by the endpoint.
    Delivered,
    /// Given up.
    Failed,
}

/// A delivery in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Identifier, `dlv_…`.
    pub id: String,
    /// The event's identifier, as sent in `webhook-id`.
    pub event: String,
    /// `job.finished` and so on.
    pub name: String,
    /// The job; `None` for a test event.
    pub job: Option<String>,
    /// The task, for its events.
    pub task: Option<String>,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Attempts since it was made or replayed.
    pub attempts: u32,
    /// When the next one is due, Unix milliseconds.
    pub next_attempt_at: Option<u64>,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Every attempt.
    pub log: Vec<Attempt>,
}

/// A page of a log.
#[derive(Clone, Debug)]
pub struct DeliveryPage {
    /// Newest first.
    pub deliveries: Vec<DeliveryRecord>,
    /// How many the log has.
    pub total: u64,
}

/// Reads on in every shard's outbox, on a connection of its own: waiting in it must not hold others up.
pub struct OutboxReader {
    connection: redis::aio::MultiplexedConnection,
    keys: Vec<String>,
    cursors: Vec<String>,
}

impl Store {
    /// Registers an endpoint.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the account has the same URL and events already, or too many;
    /// [`StoreError::NotFound`] for an unknown account, [`StoreError::Unavailable`].
    pub async fn create_webhook(&self, new: &NewWebhook) -> Result<Webhook, StoreError> {
        let mut call = self.invocation(&hook_scripts::CREATE, self.shard(&new.account));
        call.arg(&new.account).arg(&new.id).arg(&new.url).arg(new.events.join(" ")).arg(&new.sealed_secret).arg(&new.hint);
        let reply: String = call.arg(MAX_WEBHOOKS).invoke_async(&mut self.connection()).await?;
        match reply.as_str() {
            "ok" => self.webhook(&new.account, &new.id).await,
            "exists" => Err(StoreError::Conflict("A webhook with this URL and these events exists already".into())),
            "full" => Err(StoreError::Conflict(format!("An account has at most {MAX_WEBHOOKS} webhooks; delete one first"))),
            _ => Err(StoreError::NotFound),
        }
    }

    /// An endpoint.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also for another account's, [`StoreError::Unavailable`].
    pub async fn webhook(&self, account: &str, id: &str) -> Result<Webhook, StoreError> {
        let fields: Fields = self.connection().hgetall(keys::webhook(self.shard(account), id)).await?;
        webhook(id, &fields).filter(|webhook| webhook.account == account).ok_or(StoreError::NotFound)
    }

    /// An account's endpoints, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn webhooks(&self, account: &str) -> Result<Vec<Webhook>, StoreError> {
        let shard = self.shard(account);
        let ids: Vec<String> = self.connection().zrange(keys::account_webhooks(shard, account), 0, -1).await?;
        let found: Vec<Fields> = self.hashes(ids.iter().map(|id| keys::webhook(shard, id))).await?;
        Ok(ids.iter().zip(&found).filter_map(|(id, fields)| webhook(id, fields)).collect())
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also for another account's; [`StoreError::Conflict`] where another one has the same URL and
    /// events; [`StoreError::Unavailable`].
    pub async fn change_webhook(&self, account: &str, id: &str, change: &WebhookChange) -> Result<(), StoreError> {
        let mut call = self.invocation(&hook_scripts::CHANGE, self.shard(account));
        call.arg(account).arg(id);
        match change {
            WebhookChange::Delete => call.arg("delete"),
            WebhookChange::Enable => call.arg("active"),
            WebhookChange::Disable { reason } => call.arg("disabled").arg(reason),
            WebhookChange::Events(events) => call.arg("events").arg(events.join(" ")),
            WebhookChange::Rotate { sealed_secret, hint, overlap_ms } => {
                call.arg("rotate").arg(sealed_secret).arg(hint).arg(overlap_ms)
            }
        };
        let reply: String = call.invoke_async(&mut self.connection()).await?;
        match reply.as_str() {
            "ok" => Ok(()),
            "exists" => Err(StoreError::Conflict("A webhook with this URL and these events exists already".into())),
            _ => Err(StoreError::NotFound),
        }
    }

    /// The account's sealed default secret; `sealed` becomes it where there is none, or with `overlap_ms` in any case, the old
    /// one staying valid for that long.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown account, [`StoreError::Unavailable`].
    pub async fn account_webhook_secret(
        &self,
        account: &str,
        sealed: &str,
        overlap_ms: Option<u64>,
    ) -> Result<String, StoreError> {
        let mut call = self.invocation(&hook_scripts::SECRET, self.shard(account));
        call.arg(account).arg(sealed).arg(overlap_ms.map(|ms| ms.to_string()).unwrap_or_default());
        let secret: String = call.invoke_async(&mut self.connection()).await?;
        if secret.is_empty() { Err(StoreError::NotFound) } else { Ok(secret) }
    }

    /// Queues a test event with a payload of its own; returns the delivery.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] for a disabled endpoint, [`StoreError::Unavailable`].
    pub async fn send_test_event(
        &self,
        account: &str,
        id: &str,
        event: &str,
        name: &str,
        body: &str,
    ) -> Result<String, StoreError> {
        let mut call = self.invocation(&hook_scripts::SEND, self.shard(account));
        call.arg(account).arg(id).arg("test").arg(event).arg(name).arg(body);
        sent(call.invoke_async(&mut self.connection()).await?)
    }

    /// Sends a delivery that has ended once more: the same event under the same identifier, with all attempts anew.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] while it is pending or the endpoint disabled,
    /// [`StoreError::Unavailable`].
    pub async fn replay_delivery(&self, account: &str, id: &str, delivery: &str) -> Result<DeliveryRecord, StoreError> {
        let mut call = self.invocation(&hook_scripts::SEND, self.shard(account));
        sent(call.arg(account).arg(id).arg("replay").arg(delivery).invoke_async(&mut self.connection()).await?)?;
        self.delivery(account, delivery).await
    }

    /// A delivery.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also for another account's, [`StoreError::Unavailable`].
    pub async fn delivery(&self, account: &str, delivery: &str) -> Result<DeliveryRecord, StoreError> {
        let fields: Fields = self.connection().hgetall(keys::delivery(self.shard(account), delivery)).await?;
        if fields.get("account").map(String::as_str) != Some(account) {
            return Err(StoreError::NotFound);
        }
        record(delivery, &fields).ok_or(StoreError::NotFound)
    }

    /// A page of an endpoint's log, newest first. `page` starts at 1.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn deliveries(&self, account: &str, id: &str, page: u64, limit: u64) -> Result<DeliveryPage, StoreError> {
        self.webhook(account, id).await?;
        let (shard, mut connection) = (self.shard(account), self.connection());
        let log = keys::webhook_log(shard, id);
        let total: u64 = connection.zcard(&log).await?;
        let start = isize::try_from(page.saturating_sub(1).saturating_mul(limit)).unwrap_or(isize::MAX - 1_000);
        let end = start.saturating_add(isize::try_from(limit).unwrap_or(1_000)) - 1;
        let ids: Vec<String> = connection.zrevrange(&log, start, end).await?;
        let found = self.hashes(ids.iter().map(|id| keys::delivery(shard, id))).await?;
        let deliveries = ids.iter().zip(&found).filter_map(|(id, fields)| record(id, fields)).collect();
        Ok(DeliveryPage { deliveries, total })
    }

    /// A reader of the outboxes, from where the fan-out stands.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn outbox_reader(&self) -> Result<OutboxReader, StoreError> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = self.inner.client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut reader = OutboxReader { connection, keys: Vec::new(), cursors: Vec::new() };
        for shard in 0..self.shards() {
            let cursor: Option<String> = self.connection().hget(keys::meta(shard), "fanout").await?;
            reader.keys.push(keys::outbox(shard));
            reader.cursors.push(cursor.unwrap_or_else(|| "0-0".to_owned()));
        }
        Ok(reader)
    }

    /// Turns a shard's new events into deliveries; says how many it took and where the outbox has been read up to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn fan_out(&self, shard: u16) -> Result<(u32, String), StoreError> {
        let mut call = self.invocation(&hook_scripts::FAN_OUT, shard);
        Ok(call.arg(FAN_OUT_BATCH).invoke_async(&mut self.connection()).await?)
    }

    /// Leases at most `most` deliveries that are due in a shard, to endpoints that answer or (`suspect`) whose last attempt
    /// failed. Also says in how many milliseconds something more is due.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn take_deliveries(
        &self,
        shard: u16,
        suspect: bool,
        most: usize,
        lease_ms: u64,
    ) -> Result<(Vec<DueDelivery>, Option<u64>), StoreError> {
        let mut call = self.invocation(&hook_scripts::TAKE, shard);
        call.arg(if suspect { "suspect" } else { "healthy" }).arg(most).arg(lease_ms).arg(crate::ids::random_base62(12));
        let reply: Vec<Value> = call.invoke_async(&mut self.connection()).await?;
        let mut items = reply.into_iter();
        let wait: i64 = items.next().map_or(Ok(-1), redis::from_redis_value).map_err(broken)?;
        let deliveries = items.map(|item| due(redis::from_redis_value(item).map_err(broken)?)).collect::<Result<_, _>>()?;
        Ok((deliveries, u64::try_from(wait).ok()))
    }

    /// Notes what came of an attempt; `false` where the lease has gone to somebody else meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delivery_result(
        &self,
        delivery: &DueDelivery,
        outcome: Outcome,
        attempt: &Attempt,
        rules: &DeliveryRules,
    ) -> Result<bool, StoreError> {
        let (word, pause) = match outcome {
            Outcome::Delivered => ("delivered", 0),
            Outcome::Retry { pause_ms } => ("retry", pause_ms),
            Outcome::Failed => ("failed", 0),
            Outcome::Gone => ("gone", 0),
            Outcome::Dropped => ("dropped", 0),
        };
        let mut call = self.invocation(&hook_scripts::RESULT, self.shard(&delivery.account));
        let reply: String = call
            .arg(&delivery.id)
            .arg(&delivery.fence)
            .arg(word)
            .arg(pause)
            .arg(attempt.code.map(|code| code.to_string()).unwrap_or_default())
            .arg(super::jobs::to_json(attempt)?)
            .arg("The endpoint answered 410 Gone")
            .arg(rules.hold_attempts)
            .arg(rules.keep_delivered_s)
            .arg(rules.keep_failed_s)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(reply == "ok")
    }

    async fn hashes(&self, keys: impl Iterator<Item = String>) -> Result<Vec<Fields>, StoreError> {
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.hgetall(key);
        }
        if pipe.is_empty() {
            return Ok(Vec::new());
        }
        Ok(pipe.query_async(&mut self.connection()).await?)
    }
}

impl OutboxReader {
    /// Waits until some shard has new events, at most a second; returns those shards.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the reader is of no use any more.
    pub async fn next(&mut self) -> Result<Vec<u16>, StoreError> {
        let options = StreamReadOptions::default().count(1).block(READ_BLOCK_MS);
        // The server answers when its wait is over; this is for one that no longer answers at all.
        let limit = std::time::Duration::from_millis(READ_BLOCK_MS as u64 * 10);
        let read = self.connection.xread_options(&self.keys, &self.cursors, &options);
        let reply: Option<StreamReadReply> =
            tokio::time::timeout(limit, read).await.map_err(|_| StoreError::Unavailable("no answer".into()))??;
        let mut shards = Vec::new();
        for found in reply.into_iter().flat_map(|reply| reply.keys) {
            if let Some(shard) = self.keys.iter().position(|key| *key == found.key) {
                shards.push(u16::try_from(shard).unwrap_or(0));
            }
        }
        Ok(shards)
    }

    /// Notes where a shard's outbox has been read up to.
    pub fn advance(&mut self, shard: u16, cursor: String) {
        if let Some(place) = self.cursors.get_mut(usize::from(shard)) {
            *place = cursor;
        }
    }
}

type Fields = HashMap<String, String>;

fn number(fields: &Fields, name: &str) -> Option<u64> {
    fields.get(name).and_then(|text| text.parse().ok())
}

fn webhook(id: &str, fields: &Fields) -> Option<Webhook> {
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let disabled = text("status") == "disabled";
    (text("kind") == "account").then(|| Webhook {
        id: id.to_owned(),
        account: text("account"),
        url: text("url"),
        events: text("events").split_whitespace().map(str::to_owned).collect(),
        hint: text("hint"),
        created_at: number(fields, "created").unwrap_or(0),
        disabled: disabled.then(|| (text("reason"), number(fields, "disabled").unwrap_or(0))),
        failures: number(fields, "failures").unwrap_or(0),
        previous_secret_until: number(fields, "secret_until"),
    })
}

fn record(id: &str, fields: &Fields) -> Option<DeliveryRecord> {
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let some = |name: &str| fields.get(name).filter(|text| !text.is_empty()).cloned();
    let status = match fields.get("status")?.as_str() {
        "DELIVERED" => DeliveryStatus::Delivered,
        "FAILED" => DeliveryStatus::Failed,
        _ => DeliveryStatus::Pending,
    };
    Some(DeliveryRecord {
        id: id.to_owned(),
        event: text("event"),
        name: text("name"),
        job: some("job"),
        task: some("task"),
        status,
        attempts: number(fields, "attempts").and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        next_attempt_at: number(fields, "next"),
        created_at: number(fields, "created").unwrap_or(0),
        log: serde_json::from_str(&format!("[{}]", text("log"))).unwrap_or_default(),
    })
}

fn due(fields: Vec<String>) -> Result<DueDelivery, StoreError> {
    let fields: [String; 15] =
        fields.try_into().map_err(|fields: Vec<String>| StoreError::Broken(format!("a delivery of {} fields", fields.len())))?;
    let [id, fence, webhook, kind, url, secret, older, account, event, name, job, task, at, attempts, body] = fields;
    let some = |text: String| (!text.is_empty()).then_some(text);
    Ok(DueDelivery {
        id,
        fence,
        webhook,
        of_job: kind == "job",
        url,
        secrets: [secret, older].into_iter().filter_map(some).collect(),
        account,
        event,
        name,
        job,
        task: some(task),
        at: at.parse().unwrap_or(0),
        attempts: attempts.parse().unwrap_or(0),
        body: some(body),
    })
}

fn sent(reply: Vec<String>) -> Result<String, StoreError> {
    match reply.first().map(String::as_str) {
        Some("ok") => Ok(reply.into_iter().nth(1).unwrap_or_default()),
        Some("disabled") => Err(StoreError::Conflict("The webhook is disabled; enable it first".into())),
        Some("pending") => Err(StoreError::Conflict("This delivery is still being attempted".into())),
        _ => Err(StoreError::NotFound),
    }
}

fn broken(error: redis::ParsingError) -> StoreError {
    StoreError::Broken(error.to_string())
}
