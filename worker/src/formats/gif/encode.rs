//! Writing GIF: a palette per frame, and only what changed since the frame before.

use std::borrow::Cow;
use std::io::BufWriter;

use ::gif::{DisposalMethod, Encoder, Frame as GifFrame, Repeat};

use super::{TITLE, palette, smallest};
use crate::failure::Failure;
use crate::formats::support::palette::ENTRIES;
use crate::formats::support::{canvas, encoding, samples};
use crate::formats::{Decoded, Effort, EncodeOptions, WriteSeek};
use crate::pixels::{Channels, Depth, Image};

pub(super) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    if options.effort == Effort::Small {
        return smallest::encode(decoded, options, out);
    }
    let fail = |error| encoding(TITLE, error);
    let first = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    let side = |pixels: u32| u16::try_from(pixels).map_err(|error| encoding(TITLE, error));
    let (width, height) = (side(first.width())?, side(first.height())?);
    let mut encoder = Encoder::new(BufWriter::new(out), width, height, &[]).map_err(fail)?;
    if decoded.frames.len() > 1 {
        encoder.set_repeat(repeat(decoded.loops)).map_err(fail)?;
    }
    let frames = decoded.frames.iter().map(|frame| rgba(&frame.image)).collect::<Result<Vec<_>, _>>()?;
    let growing = frames.windows(2).all(|pair| never_clears(&pair[0], &pair[1]));
    let (mut shown_ms, mut written_cs) = (0u64, 0u64);
    for (index, frame) in decoded.frames.iter().enumerate() {
        options.cancel.check()?;
        let mut gif = match index.checked_sub(1).filter(|_| growing) {
            Some(before) => difference(&frames[before], &frames[index], width, height)?,
            None => palette::frame(width, height, &frames[index], ENTRIES)?,
        };
        gif.dispose = if growing { DisposalMethod::Keep } else { DisposalMethod::Background };
        // Rounding the sum, not each delay, keeps the length of the whole.
        shown_ms += u64::from(frame.delay_ms);
        let delay = (shown_ms + 5) / 10 - written_cs;
        gif.delay = u16::try_from(delay).unwrap_or(u16::MAX);
        written_cs += u64::from(gif.delay);
        encoder.write_frame(&gif).map_err(fail)?;
    }
    encoder.into_inner().map_err(fail)?.into_inner().map_err(|error| encoding(TITLE, error.error()))?;
    Ok(())
}

/// The file says how often to play again after the first time.
pub(super) fn repeat(plays: u32) -> Repeat {
    match plays {
        0 => Repeat::Infinite,
        plays => Repeat::Finite(u16::try_from(plays - 1).unwrap_or(u16::MAX)),
    }
}

/// The pixels with alpha either 0 or 255, the only two that the format has.
pub(super) fn rgba(image: &Image) -> Result<Cow<'_, [u8]>, Failure> {
    match (image.channels(), image.depth()) {
        (Channels::Rgb, Depth::U8) => Ok(Cow::Owned(samples::with_alpha(image.data()))),
        (Channels::Rgba, Depth::U8) => {
            let mut pixels = image.data().to_vec();
            for pixel in pixels.chunks_exact_mut(4) {
                if pixel[3] < 128 {
                    pixel.fill(0);
                } else {
                    pixel[3] = 255;
                }
            }
            Ok(Cow::Owned(pixels))
        }
        (channels, depth) => Err(encoding(TITLE, format!("cannot write {channels:?} {depth:?}"))),
    }
}

/// Whether no pixel becomes transparent, so that a frame can be drawn over the one before.
fn never_clears(before: &[u8], after: &[u8]) -> bool {
    before.chunks_exact(4).zip(after.chunks_exact(4)).all(|(before, after)| before[3] <= after[3])
}

/// The rectangle that changed, with what did not change in it transparent.
fn difference(before: &[u8], after: &[u8], width: u16, height: u16) -> Result<GifFrame<'static>, Failure> {
    let area = canvas::changed(before, after, (width.into(), height.into()), 4);
    let stride = usize::from(width) * 4;
    let (before, mut after) = (canvas::cut(before, area, stride, 4), canvas::cut(after, area, stride, 4));
    for (before, after) in before.chunks_exact(4).zip(after.chunks_exact_mut(4)) {
        if before == after {
            after.fill(0);
        }
    }
    // All four are below a side, which is 16 bits.
    let mut frame = palette::frame(area.width as u16, area.height as u16, &after, ENTRIES)?;
    (frame.left, frame.top) = (area.x as u16, area.y as u16);
    Ok(frame)
}
