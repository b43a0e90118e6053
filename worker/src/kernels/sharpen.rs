//! Unsharp mask on the luma: `sample + amount * (luma - blurred luma)`, the same for each colour of a pixel, so that its hue stays.
//!
//! Luma is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). It is blurred by a Gaussian with repeated edges, each pixel counting by its
//! alpha. A difference counts by what it has beyond the threshold: that has no step at the threshold, so no contour shows there.
//! Alpha stays.

use super::blur::{bell, blur_axis};
use super::{Kernel, Tolerance, at_level, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::gaussian::direct;
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Bits8, Bits16, Samples, expect_shape};
use crate::pixels::separable;
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Sharpen`].
pub(super) struct Sharpen;

/// Largest deviation: the passes on the GPU sum over the whole Gaussian.
pub(crate) const MAX_SIGMA: f32 = 10.0;

/// The mask, in levels of the samples.
#[derive(Clone, Copy)]
struct Mask {
    amount: f32,
    threshold: f32,
}

impl Mask {
    fn new(amount: f32, threshold: f32, depth: Depth) -> Self {
        let scale = match depth {
            Depth::U8 => 1.0,
            Depth::U16 => 257.0,
        };
        Self { amount, threshold: threshold * scale }
    }

    /// What is added to each colour of a pixel of that luma.
    #[inline(always)]
    fn change(self, luma: f32, blurred: f32) -> f32 {
        let difference = luma - blurred;
        self.amount * (difference.abs() - self.threshold).max(0.0).copysign(difference)
    }
}

impl Kernel for Sharpen {
    fn name(&self) -> &'static str {
        "sharpen"
    }

    fn tolerance(&self, src: Shape) -> Tolerance {
        // Sums in f32, at most ten times amplified: of 16 bits the last one is not certain.
        match src.depth {
            Depth::U8 => Tolerance { simd: 1, gpu: 1 },
            Depth::U16 => Tolerance { simd: 4, gpu: 4 },
        }
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        match *step {
            Step::Sharpen { sigma, amount, threshold }
                if sigma > 0.0 && sigma <= MAX_SIGMA && amount >= 0.0 && amount.is_finite() && threshold >= 0.0 =>
            {
                Ok(src)
            }
            _ => Err(wrong_step(self.name(), step)),
        }
    }

    fn is_identity(&self, step: &Step, _src: Shape) -> bool {
        matches!(*step, Step::Sharpen { amount: 0.0, .. })
    }

    fn cpu(&self, level: CpuLevel, step: &Step, _layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let Step::Sharpen { sigma, amount, threshold } = *step else { return Err(wrong_step(self.name(), step)) };
        if self.is_identity(step, src.shape()) {
            dst.data_mut().copy_from_slice(src.data());
            return Ok(());
        }
        let mask = Mask::new(amount, threshold, src.depth());
        if level == CpuLevel::Scalar {
            by_depth!(src.depth(), S => scalar::<S>(sigma, mask, src, dst));
            return Ok(());
        }
        let (shape, stride, channels) = (src.shape(), src.stride(), src.channels());
        let count = if shape.channels.has_alpha() { 2 } else { 1 };
        let row = |y: usize| &src.data()[y * stride..][..stride];
        let read = |y: usize, line: &mut [f32]| {
            let row = row(y);
            match shape.depth {
                Depth::U8 => at_level!(level, luma8(row: &[u8], line: &mut [f32], channels: Channels)),
                Depth::U16 => at_level!(level, luma16(row: &[u8], line: &mut [f32], channels: Channels)),
            }
        };
        let rows = dst.data_mut();
        let write = |y: usize, line: &mut [f32]| {
            let (row, to, line) = (row(y), &mut rows[y * stride..][..stride], &*line);
            match shape.depth {
                Depth::U8 => at_level!(level, add8(row: &[u8], line: &[f32], to: &mut [u8], channels: Channels, mask: Mask)),
                Depth::U16 => at_level!(level, add16(row: &[u8], line: &[f32], to: &mut [u8], channels: Channels, mask: Mask)),
            }
        };
        separable::blur(level, sigma, (shape.width, shape.height), count, read, write)
    }

    fn gpu(&self, step: &Step, _layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        self.output(step, src)?;
        let Step::Sharpen { sigma, amount, threshold } = *step else { return Err(wrong_step(self.name(), step)) };
        let mask = Mask::new(amount, threshold, src.depth);
        let (down, across) = (direct(src.height, sigma.into()), direct(src.width, sigma.into()));
        let own = |last: bool, positions: u32, window: usize| {
            [last.into(), positions, window as u32, mask.amount.to_bits(), mask.threshold.to_bits(), 0, 0, 0]
        };
        let mut first = Pass::over_pixels(self.name(), src, src, own(false, src.height, down.window)).with_weights(&down);
        // Two samples a word, then luma and, where there is one, alpha, blurred downwards.
        let words =
            if src.channels.has_alpha() { src.channels.count().div_ceil(2) + 2 } else { src.channels.count().div_ceil(2) + 1 };
        first.output_bytes = src.pixels().saturating_mul(words as u64 * 4);
        let last = Pass::over_words(self.name(), src, src, own(true, src.width, across.window)).with_weights(&across);
        Ok(vec![first, last])
    }

    fn reach(&self, step: &Step) -> Option<u32> {
        let Step::Sharpen { sigma, .. } = *step else { return None };
        Some((sigma * 5.0).ceil() as u32 + 1)
    }
}

/// Luma of the samples of a pixel.
#[inline(always)]
fn luma<S: Samples>(pixel: &[u8], colors: usize) -> f32 {
    let sample = |channel| S::get(pixel, channel) as f32;
    if colors == 1 { sample(0) } else { 0.299 * sample(0) + 0.587 * sample(1) + 0.114 * sample(2) }
}

/// Luma of each pixel; with alpha multiplied by it, and alpha beside it. `BYTES` of a pixel.
#[inline(always)]
fn read_luma<S: Samples, const COLORS: usize, const ALPHA: bool, const BYTES: usize>(row: &[u8], line: &mut [f32]) {
    let (pixels, _) = row.as_chunks::<BYTES>();
    if !ALPHA {
        line.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = luma::<S>(pixel, COLORS));
        return;
    }
    for (values, pixel) in line.as_chunks_mut::<2>().0.iter_mut().zip(pixels) {
        let alpha = S::get(pixel, COLORS) as f32;
        *values = [luma::<S>(pixel, COLORS) * (alpha * (1.0 / S::MAX as f32)), alpha];
    }
}

/// Adds what the mask tells from the blurred `line`.
#[inline(always)]
fn add<S: Samples, const COLORS: usize, const ALPHA: bool, const BYTES: usize>(
    row: &[u8],
    line: &[f32],
    to: &mut [u8],
    mask: Mask,
) {
    let max = S::MAX as f32;
    let (pairs, _) = line.as_chunks::<2>();
    for (index, (from, to)) in row.as_chunks::<BYTES>().0.iter().zip(to.as_chunks_mut::<BYTES>().0).enumerate() {
        let blurred = if ALPHA {
            let [luma, alpha] = pairs[index];
            // Without any alpha around there is nothing to see.
            if alpha > 0.0 { luma / alpha * max } else { 0.0 }
        } else {
            line[index]
        };
        let change = mask.change(luma::<S>(from, COLORS), blurred);
        *to = *from;
        for channel in 0..COLORS {
            S::set(to, channel, ((S::get(from, channel) as f32 + change).clamp(0.0, max) + 0.5) as u32);
        }
    }
}

#[inline(always)]
fn luma8(row: &[u8], line: &mut [f32], channels: Channels) {
    match channels {
        Channels::Grey => read_luma::<Bits8, 1, false, 1>(row, line),
        Channels::GreyAlpha => read_luma::<Bits8, 1, true, 2>(row, line),
        Channels::Rgb => read_luma::<Bits8, 3, false, 3>(row, line),
        Channels::Rgba => read_luma::<Bits8, 3, true, 4>(row, line),
    }
}

#[inline(always)]
fn luma16(row: &[u8], line: &mut [f32], channels: Channels) {
    match channels {
        Channels::Grey => read_luma::<Bits16, 1, false, 2>(row, line),
        Channels::GreyAlpha => read_luma::<Bits16, 1, true, 4>(row, line),
        Channels::Rgb => read_luma::<Bits16, 3, false, 6>(row, line),
        Channels::Rgba => read_luma::<Bits16, 3, true, 8>(row, line),
    }
}

#[inline(always)]
fn add8(row: &[u8], line: &[f32], to: &mut [u8], channels: Channels, mask: Mask) {
    match channels {
        Channels::Grey => add::<Bits8, 1, false, 1>(row, line, to, mask),
        Channels::GreyAlpha => add::<Bits8, 1, true, 2>(row, line, to, mask),
        Channels::Rgb => add::<Bits8, 3, false, 3>(row, line, to, mask),
        Channels::Rgba => add::<Bits8, 3, true, 4>(row, line, to, mask),
    }
}

#[inline(always)]
fn add16(row: &[u8], line: &[f32], to: &mut [u8], channels: Channels, mask: Mask) {
    match channels {
        Channels::Grey => add::<Bits16, 1, false, 2>(row, line, to, mask),
        Channels::GreyAlpha => add::<Bits16, 1, true, 4>(row, line, to, mask),
        Channels::Rgb => add::<Bits16, 3, false, 6>(row, line, to, mask),
        Channels::Rgba => add::<Bits16, 3, true, 8>(row, line, to, mask),
    }
}

fn scalar<S: Samples>(sigma: f32, mask: Mask, src: &Image, dst: &mut Image) {
    let (count, alpha) = (src.channels().count(), src.channels().has_alpha());
    let (max, size) = (f64::from(S::MAX), (src.width() as usize, src.height() as usize));
    let sample = |pixel: usize, channel: usize| f64::from(S::get(src.data(), pixel * count + channel));
    let luma = |pixel: usize| match src.channels() {
        Channels::Grey | Channels::GreyAlpha => sample(pixel, 0),
        Channels::Rgb | Channels::Rgba => 0.299 * sample(pixel, 0) + 0.587 * sample(pixel, 1) + 0.114 * sample(pixel, 2),
    };
    let coverage = |pixel: usize| if alpha { sample(pixel, count - 1) / max } else { 1.0 };
    let seen: Vec<f64> = (0..size.0 * size.1).flat_map(|pixel| [luma(pixel) * coverage(pixel), coverage(pixel)]).collect();
    let bell = bell(sigma);
    let blurred = blur_axis(&blur_axis(&seen, 2, size, true, &bell), 2, size, false, &bell);
    let out = dst.data_mut();
    out.copy_from_slice(src.data());
    for (pixel, around) in blurred.chunks_exact(2).enumerate() {
        let surroundings = if around[1] > 0.0 { around[0] / around[1] } else { 0.0 };
        let difference = luma(pixel) - surroundings;
        let beyond = (difference.abs() - f64::from(mask.threshold)).max(0.0).copysign(difference);
        for channel in 0..count - usize::from(alpha) {
            let value = (sample(pixel, channel) + f64::from(mask.amount) * beyond).clamp(0.0, max);
            S::set(out, pixel * count + channel, (value + 0.5).floor() as u32);
        }
    }
}
