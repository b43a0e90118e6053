//! Where pixel work goes, and how much of it may be with the GPU at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::gpu::Gpu;
use super::gpu::batch::IN_FLIGHT;
use super::image::Shape;
use super::level::CpuLevel;
use super::policy::GpuPolicy;
use super::processor::Processor;
use super::recording::{Recording, Step};
use super::routes::{Kind, Routes};
use crate::failure::Failure;

/// From so many source pixels on, a resize is worth the way to a hardware GPU and back. Below, one SIMD thread is done before the
/// pixels have crossed the bus twice. A cautious guess where nothing was measured ([`Routes`]): thumbnails of photos stay on the CPU.
pub const GPU_RESIZE_PIXELS: u64 = 32 << 20;

/// From so many tasks on that read one source, and from so many pixels of it, coefficients are worth the way where nothing was measured: they cross the
/// bus once, and each task adds no more than its own result.
const RENDITIONS: (u32, u64) = (3, 4 << 20);

impl Processor {
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

    /// Where a recording is tried first, and why.
    pub(super) fn route(&self, recording: &Recording, shape: Shape) -> Result<(Option<Turn<'_>>, String), Failure> {
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
    pub(super) turn: Turn<'a>,
    pub(super) reason: String,
}

/// A recording's place among those that are with the GPU.
pub(super) struct Turn<'a> {
    pub(super) gpu: &'a Gpu,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Cancel;
    use crate::pixels::{Channels, Depth, Filter, Image, Ran, routes};

    fn grey(width: u32, height: u32) -> Shape {
        Shape { width, height, channels: Channels::Grey, depth: Depth::U8 }
    }

    fn resize(width: u32, height: u32) -> Step {
        Step::Resize { width, height, filter: Filter::Box }
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
