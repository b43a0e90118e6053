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
            "limits": {
                "requests_per_minute": 6000, "concurrent_jobs": 1000, "waiting_jobs": 100_000, "tasks_per_job": 1000,
                "upload_bytes": 5_368_709_120_u64, "job_body_bytes": 16_777_216,
            },
        } }))
}
