//! Files to pixels: all of them, equal to libjpeg-turbo's, or fewer for thumbnails, of which only the low coefficients are decoded.

mod bands;
pub(crate) mod color;
pub(crate) mod idct;
mod resampling;
mod scaled;
mod shrink;
pub(crate) mod taps;
mod turned;
pub(crate) mod upsample;

pub use resampling::Resampling;
pub use scaled::{Plane, Planes, Range, Scale};
pub use taps::Taps;

use bands::Bands;
use shrink::Fine;
use upsample::Growth;

use crate::coefficients::{Coefficients, Opened};
use crate::encode::Sampling;
use crate::error::{Error, Limits};
use crate::frame::Color;
use crate::rows::Rows;
use crate::simd::Level;

/// Pixels, rows without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 is grey, 3 red, green and blue, 4 inks as the file has them; 2 is whatever a file of two components holds.
    pub channels: usize,
    /// Rows from the top.
    pub data: Vec<u8>,
}

impl Picture {
    /// Decodes a file: grey, RGB or CMYK, as libjpeg does with the "slow" IDCT and "fancy" upsampling. Progressive files that stop before all
    /// bits are there are decoded as they are, without the smoothing that libjpeg adds.
    pub fn decode(data: &[u8], limits: &Limits) -> Result<Self, Error> {
        Self::decode_all(data, limits).map(|(picture, _)| picture)
    }

    /// The same, of files alone in which nothing had to be guessed and nothing is missing up to the end of the picture: `None` for others, of
    /// which libjpeg would warn, or smooth what has not come.
    pub fn decode_sound(data: &[u8], limits: &Limits) -> Result<Option<Self>, Error> {
        Self::decode_all(data, limits).map(|(picture, is_sound)| is_sound.then_some(picture))
    }

    /// The same picture as [`Self::decode`] makes of the file that the coefficients are of.
    pub fn of(coefficients: &Coefficients) -> Result<Self, Error> {
        Self::of_rows(Rows::kept(coefficients)).map(|(picture, _)| picture)
    }

    /// Decodes fewer pixels. Nothing where the file is not sound, or of a kind whose colours would have to be made more.
    pub fn reduced(data: &[u8], scale: Scale, limits: &Limits) -> Result<Option<Self>, Error> {
        scaled::pixels(data, scale, limits)
    }

    /// The same picture as [`Self::reduced`] makes of the file that the coefficients are of.
    pub fn reduced_of(coefficients: &Coefficients, scale: Scale) -> Option<Self> {
        scaled::pixels_of_kept(coefficients, scale)
    }

    /// Decodes at a scale, and resamples to `size` by Lanczos' filter; brightness and colour each from its own resolution, so that colour does not
    /// become more only to become less again, and pixels are the first that is rounded. Nothing where the file is not sound, or its components are
    /// not brightness and colour.
    pub fn resized(data: &[u8], scale: Scale, size: (u32, u32), limits: &Limits) -> Result<Option<Self>, Error> {
        let opened = Opened::new(data, limits)?;
        if size.0 == 0 || size.1 == 0 {
            return Err(Error::Input("a side is 0"));
        }
        match opened.frame.color() {
            Color::Grey => {
                Ok(Planes::resized(data, scale, size, None, Sampling::Full, Range::Full, limits)?.and_then(Self::of_grey))
            }
            Color::YCbCr => Ok(Fine::resized(Rows::new(opened, scale.end())?, scale, size).and_then(Self::of_fine)),
            _ => Ok(None),
        }
    }

    /// The same picture as [`Self::resized`] makes of the file that the coefficients are of.
    pub fn resized_of(coefficients: &Coefficients, scale: Scale, size: (u32, u32)) -> Option<Self> {
        if size.0 == 0 || size.1 == 0 {
            return None;
        }
        match coefficients.frame.color() {
            Color::Grey => {
                Planes::resized_of(coefficients, scale, size, None, Sampling::Full, Range::Full).and_then(Self::of_grey)
            }
            Color::YCbCr => Fine::resized(Rows::kept(coefficients), scale, size).and_then(Self::of_fine),
            _ => None,
        }
    }

    fn of_grey(planes: Planes) -> Option<Self> {
        let Plane { width, height, data } = planes.planes.into_iter().next()?;
        Some(Picture { width, height, channels: 1, data })
    }

    fn of_fine(Fine { width, height, values }: Fine) -> Option<Self> {
        let [y, cb, cr] = &values[..] else { return None };
        let level = Level::detect();
        let mut data = vec![0; width * height * 3];
        let rows = y.chunks_exact(width).zip(cb.chunks_exact(width)).zip(cr.chunks_exact(width));
        for (((y, cb), cr), out) in rows.zip(data.chunks_exact_mut(width * 3)) {
            level.rgb_fine(y, cb, cr, out);
        }
        Some(Picture { width, height, channels: 3, data })
    }

    fn decode_all(data: &[u8], limits: &Limits) -> Result<(Self, bool), Error> {
        Self::of_rows(Rows::new(Opened::new(data, limits)?, 64)?)
    }

    fn of_rows(rows: Rows<'_>) -> Result<(Self, bool), Error> {
        let frame = rows.frame();
        let color = frame.color();
        let growths = (0..frame.components.len()).map(|index| Growth::of(frame, index)).collect::<Result<Vec<_>, _>>()?;
        let (width, height, channels) = (frame.width as usize, frame.height as usize, growths.len());
        let full_width = frame.mcus_across() * frame.max_h * 8;
        let mut picture = Picture { width, height, channels, data: vec![0; width * height * channels] };
        let mut grown = vec![vec![0; full_width]; channels];
        let mut sums = vec![0; full_width];
        let level = Level::detect();
        let mut out = picture.data.chunks_exact_mut(width * channels).enumerate();
        let is_sound = Bands::run(rows, |bands, rows| {
            for (y, out) in out.by_ref().take(rows) {
                for (index, (growth, grown)) in growths.iter().zip(&mut grown).enumerate() {
                    if *growth != Growth::None {
                        let down = growth.down();
                        let (near, lower) = (y / down, y % down * 2 >= down);
                        let far = if lower { near + 1 } else { near.saturating_sub(1) };
                        growth.row(level, bands.row(index, near), bands.row(index, far), lower, &mut sums, grown);
                    }
                }
                let mut samples: [&[u8]; 4] = [&[]; 4];
                for (index, samples) in samples[..channels].iter_mut().enumerate() {
                    let row = if growths[index] == Growth::None { bands.row(index, y) } else { &grown[index] };
                    *samples = &row[..width];
                }
                match color {
                    Color::YCbCr => level.rgb(samples[0], samples[1], samples[2], out),
                    Color::Ycck => color::cmyk(samples, out),
                    Color::Grey => out.copy_from_slice(samples[0]),
                    Color::Rgb | Color::Cmyk | Color::Unknown => color::interleave(&samples[..channels], out),
                }
            }
        })?;
        Ok((picture, is_sound))
    }
}
