//! JPEG (ITU-T T.81, JFIF, EXIF): `convertfly-jpeg` reads and writes, with zune-jpeg and libjpeg-turbo for what is damaged, and for inks.

mod encode;
mod inks;
mod plain;
pub(super) mod planes;
mod repack;
mod rewrite;
mod segments;
mod shared;

use ::convertfly_jpeg::{Picture, Scale};
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

/// By how much the libjpeg-turbo decoder may shrink (1 / factor), and how many times the wanted size has to be left then.
///
/// Shrinking keeps the low frequencies of each block, whose edges show if too little is resampled afterwards. With these margins
/// the result was 40 dB and more from that of the full decode on four camera photos at 100, 320 and 800 pixels.
const REDUCTIONS: [(u32, u32); 3] = [(8, 5), (4, 3), (2, 2)];

/// Pixels below which shrinking saves nothing that can be felt.
const REDUCE_FROM: u64 = 1_000_000;

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "jpg",
    title: TITLE,
    mime: "image/jpeg",
    extensions: &["jpg", "jpeg", "jpe", "jfif"],
    aliases: &["jpeg"],
    category: Category::Image,
    flags: Flags { lossy: true, grey: true, profile: true, tags: true, ..Flags::NONE },
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
    let icc = segments.icc(&options.limits)?;
    if segments.components == 4 {
        let (image, icc) = inks::decode(data, &segments, &header, icc)?;
        return Ok(Decoded { frames: vec![Frame { image, delay_ms: 0 }], orientation: header.orientation, icc, loops: 0 });
    }
    let resized = match options.exactly {
        Some(size) => resized(data, &segments, &header, size, options)?,
        None => None,
    };
    let small = match options.at_least.and_then(|size| reduction(&header, size)) {
        Some(factor) if resized.is_none() => reduced(data, &segments, &header, factor, options)?,
        _ => resized,
    };
    let image = match small {
        Some(image) => image,
        None => match sound(data, &segments, &header, options)? {
            Some(image) => image,
            None => full(data, &segments, &header)?,
        },
    };
    Ok(Decoded { frames: vec![Frame { image, delay_ms: 0 }], orientation: header.orientation, icc, loops: 0 })
}

/// Decodes at full size what is in order: equal to libjpeg-turbo's pixels, and faster than the decoder that is asked about all others, which knows
/// what can be made of them.
fn sound(data: &[u8], segments: &Segments<'_>, header: &Header, options: &DecodeOptions) -> Result<Option<Image>, Failure> {
    if !segments.is_complete(data) {
        return Ok(None);
    }
    let picture = match shared::coefficients(data, header, options.known.as_deref(), &options.cancel)? {
        Some(coefficients) => Picture::of(&coefficients).ok(),
        None => Picture::decode_sound(data, &limits(header)).ok().flatten(),
    };
    Ok(picture.and_then(|picture| image(picture, header)))
}

fn image(picture: Picture, header: &Header) -> Option<Image> {
    let same = (picture.width, picture.height, picture.channels)
        == (header.width as usize, header.height as usize, header.channels.count());
    if !same {
        return None;
    }
    Image::new(header.width, header.height, header.channels, Depth::U8, picture.data).ok()
}

/// No second header may make more of a file than the first one, which was checked.
fn limits(header: &Header) -> ::convertfly_jpeg::Limits {
    let pixels = u64::from(header.width) * u64::from(header.height);
    ::convertfly_jpeg::Limits { side: header.width.max(header.height), pixels, scans: MAX_SCANS as u32 }
}

