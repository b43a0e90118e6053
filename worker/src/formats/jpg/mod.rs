//! JPEG (ITU-T T.81, JFIF, EXIF): zune-jpeg reads, libjpeg-turbo writes and reads reduced sizes.

mod encode;
mod segments;

use ::turbojpeg::{Colorspace, Decompressor, PixelFormat, ScalingFactor};
use ::zune_core::bytestream::ZCursor;
use ::zune_core::colorspace::ColorSpace;
use ::zune_core::options::DecoderOptions;
use ::zune_jpeg::JpegDecoder;
use ::zune_jpeg::errors::DecodeErrors;

use self::segments::Segments;
use super::support::{damaged, exif, unsupported};
use super::{Category, DecodeOptions, Decoded, Decoder, Flags, Format, Frame, Header, Limits};
use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Image, Orientation};

const TITLE: &str = "JPEG";

/// Scans of a progressive file; more are made to burn time. Encoders in use write 10 to 20.
const MAX_SCANS: usize = 100;

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "jpg",
    title: TITLE,
    mime: "image/jpeg",
    extensions: &["jpg", "jpeg", "jpe", "jfif"],
    aliases: &["jpeg"],
    category: Category::Image,
    flags: Flags { alpha: false, lossy: true, pages: false, animated: false, deep: false, grey: true, profile: true },
    magic: |head| head.starts_with(b"\xff\xd8\xff"),
    decode: Some(DECODER),
    encode: Some(encode::encode),
};

fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    header(&Segments::read(data)?, limits)
}

fn header(segments: &Segments<'_>, limits: &Limits) -> Result<Header, Failure> {
    if segments.height == 0 {
        return Err(unsupported(TITLE, "its height is given only after its pixels (DNL)"));
    }
    limits.check(TITLE, segments.width, segments.height, 1)?;
    if segments.precision != 8 {
        return Err(unsupported(TITLE, format!("it has {} bits a sample, not 8", segments.precision)));
    }
    if !matches!(segments.process, 0xc0..=0xc2) {
        return Err(unsupported(TITLE, "it uses lossless, hierarchical or arithmetic coding"));
    }
    let channels = if segments.components == 1 { Channels::Grey } else { Channels::Rgb };
    let orientation = segments.exif.map_or(Orientation::Upright, exif::orientation);
    Ok(Header { width: segments.width, height: segments.height, frames: 1, channels, depth: Depth::U8, orientation })
}

fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let segments = Segments::read(data)?;
    let header = header(&segments, &options.limits)?;
    options.cancel.check()?;
    let image = match options.at_least.and_then(|size| reduced(data, &segments, &header, size)) {
        Some(image) => image,
        None => full(data, &segments, &header)?,
    };
    // A CMYK profile does not describe the RGB that it was converted to.
    let icc = if segments.components == 4 { None } else { segments.icc(&options.limits)? };
    Ok(Decoded { frames: vec![Frame { image, delay_ms: 0 }], orientation: header.orientation, icc, loops: 0 })
}

/// Decodes at full size.
fn full(data: &[u8], segments: &Segments<'_>, header: &Header) -> Result<Image, Failure> {
    // Asked for RGB even where the file is CMYK: zune-jpeg's own conversion to RGBA is wrong.
    let space = if header.channels == Channels::Grey { ColorSpace::Luma } else { ColorSpace::RGB };
    let decoder_options = DecoderOptions::default()
        .set_max_width(header.width as usize)
        .set_max_height(header.height as usize)
        // Lenient towards stray bytes; a file without its end has to be sound up to there.
        .set_strict_mode(!segments.is_complete(data))
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), decoder_options);
    decoder.decode_headers().map_err(failure)?;
    // Another frame header later in the file may claim another size than the one that was checked.
    let size = decoder.info().map(|info| (u32::from(info.width), u32::from(info.height)));
    if size != Some((header.width, header.height)) || decoder.output_colorspace() != Some(space) {
        return Err(damaged(TITLE, "it has two contradicting headers"));
    }
    let pixels = decoder.decode().map_err(failure)?;
    Image::new(header.width, header.height, header.channels, Depth::U8, pixels)
        .map_err(|_| damaged(TITLE, "it has two contradicting headers"))
}

fn failure(error: DecodeErrors) -> Failure {
    match error {
        DecodeErrors::Unsupported(scheme) => unsupported(TITLE, format!("{scheme:?}")),
        error => damaged(TITLE, format!("{error:?}")),
    }
}

/// Decodes at 1/2, 1/4 or 1/8 of the size by taking only the low frequencies of each block, where that leaves at least twice
/// `size` in both directions. `None` where it cannot: the full decoder then says why, if the file is at fault.
fn reduced(data: &[u8], segments: &Segments<'_>, header: &Header, size: (u32, u32)) -> Option<Image> {
    let (width, height) = (size.0.max(1), size.1.max(1));
    let factor = [8, 4, 2].into_iter().find(|by| header.width / by >= width * 2 && header.height / by >= height * 2)?;
    if !segments.is_complete(data) {
        return None;
    }
    let mut decoder = Decompressor::new().ok()?;
    decoder.set_scan_limit(MAX_SCANS as u32).ok()?;
    let found = decoder.read_header(data).ok()?;
    let same = found.width == header.width as usize && found.height == header.height as usize;
    if !same || !matches!(found.colorspace, Colorspace::YCbCr | Colorspace::Gray | Colorspace::RGB) {
        return None;
    }
    let scale = ScalingFactor::new(1, factor as usize);
    decoder.set_scaling_factor(scale).ok()?;
    let (width, height) = (scale.scale(found.width), scale.scale(found.height));
    let format = if header.channels == Channels::Grey { PixelFormat::GRAY } else { PixelFormat::RGB };
    let pitch = width * header.channels.count();
    let mut pixels = vec![0; pitch * height];
    let target = ::turbojpeg::Image { pixels: pixels.as_mut_slice(), width, pitch, height, format };
    decoder.decompress(data, target).ok()?;
    Image::new(width.try_into().ok()?, height.try_into().ok()?, header.channels, Depth::U8, pixels).ok()
}

/// How JPEG is read: TIFF holds some.
pub(super) const DECODER: Decoder = Decoder { probe, decode };

/// Width and height that a JPEG stream claims.
///
/// # Errors
/// [`Failure::Invalid`] where it is not one.
pub(super) fn size(data: &[u8]) -> Result<(u32, u32), Failure> {
    Segments::read(data).map(|segments| (segments.width, segments.height))
}
