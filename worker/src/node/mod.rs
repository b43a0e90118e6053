//! A worker node: leases tasks, runs them, reports what became of them.

mod active;
mod cache;
mod commit;
mod run;
mod services;

pub use cache::LocalFile;
pub use services::{Services, StartError, WorkerConfig};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::ids;
use convertfly_scheduler::store::keys::{ENCODER_FAILS, ENCODER_RESTS, ENCODER_RETURNS, ENCODER_WORKS};
use convertfly_scheduler::store::{Backlog, Lease, Leaser, Store};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use active::{Active, Entry, Place};

use crate::engines::media::{Change, MediaEngine, Probed};

/// How long running tasks may take to finish when the node is told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Pause after the store did not answer.
const STORE_PAUSE: Duration = Duration::from_millis(200);

/// Pause before the next look at a scratch folder that is nearly full.
const SPACE_PAUSE: Duration = Duration::from_millis(500);

/// A running node.
pub struct Node {
    shared: Arc<Shared>,
    leaser: Leaser,
}

/// What every task of the node works with.
struct Shared {
    /// Random per process: leases belong to tasks, a name is only for logs.
    worker: String,
    store: Store,
    services: Services,
    ttl_ms: u64,
    slots: BTreeMap<Lane, Arc<Semaphore>>,
    /// Room for tasks that have left their slots and only store what they have made.
    endings: Arc<Semaphore>,
    /// A slot became free.
    freed: Notify,
    /// Where tasks may be waiting: successors do not overtake them.
    backlog: Backlog,
    active: Active,
    tasks: TaskTracker,
}

impl Node {
    /// A node that serves the lanes of `config` with these services.
    pub fn new(store: Store, services: Services, config: &WorkerConfig) -> Self {
        let beside = |lane| if lane == Lane::Cpu { services.beside() } else { 0 };
        let semaphore = |(lane, slots)| (lane, Arc::new(Semaphore::new(slots as usize + beside(lane))));
        let slots = config.lanes().into_iter().map(semaphore).collect();
        let worker = ids::new_id("worker");
        let leaser = Leaser::new(store.clone(), worker.clone(), config.lease_ms);
        let shared = Shared {
            worker,
            store,
            services,
            ttl_ms: config.lease_ms,
            slots,
            endings: Arc::new(Semaphore::new(config.io_slots as usize)),
            freed: Notify::new(),
            backlog: leaser.backlog(),
            active: Active::default(),
            tasks: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared), leaser }
    }

    /// Works until `shutdown`, then lets running tasks finish for up to 30 s and hands the others back uncounted.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { shared, mut leaser } = self;
        let beating = CancellationToken::new();
        let heart = tokio::spawn(active::beat(Arc::clone(&shared), beating.clone()));
        tokio::spawn(tell_encoders(shared.store.clone(), Arc::clone(shared.services.media())));
        for (name, growth) in shared.services.growth() {
            tokio::spawn(tell_outgrown(shared.store.clone(), name, growth.counted()));
        }
        tracing::info!(worker = %shared.worker, lanes = ?shared.free(), "worker ready");
        let mut low = false;
        while !shutdown.is_cancelled() {
            if shared.space_is_low(&mut low) {
                tokio::select! { () = tokio::time::sleep(SPACE_PAUSE) => {}, () = shutdown.cancelled() => {} }
                continue;
            }
            let free = shared.free();
            if !free.is_empty() {
                match leaser.ask(&free).await {
                    Ok(leases) if !leases.is_empty() => {
                        leases.into_iter().for_each(|lease| shared.start(lease));
                        continue;
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "no tasks could be leased");
                        tokio::select! { () = tokio::time::sleep(STORE_PAUSE) => {}, () = shutdown.cancelled() => {} }
                        continue;
                    }
                }
            }
            let lanes: Vec<Lane> = free.iter().map(|(lane, _)| *lane).collect();
            tokio::select! {
                // Without a free slot it listens, so that what continues does not overtake what has come meanwhile.
                () = leaser.wait(&lanes) => {}
                () = shared.freed.notified() => {}
                () = shutdown.cancelled() => {}
            }
        }
        tracing::info!(running = shared.tasks.len(), "worker draining");
        shared.tasks.close();
        if tokio::time::timeout(DRAIN, shared.tasks.wait()).await.is_err() {
            shared.active.hand_back_all();
            let _ = tokio::time::timeout(Duration::from_secs(10), shared.tasks.wait()).await;
        }
        beating.cancel();
        let _ = heart.await;
        shared.services.stop().await;
    }
}

