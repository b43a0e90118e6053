//! Blends onto one opaque colour and drops alpha. Exact: whole numbers, rounded to the nearest.

use super::{Kernel, Tolerance, at_level, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Bits8, Bits16, Samples, expect_shape, widen};
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Flatten`].
pub(super) struct Flatten;

/// `value` over `under` with coverage `alpha` of `max`, rounded to the nearest. `max` is odd, so there are no ties; the sum of a
/// 16-bit blend is at most 65535 squared + 32767 and fits 32 bits.
#[inline(always)]
fn blend(value: u32, under: u32, alpha: u32, max: u32) -> u32 {
    (value * alpha + under * (max - alpha) + max / 2) / max
}

/// The background in the samples of `shape` without alpha.
fn background(color: [u8; 3], shape: Shape) -> [u32; 3] {
    let [r, g, b] = color.map(|value| widen(value, shape.depth));
    match shape.channels {
        Channels::Grey | Channels::GreyAlpha => [super::convert::luma(r, g, b), 0, 0],
        Channels::Rgb | Channels::Rgba => [r, g, b],
    }
}

impl Kernel for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }

    fn tolerance(&self, _src: Shape) -> Tolerance {
        Tolerance::EXACT
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        let Step::Flatten { .. } = step else { return Err(wrong_step(self.name(), step)) };
        Ok(Shape { channels: src.channels.without_alpha(), ..src })
    }

    fn is_identity(&self, _step: &Step, src: Shape) -> bool {
        !src.channels.has_alpha()
    }

    fn cpu(&self, level: CpuLevel, step: &Step, _layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let Step::Flatten { color } = *step else { return Err(wrong_step(self.name(), step)) };
        if self.is_identity(step, src.shape()) {
            dst.data_mut().copy_from_slice(src.data());
            return Ok(());
        }
        let under = background(color, src.shape());
        let count = dst.channels().count();
        if level == CpuLevel::Scalar {
            by_depth!(src.depth(), S => scalar::<S>(src.data(), dst.data_mut(), under, count));
            return Ok(());
        }
        let (from, to) = (src.data(), dst.data_mut());
        match (src.depth(), count) {
            (Depth::U8, 1) => at_level!(level, grey8(from: &[u8], to: &mut [u8], under: [u32; 3])),
            (Depth::U8, _) => at_level!(level, rgb8(from: &[u8], to: &mut [u8], under: [u32; 3])),
            (Depth::U16, 1) => at_level!(level, grey16(from: &[u8], to: &mut [u8], under: [u32; 3])),
            (Depth::U16, _) => at_level!(level, rgb16(from: &[u8], to: &mut [u8], under: [u32; 3])),
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, _layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let dst = self.output(step, src)?;
        let Step::Flatten { color } = *step else { return Err(wrong_step(self.name(), step)) };
        let [a, b, c] = background(color, src);
        Ok(vec![Pass::over_words(self.name(), src, dst, [a, b, c, 0, 0, 0, 0, 0])])
    }

    fn reach(&self, _step: &Step) -> Option<u32> {
        Some(0)
    }
}

fn scalar<S: Samples>(src: &[u8], dst: &mut [u8], under: [u32; 3], count: usize) {
    for pixel in 0..dst.len() / (count * S::BYTES) {
        let alpha = S::get(src, pixel * (count + 1) + count);
        for (channel, under) in under.iter().take(count).enumerate() {
            let value = S::get(src, pixel * (count + 1) + channel);
            S::set(dst, pixel * count + channel, blend(value, *under, alpha, S::MAX));
        }
    }
}

/// Pixels of constant size, so that the compiler can unroll and vectorise: `FROM` and `TO` are bytes of a pixel.
#[inline(always)]
fn pixels<S: Samples, const FROM: usize, const TO: usize>(src: &[u8], dst: &mut [u8], under: [u32; 3]) {
    let (src, _) = src.as_chunks::<FROM>();
    let (dst, _) = dst.as_chunks_mut::<TO>();
    for (from, to) in src.iter().zip(dst) {
        let alpha = S::get(from, TO / S::BYTES);
        for (channel, under) in under.iter().enumerate().take(TO / S::BYTES) {
            S::set(to, channel, blend(S::get(from, channel), *under, alpha, S::MAX));
        }
    }
}

#[inline(always)]
fn grey8(src: &[u8], dst: &mut [u8], under: [u32; 3]) {
    pixels::<Bits8, 2, 1>(src, dst, under);
}

#[inline(always)]
fn rgb8(src: &[u8], dst: &mut [u8], under: [u32; 3]) {
    pixels::<Bits8, 4, 3>(src, dst, under);
}

#[inline(always)]
fn grey16(src: &[u8], dst: &mut [u8], under: [u32; 3]) {
    pixels::<Bits16, 4, 2>(src, dst, under);
}

#[inline(always)]
fn rgb16(src: &[u8], dst: &mut [u8], under: [u32; 3]) {
    pixels::<Bits16, 8, 6>(src, dst, under);
}
