//! The tasks that run on this node: their heartbeats, their progress, and how they are told to stop.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use convertfly_scheduler::store::{Lease, Notice, Pulse};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::formats::Cancel;

/// Why a task was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It was not.
    No,
    /// The lease is no longer ours: discard, report nothing.
    Lost,
    /// The node stops: hand the lease back.
    Drain,
}

/// What a running task takes up of its node.
pub(super) enum Place {
    /// A slot of its lane.
    Slot(OwnedSemaphorePermit),
    /// Room beside the lanes, where what has been made is stored and reported while another task is at work in the slot.
    Ending { _room: OwnedSemaphorePermit },
}

/// A running task.
pub(super) struct Entry {
    pub(super) lease: Lease,
    pub(super) cancel: Cancel,
    /// Share done in millionths.
    progress: AtomicU64,
    stop: AtomicU32,
    /// Objects that it has begun to store.
    stored: AtomicU32,
    place: Mutex<Option<Place>>,
}

impl Entry {
    /// Puts another place in the place of the one that it has, which is given back.
    pub(super) fn swap_place(&self, place: Option<Place>) -> Option<Place> {
        std::mem::replace(&mut *self.place.lock().unwrap_or_else(PoisonError::into_inner), place)
    }

    /// The position of the next object to store; counted before it is written, so that a discard finds it.
    pub(super) fn next_index(&self) -> u32 {
        self.stored.fetch_add(1, Ordering::SeqCst)
    }

    /// Objects that may have been stored.
    pub(super) fn stored(&self) -> u32 {
        self.stored.load(Ordering::SeqCst)
    }

    pub(super) fn stopped(&self) -> Stop {
        match self.stop.load(Ordering::SeqCst) {
            0 => Stop::No,
            1 => Stop::Lost,
            _ => Stop::Drain,
        }
    }

    fn stop(&self, why: Stop) {
        // The first reason stands.
        let _ = self.stop.compare_exchange(0, if why == Stop::Lost { 1 } else { 2 }, Ordering::SeqCst, Ordering::SeqCst);
        self.cancel.cancel();
    }

    /// Notes the share done, 0 to 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1 before the cast")]
    pub(super) fn set_progress(&self, share: f64) {
        self.progress.store((share.clamp(0.0, 1.0) * 1e6) as u64, Ordering::Relaxed);
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a million")]
    fn progress(&self) -> f64 {
        self.progress.load(Ordering::Relaxed) as f64 / 1e6
    }
}

/// All running tasks, by fence.
#[derive(Default)]
pub(super) struct Active(Mutex<HashMap<String, Arc<Entry>>>);

impl Active {
    pub(super) fn enter(&self, lease: Lease) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            lease,
            cancel: Cancel::new(),
            progress: AtomicU64::new(0),
            stop: AtomicU32::new(0),
            stored: AtomicU32::new(0),
            place: Mutex::new(None),
        });
        self.lock().insert(entry.lease.fence.clone(), Arc::clone(&entry));
        entry
    }

    pub(super) fn leave(&self, fence: &str) {
        self.lock().remove(fence);
    }

    /// Stops every task so that its lease can be handed back.
    pub(super) fn hand_back_all(&self) {
        self.lock().values().for_each(|entry| entry.stop(Stop::Drain));
    }

    fn lose(&self, fence: &str) {
        if let Some(entry) = self.lock().get(fence) {
            entry.stop(Stop::Lost);
        }
    }

    fn all(&self) -> Vec<Arc<Entry>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Extends all leases three times a lease's length, and stops what is no longer ours: by the heartbeat's reply, or at once by
/// a notice.
pub(super) async fn beat(shared: Arc<Shared>, until: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_millis((shared.ttl_ms / 3).max(10)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut notices = shared.store.notices();
    loop {
        tokio::select! {
            _ = ticks.tick() => beat_once(&shared).await,
            notice = notices.recv() => match notice {
                Ok(Notice::Stop { fence }) => shared.active.lose(&fence),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            () = until.cancelled() => return,
        }
    }
}

async fn beat_once(shared: &Shared) {
    let entries = shared.active.all();
    if entries.is_empty() {
        return;
    }
    let beats: Vec<(&Lease, Option<f64>)> = entries.iter().map(|entry| (&entry.lease, Some(entry.progress()))).collect();
    match shared.store.heartbeat(&beats, shared.ttl_ms).await {
        Ok(pulses) => {
            for (entry, pulse) in entries.iter().zip(pulses) {
                if pulse == Pulse::Lost {
                    entry.stop(Stop::Lost);
                }
            }
        }
        // The work goes on: the fence decides at the commit whether the lease outlived the outage.
        Err(error) => tracing::warn!(%error, "heartbeat failed"),
    }
}