/// Decodes at full size.
fn full(data: &[u8], segments: &Segments<'_>, header: &Header) -> Result<Image, Failure> {
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

/// By how much the picture may shrink for that size ([`REDUCTIONS`]).
fn reduction(header: &Header, size: (u32, u32)) -> Option<u32> {
    if u64::from(header.width) * u64::from(header.height) < REDUCE_FROM {
        return None;
    }
    let leaves = |side: u32, factor: u32, margin: u32, wanted: u32| side / factor >= wanted.saturating_mul(margin);
    let fits = |&(factor, margin): &(u32, u32)| {
        leaves(header.width, factor, margin, size.0) && leaves(header.height, factor, margin, size.1)
    };
    REDUCTIONS.into_iter().find(fits).map(|(factor, _)| factor)
}

/// The scale of the codec that shrinks by so much.
fn scale(reduction: u32) -> Scale {
    match reduction {
        8 => Scale::Eighth,
        4 => Scale::Quarter,
        2 => Scale::Half,
        _ => Scale::Full,
    }
}

/// Decodes at a size that is less than its own; `None` for a file that is not sound, or has no brightness.
fn resized(
    data: &[u8],
    segments: &Segments<'_>,
    header: &Header,
    size: (u32, u32),
    options: &DecodeOptions,
) -> Result<Option<Image>, Failure> {
    if !segments.is_complete(data) {
        return Ok(None);
    }
    let scale = scale(reduction(header, size).unwrap_or(1));
    let picture = match shared::coefficients(data, header, options.known.as_deref(), &options.cancel)? {
        Some(coefficients) => Picture::resized_of(&coefficients, scale, size),
        None => Picture::resized(data, scale, size, &limits(header)).ok().flatten(),
    };
    Ok(picture.and_then(|picture| image(picture, &Header { width: size.0, height: size.1, ..*header })))
}

/// Decodes at 1/2, 1/4 or 1/8 of the size. `None` where it cannot: the full decoder then says why, if the file is at fault.
fn reduced(
    data: &[u8],
    segments: &Segments<'_>,
    header: &Header,
    factor: u32,
    options: &DecodeOptions,
) -> Result<Option<Image>, Failure> {
    if !segments.is_complete(data) {
        return Ok(None);
    }
    let scale = scale(factor);
    let picture = match shared::coefficients(data, header, options.known.as_deref(), &options.cancel)? {
        Some(coefficients) => Picture::reduced_of(&coefficients, scale),
        None => Picture::reduced(data, scale, &limits(header)).ok().flatten(),
    };
    // Other samplings, and what is not sound, libjpeg-turbo decodes.
    let Some(Picture { width, height, channels, data: pixels }) = picture else {
        return Ok(reduced_by_turbo(data, header, factor));
    };
    let image = || Image::new(width.try_into().ok()?, height.try_into().ok()?, header.channels, Depth::U8, pixels).ok();
    Ok(if channels == header.channels.count() { image() } else { None })
}

fn reduced_by_turbo(data: &[u8], header: &Header, factor: u32) -> Option<Image> {
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

pub(super) use encode::encode;
pub(crate) use plain::plain;
pub(super) use repack::{nature, repack};
pub(super) use rewrite::{look, rewrite};

/// How JPEG is read: TIFF holds some.
pub(super) const DECODER: Decoder = Decoder { probe, decode, variant: |header, size| (reduction(header, size).unwrap_or(1), 0) };

/// Width and height that a JPEG stream claims.
///
/// # Errors
/// [`Failure::Invalid`] where it is not one.
pub(super) fn size(data: &[u8]) -> Result<(u32, u32), Failure> {
    Segments::read(data).map(|segments| (segments.width, segments.height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Cancel;
    use crate::formats::support::testing::{encode, picture, still};

    fn decoded(data: &[u8], at_least: Option<(u32, u32)>) -> Image {
        let options = DecodeOptions { at_least, cancel: Cancel::new(), ..DecodeOptions::default() };
        decode(data, &options).expect("it decodes").frames.remove(0).image
    }

    #[test]
    fn only_large_files_that_become_small_are_reduced() {
        for channels in [Channels::Rgb, Channels::Grey] {
            let data = encode("jpg", &still(picture(1600, 1000, channels)));
            for (wanted, size) in [
                (None, (1600, 1000)),
                (Some((1600, 1000)), (1600, 1000)),
                (Some((401, 250)), (1600, 1000)),
                (Some((400, 250)), (800, 500)),
                (Some((130, 80)), (400, 250)),
                (Some((40, 25)), (200, 125)),
                (Some((u32::MAX, 1)), (1600, 1000)),
                (Some((0, 0)), (200, 125)),
            ] {
                let image = decoded(&data, wanted);
                assert_eq!((image.width(), image.height()), size, "{channels:?} wanted {wanted:?}");
                assert_eq!(image.channels(), channels, "wanted {wanted:?}");
            }
        }
        let small = encode("jpg", &still(picture(900, 900, Channels::Rgb)));
        assert_eq!(decoded(&small, Some((9, 9))).width(), 900, "below a megapixel");
    }

    #[test]
    fn sound_files_have_the_pixels_of_libjpeg() {
        for subsamp in [::turbojpeg::Subsamp::None, ::turbojpeg::Subsamp::Sub2x1, ::turbojpeg::Subsamp::Sub2x2] {
            let image = picture(203, 97, Channels::Rgb);
            let source = ::turbojpeg::Image {
                pixels: image.data(),
                width: 203,
                pitch: image.stride(),
                height: 97,
                format: PixelFormat::RGB,
            };
            let data = ::turbojpeg::compress(source, 88, subsamp).expect("written");
            let theirs = ::turbojpeg::decompress(&data, PixelFormat::RGB).expect("decoded");
            let segments = Segments::read(&data).expect("segments");
            let header = header(&segments, &Limits::default()).expect("a header");
            let ours = sound(&data, &segments, &header, &DecodeOptions::default()).expect("decoded").expect("it is sound");
            let rows = theirs.pixels.chunks_exact(theirs.pitch).flat_map(|row| &row[..203 * 3]);
            assert!(ours.data().iter().eq(rows), "{subsamp:?}: byte for byte");
            assert_eq!(ours.data(), decoded(&data, None).data(), "{subsamp:?}: and that is the way it is decoded");
        }
    }

    #[test]
    fn both_decoders_see_the_same_picture() {
        let data = encode("jpg", &still(picture(1600, 1000, Channels::Rgb)));
        let (full, reduced) = (decoded(&data, None), decoded(&data, Some((300, 180))));
        // The mean of each 2 x 2 block is what half the size shows, on a smooth picture.
        let mean = |x: usize, y: usize, channel: usize| {
            let sample = |x: usize, y: usize| u32::from(full.data()[(y * 1600 + x) * 3 + channel]);
            (sample(x, y) + sample(x + 1, y) + sample(x, y + 1) + sample(x + 1, y + 1)) / 4
        };
        let pixels = (0..500).flat_map(|y| (0..800).map(move |x| (x, y)));
        let worst = pixels
            .flat_map(|(x, y)| (0..3).map(move |channel| (x, y, channel)))
            .map(|(x, y, channel)| mean(x * 2, y * 2, channel).abs_diff(u32::from(reduced.data()[(y * 800 + x) * 3 + channel])));
        assert!(worst.max() <= Some(6), "the pictures differ by a few levels at most");
    }
}
