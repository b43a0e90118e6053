//! What waits for the GPU, and the threads that take it there in batches.

use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Layout, bands};
use crate::cores;
use crate::formats::Cancel;
use crate::pixels::coefficients::{Batched, Outcome, Rendition, Transformed};
use crate::pixels::gpu::{Fault, Inner};

/// Batches in flight: one is filled while another is computed and a third is taken out.
pub(in crate::pixels) const IN_FLIGHT: usize = 3;

/// Renditions of a batch where nothing was measured.
pub(in crate::pixels) const IN_BATCH: usize = 16;

/// How long the first one of a batch waits for others. They come together where a source has several renditions; where there is more to do than
/// the device does at once they gather while it works.
const WINDOW: Duration = Duration::from_millis(4);

/// How often someone who waits looks whether the work is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Threads without work end after so long.
const IDLE: Duration = Duration::from_secs(2);

/// However little an adapter has shown to take, batches of so many pixels are tried.
const LEAST_PIXELS: u64 = 64 << 20;

/// What a batch may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::pixels) struct Most {
    /// Renditions.
    pub(in crate::pixels) renditions: usize,
    /// Pixels of all of them; a single one may have more.
    pub(in crate::pixels) pixels: u64,
    /// How long the first one waits.
    pub(in crate::pixels) window: Duration,
}

impl Default for Most {
    fn default() -> Self {
        // 32 pictures of 16 megapixels take about 2.5 GB, three times where three batches are in flight. An adapter that has or binds less shows
        // with the first one, and gets less from then on.
        Self { renditions: IN_BATCH, pixels: 512 << 20, window: WINDOW }
    }
}

/// Everything that waits.
#[derive(Default)]
pub(in crate::pixels::gpu) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    most: Most,
    waiting: VecDeque<Waiting>,
    /// Threads that take batches.
    lanes: usize,
    /// Whether one of them is at gathering a batch.
    is_gathering: bool,
    is_closed: bool,
}

/// One that waits.
struct Waiting {
    rendition: Arc<Rendition>,
    cancel: Cancel,
    tell: mpsc::Sender<Answer>,
}

/// The result with the device's name, or why there is none.
type Answer = Result<(Transformed, String), Fault>;

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on batches are no larger than that.
    pub(in crate::pixels::gpu) fn limit(&self, most: Most) {
        self.lock().most = most;
    }

    /// No more is taken; waits for what is under way.
    pub(in crate::pixels::gpu) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        self.changed.notify_all();
        let _state = self.changed.wait_while(state, |state| state.lanes > 0).unwrap_or_else(PoisonError::into_inner);
    }

    /// The next batch, once there is one; nothing where the thread had better end.
    fn gather(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        let idle = Instant::now() + IDLE;
        while state.is_gathering || state.waiting.is_empty() {
            let left = idle.saturating_duration_since(Instant::now());
            if state.is_closed || (left.is_zero() && state.waiting.is_empty()) {
                // In the same moment, so that what comes next is taken by another thread, or starts one.
                state.lanes -= 1;
                drop(state);
                self.changed.notify_all();
                return None;
            }
            (state, _) = self.changed.wait_timeout(state, left.max(LOOK)).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_gathering = true;
        let until = Instant::now() + state.most.window;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            state.forget_cancelled();
            if left.is_zero() || state.is_closed || state.is_full() {
                break;
            }
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_gathering = false;
        let batch = state.take();
        drop(state);
        self.changed.notify_all();
        Some(batch)
    }
}

impl State {
    /// How many of those that wait make a batch.
    fn count(&self) -> usize {
        let mut pixels = 0u64;
        let within = |waiting: &&Waiting| {
            pixels = pixels.saturating_add(waiting.rendition.pixels());
            pixels <= self.most.pixels
        };
        self.waiting.iter().take(self.most.renditions).take_while(within).count().max(1)
    }

    fn is_full(&self) -> bool {
        let count = self.count();
        count >= self.most.renditions || count < self.waiting.len()
    }

    fn forget_cancelled(&mut self) {
        self.waiting.retain(|waiting| waiting.cancel.check().is_ok());
    }

    /// So many pixels were too many for the device.
    fn learn(&mut self, pixels: u64) {
        self.most.pixels = self.most.pixels.min((pixels / 2).max(LEAST_PIXELS));
    }

