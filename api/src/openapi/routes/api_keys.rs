//! API keys.

use serde_json::json;

use super::super::doc::reference;
use super::super::{Doc, Tag};
use crate::error::Code;

/// `POST /api-keys`.
pub(crate) fn create() -> Doc {
    Doc::new("createApiKey", Tag::ApiKeys, "Create an API key")
        .text(
            "The full API key is only shown once, in this answer: store it securely. A key with `\"mode\": \"test\"` works in the \
             sandbox: its jobs are free, and images that they make are marked TEST. An account has at most 100 keys.",
        )
        .body(reference("ApiKeyRequest"), json!({ "name": "Production server", "scopes": ["jobs:write", "jobs:read"] }))
        .data(201, "The key.", reference("NewApiKey"))
        .example(json!({ "data": {
            "id": "key_Xk9mB2qR", "name": "Production server", "key": "cvfly_sk_live_abc123def456",
            "scopes": ["jobs:write", "jobs:read"], "mode": "live", "prefix": "cvfly_sk_live_", "last4": "f456",
            "created_at": "2026-04-03T10:30:00Z", "last_used_at": null,
        } }))
        .errors(&[Code::Conflict])
}

/// `GET /api-keys`.
pub(crate) fn list() -> Doc {
    Doc::new("listApiKeys", Tag::ApiKeys, "List API keys")
        .text("All keys of the account, the newest first; never the keys themselves.")
        .data(200, "The keys.", json!({ "type": "array", "items": reference("ApiKey") }))
        .example(json!({ "data": [{
            "id": "key_Xk9mB2qR", "name": "Production server", "scopes": ["jobs:write", "jobs:read"], "mode": "live",
            "prefix": "cvfly_sk_live_", "last4": "f456", "created_at": "2026-04-03T10:30:00Z", "last_used_at": "2026-04-03T10:31:00Z",
        }] }))
}

/// `DELETE /api-keys/:id`.
pub(crate) fn revoke() -> Doc {
    Doc::new("revokeApiKey", Tag::ApiKeys, "Revoke an API key")
        .text(
            "Immediately invalidates the key: any request using it returns 401. The account's last live key with the scope `*` \
             cannot be revoked, since nobody could manage keys without it.",
        )
        .empty(204, "It opens nothing any more.")
        .errors(&[Code::Conflict])
}
