//! Colours through a table over all of them, by tetrahedral interpolation: of the eight corners around a colour the four that its
//! order of channels picks (US patent 3,893,166 by Pugh, 1974, long expired). Exact: whole numbers, rounded to the nearest.
//!
//! In front of the table each channel has a curve, which says where in the table a sample lies: one row of 16-bit RGB. The table is
//! a layer of 16-bit RGB, n x n pixels a row and n rows: red runs along n pixels, green along the next n, blue down. What its words
//! stand for is in [`crate::pixels::lut`]; what they have beyond 0 and 1 is cut off after the interpolation. Alpha stays.

use super::{Kernel, Tolerance, by_depth, curve, wrong_step};
use crate::failure::Failure;
use crate::pixels::lut::{RANGE, ZERO};
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Bits8, Bits16, Samples, expect_shape};
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Lut`].
pub(super) struct Lut;

/// What a step names.
struct Parts<'a> {
    curves: &'a Image,
    table: &'a Image,
    /// Points of the table along each channel.
    side: u32,
}

impl<'a> Parts<'a> {
    fn of(step: &Step, layers: &'a [Layer]) -> Result<Self, Failure> {
        let Step::Lut { curves, table } = *step else { return Err(wrong_step("lut", step)) };
        let layer = |index: u32| -> Result<&'a Image, Failure> {
            let layer = layers.get(index as usize).ok_or_else(|| Failure::internal(format!("there is no layer for {step:?}")))?;
            if layer.channels() != Channels::Rgb || layer.depth() != Depth::U16 {
                return Err(Failure::internal(format!("{:?} is neither curves nor a table: RGB, 16 bits", layer.shape())));
            }
            Ok(layer)
        };
        let (curves, table) = (layer(curves)?, layer(table)?);
        if !(2..=65_536).contains(&curves.width()) || curves.height() != 1 {
            return Err(Failure::internal(format!("{:?} are no curves: one row of 2 to 65536 values", curves.shape())));
        }
        let side = table.height();
        if !(2..=256).contains(&side) || table.width() != side * side {
            return Err(Failure::internal(format!("{:?} is no table of colours: n rows of n * n pixels", table.shape())));
        }
        Ok(Self { curves, table, side })
    }

    /// The cell for a sample of `max`, and how far into it of [`WHOLE`].
    fn place(&self, channel: usize, value: u32, max: u32) -> (u32, u32) {
        let along = curve::on(self.curves, channel, value, max) * (self.side - 1);
        // The last point has no cell behind it: it is the end of the one before.
        let cell = (along / WHOLE).min(self.side - 2);
        (cell, along - cell * WHOLE)
    }
}

/// Parts of a cell.
const WHOLE: u32 = 0xffff;

/// Points by their weights, which add up to [`WHOLE`], to 16 bits: what is between 0 and 1. No number exceeds 32 bits.
#[inline(always)]
fn shown(sum: u32) -> u32 {
    let rest = sum.saturating_sub(ZERO * WHOLE).min(RANGE * WHOLE);
    ((rest * 2 + WHOLE / 2) / WHOLE).min(0xffff)
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
        let parts = Parts::of(step, layers)?;
        if level == CpuLevel::Scalar {
            by_depth!(src.depth(), S => scalar::<S>(&parts, src, dst));
            return Ok(());
        }
        match (src.channels().has_alpha(), src.depth()) {
            (false, Depth::U8) => prepared::<Bits8, 3>(&parts, src, dst),
            (true, Depth::U8) => prepared::<Bits8, 4>(&parts, src, dst),
            (false, Depth::U16) => prepared::<Bits16, 3>(&parts, src, dst),
            (true, Depth::U16) => prepared::<Bits16, 4>(&parts, src, dst),
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let parts = Parts::of(step, layers)?;
        let mut pass = Pass::over_words(self.name(), src, self.output(step, src)?, [0; 8]).with_layer(parts.curves);
        let table = pass.table.len() as u32;
        pass = pass.with_layer(parts.table);
        pass.params.own = [parts.side, parts.curves.width(), table, 0, 0, 0, 0, 0];
        Ok(vec![pass])
    }

    fn reach(&self, _step: &Step) -> Option<u32> {
        Some(0)
    }
}

/// Of the corner of a cell, how far to go in the table, and how much it counts.
type Corner = (usize, u32);

/// The four corners for a colour that is `parts` of [`WHOLE`] into its cell; a step along a channel is `strides` in the table.
/// Weights add up to that.
#[inline(always)]
fn corners(parts: [u32; 3], strides: [usize; 3]) -> [Corner; 4] {
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
        (0, WHOLE - parts[most]),
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

fn scalar<S: Samples>(parts: &Parts<'_>, src: &Image, dst: &mut Image) {
    let count = src.channels().count();
    let n = parts.side as usize;
    let out = dst.data_mut();
    for pixel in 0..src.data().len() / (count * S::BYTES) {
        let places = [0, 1, 2].map(|channel| parts.place(channel, S::get(src.data(), pixel * count + channel), S::MAX));
        let [r, g, b] = places.map(|(cell, _)| cell as usize);
        let origin = (b * n + g) * n + r;
        let found = corners(places.map(|(_, part)| part), [1, n, n * n]);
        for channel in 0..3 {
            let point = |at: usize| Bits16::get(parts.table.data(), (origin + at) * 3 + channel);
            let sum: u32 = found.iter().map(|(at, weight)| point(*at) * weight).sum();
            S::set(out, pixel * count + channel, narrow::<S>(shown(sum)));
        }
        if count == 4 {
            S::set(out, pixel * 4 + 3, S::get(src.data(), pixel * 4 + 3));
        }
    }
}

/// The table as whole numbers once, and where each level lies in it.
fn prepared<S: Samples, const COUNT: usize>(parts: &Parts<'_>, src: &Image, dst: &mut Image) {
    let table: Vec<[u32; 3]> = parts.table.data().chunks_exact(6).map(|p| [0, 1, 2].map(|c| Bits16::get(p, c))).collect();
    let n = parts.side as usize;
    let strides = [1, n, n * n];
    let places = [0, 1, 2].map(|channel| -> Vec<(u32, u32)> {
        let place = |value| parts.place(channel, value, S::MAX);
        (0..=S::MAX).map(place).map(|(cell, part)| (cell * strides[channel] as u32, part)).collect()
    });
    let pixels = src.data().chunks_exact(COUNT * S::BYTES).zip(dst.data_mut().chunks_exact_mut(COUNT * S::BYTES));
    for (from, to) in pixels {
        let found = [0, 1, 2].map(|channel| places[channel][S::get(from, channel) as usize]);
        let origin = found.iter().map(|(at, _)| *at as usize).sum::<usize>();
        let mut sums = [0; 3];
        for (at, weight) in corners(found.map(|(_, part)| part), strides) {
            let point = table[origin + at];
            for channel in 0..3 {
                sums[channel] += point[channel] * weight;
            }
        }
        for (channel, sum) in sums.into_iter().enumerate() {
            S::set(to, channel, narrow::<S>(shown(sum)));
        }
        if COUNT == 4 {
            S::set(to, 3, S::get(from, 3));
        }
    }
}
