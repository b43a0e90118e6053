//! Reading TIFF: the header, the limits, and what the `tiff` crate does not do itself (palettes, old-style JPEG).

use std::borrow::Cow;
use std::io::Cursor;

use ::tiff::decoder::ifd::Value;
use ::tiff::decoder::{Decoder as TiffDecoder, DecodingResult, Limits as TiffLimits};
use ::tiff::tags::Tag;
use ::tiff::{ColorType, TiffError};

use super::TITLE;
use super::unpack::{Layout, Samples, palette, unpack};
use crate::failure::Failure;
use crate::formats::support::{damaged, exif, unsupported};
use crate::formats::{DecodeOptions, Decoded, Frame, Header, Limits, jpg};
use crate::pixels::{Channels, Depth, Image, Orientation};

/// Tags ImageWidth and ImageLength.
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
/// Tag PhotometricInterpretation and its value for a palette (TIFF 6.0, section 5).
const PHOTOMETRIC: u16 = 262;
const PALETTE: u32 = 3;
/// Tags of old-style JPEG (TIFF 6.0, section 22): where a whole JPEG file lies.
const COMPRESSION: u16 = 259;
const OLD_JPEG: u32 = 6;
const JPEG_OFFSET: u16 = 513;
const JPEG_LENGTH: u16 = 514;

type Reader<'a> = TiffDecoder<Cursor<&'a [u8]>>;

fn failure(error: TiffError) -> Failure {
    match error {
        TiffError::UnsupportedError(error) => unsupported(TITLE, error),
        TiffError::LimitsExceeded => {
            Failure::too_large("The TIFF file needs more memory than its size in pixels explains. Save it again")
        }
        TiffError::FormatError(error) => damaged(TITLE, error),
        error => damaged(TITLE, error),
    }
}

/// The `tiff` crate refuses palettes. Declared as grey in a copy, the same samples are read as numbers of colours.
fn declared_grey(data: &[u8]) -> (Cow<'_, [u8]>, bool) {
    match exif::find(data, PHOTOMETRIC) {
        Some(exif::Entry { value: PALETTE, short_at: Some((at, big)) }) => {
            let mut copy = data.to_vec();
            if let Some(bytes) = copy.get_mut(at..at + 2) {
                bytes.copy_from_slice(if big { &[0, 1] } else { &[1, 0] });
            }
            (Cow::Owned(copy), true)
        }
        _ => (Cow::Borrowed(data), false),
    }
}

/// The JPEG file that an old-style JPEG page consists of, where it says so.
fn old_jpeg(data: &[u8]) -> Option<&[u8]> {
    let value = |tag| exif::find(data, tag).map(|entry| entry.value as usize);
    if value(COMPRESSION)? != OLD_JPEG as usize {
        return None;
    }
    let start = value(JPEG_OFFSET)?;
    let jpeg = data.get(start..start.checked_add(value(JPEG_LENGTH)?)?)?;
    jpeg.starts_with(b"\xff\xd8").then_some(jpeg)
}

fn open<'a>(data: &'a [u8], limits: &Limits) -> Result<(Reader<'a>, Header, ColorType), Failure> {
    // Before the crate reads the lists of strips, whose lengths follow from the size.
    if let (Some(width), Some(height)) = (exif::find(data, WIDTH), exif::find(data, HEIGHT)) {
        limits.check(TITLE, width.value, height.value, 1)?;
    }
    let decoder = TiffDecoder::new(Cursor::new(data)).map_err(failure)?;
    let mut tiff_limits = TiffLimits::default();
    // 8 bytes a pixel are the deepest that we read; a chunk cannot be longer than the file.
    tiff_limits.decoding_buffer_size = usize::try_from(limits.pixels.saturating_mul(8)).unwrap_or(usize::MAX);
    tiff_limits.intermediate_buffer_size = data.len();
    let mut decoder = decoder.with_limits(tiff_limits);
    let (width, height) = decoder.dimensions().map_err(failure)?;
    limits.check(TITLE, width, height, 1)?;
    let color = decoder.colortype().map_err(failure)?;
    let (channels, depth) = Layout::of(color).map_err(|what| unsupported(TITLE, what))?.output();
    let orientation = short(&mut decoder, Tag::Orientation).map_or(Orientation::Upright, Orientation::from_exif);
    Ok((decoder, Header { width, height, frames: 1, channels, depth, orientation }, color))
}

