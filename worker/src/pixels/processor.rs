//! The one door to the pixel core: decides where a recording runs, and runs it.

use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::coefficients::{Rendition, Transformed};
use super::cpu;
use super::gpu::batch::{IN_FLIGHT, Most};
use super::gpu::{self, Fault, Gpu, Injected, Plan};
use super::image::{Image, Shape};
use super::level::CpuLevel;
use super::recording::{Recording, Step};
use super::routes::{Kind, Routes};
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
    /// `software`: a driver that computes on the CPU (Mesa's lavapipe), for everything that a table of routes does not keep away. For
    /// tests: it is many times slower.
    Software,
    /// `require`: a hardware GPU, for everything that a table of routes does not keep away; without one the program does not start.
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
/// pixels have crossed the bus twice. A cautious guess where nothing was measured ([`Routes`]): thumbnails of photos stay on the CPU.
pub const GPU_RESIZE_PIXELS: u64 = 32 << 20;

/// From so many tasks on that read one source, and from so many pixels of it, coefficients are worth the way where nothing was measured: they cross the
/// bus once, and each task adds no more than its own result.
const RENDITIONS: (u32, u64) = (3, 4 << 20);

/// A software adapter takes some seconds for so many pixels: batches of it are no larger, so that they do not look like a device that hangs.
const SOFTWARE_PIXELS: u64 = 8 << 20;

/// Runs recordings. One per process, shared by all threads.
#[derive(Debug)]
pub struct Processor {
    cpu: CpuLevel,
    policy: GpuPolicy,
    gpu: Option<Gpu>,
    /// What was measured on this machine.
    routes: Option<Routes>,
    /// Recordings that are with the GPU.
    with_gpu: AtomicUsize,
    /// Renditions of coefficients that are with it.
    transforming: AtomicUsize,
    /// Told once where the table is of another GPU.
    told: Once,
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

    /// Whether a resize from so many pixels to so many, of a picture whose coefficients can be had, is best done by the GPU on these; so many tasks read
    /// the picture. Where nobody asked for a GPU, one that is not there costs nothing: coefficients are not read for it.
    pub(crate) fn transforms(&self, from: u64, to: u64, readers: u32) -> Option<Transforms<'_>> {
        // The scalar forms show what the others are measured by.
        let gpu = self.gpu.as_ref().filter(|_| self.cpu > CpuLevel::Scalar)?;
        let (reason, most) = self.pays(gpu, (from, to), readers)?;
        if self.policy == GpuPolicy::Auto && !gpu.is_ready() {
            return None;
        }
        let turn = Turn::take(gpu, &self.transforming, most)?;
        Some(Transforms { turn, reason })
    }

    /// Whether it is sooner done there, why, and how many may be there at once. Thumbnails are not, where anybody chooses: of those the CPU reads the
    /// low coefficients alone.
    fn pays(&self, gpu: &Gpu, (from, to): (u64, u64), readers: u32) -> Option<(String, usize)> {
        let (pixels, is_thumbnail) = (from.max(to), to.saturating_mul(16) <= from);
        if let Some(routes) = self.measured(gpu) {
            let (goes, reason) = routes.route_coefficients(pixels);
            return (goes && !is_thumbnail).then_some((reason, routes.coefficients.in_batch.saturating_mul(IN_FLIGHT)));
        }
        if self.policy != GpuPolicy::Auto {
            return Some((format!("CONVERTFLY_GPU={}", self.policy.as_str()), usize::MAX));
        }
        let reason = if pixels >= GPU_RESIZE_PIXELS {
            format!("a resize of {pixels} pixels")
        } else if readers >= RENDITIONS.0 && from >= RENDITIONS.1 {
            format!("{readers} tasks read these {from} pixels")
        } else {
            return None;
        };
        (!is_thumbnail).then_some((reason, usize::MAX))
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

    /// Where a recording is tried first, and why.
    fn route(&self, recording: &Recording, shape: Shape) -> Result<(Option<Turn<'_>>, String), Failure> {
        let kind = Kind::of(recording, shape)?;
        let Some(gpu) = &self.gpu else { return Ok((None, "CONVERTFLY_GPU=off".to_owned())) };
        let Some((kind, pixels)) = kind else {
            return Ok((None, "no step changes the image".to_owned()));
        };
        if let Some(routes) = self.measured(gpu) {
            let (to_gpu, reason) = routes.route(kind, pixels);
            return Ok(match to_gpu.then(|| Turn::take(gpu, &self.with_gpu, routes.gpu_at_once)) {
                None => (None, reason),
                Some(Some(turn)) => (Some(turn), reason),
                Some(None) => (None, format!("{reason}; it has {} already", routes.gpu_at_once)),
            });
        }
        let resized = resized(recording, shape)?;
        Ok(if self.policy != GpuPolicy::Auto {
            (Turn::take(gpu, &self.with_gpu, usize::MAX), format!("CONVERTFLY_GPU={}", self.policy.as_str()))
        } else if resized >= GPU_RESIZE_PIXELS {
            (Turn::take(gpu, &self.with_gpu, usize::MAX), format!("a resize of {resized} pixels"))
        } else {
            (None, format!("no resize of {GPU_RESIZE_PIXELS} pixels or more"))
        })
    }

    /// The table, unless it turns out to be of another GPU than the one that is open.
    fn measured(&self, gpu: &Gpu) -> Option<&Routes> {
        let routes = self.routes.as_ref()?;
        let is = gpu.name();
        let was = &routes.machine.adapter;
        if is.is_none() || is == *was {
            return Some(routes);
        }
        self.told.call_once(|| {
            tracing::warn!(
                ?was,
                ?is,
                "the table of routes is ignored: it is of another GPU. Make it anew with `convertfly bench calibrate`"
            );
        });
        None
    }
}

