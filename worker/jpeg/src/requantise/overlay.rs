//! Something drawn over a part of the picture: only the blocks that it changes go through pixels.

use super::forward::{Samples, ycc};
use super::target::Target;
use crate::coefficients::Coefficients;
use crate::encode::dct::Divisors;
use crate::error::Error;
use crate::frame::Frame;
use crate::pixels::Picture;
use crate::scan::Block;
use crate::simd::Level;
use crate::zigzag;

/// Pixels of an MCU of any sampling, to which parts are rounded.
const GRID: usize = 16;

/// Draws on pixels whose first one stands there in the picture; gives whether the work is to go on.
pub type Brush<'a> = &'a mut dyn FnMut(&mut Picture, (u32, u32)) -> bool;

/// A part of the picture that is drawn on.
pub struct Paint<'a> {
    /// Left edge, in pixels.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Pixels across, at least one, within the picture.
    pub width: u32,
    /// Pixels down, likewise.
    pub height: u32,
    /// Draws. Gets the part, which may be a little larger, grey or as red, green and blue.
    pub brush: Brush<'a>,
}

/// From one pixel to before another, across or down.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
}

impl Span {
    fn new(from: u32, length: u32, all: u32) -> Self {
        let (from, end, all) = (from as usize, from as usize + length as usize, all as usize);
        Span { from: from / GRID * GRID, to: end.next_multiple_of(GRID).min(all) }
    }

    /// With the neighbours that samples of colour are made with.
    fn wider(self, all: u32) -> Self {
        Span { from: self.from.saturating_sub(GRID), to: (self.to + GRID).min(all as usize) }
    }

    fn length(self) -> usize {
        self.to - self.from
    }
}

