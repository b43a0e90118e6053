//! Cuts out a rectangle. Exact: rows are copied.

use std::ops::Range;

use super::{Kernel, Tolerance, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::{Band, Pass};
use crate::pixels::samples::expect_shape;
use crate::pixels::{CpuLevel, Image, Layer, Shape, Step};

/// See [`Step::Crop`].
pub(super) struct Crop;

impl Kernel for Crop {
    fn name(&self) -> &'static str {
        "crop"
    }

    fn tolerance(&self, _src: Shape) -> Tolerance {
        Tolerance::EXACT
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        let &Step::Crop { x, y, width, height } = step else { return Err(wrong_step(self.name(), step)) };
        let inside = |from: u32, length: u32, whole: u32| length > 0 && from.checked_add(length).is_some_and(|end| end <= whole);
        if !inside(x, width, src.width) || !inside(y, height, src.height) {
            return Err(Failure::internal(format!(
                "the rectangle {width}x{height} at {x},{y} does not lie within an image of {}x{}",
                src.width, src.height
            )));
        }
        Ok(Shape { width, height, ..src })
    }

    fn is_identity(&self, step: &Step, src: Shape) -> bool {
        matches!(*step, Step::Crop { x: 0, y: 0, width, height } if width == src.width && height == src.height)
    }

    fn cpu(&self, _level: CpuLevel, step: &Step, _layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let &Step::Crop { x, y, .. } = step else { return Err(wrong_step(self.name(), step)) };
        let pixel = src.channels().count() * src.depth().bytes();
        let (from, length) = (x as usize * pixel, dst.stride());
        let rows = src.data().chunks_exact(src.stride()).skip(y as usize);
        for (to, row) in dst.data_mut().chunks_exact_mut(length).zip(rows) {
            to.copy_from_slice(&row[from..from + length]);
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, _layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let dst = self.output(step, src)?;
        let &Step::Crop { x, y, .. } = step else { return Err(wrong_step(self.name(), step)) };
        Ok(vec![Pass::over_words(self.name(), src, dst, [x, y, 0, 0, 0, 0, 0, 0])])
    }

    fn band(&self, step: &Step, layers: &[Layer], src: Shape, rows: Range<u32>) -> Result<Option<Band>, Failure> {
        self.output(step, src)?;
        let &Step::Crop { x, y, width, .. } = step else { return Err(wrong_step(self.name(), step)) };
        let height = rows.end - rows.start;
        let (step, part) = (Step::Crop { x, y: 0, width, height }, Shape { height, ..src });
        let (passes, made) = (self.gpu(&step, layers, part)?, self.output(&step, part)?);
        Ok(Some(Band { columns: 0..src.width, rows: y + rows.start..y + rows.end, passes, made, skip: 0 }))
    }
}
