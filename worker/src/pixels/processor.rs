//! The one door to the pixel core: decides where a recording runs, and runs it.

use std::path::Path;
use std::sync::Once;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::coefficients::{Rendition, Transformed};
use super::cpu;
use super::gpu::batch::Most;
use super::gpu::{self, Fault, Gpu, Injected, Plan};
use super::image::{Image, Shape};
use super::level::CpuLevel;
use super::policy::{AdapterInfo, GpuPolicy};
use super::recording::Recording;
use super::routes::Routes;
use super::routing::{Transforms, Turn};
use crate::failure::Failure;
use crate::formats::Cancel;

/// Where a recording ran, and what it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// `cpu:<level>` or `gpu:<name of the adapter>`.
    pub device: String,
    /// Why there.
    pub reason: String,
    /// What was tried before and failed, with the cause.
    pub fallbacks: Vec<String>,
    /// Time in the kernels, microseconds.
    pub kernel_us: u64,
    /// Time to bring the pixels to the device, microseconds.
    pub upload_us: u64,
    /// Time to bring them back, microseconds.
    pub readback_us: u64,
}

/// A software adapter takes some seconds for so many pixels: batches of it are no larger, so that they do not look like a device that hangs.
const SOFTWARE_PIXELS: u64 = 8 << 20;

/// Runs recordings. One per process, shared by all threads.
#[derive(Debug)]
pub struct Processor {
    pub(super) cpu: CpuLevel,
    pub(super) policy: GpuPolicy,
    pub(super) gpu: Option<Gpu>,
    /// What was measured on this machine.
    pub(super) routes: Option<Routes>,
    /// Recordings that are with the GPU.
    pub(super) with_gpu: AtomicUsize,
    /// Renditions of coefficients that are with it.
    pub(super) transforming: AtomicUsize,
    /// Told once where the table is of another GPU.
    pub(super) told: Once,
    /// Whether every image is turned into its negative first: a fault for the tests that have to find it.
    #[cfg(test)]
    pub(super) planted: std::sync::atomic::AtomicBool,
}

impl Processor {
    /// A processor that uses `cpu`, lowered to what the machine has, and a GPU as `gpu` says. Under `auto` no driver is loaded
    /// before the first recording that a GPU is worth, or [`Processor::warm_up`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when `gpu` asks for an adapter that is not there; the cause says what to install.
    pub fn new(cpu: CpuLevel, gpu: GpuPolicy) -> Result<Self, Failure> {
        let processor = Self {
            cpu: cpu.usable(),
            policy: gpu,
            gpu: (gpu != GpuPolicy::Off).then(|| Gpu::new(gpu)),
            routes: None,
            with_gpu: AtomicUsize::new(0),
            transforming: AtomicUsize::new(0),
            told: Once::new(),
            #[cfg(test)]
            planted: Default::default(),
        };
        if let (Some(opened), GpuPolicy::Software | GpuPolicy::Require) = (&processor.gpu, gpu) {
            opened.open().map_err(|cause| Failure::internal(format!("CONVERTFLY_GPU={}: {cause}", gpu.as_str())))?;
        }
        processor.limit_batches();
        Ok(processor)
    }

    /// Tells the GPU how large batches are best.
    fn limit_batches(&self) {
        let mut most = Most::default();
        if let Some(routes) = &self.routes {
            most.renditions = routes.coefficients.in_batch;
        }
        if self.policy == GpuPolicy::Software {
            most.pixels = SOFTWARE_PIXELS;
        }
        if let Some(gpu) = &self.gpu {
            gpu.limit_batches(most);
        }
    }

    /// A processor as `CONVERTFLY_CPU` and `CONVERTFLY_GPU` say, with the table of routes that `CONVERTFLY_ROUTES` names.
    ///
    /// # Errors
    /// When one of them is not understood, and those of [`Processor::new`].
    pub fn from_env() -> Result<Self, Failure> {
        let mut processor = Self::new(CpuLevel::from_env()?, GpuPolicy::from_env()?)?;
        if let Some(value) = std::env::var_os("CONVERTFLY_ROUTES").filter(|value| !value.is_empty()) {
            processor.routes = Routes::of_setting(&value.to_string_lossy(), processor.cpu).map_err(Failure::internal)?;
            processor.limit_batches();
        }
        Ok(processor)
    }

    /// The same, with the table of routes in that file; one of another machine is ignored.
    ///
    /// # Errors
    /// [`Failure::Internal`] when it is not a table.
    pub fn with_routes(mut self, path: &Path) -> Result<Self, Failure> {
        self.routes = Routes::usable(path, self.cpu).map_err(Failure::internal)?;
        self.limit_batches();
        Ok(self)
    }

    /// The level of instructions that it uses.
    pub fn level(&self) -> CpuLevel {
        self.cpu
    }

    /// The name of the GPU, once it is open.
    pub fn gpu_name(&self) -> Option<String> {
        self.gpu.as_ref()?.name()
    }

    /// Opens the GPU now and waits for it: before a sandbox closes, or before a measurement. Tells whether there is one; none
    /// is no error.
    pub fn warm_up(&self) -> bool {
        match self.gpu.as_ref().map(Gpu::open) {
            Some(Ok(())) => true,
            Some(Err(cause)) => {
                tracing::debug!(%cause, "no GPU");
                false
            }
            None => false,
        }
    }

    /// Where recordings run that do not run on a GPU, as [`Ran::device`] names it.
    pub fn cpu_device(&self) -> String {
        format!("cpu:{}", self.cpu.as_str())
    }

