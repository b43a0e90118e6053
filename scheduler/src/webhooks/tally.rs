//! Counts attempts here and adds them to the counters that all processes share now and then, so that no attempt waits for a count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::store::{Outcome, Store};

/// How often counts are written, at most.
const EVERY: Duration = Duration::from_secs(2);

/// What an attempt may come to, as the shared counters call it.
const NAMES: [&str; 3] = ["webhooks_delivered", "webhooks_retried", "webhooks_failed"];

/// Attempts since the last write.
pub(super) struct Tally {
    counts: [AtomicU64; NAMES.len()],
    written: Mutex<Instant>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { counts: Default::default(), written: Mutex::new(Instant::now()) }
    }

    /// Counts one; a delivery whose job is gone is none.
    pub(super) fn count(&self, outcome: Outcome) {
        let index = match outcome {
            Outcome::Delivered => 0,
            Outcome::Retry { .. } => 1,
            Outcome::Failed | Outcome::Gone => 2,
            Outcome::Dropped => return,
        };
        if let Some(count) = self.counts.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what has come together, if it is time to, or `now`. Without the store it is kept for the next time.
    pub(super) async fn write(&self, store: &Store, now: bool) {
        let mut written = self.written.lock().await;
        if !now && written.elapsed() < EVERY {
            return;
        }
        *written = Instant::now();
        for (name, count) in NAMES.into_iter().zip(&self.counts) {
            let by = count.swap(0, Ordering::Relaxed);
            if by > 0
                && let Err(error) = store.count(name, by).await
            {
                tracing::debug!(%error, name, "a count is written later");
                count.fetch_add(by, Ordering::Relaxed);
            }
        }
    }
}
