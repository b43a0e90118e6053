//! Turning, mirroring and cutting without loss: blocks move, and within each the signs of some coefficients change.

use crate::coefficients::Coefficients;
use crate::error::Error;
use crate::scan::Block;

/// What happens to the picture, as its viewer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Left and right change places.
    FlipHorizontal,
    /// Top and bottom change places.
    FlipVertical,
    /// Along the diagonal from the top left.
    Transpose,
    /// Along the other diagonal.
    Transverse,
    /// A quarter clockwise.
    Rotate90,
    /// A half.
    Rotate180,
    /// A quarter counterclockwise.
    Rotate270,
}

/// What becomes of MCUs at the right and at the bottom that are not whole, and would come to lie where they must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// They are an error.
    Keep,
    /// They are cut off.
    Trim,
}

impl Turn {
    /// Transposed first, then mirrored across and down.
    fn parts(self) -> (bool, bool, bool) {
        match self {
            Turn::FlipHorizontal => (false, true, false),
            Turn::FlipVertical => (false, false, true),
            Turn::Rotate180 => (false, true, true),
            Turn::Transpose => (true, false, false),
            Turn::Rotate90 => (true, true, false),
            Turn::Rotate270 => (true, false, true),
            Turn::Transverse => (true, true, true),
        }
    }
}

impl Coefficients {
    /// Turns or mirrors. What `Edge::Trim` cuts off is at most one MCU at the sides that come to lie on the left or at the top.
    pub fn turned(&self, turn: Turn, edge: Edge) -> Result<Self, Error> {
        let (transpose, mirror_x, mirror_y) = turn.parts();
        // Which sides of the source are mirrored.
        let (across, down) = if transpose { (mirror_y, mirror_x) } else { (mirror_x, mirror_y) };
        let (mcu_width, mcu_height) = (self.frame.max_h as u32 * 8, self.frame.max_v as u32 * 8);
        let whole = |length: u32, mcu: u32, mirrored: bool, side| match (mirrored && !length.is_multiple_of(mcu), edge) {
            (false, _) => Ok(length),
            (true, Edge::Trim) if length > mcu => Ok(length - length % mcu),
            (true, _) => Err(Error::Uneven(side)),
        };
        let width = whole(self.frame.width, mcu_width, across, "its width")?;
        let height = whole(self.frame.height, mcu_height, down, "its height")?;
        let mut frame = self.frame.clone();
        (frame.width, frame.height) = if transpose { (height, width) } else { (width, height) };
        for c in &mut frame.components {
            if transpose {
                (c.h, c.v) = (c.v, c.h);
                c.quant = c.quant.map(|quant| std::array::from_fn(|at| quant[transposed(at)]));
            }
        }
        frame.lay_out();
        let mut planes = Vec::with_capacity(self.planes.len());
        for ((plane, source), c) in self.planes.iter().zip(&self.frame.components).zip(&frame.components) {
            let mut turned = Vec::with_capacity(c.stride * c.rows);
            for y in 0..c.rows {
                for x in 0..c.stride {
                    let (x, y) = (if mirror_x { c.stride - 1 - x } else { x }, if mirror_y { c.rows - 1 - y } else { y });
                    let (x, y) = if transpose { (y, x) } else { (x, y) };
                    turned.push(block(&plane[y * source.stride + x], transpose, mirror_x, mirror_y));
                }
            }
            planes.push(turned);
        }
        Ok(Coefficients { frame, planes, complete: self.complete, sound: self.sound })
    }

    /// The part that begins at whole MCUs, left and top of `x` and `y` at most, so that it may be larger by what lies before them. Gives
    /// also where in it `x` and `y` are.
    pub fn cropped(&self, x: u32, y: u32, width: u32, height: u32) -> Result<(Self, (u32, u32)), Error> {
        let fits = |at: u32, length: u32, all: u32| length > 0 && at.checked_add(length).is_some_and(|end| end <= all);
        if !fits(x, width, self.frame.width) || !fits(y, height, self.frame.height) {
            return Err(Error::TooMuch("fewer pixels"));
        }
        let (mcu_width, mcu_height) = (self.frame.max_h as u32 * 8, self.frame.max_v as u32 * 8);
        let (before, above) = (x % mcu_width, y % mcu_height);
        let mut frame = self.frame.clone();
        (frame.width, frame.height) = (width + before, height + above);
        frame.lay_out();
        let (left, top) = ((x / mcu_width) as usize, (y / mcu_height) as usize);
        let mut planes = Vec::with_capacity(self.planes.len());
        for ((plane, source), c) in self.planes.iter().zip(&self.frame.components).zip(&frame.components) {
            let rows = plane.chunks_exact(source.stride).skip(top * c.v).take(c.rows);
            planes.push(rows.flat_map(|row| &row[left * c.h..][..c.stride]).copied().collect());
        }
        Ok((Coefficients { frame, planes, complete: self.complete, sound: self.sound }, (before, above)))
    }
}

/// The place of a coefficient across the diagonal.
fn transposed(at: usize) -> usize {
    at % 8 * 8 + at / 8
}

/// Mirroring changes the signs of waves that are odd in that direction.
fn block(source: &Block, transpose: bool, mirror_x: bool, mirror_y: bool) -> Block {
    std::array::from_fn(|at| {
        let value = source[if transpose { transposed(at) } else { at }];
        let odd = (mirror_x && at % 2 == 1) != (mirror_y && at / 8 % 2 == 1);
        if odd { value.wrapping_neg() } else { value }
    })
}
