//! Turning, mirroring and cutting without loss: blocks move, and within each the signs of some coefficients change.

use crate::coefficients::Coefficients;
use crate::error::Error;
use crate::frame::Frame;
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
    pub fn parts(self) -> (bool, bool, bool) {
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

/// A picture that is turned, block by block.
pub(crate) struct Turned {
    source: Coefficients,
    /// Transposed, mirrored across, mirrored down.
    parts: (bool, bool, bool),
    /// The header of the result.
    pub(crate) frame: Frame,
}

impl Turned {
    pub(crate) fn new(source: Coefficients, turn: Turn, edge: Edge) -> Result<Self, Error> {
        let frame = frame(&source.frame, turn, edge)?;
        Ok(Turned { source, parts: turn.parts(), frame })
    }

    /// Nothing had to be guessed, and nothing is missing.
    pub(crate) fn is_sound(&self) -> bool {
        self.source.sound && self.source.complete
    }

    /// A row of blocks of a component.
    pub(crate) fn row(&self, component: usize, y: usize, out: &mut [Block]) {
        row(&self.source, &self.frame, self.parts, component, y, out);
    }
}

/// The header of a turned picture.
fn frame(source: &Frame, turn: Turn, edge: Edge) -> Result<Frame, Error> {
    let (transpose, mirror_x, mirror_y) = turn.parts();
    // Which sides of the source are mirrored.
    let (across, down) = if transpose { (mirror_y, mirror_x) } else { (mirror_x, mirror_y) };
    let (mcu_width, mcu_height) = (source.max_h as u32 * 8, source.max_v as u32 * 8);
    let whole = |length: u32, mcu: u32, mirrored: bool, side| match (mirrored && !length.is_multiple_of(mcu), edge) {
        (false, _) => Ok(length),
        (true, Edge::Trim) if length > mcu => Ok(length - length % mcu),
        (true, _) => Err(Error::Uneven(side)),
    };
    let width = whole(source.width, mcu_width, across, "its width")?;
    let height = whole(source.height, mcu_height, down, "its height")?;
    let mut frame = source.clone();
    (frame.width, frame.height) = if transpose { (height, width) } else { (width, height) };
    for c in &mut frame.components {
        if transpose {
            (c.h, c.v) = (c.v, c.h);
            c.quant = c.quant.map(|quant| std::array::from_fn(|at| quant[transposed(at)]));
        }
    }
    frame.lay_out();
    Ok(frame)
}

fn row(
    source: &Coefficients,
    frame: &Frame,
    (transpose, mirror_x, mirror_y): (bool, bool, bool),
    component: usize,
    y: usize,
    out: &mut [Block],
) {
    let (plane, c) = (&source.planes[component], &frame.components[component]);
    let stride = source.frame.components[component].stride;
    let y = if mirror_y { c.rows - 1 - y } else { y };
    let signs = signs(mirror_x, mirror_y);
    for (x, out) in out.iter_mut().enumerate() {
        let x = if mirror_x { c.stride - 1 - x } else { x };
        let block = if transpose { &plane[x * stride + y] } else { &plane[y * stride + x] };
        for (at, (out, sign)) in out.iter_mut().zip(&signs).enumerate() {
            *out = block[if transpose { transposed(at) } else { at }].wrapping_mul(*sign);
        }
    }
}

impl Coefficients {
    /// Turns or mirrors. What `Edge::Trim` cuts off is at most one MCU at the sides that come to lie on the left or at the top.
    pub fn turned(&self, turn: Turn, edge: Edge) -> Result<Self, Error> {
        let frame = frame(&self.frame, turn, edge)?;
        let mut planes = Vec::with_capacity(self.planes.len());
        for (index, c) in frame.components.iter().enumerate() {
            let mut plane = vec![[0; 64]; c.stride * c.rows];
            for (y, out) in plane.chunks_exact_mut(c.stride).enumerate() {
                row(self, &frame, turn.parts(), index, y, out);
            }
            planes.push(plane);
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
fn signs(mirror_x: bool, mirror_y: bool) -> Block {
    std::array::from_fn(|at| if (mirror_x && at % 2 == 1) != (mirror_y && at / 8 % 2 == 1) { -1 } else { 1 })
}
