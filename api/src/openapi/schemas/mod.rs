//! The named schemas of requests and answers, a file per kind of resource.

mod accounts;
mod errors;
mod jobs;
mod others;
mod webhooks;

use serde_json::{Map, Value};

use crate::limits::Limits;

/// Every named schema but those of operations, which come from the catalogue. What makes an answer and what describes it must
/// say the same; the tests compare them.
pub(super) fn table(limits: &Limits) -> Map<String, Value> {
    let rows = [
        ("Error", errors::error()),
        ("ErrorDetails", errors::details()),
        ("Problem", errors::problem()),
        ("JobRequest", jobs::request()),
        ("Job", jobs::job()),
        ("JobStatus", jobs::status()),
        ("Warning", jobs::warning()),
        ("Plan", jobs::plan()),
        ("FileDetails", jobs::file_details()),
        ("Task", jobs::task()),
        ("TaskStatus", jobs::task_status()),
        ("TaskResult", jobs::result()),
        ("TaskError", jobs::task_error()),
        ("File", jobs::file()),
        ("UploadedFile", jobs::uploaded()),
        ("PageMeta", others::page_meta()),
        ("Account", others::account()),
        ("ApiKeyRequest", accounts::key_request()),
        ("ApiKey", accounts::key()),
        ("NewApiKey", accounts::new_key()),
        ("LedgerEntry", accounts::ledger_entry()),
        ("CursorMeta", accounts::cursor_meta()),
        ("Limits", others::limits(limits)),
        ("Format", others::format()),
        ("Operation", others::operation()),
        ("Option", others::option()),
        ("WebhookRequest", webhooks::request()),
        ("WebhookChange", webhooks::change()),
        ("Webhook", webhooks::webhook()),
        ("WebhookDelivery", webhooks::delivery()),
        ("Readiness", others::readiness()),
    ];
    rows.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
