//! Other steps of quantisation without a way through pixels: decoded, divided and coded row by row, in one pass.

use crate::coefficients::Opened;
use crate::encode::{self, RowWriter, Tables, WriteOptions};
use crate::error::{Error, Limits};
use crate::frame::Frame;
use crate::rows::Rows;
use crate::scan::{Block, Layout};
use crate::simd::Level;

/// The tables of the standard's annex K.1, in natural order: brightness and colour.
const BASE: [[u16; 64]; 2] = [
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87,
        80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92,
        95, 98, 112, 100, 103, 99,
    ],
    [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99,
    ],
];

/// Steps for brightness or inks (0), or colour (1), at a quality from 1 to 100, as libjpeg scales them, of 8 bits.
pub fn quality_steps(kind: usize, quality: u8) -> [u16; 64] {
    let quality = u32::from(quality.clamp(1, 100));
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    BASE[kind.min(1)].map(|step| ((u32::from(step) * scale + 50) / 100).clamp(1, 255) as u16)
}

/// Writes a file again at a lower quality: every coefficient is brought to the nearest multiple of its new step. A step that is smaller than
/// the old one stays as it is. The Huffman tables are those of the standard; restart markers go.
pub fn requantise(data: &[u8], quality: u8, limits: &Limits, segments: &[(u8, &[u8])]) -> Result<Vec<u8>, Error> {
    let mut rows = Rows::new(Opened::new(data, limits)?, 64)?;
    let source = rows.frame().clone();
    let mut frame = source.clone();
    frame.progressive = false;
    for (index, c) in frame.components.iter_mut().enumerate() {
        let steps = quality_steps(encode::table_of(&source, index), quality);
        c.quant = c.quant.map(|old| std::array::from_fn(|at| steps[at].max(old[at])));
    }
    let ratios: Vec<[f32; 64]> =
        source.components.iter().zip(&frame.components).map(|(old, new)| ratios(old.quant, new.quant)).collect();
    if !encode::is_together(&frame) {
        return Err(Error::Unsupported("of more than 10 blocks an MCU"));
    }
    let mut out = Vec::new();
    let options = WriteOptions { segments, ..WriteOptions::default() };
    let pairs: Vec<usize> = (0..frame.components.len()).map(|index| encode::table_of(&frame, index)).collect();
    let tables = Tables::standard(&pairs)?;
    encode::begin(&mut out, &frame, &options, &tables)?;
    let layout = whole(&frame)?;
    let strides = rows.strides().to_vec();
    let mut scratch: Vec<Vec<Block>> = frame.components.iter().map(|c| vec![[0; 64]; c.v * c.stride]).collect();
    let mut writer = RowWriter::new(out, 0);
    let level = Level::detect();
    while let Some(blocks) = rows.next_row() {
        for ((scratch, blocks), ratios) in scratch.iter_mut().zip(blocks).zip(&ratios) {
            level.scale(blocks, ratios, scratch);
        }
        let rows: Vec<&[Block]> = scratch.iter().map(|row| &row[..]).collect();
        writer.row(&tables, &layout, &pairs, &rows, &strides);
    }
    let mut out = writer.finish()?;
    out.extend([0xff, 0xd9]);
    Ok(out)
}

/// A scan of all components in rows of MCUs.
fn whole(frame: &Frame) -> Result<Layout, Error> {
    Layout::new(frame, 0..frame.components.len())
}

/// From coefficients with old steps to coefficients with new ones.
fn ratios(old: Option<[u16; 64]>, new: Option<[u16; 64]>) -> [f32; 64] {
    let (old, new) = (old.unwrap_or([1; 64]), new.unwrap_or([1; 64]));
    std::array::from_fn(|at| f32::from(old[at]) / f32::from(new[at].max(1)))
}

/// Every coefficient times its ratio, to the nearest whole number.
#[inline(always)]
pub(crate) fn scale(blocks: &[Block], ratios: &[f32; 64], out: &mut [Block]) {
    for (block, out) in blocks.iter().zip(out) {
        for ((&value, &ratio), out) in block.iter().zip(ratios).zip(out) {
            // Adding and taking away 1.5 * 2^23 leaves no fraction.
            const WHOLE: f32 = 12_582_912.0;
            let scaled = f32::from(value) * ratio + WHOLE;
            *out = (scaled.to_bits() as i32 - WHOLE.to_bits() as i32) as i16;
        }
    }
}
