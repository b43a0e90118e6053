//! Planes of another size, made while the file is decoded: of each component only as many rows are kept as the filter needs, so that they stay
//! in the processor's cache.

use super::idct::Video;
use super::resampling::{self, Resampling};
use super::scaled::{self, Plane, Planes, Range, Scale};
use super::taps::Taps;
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

/// One component on its way to another size.
struct Shrink {
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
    out: Plane,
}

impl Shrink {
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
        let out = Plane { width: out_width, height: out_height, data: vec![0; out_width * out_height] };
        Shrink { ring: vec![0; bands * rows * stride], stride, rows, bands, height, taps, between, video, next: 0, out }
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

    /// The plane, once all its rows are made.
    fn finish(mut self, scale: Scale) -> Plane {
        if let Some(video) = self.video.filter(|_| !self.is_direct(scale)) {
            let table = video.table();
            self.out.data.iter_mut().for_each(|sample| *sample = table[usize::from(*sample)]);
        }
        self.out
    }

    /// Makes the rows that need nothing behind the first `have` rows.
    fn advance(&mut self, level: Level, have: usize) {
        let row = |y: usize| &self.ring[y % (self.bands * self.rows) * self.stride..][..self.stride];
        let have = have.min(self.height);
        let width = self.out.width;
        while self.next < self.out.height {
            let out = &mut self.out.data[self.next * width..][..width];
            let Some((down, across)) = &self.taps else {
                if self.next >= have {
                    return;
                }
                out.copy_from_slice(&row(self.next)[..width]);
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
            level.resample_across(&self.between, across, out);
            self.next += 1;
        }
    }
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
        mut rows: Rows<'_>,
        scale: Scale,
        size: (u32, u32),
        turn: Option<Turn>,
        (sampling, range): (Sampling, Range),
    ) -> Option<Self> {
        let frame = rows.frame().clone();
        let size = (size.0 as usize, size.1 as usize);
        let parts = turn.map_or((false, false, false), Turn::parts);
        let mirrored = resampling::mirrored(turn);
        let mut shrinks: Vec<Shrink> = (frame.components.iter().enumerate())
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
        let planes = shrinks.into_iter().map(|shrink| shrink.finish(scale).turned(parts)).collect();
        rows.is_sound().then_some(Planes { frame, planes })
    }
}
