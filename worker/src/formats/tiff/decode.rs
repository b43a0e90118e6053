//! Reading TIFF: the header, the limits, and what the `tiff` crate does not do itself (palettes, old-style JPEG).

use std::borrow::Cow;
use std::io::Cursor;

use ::tiff::decoder::ifd::Value;
use ::tiff::decoder::{Decoder as TiffDecoder, DecodingResult, Limits as TiffLimits};
use ::tiff::tags::Tag;
use ::tiff::{ColorType, TiffError};

use super::TITLE;
use super::unpack::{Layout, Samples, inks_by_profile, palette, unpack};
use crate::failure::Failure;
use crate::formats::support::{damaged, exif, unsupported};
use crate::formats::{DecodeOptions, Decoded, Frame, Header, Limits, jpg};
use crate::pixels::{Channels, Depth, Image, Orientation};

/// Tag NewSubfileType.
const SUBFILE: u16 = 254;
/// Tags ImageWidth and ImageLength.
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
/// Tag PhotometricInterpretation and its value for a palette (TIFF 6.0, section 5).
const PHOTOMETRIC: u16 = 262;
const PALETTE: u32 = 3;
/// Tags of old-style JPEG (TIFF 6.0, section 22): where a whole JPEG file lies.
const COMPRESSION: u16 = 259;
const OLD_JPEG: u32 = 6;
const JPEG_OFFSET: u16 = 513;
const JPEG_LENGTH: u16 = 514;

type Reader<'a> = TiffDecoder<Cursor<&'a [u8]>>;

fn failure(error: TiffError) -> Failure {
    match error {
        TiffError::UnsupportedError(error) => unsupported(TITLE, error),
        TiffError::LimitsExceeded => {
            Failure::too_large("The TIFF file needs more memory than its size in pixels explains. Save it again")
        }
        TiffError::FormatError(error) => damaged(TITLE, error),
        error => damaged(TITLE, error),
    }
}

/// The pages of a file.
struct Pages<'a> {
    /// The file; palettes are declared as grey in a copy, since the `tiff` crate refuses them, and the same samples are then read
    /// as numbers of colours.
    bytes: Cow<'a, [u8]>,
    pages: Vec<Page>,
}

#[derive(Clone, Copy)]
struct Page {
    /// The how-manieth directory of the file it is.
    number: usize,
    /// Where the directory lies; absent for BigTIFF.
    at: Option<usize>,
    has_palette: bool,
}

impl<'a> Pages<'a> {
    fn read(data: &'a [u8]) -> Self {
        let mut bytes = Cow::Borrowed(data);
        let directories = exif::directories(data);
        let mut pages = Vec::new();
        for (number, &at) in directories.iter().enumerate() {
            // Smaller copies of a page, and masks, are no pages.
            if number > 0 && exif::find_in(data, at, SUBFILE).is_some_and(|entry| entry.value & 0b101 != 0) {
                continue;
            }
            let mut has_palette = false;
            if let Some(exif::Entry { value: PALETTE, short_at: Some((place, big)) }) = exif::find_in(data, at, PHOTOMETRIC) {
                has_palette = true;
                if let Some(value) = bytes.to_mut().get_mut(place..place + 2) {
                    value.copy_from_slice(if big { &[0, 1] } else { &[1, 0] });
                }
            }
            pages.push(Page { number, at: Some(at), has_palette });
        }
        if pages.is_empty() {
            pages.push(Page { number: 0, at: None, has_palette: false });
        }
        Self { bytes, pages }
    }

    /// The JPEG file that an old-style JPEG page consists of, where it says so.
    fn old_jpeg(&self, page: Page) -> Option<&[u8]> {
        let value = |tag| exif::find_in(&self.bytes, page.at?, tag).map(|entry| entry.value as usize);
        if value(COMPRESSION)? != OLD_JPEG as usize {
            return None;
        }
        let start = value(JPEG_OFFSET)?;
        let jpeg = self.bytes.get(start..start.checked_add(value(JPEG_LENGTH)?)?)?;
        jpeg.starts_with(b"\xff\xd8").then_some(jpeg)
    }

