//! Resamples, one axis after the other, alpha premultiplied meanwhile.
//!
//! The rules that every form keeps:
//! - Weights are those of [`Weights`]: the filter is stretched when shrinking, edges renormalise.
//! - The axis that leaves the smaller intermediate image goes first, so that its size never exceeds the geometric mean of both
//!   images; the vertical one where both are equal.
//! - Intermediate samples are clamped to the range of the sample. Rounding is to the nearest, halves up.
//! - Colour is multiplied by alpha before and divided by it after. Where alpha rounds to 0 every sample is 0, so colour hidden
//!   under full transparency never shows.
//!
//! The scalar form computes with `f32` samples and `f64` sums. The SIMD form is `fast_image_resize`, which rounds premultiplied and
//! intermediate samples to whole ones; it computes the same weights itself.

use std::ops::Range;

use fast_image_resize::images::{Image as FirImage, ImageRef};
use fast_image_resize::{CpuExtensions, FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::{Kernel, Tolerance, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::{Band, Pass};
use crate::pixels::samples::{Samples, expect_shape};
use crate::pixels::weights::Weights;
use crate::pixels::{Channels, CpuLevel, Depth, Filter, Image, Layer, Shape, Step};

/// See [`Step::Resize`].
pub(super) struct Resize;

/// The image between both passes.
fn intermediate(src: Shape, dst: Shape) -> (Shape, bool) {
    let (tall, wide) = (u64::from(src.width) * u64::from(dst.height), u64::from(dst.width) * u64::from(src.height));
    let vertical_first = tall <= wide;
    let (width, height) = if vertical_first { (src.width, dst.height) } else { (dst.width, src.height) };
    (Shape { width, height, ..src }, vertical_first)
}

impl Kernel for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn tolerance(&self, src: Shape) -> Tolerance {
        // SIMD rounds to whole samples between the passes (half a level, grown by the negative lobes of the second pass), and
        // again at the end; with alpha also before the first pass and after the division.
        // The GPU sums in f32: on the border between two levels it may fall to the other side, in 16 bits to the second next.
        Tolerance {
            simd: if src.channels.has_alpha() { 3 } else { 2 },
            gpu: match src.depth {
                Depth::U8 => 1,
                Depth::U16 => 2,
            },
        }
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        match *step {
            Step::Resize { width, height, .. } if width > 0 && height > 0 => Ok(Shape { width, height, ..src }),
            _ => Err(wrong_step(self.name(), step)),
        }
    }

    fn is_identity(&self, step: &Step, src: Shape) -> bool {
        matches!(*step, Step::Resize { width, height, .. } if width == src.width && height == src.height)
    }

    fn cpu(&self, level: CpuLevel, step: &Step, _layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let Step::Resize { filter, .. } = *step else { return Err(wrong_step(self.name(), step)) };
        if self.is_identity(step, src.shape()) {
            dst.data_mut().copy_from_slice(src.data());
            return Ok(());
        }
        if level > CpuLevel::Scalar && simd(level, filter, src, dst)? {
            return Ok(());
        }
        by_depth!(src.depth(), S => scalar::<S>(filter, src, dst))
    }

    fn gpu(&self, step: &Step, _layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let dst = self.output(step, src)?;
        let Step::Resize { filter, .. } = *step else { return Err(wrong_step(self.name(), step)) };
        let (_, vertical_first) = intermediate(src, dst);
        let (across, down) = (Weights::new(src.width, dst.width, filter), Weights::new(src.height, dst.height, filter));
        Ok(self.passes(src, dst, vertical_first, &across, &down))
    }

    fn band(&self, step: &Step, _layers: &[Layer], src: Shape, rows: Range<u32>) -> Result<Option<Band>, Failure> {
        let whole = self.output(step, src)?;
        let Step::Resize { filter, .. } = *step else { return Err(wrong_step(self.name(), step)) };
        // The axes go in the order of the whole image, so that bands give the same samples.
        let (_, vertical_first) = intermediate(src, whole);
        let across = Weights::new(src.width, whole.width, filter);
        let made = Shape { height: rows.end - rows.start, ..whole };
        let (rows, down) = Weights::new(src.height, whole.height, filter).part(rows);
        let part = Shape { height: rows.end - rows.start, ..src };
        let passes = self.passes(part, made, vertical_first, &across, &down);
        Ok(Some(Band { columns: 0..src.width, rows, passes, made, skip: 0 }))
    }
}

impl Resize {
    /// Both passes over `src`.
    fn passes(&self, src: Shape, dst: Shape, vertical_first: bool, across: &Weights, down: &Weights) -> Vec<Pass> {
        let (first, second) = if vertical_first { (down, across) } else { (across, down) };
        let (width, height) = if vertical_first { (src.width, dst.height) } else { (dst.width, src.height) };
        let between = Shape { width, height, ..src };
        let own = |vertical: bool, last: bool, weights: &Weights| {
            [u32::from(vertical), u32::from(last), weights.starts.len() as u32, weights.window as u32, u32::from(last), 0, 0, 0]
        };
        vec![
            Pass::over_pixels(self.name(), src, between, own(vertical_first, false, first)).with_weights(first),
            Pass::over_words(self.name(), between, dst, own(!vertical_first, true, second)).with_weights(second),
        ]
    }
}

/// Samples of `f32` and their layout.
struct Plane {
    width: usize,
    height: usize,
    count: usize,
    samples: Vec<f32>,
}

impl Plane {
    fn new(width: usize, height: usize, count: usize) -> Result<Self, Failure> {
        let mut samples = Vec::new();
        let length = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(count));
        length.and_then(|length| samples.try_reserve_exact(length).ok().map(|()| length)).map_or_else(
            || {
                Err(Failure::too_large(format!(
                    "The resize needs an intermediate image of {width}x{height} pixels, more than the memory of a task. Ask for \
                     a smaller width or height"
                )))
            },
            |length| {
                samples.resize(length, 0.0);
                Ok(Self { width, height, count, samples })
            },
        )
    }

    /// Resamples one axis and clamps to `0..=max`.
    fn resample(&self, weights: &Weights, vertical: bool, max: f32) -> Result<Self, Failure> {
        let positions = weights.starts.len();
        let (width, height) = if vertical { (self.width, positions) } else { (positions, self.height) };
        let mut made = Self::new(width, height, self.count)?;
        let step = self.count * if vertical { self.width } else { 1 };
        for y in 0..height {
            for x in 0..width {
                let (start, values) = weights.at(if vertical { y } else { x });
                let from = if vertical { (start * self.width + x) * self.count } else { (y * self.width + start) * self.count };
                for channel in 0..self.count {
                    let sum: f64 = values
                        .iter()
                        .enumerate()
                        .map(|(tap, weight)| f64::from(*weight) * f64::from(self.samples[from + tap * step + channel]))
                        .sum();
                    made.samples[(y * width + x) * self.count + channel] = (sum as f32).clamp(0.0, max);
                }
            }
        }
        Ok(made)
    }
}

