//! Reading the HEIF family by libheif: limits first, then the primary picture as the file's own transformations show it.

use ::libheif_rs::{
    AlphaCompositionMode, ColorSpace, DecodingOptions, HeifContext, HeifError, HeifErrorCode, HeifErrorSubCode, ImageHandle,
    LibHeif, Plane, RgbChroma, SecurityLimits,
};

use super::nclx;
use crate::failure::Failure;
use crate::formats::support::{damaged, samples, unsupported};
use crate::formats::{DecodeOptions, Decoded, Frame, Header, Limits, sniff};
use crate::pixels::{Channels, Depth, Image, Orientation};

/// Bytes that libheif may hold for each pixel of the limit: planes, one copy in another colour space, and the result.
const BYTES_PER_PIXEL: u64 = 24;

/// Pictures, tiles, profiles and other items of a file; a grid of a large camera has a hundred.
const MAX_ITEMS: u32 = 2_000;

fn failure(title: &str, error: HeifError) -> Failure {
    match (error.code, error.sub_code) {
        (HeifErrorCode::MemoryAllocationError, _) | (_, HeifErrorSubCode::SecurityLimitExceeded) => Failure::too_large(format!(
            "The {title} file exceeds a limit: {}. Save it again, smaller",
            error.message.chars().filter(|c| !c.is_control()).take(160).collect::<String>()
        )),
        (HeifErrorCode::UnsupportedFeature | HeifErrorCode::UnsupportedFileType, _) => unsupported(title, error.message),
        _ => damaged(title, error.message),
    }
}

struct Opened<'a> {
    // Before its context, so that it is dropped first.
    handle: ImageHandle,
    _context: HeifContext<'a>,
    header: Header,
}

fn open<'a>(title: &str, data: &'a [u8], limits: &Limits) -> Result<Opened<'a>, Failure> {
    let fail = |error| failure(title, error);
    // libheif reads either codec under either name; what the file is called has to be true all the same.
    if sniff(data).is_some_and(|found| found.title != title) {
        return Err(damaged(title, "it is a file of another format"));
    }
    let mut context = HeifContext::new().map_err(fail)?;
    let mut bounds = SecurityLimits::new();
    bounds.set_max_image_size_pixels(limits.pixels);
    bounds.set_max_number_of_tiles(16_384);
    bounds.set_max_items(MAX_ITEMS);
    bounds.set_max_color_profile_size(u32::try_from(limits.metadata_bytes).unwrap_or(u32::MAX));
    bounds.set_max_total_memory(limits.pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(limits.metadata_bytes));
    bounds.set_max_memory_block_size(limits.pixels.saturating_mul(8).saturating_add(1 << 20));
    context.set_security_limits(&bounds).map_err(fail)?;
    // The other cores work on other files.
    context.set_max_decoding_threads(0);
    context.read_bytes(data).map_err(fail)?;
    let handle = context.primary_image_handle().map_err(fail)?;
    limits.check(title, handle.width(), handle.height(), 1)?;
    // The stored size may be larger than the part that is shown.
    let stored = |side: i32| u32::try_from(side).unwrap_or(0).max(1);
    limits.check(title, stored(handle.ispe_width()), stored(handle.ispe_height()), 1)?;
    let header = Header {
        width: handle.width(),
        height: handle.height(),
        frames: 1,
        channels: if handle.has_alpha_channel() { Channels::Rgba } else { Channels::Rgb },
        depth: if handle.luma_bits_per_pixel() > 8 { Depth::U16 } else { Depth::U8 },
        // libheif applies rotation and mirroring; what EXIF says is a copy of them (ISO/IEC 23008-12, A.2.1).
        orientation: Orientation::Upright,
    };
    Ok(Opened { handle, _context: context, header })
}

/// Reads the boxes; nothing is decoded.
pub(in crate::formats) fn probe(title: &str, data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    open(title, data, limits).map(|opened| opened.header)
}

/// Decodes the primary picture.
pub(in crate::formats) fn decode(title: &str, data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let Opened { handle, _context, header } = open(title, data, &options.limits)?;
    options.cancel.check()?;
    let chroma = match (header.channels.has_alpha(), header.depth) {
        (false, Depth::U8) => RgbChroma::Rgb,
        (true, Depth::U8) => RgbChroma::Rgba,
        (false, Depth::U16) if cfg!(target_endian = "big") => RgbChroma::HdrRgbBe,
        (true, Depth::U16) if cfg!(target_endian = "big") => RgbChroma::HdrRgbaBe,
        (false, Depth::U16) => RgbChroma::HdrRgbLe,
        (true, Depth::U16) => RgbChroma::HdrRgbaLe,
    };
    let mut wanted = DecodingOptions::new().ok_or_else(|| Failure::internal("libheif gave no decoding options"))?;
    wanted.set_num_library_threads(1);
    wanted.set_num_codec_threads(1);
    wanted.set_alpha_composition_mode(AlphaCompositionMode::None);
    let image = LibHeif::new().decode(&handle, ColorSpace::Rgb(chroma), Some(wanted)).map_err(|error| failure(title, error))?;
    options.cancel.check()?;
    let planes = image.planes();
    let plane = planes.interleaved.ok_or_else(|| damaged(title, "it decodes to nothing"))?;
    if (plane.width, plane.height) != (header.width, header.height) {
        return Err(damaged(title, "its picture is not as large as its header says"));
    }
    let pixels = packed(&plane, &header).ok_or_else(|| damaged(title, "its samples do not fill the picture"))?;
    let mut image = Image::new(header.width, header.height, header.channels, header.depth, pixels)?;
    if handle.is_premultiplied_alpha() {
        samples::straighten(&mut image);
    }
    Ok(Decoded {
        frames: vec![Frame { image, delay_ms: 0 }],
        orientation: header.orientation,
        icc: nclx::profile(&handle).filter(|profile| profile.len() as u64 <= options.limits.metadata_bytes),
        loops: 0,
    })
}

/// The rows without their padding, samples of 9 to 16 bits spread over 16.
fn packed(plane: &Plane<&[u8]>, header: &Header) -> Option<Vec<u8>> {
    let row = header.width as usize * header.channels.count() * header.depth.bytes();
    let mut pixels = Vec::with_capacity(row * header.height as usize);
    for y in 0..header.height as usize {
        let start = y.checked_mul(plane.stride)?;
        pixels.extend_from_slice(plane.data.get(start..start.checked_add(row)?)?);
    }
    if header.depth == Depth::U16 && plane.bits_per_pixel < 16 {
        let max = (1u32 << plane.bits_per_pixel.max(1)) - 1;
        for pair in pixels.chunks_exact_mut(2) {
            let sample = u32::from(u16::from_ne_bytes([pair[0], pair[1]])).min(max);
            pair.copy_from_slice(&(((sample * 65_535 + max / 2) / max) as u16).to_ne_bytes());
        }
    }
    Some(pixels)
}
