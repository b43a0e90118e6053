//! Reading WebP. Frames of an animation are decoded as stills and composed here: the composition in image-webp does not
//! clear the area of a frame that asks for it.

use std::io::Cursor;

use ::image_webp::{DecodingError, WebPDecoder};

use super::riff::{ALPHA, ANIMATION, Chunk, chunks, extended_header, file, file_chunks};
use super::{MAX_SIDE, TITLE};
use crate::failure::Failure;
use crate::formats::support::canvas::{Area, Canvas, Disposal};
use crate::formats::support::{damaged, exif, samples, unsupported};
use crate::formats::{DecodeOptions, Decoded, Frame, Header, Limits};
use crate::pixels::{Channels, Depth, Image, Orientation};

fn failure(error: DecodingError) -> Failure {
    match error {
        DecodingError::UnsupportedFeature(what) => unsupported(TITLE, what),
        DecodingError::MemoryLimitExceeded | DecodingError::ImageTooLarge => {
            Failure::too_large("The WebP file needs more memory than its size in pixels explains. Save it again")
        }
        error => damaged(TITLE, error),
    }
}

/// What the chunks say.
#[derive(Default)]
struct Container<'a> {
    width: u32,
    height: u32,
    alpha: bool,
    animated: bool,
    /// Bodies of the ANMF chunks.
    frames: Vec<&'a [u8]>,
    loops: u32,
    icc: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
}

impl<'a> Container<'a> {
    fn read(data: &'a [u8], limits: &Limits) -> Result<Self, Failure> {
        let mut found = Self { loops: 1, ..Self::default() };
        for (index, chunk) in file_chunks(data).enumerate() {
            let (name, body) = chunk.map_err(|cause| damaged(TITLE, cause))?;
            match (&name, body) {
                (b"VP8X", &[flags, _, _, _, w0, w1, w2, h0, h1, h2, ..]) if index == 0 => {
                    found.width = u32::from_le_bytes([w0, w1, w2, 0]) + 1;
                    found.height = u32::from_le_bytes([h0, h1, h2, 0]) + 1;
                    (found.alpha, found.animated) = (flags & ALPHA != 0, flags & ANIMATION != 0);
                }
                (b"VP8 " | b"VP8L", body) if found.width == 0 => {
                    let (width, height, alpha) = bitstream(&name, body).ok_or_else(|| damaged(TITLE, "its header is not one"))?;
                    (found.width, found.height, found.alpha) = (width, height, alpha);
                }
                (b"ANIM", &[_, _, _, _, l0, l1, ..]) => found.loops = u16::from_le_bytes([l0, l1]).into(),
                (b"ANMF", body) => found.frames.push(body),
                (b"ICCP", body) => {
                    limits.check_metadata(TITLE, "ICC profile", body.len() as u64)?;
                    found.icc = Some(body);
                }
                (b"EXIF", body) => found.exif = Some(body),
                _ => {}
            }
        }
        if found.width == 0 || (found.animated && found.frames.is_empty()) {
            return Err(damaged(TITLE, "it holds no picture"));
        }
        limits.check(TITLE, found.width, found.height, 1)?;
        Ok(found)
    }

    fn orientation(&self) -> Orientation {
        self.exif.map_or(Orientation::Upright, exif::orientation)
    }

    fn header(&self) -> Header {
        let frames = if self.animated { self.frames.len() as u32 } else { 1 };
        let channels = if self.alpha || self.animated { Channels::Rgba } else { Channels::Rgb };
        Header { width: self.width, height: self.height, frames, channels, depth: Depth::U8, orientation: self.orientation() }
    }
}

/// Size and alpha from the head of a bitstream (RFC 6386, section 9.1; RFC 9649, section 3.4).
fn bitstream(name: &[u8; 4], body: &[u8]) -> Option<(u32, u32, bool)> {
    match (name, body) {
        (b"VP8 ", &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => {
            Some(((u16::from_le_bytes([w0, w1]) & 0x3fff).into(), (u16::from_le_bytes([h0, h1]) & 0x3fff).into(), false))
        }
        (b"VP8L", &[0x2f, b0, b1, b2, b3, ..]) => {
            let bits = u32::from_le_bytes([b0, b1, b2, b3]);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1, bits >> 28 & 1 != 0))
        }
        _ => None,
    }
}

pub(super) fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    Container::read(data, limits).map(|container| container.header())
}

