//! The way back: a stream of zlib becomes the pixels again.
//!
//! The stream is inflated in one piece by libdeflate, which does that faster the more of it is there at once. What a byte is depends on the
//! byte to its left, so a row alone cannot be undone faster than one pixel after the other; but the row below needs of it no more than the
//! pixels that are done. Four rows are undone at once ([`wave`](crate::wave)), each a pixel behind the one above.

use libdeflater::Decompressor;

use crate::filter::{Filter, predicted};
use crate::simd::Level;

/// Rows that are undone at once.
pub(crate) const GROUP: usize = 4;

/// What the rows of a picture are like.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Bytes of a row.
    row: usize,
    /// Bytes of a pixel.
    pixel: usize,
    /// Rows.
    height: usize,
}

impl Layout {
    /// `height` rows of `width` pixels of `pixel` bytes; nothing where they are of no use here: none at all, pixels of more than 4 bytes, or more
    /// bytes than can be counted.
    pub fn new(width: usize, height: usize, pixel: usize) -> Option<Self> {
        let row = width.checked_mul(pixel)?;
        row.checked_add(1)?.checked_mul(height)?;
        (row > 0 && height > 0 && pixel <= 4).then_some(Self { row, pixel, height })
    }
}

/// The rows in a `stream` of zlib (RFC 1950), one after the other.
///
/// Nothing where the stream does not hold exactly these rows and the sum of them, or where this processor has not the instructions that make
/// it worth while: then another reader says what is wrong, or makes do with what is there.
pub fn decompress(stream: &[u8], layout: Layout) -> Option<Vec<u8>> {
    let level = Level::detect();
    if !level.waves() {
        return None;
    }
    let Layout { row, pixel, height } = layout;
    let mut data = vec![0; (row + 1) * height];
    let bytes = Decompressor::new().zlib_decompress(stream, &mut data).ok()?;
    if bytes != data.len() {
        return None;
    }
    unfilter(level, &mut data, row, pixel)?;
    data.truncate(row * height);
    Some(data)
}

/// Undoes the filters of lines, each of which begins with the number of its own, and puts the rows without these numbers to the front of `data`.
/// Nothing where there is no such filter.
pub(crate) fn unfilter(level: Level, data: &mut [u8], row: usize, pixel: usize) -> Option<()> {
    let line = row + 1;
    let nothing = vec![0; row];
    // The rows move to the front as they are undone, over lines that are read: those are put aside.
    let mut aside = vec![0; line * GROUP];
    let (mut from, mut to) = (0, 0);
    while from < data.len() {
        let lines = &mut aside[..(line * GROUP).min(data.len() - from)];
        lines.copy_from_slice(&data[from..from + lines.len()]);
        let rows = lines.len() / line;
        let (done, rest) = data.split_at_mut(to);
        let above = if to == 0 { &nothing[..] } else { &done[to - row..] };
        undo(level, lines, above, &mut rest[..rows * row], pixel)?;
        from += lines.len();
        to += rows * row;
    }
    Some(())
}

/// Undoes up to [`GROUP`] lines below the row `above`.
fn undo(level: Level, lines: &[u8], above: &[u8], out: &mut [u8], pixel: usize) -> Option<()> {
    let row = above.len();
    let mut numbers = lines.iter().step_by(row + 1);
    if numbers.any(|&number| number > Filter::Paeth as u8) {
        return None;
    }
    // Rows that look upwards alone need no wave.
    let looks_left = |number: u8| number != 0 && number != Filter::Up as u8;
    if lines.len() == (row + 1) * GROUP && lines.iter().step_by(row + 1).any(|&number| looks_left(number)) {
        level.wave(lines, above, out, pixel);
        return Some(());
    }
    one_by_one(level, lines, above, out, pixel);
    Some(())
}

/// The same without a wave.
pub(crate) fn one_by_one(level: Level, lines: &[u8], above: &[u8], out: &mut [u8], pixel: usize) {
    let (row, mut above) = (above.len(), above);
    for (line, out) in lines.chunks_exact(row + 1).zip(out.chunks_exact_mut(row)) {
        plain(level, line[0], &line[1..], above, out, pixel);
        above = out;
    }
}

/// One row: the reference.
fn plain(level: Level, number: u8, line: &[u8], above: &[u8], out: &mut [u8], pixel: usize) {
    let left_of = |filter: Filter, out: &mut [u8]| {
        for at in 0..line.len() {
            let (left, corner) = if at < pixel { (0, 0) } else { (out[at - pixel], above[at - pixel]) };
            out[at] = line[at].wrapping_add(predicted(filter, left, above[at], corner));
        }
    };
    match number {
        1 => left_of(Filter::Sub, out),
        2 => level.run(
            #[inline(always)]
            || out.iter_mut().zip(line.iter().zip(above)).for_each(|(out, (&byte, &above))| *out = byte.wrapping_add(above)),
        ),
        3 => left_of(Filter::Average, out),
        4 => left_of(Filter::Paeth, out),
        _ => out.copy_from_slice(line),
    }
}

#[cfg(test)]
mod tests;
