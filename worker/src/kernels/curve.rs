//! Colours through a curve, each channel through its own; alpha only changes its depth. Exact: whole numbers, rounded to the nearest.
//!
//! A curve is a layer: one row of 16-bit grey, or of 16-bit RGB for three curves. Between its points it is straight. The forms
//! above scalar first work out what becomes of every level there is, and look it up.

use super::{Kernel, Tolerance, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Bits16, Samples, expect_shape};
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Curve`].
pub(super) struct Curve;

/// The curves of a step.
struct Points<'a> {
    layer: &'a Image,
}

impl<'a> Points<'a> {
    fn of(step: &Step, layers: &'a [Layer]) -> Result<Self, Failure> {
        let Step::Curve { curve, .. } = *step else { return Err(wrong_step("curve", step)) };
        let layer = layers.get(curve as usize).ok_or_else(|| Failure::internal(format!("there is no layer for {step:?}")))?;
        let Shape { width, height, channels, depth } = layer.shape();
        let fits = (2..=65_536).contains(&width) && height == 1 && depth == Depth::U16 && !channels.has_alpha();
        if !fits {
            return Err(Failure::internal(format!("{:?} is no curve: one row of 2 to 65536 16-bit values", layer.shape())));
        }
        Ok(Self { layer })
    }

    fn curves(&self) -> usize {
        self.layer.channels().count()
    }

    /// See [`on`]; one curve serves all channels, if it is alone.
    fn at(&self, channel: usize, value: u32, max: u32) -> u32 {
        on(self.layer, channel % self.curves(), value, max)
    }
}

/// What becomes of `value` of `max` on that curve of a layer, 16 bits. No product exceeds 32 bits, since 65535 squared plus 32767
/// fits.
pub(super) fn on(layer: &Image, curve: usize, value: u32, max: u32) -> u32 {
    let point = |index: u32| Bits16::get(layer.data(), index as usize * layer.channels().count() + curve);
    let along = value * (layer.width() - 1);
    let (index, part) = (along / max, along % max);
    let next = (index + 1).min(layer.width() - 1);
    (point(index) * (max - part) + point(next) * part + max / 2) / max
}

/// A 16-bit value, or one of `max`, in the samples of `to`.
fn deepen(value: u32, max: u32, to: Depth) -> u32 {
    match (max, to) {
        (0xff, Depth::U16) => value * 257,
        (0xffff, Depth::U8) => (value + 128) / 257,
        _ => value,
    }
}

impl Kernel for Curve {
    fn name(&self) -> &'static str {
        "curve"
    }

    fn tolerance(&self, _src: Shape) -> Tolerance {
        Tolerance::EXACT
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        let Step::Curve { depth, .. } = *step else { return Err(wrong_step(self.name(), step)) };
        Ok(Shape { depth, ..src })
    }

    fn is_identity(&self, _step: &Step, _src: Shape) -> bool {
        false
    }

    fn cpu(&self, level: CpuLevel, step: &Step, layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let points = Points::of(step, layers)?;
        if level == CpuLevel::Scalar {
            by_depth!(src.depth(), S => by_depth!(dst.depth(), D => scalar::<S, D>(&points, src, dst)));
        } else {
            by_depth!(src.depth(), S => by_depth!(dst.depth(), D => looked_up::<S, D>(&points, src, dst)));
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let points = Points::of(step, layers)?;
        let own = [points.layer.width(), points.curves() as u32, 0, 0, 0, 0, 0, 0];
        Ok(vec![Pass::over_words(self.name(), src, self.output(step, src)?, own).with_layer(points.layer)])
    }

    fn reach(&self, _step: &Step) -> Option<u32> {
        Some(0)
    }
}

fn scalar<S: Samples, D: Samples>(points: &Points<'_>, src: &Image, dst: &mut Image) {
    let (count, alpha, depth) = (src.channels().count(), src.channels().has_alpha(), dst.depth());
    let out = dst.data_mut();
    for index in 0..out.len() / D::BYTES {
        let (channel, value) = (index % count, S::get(src.data(), index));
        let made = if alpha && channel == count - 1 {
            deepen(value, S::MAX, depth)
        } else {
            deepen(points.at(channel, value, S::MAX), 0xffff, depth)
        };
        D::set(out, index, made);
    }
}

fn looked_up<S: Samples, D: Samples>(points: &Points<'_>, src: &Image, dst: &mut Image) {
    let (count, depth) = (src.channels().count(), dst.depth());
    let curve = |channel: usize| -> Vec<u16> {
        (0..=S::MAX).map(|value| deepen(points.at(channel, value, S::MAX), 0xffff, depth) as u16).collect()
    };
    let mut tables: Vec<Vec<u16>> = (0..points.curves().min(count)).map(curve).collect();
    if src.channels().has_alpha() {
        tables.push((0..=S::MAX).map(|value| deepen(value, S::MAX, depth) as u16).collect());
    }
    let colors = src.channels().without_alpha().count();
    let table = |channel: usize| -> &[u16] {
        let last = tables.len() - 1;
        if channel < colors { &tables[if points.curves() == 1 { 0 } else { channel }] } else { &tables[last] }
    };
    let (from, to) = (src.data(), dst.data_mut());
    match src.channels() {
        Channels::Grey => look_up::<S, D, 1>(from, to, [table(0)]),
        Channels::GreyAlpha => look_up::<S, D, 2>(from, to, [table(0), table(1)]),
        Channels::Rgb => look_up::<S, D, 3>(from, to, [table(0), table(1), table(2)]),
        Channels::Rgba => look_up::<S, D, 4>(from, to, [table(0), table(1), table(2), table(3)]),
    }
}

fn look_up<S: Samples, D: Samples, const COUNT: usize>(from: &[u8], to: &mut [u8], tables: [&[u16]; COUNT]) {
    for (from, to) in from.chunks_exact(COUNT * S::BYTES).zip(to.chunks_exact_mut(COUNT * D::BYTES)) {
        for (channel, table) in tables.iter().enumerate() {
            D::set(to, channel, table[S::get(from, channel) as usize].into());
        }
    }
}
