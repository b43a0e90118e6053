//! What follows from a row of the router without a word from its author: parameters in the path, security, errors, headers.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::doc::reference;
use crate::error::Code;
use crate::limits::Limits;
use crate::middleware::auth::Access;
use crate::router::Route;

/// The document's first words.
pub(super) const INTRODUCTION: &str = "The ConvertFly REST API converts, optimizes and transforms files. A job imports a file, \
    processes it and exports the result in a single request. Requests and responses use JSON; all timestamps are UTC ISO 8601. \
    Every request carries an API key: `Authorization: Bearer cvfly_sk_…`. A guide with examples is at `/docs`.";

/// The operation object of a row.
pub(super) fn operation<S>(row: &Route<S>) -> Value {
    let doc = &row.doc;
    let mut parameters: Vec<Value> = path_parameters(row.path);
    parameters.extend(doc.parameters.iter().cloned());
    if once(row) {
        parameters.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    let mut responses = Map::new();
    for (status, answer) in &doc.answers {
        let mut answer = answer.clone();
        for name in common_headers(row.access) {
            answer["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
        }
        responses.insert(status.to_string(), answer);
    }
    for (status, codes) in by_status(row) {
        let name = response_name(&codes);
        responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }));
    }
    let mut operation = json!({
        "operationId": doc.id,
        "tags": [doc.tag.title()],
        "summary": doc.summary,
        "responses": responses,
        "security": security(row.access),
    });
    for (key, value) in [
        ("description", (!doc.text.is_empty()).then(|| doc.text.into())),
        ("parameters", (!parameters.is_empty()).then(|| parameters.into())),
        ("requestBody", doc.body.clone()),
        ("x-required-scope", scope(row.access).map(Value::from)),
    ] {
        if let Some(value) = value {
            operation[key] = value;
        }
    }
    operation
}

/// Whether a row takes an `Idempotency-Key`.
fn once<S>(row: &Route<S>) -> bool {
    row.method == Method::POST && matches!(row.access, Access::AnyKey | Access::Scope(_))
}

/// The parameters that rows share.
pub(super) fn shared_parameters() -> Value {
    json!({ "IdempotencyKey": {
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "Makes it safe to send the request again: within 24 hours a request with the same key and the same body is \
                        done once, and answered as before with `Idempotency-Replayed: true`.",
        "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
        "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
    } })
}

fn scope(access: Access) -> Option<&'static str> {
    if let Access::Scope(scope) = access { Some(scope) } else { None }
}

fn security(access: Access) -> Value {
    match access {
        Access::Public | Access::SignedLink => json!([]),
        Access::AnyKey | Access::Scope(_) => json!([{ "apiKey": [] }]),
    }
}

/// The placeholders of a path.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split(['{', '}']).skip(1).step_by(2);
    names
        .map(|name| {
            let (text, pattern) = match name {
                "job" => ("Identifier of a job, `job_…`.", Some("^job_[0-9A-Za-z]{1,64}$")),
                "task" => ("Name of a task in the job.", Some("^[A-Za-z0-9_-]{1,64}$")),
                "file" => ("Identifier of a file, `file_…`.", Some("^file_[0-9A-Za-z]{9,72}$")),
                "webhook" => ("Identifier of a webhook, `wh_…`.", Some("^wh_[0-9A-Za-z]{1,64}$")),
                "delivery" => ("Identifier of a delivery, `dlv_…`.", Some("^dlv_[0-9A-Za-z]{1,64}$")),
                "key" => ("Identifier of an API key, `key_…`.", Some("^key_[0-9A-Za-z]{1,64}$")),
                "token" => ("The signed token of a link: use the link as it was given.", None),
                _ => ("Identifier.", None),
            };
            let mut schema = json!({ "type": "string", "minLength": 1 });
            if let Some(pattern) = pattern {
                schema["pattern"] = pattern.into();
            }
            json!({ "name": name.trim_start_matches('*'), "in": "path", "required": true, "description": text, "schema": schema })
        })
        .collect()
}