    /// Whether such a recording, of no more than a resize, may be done on planes as they are decoded: where it would run on the CPU, and not by the
    /// scalar forms, which show what the others are measured by.
    pub(crate) fn takes_planes(&self, recording: &Recording, shape: Shape) -> Result<bool, Failure> {
        Ok(self.cpu > CpuLevel::Scalar && self.route(recording, shape)?.0.is_none())
    }

    /// Makes it; nothing where the CPU has to, and why.
    ///
    /// # Errors
    /// [`Failure::Cancelled`] once `cancel` is set. Never because of a GPU.
    pub(crate) fn transform(
        &self,
        Transforms { turn, reason }: Transforms<'_>,
        rendition: Rendition,
        cancel: &Cancel,
    ) -> Result<(Option<Transformed>, Ran), Failure> {
        let mut ran = Ran { device: self.cpu_device(), reason, ..Ran::default() };
        match turn.gpu.transform(rendition, cancel) {
            Ok((made, device)) => {
                ran.device = format!("gpu:{device}");
                let batch = &made.batch;
                (ran.upload_us, ran.kernel_us, ran.readback_us) = (batch.upload_us, batch.kernel_us, batch.readback_us);
                return Ok((Some(made), ran));
            }
            Err(Fault::Stop(failure)) => return Err(failure),
            // Under `auto` no GPU is the rule, not a fault.
            Err(Fault::Absent(cause)) if self.policy == GpuPolicy::Auto => ran.reason = cause,
            Err(fault) => {
                ran.fallbacks.push(fault.to_string());
                "the GPU did not do it".clone_into(&mut ran.reason);
            }
        }
        Ok((None, ran))
    }

    /// Runs `recording` on `image`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when a step does not fit the image, [`Failure::TooLarge`] when there is no memory for a result,
    /// [`Failure::Cancelled`] once `cancel` is set. Never because of a GPU.
    pub fn run(&self, recording: &Recording, image: Image, cancel: &Cancel) -> Result<(Image, Ran), Failure> {
        #[cfg(test)]
        let image = self.planted(image);
        let mut ran = Ran::default();
        let (gpu, reason) = self.route(recording, image.shape())?;
        ran.reason = reason;
        if let Some(Turn { gpu, .. }) = &gpu
            && let Some(plan) = Plan::new(recording, image.shape())?
        {
            match gpu.run(&plan, recording, &image, cancel) {
                Ok((done, device)) => {
                    ran.device = format!("gpu:{device}");
                    (ran.upload_us, ran.kernel_us, ran.readback_us) = (done.upload_us, done.kernel_us, done.readback_us);
                    return Ok((done.image, ran));
                }
                Err(Fault::Stop(failure)) => return Err(failure),
                // Under `auto` no GPU is the rule, not a fault.
                Err(Fault::Absent(cause)) if self.policy == GpuPolicy::Auto => ran.reason = cause,
                Err(fault) => {
                    ran.fallbacks.push(fault.to_string());
                    "the GPU did not do it".clone_into(&mut ran.reason);
                }
            }
        }
        drop(gpu);
        let start = Instant::now();
        let made = cpu::run(self.cpu, recording, image, cancel)?;
        ran.kernel_us = micros(start.elapsed());
        ran.device = self.cpu_device();
        Ok((made, ran))
    }

    /// The adapters of this machine, and which of them `policy` picks. Loads the drivers.
    pub fn adapters(policy: GpuPolicy) -> Vec<AdapterInfo> {
        gpu::adapters::describe(policy)
    }

    /// Whether a GPU hangs. Its memory stays taken until this process ends, so it had better be replaced once it is idle.
    pub fn is_hung(&self) -> bool {
        self.gpu.as_ref().is_some_and(Gpu::is_hung)
    }

    /// Makes a fault of the GPU, for tests.
    #[doc(hidden)]
    pub fn inject(&self, fault: Injected) {
        if let Some(gpu) = &self.gpu {
            gpu.inject(fault);
        }
    }

    /// Waits until no device is being opened, for tests.
    #[doc(hidden)]
    pub fn settle(&self) {
        if let Some(gpu) = &self.gpu {
            gpu.settle();
        }
    }

    #[cfg(test)]
    pub(super) fn with_gpu(cpu: CpuLevel, gpu: Gpu) -> Self {
        Self {
            cpu: cpu.usable(),
            policy: GpuPolicy::Require,
            gpu: Some(gpu),
            routes: None,
            with_gpu: AtomicUsize::new(0),
            transforming: AtomicUsize::new(0),
            told: Once::new(),
            planted: Default::default(),
        }
    }

    #[cfg(test)]
    fn planted(&self, mut image: Image) -> Image {
        if self.planted.load(std::sync::atomic::Ordering::SeqCst) {
            image.data_mut().iter_mut().for_each(|byte| *byte = !*byte);
        }
        image
    }

    /// Runs passes on the GPU whatever they are good for.
    #[cfg(test)]
    pub(super) fn run_passes(&self, passes: Vec<super::pass::Pass>, output: Shape, image: &Image) -> Image {
        let plan = Plan { passes, input_bytes: super::pass::packed_bytes(image.shape()), output };
        let gpu = self.gpu.as_ref().expect("there is a GPU");
        gpu.run(&plan, &Recording::new(), image, &Cancel::new()).expect("the passes run").0.image
    }
}

/// Whole microseconds of `time`.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