    fn take(&mut self) -> Vec<Waiting> {
        let count = self.count().min(self.waiting.len());
        self.waiting.drain(..count).collect()
    }
}

impl Inner {
    /// Has a rendition made with others, and waits for it.
    pub(in crate::pixels::gpu) fn transform(self: &Arc<Self>, rendition: Rendition, cancel: &Cancel) -> Answer {
        let (tell, told) = mpsc::channel();
        let mut state = self.queue.lock();
        state.waiting.push_back(Waiting { rendition: Arc::new(rendition), cancel: cancel.clone(), tell });
        let spawns = state.lanes < IN_FLIGHT;
        state.lanes += usize::from(spawns);
        drop(state);
        self.queue.changed.notify_all();
        if spawns {
            let inner = Arc::clone(self);
            let spawned = std::thread::Builder::new().name("gpu-batch".to_owned()).spawn(move || inner.lane());
            if let Err(error) = spawned {
                let mut state = self.queue.lock();
                state.lanes -= 1;
                if state.lanes == 0 {
                    state.waiting.clear();
                    return Err(Fault::Absent(format!("no thread for the GPU: {error}")));
                }
            }
        }
        // Another task decodes meanwhile.
        cores::away(cancel, || {
            loop {
                match told.recv_timeout(LOOK) {
                    Ok(answer) => return answer,
                    Err(RecvTimeoutError::Timeout) => cancel.check().map_err(Fault::Stop)?,
                    Err(RecvTimeoutError::Disconnected) => {
                        cancel.check().map_err(Fault::Stop)?;
                        return Err(Fault::Absent("the thread for the GPU has ended".to_owned()));
                    }
                }
            }
        })
    }

    /// A thread that takes one batch after the other.
    fn lane(self: Arc<Self>) {
        /// Counts a thread out that panics.
        struct Leaves<'a>(&'a Queue);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    let mut state = self.0.lock();
                    state.lanes -= 1;
                    if state.lanes == 0 {
                        // Their tasks see that nobody is left.
                        state.waiting.clear();
                    }
                    drop(state);
                    self.0.changed.notify_all();
                }
            }
        }
        let _leaves = Leaves(&self.queue);
        while let Some(batch) = self.queue.gather() {
            self.make(batch);
        }
    }

    /// Makes a batch, or halves of it where all of it is too much.
    fn make(self: &Arc<Self>, mut batch: Vec<Waiting>) {
        if batch.is_empty() {
            return;
        }
        let renditions: Vec<Arc<Rendition>> = batch.iter().map(|waiting| Arc::clone(&waiting.rendition)).collect();
        let mut made = None;
        let ended = self.guarded(|backend| {
            let layout = Layout::new(&renditions)?;
            let name = backend.name().to_owned();
            if let ([waiting], false) = (&batch[..], layout.fits(backend.limit()) || batch[0].rendition.through.is_some()) {
                drop(layout);
                let (planes, batched) = bands::run(backend, &waiting.rendition, &waiting.cancel)?;
                made = Some(());
                answer(&batch, vec![Outcome::Coefficients(planes)], batched, &name);
                return Ok(());
            }
            backend.batch(&layout, &mut |outcomes, batched| {
                made = Some(());
                answer(&batch, outcomes, batched, &name);
            })
        });
        let Err(fault) = ended else { return };
        if made.is_some() {
            // It was lost afterwards, with the results out.
            return;
        }
        if batch.len() > 1 && matches!(fault, Fault::OutOfMemory(_) | Fault::Unfit(_)) {
            self.queue.lock().learn(batch.iter().map(|waiting| waiting.rendition.pixels()).sum());
            let rest = batch.split_off(batch.len() / 2);
            self.make(batch);
            return self.make(rest);
        }
        for waiting in &batch {
            // Nobody listens any more where a task was cancelled.
            let _ = waiting.tell.send(Err(fault.clone()));
        }
    }
}

fn answer(batch: &[Waiting], outcomes: Vec<Outcome>, batched: Batched, device: &str) {
    let batched = Arc::new(batched);
    for (waiting, outcome) in batch.iter().zip(outcomes) {
        let made = Transformed { outcome, batch: Arc::clone(&batched) };
        let _ = waiting.tell.send(Ok((made, device.to_owned())));
    }
}
