//! The twin test: every kernel, in every form that this machine can run, against its scalar form.
//!
//! `CONVERTFLY_GPU=require` runs the GPU part on the hardware adapter in place of lavapipe.

use std::sync::{Mutex, OnceLock};

use proptest::prelude::*;

use super::*;
use crate::formats::Cancel;
use crate::kernels;
use crate::pixels::samples::{Bits8, Bits16, Samples};

const CHANNELS: [Channels; 4] = [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba];
const DEPTHS: [Depth; 2] = [Depth::U8, Depth::U16];
const ORIENTATIONS: [Orientation; 7] = [
    Orientation::FlipHorizontal,
    Orientation::Rotate180,
    Orientation::FlipVertical,
    Orientation::Transpose,
    Orientation::Rotate90,
    Orientation::Transverse,
    Orientation::Rotate270,
];
/// One pixel; odd sides; narrow; tall; more pixels and more rows than a workgroup has invocations.
const SIZES: [(u32, u32); 6] = [(1, 1), (3, 2), (17, 13), (1, 70), (301, 2), (67, 41)];

fn gpu_policy() -> GpuPolicy {
    match GpuPolicy::from_env().expect("CONVERTFLY_GPU is understood") {
        GpuPolicy::Require => GpuPolicy::Require,
        _ => GpuPolicy::Software,
    }
}

/// The one software GPU of all tests of this process.
pub(super) fn gpu() -> &'static Processor {
    static GPU: OnceLock<Processor> = OnceLock::new();
    GPU.get_or_init(|| {
        let policy = gpu_policy();
        // Not to be skipped: without an adapter these tests prove nothing.
        Processor::new(CpuLevel::Scalar, policy).unwrap_or_else(|failure| panic!("these tests need a Vulkan adapter: {failure}"))
    })
}

fn sample(image: &Image, index: usize) -> u32 {
    match image.depth() {
        Depth::U8 => Bits8::get(image.data(), index),
        Depth::U16 => Bits16::get(image.data(), index),
    }
}

fn set_sample(image: &mut Image, index: usize, value: u32) {
    match image.depth() {
        Depth::U8 => Bits8::set(image.data_mut(), index, value),
        Depth::U16 => Bits16::set(image.data_mut(), index, value),
    }
}

fn max_value(depth: Depth) -> u32 {
    if depth == Depth::U8 { 0xff } else { 0xffff }
}

/// An image with smooth parts, noise, hard edges, and every kind of alpha, the same for the same seed.
pub(super) fn picture(shape: Shape, seed: u32) -> Image {
    let mut image = Image::zeroed(shape).expect("small images fit");
    let (count, max) = (shape.channels.count(), max_value(shape.depth));
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut random = || {
        // xorshift32, G. Marsaglia 2003.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    for index in 0..shape.samples().expect("small images fit") {
        let pixel = (index / count) as u32;
        let (x, y) = (pixel % shape.width, pixel / shape.width);
        let value = match (x / 5 + y / 3) % 4 {
            0 => (x * 7 + y * 3) % (max + 1),
            1 => random() % (max + 1),
            2 => [0, max][(random() % 2) as usize],
            _ => [0, 1, 2, max / 2, max - 1, max][(random() % 6) as usize],
        };
        set_sample(&mut image, index, value);
    }
    image
}

/// The worst difference between two images, colour multiplied by alpha, and where it is.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) levels: f64,
    x: usize,
    y: usize,
    channel: usize,
    expected: u32,
    found: u32,
}