pub(super) fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let container = Container::read(data, &options.limits)?;
    options.cancel.check()?;
    let frames = if container.animated { animation(&container, options)? } else { vec![still(data, &container)?] };
    Ok(Decoded { frames, orientation: container.orientation(), icc: container.icc.map(<[u8]>::to_vec), loops: container.loops })
}

fn still(data: &[u8], container: &Container<'_>) -> Result<Frame, Failure> {
    let (pixels, alpha) = pixels(data, container.width, container.height)?;
    let channels = if alpha { Channels::Rgba } else { Channels::Rgb };
    Ok(Frame { image: Image::new(container.width, container.height, channels, Depth::U8, pixels)?, delay_ms: 0 })
}

/// Decodes a file that holds one picture of the size that was checked; tells whether there is alpha.
fn pixels(data: &[u8], width: u32, height: u32) -> Result<(Vec<u8>, bool), Failure> {
    let mut decoder = WebPDecoder::new(Cursor::new(data)).map_err(failure)?;
    decoder.set_memory_limit(data.len());
    if decoder.dimensions() != (width, height) || decoder.is_animated() {
        return Err(damaged(TITLE, "it has two contradicting headers"));
    }
    let size = decoder.output_buffer_size().ok_or_else(|| damaged(TITLE, "its size overflows"))?;
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(failure)?;
    Ok((pixels, decoder.has_alpha()))
}

fn animation(container: &Container<'_>, options: &DecodeOptions) -> Result<Vec<Frame>, Failure> {
    let (width, height) = (container.width, container.height);
    let wanted = if options.all_frames { container.frames.len() } else { 1 };
    options.limits.check(TITLE, width, height, u32::try_from(wanted).unwrap_or(u32::MAX))?;
    let mut canvas = Canvas::new(width, height);
    let mut shown: Vec<(Vec<u8>, u32)> = Vec::with_capacity(wanted);
    let mut opaque = true;
    for body in container.frames.iter().take(wanted) {
        options.cancel.check()?;
        let (area, delay_ms, flags, parts) = frame(body).ok_or_else(|| damaged(TITLE, "a frame's header is cut short"))?;
        if area.x + area.width > width || area.y + area.height > height {
            return Err(damaged(TITLE, "a frame lies outside of the canvas"));
        }
        let rgba = part_pixels(parts, area)?;
        let disposal = if flags & 1 != 0 { Disposal::Clear } else { Disposal::Keep };
        canvas.draw(area, &rgba, flags & 2 == 0, disposal);
        opaque &= samples::is_opaque(canvas.pixels());
        shown.push((canvas.pixels().to_vec(), delay_ms));
    }
    let animated = shown.len() > 1;
    let frames = shown.into_iter().map(|(pixels, delay_ms)| {
        let image = samples::image_of_rgba(width, height, pixels, opaque)?;
        Ok(Frame { image, delay_ms: if animated { delay_ms } else { 0 } })
    });
    frames.collect()
}

/// Area, milliseconds, flags and chunks of an ANMF body.
fn frame(body: &[u8]) -> Option<(Area, u32, u8, &[u8])> {
    let (head, parts) = body.split_at_checked(16)?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], 0]);
    let area = Area { x: number(0) * 2, y: number(3) * 2, width: number(6) + 1, height: number(9) + 1 };
    Some((area, number(12), head[15], parts))
}

/// Decodes the picture of a frame as a file of its own, to RGBA.
fn part_pixels(parts: &[u8], area: Area) -> Result<Vec<u8>, Failure> {
    let mut own: Vec<Chunk<'_>> = Vec::new();
    let mut alpha = false;
    for chunk in chunks(parts) {
        let (name, body) = chunk.map_err(|cause| damaged(TITLE, cause))?;
        if matches!(&name, b"ALPH" | b"VP8 " | b"VP8L") {
            let size = if &name == b"ALPH" { Some((area.width, area.height, true)) } else { bitstream(&name, body) };
            let (width, height, has_alpha) = size.ok_or_else(|| damaged(TITLE, "a frame's header is not one"))?;
            if (width, height) != (area.width, area.height) || area.width > MAX_SIDE || area.height > MAX_SIDE {
                return Err(damaged(TITLE, "a frame is not as large as it says"));
            }
            alpha |= has_alpha;
            own.push((name, body));
        }
    }
    let header = extended_header(if alpha { ALPHA } else { 0 }, area.width, area.height);
    own.insert(0, (*b"VP8X", &header));
    let (pixels, has_alpha) = pixels(&file(&own), area.width, area.height)?;
    Ok(if has_alpha { pixels } else { samples::with_alpha(&pixels) })
}
