//! The functions of webhooks: as the others, with shared code of their own.

use super::scripts::functions;

/// With how many deliveries a webhook may have under way, and in its log.
pub(super) const LIBRARY: &str = concat!("local HOOK_LIMIT = 8\nlocal HOOK_LOG = 10000\n", include_str!("lua/hooks.lua"));

functions! {
    /// The outbox's next events become deliveries.
    FAN_OUT = "hook_fanout";
    /// A sender takes deliveries that are due.
    TAKE = "hook_take";
    /// What came of an attempt.
    RESULT = "hook_result";
    /// A new webhook.
    CREATE = "hook_create";
    /// A change of a webhook.
    CHANGE = "hook_change";
    /// A test event, or a delivery once more.
    SEND = "hook_send";
    /// An account's default secret.
    SECRET = "hook_secret";
}
