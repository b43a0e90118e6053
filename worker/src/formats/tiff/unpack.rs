//! From the samples as TIFF stores them to packed grey, RGB and RGBA.

use ::tiff::ColorType;
use ::tiff::decoder::DecodingResult;

use crate::formats::support::cmyk;
use crate::pixels::{Channels, Depth};

/// What the samples of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    Cmyk,
    YCbCr,
}

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    space: Space,
    /// 1, 2, 4, 8 or 16.
    bits: u8,
    /// Samples a pixel, the ones that we skip included.
    stride: usize,
}

impl Layout {
    /// The layout of a colour type; the error says what cannot be read.
    pub(super) fn of(color: ColorType) -> Result<Self, String> {
        let (space, bits, stride) = match color {
            ColorType::Gray(bits) => (Space::Grey, bits, 1),
            ColorType::Multiband { bit_depth, num_samples: 2 } => (Space::GreyAlpha, bit_depth, 2),
            ColorType::Multiband { bit_depth, num_samples } => (Space::Grey, bit_depth, num_samples.into()),
            ColorType::RGB(bits) => (Space::Rgb, bits, 3),
            ColorType::RGBA(bits) => (Space::Rgba, bits, 4),
            ColorType::CMYK(bits) => (Space::Cmyk, bits, 4),
            ColorType::CMYKA(bits) => (Space::Cmyk, bits, 5),
            ColorType::YCbCr(bits) => (Space::YCbCr, bits, 3),
            other => return Err(format!("its pixels are of type {other:?}")),
        };
        let fine = match space {
            Space::Grey if stride == 1 => matches!(bits, 1 | 2 | 4 | 8 | 16),
            Space::YCbCr => bits == 8,
            _ => matches!(bits, 8 | 16),
        };
        if fine { Ok(Self { space, bits, stride }) } else { Err(format!("it has {bits} bits a sample ({color:?})")) }
    }

    /// What pixels become.
    pub(super) fn output(self) -> (Channels, Depth) {
        let channels = match self.space {
            Space::Grey => Channels::Grey,
            Space::GreyAlpha => Channels::GreyAlpha,
            Space::Rgb | Space::Cmyk | Space::YCbCr => Channels::Rgb,
            Space::Rgba => Channels::Rgba,
        };
        (channels, if self.bits == 16 { Depth::U16 } else { Depth::U8 })
    }
}

/// Unsigned samples, as decoded.
pub(super) enum Samples {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
}

impl Samples {
    /// Takes 8- and 16-bit samples; of signed ones what is below zero becomes zero.
    pub(super) fn of(result: DecodingResult) -> Result<Self, &'static str> {
        Ok(match result {
            DecodingResult::U8(data) => Self::Bytes(data),
            DecodingResult::U16(data) => Self::Words(data),
            DecodingResult::I8(data) => Self::Bytes(data.into_iter().map(|sample| sample.max(0).cast_unsigned()).collect()),
            DecodingResult::I16(data) => Self::Words(data.into_iter().map(|sample| sample.max(0).cast_unsigned()).collect()),
            _ => return Err("its samples are floating-point numbers or wider than 16 bits"),
        })
    }

    fn get(&self, index: usize) -> Option<u16> {
        match self {
            Self::Bytes(data) => data.get(index).map(|&sample| sample.into()),
            Self::Words(data) => data.get(index).copied(),
        }
    }
}

/// One sample of fewer than 8 bits; rows begin at whole bytes.
fn packed(data: &[u8], bits: usize, width: usize, x: usize, y: usize) -> Option<u8> {
    let row = (width * bits).div_ceil(8);
    let byte = *data.get(y * row + x * bits / 8)?;
    Some((byte >> (8 - bits - x * bits % 8)) & (0xff >> (8 - bits)))
}

/// The pixels in the layout that [`Layout::output`] tells; `None` where samples are missing.
///
/// `planes`: bytes from one plane to the next and how many there are, where each sample has its own plane.
pub(super) fn unpack(
    samples: &Samples,
    layout: Layout,
    planes: Option<(usize, usize)>,
    premultiplied: bool,
    width: usize,
    height: usize,
) -> Option<Vec<u8>> {
    if let (Samples::Bytes(data), bits @ (1 | 2 | 4)) = (samples, layout.bits) {
        let scale = 255 / (0xff >> (8 - bits));
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        return pixels.map(|(x, y)| packed(data, bits.into(), width, x, y).map(|value| value * scale)).collect();
    }
    let words = matches!(samples, Samples::Words(_));
    if words != (layout.bits == 16) {
        return None;
    }
    // Sample `channel` of pixel `index`, chunky or planar.
    let (step, plane) = match planes {
        Some((stride, count)) if count > 1 => (1, stride / if words { 2 } else { 1 }),
        _ => (layout.stride, 1),
    };
    let (channels, depth) = layout.output();
    let count = width.checked_mul(height)?;
    let max = if words { 65_535u32 } else { 255 };
    let mut out = Vec::with_capacity(count * channels.count() * depth.bytes());
    for index in 0..count {
        let sample = |channel: usize| samples.get(index * step + channel * plane).map(u32::from);
        let pixel: [u32; 4] = match layout.space {
            Space::Grey => [sample(0)?, 0, 0, 0],
            Space::GreyAlpha => [sample(0)?, sample(1)?, 0, 0],
            Space::Rgb => [sample(0)?, sample(1)?, sample(2)?, 0],
            Space::Rgba => [sample(0)?, sample(1)?, sample(2)?, sample(3)?],
            Space::Cmyk => {
                // Without a profile: each ink takes its share of light away.
                let key = max - sample(3)?;
                let light = |ink: u32| ((max - ink) * key + max / 2) / max;
                [light(sample(0)?), light(sample(1)?), light(sample(2)?), 0]
            }
            Space::YCbCr => ycbcr(sample(0)?, sample(1)?, sample(2)?),
        };
        let count = channels.count();
        let straight = straighten(pixel, count, premultiplied && channels.has_alpha(), max);
        for &value in &straight[..count] {
            if words {
                out.extend_from_slice(&(value as u16).to_ne_bytes());
            } else {
                out.push(value as u8);
            }
        }
    }
    Some(out)
}

