//! Writing WebP: lossy or exact, stills and animations, with alpha, ICC profile, EXIF and XMP.

use super::ffi::{self, Pixels};
use super::{MAX_SIDE, TITLE, riff};
use crate::failure::Failure;
use crate::formats::support::{encoding, icc, samples};
use crate::formats::{Decoded, EncodeOptions, WriteSeek};
use crate::pixels::{Channels, Depth, Image};

pub(super) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let first = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    let (width, height) = (first.width(), first.height());
    if width > MAX_SIDE || height > MAX_SIDE {
        let (field, side) = if width > MAX_SIDE { ("width", width) } else { ("height", height) };
        return Err(Failure::invalid_field(
            field,
            format!("WebP holds at most {MAX_SIDE} pixels a side, and the {field} would be {side}. Set `{field}` to less"),
        ));
    }
    options.cancel.check()?;
    let how = ffi::How { quality: f32::from(options.quality.clamp(1, 100)), exact: options.exact, smallest: options.smallest };
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
