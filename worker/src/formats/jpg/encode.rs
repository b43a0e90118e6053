//! Writing JPEG by libjpeg-turbo: baseline, 4:2:0, optimised Huffman tables.

use ::turbojpeg::{Compressor, PixelFormat, Subsamp};

use super::TITLE;
use crate::failure::Failure;
use crate::formats::support::{encoding, icc};
use crate::formats::{Decoded, EncodeOptions, WriteSeek};
use crate::pixels::{Channels, Depth};

/// Bytes of a profile that fit into one APP2 segment: 65,533 less the name and the two numbers.
const ICC_PIECE: usize = 65_533 - 14;

pub(in crate::formats) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let image = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    options.cancel.check()?;
    let (format, subsampling) = match (image.channels(), image.depth()) {
        (Channels::Grey, Depth::U8) => (PixelFormat::GRAY, Subsamp::Gray),
        (Channels::Rgb, Depth::U8) => (PixelFormat::RGB, Subsamp::Sub2x2),
        (channels, depth) => return Err(encoding(TITLE, format!("cannot write {channels:?} {depth:?}"))),
    };
    let fail = |error| encoding(TITLE, error);
    let mut compressor = Compressor::new().map_err(fail)?;
    compressor.set_quality(options.quality.clamp(1, 100).into()).map_err(fail)?;
    compressor.set_subsamp(subsampling).map_err(fail)?;
    compressor.set_optimize(true).map_err(fail)?;
    let source = ::turbojpeg::Image {
        pixels: image.data(),
        width: image.width() as usize,
        pitch: image.stride(),
        height: image.height() as usize,
        format,
    };
    let jpeg = compressor.compress_to_owned(source).map_err(fail)?;
    write(&jpeg, icc::fitting(decoded.icc.as_deref(), image.channels()), out).map_err(|error| encoding(TITLE, error))
}

/// Writes the file with the profile in APP2 segments right behind the JFIF one.
fn write(jpeg: &[u8], profile: Option<&[u8]>, out: &mut dyn WriteSeek) -> std::io::Result<()> {
    let profile = profile.unwrap_or_default();
    let total = profile.len().div_ceil(ICC_PIECE);
    // libjpeg-turbo opens with SOI and APP0; the pieces are numbered by one byte.
    let (head, rest) = match jpeg {
        [0xff, 0xd8, 0xff, 0xe0, high, low, ..] if (1..=255).contains(&total) => {
            jpeg.split_at((4 + usize::from(u16::from_be_bytes([*high, *low]))).min(jpeg.len()))
        }
        _ => return out.write_all(jpeg),
    };
    out.write_all(head)?;
    for (index, piece) in profile.chunks(ICC_PIECE).enumerate() {
        out.write_all(&[0xff, 0xe2])?;
        out.write_all(&((piece.len() + 16) as u16).to_be_bytes())?;
        out.write_all(b"ICC_PROFILE\0")?;
        out.write_all(&[(index + 1) as u8, total as u8])?;
        out.write_all(piece)?;
    }
    out.write_all(rest)
}
