//! Samples of components in strips of one row of MCUs: small enough to stay in the processor's cache.

use super::picture::{Samples, Sampling, Source};
use crate::frame::Frame;
use crate::simd::Level;

/// The samples of one row of MCUs, of each component, padded with the last ones to whole blocks.
pub(super) struct Strips {
    strips: Vec<Strip>,
    level: Level,
    /// Two rows of both colours in full size.
    full: [Vec<u8>; 4],
}

struct Strip {
    samples: Vec<u8>,
    /// Room for a row of an even number of blocks.
    stride: usize,
    /// Rows of a strip.
    rows: usize,
    /// Samples across with those that fill up the last block.
    wide: usize,
}

impl Strips {
    pub(super) fn new(frame: &Frame, level: Level) -> Self {
        let strips: Vec<Strip> = (frame.components.iter())
            .map(|c| {
                let (stride, rows) = ((c.stride * 8).next_multiple_of(16), c.v * 8);
                Strip { samples: vec![0; stride * rows], stride, rows, wide: c.width_in_blocks * 8 }
            })
            .collect();
        let full = if frame.max_h == 2 { 2 * strips[1].wide } else { 0 };
        Strips { strips, level, full: [0; 4].map(|_| vec![0; full]) }
    }

    /// The rows of a component, and how many samples lie in each.
    pub(super) fn of(&self, component: usize) -> (&[u8], usize) {
        (&self.strips[component].samples, self.strips[component].stride)
    }

    /// Takes the row of MCUs with that number out of a source.
    pub(super) fn fill(&mut self, source: &Source<'_>, number: usize) {
        let (width, height) = (source.width as usize, source.height as usize);
        let high = self.strips[0].rows;
        let (top, rows) = (number * high, high.min(height - number * high));
        match source.samples {
            Samples::Grey(grey) => self.strips[0].copy(grey, width, top, rows),
            Samples::YCbCr(planes, sampling) => {
                let half = |length: usize| if sampling == Sampling::Half { length.div_ceil(2) } else { length };
                self.strips[0].copy(planes[0], width, top, rows);
                let (top, rows) = (half(top), half(rows));
                for (strip, plane) in self.strips[1..].iter_mut().zip(&planes[1..]) {
                    strip.copy(plane, half(width), top, rows);
                }
            }
            Samples::Rgb(rgb, Sampling::Full) => {
                for (y, row) in rgb[3 * top * width..].chunks_exact(3 * width).take(rows).enumerate() {
                    let [one, two, three] = &mut self.strips[..] else { return };
                    let (luma, cb, cr) = (one.row(y), two.row(y), three.row(y));
                    self.level.ycc(row, &mut luma[..width], &mut cb[..width], &mut cr[..width]);
                    for row in [luma, cb, cr] {
                        extend(row, width);
                    }
                }
                self.strips.iter_mut().for_each(|strip| strip.repeat_from(rows));
            }
            Samples::Rgb(rgb, Sampling::Half) => {
                for pair in 0..rows.div_ceil(2) {
                    self.halved(rgb, width, height, top, pair);
                }
                self.strips[0].repeat_from(rows);
                self.strips[1..].iter_mut().for_each(|strip| strip.repeat_from(rows.div_ceil(2)));
            }
        }
    }

    /// Two rows of brightness, and one of each colour.
    fn halved(&mut self, rgb: &[u8], width: usize, height: usize, top: usize, pair: usize) {
        let [luma, cb, cr] = &mut self.strips[..] else { return };
        let (upper, lower) = self.full.split_at_mut(2);
        for (place, full) in [&mut *upper, &mut *lower].into_iter().enumerate() {
            let y = 2 * pair + place;
            // Below the last row it goes on like that.
            let row = &rgb[3 * width * (top + y).min(height - 1)..][..3 * width];
            let ([cb, cr], luma) = (full, luma.row(y)) else { return };
            self.level.ycc(row, &mut luma[..width], &mut cb[..width], &mut cr[..width]);
            for row in [luma, cb, cr] {
                extend(row, width);
            }
        }
        for ((strip, upper), lower) in [cb, cr].into_iter().zip(upper).zip(lower) {
            self.level.halve(upper, lower, strip.row(pair));
        }
    }
}

impl Strip {
    /// The samples of a row that are transformed.
    fn row(&mut self, y: usize) -> &mut [u8] {
        &mut self.samples[y * self.stride..][..self.wide]
    }

    /// Rows of a plane of the strip's own size.
    fn copy(&mut self, plane: &[u8], width: usize, top: usize, rows: usize) {
        for (y, from) in plane[top * width..].chunks_exact(width).take(rows).enumerate() {
            let row = self.row(y);
            row[..width].copy_from_slice(from);
            extend(row, width);
        }
        self.repeat_from(rows);
    }

    /// Fills the strip up with its last row.
    fn repeat_from(&mut self, rows: usize) {
        for y in rows..self.rows {
            self.samples.copy_within((rows - 1) * self.stride..rows * self.stride, y * self.stride);
        }
    }
}

/// Fills a row up with its last sample.
fn extend(row: &mut [u8], width: usize) {
    let last = row[width - 1];
    row[width..].fill(last);
}