/// That the GPU is to make something of coefficients, and why; keeps its place until it is made.
pub(crate) struct Transforms<'a> {
    turn: Turn<'a>,
    reason: String,
}

/// A recording's place among those that are with the GPU.
struct Turn<'a> {
    gpu: &'a Gpu,
    taken: &'a AtomicUsize,
}

impl<'a> Turn<'a> {
    /// A place, unless `most` are taken.
    fn take(gpu: &'a Gpu, taken: &'a AtomicUsize, most: usize) -> Option<Self> {
        // Where there is no place, dropping it gives back what was counted.
        let turn = Self { gpu, taken };
        (taken.fetch_add(1, Ordering::Relaxed) < most).then_some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Source pixels of the largest resize.
fn resized(recording: &Recording, mut shape: Shape) -> Result<u64, Failure> {
    let mut most = 0;
    for step in &recording.steps {
        let kernel = crate::kernels::of(step);
        if matches!(step, Step::Resize { .. }) && !kernel.is_identity(step, shape) {
            most = most.max(shape.pixels());
        }
        shape = kernel.output(step, shape)?;
    }
    Ok(most)
}

/// Whole microseconds of `time`.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Channels, Depth, Filter, routes};

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

    /// A processor with lavapipe, open, and a table that sends resizes to the GPU of that name from 20,000 pixels on.
    fn calibrated(name: Option<&str>) -> Processor {
        let mut processor = Processor::new(CpuLevel::detect(), GpuPolicy::Software).expect("these tests need lavapipe");
        let adapter = processor.gpu_name().expect("it is open");
        processor.routes = Some(routes::tests::table(name.unwrap_or(&adapter), 20_000));
        processor
    }

    fn ran(processor: &Processor, step: Step, shape: Shape) -> Ran {
        let image = Image::zeroed(shape).expect("small");
        let recording = Recording { steps: vec![step], ..Recording::default() };
        processor.run(&recording, image, &Cancel::new()).expect("the step fits").1
    }

    #[test]
    fn a_table_of_this_machine_says_what_goes_to_the_gpu() {
        let processor = calibrated(None);
        for (step, shape, device, part) in [
            (resize(100, 100), grey(200, 100), "gpu:", "resize of 20000 pixels, to the GPU from 20000"),
            (resize(100, 100), grey(199, 100), "cpu:", "resize of 19900 pixels, to the GPU from 20000"),
            (resize(10, 10), grey(200, 100), "cpu:", "thumbnail of 20000 pixels, never to the GPU"),
            (Step::Blur { sigma: 1.0 }, grey(200, 100), "cpu:", "blur of 20000 pixels, never to the GPU"),
        ] {
            let ran = ran(&processor, step, shape);
            assert!(ran.device.starts_with(device) && ran.reason.contains(part), "{step:?}: {ran:?}");
            assert!(ran.reason.starts_with("measured on this machine") && ran.fallbacks.is_empty(), "{step:?}: {ran:?}");
        }
    }

    #[test]
    fn coefficients_go_to_the_gpu_where_it_pays() {
        let takes = |processor: &Processor, from: u64, to: u64, readers: u32| processor.transforms(from, to, readers).is_some();
        let auto = Processor::new(CpuLevel::detect(), GpuPolicy::Auto).expect("auto needs no GPU");
        let gpu = auto.gpu.as_ref().expect("one may be there");
        let pays = |from: u64, to: u64, readers: u32| auto.pays(gpu, (from, to), readers).is_some();
        assert!(pays(GPU_RESIZE_PIXELS, GPU_RESIZE_PIXELS / 4, 1), "a large resize");
        assert!(pays(12 << 20, 3 << 20, 5), "several renditions");
        assert!(!pays(12 << 20, 3 << 20, 1), "a lone one");
        assert!(!pays(12 << 20, 1 << 19, 5), "a thumbnail");
        assert!(!pays(1 << 20, 1 << 19, 5), "small ones");
        assert!(!takes(&auto, 12 << 20, 3 << 20, 5), "not before a device is open: nothing is read for one that is not there");
        for (level, policy) in [(CpuLevel::detect(), GpuPolicy::Off), (CpuLevel::Scalar, GpuPolicy::Software)] {
            let processor = Processor::new(level, policy).expect("these tests need lavapipe");
            assert!(!takes(&processor, 1 << 40, 1 << 39, 9), "{level:?}, {policy:?}");
        }
        // From 40,000 pixels on, four in a batch, of which three are in flight.
        let measured = calibrated(None);
        assert!(takes(&measured, 40_000, 20_000, 1) && takes(&measured, 10, 40_000, 1), "what was measured");
        assert!(
            !takes(&measured, 39_999, 20_000, 5) && !takes(&measured, 40_000, 2_500, 1),
            "and what was found to be too little"
        );
        let taken: Vec<_> = (0..12).map(|_| measured.transforms(40_000, 20_000, 1)).collect();
        assert!(taken.iter().all(Option::is_some) && !takes(&measured, 40_000, 20_000, 1), "no more than it does at once");
        let reason = taken[0].as_ref().map(|turn| turn.reason.clone()).unwrap_or_default();
        assert_eq!(reason, "measured on this machine: coefficients of 40000 pixels, to the GPU from 40000");
        drop(taken);
        assert!(takes(&measured, 40_000, 20_000, 1), "places come back");
    }

    #[test]
    fn no_more_goes_to_the_gpu_at_once_than_the_table_says() {
        let processor = calibrated(None);
        let recording = Recording { steps: vec![resize(100, 100)], ..Recording::default() };
        let route = || processor.route(&recording, grey(200, 100)).expect("the step fits");
        let taken = [route(), route()];
        assert!(taken.iter().all(|(turn, _)| turn.is_some()), "two have a place");
        let (turn, reason) = route();
        assert!(turn.is_none() && reason.ends_with("it has 2 already"), "a third has none: {reason}");
        drop(taken);
        assert!(route().0.is_some(), "places come back");
        assert_eq!(processor.with_gpu.load(Ordering::Relaxed), 0, "all of them");
    }

    #[test]
    fn a_table_of_another_gpu_is_ignored() {
        let ran = ran(&calibrated(Some("another GPU")), resize(10, 10), grey(200, 100));
        assert!(ran.device.starts_with("gpu:") && ran.reason == "CONVERTFLY_GPU=software", "as without a table: {ran:?}");
    }
}
