//! Webhooks and their deliveries, as the API and the command line show them.

use serde_json::{Map, Value, json};

use super::{links, timestamp};
use crate::store::{DeliveryRecord, DeliveryStatus, Webhook};
use crate::webhooks::sign::SigningSecret;

/// A webhook; its secret only when it has just been made.
pub fn webhook(webhook: &Webhook, secret: Option<&SigningSecret>) -> Value {
    let mut view = Map::new();
    view.insert("id".into(), webhook.id.as_str().into());
    view.insert("url".into(), webhook.url.as_str().into());
    view.insert("events".into(), json!(webhook.events));
    if let Some(secret) = secret {
        view.insert("signing_secret".into(), secret.expose().into());
    }
    view.insert("secret_hint".into(), webhook.hint.as_str().into());
    view.insert("enabled".into(), webhook.disabled.is_none().into());
    if let Some((reason, at)) = &webhook.disabled {
        view.insert("disabled_reason".into(), reason.as_str().into());
        view.insert("disabled_at".into(), timestamp(*at));
    }
    if let Some(until) = webhook.previous_secret_until.filter(|&until| until > links::now_ms()) {
        view.insert("previous_secret_valid_until".into(), timestamp(until));
    }
    view.insert("consecutive_failures".into(), webhook.failures.into());
    view.insert("created_at".into(), timestamp(webhook.created_at));
    Value::Object(view)
}

/// A delivery with all its attempts.
pub fn delivery(delivery: &DeliveryRecord) -> Value {
    let status = match delivery.status {
        DeliveryStatus::Pending => "PENDING",
        DeliveryStatus::Delivered => "DELIVERED",
        DeliveryStatus::Failed => "FAILED",
    };
    let last = delivery.log.last();
    let attempts: Vec<Value> = delivery
        .log
        .iter()
        .map(|attempt| {
            let mut view = json!({ "at": timestamp(attempt.at), "duration_ms": attempt.took_ms, "response_code": attempt.code });
            if let Some(error) = &attempt.error {
                view["error"] = error.as_str().into();
            }
            if !attempt.body.is_empty() {
                view["response_body"] = attempt.body.as_str().into();
            }
            view
        })
        .collect();
    json!({
        "id": delivery.id,
        "event_id": delivery.event,
        "event": delivery.name,
        "job_id": delivery.job,
        "task": delivery.task,
        "status": status,
        "attempts": delivery.attempts,
        "response_code": last.and_then(|attempt| attempt.code),
        "next_attempt_at": delivery.next_attempt_at.map(timestamp),
        "created_at": timestamp(delivery.created_at),
        "log": attempts,
    })
}
