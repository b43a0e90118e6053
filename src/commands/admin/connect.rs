//! The way to the store: the Redis that is named, the embedded one of a server that runs, or that one started for the command.

use anyhow::{Context, bail};
use convertfly_scheduler::embedded::{self, EmbeddedRedis};
use convertfly_scheduler::store::Store;

use crate::config::Config;

/// An open store, and the Redis behind it if this command has started it.
pub(super) struct Connection {
    pub(super) store: Store,
    redis: Option<EmbeddedRedis>,
}

impl Connection {
    /// Ends the Redis that was started for the command; it writes everything out first.
    pub(super) async fn close(self) {
        drop(self.store);
        if let Some(redis) = self.redis {
            redis.stop().await;
        }
    }
}

/// Opens the store.
pub(super) async fn open(config: &Config) -> anyhow::Result<Connection> {
    if let Some(url) = &config.redis_url {
        let store = Store::open(url, config.shards).await.context("the Redis of CONVERTFLY_REDIS_URL cannot be used")?;
        return Ok(Connection { store, redis: None });
    }
    let folder = config.data.join("redis");
    if let Some(url) = embedded::running(&folder).await {
        return Ok(Connection { store: Store::open(&url, config.shards).await?, redis: None });
    }
    if !folder.exists() {
        bail!(
            "{} holds no ConvertFly data. Run `convertfly serve` once, name its folder with --data, or name the Redis of your \
             installation with CONVERTFLY_REDIS_URL",
            config.data.display()
        );
    }
    let redis = EmbeddedRedis::start(&folder).await?;
    let store = Store::open(&redis.url(), config.shards).await?;
    Ok(Connection { store, redis: Some(redis) })
}
