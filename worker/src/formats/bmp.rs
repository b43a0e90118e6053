//! Windows bitmap: the `image` crate both ways.

use std::io::{BufWriter, Cursor, Write};

use ::image::codecs::bmp::{BmpDecoder, BmpEncoder};
use ::image::{ColorType, ExtendedColorType, ImageDecoder, ImageError, Limits as ImageLimits};

use super::support::{damaged, encoding, unsupported};
use super::{Category, DecodeOptions, Decoded, Decoder, EncodeOptions, Flags, Format, Frame, Header, Limits, WriteSeek};
use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Image, Orientation};

const TITLE: &str = "BMP";

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "bmp",
    title: TITLE,
    mime: "image/bmp",
    extensions: &["bmp", "dib"],
    aliases: &[],
    category: Category::Image,
    flags: Flags { grey: true, ..Flags::NONE },
    magic: is_bmp,
    decode: Some(DECODER),
    encode: Some(encode),
};

/// How bitmaps are read: icons hold some.
pub(super) const DECODER: Decoder = Decoder::whole(probe, decode);

/// `BM` alone is too common to trust: the size of the header that follows has to be one of the known ones as well.
fn is_bmp(head: &[u8]) -> bool {
    let size = head.get(14..18).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    head.starts_with(b"BM") && matches!(size, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
}

fn failure(error: ImageError) -> Failure {
    match error {
        ImageError::Unsupported(error) => unsupported(TITLE, error),
        ImageError::Limits(error) => Failure::too_large(format!("The BMP file is too large: {error}. Resize it first")),
        error => damaged(TITLE, error),
    }
}

type Reader<'a> = BmpDecoder<Cursor<&'a [u8]>>;

fn open<'a>(data: &'a [u8], limits: &Limits) -> Result<(Reader<'a>, Header), Failure> {
    let decoder = BmpDecoder::new(Cursor::new(data)).map_err(failure)?;
    let (width, height) = decoder.dimensions();
    limits.check(TITLE, width, height, 1)?;
    let channels = match decoder.color_type() {
        ColorType::L8 => Channels::Grey,
        ColorType::Rgb8 => Channels::Rgb,
        ColorType::Rgba8 => Channels::Rgba,
        other => return Err(unsupported(TITLE, format!("pixels of type {other:?}"))),
    };
    Ok((decoder, Header { width, height, frames: 1, channels, depth: Depth::U8, orientation: Orientation::Upright }))
}

fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    open(data, limits).map(|(_, header)| header)
}

fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let (mut decoder, header) = open(data, &options.limits)?;
    let size = header.predicted_bytes(1);
    let mut limits = ImageLimits::default();
    limits.max_image_width = Some(options.limits.side);
    limits.max_image_height = Some(options.limits.side);
    limits.max_alloc = Some(size.saturating_add(options.limits.metadata_bytes));
    decoder.set_limits(limits).map_err(failure)?;
    options.cancel.check()?;
    let mut pixels = vec![0; usize::try_from(size).map_err(Failure::internal)?];
    decoder.read_image(&mut pixels).map_err(failure)?;
    let image = Image::new(header.width, header.height, header.channels, Depth::U8, pixels)?;
    Ok(Decoded { frames: vec![Frame { image, delay_ms: 0 }], orientation: Orientation::Upright, icc: None, loops: 0 })
}

fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let image = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    options.cancel.check()?;
    let color = match (image.channels(), image.depth()) {
        (Channels::Grey, Depth::U8) => ExtendedColorType::L8,
        (Channels::Rgb, Depth::U8) => ExtendedColorType::Rgb8,
        (channels, depth) => return Err(encoding(TITLE, format!("cannot write {channels:?} {depth:?}"))),
    };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    BmpEncoder::new(&mut out)
        .encode(image.data(), image.width(), image.height(), color)
        .map_err(|error| encoding(TITLE, error))?;
    out.flush().map_err(|error| encoding(TITLE, error))
}
