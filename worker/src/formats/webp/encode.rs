//! Writing WebP: lossy or exact, stills and animations, with alpha, ICC profile, EXIF and XMP.

use super::ffi::{self, Pixels};
use super::{MAX_SIDE, TITLE, riff};
use crate::failure::Failure;
use crate::formats::planes::Planes;
use crate::formats::support::{encoding, icc, samples};
use crate::formats::{Decoded, EncodeOptions, WriteSeek};
use crate::pixels::{Channels, Depth, Image};

pub(super) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let first = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    let (width, height) = (first.width(), first.height());
    check(width, height)?;
    options.cancel.check()?;
    let how = how(options);
    let webp = if decoded.frames.len() == 1 {
        ffi::encode(pixels(first)?, how, &options.cancel)?
    } else {
        let mut animation = ffi::Animation::new(width, height, decoded.loops, how)?;
        for frame in &decoded.frames {
            options.cancel.check()?;
            animation.add(pixels(&frame.image)?, frame.delay_ms)?;
        }
        animation.finish()?
    };
    let profile = icc::fitting(decoded.icc.as_deref(), first.channels());
    let webp = if profile.is_some() || !options.tags.is_empty() {
        riff::with(&webp, profile, &options.tags, (width, height)).map_err(|cause| encoding(TITLE, cause))?
    } else {
        webp
    };
    out.write_all(&webp).map_err(|error| encoding(TITLE, error))
}

/// A file of planes; nothing where there are no colours.
pub(in crate::formats) fn encode_planes(planes: &Planes, options: &EncodeOptions) -> Result<Option<Vec<u8>>, Failure> {
    let (width, height) = (planes.width, planes.height);
    check(width, height)?;
    options.cancel.check()?;
    let [y, cb, cr] = &planes.samples[..] else { return Ok(None) };
    let webp = ffi::encode_planes(ffi::Planes { width, height, y, cb, cr }, how(options), &options.cancel)?;
    if options.tags.is_empty() {
        return Ok(Some(webp));
    }
    riff::with(&webp, None, &options.tags, (width, height)).map(Some).map_err(|cause| encoding(TITLE, cause))
}

fn how(options: &EncodeOptions) -> ffi::How {
    ffi::How { quality: f32::from(options.quality.clamp(1, 100)), exact: options.exact, effort: options.effort }
}

fn check(width: u32, height: u32) -> Result<(), Failure> {
    if width <= MAX_SIDE && height <= MAX_SIDE {
        return Ok(());
    }
    let (field, side) = if width > MAX_SIDE { ("width", width) } else { ("height", height) };
    Err(Failure::invalid_field(
        field,
        format!("WebP holds at most {MAX_SIDE} pixels a side, and the {field} would be {side}. Set `{field}` to less"),
    ))
}

fn pixels(image: &Image) -> Result<Pixels<'_>, Failure> {
    let alpha = match (image.channels(), image.depth()) {
        (Channels::Rgb, Depth::U8) => false,
        (Channels::Rgba, Depth::U8) => true,
        (channels, depth) => return Err(encoding(TITLE, format!("cannot write {channels:?} {depth:?}"))),
    };
    // An alpha that says nothing would cost a plane.
    let flat = alpha && samples::is_opaque(image.data());
    Ok(Pixels { width: image.width(), height: image.height(), alpha, flat, data: image.data() })
}
