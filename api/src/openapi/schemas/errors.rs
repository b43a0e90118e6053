//! The bodies of errors.

use serde_json::{Value, json};

use super::super::doc::{object, reference, string};
use crate::error::Code;

fn codes() -> Vec<&'static str> {
    Code::all().map(Code::name).collect()
}

/// The body of every error.
pub(super) fn error() -> Value {
    let mut schema = object(
        "The body of every error.",
        &["code", "message"],
        json!({
            "code": { "type": "string", "enum": codes(), "description": "Machine-readable." },
            "message": string("For people: what is wrong, and what to do next."),
            "details": reference("ErrorDetails"),
        }),
    );
    schema["example"] = json!({
        "code": "INVALID_DATA",
        "message": "Missing required field: output_format",
        "details": { "field": "output_format", "reason": "required", "task": "convert", "path": "/tasks/convert/output_format" },
    });
    schema
}

/// What an error is about.
pub(super) fn details() -> Value {
    let mut schema = object(
        "What exactly is at fault. Which members there are depends on the code.",
        &[],
        json!({
            "field": string("The field, parameter or header at fault."),
            "reason": string("`required`, or the form that the value must have."),
            "task": string("The task at fault."),
            "path": string("JSON pointer to the value at fault."),
            "errors": {
                "type": "array",
                "description": "Every problem of the request, where there are several.",
                "items": { "type": "object", "additionalProperties": true },
            },
        }),
    );
    schema["additionalProperties"] = json!(true);
    schema
}

/// The body of RFC 9457, for `Accept: application/problem+json`.
pub(super) fn problem() -> Value {
    object(
        "The same facts in the form of RFC 9457, for requests with `Accept: application/problem+json`.",
        &["type", "title", "status", "detail", "code"],
        json!({
            "type": string("`about:blank`: the code tells errors apart."),
            "title": string("The HTTP status in words."),
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status." },
            "detail": string("For people: what is wrong, and what to do next."),
            "instance": string("The request that this is about: its X-Request-Id, as a URI."),
            "code": { "type": "string", "enum": codes(), "description": "Machine-readable." },
            "details": reference("ErrorDetails"),
        }),
    )
}
