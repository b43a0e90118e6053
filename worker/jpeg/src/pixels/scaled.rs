//! Fewer samples out of the low coefficients, for thumbnails: what is above them is passed over, not decoded.

use super::Picture;
use super::idct::{self, Video};
use crate::coefficients::{Coefficients, Opened};
use crate::error::{Error, Limits};
use crate::frame::{Color, Component, Frame};
use crate::rows::Rows;
use crate::scan::Block;
use crate::simd::Level;

/// How many samples of each block there are in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    /// The mean of a block.
    Eighth,
    /// 2 of 8, from 4 coefficients.
    Quarter,
    /// 4 of 8, from 16 coefficients.
    Half,
    /// All of them.
    Full,
}

impl Scale {
    /// Samples of a block in each direction.
    pub fn size(self) -> usize {
        match self {
            Scale::Eighth => 1,
            Scale::Quarter => 2,
            Scale::Half => 4,
            Scale::Full => 8,
        }
    }

    /// Twice as many, if there are.
    fn doubled(self) -> Self {
        match self {
            Scale::Eighth => Scale::Quarter,
            Scale::Quarter => Scale::Half,
            Scale::Half | Scale::Full => Scale::Full,
        }
    }

    /// The number, in coding order, of the first coefficient that is not decoded.
    pub(super) fn end(self) -> usize {
        match self {
            Scale::Eighth => 1,
            Scale::Quarter => 5,
            // There are so many below the last of the 16 that passing over the rest is no gain.
            Scale::Half | Scale::Full => 64,
        }
    }
}

/// Between which values samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// As JFIF has them, 0 to 255.
    Full,
    /// As video has them (ITU-R BT.601, 2.5.3): brightness of 16 to 235, colour of 16 to 240.
    Video,
}

impl Range {
    /// What a component is brought to, where it is not left as it is.
    pub(super) fn of(self, component: usize) -> Option<Video> {
        let video = if component == 0 { Video::BRIGHTNESS } else { Video::COLOR };
        (self == Range::Video).then_some(video)
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

/// Samples of a component across and down that show, rounded up.
pub(super) fn size(frame: &Frame, c: &Component, scale: Scale) -> (usize, usize) {
    let samples = |side: u32, factor: usize, most: usize| (side as usize * factor * scale.size()).div_ceil(8 * most);
    (samples(frame.width, c.h, frame.max_h), samples(frame.height, c.v, frame.max_v))
}

/// The samples of a row of MCUs, in rows of `stride`.
pub(super) fn band(level: Level, scale: Scale, c: &Component, blocks: &[Block], out: &mut [u8], stride: usize) {
    let quant = &c.quant.unwrap_or([0; 64]);
    let rows = out.chunks_exact_mut(scale.size() * stride);
    for (blocks, rows) in blocks.chunks_exact(c.stride).zip(rows) {
        match scale {
            Scale::Eighth => each(blocks, rows, stride, |block| idct::one(block, quant)),
            Scale::Quarter => level.run(|| each(blocks, rows, stride, |block| idct::two(block, quant))),
            Scale::Half => level.four_row(blocks, quant, rows, stride),
            Scale::Full => level.idct_row(blocks, quant, rows, stride),
        }
    }
}

#[inline(always)]
fn each<const N: usize>(blocks: &[Block], rows: &mut [u8], stride: usize, idct: impl Fn(&Block) -> [[u8; N]; N]) {
    let mut rows = rows.chunks_exact_mut(stride);
    let mut rows: [&mut [[u8; N]]; N] = std::array::from_fn(|_| rows.next().unwrap_or_default().as_chunks_mut().0);
    for (x, block) in blocks.iter().enumerate() {
        for (row, samples) in rows.iter_mut().zip(idct(block)) {
            row[x] = samples;
        }
    }
}

/// The pixels of a file at a scale, grey or red, green and blue. Colour at half the resolution is decoded at twice the scale, so that nothing is
/// upsampled. Nothing where the file is not sound, or of other sampling or colours.
pub(super) fn pixels(data: &[u8], scale: Scale, limits: &Limits) -> Result<Option<Picture>, Error> {
    let opened = Opened::new(data, limits)?;
    let Some(scales) = scales(&opened.frame, scale) else { return Ok(None) };
    Ok(pixels_of(Rows::of_each(opened, scales.map(Scale::end))?, scale, scales))
}

/// The same of coefficients that are there.
pub(super) fn pixels_of_kept(coefficients: &Coefficients, scale: Scale) -> Option<Picture> {
    pixels_of(Rows::kept(coefficients), scale, scales(&coefficients.frame, scale)?)
}

fn pixels_of(mut rows: Rows<'_>, scale: Scale, scales: [Scale; 4]) -> Option<Picture> {
    let frame = rows.frame().clone();
    let (width, height) = size(&frame, &frame.components[0], scale);
    let channels = frame.components.len();
    let level = Level::detect();
    let of = |c: &Component, scale: Scale| (c.stride * scale.size(), c.v * scale.size());
    let mut bands: Vec<Vec<u8>> =
        frame.components.iter().zip(scales).map(|(c, scale)| vec![0; of(c, scale).0 * of(c, scale).1]).collect();
    let mut picture = Picture { width, height, channels, data: vec![0; width * height * channels] };
    let mut out = picture.data.chunks_exact_mut(width * channels);
    while let Some(blocks) = rows.next_row() {
        for (((c, scale), blocks), out) in frame.components.iter().zip(scales).zip(blocks).zip(&mut bands) {
            band(level, scale, c, blocks, out, of(c, scale).0);
        }
        for (y, out) in (0..of(&frame.components[0], scale).1).zip(&mut out) {
            let row = |index: usize| &bands[index][y * of(&frame.components[index], scales[index]).0..][..width];
            if channels == 1 {
                out.copy_from_slice(row(0));
            } else {
                level.rgb(row(0), row(1), row(2), out);
            }
        }
    }
    rows.is_sound().then_some(picture)
}

/// Scales at which all components have the same size.
fn scales(frame: &Frame, scale: Scale) -> Option<[Scale; 4]> {
    if !matches!(frame.color(), Color::Grey | Color::YCbCr) {
        return None;
    }
    let mut scales = [scale; 4];
    for (c, of) in frame.components.iter().zip(&mut scales) {
        *of = match (frame.max_h / c.h, frame.max_v / c.v) {
            (1, 1) => scale,
            (2, 2) if scale != Scale::Full => scale.doubled(),
            _ => return None,
        };
        // Of 3 to 2 there is no such scale.
        if c.h * of.size() != frame.max_h * scale.size() || c.v * of.size() != frame.max_v * scale.size() {
            return None;
        }
    }
    Some(scales)
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
                let (width, height) = size(&frame, c, scale);
                Plane { width, height, data: Vec::with_capacity(width * height) }
            })
            .collect();
        let level = Level::detect();
        let mut bands: Vec<Vec<u8>> =
            frame.components.iter().map(|c| vec![0; c.v * c.stride * scale.size() * scale.size()]).collect();
        while let Some(blocks) = rows.next_row() {
            for (((plane, c), blocks), band_of) in planes.iter_mut().zip(&frame.components).zip(blocks).zip(&mut bands) {
                let stride = c.stride * scale.size();
                band(level, scale, c, blocks, band_of, stride);
                for row in band_of.chunks_exact(stride) {
                    if plane.data.len() < plane.width * plane.height {
                        plane.data.extend_from_slice(&row[..plane.width]);
                    }
                }
            }
        }
        Planes { frame, planes }
    }
}