/// `Err` with the worst difference where it is more than `tolerance` levels; `Ok` with how much it is.
pub(super) fn compare(expected: &Image, found: &Image, tolerance: u32) -> Result<f64, Difference> {
    assert_eq!(expected.shape(), found.shape(), "both have one shape");
    let (count, max) = (expected.channels().count(), f64::from(max_value(expected.depth())));
    let shown = |image: &Image, index: usize| {
        let value = f64::from(sample(image, index));
        let is_color = image.channels().has_alpha() && index % count != count - 1;
        if is_color { value * f64::from(sample(image, index / count * count + count - 1)) / max } else { value }
    };
    let mut worst = Difference { levels: 0.0, x: 0, y: 0, channel: 0, expected: 0, found: 0 };
    for index in 0..expected.shape().samples().expect("small images fit") {
        let levels = (shown(expected, index) - shown(found, index)).abs();
        if levels > worst.levels {
            let (x, y) = (index / count % expected.width() as usize, index / count / expected.width() as usize);
            let (expected, found) = (sample(expected, index), sample(found, index));
            worst = Difference { levels, x, y, channel: index % count, expected, found };
        }
    }
    // The product of two rounded numbers is not whole; a thousandth of a level is rounding of this comparison.
    if worst.levels > f64::from(tolerance) + 1e-3 { Err(worst) } else { Ok(worst.levels) }
}

/// Steps to try on an image of that size: parameters at and between their limits.
pub(super) fn steps(width: u32, height: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for filter in [Filter::Lanczos3, Filter::Box] {
        for (width, height) in [
            (1, 1),
            (width * 2 + 1, height),
            (width, height / 2 + 1),
            (width / 3 + 1, height / 3 + 1),
            (width + 3, height * 3),
            (7, 90),
        ] {
            steps.push(Step::Resize { width, height, filter });
        }
    }
    // Both sides of where the tables become two, and wider than the image.
    steps.extend([0.3, 1.1, 3.63, 3.64, 7.2, 100.0].map(|sigma| Step::Blur { sigma }));
    for (sigma, amount, threshold) in [(0.3, 1.0, 0.0), (1.0, 5.0, 3.5), (3.7, 0.4, 0.0), (10.0, 10.0, 20.0)] {
        steps.push(Step::Sharpen { sigma, amount, threshold });
    }
    steps.extend(ORIENTATIONS.map(|orientation| Step::Orient { orientation }));
    steps.push(Step::Crop { x: width / 2, y: height / 2, width: width - width / 2, height: height - height / 2 });
    steps.push(Step::Crop { x: 0, y: height - 1, width, height: 1 });
    steps.push(Step::Crop { x: width / 3, y: 0, width: 1, height });
    steps.push(Step::Pad { x: 3, y: 1, width: width + 4, height: height + 7, color: [12, 200, 255, 77] });
    steps.push(Step::Pad { x: 0, y: 0, width: width + 1, height, color: [0, 0, 0, 0] });
    for depth in DEPTHS {
        steps.extend(CURVES.map(|curve| Step::Curve { curve, depth }));
    }
    // One that stays in range, one that leaves it at both ends.
    for matrix in [[0.8, 0.15, 0.05, 0.1, 0.85, 0.05, 0.0, 0.1, 0.9], [1.7, -0.6, -0.1, -0.1, 1.2, -0.1, 0.0, -0.2, 1.2]] {
        steps.extend([4, 5].map(|out| Step::Matrix { curves: 3, matrix, out }));
    }
    steps.extend([6, 7].map(|table| Step::Lut { curves: 3, table }));
    steps.push(Step::Flatten { color: [255, 255, 255] });
    steps.push(Step::Flatten { color: [3, 130, 64] });
    for (layer, x, y) in [(0, 0, 0), (1, -2, 3), (2, width as i32 - 2, -1), (0, width as i32 + 9, 0)] {
        for below in [false, true] {
            steps.push(Step::Overlay { layer, x, y, opacity: 255, every: None, below });
            steps.push(Step::Overlay { layer, x, y, opacity: 99, every: Some((7, 6)), below });
        }
    }
    for channels in CHANNELS {
        steps.extend(DEPTHS.map(|depth| Step::Convert { channels, depth }));
    }
    steps
}

