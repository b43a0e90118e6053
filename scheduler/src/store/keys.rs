//! Every Redis key and channel name, in one place, for Rust and for the Lua scripts alike.
//!
//! An account lives in one shard; every key of a shard starts with the same hash tag, so a script touches one slot on a
//! single Redis and on a Redis Cluster alike. The functions in Redis get them as a prelude (`k_job(job)` and so on).

use std::fmt::Write;

/// Declares the key names of a shard: a Rust function each, and the Lua prelude from the same templates.
macro_rules! shard_keys {
    ($($(#[doc = $doc:literal])* $name:ident($($part:ident),*) = $template:literal;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(shard: u16 $(, $part: &str)*) -> String {
            format!("{}{}", prefix(shard), format_args!($template))
        })*

        /// `(function, parameters, template)` of every key.
        const TABLE: &[(&str, &[&str], &str)] = &[$((stringify!($name), &[$(stringify!($part)),*], $template)),*];
    };
}

shard_keys! {
    /// Hash: an account's plan, limits and money.
    account(account) = "account:{account}";
    /// Stream: every movement of an account's credits.
    ledger(account) = "ledger:{account}";
    /// Hash: how far an account's ledger has been audited, and what it summed to up to there.
    audit(account) = "audit:{account}";
    /// Set: the shard's accounts.
    accounts() = "accounts";
    /// Sorted set: an account's jobs by creation time.
    account_jobs(account) = "jobs:{account}";
    /// Sorted set: an account's jobs in a status, by creation time.
    jobs_in(account, status) = "jobs:{account}:{status}";
    /// Sorted set: an account's jobs with a tag, by creation time.
    jobs_tagged(account, tag) = "tagged:{account}:{tag}";
    /// Sorted set: an account's jobs with a tag in a status, by creation time.
    jobs_tagged_in(account, status, tag) = "tagged-in:{account}:{status}:{tag}";
    /// List: an account's jobs that wait for a concurrency slot.
    waiting(account) = "waiting:{account}";
    /// Hash: the records of an account's API keys, JSON by identifier.
    key_records(account) = "keys:{account}";
    /// Hash: when each of an account's API keys was last used, Unix milliseconds by identifier.
    key_uses(account) = "keyuses:{account}";
    /// Counter: requests of a bucket in one window of the rate limit.
    rate(bucket, window) = "rate:{bucket}:{window}";
    /// Hash: what is known of an Idempotency-Key, by its SHA-256.
    claim(account, digest) = "claim:{account}:{digest}";
    /// Hash: a job.
    job(job) = "job:{job}";
    /// Hash: a task.
    task(job, task) = "task:{job}:{task}";
    /// Sorted set: accounts with ready tasks in a lane, by virtual time.
    lane(lane) = "lane:{lane}";
    /// List: an account's ready tasks in a lane, `job/task`, in order of activation.
    lane_tasks(lane, account) = "lane:{lane}:{account}";
    /// List: those whose jobs have begun, in the order in which they became ready: they come before the others.
    lane_begun(lane, account) = "begun:{lane}:{account}";
    /// Hash: virtual time at which each account left a lane.
    lane_times(lane) = "lanetimes:{lane}";
    /// Sorted set: leased tasks by deadline.
    leases() = "leases";
    /// Sorted set: tasks that wait before another attempt, by the time at which they are ready.
    delayed() = "delayed";
    /// Sorted set: tasks that wait for the customer's bytes, by expiry.
    uploads() = "uploads";
    /// Sorted set: ended jobs by the time at which their files, then their records, are deleted.
    expiry() = "expiry";
    /// Sorted set: deleted jobs by the time at which their files are removed once more.
    doomed() = "doomed";
    /// Stream: events for webhooks.
    outbox() = "outbox";
    /// Hash: a webhook of an account, or the webhook_url of jobs.
    webhook(webhook) = "webhook:{webhook}";
    /// Sorted set: an account's webhooks by creation time.
    account_webhooks(account) = "webhooks:{account}";
    /// Hash: an event on its way to a webhook.
    delivery(delivery) = "delivery:{delivery}";
    /// Sorted set: a webhook's deliveries that wait, by the time at which they are due.
    webhook_queue(webhook) = "hookqueue:{webhook}";
    /// Sorted set: a webhook's deliveries that are being sent, by the time at which their lease ends.
    webhook_flight(webhook) = "hookflight:{webhook}";
    /// Sorted set: a webhook's deliveries by creation time.
    webhook_log(webhook) = "hooklog:{webhook}";
    /// List: a job's deliveries to a webhook that have not ended, in the order of their events.
    webhook_order(webhook, job) = "hookorder:{webhook}:{job}";
    /// Sorted set: webhooks that have something due, by when; a line (healthy, suspect) of its own each.
    webhooks_due(line) = "hooksdue:{line}";
    /// Hash: fence counter, epoch, lane clocks, retention, how far the outbox has been read.
    meta() = "meta";
}

