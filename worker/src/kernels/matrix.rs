//! Colours of a profile of curves and a matrix: each channel through its curve, all three through a matrix, and each through the
//! curve of the result. Alpha stays.
//!
//! Curves are layers: one row of 16-bit RGB, a curve for each channel, and one of 16-bit grey for all. Between their points they
//! are straight. What a matrix takes out of 0 to 1 is clamped.

use super::{Kernel, Tolerance, at_level, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Bits8, Bits16, Samples, expect_shape};
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Matrix`].
pub(super) struct Matrix;

/// What a step names.
struct Parts<'a> {
    curves: &'a Image,
    matrix: [f32; 9],
    out: &'a Image,
}

impl<'a> Parts<'a> {
    fn of(step: &Step, layers: &'a [Layer]) -> Result<Self, Failure> {
        let Step::Matrix { curves, matrix, out } = *step else { return Err(wrong_step("matrix", step)) };
        let curve = |index: u32, wanted: Channels| -> Result<&'a Image, Failure> {
            let layer: &'a Image =
                layers.get(index as usize).ok_or_else(|| Failure::internal(format!("there is no layer for {step:?}")))?;
            let Shape { width, height, channels, depth } = layer.shape();
            if !(2..=65_536).contains(&width) || height != 1 || channels != wanted || depth != Depth::U16 {
                return Err(Failure::internal(format!("{:?} is no curve of {wanted:?}", layer.shape())));
            }
            Ok(layer)
        };
        Ok(Self { curves: curve(curves, Channels::Rgb)?, matrix, out: curve(out, Channels::Grey)? })
    }
}

impl Kernel for Matrix {
    fn name(&self) -> &'static str {
        "matrix"
    }

    fn tolerance(&self, src: Shape) -> Tolerance {
        // Sums in f32. Where the curve of the result is steep (12.9 at the foot of sRGB), 16 bits feel it.
        match src.depth {
            Depth::U8 => Tolerance { simd: 1, gpu: 1 },
            Depth::U16 => Tolerance { simd: 2, gpu: 2 },
        }
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        if !matches!(step, Step::Matrix { .. }) || src.channels.without_alpha() != Channels::Rgb {
            return Err(wrong_step(self.name(), step));
        }
        Ok(src)
    }

    fn is_identity(&self, _step: &Step, _src: Shape) -> bool {
        false
    }

    fn cpu(&self, level: CpuLevel, step: &Step, layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let parts = Parts::of(step, layers)?;
        if level == CpuLevel::Scalar {
            by_depth!(src.depth(), S => scalar::<S>(&parts, src, dst));
        } else {
            prepared(level, &parts, src, dst);
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let parts = Parts::of(step, layers)?;
        let made = self.output(step, src)?;
        let mut pass = Pass::over_words(self.name(), src, made, [0; 8]).with_layer(parts.curves);
        let out = pass.table.len() as u32;
        pass = pass.with_layer(parts.out);
        let matrix = pass.table.len() as u32;
        pass.table.extend(parts.matrix.map(f32::to_bits));
        pass.params.own = [parts.curves.width(), out, parts.out.width(), matrix, 0, 0, 0, 0];
        Ok(vec![pass])
    }

    fn reach(&self, _step: &Step) -> Option<u32> {
        Some(0)
    }
}

/// Point `index` of a curve, 0 to 65535.
fn point(curve: &Image, channel: usize, index: u32) -> f64 {
    f64::from(Bits16::get(curve.data(), index as usize * curve.channels().count() + channel))
}

/// Curve at `along`, 0 to 1; gives 0 to 1.
fn at(curve: &Image, channel: usize, along: f64) -> f64 {
    let along = along * f64::from(curve.width() - 1);
    let index = (along.floor() as u32).min(curve.width() - 2);
    let (low, high) = (point(curve, channel, index), point(curve, channel, index + 1));
    (low + (high - low) * (along - f64::from(index))) / 65_535.0
}

fn scalar<S: Samples>(parts: &Parts<'_>, src: &Image, dst: &mut Image) {
    let (count, max) = (src.channels().count(), f64::from(S::MAX));
    let out = dst.data_mut();
    for first in (0..src.data().len() / S::BYTES).step_by(count) {
        let light = [0, 1, 2].map(|channel| at(parts.curves, channel, f64::from(S::get(src.data(), first + channel)) / max));
        for (channel, row) in parts.matrix.chunks_exact(3).enumerate() {
            let value: f64 = row.iter().zip(light).map(|(weight, light)| f64::from(*weight) * light).sum();
            let value = at(parts.out, 0, value.clamp(0.0, 1.0)) * max;
            S::set(out, first + channel, (value + 0.5).floor() as u32);
        }
        if count == 4 {
            S::set(out, first + 3, S::get(src.data(), first + 3));
        }
    }
}

/// Levels of light that 8-bit results are looked up by. A step between them is 0.05 of a level of the result where sRGB is steepest.
const LIGHT: usize = 65_536;

/// What every level becomes is worked out first.
fn prepared(level: CpuLevel, parts: &Parts<'_>, src: &Image, dst: &mut Image) {
    let matrix = &parts.matrix;
    match src.depth() {
        Depth::U8 => {
            let light = &lights::<Bits8>(parts, (LIGHT - 1) as f64)[..];
            let level_of = |index: usize| (at(parts.out, 0, index as f64 / (LIGHT - 1) as f64) * 255.0 + 0.5) as u8;
            let out = &(0..LIGHT).map(level_of).collect::<Vec<_>>()[..];
            let alpha = src.channels().has_alpha();
            let (from, to) = (src.data(), dst.data_mut());
            if alpha {
                at_level!(level, bytes4(from: &[u8], to: &mut [u8], light: &[[f32; 3]], matrix: &[f32; 9], out: &[u8]));
            } else {
                at_level!(level, bytes3(from: &[u8], to: &mut [u8], light: &[[f32; 3]], matrix: &[f32; 9], out: &[u8]));
            }
        }
        Depth::U16 => words(parts, src, dst),
    }
}

/// What each level of the samples is in light, of `unit`.
fn lights<S: Samples>(parts: &Parts<'_>, unit: f64) -> Vec<[f32; 3]> {
    let max = f64::from(S::MAX);
    let light = |value: u32| [0, 1, 2].map(|channel| (at(parts.curves, channel, f64::from(value) / max) * unit) as f32);
    (0..=S::MAX).map(light).collect()
}

#[inline(always)]
fn bytes<const COUNT: usize>(from: &[u8], to: &mut [u8], light: &[[f32; 3]], matrix: &[f32; 9], out: &[u8]) {
    // One bound for all look-ups.
    let (Ok(light), Ok(out)) = (<&[[f32; 3]; 256]>::try_from(light), <&[u8; LIGHT]>::try_from(out)) else { return };
    for (from, to) in from.as_chunks::<COUNT>().0.iter().zip(to.as_chunks_mut::<COUNT>().0) {
        let (r, g, b) = (light[from[0] as usize][0], light[from[1] as usize][1], light[from[2] as usize][2]);
        for (to, row) in to.iter_mut().zip(matrix.as_chunks::<3>().0) {
            let along = row[0] * r + row[1] * g + row[2] * b;
            *to = out[(along.clamp(0.0, (LIGHT - 1) as f32) + 0.5) as u16 as usize];
        }
        if COUNT == 4 {
            to[3] = from[3];
        }
    }
}

#[inline(always)]
fn bytes3(from: &[u8], to: &mut [u8], light: &[[f32; 3]], matrix: &[f32; 9], out: &[u8]) {
    bytes::<3>(from, to, light, matrix, out);
}

#[inline(always)]
fn bytes4(from: &[u8], to: &mut [u8], light: &[[f32; 3]], matrix: &[f32; 9], out: &[u8]) {
    bytes::<4>(from, to, light, matrix, out);
}

/// 16 bits: the curve of the result is in levels of the samples, straight between its points.
fn words(parts: &Parts<'_>, src: &Image, dst: &mut Image) {
    let (count, max) = (src.channels().count(), f64::from(Bits16::MAX));
    let last = parts.out.width() - 1;
    let light = lights::<Bits16>(parts, f64::from(last));
    let out: Vec<f32> = (0..=last).map(|index| (point(parts.out, 0, index) / 65_535.0 * max) as f32).collect();
    let rows = parts.matrix.as_chunks::<3>().0;
    let pixels = src.data().chunks_exact(count * 2).zip(dst.data_mut().chunks_exact_mut(count * 2));
    for (from, to) in pixels {
        let [r, g, b] = [0, 1, 2].map(|channel| light[Bits16::get(from, channel) as usize][channel]);
        for (channel, row) in rows.iter().enumerate() {
            let along = (row[0] * r + row[1] * g + row[2] * b).clamp(0.0, last as f32);
            let index = (along as usize).min(last as usize - 1);
            let value = out[index] + (out[index + 1] - out[index]) * (along - index as f32);
            Bits16::set(to, channel, (value + 0.5) as u32);
        }
        if count == 4 {
            Bits16::set(to, 3, Bits16::get(from, 3));
        }
    }
}