/// Layers of each kind for steps that read one: pictures, then curves ([`CURVES`]), then tables of colours.
pub(super) fn layers() -> Vec<Layer> {
    static LAYERS: OnceLock<Vec<Layer>> = OnceLock::new();
    let made = LAYERS.get_or_init(|| {
        let shape = |width, height, channels, depth| Shape { width, height, channels, depth };
        let shapes = [
            shape(7, 5, Channels::Rgba, Depth::U8),
            shape(3, 6, Channels::Grey, Depth::U16),
            shape(5, 4, Channels::GreyAlpha, Depth::U16),
            shape(18, 1, Channels::Rgb, Depth::U16),
            shape(4, 2, Channels::Rgb, Depth::U16),
            shape(17 * 17, 17, Channels::Rgb, Depth::U16),
        ];
        let mut layers: Vec<_> = shapes.into_iter().zip(70..).map(|(shape, seed)| Layer::new(picture(shape, seed))).collect();
        layers.splice(4..4, [transfer::to_linear(), transfer::to_srgb()].map(|curve| curve.expect("a curve")));
        layers
    });
    made.clone()
}

/// Which of the layers are curves: one for each channel, then two for all.
const CURVES: std::ops::Range<u32> = 3..6;

fn run_on(processor: &Processor, step: Step, image: &Image) -> (Image, Ran) {
    let recording = Recording { steps: vec![step], layers: layers() };
    processor.run(&recording, image.clone(), &Cancel::new()).unwrap_or_else(|failure| panic!("{step:?}: {failure}"))
}

/// One backend against the scalar form.
struct Walk<'a> {
    processor: &'a Processor,
    /// What its device is called, or begins with.
    device: String,
    /// How far it may be.
    tolerance: fn(kernels::Tolerance) -> u32,
}

impl Walk<'_> {
    /// Every step of `kernel` on every kind of image: each result has to be as close to the scalar one as the kernel says, and to
    /// come from the device. Gives the worst difference.
    fn kernel(&self, kernel: &dyn kernels::Kernel) -> Result<f64, String> {
        let scalar = &processors()[0];
        let (mut worst, mut runs) = (0.0f64, 0);
        for (seed, (width, height)) in SIZES.into_iter().enumerate() {
            for (channels, depth) in CHANNELS.into_iter().flat_map(|channels| DEPTHS.map(|depth| (channels, depth))) {
                let shape = Shape { width, height, channels, depth };
                let image = picture(shape, seed as u32 + 1);
                for step in steps(width, height) {
                    // Tables of colours are for colours.
                    let unfit = matches!(step, Step::Lut { .. } | Step::Matrix { .. }) && channels.count() < 3;
                    if kernels::of(&step).name() != kernel.name() || unfit || kernel.is_identity(&step, shape) {
                        continue;
                    }
                    let (expected, ran) = run_on(scalar, step, &image);
                    assert_eq!(ran.device, "cpu:scalar", "the reference is the scalar form");
                    let (found, ran) = run_on(self.processor, step, &image);
                    if !ran.device.starts_with(&self.device) || !ran.fallbacks.is_empty() {
                        return Err(format!("{step:?} on {shape:?} was to run on {}: {ran:?}", self.device));
                    }
                    let difference = compare(&expected, &found, (self.tolerance)(kernel.tolerance(shape)))
                        .map_err(|difference| format!("{step:?} on {shape:?} by {}: {difference:?}", self.device))?;
                    worst = worst.max(difference);
                    runs += 1;
                }
            }
        }
        assert!(runs > 0, "the kernel {} was never run: give it a step in `steps`", kernel.name());
        println!("{} {}: at most {worst:.2} levels from scalar in {runs} runs", self.device, kernel.name());
        Ok(worst)
    }

    /// Every kernel; gives the worst difference of each.
    fn all(&self) -> Vec<(&'static str, f64)> {
        let kernel = |kernel: &&'static dyn kernels::Kernel| {
            (kernel.name(), self.kernel(*kernel).unwrap_or_else(|fault| panic!("{fault}")))
        };
        kernels::KERNELS.iter().map(kernel).collect()
    }

    /// Every kernel has to be found wrong on a processor with a fault.
    fn none(&self) {
        for kernel in kernels::KERNELS {
            let found = self.kernel(*kernel);
            assert!(found.is_err(), "a planted fault of {} on {} was not found: {found:?}", kernel.name(), self.device);
        }
    }
}

