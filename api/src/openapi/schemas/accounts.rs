//! API keys and the ledger.

use serde_json::{Value, json};

use super::super::doc::{count, identifier, moment, object, string};
use crate::validate::{MAX_NAME, SCOPES};

fn scopes() -> Value {
    json!({ "type": "array", "items": { "type": "string", "enum": SCOPES }, "description": "What the key may do." })
}

/// The body of `POST /api-keys`.
pub(super) fn key_request() -> Value {
    let mut scopes = scopes();
    scopes["type"] = json!(["array", "null"]);
    (scopes["minItems"], scopes["maxItems"], scopes["default"]) = (json!(1), json!(16), json!(["*"]));
    let mut schema = object(
        "A key to be made.",
        &["name"],
        json!({
            "name": {
                "type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
                "description": "A descriptive name for the key.",
            },
            "scopes": scopes,
            "mode": {
                "type": ["string", "null"], "enum": ["live", "test", null],
                "description": "Default: that of the key that makes it. A test key makes test keys alone.",
            },
        }),
    );
    schema["patternProperties"] = json!({ "^x-": { "description": "Ignored: for your own notes." } });
    schema["additionalProperties"] = json!(false);
    schema
}

/// A key as lists show it.
pub(super) fn key() -> Value {
    object(
        "An API key, without the key itself.",
        &["id", "name", "scopes", "mode", "prefix", "last4", "created_at", "last_used_at"],
        json!({
            "id": identifier("key", "Identifier."),
            "name": string("Name."),
            "scopes": scopes(),
            "mode": { "type": "string", "enum": ["live", "test"], "description": "`test`: its jobs are free, their images marked TEST." },
            "prefix": string("What the key begins with."),
            "last4": string("The key's last four characters."),
            "created_at": moment("When it was made."),
            "last_used_at": {
                "type": ["string", "null"], "format": "date-time", "description": "When it was last used, to the minute; null: never.",
            },
        }),
    )
}

/// A key at its making.
pub(super) fn new_key() -> Value {
    let mut schema = key();
    schema["description"] = "An API key, with the key itself: it is shown this once.".into();
    if let Some(required) = schema["required"].as_array_mut() {
        required.push("key".into());
    }
    schema["properties"]["key"] = string("The key: keep it secret.");
    schema
}

/// A movement of credits.
pub(super) fn ledger_entry() -> Value {
    object(
        "A movement of credits.",
        &["id", "kind", "amount", "balance_change", "balance_after", "created_at"],
        json!({
            "id": { "type": "string", "pattern": "^led_[0-9]+-[0-9]+$", "description": "Identifier." },
            "kind": {
                "type": "string", "enum": ["grant", "reserve", "settle", "refund", "correction"],
                "description": "`grant`: credits from outside. `reserve`: held for a job. `settle`: a task that finished is paid from what \
                    is held. `refund`: what was held for a task comes back. `correction`: by the operator.",
            },
            "amount": { "type": "integer", "description": "Credits moved." },
            "balance_change": { "type": "integer", "description": "What it did to the balance; 0 for `settle`." },
            "balance_after": { "type": "integer", "description": "The balance afterwards." },
            "job_id": identifier("job", "The job that it was for."),
            "task": string("The task that it was for."),
            "note": string("The operator's words."),
            "created_at": moment("When."),
        }),
    )
}

/// Where in a list without page numbers the answer is.
pub(super) fn cursor_meta() -> Value {
    object(
        "How to go on.",
        &["limit", "next_cursor"],
        json!({
            "limit": count("Results per page."),
            "next_cursor": { "type": ["string", "null"], "description": "The `cursor` of the next page; null: this is the last one." },
        }),
    )
}