/// The errors that a row can give, by status.
fn by_status<S>(row: &Route<S>) -> BTreeMap<u16, Vec<Code>> {
    let keyed = matches!(row.access, Access::AnyKey | Access::Scope(_));
    let api = keyed || row.access == Access::SignedLink;
    let writes = row.method != Method::GET && row.method != Method::DELETE;
    let implied = [
        (Code::InvalidData, api),
        (Code::Unauthenticated, keyed),
        (Code::Forbidden, keyed),
        (Code::NotFound, row.path.contains('{') || keyed),
        (Code::RequestTimeout, writes),
        (Code::Conflict, once(row)),
        (Code::IdempotencyKeyReused, once(row)),
        (Code::PayloadTooLarge, true),
        (Code::TooManyRequests, true),
        (Code::ServerError, true),
        (Code::Unavailable, true),
    ];
    let implied = implied.into_iter().filter_map(|(code, holds)| holds.then_some(code));
    let mut statuses: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in implied.chain(row.doc.errors.iter().copied()) {
        let codes = statuses.entry(code.status().as_u16()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    // Where a success has the same status (503 of /readyz, say) its own description stands.
    statuses.retain(|status, _| row.doc.answers.iter().all(|(own, _)| own != status));
    statuses
}

/// `INVALID_DATA` -> `InvalidData`; several codes of one status are joined.
fn response_name(codes: &[Code]) -> String {
    let word = |word: &str| word[..1].to_owned() + &word[1..].to_ascii_lowercase();
    codes.iter().flat_map(|code| code.name().split('_').map(word)).collect()
}

/// The error responses that the rows refer to.
pub(super) fn responses<S>(rows: &[Route<S>]) -> Map<String, Value> {
    let mut responses = Map::new();
    for codes in rows.iter().flat_map(|row| by_status(row).into_values()) {
        responses.entry(response_name(&codes)).or_insert_with(|| response(&codes));
    }
    responses
}

fn response(codes: &[Code]) -> Value {
    let text: Vec<String> = codes.iter().map(|code| format!("`{}`: {}.", code.name(), code.meaning())).collect();
    let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
    let only = json!({ "properties": { "code": { "enum": names } } });
    let mut headers = Map::new();
    let mut names: Vec<&str> = vec!["X-Request-Id"];
    let codes_have = |some: &[Code]| codes.iter().any(|code| some.contains(code));
    if codes_have(&[Code::TooManyRequests, Code::Unavailable]) {
        names.push("Retry-After");
    }
    for name in names {
        headers.insert(name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    }
    json!({
        "description": text.join(" "),
        "headers": headers,
        "content": {
            "application/json": { "schema": { "allOf": [reference("Error"), only] } },
            "application/problem+json": { "schema": { "allOf": [reference("Problem"), only] } },
        },
    })
}

/// The headers of every answer to such a caller.
fn common_headers(access: Access) -> &'static [&'static str] {
    match access {
        Access::Public | Access::SignedLink => &["X-Request-Id"],
        Access::AnyKey | Access::Scope(_) => &[
            "X-Request-Id",
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
            "RateLimit",
            "RateLimit-Policy",
            "X-Credits-Remaining",
        ],
    }
}

/// The headers that answers share.
pub(super) fn headers() -> Value {
    let whole = |text: &str| json!({ "description": text, "schema": { "type": "integer", "minimum": 0 } });
    json!({
        "X-Request-Id": { "description": "Identifies the request, also in our logs. Your own is taken over if you send one.", "schema": { "type": "string" } },
        "X-RateLimit-Limit": whole("Maximum requests allowed in the current window."),
        "X-RateLimit-Remaining": whole("Requests remaining in the current window."),
        "X-RateLimit-Reset": whole("Unix timestamp when the window resets."),
        "RateLimit": { "description": "The same in the form of the IETF draft: `\"rpm\";r=<remaining>;t=<seconds until the reset>`.", "schema": { "type": "string" } },
        "RateLimit-Policy": { "description": "The limit in the form of the IETF draft: `\"rpm\";q=<requests>;w=<seconds>`.", "schema": { "type": "string" } },
        "X-Credits-Remaining": { "description": "Your current balance.", "schema": { "type": "integer" } },
        "Retry-After": whole("Seconds to wait before retrying."),
    })
}

/// The caps of the server.
pub(super) fn limits(limits: &Limits) -> Value {
    let row = |value: u64, text: &str| json!({ "value": value, "description": text });
    json!({
        "tasks_per_job": row(crate::validate::MAX_TASKS as u64, "Tasks in a job."),
        "tag_bytes": row(crate::validate::MAX_TAG as u64, "Bytes of a job's tag."),
        "json_depth": row(crate::validate::MAX_DEPTH as u64, "Nested arrays and objects in a body."),
        "job_body_bytes": row(limits.job_body as u64, "Bytes of the body of POST /api/v1/jobs."),
        "convert_body_bytes": row(limits.convert_body as u64, "Bytes of the body of POST /api/v1/convert."),
        "body_bytes": row(limits.small_body as u64, "Bytes of any other JSON body."),
        "header_bytes": row(limits.header_bytes as u64, "Bytes of a request's line and headers."),
        "upload_bytes": row(limits.upload, "Bytes of an uploaded file."),
        "base64_bytes": row(10 << 20, "Decoded bytes of a file in import/base64."),
        "wait_seconds": row(300, "Longest wait of GET /api/v1/jobs/{job}/wait."),
    })
}
