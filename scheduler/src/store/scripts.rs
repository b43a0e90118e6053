//! The functions in Redis: one library of Lua, assembled from key names, shared code and a body each.
//!
//! Redis compiles a library once and keeps it, with its records, through restarts and on replicas. Its name and its functions'
//! names carry a digest of its text, so that processes of two versions can share a Redis while one replaces the other; whoever
//! finds its functions missing loads them and calls again.

use std::fmt::Write;
use std::sync::LazyLock;

use redis::aio::ConnectionManager;
use redis::{Cmd, FromRedisValue, RedisError, RedisResult, ToRedisArgs, Value};
use sha2::{Digest, Sha256};

use super::{StoreError, hook_scripts, keys};

/// What the names of our libraries begin with, in every version.
const FAMILY: &str = "convertfly_";

/// Functions that take several calls at once, see [`super::batches`].
const MANY: [&str; 2] = ["submit", "finish"];

/// A function of the library.
pub(super) struct Function {
    /// The name of its file.
    pub(super) name: &'static str,
    /// What it does, between `function(ARGV)` and `end`.
    pub(super) body: &'static str,
}

/// Declares functions by the name of their file in `lua/`.
macro_rules! functions {
    ($($(#[doc = $doc:literal])* $name:ident = $file:literal;)*) => {
        $($(#[doc = $doc])* pub(super) static $name: $crate::store::scripts::Function =
            $crate::store::scripts::Function { name: $file, body: include_str!(concat!("lua/", $file, ".lua")) };)*

        /// Every function of this table.
        pub(super) static ALL: &[&$crate::store::scripts::Function] = &[$(&$name),*];
    };
}
pub(super) use functions;

/// The library as Redis gets it.
struct Library {
    /// `convertfly_` and the digest.
    name: String,
    text: String,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let mut text = format!("{}{}{}", keys::lua_prelude(), include_str!("lua/lib.lua"), hook_scripts::LIBRARY);
    for function in ALL.iter().chain(hook_scripts::ALL) {
        let register = if MANY.contains(&function.name) { "register_many" } else { "register" };
        let _ = writeln!(text, "{register}('{}', function(ARGV)\n{}end)", function.name, function.body);
    }
    let digest = Sha256::digest(text.as_bytes());
    let name = digest.iter().take(6).fold(FAMILY.to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    // Without the flag `allow-oom`, Redis refuses a function at its start when memory is out, before any write.
    let text = format!("#!lua name={name}\nlocal FUNCTIONS = '{name}_'\n{text}");
    Library { name, text }
});

/// Loads the library unless it is there, and drops those of other versions: a process that still uses one loads it again.
pub(super) async fn load(connection: &mut ConnectionManager) -> Result<(), StoreError> {
    let denied = |error: RedisError| match error.code() {
        Some("NOPERM" | "ERR") => StoreError::Broken(format!(
            "this Redis does not let ConvertFly load its functions: {error}. Use Redis 7 or newer (or Valkey), and allow the user \
             FUNCTION and FCALL (ACL: +@scripting)"
        )),
        _ => error.into(),
    };
    let mut list = redis::cmd("FUNCTION");
    list.arg("LIST").arg("LIBRARYNAME").arg(format!("{FAMILY}*"));
    let names = library_names(&list.query_async(connection).await.map_err(denied)?);
    if !names.contains(&LIBRARY.name) {
        load_library(connection).await.map_err(denied)?;
    }
    for other in names.iter().filter(|name| **name != LIBRARY.name) {
        // Another process that starts may have dropped it just now.
        let _: RedisResult<()> = redis::cmd("FUNCTION").arg("DELETE").arg(other).query_async(connection).await;
    }
    Ok(())
}

async fn load_library(connection: &mut ConnectionManager) -> RedisResult<()> {
    redis::cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(&LIBRARY.text).query_async(connection).await
}

/// The values of `library_name` in the reply of `FUNCTION LIST`, whichever protocol it came by.
fn library_names(reply: &Value) -> Vec<String> {
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).unwrap_or_default();
    let Value::Array(libraries) = reply else { return Vec::new() };
    let name = |library: &Value| match library {
        Value::Map(pairs) => pairs.iter().find(|(key, _)| text(key) == "library_name").map(|(_, value)| text(value)),
        Value::Array(items) => {
            items.chunks(2).find(|pair| text(&pair[0]) == "library_name").and_then(|pair| pair.get(1)).map(text)
        }
        _ => None,
    };
    libraries.iter().filter_map(name).collect()
}

/// A call of a function on one shard.
pub(super) struct Call(Cmd);

impl Call {
    pub(super) fn new(function: &Function, shard: u16) -> Self {
        let mut command = redis::cmd("FCALL");
        command.arg(format!("{}_{}", LIBRARY.name, function.name)).arg(1).arg(keys::prefix(shard));
        Self(command)
    }

    pub(super) fn arg<T: ToRedisArgs>(&mut self, arg: T) -> &mut Self {
        self.0.arg(arg);
        self
    }

    /// Calls; where Redis has lost its functions (`FUNCTION FLUSH`, a replica made without them), loads them and calls again.
    pub(super) async fn invoke_async<T: FromRedisValue>(&self, connection: &mut ConnectionManager) -> RedisResult<T> {
        match self.0.query_async(connection).await {
            Err(error) if is_missing(&error) => {
                tracing::warn!("Redis has no functions of this version: loading them");
                load_library(connection).await?;
                self.0.query_async(connection).await
            }
            other => other,
        }
    }
}

fn is_missing(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("Function not found"))
}

functions! {
    /// A request comes in.
    ADMIT = "admit";
    /// A job comes in: reserve, write, activate or queue.
    SUBMIT = "submit";
    /// A worker takes ready tasks.
    LEASE = "lease";
    /// A worker says that it is alive.
    HEARTBEAT = "heartbeat";
    /// A worker commits a result.
    FINISH = "finish";
    /// A worker reports a failure.
    FAIL = "fail";
    /// A draining worker hands a lease back.
    RELEASE = "release";
    /// Expired leases, pauses and uploads.
    REAP = "reap";
    /// A customer cancels a task.
    CANCEL = "cancel";
    /// A customer deletes a job.
    DELETE = "delete";
    /// A customer retries a task.
    RETRY = "retry";
    /// An upload's bytes are there.
    UPLOADED = "uploaded";
    /// A request claims its Idempotency-Key.
    CLAIM = "claim";
    /// A claim is renewed, answered or given up.
    CLAIM_END = "claim_end";
    /// An upload comes in over several requests.
    TUS = "tus";
    /// A new account.
    ACCOUNT = "account";
    /// An account's plan or standing changes.
    ACCOUNT_SET = "account_set";
    /// A suspended account is deleted.
    ACCOUNT_DELETE = "account_delete";
    /// Credits from outside.
    CREDIT = "credit";
    /// A ledger is held against its account.
    AUDIT = "audit";
    /// Books that were apart agree again.
    BOOKS = "books";
    /// A new API key.
    KEY_PUT = "key_put";
    /// An API key is revoked.
    KEY_REVOKE = "key_revoke";
    /// An API key was used.
    KEY_USED = "key_used";
    /// Ended jobs whose files or records are due.
    EXPIRED = "expired";
    /// Deleted jobs whose files are removed once more.
    DOOMED = "doomed";
    /// A new epoch after a restart of Redis.
    EPOCH = "epoch";
    /// Unfinished tasks that are listed nowhere.
    SWEEP = "sweep";
    /// Places in lists that the sweeper missed.
    RELIST = "relist";
    /// Old events leave the outbox.
    TRIM = "trim";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_libraries_are_read_in_both_protocols() {
        let text = |text: &str| Value::BulkString(text.into());
        let pairs = [("engine", "LUA"), ("library_name", "convertfly_1")];
        let flat = pairs.iter().flat_map(|(key, value)| [text(key), text(value)]).collect();
        let map = pairs.iter().map(|(key, value)| (text(key), text(value))).collect();
        for library in [Value::Array(flat), Value::Map(map)] {
            assert_eq!(library_names(&Value::Array(vec![library])), ["convertfly_1"]);
        }
        assert!(library_names(&Value::Array(Vec::new())).is_empty(), "none");
    }

    #[test]
    fn every_function_is_registered_once() {
        for function in ALL.iter().chain(hook_scripts::ALL) {
            let own = |line: &&str| line.starts_with("register") && line.contains(&format!("('{}', ", function.name));
            assert_eq!(LIBRARY.text.lines().filter(own).count(), 1, "{}", function.name);
        }
        for name in MANY {
            assert!(LIBRARY.text.contains(&format!("\nregister_many('{name}', ")), "{name} takes several calls");
        }
    }
}
