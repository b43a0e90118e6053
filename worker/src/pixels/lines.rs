//! Rows of samples as `f32`, in units of the sample, colour multiplied by alpha, and back.

use super::image::{Depth, Shape};
use super::level::CpuLevel;
use super::samples::{Bits8, Bits16, Samples};
use crate::kernels::at_level;

/// Premultiplied colour as straight: where alpha rounds to 0 it is 0, so that what is hidden never shows.
#[inline(always)]
pub(crate) fn unmultiply(value: f32, alpha: f32, max: f32) -> f32 {
    if (alpha + 0.5).floor() < 1.0 { 0.0 } else { (value / alpha * max).min(max) }
}

/// Reads a row of an image like `shape`.
pub(crate) fn load(level: CpuLevel, shape: Shape, row: &[u8], line: &mut [f32]) {
    match (shape.depth, shape.channels.count()) {
        (Depth::U8, 2) => at_level!(level, load_ga8(row: &[u8], line: &mut [f32])),
        (Depth::U8, 4) => at_level!(level, load_rgba8(row: &[u8], line: &mut [f32])),
        (Depth::U8, _) => at_level!(level, load8(row: &[u8], line: &mut [f32])),
        (Depth::U16, 2) => at_level!(level, load_ga16(row: &[u8], line: &mut [f32])),
        (Depth::U16, 4) => at_level!(level, load_rgba16(row: &[u8], line: &mut [f32])),
        (Depth::U16, _) => at_level!(level, load16(row: &[u8], line: &mut [f32])),
    }
}

/// Writes a row of an image like `shape`, rounded to the nearest.
pub(crate) fn store(level: CpuLevel, shape: Shape, line: &[f32], row: &mut [u8]) {
    match (shape.depth, shape.channels.count()) {
        (Depth::U8, 2) => at_level!(level, store_ga8(line: &[f32], row: &mut [u8])),
        (Depth::U8, 4) => at_level!(level, store_rgba8(line: &[f32], row: &mut [u8])),
        (Depth::U8, _) => at_level!(level, store8(line: &[f32], row: &mut [u8])),
        (Depth::U16, 2) => at_level!(level, store_ga16(line: &[f32], row: &mut [u8])),
        (Depth::U16, 4) => at_level!(level, store_rgba16(line: &[f32], row: &mut [u8])),
        (Depth::U16, _) => at_level!(level, store16(line: &[f32], row: &mut [u8])),
    }
}

#[inline(always)]
fn load8(row: &[u8], line: &mut [f32]) {
    for (value, sample) in line.iter_mut().zip(row) {
        *value = f32::from(*sample);
    }
}

#[inline(always)]
fn load16(row: &[u8], line: &mut [f32]) {
    for (value, sample) in line.iter_mut().zip(row.as_chunks::<2>().0) {
        *value = f32::from(u16::from_ne_bytes(*sample));
    }
}

/// Pixels of `COUNT` samples, the last one alpha; `BYTES` of a pixel.
#[inline(always)]
fn load_alpha<S: Samples, const COUNT: usize, const BYTES: usize>(row: &[u8], line: &mut [f32]) {
    for (values, pixel) in line.as_chunks_mut::<COUNT>().0.iter_mut().zip(row.as_chunks::<BYTES>().0) {
        let alpha = S::get(pixel, COUNT - 1) as f32;
        let coverage = alpha * (1.0 / S::MAX as f32);
        for (channel, value) in values.iter_mut().enumerate() {
            let sample = S::get(pixel, channel) as f32;
            *value = if channel == COUNT - 1 { alpha } else { sample * coverage };
        }
    }
}

#[inline(always)]
fn load_ga8(row: &[u8], line: &mut [f32]) {
    load_alpha::<Bits8, 2, 2>(row, line);
}

#[inline(always)]
fn load_rgba8(row: &[u8], line: &mut [f32]) {
    load_alpha::<Bits8, 4, 4>(row, line);
}

#[inline(always)]
fn load_ga16(row: &[u8], line: &mut [f32]) {
    load_alpha::<Bits16, 2, 4>(row, line);
}

#[inline(always)]
fn load_rgba16(row: &[u8], line: &mut [f32]) {
    load_alpha::<Bits16, 4, 8>(row, line);
}

#[inline(always)]
fn store8(line: &[f32], row: &mut [u8]) {
    for (sample, value) in row.iter_mut().zip(line) {
        *sample = (value + 0.5) as u8;
    }
}

#[inline(always)]
fn store16(line: &[f32], row: &mut [u8]) {
    for (sample, value) in row.as_chunks_mut::<2>().0.iter_mut().zip(line) {
        *sample = ((value + 0.5) as u16).to_ne_bytes();
    }
}

#[inline(always)]
fn store_alpha<S: Samples, const COUNT: usize, const BYTES: usize>(line: &[f32], row: &mut [u8]) {
    let max = S::MAX as f32;
    for (values, pixel) in line.as_chunks::<COUNT>().0.iter().zip(row.as_chunks_mut::<BYTES>().0) {
        let alpha = values[COUNT - 1];
        for (channel, value) in values.iter().enumerate() {
            let value = if channel == COUNT - 1 { *value } else { unmultiply(*value, alpha, max) };
            S::set(pixel, channel, (value + 0.5) as u32);
        }
    }
}

#[inline(always)]
fn store_ga8(line: &[f32], row: &mut [u8]) {
    store_alpha::<Bits8, 2, 2>(line, row);
}

#[inline(always)]
fn store_rgba8(line: &[f32], row: &mut [u8]) {
    store_alpha::<Bits8, 4, 4>(line, row);
}

#[inline(always)]
fn store_ga16(line: &[f32], row: &mut [u8]) {
    store_alpha::<Bits16, 2, 4>(line, row);
}

#[inline(always)]
fn store_rgba16(line: &[f32], row: &mut [u8]) {
    store_alpha::<Bits16, 4, 8>(line, row);
}