fn walk_cpu(level: CpuLevel, processor: &Processor) -> Walk<'_> {
    Walk { processor, device: format!("cpu:{}", level.as_str()), tolerance: |tolerance| tolerance.simd }
}

fn walk_gpu(processor: &Processor) -> Walk<'_> {
    Walk { processor, device: "gpu:".to_owned(), tolerance: |tolerance| tolerance.gpu }
}

/// The levels above scalar that this machine has.
fn levels() -> impl Iterator<Item = CpuLevel> {
    CpuLevel::ALL.into_iter().skip(1).filter(|level| {
        let there = level.usable() == *level;
        if !there {
            println!("not on this machine: {}", level.as_str());
        }
        there
    })
}

#[test]
fn a_fault_planted_in_any_backend_is_found_in_every_kernel() {
    for level in levels() {
        let processor = Processor::new(level, GpuPolicy::Off).expect("the CPU is always there");
        processor.planted.store(true, std::sync::atomic::Ordering::SeqCst);
        walk_cpu(level, &processor).none();
    }
    // One of its own: the other tests share the one without a fault.
    let processor = Processor::new(CpuLevel::Scalar, gpu_policy()).expect("there is an adapter");
    processor.planted.store(true, std::sync::atomic::Ordering::SeqCst);
    walk_gpu(&processor).none();
}

#[test]
fn simd_gives_what_scalar_gives_at_every_level_of_this_machine() {
    for level in levels() {
        let processor = Processor::new(level, GpuPolicy::Off).expect("the CPU is always there");
        let worst = walk_cpu(level, &processor).all();
        let resize = worst.iter().find(|(name, _)| *name == "resize").expect("resize is a kernel").1;
        assert!(resize > 0.0, "SIMD resize rounds in between; the same samples everywhere mean that it did not run");
    }
}

#[test]
fn the_gpu_gives_what_scalar_gives() {
    walk_gpu(gpu()).all();
}

#[test]
fn a_recording_of_many_steps_stays_on_the_gpu() {
    let shape = Shape { width: 61, height: 37, channels: Channels::Rgba, depth: Depth::U8 };
    let steps = vec![
        Step::Orient { orientation: Orientation::Rotate90 },
        Step::Convert { channels: Channels::Rgba, depth: Depth::U16 },
        Step::Resize { width: 20, height: 33, filter: Filter::Box },
        Step::Crop { x: 1, y: 2, width: 17, height: 30 },
        Step::Flatten { color: [9, 99, 199] },
        Step::Pad { x: 2, y: 0, width: 23, height: 31, color: [1, 2, 3, 4] },
        Step::Convert { channels: Channels::Rgb, depth: Depth::U8 },
    ];
    let recording = Recording { steps, ..Recording::default() };
    let image = picture(shape, 5);
    let cpu = Processor::new(CpuLevel::Scalar, GpuPolicy::Off).expect("the CPU is always there");
    let (expected, _) = cpu.run(&recording, image.clone(), &Cancel::new()).expect("the steps fit");
    let (found, ran) = gpu().run(&recording, image, &Cancel::new()).expect("the steps fit");
    assert!(ran.device.starts_with("gpu:") && ran.fallbacks.is_empty(), "all of it ran on the GPU: {ran:?}");
    // Two levels of 16 bits before the last conversion are at most one of 8 after it.
    compare(&expected, &found, 1).unwrap_or_else(|difference| panic!("{difference:?}"));
}

