//! Planes of another size, made while the file is decoded: of each component only as many rows are kept as the filter needs, so that they stay
//! in the processor's cache.

use super::idct::Video;
use super::resampling::{self, Resampling};
use super::scaled::{self, Plane, Planes, Range, Scale};
use super::taps::{FINE, Taps};
use crate::coefficients::{Coefficients, Opened};
use crate::encode::Sampling;
use crate::error::{Error, Limits};
use crate::frame::{Color, Component, Frame};
use crate::rows::Rows;
use crate::scan::Block;
use crate::simd::Level;
use crate::transform::Turn;

/// The kernels take so many samples at a time.
const STEP: usize = 32;

/// What a plane is made of: samples, or values with [`FINE`] bits of fraction, where more is to be done to them before they are rounded.
trait Value: Copy + Default {
    /// A row of another width.
    fn across(level: Level, between: &[i16], taps: &Taps, out: &mut [Self]);
    /// That of a sample which stays as it is.
    fn of(sample: u8) -> Self;
}

impl Value for u8 {
    fn across(level: Level, between: &[i16], taps: &Taps, out: &mut [Self]) {
        level.resample_across(between, taps, out);
    }

    fn of(sample: u8) -> Self {
        sample
    }
}

impl Value for i16 {
    fn across(level: Level, between: &[i16], taps: &Taps, out: &mut [Self]) {
        level.resample_across_fine(between, taps, out);
    }

    fn of(sample: u8) -> Self {
        i16::from(sample) << FINE
    }
}

/// One component on its way to another size.
struct Shrink<V> {
    /// The last bands of samples, one after the other, the oldest overwritten by the next.
    ring: Vec<u8>,
    stride: usize,
    /// Rows of a band.
    rows: usize,
    bands: usize,
    /// Rows that show.
    height: usize,
    /// From rows to rows, and from columns to columns; none where nothing changes.
    taps: Option<(Taps, Taps)>,
    between: Vec<i16>,
    /// The range of its samples, if not their own.
    video: Option<Video>,
    /// The next row of the result.
    next: usize,
    /// Of the result.
    width: usize,
    out_height: usize,
    out: Vec<V>,
}

impl<V: Value> Shrink<V> {
    /// `size` is that of the whole picture that is made, `(across, down)` how many of its pixels a sample of this component has, `mirrored` which
    /// of its axes will be.
    fn new(
        frame: &Frame,
        c: &Component,
        scale: Scale,
        size: (usize, usize),
        (across, down): (usize, usize),
        mirrored: (bool, bool),
        video: Option<Video>,
    ) -> Self {
        let n = scale.size();
        let Resampling { from: (_, height), to: (out_width, out_height), taps } =
            Resampling::new(frame, c, scale, size, (across, down), mirrored);
        let (stride, rows) = ((c.stride * n).next_multiple_of(STEP), c.v * n);
        let window = taps.as_ref().map_or(1, |(down, _)| down.width());
        let bands = window.div_ceil(rows) + 2;
        let between = vec![0; stride + taps.as_ref().map_or(0, |(_, across)| across.width())];
        let (ring, out) = (vec![0; bands * rows * stride], vec![V::default(); out_width * out_height]);
        Shrink { ring, stride, rows, bands, height, taps, between, video, next: 0, width: out_width, out_height, out }
    }

    /// Room for the band with that number.
    fn band(&mut self, number: usize) -> &mut [u8] {
        let length = self.rows * self.stride;
        &mut self.ring[number % self.bands * length..][..length]
    }

    /// Takes the coefficients of the band with that number.
    fn fill(&mut self, level: Level, scale: Scale, c: &Component, blocks: &[Block], number: usize) {
        let stride = self.stride;
        let Some(video) = self.video.filter(|_| self.is_direct(scale)) else {
            return scaled::band(level, scale, c, blocks, self.band(number), stride);
        };
        let quant = &c.quant.unwrap_or([0; 64]);
        let rows = self.band(number).chunks_exact_mut(8 * stride);
        for (blocks, rows) in blocks.chunks_exact(c.stride).zip(rows) {
            level.video_row(blocks, quant, rows, stride, video);
        }
    }

    /// Whether samples get their range as they are made of coefficients.
    fn is_direct(&self, scale: Scale) -> bool {
        self.taps.is_none() && scale == Scale::Full
    }

    /// Makes the rows that need nothing behind the first `have` rows.
    fn advance(&mut self, level: Level, have: usize) {
        let row = |y: usize| &self.ring[y % (self.bands * self.rows) * self.stride..][..self.stride];
        let have = have.min(self.height);
        let width = self.width;
        while self.next < self.out_height {
            let out = &mut self.out[self.next * width..][..width];
            let Some((down, across)) = &self.taps else {
                if self.next >= have {
                    return;
                }
                out.iter_mut().zip(row(self.next)).for_each(|(out, &sample)| *out = V::of(sample));
                self.next += 1;
                continue;
            };
            let range = down.range(self.next);
            if range.end > have {
                return;
            }
            let (_, weights) = down.window(self.next);
            let weights = &weights[..range.len()];
            let rows: Vec<&[u8]> = range.map(row).collect();
            level.resample_down(&rows, weights, &mut self.between[..self.stride]);
            V::across(level, &self.between, across, out);
            self.next += 1;
        }
    }
}