/// What is kept until the part is whole.
pub(super) struct Overlay<'a> {
    brush: Brush<'a>,
    across: Span,
    down: Span,
    /// The part of the source with its neighbours, and where it begins.
    part: Coefficients,
    /// Blocks come in coding order.
    coded: bool,
    wide: (Span, Span),
    /// Rows of MCUs of the result that wait, the number of the first, and from which row of the source on they can be drawn on.
    held: Vec<Vec<Vec<Block>>>,
    /// Blocks that were made anew.
    pub(super) changed: usize,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(source: &Frame, paint: Paint<'a>, coded: bool) -> Result<Self, Error> {
        let inside = |from: u32, length: u32, all: u32| length > 0 && from.checked_add(length).is_some_and(|end| end <= all);
        if !inside(paint.x, paint.width, source.width) || !inside(paint.y, paint.height, source.height) {
            return Err(Error::TooMuch("fewer pixels"));
        }
        let across = Span::new(paint.x, paint.width, source.width);
        let down = Span::new(paint.y, paint.height, source.height);
        let wide = (across.wider(source.width), down.wider(source.height));
        let mut frame = source.clone();
        (frame.width, frame.height) = (wide.0.length() as u32, wide.1.length() as u32);
        frame.lay_out();
        let planes = frame.components.iter().map(|c| Vec::with_capacity(c.stride * c.rows)).collect();
        let part = Coefficients { frame, planes, complete: true, sound: true };
        Ok(Overlay { brush: paint.brush, across, down, part, coded, wide, held: Vec::new(), changed: 0 })
    }

    /// Looks at a row of MCUs of the source.
    pub(super) fn look(&mut self, source: &Frame, number: usize, blocks: &[&[Block]]) {
        let high = 8 * source.max_v;
        if (self.wide.1.from..self.wide.1.to).contains(&(number * high)) {
            let left = self.wide.0.from / (8 * source.max_h);
            let parts = self.part.planes.iter_mut().zip(&self.part.frame.components);
            for (((plane, part), c), blocks) in parts.zip(&source.components).zip(blocks) {
                for row in blocks.chunks_exact(c.stride) {
                    let row = &row[left * c.h..][..part.stride];
                    if self.coded {
                        plane.extend(row.iter().map(zigzag::natural));
                    } else {
                        plane.extend_from_slice(row);
                    }
                }
            }
        }
    }

    /// Whether that row of MCUs of the result has to wait for what is below it.
    pub(super) fn holds(&self, frame: &Frame, row: usize) -> bool {
        let high = 8 * frame.max_v;
        (self.down.from..self.wide.1.to).contains(&(row * high))
    }

    /// Keeps a row.
    pub(super) fn hold(&mut self, target: &Target) {
        self.held.push(target.rows.clone());
    }

    /// The rows that have waited, drawn on; nothing before the last of them is there, behind row `row` of the result. `None` where the
    /// work is not to go on.
    pub(super) fn drawn(&mut self, frame: &Frame, row: usize) -> Result<Option<Vec<Vec<Vec<Block>>>>, Error> {
        let high = 8 * frame.max_v;
        if self.held.is_empty() || (row + 1) * high < self.wide.1.to {
            return Ok(Some(Vec::new()));
        }
        let mut held = std::mem::take(&mut self.held);
        let whole = Picture::of(&self.part)?;
        let mut before =
            cut(&whole, self.across.from - self.wide.0.from, self.down.from - self.wide.1.from, self.across, self.down);
        let mut after = before.clone();
        if !(self.brush)(&mut after, (self.across.from as u32, self.down.from as u32)) {
            return Ok(None);
        }
        let same = (after.width, after.height, after.channels, after.data.len())
            == (before.width, before.height, before.channels, before.data.len());
        if !same {
            return Err(Error::Unsupported("of another size than what was drawn"));
        }
        // From here on: 1 where something changed.
        for (before, after) in before.data.chunks_exact_mut(after.channels).zip(after.data.chunks_exact(after.channels)) {
            before[0] = u8::from(before != after);
        }
        let changed = |x: usize, y: usize, width: usize, height: usize| {
            (y..(y + height).min(before.height)).any(|y| {
                let row = &before.data[y * before.width * before.channels..];
                (x..(x + width).min(before.width)).any(|x| row[x * before.channels] == 1)
            })
        };
        let level = Level::detect();
        let (mut strip, mut made) = (Vec::new(), Vec::new());
        for (index, samples) in planes(level, &after, frame).iter().enumerate() {
            let c = &frame.components[index];
            let divisors = Divisors::new(&c.quant.unwrap_or([1; 64]))?;
            made.resize(samples.width.div_ceil(8), [0; 64]);
            let (wide, tall) = (8 * frame.max_h / c.h, 8 * frame.max_v / c.v);
            for y in 0..samples.height.div_ceil(8) {
                let below = self.down.from / tall + y;
                let rows = &mut held[below / c.v - self.down.from / high][index][below % c.v * c.stride..];
                if !changed(0, y * tall, after.width, tall) {
                    continue;
                }
                samples.blocks(level, 8 * y, &divisors, &mut strip, &mut made);
                for (x, block) in made.iter().enumerate() {
                    if changed(x * wide, y * tall, wide, tall) {
                        rows[self.across.from / wide + x] = if self.coded { zigzag::coded(block) } else { *block };
                        self.changed += 1;
                    }
                }
            }
        }
        Ok(Some(held))
    }
}

/// A part of a picture.
fn cut(picture: &Picture, x: usize, y: usize, across: Span, down: Span) -> Picture {
    let (width, height, channels) = (across.length(), down.length(), picture.channels);
    let rows = picture.data.chunks_exact(picture.width * channels).skip(y).take(height);
    let data = rows.flat_map(|row| &row[x * channels..][..width * channels]).copied().collect();
    Picture { width, height, channels, data }
}

/// The components of pixels, in the sampling of `frame`.
fn planes(level: Level, picture: &Picture, frame: &Frame) -> Vec<Samples> {
    if picture.channels == 1 {
        return vec![Samples { width: picture.width, height: picture.height, data: picture.data.clone() }];
    }
    let [y, cb, cr] = ycc(level, &picture.data, picture.width);
    let fewer = |samples: Samples| samples.halved(level, frame.max_h == 2, frame.max_v == 2);
    vec![y, fewer(cb), fewer(cr)]
}
