//! Places an image on a larger canvas of one colour. Exact: rows are copied.

use std::ops::Range;

use super::{Kernel, Tolerance, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::{Band, Pass};
use crate::pixels::samples::{Bits8, Bits16, Samples, expect_shape, widen};
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Pad`].
pub(super) struct Pad;

/// The canvas colour in the samples of `shape`: grey by the luma of [`super::convert`], alpha dropped where there is none.
fn canvas(color: [u8; 4], shape: Shape) -> ([u32; 4], usize) {
    let [r, g, b, a] = color.map(|value| widen(value, shape.depth));
    let grey = super::convert::luma(r, g, b);
    match shape.channels {
        Channels::Grey => ([grey, 0, 0, 0], 1),
        Channels::GreyAlpha => ([grey, a, 0, 0], 2),
        Channels::Rgb => ([r, g, b, 0], 3),
        Channels::Rgba => ([r, g, b, a], 4),
    }
}

impl Kernel for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn tolerance(&self, _src: Shape) -> Tolerance {
        Tolerance::EXACT
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        let &Step::Pad { x, y, width, height, .. } = step else { return Err(wrong_step(self.name(), step)) };
        let inside = |from: u32, length: u32, whole: u32| from.checked_add(length).is_some_and(|end| end <= whole);
        if !inside(x, src.width, width) || !inside(y, src.height, height) {
            return Err(Failure::internal(format!(
                "an image of {}x{} at {x},{y} does not fit a canvas of {width}x{height}",
                src.width, src.height
            )));
        }
        Ok(Shape { width, height, ..src })
    }

    fn is_identity(&self, step: &Step, src: Shape) -> bool {
        matches!(*step, Step::Pad { width, height, .. } if width == src.width && height == src.height)
    }

    fn cpu(&self, _level: CpuLevel, step: &Step, _layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let &Step::Pad { x, y, color, .. } = step else { return Err(wrong_step(self.name(), step)) };
        let (samples, count) = canvas(color, src.shape());
        let pixel = src.channels().count() * src.depth().bytes();
        let mut fill = [0; 8];
        for (index, value) in samples.into_iter().take(count).enumerate() {
            match src.depth() {
                Depth::U8 => Bits8::set(&mut fill, index, value),
                Depth::U16 => Bits16::set(&mut fill, index, value),
            }
        }
        let fill = &fill[..pixel];
        let stride = dst.stride();
        let from = x as usize * pixel;
        let top = y as usize;
        for (index, row) in dst.data_mut().chunks_exact_mut(stride).enumerate() {
            let inner = index.checked_sub(top).and_then(|index| src.data().chunks_exact(src.stride()).nth(index));
            match inner {
                Some(inner) => {
                    let (left, rest) = row.split_at_mut(from);
                    let (middle, right) = rest.split_at_mut(inner.len());
                    paint(left, fill);
                    middle.copy_from_slice(inner);
                    paint(right, fill);
                }
                None => paint(row, fill),
            }
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, _layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let dst = self.output(step, src)?;
        let &Step::Pad { x, y, color, .. } = step else { return Err(wrong_step(self.name(), step)) };
        let ([a, b, c, d], _) = canvas(color, src);
        Ok(vec![Pass::over_words(self.name(), src, dst, [x, y, a, b, c, d, 0, 0])])
    }

    fn band(&self, step: &Step, layers: &[Layer], src: Shape, rows: Range<u32>) -> Result<Option<Band>, Failure> {
        let whole = self.output(step, src)?;
        let &Step::Pad { x, y, color, .. } = step else { return Err(wrong_step(self.name(), step)) };
        let height = rows.end - rows.start;
        let on = |row: u32| row.clamp(y, y + src.height) - y;
        let (from, to) = (on(rows.start), on(rows.end));
        if from == to {
            // Canvas alone. A device reads something all the same: one pixel, which lies below what is made.
            let part = Shape { width: 1, height: 1, ..src };
            let step = Step::Pad { x: 0, y: 0, width: whole.width, height, color };
            let (mut passes, made) = (self.gpu(&step, layers, part)?, self.output(&step, part)?);
            passes.iter_mut().for_each(|pass| pass.params.own[1] = height);
            return Ok(Some(Band { columns: 0..1, rows: 0..1, passes, made, skip: 0 }));
        }
        let part = Shape { height: to - from, ..src };
        let step = Step::Pad { x, y: (y + from) - rows.start, width: whole.width, height, color };
        let (passes, made) = (self.gpu(&step, layers, part)?, self.output(&step, part)?);
        Ok(Some(Band { columns: 0..src.width, rows: from..to, passes, made, skip: 0 }))
    }
}

fn paint(row: &mut [u8], fill: &[u8]) {
    for pixel in row.chunks_exact_mut(fill.len()) {
        pixel.copy_from_slice(fill);
    }
}
