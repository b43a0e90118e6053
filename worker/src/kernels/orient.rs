//! Turns and mirrors. Exact: pixels are copied.

use std::ops::Range;

use super::{Kernel, Tolerance, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::{Band, Pass};
use crate::pixels::samples::expect_shape;
use crate::pixels::{CpuLevel, Image, Layer, Orientation, Shape, Step};

/// See [`Step::Orient`].
pub(super) struct Orient;

/// How the source is walked while the destination is written row by row: a pixel to start from, and the distances to the source
/// pixel of the next destination column and row. All in pixels of the source, counted over the whole image.
#[derive(Clone, Copy)]
struct Walk {
    start: i64,
    column: i64,
    row: i64,
}

impl Walk {
    fn new(orientation: Orientation, src: Shape) -> Self {
        let (w, h) = (i64::from(src.width), i64::from(src.height));
        let (right, bottom) = (w - 1, w * (h - 1));
        let (start, column, row) = match orientation {
            Orientation::Upright => (0, 1, w),
            Orientation::FlipHorizontal => (right, -1, w),
            Orientation::Rotate180 => (bottom + right, -1, -w),
            Orientation::FlipVertical => (bottom, 1, -w),
            Orientation::Transpose => (0, w, 1),
            Orientation::Rotate90 => (bottom, -w, 1),
            Orientation::Transverse => (bottom + right, -w, -1),
            Orientation::Rotate270 => (right, w, -1),
        };
        Self { start, column, row }
    }
}

/// Side of the squares in which the fast form walks, in pixels: a square of 8-byte pixels and its image fit the L1 cache.
const TILE: usize = 32;

impl Kernel for Orient {
    fn name(&self) -> &'static str {
        "orient"
    }

    fn tolerance(&self, _src: Shape) -> Tolerance {
        Tolerance::EXACT
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        let Step::Orient { orientation } = step else { return Err(wrong_step(self.name(), step)) };
        Ok(if orientation.swaps_sides() { Shape { width: src.height, height: src.width, ..src } } else { src })
    }

    fn is_identity(&self, step: &Step, _src: Shape) -> bool {
        matches!(step, Step::Orient { orientation: Orientation::Upright })
    }

    fn cpu(&self, level: CpuLevel, step: &Step, _layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let Step::Orient { orientation } = *step else { return Err(wrong_step(self.name(), step)) };
        let walk = Walk::new(orientation, src.shape());
        let width = dst.width() as usize;
        let pixel = src.channels().count() * src.depth().bytes();
        if level == CpuLevel::Scalar {
            scalar(src, dst, orientation, pixel);
            return Ok(());
        }
        match pixel {
            1 => tiled::<1>(src.data(), dst.data_mut(), width, walk),
            2 => tiled::<2>(src.data(), dst.data_mut(), width, walk),
            3 => tiled::<3>(src.data(), dst.data_mut(), width, walk),
            4 => tiled::<4>(src.data(), dst.data_mut(), width, walk),
            6 => tiled::<6>(src.data(), dst.data_mut(), width, walk),
            _ => tiled::<8>(src.data(), dst.data_mut(), width, walk),
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, _layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let dst = self.output(step, src)?;
        let Step::Orient { orientation } = *step else { return Err(wrong_step(self.name(), step)) };
        let Walk { start, column, row } = Walk::new(orientation, src);
        // Two's complement: the shader adds with wrap-around.
        Ok(vec![Pass::over_words(self.name(), src, dst, [start as u32, column as u32, row as u32, 0, 0, 0, 0, 0])])
    }

    fn band(&self, step: &Step, layers: &[Layer], src: Shape, rows: Range<u32>) -> Result<Option<Band>, Failure> {
        let Step::Orient { orientation } = *step else { return Err(wrong_step(self.name(), step)) };
        let mirrored = |length: u32| length - rows.end..length - rows.start;
        let (columns, rows) = match orientation {
            Orientation::Upright | Orientation::FlipHorizontal => (0..src.width, rows.clone()),
            Orientation::Rotate180 | Orientation::FlipVertical => (0..src.width, mirrored(src.height)),
            Orientation::Transpose | Orientation::Rotate90 => (rows.clone(), 0..src.height),
            Orientation::Transverse | Orientation::Rotate270 => (mirrored(src.width), 0..src.height),
        };
        let part = Shape { width: columns.end - columns.start, height: rows.end - rows.start, ..src };
        let (passes, made) = (self.gpu(step, layers, part)?, self.output(step, part)?);
        Ok(Some(Band { columns, rows, passes, made, skip: 0 }))
    }
}

/// The definition of each orientation, pixel by pixel: where the pixel at `x`, `y` of the result comes from.
fn scalar(src: &Image, dst: &mut Image, orientation: Orientation, pixel: usize) {
    let (right, bottom) = (src.width() as usize - 1, src.height() as usize - 1);
    let (width, stride) = (dst.width() as usize, src.stride());
    for (index, to) in dst.data_mut().chunks_exact_mut(pixel).enumerate() {
        let (x, y) = (index % width, index / width);
        let (from_x, from_y) = match orientation {
            Orientation::Upright => (x, y),
            Orientation::FlipHorizontal => (right - x, y),
            Orientation::Rotate180 => (right - x, bottom - y),
            Orientation::FlipVertical => (x, bottom - y),
            Orientation::Transpose => (y, x),
            Orientation::Rotate90 => (y, bottom - x),
            Orientation::Transverse => (right - y, bottom - x),
            Orientation::Rotate270 => (right - y, x),
        };
        let from = from_y * stride + from_x * pixel;
        to.copy_from_slice(&src.data()[from..from + pixel]);
    }
}

/// Pixels of `N` bytes, in squares so that neither image is walked across its rows for long.
fn tiled<const N: usize>(src: &[u8], dst: &mut [u8], width: usize, walk: Walk) {
    let (src, _) = src.as_chunks::<N>();
    let (dst, _) = dst.as_chunks_mut::<N>();
    // Without a turn the rows are read in order, and squares would only cost.
    let tile = if walk.column.abs() == 1 { width } else { TILE };
    for (band_index, band) in dst.chunks_mut(width * TILE).enumerate() {
        for left in (0..width).step_by(tile) {
            let right = (left + tile).min(width);
            for (index, row) in band.chunks_exact_mut(width).enumerate() {
                let y = (band_index * TILE + index) as i64;
                let mut from = walk.start + y * walk.row + left as i64 * walk.column;
                for to in &mut row[left..right] {
                    *to = src[from as usize];
                    from += walk.column;
                }
            }
        }
    }
}
