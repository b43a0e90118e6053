//! How long a task waits between the call that submits it and its lease, on a scheduler that has time to spare.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::store::{Leaser, Store};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{chain, follow};

/// Slots of the worker that takes the tasks: more than are ever taken at once, so that none waits for a slot.
const SLOTS: u32 = 256;

/// From the call to the lease, milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// How Redis wrote its file: `always` waits for the disk twice on the way.
    pub appendfsync: String,
    /// Jobs a second, submitted by the clock and not by what has ended.
    pub rate: f64,
    /// Half of the tasks.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// Submits jobs of one task at `rate` a second while one worker, woken as nodes are, leases and finishes them.
///
/// # Errors
/// When a call fails.
pub(super) async fn measure(store: &Store, jobs: usize, rate: f64, appendfsync: &str) -> anyhow::Result<Start> {
    let calls: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let submit = {
        let (store, calls) = (store.clone(), Arc::clone(&calls));
        async move {
            let (begin, mut running) = (tokio::time::Instant::now(), JoinSet::new());
            for number in 0..jobs {
                tokio::time::sleep_until(begin + Duration::from_secs_f64(number as f64 / rate)).await;
                let (store, job) = (store.clone(), chain(1));
                calls.lock().unwrap_or_else(PoisonError::into_inner).insert(job.id.clone(), Instant::now());
                running.spawn(async move { store.submit(&job, &HashMap::new()).await });
            }
            while let Some(done) = running.join_next().await {
                done??;
            }
            anyhow::Ok(())
        }
    };
    let work = {
        let store = store.clone();
        async move {
            // Up to a minute, in microseconds, three digits.
            let mut waits: Histogram<u64> = Histogram::new_with_bounds(1, 60_000_000, 3)?;
            let mut leaser = Leaser::new(store.clone(), "bench".into(), 600_000);
            let mut running = JoinSet::new();
            while waits.len() < jobs as u64 {
                leaser.wait(&[Lane::Cpu]).await;
                for lease in leaser.ask(&[(Lane::Cpu, SLOTS)]).await? {
                    let call = calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&lease.job);
                    let call = call.ok_or_else(|| anyhow::anyhow!("{} was leased and never submitted", lease.job))?;
                    waits.record(u64::try_from(call.elapsed().as_micros())?.max(1))?;
                    let store = store.clone();
                    running.spawn(async move { follow(&store, lease).await });
                }
            }
            while let Some(done) = running.join_next().await {
                done??;
            }
            anyhow::Ok(waits)
        }
    };
    let ((), waits) = tokio::try_join!(async { tokio::spawn(submit).await? }, async { tokio::spawn(work).await? })?;
    let at = |percentile: f64| waits.value_at_percentile(percentile) as f64 / 1e3;
    Ok(Start { appendfsync: appendfsync.to_owned(), rate, p50: at(50.0), p99: at(99.0), max: waits.max() as f64 / 1e3 })
}
