//! Writing JPEG by libjpeg-turbo: baseline or progressive, 4:2:0 or 4:4:4, optimised Huffman tables.

use ::turbojpeg::{Compressor, PixelFormat, Subsamp};

use super::{TITLE, plain};
use crate::failure::Failure;
use crate::formats::support::{encoding, icc};
use crate::formats::{Decoded, EncodeOptions, WriteSeek};
use crate::pixels::{Channels, Depth};

pub(in crate::formats) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let image = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    options.cancel.check()?;
    let (format, subsampling) = match (image.channels(), image.depth()) {
        (Channels::Grey, Depth::U8) => (PixelFormat::GRAY, Subsamp::Gray),
        (Channels::Rgb, Depth::U8) if options.full_chroma => (PixelFormat::RGB, Subsamp::None),
        (Channels::Rgb, Depth::U8) => (PixelFormat::RGB, Subsamp::Sub2x2),
        (channels, depth) => return Err(encoding(TITLE, format!("cannot write {channels:?} {depth:?}"))),
    };
    let fail = |error| encoding(TITLE, error);
    let mut compressor = Compressor::new().map_err(fail)?;
    compressor.set_quality(options.quality.clamp(1, 100).into()).map_err(fail)?;
    compressor.set_subsamp(subsampling).map_err(fail)?;
    compressor.set_optimize(true).map_err(fail)?;
    // Scans of growing fineness are smaller by some percent, and slower both ways.
    compressor.set_progressive(options.smallest).map_err(fail)?;
    let source = ::turbojpeg::Image {
        pixels: image.data(),
        width: image.width() as usize,
        pitch: image.stride(),
        height: image.height() as usize,
        format,
    };
    let jpeg = compressor.compress_to_owned(source).map_err(fail)?;
    let profile = icc::fitting(decoded.icc.as_deref(), image.channels());
    if profile.is_none() && options.tags.is_empty() {
        return out.write_all(&jpeg).map_err(|error| encoding(TITLE, error));
    }
    out.write_all(&plain::with(&jpeg, profile, &options.tags)).map_err(|error| encoding(TITLE, error))
}