#[test]
fn the_comparison_reports_a_single_sample_beyond_the_tolerance() {
    for (channels, depth) in CHANNELS.into_iter().flat_map(|channels| DEPTHS.map(|depth| (channels, depth))) {
        let shape = Shape { width: 9, height: 7, channels, depth };
        let mut image = picture(shape, 3);
        let (count, max) = (channels.count(), max_value(depth));
        let pixel = 4 * 9 + 5;
        if channels.has_alpha() {
            set_sample(&mut image, pixel * count + count - 1, max);
        }
        set_sample(&mut image, pixel * count, 100);
        let mut planted = image.clone();
        set_sample(&mut planted, pixel * count, 103);
        assert_eq!(compare(&image, &image, 0), Ok(0.0), "an image is itself");
        assert_eq!(compare(&image, &planted, 3), Ok(3.0), "three levels are within three");
        let difference = compare(&image, &planted, 2).expect_err("three levels are not within two");
        let expected = Difference { levels: 3.0, x: 5, y: 4, channel: 0, expected: 100, found: 103 };
        assert_eq!(difference, expected, "the place and the size of the fault are told");
    }
}

/// Every processor that this machine can have, made once.
fn processors() -> &'static [Processor] {
    static CPUS: OnceLock<Vec<Processor>> = OnceLock::new();
    CPUS.get_or_init(|| {
        let levels = CpuLevel::ALL.into_iter().filter(|level| level.usable() == *level);
        levels.map(|level| Processor::new(level, GpuPolicy::Off).expect("the CPU is always there")).collect()
    })
}

fn everywhere() -> impl Iterator<Item = &'static Processor> {
    processors().iter().chain([gpu()])
}

fn shapes() -> impl Strategy<Value = Shape> {
    let layout = (prop::sample::select(CHANNELS.to_vec()), prop::sample::select(DEPTHS.to_vec()));
    (1u32..80, 1u32..80, layout).prop_map(|(width, height, (channels, depth))| Shape { width, height, channels, depth })
}

fn filters() -> impl Strategy<Value = Filter> {
    prop::sample::select(vec![Filter::Lanczos3, Filter::Box])
}

