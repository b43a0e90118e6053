//! Reads the outboxes and fans their events out to deliveries.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::store::{OutboxReader, Store, StoreError};

/// Pause after the store did not answer.
const AWAY: Duration = Duration::from_millis(500);

/// Fans out until `stop`; tells the shards that have new deliveries.
pub(super) async fn run(store: Store, news: UnboundedSender<u16>, stop: CancellationToken) {
    loop {
        let error = tokio::select! {
            Err(error) = follow(&store, &news) => error,
            () = stop.cancelled() => return,
        };
        tracing::warn!(%error, "the outbox could not be read; trying again");
        tokio::select! {
            () = tokio::time::sleep(AWAY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Ends with an error only.
async fn follow(store: &Store, news: &UnboundedSender<u16>) -> Result<(), StoreError> {
    let mut reader: OutboxReader = store.outbox_reader().await?;
    loop {
        for shard in reader.next().await? {
            loop {
                let (taken, cursor) = store.fan_out(shard).await?;
                reader.advance(shard, cursor);
                if taken == 0 {
                    break;
                }
                // Nobody listens only while the process ends.
                let _ = news.send(shard);
            }
        }
    }
}
