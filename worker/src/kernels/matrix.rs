//! Colours of a profile of curves and a matrix: each channel through its curve, all three through a matrix, and each through the
//! curve of the result. Alpha stays.
//!
//! Curves are layers: one row of 16-bit RGB, a curve for each channel, and one of 16-bit grey for all. Between their points they
//! are straight. What a matrix takes out of 0 to 1 is clamped.

use super::{Kernel, Tolerance, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Bits16, Samples, expect_shape};
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
            by_depth!(src.depth(), S => prepared::<S>(&parts, src, dst));
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
    for first in (0..src.data().len() / S::BYTES).step_by(count) {
        let light = [0, 1, 2].map(|channel| at(parts.curves, channel, f64::from(S::get(src.data(), first + channel)) / max));
        for (channel, row) in parts.matrix.chunks_exact(3).enumerate() {
            let value: f64 = row.iter().zip(light).map(|(weight, light)| f64::from(*weight) * light).sum();
            let value = at(parts.out, 0, value.clamp(0.0, 1.0)) * max;
            S::set(dst.data_mut(), first + channel, (value + 0.5).floor() as u32);
        }
        if count == 4 {
            S::set(dst.data_mut(), first + 3, S::get(src.data(), first + 3));
        }
    }
}

/// What every level becomes is worked out first, and the curve of the result is in levels of the samples.
fn prepared<S: Samples>(parts: &Parts<'_>, src: &Image, dst: &mut Image) {
    let (count, max) = (src.channels().count(), f64::from(S::MAX));
    let last = parts.out.width() - 1;
    let light = [0, 1, 2].map(|channel| -> Vec<f32> {
        // In points of the curve of the result.
        (0..=S::MAX).map(|value| (at(parts.curves, channel, f64::from(value) / max) * f64::from(last)) as f32).collect()
    });
    let out: Vec<f32> = (0..=last).map(|index| (point(parts.out, 0, index) / 65_535.0 * max) as f32).collect();
    let row = |index: usize| [0, 1, 2].map(|channel| parts.matrix[index * 3 + channel]);
    let rows = [row(0), row(1), row(2)];
    let pixels = src.data().chunks_exact(count * S::BYTES).zip(dst.data_mut().chunks_exact_mut(count * S::BYTES));
    for (from, to) in pixels {
        let [r, g, b] = [0, 1, 2].map(|channel| light[channel][S::get(from, channel) as usize]);
        for (channel, row) in rows.iter().enumerate() {
            let along = (row[0] * r + row[1] * g + row[2] * b).clamp(0.0, last as f32);
            let index = (along as usize).min(last as usize - 1);
            let value = out[index] + (out[index + 1] - out[index]) * (along - index as f32);
            S::set(to, channel, (value + 0.5) as u32);
        }
        if count == 4 {
            S::set(to, 3, S::get(from, 3));
        }
    }
}