fn scalar<S: Samples>(filter: Filter, src: &Image, dst: &mut Image) -> Result<(), Failure> {
    let (count, alpha) = (src.channels().count(), src.channels().has_alpha());
    let max = S::MAX as f32;
    let mut plane = Plane::new(src.width() as usize, src.height() as usize, count)?;
    for (pixel, samples) in plane.samples.chunks_exact_mut(count).enumerate() {
        for (channel, sample) in samples.iter_mut().enumerate() {
            *sample = S::get(src.data(), pixel * count + channel) as f32;
        }
        if alpha {
            let coverage = samples[count - 1] / max;
            samples[..count - 1].iter_mut().for_each(|sample| *sample *= coverage);
        }
    }
    let across = Weights::new(src.width(), dst.width(), filter);
    let down = Weights::new(src.height(), dst.height(), filter);
    let (_, vertical_first) = intermediate(src.shape(), dst.shape());
    let plane = if vertical_first {
        plane.resample(&down, true, max)?.resample(&across, false, max)?
    } else {
        plane.resample(&across, false, max)?.resample(&down, true, max)?
    };
    let out = dst.data_mut();
    for (pixel, samples) in plane.samples.chunks_exact(count).enumerate() {
        let coverage = samples[count - 1];
        for (channel, sample) in samples.iter().enumerate() {
            let value = if !alpha || channel == count - 1 {
                *sample
            } else if (coverage + 0.5).floor() < 1.0 {
                0.0
            } else {
                (sample / coverage * max).min(max)
            };
            S::set(out, pixel * count + channel, (value + 0.5).floor() as u32);
        }
    }
    Ok(())
}

