//! PNG (PNG third edition, animations included): the `png` crate reads it, and our own code the pixels of most; [`encode`] writes it.

mod animation;
mod chunks;
mod encode;
mod repack;

use std::io::Cursor;

use ::png::{BitDepth, ColorType, DecodingError, Limits as PngLimits, Transformations};
use convertfly_png::Layout;

use super::support::{damaged, exif, samples, unsupported};
use super::{Category, DecodeOptions, Decoded, Decoder, Flags, Format, Frame, Header, Limits};
use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Image, Orientation};

const TITLE: &str = "PNG";

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "png",
    title: TITLE,
    mime: "image/png",
    extensions: &["png", "apng"],
    aliases: &[],
    category: Category::Image,
    flags: Flags {
        alpha: true,
        animated: true,
        deep: true,
        grey: true,
        profile: true,
        tags: true,
        palette: true,
        exact: true,
        ..Flags::NONE
    },
    magic: |head| head.starts_with(b"\x89PNG\r\n\x1a\n"),
    decode: Some(DECODER),
    encode: Some(encode::encode),
};

/// How PNG is read: icons hold some.
pub(super) const DECODER: Decoder = Decoder::whole(probe, decode);

pub(super) use encode::encode_still;
pub(super) use repack::repack;

fn failure(error: DecodingError, limits: &Limits) -> Failure {
    match error {
        DecodingError::LimitsExceeded => Failure::too_large(format!(
            "The PNG file's metadata takes more than {} bytes. Strip its metadata first",
            limits.metadata_bytes
        )),
        DecodingError::IoError(error) => damaged(TITLE, error),
        DecodingError::Format(error) => {
            let words = error.to_string();
            // The crate's words are for programmers.
            damaged(TITLE, if words.starts_with("CRC error") { "the checksum of one of its parts is wrong" } else { &words })
        }
        DecodingError::Parameter(error) => damaged(TITLE, error),
    }
}

/// Opens at the header. Text is never inflated; an ICC profile is, up to the limit.
fn open<'a>(data: &'a [u8], limits: &Limits) -> ::png::Decoder<Cursor<&'a [u8]>> {
    // Rows in flight count against the same budget, so it gets room for them.
    let rows = u64::from(limits.side) * 8 * 4;
    let bytes = usize::try_from(limits.metadata_bytes.saturating_add(rows)).unwrap_or(usize::MAX);
    let mut decoder = ::png::Decoder::new_with_limits(Cursor::new(data), PngLimits { bytes });
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    decoder
}

fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    let mut decoder = open(data, limits);
    let info = decoder.read_header_info().map_err(|error| failure(error, limits))?;
    limits.check(TITLE, info.width, info.height, 1)?;
    let channels = match info.color_type {
        ColorType::Grayscale => Channels::Grey,
        ColorType::GrayscaleAlpha => Channels::GreyAlpha,
        ColorType::Rgb => Channels::Rgb,
        // Whether a palette has transparent entries comes after the header: reckoned with.
        ColorType::Rgba | ColorType::Indexed => Channels::Rgba,
    };
    Ok(Header {
        width: info.width,
        height: info.height,
        frames: animation::frames(data).unwrap_or(1),
        channels,
        depth: depth(info.bit_depth),
        // Before the pixels or behind them.
        orientation: chunks::body(data, b"eXIf").map_or(Orientation::Upright, exif::orientation),
    })
}

fn depth(bits: BitDepth) -> Depth {
    if bits == BitDepth::Sixteen { Depth::U16 } else { Depth::U8 }
}

fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let limits = &options.limits;
    let header = probe(data, limits)?;
    let mut reader = open(data, limits).read_info().map_err(|error| failure(error, limits))?;
    let (color, bits) = reader.output_color_type();
    let channels = match color {
        ColorType::Grayscale => Channels::Grey,
        ColorType::GrayscaleAlpha => Channels::GreyAlpha,
        ColorType::Rgb => Channels::Rgb,
        ColorType::Rgba => Channels::Rgba,
        ColorType::Indexed => return Err(unsupported(TITLE, "its palette could not be expanded")),
    };
    let size = reader.output_buffer_size().ok_or_else(|| damaged(TITLE, "its size overflows"))?;
    let expected = Image::byte_size(header.width, header.height, channels, depth(bits));
    if u64::try_from(size).ok() != expected {
        return Err(damaged(TITLE, "its header contradicts itself"));
    }
    options.cancel.check()?;
    let (frames, loops) = if options.all_frames && header.frames > 1 {
        animation::decode(&mut reader, options)?
    } else {
        let mut pixels = match whole(data, reader.info(), channels, bits) {
            Some(pixels) => pixels,
            None => {
                let mut pixels = vec![0; size];
                reader.next_frame(&mut pixels).map_err(|error| failure(error, limits))?;
                pixels
            }
        };
        if bits == BitDepth::Sixteen {
            samples::from_big_endian(&mut pixels);
        }
        let image = Image::new(header.width, header.height, channels, depth(bits), pixels)?;
        (vec![Frame { image, delay_ms: 0 }], 0)
    };
    let icc = reader.info().icc_profile.as_deref();
    if let Some(profile) = icc {
        limits.check_metadata(TITLE, "ICC profile", profile.len() as u64)?;
    }
    Ok(Decoded { orientation: header.orientation, icc: icc.map(<[u8]>::to_vec), frames, loops })
}

/// The pixels of a picture by our own reader, which is the faster one for most: those of 8 bits, or of 16 without colours, whose rows come one
/// after the other. Nothing for others, and for what is damaged: the `png` crate knows what to make of it.
fn whole(data: &[u8], info: &::png::Info<'_>, channels: Channels, bits: BitDepth) -> Option<Vec<u8>> {
    // Palettes and colours that stand for nothing are spread out to more channels than are stored.
    let as_stored = info.bit_depth == bits && info.color_type.samples() == channels.count();
    if info.interlaced || info.animation_control.is_some() || !as_stored {
        return None;
    }
    let pixel = info.bytes_per_pixel();
    let layout = Layout::new(usize::try_from(info.width).ok()?, usize::try_from(info.height).ok()?, pixel)?;
    convertfly_png::decompress(&chunks::stream(data)?, layout)
}

#[cfg(test)]
mod tests;