    fn open(&self, page: Page, limits: &Limits) -> Result<(Reader<'_>, Header, ColorType), Failure> {
        // Before the crate reads the lists of strips, whose lengths follow from the size.
        let side = |tag| exif::find_in(&self.bytes, page.at?, tag).map(|entry| entry.value);
        if let (Some(width), Some(height)) = (side(WIDTH), side(HEIGHT)) {
            limits.check(TITLE, width, height, 1)?;
        }
        let decoder = TiffDecoder::new(Cursor::new(&*self.bytes)).map_err(failure)?;
        let mut tiff_limits = TiffLimits::default();
        // 8 bytes a pixel are the deepest that we read; a chunk cannot be longer than the file.
        tiff_limits.decoding_buffer_size = usize::try_from(limits.pixels.saturating_mul(8)).unwrap_or(usize::MAX);
        tiff_limits.intermediate_buffer_size = self.bytes.len();
        let mut decoder = decoder.with_limits(tiff_limits);
        if page.number > 0 {
            decoder.seek_to_image(page.number).map_err(failure)?;
        }
        let (width, height) = decoder.dimensions().map_err(failure)?;
        limits.check(TITLE, width, height, 1)?;
        let color = decoder.colortype().map_err(failure)?;
        let (channels, depth) = Layout::of(color).map_err(|what| unsupported(TITLE, what))?.output();
        let orientation = short(&mut decoder, Tag::Orientation).map_or(Orientation::Upright, Orientation::from_exif);
        let (channels, depth) = if page.has_palette { (Channels::Rgb, Depth::U8) } else { (channels, depth) };
        Ok((decoder, Header { width, height, frames: 1, channels, depth, orientation }, color))
    }

    /// Decodes one page.
    fn decode(&self, page: Page, options: &DecodeOptions) -> Result<Decoded, Failure> {
        if let Some(jpeg) = self.old_jpeg(page) {
            return (jpg::DECODER.decode)(jpeg, options);
        }
        let (mut decoder, header, color) = self.open(page, &options.limits)?;
        options.cancel.check()?;
        check_jpeg_chunks(&mut decoder, &self.bytes)?;
        let premultiplied = short(&mut decoder, Tag::ExtraSamples) == Some(1);
        let icc = icc(&mut decoder, &options.limits);
        let mut result = DecodingResult::U8(Vec::new());
        let buffers = decoder.read_image_to_buffer(&mut result).map_err(failure)?;
        let samples = Samples::of(result).map_err(|what| unsupported(TITLE, what))?;
        let layout = Layout::of(color).map_err(|what| unsupported(TITLE, what))?;
        let (width, height) = (header.width as usize, header.height as usize);
        let planes = buffers.plane_stride.map(|stride| (stride.get(), buffers.planes));
        let incomplete = || damaged(TITLE, "its samples do not fill the image");
        let inks = matches!(color, ColorType::CMYK(_) | ColorType::CMYKA(_));
        let by_profile =
            icc.as_deref().filter(|_| inks).and_then(|icc| inks_by_profile(&samples, layout, planes, icc, width, height));
        let used = by_profile.is_some();
        let pixels = if page.has_palette {
            let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(failure)?;
            palette(&samples, layout, &map, width, height).ok_or_else(incomplete)?
        } else if let Some(pixels) = by_profile {
            pixels
        } else {
            unpack(&samples, layout, planes, premultiplied, width, height).ok_or_else(incomplete)?
        };
        let image = Image::new(header.width, header.height, header.channels, header.depth, pixels)?;
        // A profile that the colours were converted by is done with.
        let icc = icc.filter(|_| !used);
        Ok(Decoded { frames: vec![Frame { image, delay_ms: 0 }], orientation: header.orientation, icc, loops: 0 })
    }
}

pub(super) fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    let pages = Pages::read(data);
    let frames = u32::try_from(pages.pages.len()).unwrap_or(u32::MAX);
    let first = pages.pages[0];
    let header = match pages.old_jpeg(first) {
        Some(jpeg) => (jpg::DECODER.probe)(jpeg, limits)?,
        None => pages.open(first, limits)?.1,
    };
    Ok(Header { frames, ..header })
}

pub(super) fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let pages = Pages::read(data);
    if !options.all_frames {
        let count = pages.pages.len();
        let page = usize::try_from(options.page).ok().and_then(|page| pages.pages.get(page)).ok_or_else(|| {
            let asked = u64::from(options.page) + 1;
            Failure::invalid_field("page", format!("page is {asked}, and the TIFF file has {count}. Set `page` to 1 to {count}"))
        })?;
        return pages.decode(*page, options);
    }
    let options = if pages.pages.len() > 1 { &DecodeOptions { at_least: None, ..options.clone() } } else { options };
    let mut all: Vec<Decoded> = Vec::with_capacity(pages.pages.len());
    let mut area = 0u64;
    for &page in &pages.pages {
        options.cancel.check()?;
        let decoded = pages.decode(page, options)?;
        let image = &decoded.frames[0].image;
        area += (u64::from(image.width()) * u64::from(image.height())).max(1024);
        if area > options.limits.pixels {
            let (count, limit) = (pages.pages.len(), options.limits.pixels / 1_000_000);
            return Err(Failure::too_large(format!(
                "The {count} pages of the TIFF file have more than {limit} MP together. Split it first"
            )));
        }
        all.push(decoded);
    }
    Ok(joined(all))
}