pub(super) fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    if let Some(jpeg) = old_jpeg(data) {
        return (jpg::DECODER.probe)(jpeg, limits);
    }
    let (bytes, has_palette) = declared_grey(data);
    let (_, header, _) = open(&bytes, limits)?;
    Ok(if has_palette { Header { channels: Channels::Rgb, depth: Depth::U8, ..header } } else { header })
}

pub(super) fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    if let Some(jpeg) = old_jpeg(data) {
        return (jpg::DECODER.decode)(jpeg, options);
    }
    let (bytes, has_palette) = declared_grey(data);
    let (mut decoder, header, color) = open(&bytes, &options.limits)?;
    options.cancel.check()?;
    check_jpeg_chunks(&mut decoder, &bytes)?;
    let premultiplied = short(&mut decoder, Tag::ExtraSamples) == Some(1);
    let icc = icc(&mut decoder, &options.limits);

    let mut result = DecodingResult::U8(Vec::new());
    let buffers = decoder.read_image_to_buffer(&mut result).map_err(failure)?;
    let samples = Samples::of(result).map_err(|what| unsupported(TITLE, what))?;
    let layout = Layout::of(color).map_err(|what| unsupported(TITLE, what))?;
    let (width, height) = (header.width as usize, header.height as usize);
    let planes = buffers.plane_stride.map(|stride| (stride.get(), buffers.planes));
    let incomplete = || damaged(TITLE, "its samples do not fill the image");
    let image = if has_palette {
        let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(failure)?;
        let rgb = palette(&samples, layout, &map, width, height).ok_or_else(incomplete)?;
        Image::new(header.width, header.height, Channels::Rgb, Depth::U8, rgb)?
    } else {
        let pixels = unpack(&samples, layout, planes, premultiplied, width, height).ok_or_else(incomplete)?;
        Image::new(header.width, header.height, header.channels, header.depth, pixels)?
    };
    // The profile of CMYK samples does not describe the RGB that they were converted to.
    let icc = icc.filter(|_| !matches!(color, ColorType::CMYK(_) | ColorType::CMYKA(_)));
    Ok(Decoded { frames: vec![Frame { image, delay_ms: 0 }], orientation: header.orientation, icc, loops: 0 })
}

fn short(decoder: &mut Reader<'_>, tag: Tag) -> Option<u16> {
    match decoder.find_tag(tag).ok()?? {
        Value::Short(value) => Some(value),
        Value::List(values) => values.into_iter().next()?.into_u16().ok(),
        _ => None,
    }
}

/// The profile; one that cannot be read is left out, the pixels are what counts.
fn icc(decoder: &mut Reader<'_>, limits: &Limits) -> Option<Vec<u8>> {
    let mut directory = decoder.image_ifd();
    let length = directory.find_entry(Tag::IccProfile)?.count();
    if length > limits.metadata_bytes.min(16 << 20) {
        return None;
    }
    let mut profile = vec![0; usize::try_from(length).ok()?];
    let read = directory.find_tag_bytes(Tag::IccProfile, &mut profile, 0).ok()??;
    (read == profile.len()).then_some(profile)
}

/// Refuses JPEG strips and tiles that claim to be larger than their place: they would be decoded before that is noticed.
fn check_jpeg_chunks(decoder: &mut Reader<'_>, data: &[u8]) -> Result<(), Failure> {
    // 7 is JPEG in TIFF (Technical Note 2).
    if short(decoder, Tag::Compression) != Some(7) {
        return Ok(());
    }
    let (width, height) = decoder.chunk_dimensions();
    let mut list = |first, second| {
        let found = decoder.find_tag_unsigned_vec::<u64>(first).map_err(failure)?;
        match found {
            Some(values) => Ok(values),
            None => decoder.find_tag_unsigned_vec::<u64>(second).map_err(failure).map(Option::unwrap_or_default),
        }
    };
    let offsets = list(Tag::StripOffsets, Tag::TileOffsets)?;
    let lengths = list(Tag::StripByteCounts, Tag::TileByteCounts)?;
    for (offset, length) in offsets.into_iter().zip(lengths) {
        let chunk = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
        let chunk = chunk.and_then(|(start, length)| data.get(start..start.checked_add(length)?));
        let (w, h) = jpg::size(chunk.ok_or_else(|| damaged(TITLE, "a strip lies beyond the end of the file"))?)?;
        // Sides are rounded up to whole blocks at most.
        if w > width.saturating_add(64) || h > height.saturating_add(64) {
            return Err(damaged(TITLE, format!("a JPEG strip claims {w} x {h} pixels instead of {width} x {height}")));
        }
    }
    Ok(())
}
