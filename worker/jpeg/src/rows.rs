//! Coefficients row by row: as they are decoded where a file has one scan, so that no picture of them is kept; or out of those that are kept.

use std::borrow::Cow;

use crate::coefficients::{Coefficients, Opened};
use crate::error::Error;
use crate::frame::Frame;
use crate::scan::Block;
use crate::sequential::{Sequential, Wanted};
use crate::transform::Turned;

/// Coefficients with a number below this are all in the first rows of a block.
const LOW: usize = 5;

/// Makes the first [`LOW`] coefficients 0.
fn clear(block: &mut Block) {
    block[..10].fill(0);
    block[16] = 0;
}

/// The rows of MCUs of a file.
pub(crate) struct Rows<'a> {
    source: Source<'a>,
    /// The next one.
    number: usize,
    strides: Vec<usize>,
}

enum Source<'a> {
    /// One scan, and the blocks of its last row.
    Scan {
        opened: Box<Opened<'a>>,
        decoder: Box<Sequential>,
        row: Vec<Vec<Block>>,
        wanted: Wanted,
    },
    Planes(Cow<'a, Coefficients>),
    /// A turned picture, and the blocks of its last row.
    Turned(Box<Turned>, Vec<Vec<Block>>),
}

impl<'a> Rows<'a> {
    /// With the coefficients below `end` in coding order; 64 is all.
    pub(crate) fn new(opened: Opened<'a>, end: usize) -> Result<Self, Error> {
        Self::of_each(opened, [end; 4])
    }

    /// With the coefficients of each component below its end.
    pub(crate) fn of_each(opened: Opened<'a>, ends: [usize; 4]) -> Result<Self, Error> {
        let wanted = if ends == [64; 4] { Wanted::All } else { Wanted::Below(ends) };
        Self::wanting(opened, wanted, ends.into_iter().max().unwrap_or(64))
    }

    /// With all coefficients, left in coding order where a file has one scan.
    pub(crate) fn coded(opened: Opened<'a>) -> Result<Self, Error> {
        Self::wanting(opened, Wanted::Coded, 64)
    }

    fn wanting(mut opened: Opened<'a>, wanted: Wanted, end: usize) -> Result<Self, Error> {
        let strides = opened.frame.components.iter().map(|c| c.stride).collect();
        let in_order = opened.scan.components.iter().map(|c| c.0).eq(0..opened.frame.components.len());
        let source = if opened.is_single() && in_order {
            opened.markers.settle_quantisation(&opened.scan)?;
            if let Some(frame) = &opened.markers.frame {
                opened.frame = frame.clone();
            }
            let decoder = Box::new(Sequential::new(&mut opened.markers, &opened.frame, &opened.scan)?);
            let row = opened.frame.components.iter().map(|c| vec![[0; 64]; c.v * c.stride]).collect();
            Source::Scan { opened: Box::new(opened), decoder, row, wanted }
        } else {
            Source::Planes(Cow::Owned(opened.coefficients(end)?))
        };
        Ok(Rows { source, number: 0, strides })
    }

    /// Of coefficients that are there already.
    pub(crate) fn kept(coefficients: &'a Coefficients) -> Self {
        let strides = coefficients.frame.components.iter().map(|c| c.stride).collect();
        Rows { source: Source::Planes(Cow::Borrowed(coefficients)), number: 0, strides }
    }

    /// Of a picture that is turned.
    pub(crate) fn turned(turned: Turned) -> Self {
        let components = &turned.frame.components;
        let (strides, rows) = components.iter().map(|c| (c.stride, vec![[0; 64]; c.v * c.stride])).unzip();
        Rows { source: Source::Turned(Box::new(turned), rows), number: 0, strides }
    }

    pub(crate) fn frame(&self) -> &Frame {
        match &self.source {
            Source::Turned(turned, _) => &turned.frame,
            Source::Scan { opened, .. } => &opened.frame,
            Source::Planes(coefficients) => &coefficients.frame,
        }
    }

    /// Blocks are in coding order, not in the natural one.
    pub(crate) fn is_coded(&self) -> bool {
        matches!(self.source, Source::Scan { wanted: Wanted::Coded, .. })
    }

    /// Behind the last row: nothing had to be guessed, and nothing is missing.
    pub(crate) fn is_sound(&self) -> bool {
        match &self.source {
            Source::Turned(turned, _) => turned.is_sound(),
            Source::Scan { opened, .. } => opened.markers.sound,
            Source::Planes(coefficients) => coefficients.is_sound(),
        }
    }

    /// The blocks of the next row of MCUs, of each component.
    pub(crate) fn next_row(&mut self) -> Option<[&[Block]; 4]> {
        let number = self.number;
        if number == self.frame().mcus_down() {
            return None;
        }
        self.number += 1;
        let mut found: [&[Block]; 4] = [&[]; 4];
        match &mut self.source {
            Source::Planes(coefficients) => {
                for ((found, plane), c) in found.iter_mut().zip(&coefficients.planes).zip(&coefficients.frame.components) {
                    *found = &plane[number * c.v * c.stride..][..c.v * c.stride];
                }
            }
            Source::Turned(turned, rows) => {
                for (index, (found, row)) in found.iter_mut().zip(rows).enumerate() {
                    let c = &turned.frame.components[index];
                    for (y, out) in row.chunks_exact_mut(c.stride).enumerate() {
                        turned.row(index, number * c.v + y, out);
                    }
                    *found = row;
                }
            }
            Source::Scan { opened, decoder, row, wanted } => {
                let mut parts: Vec<&mut [Block]> = Vec::with_capacity(4);
                for (index, blocks) in row.iter_mut().enumerate() {
                    match wanted {
                        // No more is read or written.
                        Wanted::Below(ends) if ends[index & 3] <= LOW => blocks.iter_mut().for_each(clear),
                        _ => blocks.fill([0; 64]),
                    }
                    parts.push(blocks);
                }
                decoder.row(&mut opened.markers, &mut parts, &self.strides, *wanted);
                if number + 1 == opened.frame.mcus_down() {
                    decoder.end(&mut opened.markers);
                }
                for (found, blocks) in found.iter_mut().zip(row) {
                    *found = blocks;
                }
            }
        }
        Some(found)
    }
}