/// Failing cases are not written to files: they are printed whole, and seeds of proptest do not survive its updates.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn resizing_to_the_same_size_changes_nothing(shape in shapes(), seed: u32, filter in filters()) {
        let image = picture(shape, seed);
        for processor in everywhere() {
            let (found, _) = run_on(processor, Step::Resize { width: shape.width, height: shape.height, filter }, &image);
            prop_assert_eq!(&found, &image, "{:?}", processor);
        }
    }

    #[test]
    fn an_image_of_one_color_stays_of_that_color(
        shape in shapes(), color: [u8; 3], target in (1u32..120, 1u32..120), filter in filters(), orientation in prop::sample::select(ORIENTATIONS.to_vec()),
    ) {
        // Opaque, so that flattening and padding have one answer too. Grey images take a grey colour.
        let color = if shape.channels.count() <= 2 { [color[0]; 3] } else { color };
        let one = Image::zeroed(Shape { width: 1, height: 1, ..shape }).expect("one pixel fits");
        let [r, g, b] = color;
        let canvas = |width, height| Step::Pad { x: 0, y: 0, width, height, color: [r, g, b, 255] };
        let cpu = &processors()[0];
        let fill = |shape: Shape| {
            let mut one = one.clone();
            for index in 0..shape.channels.count() {
                let wide = if shape.channels.count() <= 2 { [r, 255, 0, 0] } else { [r, g, b, 255] }[index];
                set_sample(&mut one, index, u32::from(wide) * (max_value(shape.depth) / 255));
            }
            run_on(cpu, canvas(shape.width, shape.height), &one).0
        };
        let image = fill(shape);
        let steps = [
            (Step::Resize { width: target.0, height: target.1, filter }, Shape { width: target.0, height: target.1, ..shape }),
            (canvas(shape.width + 3, shape.height + 2), Shape { width: shape.width + 3, height: shape.height + 2, ..shape }),
            (Step::Crop { x: shape.width - 1, y: 0, width: 1, height: shape.height }, Shape { width: 1, ..shape }),
        ];
        for processor in everywhere() {
            for (step, expected) in steps {
                prop_assert_eq!(&run_on(processor, step, &image).0, &fill(expected), "{:?} {:?}", processor, step);
            }
            let turned = run_on(processor, Step::Orient { orientation }, &image).0;
            prop_assert_eq!(&turned, &fill(turned.shape()), "{:?}", processor);
            let flat = run_on(processor, Step::Flatten { color }, &image).0;
            let opaque = Step::Convert { channels: shape.channels, depth: shape.depth };
            prop_assert_eq!(&run_on(processor, opaque, &flat).0, &image, "{:?}: flattened and made opaque again", processor);
        }
    }

    #[test]
    fn four_quarter_turns_are_none(shape in shapes(), seed: u32) {
        let image = picture(shape, seed);
        let turn = Step::Orient { orientation: Orientation::Rotate90 };
        for processor in everywhere() {
            let recording = Recording { steps: vec![turn; 4], ..Recording::default() };
            let (found, _) = processor.run(&recording, image.clone(), &Cancel::new()).expect("turning always fits");
            prop_assert_eq!(&found, &image, "{:?}", processor);
        }
    }

    #[test]
    fn color_hidden_under_full_transparency_never_shows(
        width in 1u32..60, height in 1u32..60, grey: bool, deep: bool, seed: u32, target in (1u32..60, 1u32..60), filter in filters(),
    ) {
        let channels = if grey { Channels::GreyAlpha } else { Channels::Rgba };
        let shape = Shape { width, height, channels, depth: if deep { Depth::U16 } else { Depth::U8 } };
        prop_assume!(target != (width, height));
        let mut hidden = picture(shape, seed);
        let mut bare = hidden.clone();
        let count = channels.count();
        for pixel in 0..(width * height) as usize {
            if (pixel as u32).wrapping_mul(seed | 1).is_multiple_of(3) {
                for image in [&mut hidden, &mut bare] {
                    set_sample(image, pixel * count + count - 1, 0);
                }
                (0..count - 1).for_each(|channel| set_sample(&mut bare, pixel * count + channel, 0));
            }
        }
        let step = Step::Resize { width: target.0, height: target.1, filter };
        for processor in everywhere() {
            prop_assert_eq!(run_on(processor, step, &hidden).0, run_on(processor, step, &bare).0, "{:?}", processor);
        }
    }
}

#[test]
fn same_size_through_the_passes_themselves_changes_nothing() {
    // `Processor` skips a resize to the same size; here the passes run all the same.
    for (channels, depth) in [(Channels::Grey, Depth::U8), (Channels::Rgb, Depth::U8), (Channels::Rgb, Depth::U16)] {
        let shape = Shape { width: 23, height: 11, channels, depth };
        let image = picture(shape, 8);
        for filter in [Filter::Lanczos3, Filter::Box] {
            let step = Step::Resize { width: 23, height: 11, filter };
            let passes = kernels::of(&step).gpu(&step, &[], shape).expect("the step fits");
            let found = gpu().run_passes(passes, shape, &image);
            assert_eq!(found, image, "{filter:?} {channels:?} {depth:?}");
        }
    }
}

#[test]
fn many_threads_share_one_processor() {
    let shape = Shape { width: 40, height: 30, channels: Channels::Rgba, depth: Depth::U8 };
    let step = Step::Resize { width: 13, height: 17, filter: Filter::Lanczos3 };
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let faults = &faults;
            scope.spawn(move || {
                let image = picture(shape, seed);
                let expected = run_on(&processors()[0], step, &image).0;
                for _ in 0..10 {
                    let (found, ran) = run_on(gpu(), step, &image);
                    if compare(&expected, &found, 1).is_err() || !ran.fallbacks.is_empty() {
                        faults.lock().expect("no panic holds it").push(ran);
                    }
                }
            });
        }
    });
    assert_eq!(faults.into_inner().expect("no panic held it"), [], "every thread got its own result, from the GPU");
}
