//! Writing PNG: 8 and 16 bits, and animations of which only what changed is stored.

use std::borrow::Cow;
use std::io::BufWriter;

use ::png::chunk::IDAT;
use ::png::{BitDepth, BlendOp, ColorType, Compression, DisposeOp, Encoder, Info};

use convertfly_png::Rows;

use super::{TITLE, repack};
use crate::failure::Failure;
use crate::formats::support::{canvas, encoding, icc, samples};
use crate::formats::{Decoded, Effort, EncodeOptions, WriteSeek};
use crate::pixels::{Channels, Depth, Image};

pub(super) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let image = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    options.cancel.check()?;
    let profile = icc::fitting(decoded.icc.as_deref(), image.channels());
    if let (Some(colors), [_]) = (options.colors, &decoded.frames[..])
        && let Some(png) = repack::few_colors(image, colors, profile, options)?
    {
        return out.write_all(&png).map_err(|error| encoding(TITLE, error));
    }
    let mut info = Info::with_size(image.width(), image.height());
    info.color_type = match image.channels() {
        Channels::Grey => ColorType::Grayscale,
        Channels::GreyAlpha => ColorType::GrayscaleAlpha,
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba => ColorType::Rgba,
    };
    info.bit_depth = if image.depth() == Depth::U16 { BitDepth::Sixteen } else { BitDepth::Eight };
    info.icc_profile = profile.map(Cow::Borrowed);
    info.exif_metadata = options.tags.exif.as_deref().map(Cow::Borrowed);
    let fail = |error| encoding(TITLE, error);
    let mut encoder = Encoder::with_info(BufWriter::new(out), info).map_err(fail)?;
    encoder.set_compression(if options.effort == Effort::Small { Compression::High } else { Compression::Fast });
    let animated = decoded.frames.len() > 1;
    if animated {
        let frames = u32::try_from(decoded.frames.len()).map_err(|error| encoding(TITLE, error))?;
        encoder.set_animated(frames, decoded.loops).map_err(fail)?;
        encoder.set_dispose_op(DisposeOp::None).map_err(fail)?;
        encoder.set_blend_op(BlendOp::Source).map_err(fail)?;
    }
    if let Some(xmp) = &options.tags.xmp {
        encoder.add_itxt_chunk("XML:com.adobe.xmp".to_owned(), xmp.clone()).map_err(fail)?;
    }
    let mut writer = encoder.write_header().map_err(fail)?;
    if !animated && options.effort != Effort::Small {
        let pixel = image.channels().count() * image.depth().bytes();
        let data = if image.depth() == Depth::U16 {
            Cow::Owned(samples::to_big_endian(image.data()))
        } else {
            Cow::Borrowed(image.data())
        };
        let rows = Rows::new(&data, image.width() as usize * pixel, pixel).ok_or_else(|| encoding(TITLE, "not whole rows"))?;
        convertfly_png::compress(rows, &mut |part| {
            options.cancel.check()?;
            writer.write_chunk(IDAT, part).map_err(fail)
        })?;
        return writer.finish().map_err(fail);
    }
    let mut before: Option<&Image> = None;
    for frame in &decoded.frames {
        options.cancel.check()?;
        let (image, bytes) = (&frame.image, frame.image.channels().count() * frame.image.depth().bytes());
        let area = match before.replace(image) {
            Some(before) => canvas::changed(before.data(), image.data(), (image.width(), image.height()), bytes),
            None => canvas::Area { x: 0, y: 0, width: image.width(), height: image.height() },
        };
        if animated {
            let (numerator, denominator) = delay(frame.delay_ms);
            writer.set_frame_delay(numerator, denominator).map_err(fail)?;
            // Position and size are checked against one another at each step, so the way leads over the corner.
            writer.set_frame_position(0, 0).map_err(fail)?;
            writer.set_frame_dimension(area.width, area.height).map_err(fail)?;
            writer.set_frame_position(area.x, area.y).map_err(fail)?;
        }
        let whole = (area.width, area.height) == (image.width(), image.height());
        let part =
            if whole { Cow::Borrowed(image.data()) } else { Cow::Owned(canvas::cut(image.data(), area, image.stride(), bytes)) };
        if image.depth() == Depth::U16 {
            writer.write_image_data(&samples::to_big_endian(&part)).map_err(fail)?;
        } else {
            writer.write_image_data(&part).map_err(fail)?;
        }
    }
    writer.finish().map_err(fail)
}

/// Writes one picture, without a profile.
///
/// # Errors
/// [`Failure::Internal`] where it cannot be written, [`Failure::Cancelled`] once that is asked for.
pub(in crate::formats) fn encode_still(image: &Image, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    encode(&Decoded::still(image.clone()), options, out)
}

/// Seconds as a fraction: milliseconds where they fit 16 bits, otherwise as fine as they do.
fn delay(milliseconds: u32) -> (u16, u16) {
    let fits = |value: u32| u16::try_from(value).ok();
    let fine = fits(milliseconds).map(|value| (value, 1000));
    let coarse = || fits((milliseconds + 5) / 10).map(|value| (value, 100));
    fine.or_else(coarse).unwrap_or((fits(milliseconds / 1000).unwrap_or(u16::MAX), 1))
}
