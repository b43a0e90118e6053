//! Fewer samples out of the low coefficients, for thumbnails: what is above them is passed over, not decoded.

use super::idct;
use crate::coefficients::{Coefficients, Opened};
use crate::error::{Error, Limits};
use crate::frame::Frame;
use crate::rows::Rows;
use crate::scan::Block;

/// How many samples of each block there are in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The mean of a block.
    Eighth,
    /// 2 of 8, from 4 coefficients.
    Quarter,
    /// 4 of 8, from 16 coefficients.
    Half,
}

impl Scale {
    /// Samples of a block in each direction.
    pub fn size(self) -> usize {
        match self {
            Scale::Eighth => 1,
            Scale::Quarter => 2,
            Scale::Half => 4,
        }
    }

    /// The number, in coding order, of the first coefficient that is not decoded.
    fn end(self) -> usize {
        match self {
            Scale::Eighth => 1,
            Scale::Quarter => 5,
            // There are so many below the last of the 16 that passing over the rest is no gain.
            Scale::Half => 64,
        }
    }
}

/// The samples of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Samples across.
    pub width: usize,
    /// Samples down.
    pub height: usize,
    /// Rows without padding.
    pub data: Vec<u8>,
}

/// Components in their own sizes, not converted to other colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    /// The header of the file.
    pub frame: Frame,
    /// Its components.
    pub planes: Vec<Plane>,
}

impl Planes {
    /// Decodes a file at a scale. A plane covers as much as the whole component, rounded up.
    pub fn decode(data: &[u8], scale: Scale, limits: &Limits) -> Result<Self, Error> {
        Ok(Self::of_rows(Rows::new(Opened::new(data, limits)?, scale.end())?, scale))
    }

    /// The same planes as [`Self::decode`] makes of the file that the coefficients are of.
    pub fn of(coefficients: &Coefficients, scale: Scale) -> Self {
        Self::of_rows(Rows::kept(coefficients), scale)
    }

    fn of_rows(mut rows: Rows<'_>, scale: Scale) -> Self {
        let frame = rows.frame().clone();
        let mut planes: Vec<Plane> = (frame.components.iter())
            .map(|c| {
                let width = (frame.width as usize * c.h * scale.size()).div_ceil(8 * frame.max_h);
                let height = (frame.height as usize * c.v * scale.size()).div_ceil(8 * frame.max_v);
                Plane { width, height, data: vec![0; width * height] }
            })
            .collect();
        let mut number = 0;
        while let Some(blocks) = rows.next_row() {
            for ((plane, c), blocks) in planes.iter_mut().zip(&frame.components).zip(blocks) {
                let quant = &c.quant.unwrap_or([0; 64]);
                for (y, blocks) in blocks.chunks_exact(c.stride).enumerate() {
                    let top = (number * c.v + y) * scale.size();
                    match scale {
                        Scale::Eighth => fill(plane, top, blocks, |block| idct::one(block, quant)),
                        Scale::Quarter => fill(plane, top, blocks, |block| idct::two(block, quant)),
                        Scale::Half => fill(plane, top, blocks, |block| idct::four(block, quant)),
                    }
                }
            }
            number += 1;
        }
        Planes { frame, planes }
    }
}

/// The samples of a row of blocks, as far as they lie within the plane.
fn fill<const N: usize>(plane: &mut Plane, top: usize, blocks: &[Block], idct: impl Fn(&Block) -> [[u8; N]; N]) {
    let width = plane.width;
    let Some(part) = plane.data.get_mut(top * width..) else { return };
    for (x, block) in blocks.iter().take(width.div_ceil(N)).enumerate() {
        let samples = idct(block);
        let wide = N.min(width - x * N);
        for (row, samples) in part.chunks_exact_mut(width).zip(samples) {
            row[x * N..][..wide].copy_from_slice(&samples[..wide]);
        }
    }
}
