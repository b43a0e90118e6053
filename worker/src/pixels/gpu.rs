//! The GPU interpreter: keeps a device alive behind a breaker, and says when the CPU has to do it.
//!
//! A lost device is silent, so a result counts only when the device says that it is not lost, the mapping succeeded and each pass
//! left its signed receipt. Whatever goes wrong, the caller gets a [`Fault`] and finishes on the CPU within the same call; a lost
//! device is opened anew in the background.

pub(super) mod adapters;
mod bands;
pub(super) mod batch;
mod device;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(crate) use plan::Plan;

use super::coefficients::{Rendition, Transformed};
use super::image::Image;
use super::policy::GpuPolicy;
use super::recording::Recording;
use crate::breaker::Breaker;
use crate::failure::Failure;
use crate::formats::Cancel;

/// A fault to be made on purpose, for tests.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// The device is destroyed, now.
    DestroyDevice,
    /// The next result cannot be read back.
    FailReadback,
    /// The next recording is accepted and never executed: only the receipts show it.
    SkipDispatch,
    /// The next allocation asks for more than there is.
    OutOfMemory,
}

/// A result that was proven to be whole.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) image: Image,
    pub(crate) upload_us: u64,
    pub(crate) kernel_us: u64,
    pub(crate) readback_us: u64,
}

/// Why there is no result.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The device is of no more use.
    Lost(String),
    /// The device does not answer. Its memory cannot be freed; only the end of the process clears it.
    Hang(String),
    /// No memory for this one; the device is well.
    OutOfMemory(String),
    /// Larger than the device can take; the device is well.
    Unfit(String),
    /// There is no device at the moment, or none at all.
    Absent(String),
    /// Nothing to do with the GPU: the work is not wanted any more, or main memory is short.
    Stop(Failure),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(cause) => write!(f, "the GPU was lost: {cause}"),
            Self::Hang(cause) => write!(f, "the GPU hangs: {cause}"),
            Self::OutOfMemory(cause) => write!(f, "the GPU is out of memory: {cause}"),
            Self::Unfit(cause) => write!(f, "too large for the GPU: {cause}"),
            Self::Absent(cause) => f.write_str(cause),
            Self::Stop(failure) => failure.fmt(f),
        }
    }
}

/// One open device.
pub(crate) trait Backend: Send + Sync {
    /// Name of the adapter.
    fn name(&self) -> &str;
    /// Whether it was lost; once true, always true.
    fn is_lost(&self) -> bool;
    /// Largest buffer, bytes.
    fn limit(&self) -> u64;
    /// Runs the passes.
    fn run(&self, plan: &Plan, image: &Image, cancel: &Cancel) -> Result<Done, Fault>;
    /// Makes what is wanted of packed coefficients, and hands it out.
    fn batch(&self, layout: &batch::Layout, deliver: batch::Deliver<'_>) -> Result<(), Fault>;
    /// Makes a fault.
    fn inject(&self, fault: Injected);
}

/// Why a device could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// There is none, and trying again is of no use.
    Absent(String),
    /// It may work later.
    Failed(String),
}

type Opener = dyn Fn() -> Result<Arc<dyn Backend>, OpenError> + Send + Sync;

/// The device and its keeper.
pub(crate) struct Gpu {
    inner: Arc<Inner>,
}

struct Inner {
    opener: Box<Opener>,
    state: Mutex<State>,
    /// Told whenever an opening has ended.
    opened: Condvar,
    hung: AtomicBool,
    /// What waits to be made of coefficients.
    queue: batch::Queue,
}

#[derive(Default)]
struct State {
    backend: Option<Arc<dyn Backend>>,
    breaker: Breaker,
    opening: bool,
    /// Set for good when there is no adapter.
    absent: Option<String>,
    /// How the last opening failed.
    cause: Option<String>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.inner.lock();
        f.debug_struct("Gpu")
            .field("device", &state.backend.as_ref().map(|backend| backend.name().to_owned()))
            .field("breaker", &state.breaker)
            .field("absent", &state.absent)
            .finish_non_exhaustive()
    }
}

impl Gpu {
    /// A keeper of the device that `policy` picks. Nothing is opened yet.
    pub(crate) fn new(policy: GpuPolicy) -> Self {
        Self::with_opener(Box::new(move || {
            let opened = device::WgpuBackend::open(policy)?;
            Ok(Arc::new(opened) as Arc<dyn Backend>)
        }))
    }

    fn with_opener(opener: Box<Opener>) -> Self {
        let state = Mutex::new(State::default());
        Self {
            inner: Arc::new(Inner {
                opener,
                state,
                opened: Condvar::new(),
                hung: AtomicBool::new(false),
                queue: batch::Queue::default(),
            }),
        }
    }

    /// Opens the device unless that was done, and waits for it.
    pub(crate) fn open(&self) -> Result<(), String> {
        self.inner.clone().start_opening();
        self.settle();
        let state = self.inner.lock();
        match (&state.backend, &state.absent, &state.cause) {
            (Some(_), ..) => Ok(()),
            (None, Some(cause), _) | (None, None, Some(cause)) => Err(cause.clone()),
            (None, None, None) => Err("no device".to_owned()),
        }
    }

    /// Whether there is a device now. Where there is none, one is opened in the background, if that may be done.
    pub(crate) fn is_ready(&self) -> bool {
        let is_open = self.inner.lock().backend.is_some();
        if !is_open {
            self.inner.clone().start_opening();
        }
        is_open
    }

    /// Waits until no device is being opened.
    pub(crate) fn settle(&self) {
        let state = self.inner.lock();
        let _state = self.inner.opened.wait_while(state, |state| state.opening).unwrap_or_else(PoisonError::into_inner);
    }

