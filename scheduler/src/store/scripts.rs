//! The Lua scripts, assembled: header, key names, shared library, body.

use std::sync::LazyLock;

use redis::Script;

use super::keys;

/// Library that every script but the smallest includes.
const LIBRARY: &str = include_str!("lua/lib.lua");

/// Assembles a script. `#!lua` makes Redis refuse it at its start when memory is out, before any write.
pub(super) fn assemble(body: &str) -> Script {
    Script::new(&format!("#!lua\n{}{LIBRARY}{body}", keys::lua_prelude()))
}

/// A request comes in. It runs with every request, so it goes without the library.
pub(super) static ADMIT: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("#!lua\n{}{}", keys::lua_prelude(), include_str!("lua/admit.lua"))));

macro_rules! scripts {
    ($($(#[doc = $doc:literal])* $name:ident = $file:literal;)*) => {
        $($(#[doc = $doc])* pub(super) static $name: LazyLock<Script> = LazyLock::new(|| assemble(include_str!($file)));)*

        /// Every script, to load them ahead.
        pub(super) fn all() -> Vec<&'static Script> {
            vec![&*ADMIT, $(&*$name),*]
        }
    };
}

scripts! {
    /// A job comes in: reserve, write, activate or queue.
    SUBMIT = "lua/submit.lua";
    /// A worker takes ready tasks.
    LEASE = "lua/lease.lua";
    /// A worker says that it is alive.
    HEARTBEAT = "lua/heartbeat.lua";
    /// A worker commits a result.
    FINISH = "lua/finish.lua";
    /// A worker reports a failure.
    FAIL = "lua/fail.lua";
    /// A draining worker hands a lease back.
    RELEASE = "lua/release.lua";
    /// Expired leases, pauses and uploads.
    REAP = "lua/reap.lua";
    /// A customer cancels a task.
    CANCEL = "lua/cancel.lua";
    /// A customer deletes a job.
    DELETE = "lua/delete.lua";
    /// A customer retries a task.
    RETRY = "lua/retry.lua";
    /// An upload's bytes are there.
    UPLOADED = "lua/uploaded.lua";
    /// A request claims its Idempotency-Key.
    CLAIM = "lua/claim.lua";
    /// A claim is renewed, answered or given up.
    CLAIM_END = "lua/claim_end.lua";
    /// An upload comes in over several requests.
    TUS = "lua/tus.lua";
    /// A new account.
    ACCOUNT = "lua/account.lua";
    /// An account's plan or standing changes.
    ACCOUNT_SET = "lua/account_set.lua";
    /// A suspended account is deleted.
    ACCOUNT_DELETE = "lua/account_delete.lua";
    /// Credits from outside.
    CREDIT = "lua/credit.lua";
    /// A ledger is held against its account.
    AUDIT = "lua/audit.lua";
    /// Books that were apart agree again.
    BOOKS = "lua/books.lua";
    /// A new API key.
    KEY_PUT = "lua/key_put.lua";
    /// An API key is revoked.
    KEY_REVOKE = "lua/key_revoke.lua";
    /// An API key was used.
    KEY_USED = "lua/key_used.lua";
    /// Ended jobs whose files or records are due.
    EXPIRED = "lua/expired.lua";
    /// Deleted jobs whose files are removed once more.
    DOOMED = "lua/doomed.lua";
    /// A new epoch after a restart of Redis.
    EPOCH = "lua/epoch.lua";
    /// Unfinished tasks that are listed nowhere.
    SWEEP = "lua/sweep.lua";
    /// Places in lists that the sweeper missed.
    RELIST = "lua/relist.lua";
    /// Old events leave the outbox.
    TRIM = "lua/trim.lua";
}
