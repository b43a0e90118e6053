//! A JPEG file as another of lower quality, without a way through pixels: decoded, divided and coded row by row.
//!
//! What has to change in its pixels does so in the blocks concerned alone.

mod forward;
mod overlay;
mod steps;
mod target;
mod tokens;

pub use overlay::{Brush, Paint};
pub use steps::quality_steps;
pub(crate) use steps::scale;

use crate::coefficients::{Coefficients, Opened};
use crate::encode::{Coding, WriteOptions};
use crate::error::{Error, Limits};
use crate::frame::Frame;
use crate::rows::Rows;
use crate::scan::{Block, Layout};
use crate::transform::{Edge, Turn, Turned};
use overlay::Overlay;
use steps::Old;
use target::Target;
use tokens::Tokens;

/// How a file is written anew.
#[derive(Default)]
pub struct Rewrite<'a> {
    /// Steps of quantisation are those of this quality, 1 to 100, except where the source's are larger.
    pub quality: u8,
    /// What is done to the picture first.
    pub turn: Option<Turn>,
    /// Whether colours keep their samples; otherwise 4:4:4, 4:2:2 and 4:4:0 become 4:2:0.
    pub full_chroma: bool,
    /// Whether scans of growing fineness are written.
    pub progressive: bool,
    /// What is drawn over it then.
    pub paint: Option<Paint<'a>>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The file, without anything but its picture.
    pub file: Vec<u8>,
    /// Blocks of the picture.
    pub blocks: usize,
    /// Those that went through pixels because something was drawn on them.
    pub drawn: usize,
}

impl Rewrite<'_> {
    /// Writes it. `None` where that cannot be done without loss beyond the quality's: the file is not sound, has colours other than grey and
    /// YCbCr or a rare sampling, is to be turned and does not end on whole MCUs; or the brush stopped.
    pub fn run(self, data: &[u8], limits: &Limits) -> Result<Option<Rewritten>, Error> {
        let opened = Opened::new(data, limits)?;
        if !target::is_known(&opened.frame) {
            return Ok(None);
        }
        // Where no block is changed but by its steps, they need not be brought into order.
        let as_is = !self.progressive && (self.full_chroma || has_few_colors(&opened.frame));
        let rows = match self.turn {
            None if as_is => Rows::coded(opened)?,
            None => Rows::new(opened, 64)?,
            Some(turn) => match Turned::new(opened.coefficients(64)?, turn, Edge::Keep) {
                Ok(turned) => Rows::turned(turned),
                Err(Error::Uneven(_)) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let source = rows.frame().clone();
        // Segments between scans can tell of other colours.
        if !target::is_known(&source) {
            return Ok(None);
        }
        let old = if self.paint.is_some() { Old::Divided } else { Old::Kept };
        let Some(frame) = target::header(&source, self.quality, self.full_chroma, old) else { return Ok(None) };
        let coded = rows.is_coded();
        let overlay = self.paint.map(|paint| Overlay::new(&source, paint, coded)).transpose()?;
        let target = Target::new(&source, frame, coded)?;
        let blocks = target.frame.components.iter().map(|c| c.width_in_blocks * c.height_in_blocks).sum();
        let file = |(file, drawn)| Rewritten { file, blocks, drawn };
        if self.progressive {
            let planes = Planes::new(&target.frame);
            return Ok(through(rows, &source, target, overlay, planes)?.map(file));
        }
        let tokens = Symbols::new(&target.frame, coded)?;
        Ok(through(rows, &source, target, overlay, tokens)?.map(file))
    }
}

/// No samples of colour will go.
fn has_few_colors(frame: &Frame) -> bool {
    frame.components.len() == 1 || (frame.max_h, frame.max_v) == (2, 2)
}

/// Takes the rows of MCUs of the result, and makes a file of them.
trait Sink {
    fn row(&mut self, rows: &[Vec<Block>], strides: &[usize]);
    fn file(self, frame: Frame) -> Result<Vec<u8>, Error>;
}

fn through(
    mut rows: Rows<'_>,
    source: &Frame,
    mut target: Target,
    mut overlay: Option<Overlay<'_>>,
    mut sink: impl Sink,
) -> Result<Option<(Vec<u8>, usize)>, Error> {
    let (last, mut made) = (source.mcus_down() - 1, 0);
    for number in 0..=last {
        let Some(blocks) = rows.next_row() else { break };
        let blocks = &blocks[..source.components.len()];
        if let Some(overlay) = &mut overlay {
            overlay.look(source, number, blocks);
        }
        if !target.take(source, blocks, number == last)? {
            continue;
        }
        match &mut overlay {
            Some(overlay) if overlay.holds(&target.frame, made) => {
                overlay.hold(&target);
                let Some(drawn) = overlay.drawn(&target.frame, made)? else { return Ok(None) };
                drawn.iter().for_each(|row| sink.row(row, &target.strides));
            }
            _ => sink.row(&target.rows, &target.strides),
        }
        made += 1;
    }
    let drawn = overlay.map_or(0, |overlay| overlay.changed);
    if rows.is_sound() { Ok(Some((sink.file(target.frame)?, drawn))) } else { Ok(None) }
}

/// A sequential file.
struct Symbols {
    tokens: Tokens,
    layout: Layout,
}

impl Symbols {
    fn new(frame: &Frame, coded: bool) -> Result<Self, Error> {
        Ok(Symbols { tokens: Tokens::new(coded), layout: Layout::new(frame, 0..frame.components.len())? })
    }
}

impl Sink for Symbols {
    fn row(&mut self, rows: &[Vec<Block>], strides: &[usize]) {
        let mut blocks: [&[Block]; 4] = [&[]; 4];
        for (blocks, row) in blocks.iter_mut().zip(rows) {
            *blocks = row;
        }
        self.tokens.row(&self.layout, &blocks, strides);
    }

    fn file(self, frame: Frame) -> Result<Vec<u8>, Error> {
        self.tokens.file(&frame)
    }
}

/// A progressive file, for which all is needed at once.
struct Planes(Vec<Vec<Block>>);

impl Planes {
    fn new(frame: &Frame) -> Self {
        Planes(frame.components.iter().map(|c| Vec::with_capacity(c.stride * c.rows)).collect())
    }
}

impl Sink for Planes {
    fn row(&mut self, rows: &[Vec<Block>], _: &[usize]) {
        for (plane, row) in self.0.iter_mut().zip(rows) {
            plane.extend_from_slice(row);
        }
    }

    fn file(self, frame: Frame) -> Result<Vec<u8>, Error> {
        let all = Coefficients { frame, planes: self.0, complete: true, sound: true };
        all.write(&WriteOptions { coding: Coding::Progressive, ..WriteOptions::default() })
    }
}