/// Every key that belongs to one account alone.
pub(super) fn of_account(shard: u16, account: &str) -> Vec<String> {
    let own = TABLE.iter().filter(|(_, parts, _)| *parts == ["account"]);
    own.map(|(_, _, template)| format!("{}{}", prefix(shard), template.replace("{account}", account))).collect()
}

/// Hash tag and prefix of a shard's keys.
pub fn prefix(shard: u16) -> String {
    format!("{{s{shard}}}:")
}

/// Pattern of every job's key, in whichever shard.
pub const ANY_JOB: &str = "{s*}:job:*";

/// The shard and identifier in a job's key.
pub fn read_job(key: &str) -> Option<(u16, &str)> {
    let (shard, job) = key.strip_prefix("{s")?.split_once("}:job:")?;
    Some((shard.parse().ok()?, job))
}

/// Hash: shard count, layout version and the secret that signs URLs.
pub const GLOBAL_META: &str = "cf:meta";

/// Hash: identifiers of accounts by name.
pub const ACCOUNT_NAMES: &str = "cf:accounts";

/// Hash: counters that all processes share.
pub const GLOBAL_COUNTERS: &str = "cf:counters";
/// What a counter is called, before the name of a hardware encoder, that says at how many starts of a node the encoder worked.
pub const ENCODER_WORKS: &str = "encoder_works:";
/// As [`ENCODER_WORKS`], of starts at which it did not.
pub const ENCODER_FAILS: &str = "encoder_fails:";
/// As [`ENCODER_WORKS`], of times that a node left the encoder alone for a while because it had failed again and again.
pub const ENCODER_RESTS: &str = "encoder_rests:";
/// As [`ENCODER_WORKS`], of times that such an encoder has worked again.
pub const ENCODER_RETURNS: &str = "encoder_returns:";

/// Channel: `shard:lane` of a lane that has new tasks.
pub const CHANNEL_READY: &str = "cf:ready";
/// Channel: job that has ended or was deleted.
pub const CHANNEL_DONE: &str = "cf:done";
/// Channel, followed by a job's identifier: the job's new version, or 0 when it was deleted.
pub const CHANNEL_JOB: &str = "cf:job:";
/// Channel: fence of a lease that was taken away.
pub const CHANNEL_STOP: &str = "cf:stop";
/// Channel: SHA-256 (hex) of an API key that was revoked.
pub const CHANNEL_KEYS: &str = "cf:keys";

/// Hash: the account and identifier of an API key, by the key's SHA-256 in hex.
pub fn api_key(sha256_hex: &str) -> String {
    format!("cf:key:{sha256_hex}")
}

/// The account's shard: FNV-1a (64 bit, Fowler, Noll and Vo) of its identifier, modulo the number of shards. Stored data
/// depends on this function; it can never change.
pub fn shard_of(account: &str, shards: u16) -> u16 {
    let hash =
        account.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    u16::try_from(hash % u64::from(shards.max(1))).unwrap_or(0)
}

/// The Lua functions `k_<name>(…)` over the prefix `P`, which each call sets, and the channel names.
pub(super) fn lua_prelude() -> String {
    let mut lua = String::from("local P\n");
    for (name, parts, template) in TABLE {
        let mut body = format!("'{template}'");
        for part in *parts {
            body = body.replace(&format!("{{{part}}}"), &format!("' .. {part} .. '"));
        }
        let _ = writeln!(lua, "local function k_{name}({}) return P .. {} end", parts.join(", "), body.replace(" .. ''", ""));
    }
    for (name, channel) in
        [("READY", CHANNEL_READY), ("DONE", CHANNEL_DONE), ("JOB", CHANNEL_JOB), ("STOP", CHANNEL_STOP), ("KEYS", CHANNEL_KEYS)]
    {
        let _ = writeln!(lua, "local CHANNEL_{name} = '{channel}'");
    }
    lua
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lua_and_rust_name_the_same_keys() {
        assert_eq!(task(3, "job_1", "convert"), "{s3}:task:job_1:convert", "Rust name");
        assert_eq!(read_job(&job(3, "job_1")), Some((3, "job_1")), "and back");
        assert!(
            lua_prelude().contains("local function k_task(job, task) return P .. 'task:' .. job .. ':' .. task end"),
            "Lua name"
        );
    }

    #[test]
    fn the_keys_of_an_account_are_known() {
        let keys = of_account(3, "acct_1");
        for key in [account(3, "acct_1"), ledger(3, "acct_1"), key_records(3, "acct_1"), account_jobs(3, "acct_1")] {
            assert!(keys.contains(&key), "{key} is missing in {keys:?}");
        }
        assert!(!keys.contains(&accounts(3)), "what others share stays: {keys:?}");
    }

    #[test]
    fn shards_are_stable() {
        assert_eq!(shard_of("acct_default", 16), shard_of("acct_default", 16), "same account, same shard");
        let used: std::collections::HashSet<u16> = (0..1000).map(|i| shard_of(&format!("acct_{i}"), 16)).collect();
        assert_eq!(used.len(), 16, "accounts spread over all shards");
    }
}
