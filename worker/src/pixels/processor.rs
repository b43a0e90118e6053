//! The one door to the pixel core: decides where a recording runs, and runs it.

use std::time::{Duration, Instant};

use super::cpu;
use super::gpu::{self, Fault, Gpu, Injected, Plan};
use super::image::{Image, Shape};
use super::level::CpuLevel;
use super::recording::{Recording, Step};
use crate::failure::Failure;
use crate::formats::Cancel;

/// Whether a GPU is used: the variable `CONVERTFLY_GPU`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GpuPolicy {
    /// `auto`: a hardware GPU where there is one and the work is worth the way there and back; else the CPU.
    #[default]
    Auto,
    /// `off`: never; no driver is loaded.
    Off,
    /// `software`: a driver that computes on the CPU (Mesa's lavapipe), for everything. For tests: it is many times slower.
    Software,
    /// `require`: a hardware GPU, for everything; without one the program does not start.
    Require,
}

impl GpuPolicy {
    /// Every policy.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Off, Self::Software, Self::Require];

    /// The name, as `CONVERTFLY_GPU` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::Software => "software",
            Self::Require => "require",
        }
    }

    /// From the value of `CONVERTFLY_GPU`.
    ///
    /// # Errors
    /// When it is not the name of a policy.
    pub fn parse(value: &str) -> Result<Self, Failure> {
        let value = value.trim();
        Self::ALL.into_iter().find(|policy| policy.as_str() == value).ok_or_else(|| {
            Failure::internal(format!(
                "CONVERTFLY_GPU={value:?} is not known. It is one of auto (a hardware GPU where it pays), off, software (lavapipe, \
                 for tests) and require (fail without a hardware GPU); for example CONVERTFLY_GPU=auto"
            ))
        })
    }

    /// From the variable `CONVERTFLY_GPU`; `auto` where it is not set.
    ///
    /// # Errors
    /// As [`GpuPolicy::parse`].
    pub fn from_env() -> Result<Self, Failure> {
        std::env::var_os("CONVERTFLY_GPU").map_or(Ok(Self::Auto), |value| Self::parse(&value.to_string_lossy()))
    }
}

/// A GPU adapter as `convertfly doctor` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Name of the device.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Whether the policy picks it.
    pub chosen: bool,
    /// Why, or why not.
    pub reason: String,
}

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

/// From so many source pixels on, a resize is worth the way to a hardware GPU and back. Below, one SIMD thread is done before the
/// pixels have crossed the bus twice. A cautious guess until it is measured on such a machine: thumbnails of photos stay on the CPU.
pub const GPU_RESIZE_PIXELS: u64 = 32 << 20;

/// Runs recordings. One per process, shared by all threads.
#[derive(Debug)]
pub struct Processor {
    cpu: CpuLevel,
    policy: GpuPolicy,
    gpu: Option<Gpu>,
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
            #[cfg(test)]
            planted: Default::default(),
        };
        if let (Some(opened), GpuPolicy::Software | GpuPolicy::Require) = (&processor.gpu, gpu) {
            opened.open().map_err(|cause| Failure::internal(format!("CONVERTFLY_GPU={}: {cause}", gpu.as_str())))?;
        }
        Ok(processor)
    }

    /// A processor as `CONVERTFLY_CPU` and `CONVERTFLY_GPU` say.
    ///
    /// # Errors
    /// When one of them is not understood, and those of [`Processor::new`].
    pub fn from_env() -> Result<Self, Failure> {
        Self::new(CpuLevel::from_env()?, GpuPolicy::from_env()?)
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
        if let Some(gpu) = gpu
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
        Self { cpu: cpu.usable(), policy: GpuPolicy::Require, gpu: Some(gpu), planted: Default::default() }
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

    /// Where a recording is tried first, and why.
    fn route(&self, recording: &Recording, shape: Shape) -> Result<(Option<&Gpu>, String), Failure> {
        let work = Work::of(recording, shape)?;
        let Some(gpu) = &self.gpu else { return Ok((None, "CONVERTFLY_GPU=off".to_owned())) };
        Ok(if !work.any {
            (None, "no step changes the image".to_owned())
        } else if self.policy != GpuPolicy::Auto {
            (Some(gpu), format!("CONVERTFLY_GPU={}", self.policy.as_str()))
        } else if work.resized >= GPU_RESIZE_PIXELS {
            (Some(gpu), format!("a resize of {} pixels", work.resized))
        } else {
            (None, format!("no resize of {GPU_RESIZE_PIXELS} pixels or more"))
        })
    }
}

/// How much a recording has to do.
struct Work {
    /// Whether any step changes anything.
    any: bool,
    /// Source pixels of the largest resize.
    resized: u64,
}

impl Work {
    fn of(recording: &Recording, mut shape: Shape) -> Result<Self, Failure> {
        let mut work = Self { any: false, resized: 0 };
        for step in &recording.steps {
            let kernel = crate::kernels::of(step);
            let made = kernel.output(step, shape)?;
            if !kernel.is_identity(step, shape) {
                work.any = true;
                if matches!(step, Step::Resize { .. }) {
                    work.resized = work.resized.max(shape.pixels());
                }
            }
            shape = made;
        }
        Ok(work)
    }
}

/// Whole microseconds of `time`.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Channels, Depth, Filter};

    fn grey(width: u32, height: u32) -> Shape {
        Shape { width, height, channels: Channels::Grey, depth: Depth::U8 }
    }

    fn resize(width: u32, height: u32) -> Step {
        Step::Resize { width, height, filter: Filter::Box }
    }

    #[test]
    fn policies_are_read_by_name_and_a_wrong_one_says_how_it_is_done() {
        for policy in GpuPolicy::ALL {
            assert_eq!(GpuPolicy::parse(policy.as_str()), Ok(policy), "every policy is read by its own name");
        }
        let message = GpuPolicy::parse("yes").expect_err("no such policy").to_string();
        for part in ["CONVERTFLY_GPU", "yes", "auto", "off", "software", "require", "CONVERTFLY_GPU=auto"] {
            assert!(message.contains(part), "the message names {part}: {message}");
        }
    }

    #[test]
    fn auto_sends_large_resizes_alone_to_the_gpu() {
        // Routing looks at shapes and opens nothing.
        let processor = Processor::new(CpuLevel::Scalar, GpuPolicy::Auto).expect("auto needs no GPU");
        let to_gpu = |steps: Vec<Step>, shape| {
            processor.route(&Recording { steps, ..Recording::default() }, shape).map(|(gpu, _)| gpu.is_some())
        };
        let side = 8192;
        assert!(u64::from(side) * u64::from(side) >= GPU_RESIZE_PIXELS, "this side is large");
        assert_eq!(to_gpu(vec![resize(100, 100)], grey(side, side)), Ok(true), "a large resize");
        assert_eq!(to_gpu(vec![resize(100, 100)], grey(4000, 3000)), Ok(false), "a thumbnail of a photo");
        assert_eq!(to_gpu(vec![resize(side, side)], grey(side, side)), Ok(false), "a resize to the same size");
        assert_eq!(to_gpu(vec![Step::Flatten { color: [0; 3] }], grey(side, side)), Ok(false), "no resize");
        assert_eq!(to_gpu(vec![], grey(side, side)), Ok(false), "nothing to do");
        let outside = Step::Crop { x: 1, y: 0, width: 5, height: 1 };
        assert!(to_gpu(vec![outside], grey(5, 1)).is_err(), "a step that does not fit is told before anything runs");
    }
}
