//! Files to packed coefficients, without a dense store of them where one scan has all.

use super::plane::PackedPlane;
use crate::coefficients::{Coefficients, Opened};
use crate::error::{Error, Limits};
use crate::frame::Frame;
use crate::rows::Rows;
use crate::scan::Block;
use crate::simd::{Level, Nonzero};

/// A picture as its packed coefficients; of each component the blocks with those that fill up MCUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Its header.
    pub frame: Frame,
    /// Its components.
    pub planes: Vec<PackedPlane>,
    /// Nothing had to be guessed, and nothing is missing.
    pub sound: bool,
}

impl Packed {
    /// Reads all coefficients of a file. Where it has one scan, they are packed while that is decoded, a row of MCUs at a time.
    pub fn read(data: &[u8], limits: &Limits) -> Result<Self, Error> {
        // Values take about as much as their codes.
        Ok(Self::of_rows(Rows::coded(Opened::new(data, limits)?)?, data.len()))
    }

    /// Packs coefficients that are there.
    pub fn of(coefficients: &Coefficients) -> Self {
        Self::of_rows(Rows::kept(coefficients), 0)
    }

    fn of_rows(mut rows: Rows<'_>, values: usize) -> Self {
        let frame = rows.frame().clone();
        let all: usize = frame.components.iter().map(|c| c.stride * c.rows).sum();
        let mut planes: Vec<PackedPlane> = (frame.components.iter())
            .map(|c| PackedPlane::new(c.stride, c.rows, (values as u64 * (c.stride * c.rows) as u64 / all as u64) as usize))
            .collect();
        let (nonzero, is_coded) = (Nonzero::detect(), rows.is_coded());
        while let Some(blocks) = rows.next_row() {
            for ((plane, c), blocks) in planes.iter_mut().zip(&frame.components).zip(blocks) {
                for row in blocks.chunks_exact(c.stride) {
                    Level::detect().run(|| {
                        if is_coded {
                            plane.push_row::<true>(row, |block| nonzero.places(block));
                        } else {
                            plane.push_row::<false>(row, |block| nonzero.mask(block));
                        }
                    });
                }
            }
        }
        Packed { sound: rows.is_sound(), frame, planes }
    }

    /// The same, dense.
    pub fn coefficients(&self) -> Coefficients {
        let dense = |plane: &PackedPlane| -> Vec<Block> {
            let mut blocks = vec![[0; 64]; plane.across() * plane.down()];
            let mut reader = plane.blocks();
            blocks.iter_mut().for_each(|block| reader.next(block));
            blocks
        };
        let planes = self.planes.iter().map(dense).collect();
        Coefficients { frame: self.frame.clone(), planes, complete: self.sound, sound: self.sound }
    }

    /// Bytes of all components.
    pub fn bytes(&self) -> usize {
        self.planes.iter().map(PackedPlane::bytes).sum()
    }
}
