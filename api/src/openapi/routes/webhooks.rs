//! Webhooks.

use serde_json::{Value, json};

use super::super::doc::{object, reference, string};
use super::super::{Doc, Tag};
use crate::error::Code;

fn sample() -> Value {
    json!({
        "id": "wh_Abc123", "url": "https://your-app.com/webhooks/convertfly", "events": ["job.failed", "job.finished"],
        "secret_hint": "whsec_…q8Zw", "enabled": true, "consecutive_failures": 0, "created_at": "2026-04-03T10:30:00Z",
    })
}

fn with_secret() -> Value {
    let mut sample = sample();
    sample["signing_secret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
    sample
}

fn delivery() -> Value {
    json!({
        "id": "dlv_0f3c9a", "event_id": "evt_7b1d44", "event": "job.finished", "job_id": "job_7kX9mP2qR", "task": null,
        "status": "DELIVERED", "attempts": 1, "response_code": 200, "next_attempt_at": null, "created_at": "2026-04-03T10:31:15Z",
        "log": [{ "at": "2026-04-03T10:31:15Z", "duration_ms": 84, "response_code": 200, "response_body": "ok" }],
    })
}

/// A body that may be left out.
fn optional(mut doc: Doc, schema: Value, example: Value) -> Doc {
    doc = doc.body(schema, example);
    if let Some(body) = &mut doc.body {
        body["required"] = false.into();
    }
    doc
}

/// `POST /webhooks`.
pub(crate) fn create() -> Doc {
    Doc::new("createWebhook", Tag::Webhooks, "Create a webhook")
        .text(
            "Every payload is signed with HMAC-SHA256. `X-Webhook-Signature` is `v1=` and the hex digest of \
             `<X-Webhook-Timestamp>.<body>` under the whole secret; the headers of Standard Webhooks (`webhook-id`, \
             `webhook-timestamp`, `webhook-signature`) are sent as well. An event is delivered at least once: `X-Webhook-Id` is the \
             same at every attempt. Anything but 2xx is a failure, redirects included; there are ten attempts over more than 75 hours, \
             `Retry-After` is honoured, and 410 disables the webhook. Payloads have at most 20,000 bytes: a job that is too large \
             is told in less detail, with `truncated: true`.",
        )
        .body(
            reference("WebhookRequest"),
            json!({ "url": "https://your-app.com/webhooks/convertfly", "events": ["job.finished", "job.failed"] }),
        )
        .data(201, "The webhook. Its secret is shown only here.", reference("Webhook"))
        .example(json!({ "data": with_secret() }))
        .errors(&[Code::Conflict])
}

/// `GET /webhooks`.
pub(crate) fn list() -> Doc {
    let meta = object("The list.", &["total"], json!({ "total": { "type": "integer", "minimum": 0 } }));
    Doc::new("listWebhooks", Tag::Webhooks, "List webhooks")
        .list("The webhooks, the oldest first.", reference("Webhook"), meta)
        .example(json!({ "data": [sample()], "meta": { "total": 1 } }))
}

/// `GET /webhooks/:id`.
pub(crate) fn get() -> Doc {
    Doc::new("getWebhook", Tag::Webhooks, "Get a webhook")
        .data(200, "The webhook.", reference("Webhook"))
        .example(json!({ "data": sample() }))
}

/// `PATCH /webhooks/:id`.
pub(crate) fn update() -> Doc {
    Doc::new("updateWebhook", Tag::Webhooks, "Change a webhook")
        .text("Enables or disables it, or subscribes to other events. What was waiting when it was disabled is sent once it is enabled.")
        .body(reference("WebhookChange"), json!({ "enabled": true }))
        .data(200, "The webhook.", reference("Webhook"))
        .example(json!({ "data": sample() }))
        .errors(&[Code::Conflict])
}

/// `DELETE /webhooks/:id`.
pub(crate) fn delete() -> Doc {
    Doc::new("deleteWebhook", Tag::Webhooks, "Delete a webhook").empty(204, "It gets nothing more.")
}

fn rotation() -> Value {
    let seconds = json!({
        "type": "integer", "minimum": 0, "maximum": 604_800, "default": 86_400,
        "description": "For how long the old secret stays valid in `webhook-signature`.",
    });
    closed("A change of the secret.", &[], json!({ "overlap_seconds": seconds }))
}

/// `POST /webhooks/:id/rotate-secret`.
pub(crate) fn rotate() -> Doc {
    let doc = Doc::new("rotateWebhookSecret", Tag::Webhooks, "Rotate a webhook's secret").text(
        "For a while two secrets are valid. `webhook-signature` lists a signature of each; `X-Webhook-Signature` holds exactly one \
         value, the new secret's.",
    );
    optional(doc, rotation(), json!({ "overlap_seconds": 3600 }))
        .data(200, "The webhook with its new secret, which is shown only here.", reference("Webhook"))
        .example(json!({ "data": with_secret() }))
}

/// `POST /webhooks/:id/test`.
pub(crate) fn test() -> Doc {
    let event = json!({ "type": "string", "enum": convertfly_scheduler::webhooks::EVENTS, "default": "job.finished" });
    let doc = Doc::new("testWebhook", Tag::Webhooks, "Send a test event")
        .text("Queues an event about a job that does not exist (`data.test` is true), signed and attempted as every other.");
    optional(doc, closed("What to send.", &[], json!({ "event": event })), json!({ "event": "job.failed" }))
        .data(202, "The delivery.", reference("WebhookDelivery"))
        .example(json!({ "data": delivery() }))
        .errors(&[Code::Conflict])
}

/// `GET /webhooks/:id/deliveries`.
pub(crate) fn deliveries() -> Doc {
    let number = |maximum: u64, default: u64| json!({ "type": "integer", "minimum": 1, "maximum": maximum, "default": default });
    Doc::new("listWebhookDeliveries", Tag::Webhooks, "List a webhook's deliveries")
        .text("Newest first. Delivered ones stay for a day, failed ones for a week.")
        .query("page", "Page, from 1.", number(u64::from(u32::MAX), 1))
        .query("limit", "Results per page.", number(100, 20))
        .list("A page of the log.", reference("WebhookDelivery"), reference("PageMeta"))
        .example(json!({ "data": [delivery()], "meta": { "page": 1, "limit": 20, "total": 1 } }))
}

/// `POST /webhooks/:id/deliveries/:delivery/replay`.
pub(crate) fn replay() -> Doc {
    Doc::new("replayWebhookDelivery", Tag::Webhooks, "Replay a delivery")
        .text("Sends the event once more under the same `X-Webhook-Id`.")
        .data(202, "The delivery.", reference("WebhookDelivery"))
        .example(json!({ "data": delivery() }))
        .errors(&[Code::Conflict])
}

fn secret() -> Value {
    object("The secret.", &["signing_secret"], json!({ "signing_secret": string("`whsec_…`") }))
}

/// `GET /account/webhook-secret`.
pub(crate) fn account_secret() -> Doc {
    Doc::new("getAccountWebhookSecret", Tag::Webhooks, "Get the secret of jobs' webhook URLs")
        .text("Signs what is sent to the `webhook_url` of jobs.")
        .data(200, "The secret.", secret())
        .example(json!({ "data": { "signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } }))
}

/// `POST /account/webhook-secret/rotate`.
pub(crate) fn rotate_account_secret() -> Doc {
    let doc = Doc::new("rotateAccountWebhookSecret", Tag::Webhooks, "Rotate the secret of jobs' webhook URLs");
    optional(doc, rotation(), json!({ "overlap_seconds": 3600 }))
        .data(200, "The new secret.", secret())
        .example(json!({ "data": { "signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } }))
}

/// An object without further properties.
fn closed(text: &str, required: &[&str], properties: Value) -> Value {
    let mut schema = object(text, required, properties);
    schema["patternProperties"] = json!({ "^x-": { "description": "Ignored: for your own notes." } });
    schema["additionalProperties"] = json!(false);
    schema
}