/// The pages as one: with the profile of the first, and turned upright where they are not all stored the same way.
fn joined(mut all: Vec<Decoded>) -> Decoded {
    let orientation = all.first().map_or(Orientation::Upright, |page| page.orientation);
    let same = all.iter().all(|page| page.orientation == orientation);
    let icc = all.first_mut().and_then(|page| page.icc.take());
    let frames = all.into_iter().flat_map(|page| {
        let turn = if same { Orientation::Upright } else { page.orientation };
        page.frames.into_iter().map(move |frame| Frame { image: upright(frame.image, turn), ..frame })
    });
    Decoded { frames: frames.collect(), orientation: if same { orientation } else { Orientation::Upright }, icc, loops: 0 }
}

/// Turns a picture as its orientation asks.
fn upright(image: Image, orientation: Orientation) -> Image {
    if orientation == Orientation::Upright {
        return image;
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    let bytes = image.channels().count() * image.depth().bytes();
    let (w, h) = if orientation.swaps_sides() { (height, width) } else { (width, height) };
    let mut data = vec![0; image.data().len()];
    for (index, pixel) in image.data().chunks_exact(bytes).enumerate() {
        let (x, y) = (index % width, index / width);
        // Where a stored pixel shows (EXIF 2.32, tag 0x0112).
        let (x, y) = match orientation {
            Orientation::Upright => (x, y),
            Orientation::FlipHorizontal => (w - 1 - x, y),
            Orientation::Rotate180 => (w - 1 - x, h - 1 - y),
            Orientation::FlipVertical => (x, h - 1 - y),
            Orientation::Transpose => (y, x),
            Orientation::Rotate90 => (w - 1 - y, x),
            Orientation::Transverse => (w - 1 - y, h - 1 - x),
            Orientation::Rotate270 => (y, h - 1 - x),
        };
        let at = (y * w + x) * bytes;
        data[at..at + bytes].copy_from_slice(pixel);
    }
    Image::new(w as u32, h as u32, image.channels(), image.depth(), data).unwrap_or(image)
}

fn short(decoder: &mut Reader<'_>, tag: Tag) -> Option<u16> {
    match decoder.find_tag(tag).ok()?? {
        Value::Short(value) => Some(value),
        Value::List(values) => values.into_iter().next()?.into_u16().ok(),
        _ => None,
    }
}

/// The profile; one that cannot be read is left out, the pixels are what counts.
fn icc(decoder: &mut Reader<'_>, limits: &Limits) -> Option<Vec<u8>> {
    let mut directory = decoder.image_ifd();
    let length = directory.find_entry(Tag::IccProfile)?.count();
    if length > limits.metadata_bytes.min(16 << 20) {
        return None;
    }
    let mut profile = vec![0; usize::try_from(length).ok()?];
    let read = directory.find_tag_bytes(Tag::IccProfile, &mut profile, 0).ok()??;
    (read == profile.len()).then_some(profile)
}

/// Refuses JPEG strips and tiles that claim to be larger than their place: they would be decoded before that is noticed.
fn check_jpeg_chunks(decoder: &mut Reader<'_>, data: &[u8]) -> Result<(), Failure> {
    // 7 is JPEG in TIFF (Technical Note 2).
    if short(decoder, Tag::Compression) != Some(7) {
        return Ok(());
    }
    let (width, height) = decoder.chunk_dimensions();
    let mut list = |first, second| {
        let found = decoder.find_tag_unsigned_vec::<u64>(first).map_err(failure)?;
        match found {
            Some(values) => Ok(values),
            None => decoder.find_tag_unsigned_vec::<u64>(second).map_err(failure).map(Option::unwrap_or_default),
        }
    };
    let offsets = list(Tag::StripOffsets, Tag::TileOffsets)?;
    let lengths = list(Tag::StripByteCounts, Tag::TileByteCounts)?;
    for (offset, length) in offsets.into_iter().zip(lengths) {
        let chunk = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
        let chunk = chunk.and_then(|(start, length)| data.get(start..start.checked_add(length)?));
        let (w, h) = jpg::size(chunk.ok_or_else(|| damaged(TITLE, "a strip lies beyond the end of the file"))?)?;
        // Sides are rounded up to whole blocks at most.
        if w > width.saturating_add(64) || h > height.saturating_add(64) {
            return Err(damaged(TITLE, format!("a JPEG strip claims {w} x {h} pixels instead of {width} x {height}")));
        }
    }
    Ok(())
}