impl Shrink<u8> {
    /// The plane, once all its rows are made.
    fn finish(mut self, scale: Scale) -> Plane {
        if let Some(video) = self.video.filter(|_| !self.is_direct(scale)) {
            let table = video.table();
            self.out.iter_mut().for_each(|sample| *sample = table[usize::from(*sample)]);
        }
        Plane { width: self.width, height: self.out_height, data: self.out }
    }
}

/// Components of one size, of values with a fraction; to be turned into samples.
pub(super) struct Fine {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Of each component.
    pub(super) values: Vec<Vec<i16>>,
}

impl Fine {
    /// Like [`Planes::resized`], with as many samples of colour as of brightness. Nothing where that gives nothing.
    pub(super) fn resized(rows: Rows<'_>, scale: Scale, size: (u32, u32)) -> Option<Self> {
        let shrinks: Vec<Shrink<i16>> = all(rows, scale, size, (false, false), (Sampling::Full, Range::Full))?;
        let (width, height) = shrinks.first().map(|shrink| (shrink.width, shrink.out_height))?;
        Some(Fine { width, height, values: shrinks.into_iter().map(|shrink| shrink.out).collect() })
    }
}

/// All rows of all components; nothing where the file is not sound.
fn all<V: Value>(
    mut rows: Rows<'_>,
    scale: Scale,
    size: (u32, u32),
    mirrored: (bool, bool),
    (sampling, range): (Sampling, Range),
) -> Option<Vec<Shrink<V>>> {
    let frame = rows.frame().clone();
    let size = (size.0 as usize, size.1 as usize);
    let mut shrinks: Vec<Shrink<V>> = (frame.components.iter().enumerate())
        .map(|(index, c)| {
            let pixels = resampling::pixels(index, sampling);
            Shrink::new(&frame, c, scale, size, pixels, mirrored, range.of(index))
        })
        .collect();
    let level = Level::detect();
    let mut number = 0;
    while let Some(blocks) = rows.next_row() {
        for ((shrink, c), blocks) in shrinks.iter_mut().zip(&frame.components).zip(blocks) {
            shrink.fill(level, scale, c, blocks, number);
            shrink.advance(level, (number + 1) * shrink.rows);
        }
        number += 1;
    }
    rows.is_sound().then_some(shrinks)
}

pub(super) fn has_brightness(frame: &Frame) -> bool {
    matches!(frame.color(), Color::Grey | Color::YCbCr)
}

impl Planes {
    /// Decodes at a scale, and makes of each component a plane for a picture of `size`, by Lanczos' filter; of colour there are as many samples
    /// as `sampling` says, where that of the file may be another, and samples lie in `range`. The frame is that of the file. What `turn` says is done last; `size` is what it is
    /// before.
    ///
    /// Nothing where the file is not sound, or its components are not brightness and colour.
    pub fn resized(
        data: &[u8],
        scale: Scale,
        size: (u32, u32),
        turn: Option<Turn>,
        sampling: Sampling,
        range: Range,
        limits: &Limits,
    ) -> Result<Option<Self>, Error> {
        let opened = Opened::new(data, limits)?;
        if size.0 == 0 || size.1 == 0 {
            return Err(Error::Input("a side is 0"));
        }
        if !has_brightness(&opened.frame) {
            return Ok(None);
        }
        Ok(Self::resized_rows(Rows::new(opened, scale.end())?, scale, size, turn, (sampling, range)))
    }

    /// The same planes as [`Self::resized`] makes of the file that the coefficients are of.
    pub fn resized_of(
        coefficients: &Coefficients,
        scale: Scale,
        size: (u32, u32),
        turn: Option<Turn>,
        sampling: Sampling,
        range: Range,
    ) -> Option<Self> {
        if size.0 == 0 || size.1 == 0 || !has_brightness(&coefficients.frame) {
            return None;
        }
        Self::resized_rows(Rows::kept(coefficients), scale, size, turn, (sampling, range))
    }

    fn resized_rows(
        rows: Rows<'_>,
        scale: Scale,
        size: (u32, u32),
        turn: Option<Turn>,
        wanted: (Sampling, Range),
    ) -> Option<Self> {
        let frame = rows.frame().clone();
        let parts = turn.map_or((false, false, false), Turn::parts);
        let shrinks: Vec<Shrink<u8>> = all(rows, scale, size, resampling::mirrored(turn), wanted)?;
        let planes = shrinks.into_iter().map(|shrink| shrink.finish(scale).turned(parts)).collect();
        Some(Planes { frame, planes })
    }
}
