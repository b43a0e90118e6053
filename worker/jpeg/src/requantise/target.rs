//! Rows of MCUs of the source as rows of MCUs of the result, requantised; where the source has more colour samples than the result, those are
//! made anew.

use super::forward::Samples;
use super::has_few_colors;
use super::steps::{self, Old};
use crate::encode::dct::Divisors;
use crate::error::Error;
use crate::frame::{Color, Frame};
use crate::scan::Block;
use crate::simd::Level;
use crate::zigzag::coded;

/// Whether a picture is of a kind that is rewritten: grey, or brightness and colours in a sampling of 4:4:4, 4:2:2, 4:4:0 or 4:2:0.
pub(super) fn is_known(source: &Frame) -> bool {
    let color = source.color();
    match &source.components[..] {
        [_] => true,
        [luma, colors @ ..] => {
            color == Color::YCbCr
                && (luma.h, luma.v) == (source.max_h, source.max_v)
                && luma.h.max(luma.v) <= 2
                && colors.iter().all(|c| (c.h, c.v) == (1, 1))
        }
        [] => false,
    }
}

/// The header of what is written for a picture of a known kind, unless its steps have more than 8 bits. Those of the result are of
/// `quality`.
pub(super) fn header(source: &Frame, quality: u8, full_chroma: bool, old: Old) -> Option<Frame> {
    if !steps::are_short(source) {
        return None;
    }
    let mut frame = source.clone();
    frame.progressive = false;
    // As libjpeg writes it: version 1.01, square pixels.
    frame.jfif = Some(*b"JFIF\0\x01\x01\x00\0\x01\0\x01\0\0");
    frame.adobe = None;
    let halved = !full_chroma && !has_few_colors(source);
    for (index, c) in frame.components.iter_mut().enumerate() {
        c.id = index as u8 + 1;
        if index == 0 && halved {
            (c.h, c.v) = (2, 2);
        }
        let old = if index > 0 && halved { Old::Dropped } else { old };
        c.quant = c.quant.map(|quant| steps::wanted(&quant, index, quality, old));
    }
    frame.lay_out();
    Some(frame)
}

/// One row of MCUs of the result, while it grows.
pub(super) struct Target {
    pub(super) frame: Frame,
    pub(super) rows: Vec<Vec<Block>>,
    pub(super) strides: Vec<usize>,
    ratios: Vec<[f32; 64]>,
    level: Level,
    /// Rows of MCUs of the source for one of the result.
    every: usize,
    got: usize,
    colors: Option<Colors>,
}

/// Samples of colour that become fewer.
struct Colors {
    /// What halves.
    across: bool,
    down: bool,
    planes: Vec<Samples>,
    /// Rows and columns with the padding of whole blocks.
    stride: usize,
    padded: Vec<Vec<u8>>,
    steps: Vec<[u16; 64]>,
    divisors: Vec<Divisors>,
    /// Room for a row of blocks.
    strip: Vec<u8>,
    scratch: Vec<Block>,
    left: usize,
}

impl Target {
    /// `is_coded` says that blocks are in coding order, those of the result as well.
    pub(super) fn new(source: &Frame, frame: Frame, is_coded: bool) -> Result<Self, Error> {
        let every = frame.max_v / source.max_v.min(frame.max_v);
        let quant = |frame: &Frame, index: usize| frame.components[index].quant.unwrap_or([1; 64]);
        let ratios = (0..frame.components.len())
            .map(|index| steps::ratios(&quant(source, index), &quant(&frame, index)))
            .map(|ratios| if is_coded { coded(&ratios) } else { ratios })
            .collect();
        let colors = || -> Result<Colors, Error> {
            let c = &source.components[1];
            let (across, down) = (source.max_h < frame.max_h, source.max_v < frame.max_v);
            let width = (source.width as usize).div_ceil(source.max_h);
            let stride = c.stride * 8;
            Ok(Colors {
                across,
                down,
                planes: vec![Samples { width, height: 0, data: Vec::new() }; 2],
                stride,
                padded: vec![vec![0; every * 8 * stride]; 2],
                steps: (1..3).map(|index| quant(source, index)).collect(),
                divisors: (1..3).map(|index| Divisors::new(&quant(&frame, index))).collect::<Result<_, _>>()?,
                strip: Vec::new(),
                scratch: vec![[0; 64]; source.components[0].v * source.components[0].stride],
                left: (source.height as usize).div_ceil(source.max_v),
            })
        };
        let is_other = (source.max_h, source.max_v) != (frame.max_h, frame.max_v);
        let colors = is_other.then(colors).transpose()?;
        Ok(Target {
            rows: frame.components.iter().map(|c| vec![[0; 64]; c.v * c.stride]).collect(),
            strides: frame.components.iter().map(|c| c.stride).collect(),
            ratios,
            level: Level::detect(),
            every,
            got: 0,
            colors,
            frame,
        })
    }

    /// Takes a row of MCUs of the source; true if the one of the result is whole, as it is with the `last`.
    pub(super) fn take(&mut self, source: &Frame, blocks: &[&[Block]], last: bool) -> Result<bool, Error> {
        let Some(colors) = &mut self.colors else {
            for ((row, blocks), ratios) in self.rows.iter_mut().zip(blocks).zip(&self.ratios) {
                self.level.scale(blocks, ratios, row);
            }
            return Ok(true);
        };
        let luma = &source.components[0];
        self.level.scale(blocks[0], &self.ratios[0], &mut colors.scratch);
        let stride = self.strides[0];
        for (y, from) in colors.scratch.chunks_exact(luma.stride).enumerate() {
            let to = &mut self.rows[0][(self.got * luma.v + y) * stride..][..stride];
            to[..luma.stride].copy_from_slice(from);
            pad(to, luma.stride);
        }
        for (index, padded) in colors.padded.iter_mut().enumerate() {
            let samples = &mut padded[self.got * 8 * colors.stride..][..8 * colors.stride];
            self.level.idct_row(blocks[index + 1], &colors.steps[index], samples, colors.stride);
        }
        self.got += 1;
        if self.got < self.every && !last {
            return Ok(false);
        }
        // Below the picture there is nothing to be seen: blocks of one value.
        for y in self.got * luma.v..2 {
            let (above, below) = self.rows[0].split_at_mut(y * stride);
            for (above, below) in above[(y - 1) * stride..].iter().zip(&mut below[..stride]) {
                *below = [0; 64];
                below[0] = above[0];
            }
        }
        let height = (self.got * 8).min(colors.left);
        colors.left -= height;
        for index in 0..2 {
            let plane = &mut colors.planes[index];
            plane.height = height;
            plane.data.clear();
            for row in colors.padded[index].chunks_exact(colors.stride).take(height) {
                plane.data.extend_from_slice(&row[..plane.width]);
            }
            let shown = self.frame.components[index + 1].width_in_blocks;
            let blocks = &mut self.rows[index + 1][..shown];
            let plane = plane.halved(self.level, colors.across, colors.down);
            plane.blocks(self.level, 0, &colors.divisors[index], &mut colors.strip, blocks);
            pad(&mut self.rows[index + 1], shown);
        }
        self.got = 0;
        Ok(true)
    }
}

/// Fills blocks up that do not show, by the mean of the last one that does.
fn pad(row: &mut [Block], known: usize) {
    let Some(last) = known.checked_sub(1).and_then(|last| row.get(last)).copied() else { return };
    for block in &mut row[known..] {
        *block = [0; 64];
        block[0] = last[0];
    }
}
