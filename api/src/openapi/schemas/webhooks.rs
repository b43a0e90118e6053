//! Webhooks and their deliveries.

use convertfly_scheduler::webhooks::EVENTS;
use serde_json::{Value, json};

use super::super::doc::{count, moment, object, string};

fn events() -> Value {
    json!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": EVENTS }, "description": "Events that are sent to it." })
}

fn closed(mut schema: Value) -> Value {
    schema["patternProperties"] = json!({ "^x-": { "description": "Ignored: for your own notes." } });
    schema["additionalProperties"] = json!(false);
    schema
}

/// The body of `POST /webhooks`.
pub(super) fn request() -> Value {
    let url =
        json!({ "type": "string", "format": "uri", "maxLength": 8192, "description": "The HTTPS URL that receives events." });
    closed(object("A webhook to create.", &["url", "events"], json!({ "url": url, "events": events() })))
}

/// The body of `PATCH /webhooks/:id`.
pub(super) fn change() -> Value {
    let enabled = json!({ "type": "boolean", "description": "Whether events are sent to it." });
    let mut schema = closed(object("A change.", &[], json!({ "enabled": enabled, "events": events() })));
    schema["minProperties"] = 1.into();
    schema
}

/// A webhook.
pub(super) fn webhook() -> Value {
    object(
        "A webhook.",
        &["id", "url", "events", "secret_hint", "enabled", "consecutive_failures", "created_at"],
        json!({
            "id": { "type": "string", "pattern": "^wh_[0-9A-Za-z]+$", "description": "Identifier." },
            "url": string("Where events go."),
            "events": events(),
            "signing_secret": string("`whsec_` and base64: only in the answer that makes it."),
            "secret_hint": string("The end of the secret."),
            "enabled": { "type": "boolean", "description": "Whether events are sent to it." },
            "disabled_reason": string("Why not."),
            "disabled_at": moment("Since when not."),
            "previous_secret_valid_until": moment("Until when the secret before this one is valid."),
            "consecutive_failures": count("Attempts that failed since the last one that did not."),
            "created_at": moment("When it was created."),
        }),
    )
}

/// A delivery.
pub(super) fn delivery() -> Value {
    let code = json!({ "type": ["integer", "null"], "description": "HTTP status of the answer; null without one." });
    let text = |what: &str| json!({ "type": ["string", "null"], "description": what });
    let attempt = object(
        "An attempt.",
        &["at", "duration_ms", "response_code"],
        json!({
            "at": moment("When."), "duration_ms": count("How long it took."), "response_code": code,
            "error": string("What went wrong."), "response_body": string("The beginning of the answer."),
        }),
    );
    object(
        "An event on its way to a webhook.",
        &[
            "id",
            "event_id",
            "event",
            "job_id",
            "task",
            "status",
            "attempts",
            "response_code",
            "next_attempt_at",
            "created_at",
            "log",
        ],
        json!({
            "id": { "type": "string", "pattern": "^dlv_[0-9a-z]+$", "description": "Identifier." },
            "event_id": { "type": "string", "pattern": "^evt_[0-9A-Za-z]+$", "description": "As sent in `X-Webhook-Id`." },
            "event": { "type": "string", "enum": EVENTS, "description": "What happened." },
            "job_id": text("The job; null for a test event."),
            "task": text("The task, for events of tasks."),
            "status": { "type": "string", "enum": ["PENDING", "DELIVERED", "FAILED"], "description": "Where it stands." },
            "attempts": count("Attempts so far."),
            "response_code": code,
            "next_attempt_at": { "type": ["string", "null"], "format": "date-time", "description": "When the next attempt is due." },
            "created_at": moment("When it was queued."),
            "log": { "type": "array", "items": attempt, "description": "Every attempt." },
        }),
    )
}