/// sRGB of CMYK samples by a profile, in the layout of [`Layout::output`]; `None` where it is no profile for them.
pub(super) fn inks_by_profile(
    samples: &Samples,
    layout: Layout,
    planes: Option<(usize, usize)>,
    icc: &[u8],
    width: usize,
    height: usize,
) -> Option<Vec<u8>> {
    let words = matches!(samples, Samples::Words(_));
    let (step, plane) = match planes {
        Some((stride, count)) if count > 1 => (1, stride / if words { 2 } else { 1 }),
        _ => (layout.stride, 1),
    };
    let pixels = 0..width.checked_mul(height)?;
    let inks = pixels.flat_map(|index| (0..4).map(move |ink| samples.get(index * step + ink * plane)));
    if words {
        let rgb = cmyk::words_by_profile(&inks.collect::<Option<Vec<u16>>>()?, icc)?;
        return Some(rgb.iter().flat_map(|sample| sample.to_ne_bytes()).collect());
    }
    cmyk::bytes_by_profile(&inks.map(|ink| ink.map(|ink| ink as u8)).collect::<Option<Vec<u8>>>()?, icc)
}

/// Divides colour by alpha, the last of `count` samples, where TIFF stores it multiplied (ExtraSamples 1).
fn straighten(mut pixel: [u32; 4], count: usize, premultiplied: bool, max: u32) -> [u32; 4] {
    if premultiplied {
        let alpha = pixel[count - 1];
        for value in &mut pixel[..count - 1] {
            // u64: 65,535 squared and the half do not fit into 32 bits.
            let scaled = (u64::from(*value) * u64::from(max) + u64::from(alpha) / 2).checked_div(alpha.into());
            *value = scaled.map_or(0, |scaled| scaled.min(max.into()) as u32);
        }
    }
    pixel
}

/// Full-range ITU-R BT.601, the defaults of TIFF 6.0 section 21 as JPEG uses them.
fn ycbcr(y: u32, cb: u32, cr: u32) -> [u32; 4] {
    let (y, cb, cr) = (y as f32, cb as f32 - 128.0, cr as f32 - 128.0);
    let level = |value: f32| value.round().clamp(0.0, 255.0) as u32;
    [level(y + 1.402 * cr), level(y - 0.344_136 * cb - 0.714_136 * cr), level(y + 1.772 * cb), 0]
}

/// 8-bit RGB from numbers of colours and the 16-bit map: all reds, all greens, all blues.
pub(super) fn palette(samples: &Samples, layout: Layout, map: &[u16], width: usize, height: usize) -> Option<Vec<u8>> {
    let Samples::Bytes(data) = samples else { return None };
    let colors = 1usize << layout.bits.min(8);
    if map.len() < 3 * colors {
        return None;
    }
    // Some writers store 8-bit values although the format asks for 16.
    let shift = if map.iter().any(|&value| value > 255) { 8 } else { 0 };
    let mut out = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let index: usize = match layout.bits {
                bits @ (1 | 2 | 4) => packed(data, bits.into(), width, x, y)?.into(),
                _ => (*data.get((y * width + x) * layout.stride)?).into(),
            };
            for channel in 0..3 {
                out.push((map.get(channel * colors + index)? >> shift) as u8);
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bits_spread_over_the_range() {
        let samples = Samples::Bytes(vec![0b1100_0110, 0b0111_0000]);
        let layout = |bits| Layout::of(ColorType::Gray(bits)).expect("grey is read");
        let grey = |bits, width, height| unpack(&samples, layout(bits), None, false, width, height);
        assert_eq!(grey(1, 4, 2), Some(vec![255, 255, 0, 0, 0, 255, 255, 255]), "1 bit, rows at whole bytes");
        assert_eq!(grey(2, 3, 1), Some(vec![255, 0, 85]), "2 bits");
        assert_eq!(grey(4, 2, 2), Some(vec![204, 102, 119, 0]), "4 bits");
        assert_eq!(grey(8, 3, 1), None, "a sample is missing");
    }

    #[test]
    fn inks_become_light() {
        let layout = Layout::of(ColorType::CMYK(8)).expect("CMYK is read");
        let samples = Samples::Bytes(vec![0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]);
        let expected = vec![255, 255, 255, 0, 255, 255, 0, 0, 0];
        assert_eq!(unpack(&samples, layout, None, false, 3, 1), Some(expected), "paper, cyan, black");
    }

    #[test]
    fn planes_are_interleaved_and_alpha_divided_out() {
        let layout = Layout::of(ColorType::RGBA(16)).expect("RGBA is read");
        let samples = Samples::Words(vec![100, 0, 200, 0, 300, 0, 32_768, 0]);
        let pixels = unpack(&samples, layout, Some((4, 4)), true, 2, 1).expect("all samples are there");
        let words: Vec<u16> = pixels.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
        assert_eq!(words, [200, 400, 600, 32_768, 0, 0, 0, 0], "half alpha doubles, none gives black");
    }
}
