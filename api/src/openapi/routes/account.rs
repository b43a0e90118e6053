//! The account.

use serde_json::json;

use super::super::doc::reference;
use super::super::{Doc, Tag};

/// `GET /account`.
pub(crate) fn get() -> Doc {
    Doc::new("getAccount", Tag::Account, "Get your account")
        .text("Plan, credits and limits.")
        .data(200, "The account.", reference("Account"))
        .example(json!({ "data": {
            "id": "acct_4TqvYw", "name": "default", "plan": "enterprise",
            "credits_remaining": 9847, "credits_reserved": 2, "credits_used": 151,
            "created_at": "2026-04-01T09:00:00Z",
            "limits": {
                "requests_per_minute": 6000, "concurrent_jobs": 1000, "waiting_jobs": 100_000, "tasks_per_job": 1000,
                "waits_per_key": 4096, "upload_bytes": 5_368_709_120_u64, "job_body_bytes": 16_777_216, "body_bytes": 65_536,
            },
        } }))
}

/// `GET /account/ledger`.
pub(crate) fn ledger() -> Doc {
    Doc::new("listLedger", Tag::Account, "List your account's ledger")
        .text("Every movement of the account's credits, the newest first.")
        .query("limit", "Entries per page.", json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }))
        .query(
            "cursor",
            "The `next_cursor` of an earlier page.",
            json!({ "type": "string", "pattern": "^(led_[0-9]{1,19}-[0-9]{1,19})?$" }),
        )
        .list("A page of entries.", reference("LedgerEntry"), reference("CursorMeta"))
        .example(json!({
            "data": [{
                "id": "led_1775212275000-0", "kind": "reserve", "amount": 2, "balance_change": -2, "balance_after": 9847,
                "job_id": "job_7kX9mP2qR", "created_at": "2026-04-03T10:31:15Z",
            }],
            "meta": { "limit": 1, "next_cursor": "led_1775212275000-0" },
        }))
}
