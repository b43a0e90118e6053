//! The Lua scripts of webhooks: as the others, with a library of their own.

use std::sync::LazyLock;

use redis::Script;

use super::scripts::assemble;

/// With how many deliveries a webhook may have under way, and in its log.
const LIBRARY: &str = concat!("local HOOK_LIMIT = 8\nlocal HOOK_LOG = 10000\n", include_str!("lua/hooks.lua"));

macro_rules! scripts {
    ($($(#[doc = $doc:literal])* $name:ident = $file:literal;)*) => {
        $($(#[doc = $doc])* pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| assemble(&format!("{LIBRARY}{}", include_str!($file))));)*

        /// Every script, to load them ahead.
        pub(super) fn all() -> Vec<&'static Script> {
            vec![$(&*$name),*]
        }
    };
}

scripts! {
    /// The outbox's next events become deliveries.
    FAN_OUT = "lua/hook_fanout.lua";
    /// A sender takes deliveries that are due.
    TAKE = "lua/hook_take.lua";
    /// What came of an attempt.
    RESULT = "lua/hook_result.lua";
    /// A new webhook.
    CREATE = "lua/hook_create.lua";
    /// A change of a webhook.
    CHANGE = "lua/hook_change.lua";
    /// A test event, or a delivery once more.
    SEND = "lua/hook_send.lua";
    /// An account's default secret.
    SECRET = "lua/hook_secret.lua";
}
