//! Lists, accounts, the catalogue, health.

use serde_json::{Value, json};

use super::super::doc::{count, identifier, moment, object, reference, string};
use crate::limits::Limits;

/// Where in a list the answer is.
pub(super) fn page_meta() -> Value {
    object(
        "Where in the list this page is.",
        &["limit", "total"],
        json!({
            "page": { "type": "integer", "minimum": 1, "description": "This page; absent when the list is read by cursor." },
            "limit": { "type": "integer", "minimum": 1, "maximum": 100, "description": "Results per page." },
            "total": count("Results in all."),
            "next_cursor": { "type": ["string", "null"], "description": "Lists of jobs: where the list goes on; give it as `cursor`. Null at the end." },
        }),
    )
}

/// The caller's account.
pub(super) fn account() -> Value {
    object(
        "An account.",
        &["id", "name", "plan", "credits_remaining", "credits_reserved", "credits_used", "created_at", "limits"],
        json!({
            "id": identifier("acct", "Identifier."),
            "name": string("Name."),
            "plan": string("Plan."),
            "credits_remaining": { "type": "integer", "description": "Credits that can be spent." },
            "credits_reserved": count("Credits held for tasks that have not ended."),
            "credits_used": count("Credits spent."),
            "created_at": moment("When it was made."),
            "limits": reference("Limits"),
        }),
    )
}

/// The caps that hold for an account.
pub(super) fn limits(limits: &Limits) -> Value {
    object(
        "The caps that hold for the account.",
        &[
            "requests_per_minute",
            "concurrent_jobs",
            "waiting_jobs",
            "tasks_per_job",
            "waits_per_key",
            "upload_bytes",
            "job_body_bytes",
            "body_bytes",
        ],
        json!({
            "requests_per_minute": count("Requests a minute and key."),
            "concurrent_jobs": count("Jobs that run at once; further ones wait."),
            "waiting_jobs": count("Jobs that may wait."),
            "tasks_per_job": { "type": "integer", "description": "Tasks in a job.", "examples": [crate::validate::MAX_TASKS] },
            "waits_per_key": count("Requests of one key that may wait for a job's end at once."),
            "upload_bytes": { "type": "integer", "description": "Bytes of an uploaded file.", "examples": [limits.upload] },
            "job_body_bytes": { "type": "integer", "description": "Bytes of the body of `POST /jobs`.", "examples": [limits.job_body] },
            "body_bytes": { "type": "integer", "description": "Bytes of any other JSON body.", "examples": [limits.small_body] },
        }),
    )
}

/// A format.
pub(super) fn format() -> Value {
    let words = json!({ "type": "array", "items": { "type": "string" } });
    let output = object(
        "A format that it converts to.",
        &["format", "credits"],
        json!({ "format": string("Target."), "credits": count("Price of one file.") }),
    );
    object(
        "A file format.",
        &["name", "mime", "extensions", "aliases", "category", "flags", "outputs"],
        json!({
            "name": string("Canonical name, the one that answers use."),
            "mime": string("Media type."),
            "extensions": words, "aliases": words,
            "category": string("`image`, `document`, `video`, `audio` …"),
            "flags": words,
            "outputs": { "type": "array", "items": output },
        }),
    )
}

/// An operation.
pub(super) fn operation() -> Value {
    let options = json!({ "type": "array", "items": reference("Option") });
    object(
        "An operation.",
        &["name", "description", "kind", "fields", "options"],
        json!({
            "name": string("Name in requests."),
            "description": string("What it does."),
            "kind": { "type": "string", "enum": ["import", "process", "export"] },
            "credits": count("Price per input; absent where the formats decide."),
            "lane": string("What it needs to run."),
            "lanes": {
                "type": "object",
                "additionalProperties": { "type": "string" },
                "description": "What it needs instead where an input is of that format; absent: the same for all.",
            },
            "flat": { "type": "boolean", "description": "Whether the price is for the task, however many inputs it has; absent: no." },
            "glances": {
                "type": "boolean",
                "description": "Whether parts of a large video or audio file are enough for it: of one that is imported with `keep: false`, no more is fetched.",
            },
            "exactly_one": {
                "type": "array",
                "items": { "type": "array", "items": { "type": "string" } },
                "description": "Groups of options; of each exactly one has to be given.",
            },
            "formats_with": {
                "type": "array",
                "items": object(
                    "Which formats go with a value of an option.",
                    &["option", "value", "field", "formats"],
                    json!({
                        "option": string("The option."),
                        "value": string("Its value, also where that is the default and the option absent."),
                        "field": string("The field that names the format."),
                        "formats": { "type": "array", "items": { "type": "string" }, "description": "What it may then name." },
                    }),
                ),
                "description": "Values of options that only some formats can be made with.",
            },
            "fields": options, "options": options,
        }),
    )
}

/// A field or option of an operation.
pub(super) fn option() -> Value {
    let mut schema = object(
        "A field or option of an operation.",
        &["name", "type", "help"],
        json!({
            "name": string("Key in the request."),
            "type": string("Kind of value."),
            "required": { "type": "boolean", "description": "Whether it must be given; absent: no." },
            "default": { "description": "Value when absent." },
            "help": string("What it does."),
        }),
    );
    // Ranges are named after the kind of value.
    schema["additionalProperties"] = json!(true);
    schema
}

/// Whether the parts that a job needs answer.
pub(super) fn readiness() -> Value {
    let mut schema = object(
        "Whether the parts that a job needs answer.",
        &["status"],
        json!({ "status": string("`ok`, `degraded` (it works, and an operator should look), or what keeps it from working.") }),
    );
    schema["additionalProperties"] = json!({ "type": "string" });
    schema
}
