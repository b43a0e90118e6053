//! Steps of quantisation: those of a quality, and how coefficients go from one step to another.

use crate::frame::Frame;
use crate::scan::Block;

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

/// Which of the two tables of a quality a component of a picture of brightness and colour, or of brightness alone, has.
fn kind(component: usize) -> usize {
    usize::from(component > 0)
}

/// How the steps of the source count beside those of the quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Old {
    /// A step that is larger than wanted stays, and with it every coefficient: nothing finer is known of them.
    Kept,
    /// Something finer is drawn over the picture, so a step is never larger than wanted. One that divides the old step keeps what is
    /// not drawn over.
    Divided,
    /// The samples are others.
    Dropped,
}

/// The steps of a component of the result.
pub(super) fn wanted(old: &[u16; 64], component: usize, quality: u8, how: Old) -> [u16; 64] {
    let steps = quality_steps(kind(component), quality);
    std::array::from_fn(|at| match how {
        Old::Kept => untied(old[at], steps[at], at).max(old[at]),
        Old::Divided => divided(old[at], steps[at], at),
        Old::Dropped => steps[at],
    })
}

/// Twice the old step is the worst there is: every other value lies in the middle between two new ones, of which the rounding of pixels
/// happens to choose the nearer. A little less is much better, and takes more bytes; in the odd columns of blocks those that are saved elsewhere
/// pay for it.
fn untied(old: u16, new: u16, at: usize) -> u16 {
    if new == 2 * old && old > 1 && at % 2 == 1 { new - 1 } else { new }
}

/// The largest step up to `new` of which the old one is a multiple, unless that is so small that files would grow.
fn divided(old: u16, new: u16, at: usize) -> u16 {
    if old <= new {
        return untied(old, new, at);
    }
    let least = new - new / 3;
    (least..=new).rev().find(|&step| old.is_multiple_of(step)).unwrap_or(new)
}

/// Whether all steps have 8 bits, as those of baseline files.
pub(super) fn are_short(frame: &Frame) -> bool {
    frame.components.iter().all(|c| c.quant.is_some_and(|quant| quant.iter().all(|&step| step <= 255)))
}

/// From coefficients with old steps to coefficients with new ones.
pub(super) fn ratios(old: &[u16; 64], new: &[u16; 64]) -> [f32; 64] {
    // Halves go towards 0, where they take fewer bits: they are as far from both sides. A whole number stays one.
    const LESS: f32 = 1.0 - 1.0 / (1 << 22) as f32;
    std::array::from_fn(|at| {
        let ratio = f32::from(old[at]) / f32::from(new[at].max(1));
        if ratio < 1.0 { ratio * LESS } else { ratio }
    })
}

/// Every coefficient times its ratio, to the nearest whole number.
#[inline(always)]
pub(crate) fn scale(blocks: &[Block], ratios: &[f32; 64], out: &mut [Block]) {
    for (block, out) in blocks.iter().zip(out) {
        for ((&value, &ratio), out) in block.iter().zip(ratios).zip(out) {
            // Adding and taking away 1.5 * 2^23 leaves no fraction.
            const WHOLE: f32 = 12_582_912.0;
            let scaled = f32::from(value) * ratio + WHOLE;
            // Out of range only in broken files: refused later.
            *out = (scaled.to_bits() as i32 - WHOLE.to_bits() as i32).clamp(-32_768, 32_767) as i16;
        }
    }
}
