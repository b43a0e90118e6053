//! Converts channels and depth. Exact: whole numbers, rounded to the nearest.
//!
//! Colour is computed at the deeper of both depths and then brought to the wanted one: 8 bits to 16 by times 257, 16 to 8 by
//! division by 257, rounded; 257 is odd, so there are no ties.

use super::{Kernel, Tolerance, at_level, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Bits8, Bits16, Samples, expect_shape};
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Convert`].
pub(super) struct Convert;

/// Luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), as JFIF uses it, rounded to the nearest, ties up.
#[inline(always)]
pub(super) fn luma(r: u32, g: u32, b: u32) -> u32 {
    (299 * r + 587 * g + 114 * b + 500) / 1000
}

impl Kernel for Convert {
    fn name(&self) -> &'static str {
        "convert"
    }

    fn tolerance(&self, _src: Shape) -> Tolerance {
        Tolerance::EXACT
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        let &Step::Convert { channels, depth } = step else { return Err(wrong_step(self.name(), step)) };
        Ok(Shape { channels, depth, ..src })
    }

    fn is_identity(&self, step: &Step, src: Shape) -> bool {
        matches!(*step, Step::Convert { channels, depth } if channels == src.channels && depth == src.depth)
    }

    fn cpu(&self, level: CpuLevel, step: &Step, _layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let (from, to) = (src.channels(), dst.channels());
        let depths = (src.depth(), dst.depth());
        let (src, dst) = (src.data(), dst.data_mut());
        if level == CpuLevel::Scalar {
            by_depth!(depths.0, S => by_depth!(depths.1, D => scalar::<S, D>(src, dst, from, to)));
            return Ok(());
        }
        use Channels::{Grey, Rgb, Rgba};
        match (depths, from, to) {
            // What photos and screenshots need. The rest is rare, and the scalar loop is not slow.
            ((Depth::U8, Depth::U8), Rgba, Rgb) => at_level!(level, rgba8_to_rgb8(src: &[u8], dst: &mut [u8])),
            ((Depth::U8, Depth::U8), Rgb, Rgba) => at_level!(level, rgb8_to_rgba8(src: &[u8], dst: &mut [u8])),
            ((Depth::U8, Depth::U8), Grey, Rgb) => at_level!(level, grey8_to_rgb8(src: &[u8], dst: &mut [u8])),
            ((Depth::U8, Depth::U8), Rgb, Grey) => at_level!(level, rgb8_to_grey8(src: &[u8], dst: &mut [u8])),
            ((Depth::U16, Depth::U8), a, b) if a == b => at_level!(level, narrow(src: &[u8], dst: &mut [u8])),
            ((Depth::U8, Depth::U16), a, b) if a == b => at_level!(level, widen(src: &[u8], dst: &mut [u8])),
            _ => by_depth!(depths.0, S => by_depth!(depths.1, D => scalar::<S, D>(src, dst, from, to))),
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, _layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        Ok(vec![Pass::over_words(self.name(), src, self.output(step, src)?, [0; 8])])
    }

    fn reach(&self, _step: &Step) -> Option<u32> {
        Some(0)
    }
}

fn scalar<S: Samples, D: Samples>(src: &[u8], dst: &mut [u8], from: Channels, to: Channels) {
    // 257 = 65535 / 255: what a sample is worth at the deeper of both depths.
    let scale = S::MAX.max(D::MAX) / S::MAX;
    let max = S::MAX * scale;
    let down = max / D::MAX;
    for pixel in 0..dst.len() / (to.count() * D::BYTES) {
        let read = |channel: usize| S::get(src, pixel * from.count() + channel) * scale;
        let (r, g, b, alpha) = match from {
            Channels::Grey => (read(0), read(0), read(0), max),
            Channels::GreyAlpha => (read(0), read(0), read(0), read(1)),
            Channels::Rgb => (read(0), read(1), read(2), max),
            Channels::Rgba => (read(0), read(1), read(2), read(3)),
        };
        let samples = match to {
            Channels::Grey => [luma(r, g, b), 0, 0, 0],
            Channels::GreyAlpha => [luma(r, g, b), alpha, 0, 0],
            Channels::Rgb | Channels::Rgba => [r, g, b, alpha],
        };
        for (channel, value) in samples.into_iter().take(to.count()).enumerate() {
            D::set(dst, pixel * to.count() + channel, (value + down / 2) / down);
        }
    }
}

/// Pixels of constant size, so that the compiler can unroll and vectorise: `FROM` and `TO` are bytes of a pixel.
#[inline(always)]
fn each<const FROM: usize, const TO: usize>(src: &[u8], dst: &mut [u8], pixel: impl Fn(&[u8; FROM]) -> [u8; TO]) {
    let (src, _) = src.as_chunks::<FROM>();
    let (dst, _) = dst.as_chunks_mut::<TO>();
    for (from, to) in src.iter().zip(dst) {
        *to = pixel(from);
    }
}

#[inline(always)]
fn rgba8_to_rgb8(src: &[u8], dst: &mut [u8]) {
    each(src, dst, |&[r, g, b, _]: &[u8; 4]| [r, g, b]);
}

#[inline(always)]
fn rgb8_to_rgba8(src: &[u8], dst: &mut [u8]) {
    each(src, dst, |&[r, g, b]: &[u8; 3]| [r, g, b, 0xff]);
}

#[inline(always)]
fn grey8_to_rgb8(src: &[u8], dst: &mut [u8]) {
    each(src, dst, |&[grey]: &[u8; 1]| [grey; 3]);
}

#[inline(always)]
fn rgb8_to_grey8(src: &[u8], dst: &mut [u8]) {
    each(src, dst, |&[r, g, b]: &[u8; 3]| [luma(r.into(), g.into(), b.into()) as u8]);
}

#[inline(always)]
fn narrow(src: &[u8], dst: &mut [u8]) {
    each(src, dst, |sample: &[u8; 2]| [((Bits16::get(sample, 0) + 128) / 257) as u8]);
}

#[inline(always)]
fn widen(src: &[u8], dst: &mut [u8]) {
    each(src, dst, |sample: &[u8; 1]| ((Bits8::get(sample, 0) * 257) as u16).to_ne_bytes());
}