/// Opens the hardware encoders before the first task wants one, and counts in the store what became of them and becomes of them later, for the
/// metrics.
async fn tell_encoders(store: Store, media: Arc<MediaEngine>) {
    let count = async |kind: &str, encoder: &str| {
        if let Err(error) = store.count(&format!("{kind}{encoder}"), 1).await {
            tracing::warn!(%error, "what became of the video encoders could not be counted");
        }
    };
    for Probed { encoder, works } in media.probed().await {
        count(if *works { ENCODER_WORKS } else { ENCODER_FAILS }, encoder).await;
    }
    let Some(mut changes) = media.changes() else { return };
    while let Some(Change { encoder, rests }) = changes.recv().await {
        count(if rests { ENCODER_RESTS } else { ENCODER_RETURNS }, &encoder).await;
    }
}

/// Counts programs that were replaced because they had grown, for the metrics.
async fn tell_outgrown(store: Store, name: &'static str, mut counted: watch::Receiver<u64>) {
    let mut told = 0;
    while let Ok(count) = counted.wait_for(|count| *count > told).await.map(|count| *count) {
        if let Err(error) = store.count(name, count - told).await {
            tracing::warn!(%error, "programs that were replaced could not be counted");
        }
        told = count;
    }
}

impl Shared {
    /// Whether no new work can be taken for want of scratch space: tasks wait then, or go to other nodes, rather than fail. Says
    /// so in the log when that changes.
    fn space_is_low(&self, was_low: &mut bool) -> bool {
        // A file system that does not say how full it is must not stop the node.
        let low = self.services.scratch.space().is_ok_and(convertfly_scheduler::space::Space::is_low);
        if low != *was_low {
            let path = self.services.scratch.path().display();
            if low {
                tracing::warn!(%path, "the scratch space is nearly full: no new tasks until there is more");
            } else {
                tracing::info!(%path, "scratch space is free again: taking tasks");
            }
            *was_low = low;
        }
        low
    }

    /// Free slots a lane; lanes without any are left out.
    fn free(&self) -> Vec<(Lane, u32)> {
        let count = |slots: &Semaphore| u32::try_from(slots.available_permits()).unwrap_or(u32::MAX);
        self.slots.iter().map(|(lane, slots)| (*lane, count(slots))).filter(|(_, free)| *free > 0).collect()
    }

    /// Lets another task have the slot of one whose work is done but for storing and reporting it, as long as there is room for such: a core would
    /// wait for a disk otherwise. Where tasks on pixels take what it has made, they go on in its slot, near their file.
    fn vacate(&self, entry: &Entry) {
        if entry.lease.spec.readers == 0
            && let Ok(room) = Arc::clone(&self.endings).try_acquire_owned()
        {
            drop(entry.swap_place(Some(Place::Ending { _room: room })));
            self.freed.notify_one();
        }
    }

    /// Runs a leased task, and then what continues on this node, in the background.
    fn start(self: &Arc<Self>, lease: Lease) {
        // Registered before anything is awaited, so that heartbeats begin at once.
        let entry = self.active.enter(lease);
        // The slot is taken here, not in the task, so that the next look at the free slots sees it. Where a continuation was
        // faster, the task waits for its slot with its lease kept alive.
        let slots = self.slots.get(&entry.lease.spec.lane).cloned();
        let permit = slots.as_ref().and_then(|slots| Arc::clone(slots).try_acquire_owned().ok());
        self.go_on(entry, permit);
    }

    /// Runs a task that is registered, in its slot if it has one already.
    fn go_on(self: &Arc<Self>, entry: Arc<Entry>, permit: Option<OwnedSemaphorePermit>) {
        let slots = self.slots.get(&entry.lease.spec.lane).cloned();
        let shared = Arc::clone(self);
        // Whatever is told of a task says whose it is, at every level of the log.
        let Lease { account, job, spec, .. } = &entry.lease;
        let span = tracing::error_span!("task", account, job, task = spec.name, operation = spec.operation);
        let work = async move {
            let permit = match (permit, slots) {
                (None, Some(slots)) => slots.acquire_owned().await.ok(),
                (permit, _) => permit,
            };
            commit::run_and_report(&shared, entry, permit).await;
            shared.freed.notify_one();
        };
        self.tasks.spawn(work.instrument(span));
    }
}