    /// The name of the device, once it is open.
    pub(crate) fn name(&self) -> Option<String> {
        self.inner.lock().backend.as_ref().map(|backend| backend.name().to_owned())
    }

    /// Whether a device hangs, so that this process had better be replaced when it is idle.
    pub(crate) fn is_hung(&self) -> bool {
        self.inner.hung.load(Ordering::Relaxed)
    }

    /// Runs `plan`, that of `recording`, and gives the result with the name of the device.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        recording: &Recording,
        image: &Image,
        cancel: &Cancel,
    ) -> Result<(Done, String), Fault> {
        self.inner.guarded(|backend| {
            if plan.fits(backend.limit()) {
                backend.run(plan, image, cancel)
            } else {
                bands::run(backend, recording, image, cancel)
            }
        })
    }

    /// Has a rendition made, in one submission with others that wait, and gives it with the name of the device.
    pub(crate) fn transform(&self, rendition: Rendition, cancel: &Cancel) -> Result<(Transformed, String), Fault> {
        self.inner.transform(rendition, cancel)
    }

    /// From now on batches are no larger than that.
    pub(crate) fn limit_batches(&self, most: batch::Most) {
        self.inner.queue.limit(most);
    }

    /// Makes a fault on the device, if there is one now.
    pub(crate) fn inject(&self, fault: Injected) {
        let backend = self.inner.lock().backend.clone();
        if let Some(backend) = backend {
            backend.inject(fault);
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        self.inner.queue.close();
        // A driver that is being loaded while the process ends may crash it.
        self.settle();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works with the device, and looks after it: gives the result with its name.
    fn guarded<T>(self: &Arc<Self>, work: impl FnOnce(&dyn Backend) -> Result<T, Fault>) -> Result<(T, String), Fault> {
        let backend = self.acquire()?;
        let result = work(&*backend);
        match &result {
            Ok(_) => self.lock().breaker.worked(),
            Err(fault @ (Fault::Lost(_) | Fault::Hang(_))) => {
                tracing::warn!(device = backend.name(), %fault, "GPU fault; the CPU finishes what was on it");
                self.hung.fetch_or(matches!(fault, Fault::Hang(_)), Ordering::Relaxed);
                self.clone().lose(&backend);
            }
            Err(_) => {}
        }
        if matches!(result, Err(Fault::Hang(_))) {
            // Dropping a device waits for its work, and this one's never ends: it stays until the process does.
            std::mem::forget(backend.clone());
        }
        let result = result.map(|done| (done, backend.name().to_owned()));
        discard(backend);
        result
    }

    fn acquire(self: &Arc<Self>) -> Result<Arc<dyn Backend>, Fault> {
        let state = self.lock();
        if let Some(cause) = &state.absent {
            return Err(Fault::Absent(cause.clone()));
        }
        if let Some(backend) = state.backend.clone() {
            if !backend.is_lost() {
                return Ok(backend);
            }
            drop(state);
            self.clone().lose(&backend);
            return Err(Fault::Lost("found lost before use".to_owned()));
        }
        let cause = match &state.cause {
            Some(cause) => format!("the GPU could not be opened: {cause}"),
            None if state.breaker.is_open() => "the GPU was lost too often lately and rests".to_owned(),
            None => "the GPU is being opened".to_owned(),
        };
        drop(state);
        self.clone().start_opening();
        Err(Fault::Absent(cause))
    }

    /// Gives `backend` up, once however many threads noticed, and opens another one.
    fn lose(self: Arc<Self>, backend: &Arc<dyn Backend>) {
        let mut state = self.lock();
        if !state.backend.as_ref().is_some_and(|current| Arc::ptr_eq(current, backend)) {
            return;
        }
        let current = state.backend.take();
        state.cause = None;
        state.breaker.lost(Instant::now());
        drop(state);
        if let Some(current) = current {
            discard(current);
        }
        self.start_opening();
    }

    /// Opens a device on a thread of its own, unless there is one, one is being opened, or the breaker forbids it.
    fn start_opening(self: Arc<Self>) {
        let mut state = self.lock();
        if state.backend.is_some() || state.opening || state.absent.is_some() || !state.breaker.may_open(Instant::now()) {
            return;
        }
        state.opening = true;
        drop(state);
        let inner = self.clone();
        let spawned = std::thread::Builder::new().name("gpu-open".to_owned()).spawn(move || {
            let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (inner.opener)()))
                .unwrap_or_else(|_| Err(OpenError::Failed("the driver panicked".to_owned())));
            inner.finish_opening(opened);
        });
        if let Err(error) = spawned {
            self.finish_opening(Err(OpenError::Failed(format!("no thread to open it on: {error}"))));
        }
    }

    fn finish_opening(&self, opened: Result<Arc<dyn Backend>, OpenError>) {
        let mut state = self.lock();
        state.opening = false;
        state.cause = None;
        match opened {
            Ok(backend) => state.backend = Some(backend),
            Err(OpenError::Absent(cause)) => state.absent = Some(cause),
            Err(OpenError::Failed(cause)) => {
                tracing::warn!(%cause, "the GPU could not be opened");
                state.cause = Some(cause);
                state.breaker.lost(Instant::now());
            }
        }
        drop(state);
        self.opened.notify_all();
    }
}

/// Lets go of a device; a driver that panics over it is told of and survived.
fn discard(backend: Arc<dyn Backend>) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(backend))).is_err() {
        tracing::warn!("wgpu panicked when a device was dropped");
    }
}
