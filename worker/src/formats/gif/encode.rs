//! Writing GIF: a palette per frame, and only what changed since the frame before.

use std::borrow::Cow;
use std::io::BufWriter;

use ::gif::{DisposalMethod, Encoder, Frame as GifFrame, Repeat};

use super::TITLE;
use crate::failure::Failure;
use crate::formats::support::{encoding, samples};
use crate::formats::{Decoded, EncodeOptions, WriteSeek};
use crate::pixels::{Channels, Depth, Image};

/// NeuQuant's sampling factor: 1 looks at every pixel, 10 at every tenth. Few pixels need all of them for a good palette.
fn speed(pixels: usize) -> i32 {
    i32::try_from(pixels / 40_000).unwrap_or(i32::MAX).clamp(1, 10)
}

/// A frame with its own palette, from RGBA whose alpha is 0 or 255.
fn quantised(width: u16, height: u16, rgba: &mut [u8]) -> GifFrame<'static> {
    GifFrame::from_rgba_speed(width, height, rgba, speed(rgba.len() / 4))
}

pub(super) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
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
            Some(before) => difference(&frames[before], &frames[index], width, height),
            None => quantised(width, height, &mut frames[index].to_vec()),
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
fn repeat(plays: u32) -> Repeat {
    match plays {
        0 => Repeat::Infinite,
        plays => Repeat::Finite(u16::try_from(plays - 1).unwrap_or(u16::MAX)),
    }
}

/// The pixels with alpha either 0 or 255, the only two that the format has.
fn rgba(image: &Image) -> Result<Cow<'_, [u8]>, Failure> {
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
fn difference(before: &[u8], after: &[u8], width: u16, height: u16) -> GifFrame<'static> {
    let stride = usize::from(width) * 4;
    let differs = |x: usize, y: usize| {
        let at = y * stride + x * 4;
        before[at..at + 4] != after[at..at + 4]
    };
    let rows = 0..usize::from(height);
    let changed: Vec<usize> = rows.filter(|y| before[y * stride..][..stride] != after[y * stride..][..stride]).collect();
    let (Some(&top), Some(&bottom)) = (changed.first(), changed.last()) else {
        // Nothing changed; a frame still carries its delay.
        return quantised(1, 1, &mut [0; 4]);
    };
    let column_changed = |x: &usize| changed.iter().any(|y| differs(*x, *y));
    let left = (0..usize::from(width)).find(column_changed).unwrap_or(0);
    let right = (0..usize::from(width)).rev().find(column_changed).unwrap_or(left);
    let mut pixels = Vec::with_capacity((right - left + 1) * (bottom - top + 1) * 4);
    for y in top..=bottom {
        for x in left..=right {
            let at = y * stride + x * 4;
            if differs(x, y) { pixels.extend_from_slice(&after[at..at + 4]) } else { pixels.extend_from_slice(&[0; 4]) }
        }
    }
    // All four are below a side, which is 16 bits.
    let mut frame = quantised((right - left + 1) as u16, (bottom - top + 1) as u16, &mut pixels);
    (frame.left, frame.top) = (left as u16, top as u16);
    frame
}
