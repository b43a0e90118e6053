//! Connecting, and refusing a Redis that would lose data.

use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::batches::Batches;
use super::notices::Hub;
use super::scripts::{self, Call, Function};
use super::watch::Watchers;
use super::{StoreError, keys};
use crate::seal::{self, Sealer};

/// Layout version of the stored records: in 2, fields that are 0 or empty are not there.
const LAYOUT: u32 = 2;

/// The oldest layout that is read. Its stores become [`LAYOUT`] when they are opened, so that what does not read that refuses to start beside it.
const OLDEST: u32 = 1;

/// How long a command may take before Redis counts as away.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connection to the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    manager: ConnectionManager,
    pub(super) submits: Vec<Batches>,
    pub(super) finishes: Vec<Batches>,
    pub(super) client: redis::Client,
    shards: u16,
    pub(super) hub: Hub,
    pub(super) watchers: Watchers,
}

impl Store {
    /// Connects to `url` (`redis://host:port/db` or `redis+unix:///path`), checks that Redis will not lose data, and fixes
    /// the number of shards at first use.
    ///
    /// # Errors
    /// [`StoreError::Broken`] for a Redis older than 7, without append-only file or with an eviction policy, or for a store
    /// with another number of shards; [`StoreError::Unavailable`] when it does not answer.
    pub async fn open(url: &str, shards: u16) -> Result<Self, StoreError> {
        let client = redis::Client::open(url).map_err(|e| {
            StoreError::Broken(format!("CONVERTFLY_REDIS_URL is not a Redis URL such as redis://127.0.0.1:6379/0: {e}"))
        })?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(2)
            .set_max_delay(Duration::from_millis(200));
        let manager = client.get_connection_manager_with_config(config).await?;
        let watchers = Watchers::new(client.clone());
        let hub = Hub::start(client.clone());
        let batches = |function| (0..shards).map(|shard| Batches::new(function, shard, manager.clone())).collect();
        let (submits, finishes) = (batches(&scripts::SUBMIT), batches(&scripts::FINISH));
        let store = Self { inner: Arc::new(Inner { manager, submits, finishes, client, shards, hub, watchers }) };
        store.check_safety().await?;
        store.check_layout().await?;
        scripts::load(&mut store.connection()).await?;
        store.note_epoch().await?;
        Ok(store)
    }

    /// Number of shards.
    pub fn shards(&self) -> u16 {
        self.inner.shards
    }

    pub(super) fn connection(&self) -> ConnectionManager {
        self.inner.manager.clone()
    }

    pub(super) fn shard(&self, account: &str) -> u16 {
        keys::shard_of(account, self.inner.shards)
    }

    /// A call of `function` on a shard.
    pub(super) fn invocation(&self, function: &Function, shard: u16) -> Call {
        Call::new(function, shard)
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(redis::cmd("PING").query_async::<()>(&mut self.connection()).await?)
    }

    /// The secret that signs storage URLs, shared by every process of this store; 32 bytes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn url_secret(&self) -> Result<Vec<u8>, StoreError> {
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).map_err(|e| StoreError::Broken(format!("no random bytes: {e}")))?;
        let mut connection = self.connection();
        let _: bool = connection.hset_nx(keys::GLOBAL_META, "url_secret", &secret[..]).await?;
        Ok(connection.hget(keys::GLOBAL_META, "url_secret").await?)
    }

    /// Notes which key seals this store's secrets at first use, and refuses a process that cannot open them later.
    ///
    /// # Errors
    /// [`StoreError::Broken`] for another key, [`StoreError::Unavailable`].
    pub async fn check_sealer(&self, sealer: &Sealer) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let first = sealer.fingerprints().next().unwrap_or_default();
        let _: bool = connection.hset_nx(keys::GLOBAL_META, "seal", first).await?;
        let theirs: String = connection.hget(keys::GLOBAL_META, "seal").await?;
        if sealer.fingerprints().all(|ours| ours != theirs) {
            return Err(StoreError::Broken(format!(
                "the secrets in this store are sealed with another key. Set {} to the key that its first process used (for `serve` it \
                 is in <data>/secret-key); to change the key, give both, the new one first",
                seal::VARIABLE
            )));
        }
        if theirs != first {
            let _: () = connection.hset(keys::GLOBAL_META, "seal", first).await?;
        }
        Ok(())
    }

    /// Refuses a Redis that may forget what it has acknowledged.
    async fn check_safety(&self) -> Result<(), StoreError> {
        let info: String = redis::cmd("INFO").query_async(&mut self.connection()).await?;
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let major = field("redis_version").and_then(|v| v.split('.').next()).and_then(|v| v.parse::<u32>().ok());
        if major.is_none_or(|major| major < 7) {
            return Err(StoreError::Broken(format!(
                "Redis 7 or newer is needed, this one is {}. Install a newer one or unset CONVERTFLY_REDIS_URL to use the embedded one",
                field("redis_version").unwrap_or("unknown")
            )));
        }
        if field("aof_enabled") != Some("1") {
            return Err(StoreError::Broken(
                "this Redis has no append-only file, so a restart would lose jobs. Set `appendonly yes` (and `appendfsync always`)".into(),
            ));
        }
        if let Some(policy) = field("maxmemory_policy").filter(|policy| *policy != "noeviction") {
            return Err(StoreError::Broken(format!(
                "this Redis evicts keys when memory is short ({policy}), so jobs would vanish. Set `maxmemory-policy noeviction`"
            )));
        }
        Ok(())
    }

    /// Fixes the shard count and layout at first use; refuses others later.
    async fn check_layout(&self) -> Result<(), StoreError> {
        let mut connection = self.connection();
        for (field, ours) in [("shards", u32::from(self.inner.shards)), ("layout", LAYOUT)] {
            let _: bool = connection.hset_nx(keys::GLOBAL_META, field, ours).await?;
            let theirs: u32 = connection.hget(keys::GLOBAL_META, field).await?;
            if field == "layout" && (OLDEST..ours).contains(&theirs) {
                let _: usize = connection.hset(keys::GLOBAL_META, field, ours).await?;
            } else if theirs != ours {
                let advice = match field {
                    "layout" => "Run the version of ConvertFly that it belongs to, or a newer one,".to_owned(),
                    _ => format!("Set CONVERTFLY_SHARDS={theirs}"),
                };
                return Err(StoreError::Broken(format!(
                    "this store was made with {field} = {theirs}, this process has {ours}. {advice} or use another Redis database"
                )));
            }
        }
        Ok(())
    }

    /// Starts a new epoch of fences in every shard if the Redis process is another than before.
    pub(super) async fn note_epoch(&self) -> Result<(), StoreError> {
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut self.connection()).await?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().trim().to_owned();
        for shard in 0..self.inner.shards {
            let _: u64 = self.invocation(&scripts::EPOCH, shard).arg(&run_id).invoke_async(&mut self.connection()).await?;
        }
        Ok(())
    }
}
