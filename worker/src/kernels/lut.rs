//! Colours through a table over all of them, by tetrahedral interpolation: of the eight corners around a colour the four that its
//! order of channels picks (US patent 3,893,166 by Pugh, 1974, long expired). Exact: whole numbers, rounded to the nearest.
//!
//! The table is a layer of 16-bit RGB, n x n pixels a row and n rows: red runs along n pixels, green along the next n, blue down.
//! Alpha stays.

use super::{Kernel, Tolerance, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Bits16, Samples, expect_shape};
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Lut`].
pub(super) struct Lut;

/// The table of a step, and how many points it has along each channel.
fn table<'a>(step: &Step, layers: &'a [Layer]) -> Result<(&'a Image, u32), Failure> {
    let Step::Lut { table } = *step else { return Err(wrong_step("lut", step)) };
    let layer = layers.get(table as usize).ok_or_else(|| Failure::internal(format!("there is no layer for {step:?}")))?;
    let Shape { width, height, channels, depth } = layer.shape();
    if !(2..=256).contains(&height) || width != height * height || channels != Channels::Rgb || depth != Depth::U16 {
        return Err(Failure::internal(format!(
            "{:?} is no table of colours: n rows of n * n pixels, RGB, 16 bits",
            layer.shape()
        )));
    }
    Ok((layer, height))
}

impl Kernel for Lut {
    fn name(&self) -> &'static str {
        "lut"
    }

    fn tolerance(&self, _src: Shape) -> Tolerance {
        Tolerance::EXACT
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        if !matches!(step, Step::Lut { .. }) || src.channels.without_alpha() != Channels::Rgb {
            return Err(wrong_step(self.name(), step));
        }
        Ok(src)
    }

    fn is_identity(&self, _step: &Step, _src: Shape) -> bool {
        false
    }

    fn cpu(&self, level: CpuLevel, step: &Step, layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let (layer, points) = table(step, layers)?;
        if level == CpuLevel::Scalar {
            by_depth!(src.depth(), S => scalar::<S>(layer, points, src, dst));
            return Ok(());
        }
        // The table as whole numbers once, and no division for a pixel.
        let corners: Vec<[u32; 3]> = layer.data().chunks_exact(6).map(|p| [0, 1, 2].map(|c| Bits16::get(p, c))).collect();
        match (src.channels().has_alpha(), src.depth()) {
            (false, Depth::U8) => prepared::<crate::pixels::samples::Bits8, 3>(&corners, points, src, dst),
            (true, Depth::U8) => prepared::<crate::pixels::samples::Bits8, 4>(&corners, points, src, dst),
            (false, Depth::U16) => prepared::<Bits16, 3>(&corners, points, src, dst),
            (true, Depth::U16) => prepared::<Bits16, 4>(&corners, points, src, dst),
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let (layer, points) = table(step, layers)?;
        let made = self.output(step, src)?;
        Ok(vec![Pass::over_words(self.name(), src, made, [points, 0, 0, 0, 0, 0, 0, 0]).with_layer(layer)])
    }

    fn reach(&self, _step: &Step) -> Option<u32> {
        Some(0)
    }
}

/// Of the corner of a cell, how far to go in the table, and how much it counts.
type Corner = (usize, u32);

/// The four corners for a colour that is `parts` of `max` into its cell; a step along a channel is `strides` in the table. Weights
/// add up to `max`.
#[inline(always)]
fn corners(parts: [u32; 3], strides: [usize; 3], max: u32) -> [Corner; 4] {
    // Along the channel that is farthest first, then the next one: the way to the opposite corner.
    let mut order = [0, 1, 2];
    if parts[order[0]] < parts[order[1]] {
        order.swap(0, 1);
    }
    if parts[order[1]] < parts[order[2]] {
        order.swap(1, 2);
    }
    if parts[order[0]] < parts[order[1]] {
        order.swap(0, 1);
    }
    let [most, middle, least] = order;
    let (first, second) = (strides[most], strides[most] + strides[middle]);
    [
        (0, max - parts[most]),
        (first, parts[most] - parts[middle]),
        (second, parts[middle] - parts[least]),
        (second + strides[least], parts[least]),
    ]
}

/// 16 bits in the samples of `S`.
#[inline(always)]
fn narrow<S: Samples>(value: u32) -> u32 {
    if S::MAX == 0xff { (value + 128) / 257 } else { value }
}

fn scalar<S: Samples>(layer: &Image, points: u32, src: &Image, dst: &mut Image) {
    let count = src.channels().count();
    let n = points as usize;
    for pixel in 0..src.data().len() / (count * S::BYTES) {
        let along = [0, 1, 2].map(|channel| S::get(src.data(), pixel * count + channel) * (points - 1));
        // The last point has no cell behind it: it is the end of the one before.
        let cell = along.map(|along| (along / S::MAX).min(points - 2));
        let parts = [0, 1, 2].map(|channel| along[channel] - cell[channel] * S::MAX);
        let origin = (cell[2] as usize * n + cell[1] as usize) * n + cell[0] as usize;
        let found = corners(parts, [1, n, n * n], S::MAX);
        for channel in 0..3 {
            // Weights add up to the largest sample and a point is at most 65535, so the sum fits 32 bits.
            let sum: u32 = found.iter().map(|(at, weight)| Bits16::get(layer.data(), (origin + at) * 3 + channel) * weight).sum();
            S::set(dst.data_mut(), pixel * count + channel, narrow::<S>((sum + S::MAX / 2) / S::MAX));
        }
        if count == 4 {
            S::set(dst.data_mut(), pixel * 4 + 3, S::get(src.data(), pixel * 4 + 3));
        }
    }
}

fn prepared<S: Samples, const COUNT: usize>(table: &[[u32; 3]], points: u32, src: &Image, dst: &mut Image) {
    let n = points as usize;
    let strides = [1, n, n * n];
    let places: Vec<(u32, u32)> = (0..=S::MAX)
        .map(|value| {
            let along = value * (points - 1);
            let cell = (along / S::MAX).min(points - 2);
            (cell, along - cell * S::MAX)
        })
        .collect();
    let pixels = src.data().chunks_exact(COUNT * S::BYTES).zip(dst.data_mut().chunks_exact_mut(COUNT * S::BYTES));
    for (from, to) in pixels {
        let found = [0, 1, 2].map(|channel| places[S::get(from, channel) as usize]);
        let origin = found.iter().zip(strides).map(|((cell, _), stride)| *cell as usize * stride).sum::<usize>();
        let mut sums = [S::MAX / 2; 3];
        for (at, weight) in corners(found.map(|(_, part)| part), strides, S::MAX) {
            let point = table[origin + at];
            for channel in 0..3 {
                sums[channel] += point[channel] * weight;
            }
        }
        for (channel, sum) in sums.into_iter().enumerate() {
            S::set(to, channel, narrow::<S>(sum / S::MAX));
        }
        if COUNT == 4 {
            S::set(to, 3, S::get(from, 3));
        }
    }
}
