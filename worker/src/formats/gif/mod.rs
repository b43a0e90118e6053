//! GIF89a: the `gif` crate both ways; frames are composed onto full canvases.

mod bare;
mod encode;
mod palette;
mod smallest;

use std::num::NonZeroU64;

use ::gif::{ColorOutput, DecodingError, DisposalMethod, MemoryLimit, Repeat};

use super::support::canvas::{Area, Canvas, Disposal};
use super::support::{damaged, samples};
use super::{Category, DecodeOptions, Decoded, Decoder, Flags, Format, Frame, Header, Limits};
use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Orientation};

const TITLE: &str = "GIF";

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "gif",
    title: TITLE,
    mime: "image/gif",
    extensions: &["gif"],
    aliases: &[],
    category: Category::Image,
    flags: Flags { alpha: true, animated: true, palette: true, ..Flags::NONE },
    magic: |head| head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a"),
    decode: Some(Decoder::whole(probe, decode)),
    encode: Some(encode::encode),
};

fn failure(error: DecodingError) -> Failure {
    damaged(TITLE, error)
}

/// Opens a file; a frame takes at most `pixels` pixels of memory.
fn open(data: &[u8], pixels: u64, skip_pixels: bool) -> Result<::gif::Decoder<&[u8]>, Failure> {
    let mut options = ::gif::DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    options.set_memory_limit(MemoryLimit::Bytes(NonZeroU64::new(pixels.saturating_mul(4)).unwrap_or(NonZeroU64::MIN)));
    options.skip_frame_decoding(skip_pixels);
    options.read_info(data).map_err(failure)
}

/// Walks over the blocks to count the frames; no pixel is unpacked.
fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    let mut decoder = open(data, limits.pixels, true)?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    limits.check(TITLE, width, height, 1)?;
    let mut frames = 0u32;
    loop {
        match decoder.next_frame_info() {
            Ok(Some(frame)) => {
                // A frame may be larger than the canvas that it is clipped to.
                limits.check(TITLE, u32::from(frame.width).max(1), u32::from(frame.height).max(1), 1)?;
                frames = frames.saturating_add(1);
            }
            Ok(None) => break,
            // Where one frame is wanted, what follows it does not matter; where all are, decoding meets the fault again.
            Err(_) if frames > 0 => break,
            Err(error) => return Err(failure(error)),
        }
    }
    if frames == 0 {
        return Err(damaged(TITLE, "it holds no picture"));
    }
    Ok(Header { width, height, frames, channels: Channels::Rgba, depth: Depth::U8, orientation: Orientation::Upright })
}

fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let limits = &options.limits;
    let mut decoder = open(data, limits.pixels, false)?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    limits.check(TITLE, width, height, 1)?;
    let mut canvas = Canvas::new(width, height);
    let mut canvases: Vec<(Vec<u8>, u32)> = Vec::new();
    let mut opaque = true;
    while let Some(info) = decoder.next_frame_info().map_err(failure)? {
        options.cancel.check()?;
        limits.check(TITLE, width, height, canvases.len() as u32 + 1)?;
        let area = Area { x: info.left.into(), y: info.top.into(), width: info.width.into(), height: info.height.into() };
        let disposal = match info.dispose {
            DisposalMethod::Any | DisposalMethod::Keep => Disposal::Keep,
            DisposalMethod::Background => Disposal::Clear,
            DisposalMethod::Previous => Disposal::Restore,
        };
        let delay_ms = u32::from(info.delay) * 10;
        limits.check(TITLE, area.width.max(1), area.height.max(1), 1)?;
        let mut pixels = vec![0; decoder.buffer_size()];
        decoder.read_into_buffer(&mut pixels).map_err(failure)?;
        canvas.draw(area, &pixels, true, disposal);
        opaque &= samples::is_opaque(canvas.pixels());
        canvases.push((canvas.pixels().to_vec(), delay_ms));
        if !options.all_frames {
            break;
        }
    }
    if canvases.is_empty() {
        return Err(damaged(TITLE, "it holds no picture"));
    }
    let animated = canvases.len() > 1;
    let frames = canvases.into_iter().map(|(pixels, delay)| {
        let image = samples::image_of_rgba(width, height, pixels, opaque)?;
        Ok(Frame { image, delay_ms: if animated { delay } else { 0 } })
    });
    Ok(Decoded {
        frames: frames.collect::<Result<_, Failure>>()?,
        orientation: Orientation::Upright,
        icc: decoder.icc_profile().filter(|profile| profile.len() as u64 <= limits.metadata_bytes).map(<[u8]>::to_vec),
        // The file says how often it plays again after the first time.
        loops: match decoder.repeat() {
            Repeat::Infinite => 0,
            Repeat::Finite(again) => u32::from(again) + 1,
        },
    })
}

pub(super) use smallest::repack;