/// Runs `fast_image_resize` one axis at a time, so that the order of the axes is ours. `false` when the samples do not lie as it
/// needs them (16-bit samples at an odd address, which no allocator of ours gives).
fn simd(level: CpuLevel, filter: Filter, src: &Image, dst: &mut Image) -> Result<bool, Failure> {
    let pixel = match (src.channels(), src.depth()) {
        (Channels::Grey, Depth::U8) => PixelType::U8,
        (Channels::GreyAlpha, Depth::U8) => PixelType::U8x2,
        (Channels::Rgb, Depth::U8) => PixelType::U8x3,
        (Channels::Rgba, Depth::U8) => PixelType::U8x4,
        (Channels::Grey, Depth::U16) => PixelType::U16,
        (Channels::GreyAlpha, Depth::U16) => PixelType::U16x2,
        (Channels::Rgb, Depth::U16) => PixelType::U16x3,
        (Channels::Rgba, Depth::U16) => PixelType::U16x4,
    };
    if src.depth() == Depth::U16
        && (bytemuck::try_cast_slice::<_, u16>(src.data()).is_err() || bytemuck::try_cast_slice::<_, u16>(dst.data()).is_err())
    {
        return Ok(false);
    }
    let fault = |error: &dyn std::fmt::Display| Failure::internal(format!("fast_image_resize: {error}"));
    let extensions = match level.usable() {
        CpuLevel::Scalar => CpuExtensions::None,
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Sse41 => CpuExtensions::Sse4_1,
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx2 | CpuLevel::Avx512 => CpuExtensions::Avx2,
        #[cfg(not(target_arch = "x86_64"))]
        _ => CpuExtensions::None,
    };
    let (mut resizer, mut alpha) = (Resizer::new(), MulDiv::new());
    // SAFETY: `usable` never gives a level above what the machine has.
    unsafe { resizer.set_cpu_extensions(extensions) };
    // SAFETY: as above.
    unsafe { alpha.set_cpu_extensions(extensions) };
    let has_alpha = src.channels().has_alpha();
    let options = ResizeOptions::new().use_alpha(false).resize_alg(ResizeAlg::Convolution(match filter {
        Filter::Lanczos3 => FilterType::Lanczos3,
        Filter::Box => FilterType::Box,
    }));

    let (src_shape, dst_shape) = (src.shape(), dst.shape());
    let source = ImageRef::new(src.width(), src.height(), src.data(), pixel).map_err(|error| fault(&error))?;
    let mut premultiplied;
    let source = if has_alpha {
        premultiplied = Image::zeroed(src_shape)?;
        let mut to = view(&mut premultiplied, pixel).map_err(|error| fault(&error))?;
        alpha.multiply_alpha(&source, &mut to).map_err(|error| fault(&error))?;
        ImageRef::new(src_shape.width, src_shape.height, premultiplied.data(), pixel).map_err(|error| fault(&error))?
    } else {
        source
    };
    let (between_shape, _) = intermediate(src_shape, dst_shape);
    let mut to = view(dst, pixel).map_err(|error| fault(&error))?;
    if between_shape == src_shape || between_shape == dst_shape {
        resizer.resize(&source, &mut to, &options).map_err(|error| fault(&error))?;
    } else {
        let mut between = Image::zeroed(between_shape)?;
        let mut middle = view(&mut between, pixel).map_err(|error| fault(&error))?;
        resizer.resize(&source, &mut middle, &options).map_err(|error| fault(&error))?;
        resizer.resize(&middle, &mut to, &options).map_err(|error| fault(&error))?;
    }
    if has_alpha {
        alpha.divide_alpha_inplace(&mut to).map_err(|error| fault(&error))?;
    }
    Ok(true)
}

/// `image` as `fast_image_resize` writes it.
fn view(image: &mut Image, pixel: PixelType) -> Result<FirImage<'_>, fast_image_resize::ImageBufferError> {
    let (width, height) = (image.width(), image.height());
    FirImage::from_slice_u8(width, height, image.data_mut(), pixel)
}
