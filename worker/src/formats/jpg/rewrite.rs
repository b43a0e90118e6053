//! A JPEG file as another of its size: its coefficients are turned, divided by larger steps and drawn on, never all of its pixels.

use ::convertfly_jpeg::{self as jpeg, Picture, Turn};

use super::segments::Segments;
use super::{MAX_SCANS, TITLE, header, plain};
use crate::failure::Failure;
use crate::formats::support::{encoding, icc};
use crate::formats::{Effort, Limits, Paint, Rewritable, RewriteOptions, Rewritten};
use crate::pixels::{Channels, Depth, Image, Orientation};

/// Nothing can be rewritten of inks, or without its end.
pub(in crate::formats) fn look(data: &[u8], limits: &Limits) -> Result<Option<Rewritable>, Failure> {
    let segments = Segments::read(data)?;
    if !matches!(segments.components, 1 | 3) || !segments.is_complete(data) {
        return Ok(None);
    }
    Ok(Some(Rewritable { icc: segments.icc(limits)? }))
}

/// Writes a sound file anew; `None` for one that has to go through its pixels.
pub(in crate::formats) fn rewrite(data: &[u8], options: RewriteOptions<'_>) -> Result<Option<Rewritten>, Failure> {
    let segments = Segments::read(data)?;
    let header = header(&segments, &options.limits)?;
    options.cancel.check()?;
    let (mut paint, mut failed) = (options.paint, None);
    let place = paint.as_ref().map(|paint| (paint.x, paint.y, paint.width, paint.height));
    let mut brush = |picture: &mut Picture, at: (u32, u32)| {
        let drawn = paint.as_mut().map_or(Ok(()), |paint| draw(paint, picture, at));
        failed = drawn.err();
        failed.is_none()
    };
    let brush: jpeg::Brush<'_> = &mut brush;
    let paint = place.map(move |(x, y, width, height)| jpeg::Paint { x, y, width, height, brush });
    let rewrite = jpeg::Rewrite {
        quality: options.quality.clamp(1, 100),
        turn: turn(options.orientation),
        full_chroma: options.full_chroma,
        progressive: options.effort == Effort::Small,
        paint,
    };
    // No second header may make more of it than the first one, which was checked.
    let pixels = u64::from(header.width) * u64::from(header.height);
    let limits = jpeg::Limits { side: header.width.max(header.height), pixels, scans: MAX_SCANS as u32 };
    let made = rewrite.run(data, &limits);
    if let Some(failure) = failed {
        return Err(failure);
    }
    options.cancel.check()?;
    // What is broken, or of a kind that is not known there, is for the decoders of pixels to judge.
    let Ok(Some(made)) = made else { return Ok(None) };
    let profile = icc::fitting(options.icc.as_deref(), header.channels);
    let file =
        if profile.is_none() && options.tags.is_empty() { made.file } else { plain::with(&made.file, profile, &options.tags) };
    Ok(Some(Rewritten { file, blocks: made.blocks, drawn: made.drawn }))
}

/// Draws on pixels of the codec by what draws on images.
fn draw(paint: &mut Paint<'_>, picture: &mut Picture, at: (u32, u32)) -> Result<(), Failure> {
    let side = |length: usize| u32::try_from(length).map_err(|error| encoding(TITLE, error));
    let channels = if picture.channels == 1 { Channels::Grey } else { Channels::Rgb };
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let image = Image::new(width, height, channels, Depth::U8, std::mem::take(&mut picture.data))?;
    let shape = image.shape();
    let image = (paint.draw)(image, at)?;
    if image.shape() != shape {
        return Err(Failure::internal(format!("a part of {shape:?} came back as {:?}", image.shape())));
    }
    picture.data = image.into_data();
    Ok(())
}

/// What the codec calls it.
pub(super) fn turn(orientation: Orientation) -> Option<Turn> {
    match orientation {
        Orientation::Upright => None,
        Orientation::FlipHorizontal => Some(Turn::FlipHorizontal),
        Orientation::Rotate180 => Some(Turn::Rotate180),
        Orientation::FlipVertical => Some(Turn::FlipVertical),
        Orientation::Transpose => Some(Turn::Transpose),
        Orientation::Rotate90 => Some(Turn::Rotate90),
        Orientation::Transverse => Some(Turn::Transverse),
        Orientation::Rotate270 => Some(Turn::Rotate270),
    }
}
