//! Pictures of a PDF file in fewer bytes: no more pixels than a page has room for, packed again as JPEG. Never larger.

use lopdf::{Document, Object, ObjectId, Stream};

use super::super::optimize::options::{OptimizeOptions, Profile, Quality};
use super::super::pipeline::{format, guarded};
use super::file;
use crate::failure::Failure;
use crate::formats::{Cancel, DecodeOptions, Decoded, EncodeOptions, Limits};
use crate::pixels::{Channels, Filter, Processor, Recording, Step};

/// Bytes of a picture that are worth the time.
const WORTH: usize = 4 << 10;

/// What becomes of pictures: pixels an inch of a page at which they stay, and quality. `None`: nothing.
fn wish(options: &OptimizeOptions) -> Option<(f64, u8)> {
    let (density, quality) = match options.profile {
        Profile::Archive => return None,
        Profile::Web => (150.0, 78),
        Profile::Print => (300.0, 88),
        Profile::Max => (110.0, 60),
    };
    match options.quality {
        Some(Quality::Number(100)) => None,
        Some(Quality::Number(own)) => Some((density, own)),
        // No one looks at each picture of a document: as little is lost as is hardly seen.
        Some(Quality::Word(_)) => Some((density, 90)),
        None => Some((density, quality)),
    }
}

/// Packs the pictures again; how many became smaller.
pub(super) fn shrink(
    document: &mut Document,
    options: &OptimizeOptions,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<usize, Failure> {
    let Some((density, quality)) = wish(options) else { return Ok(0) };
    let side = longest_side(document) / 72.0 * density;
    let ids: Vec<ObjectId> =
        document.objects.iter().filter(|(_, object)| is_plain(document, object)).map(|(id, _)| *id).collect();
    let mut smaller = 0;
    for id in ids {
        cancel.check()?;
        let Ok(stream) = document.get_object(id).and_then(Object::as_stream) else { continue };
        // A picture that cannot be read stays as it is: it may well be shown elsewhere.
        let Ok(Some((data, width, height))) = packed(stream, side, quality, processor, cancel) else { continue };
        let before = stream.content.len();
        if let Ok(stream) = document.get_object_mut(id).and_then(Object::as_stream_mut)
            && data.len() * 10 < before * 9
        {
            stream.dict.set("Width", i64::from(width));
            stream.dict.set("Height", i64::from(height));
            stream.dict.set("Filter", "DCTDecode");
            stream.dict.remove(b"DecodeParms");
            stream.set_content(data);
            stream.allows_compression = false;
            smaller += 1;
        }
    }
    Ok(smaller)
}

/// The longest side of a page, points.
fn longest_side(document: &Document) -> f64 {
    let sides = |id: ObjectId| {
        let page = file::push_down(document, document.get_dictionary(id).ok()?);
        let bounds = document.dereference(page.get(b"MediaBox").ok()?).ok()?.1.as_array().ok()?;
        let numbers: Vec<f64> =
            bounds.iter().filter_map(|side| document.dereference(side).ok()?.1.as_float().ok().map(f64::from)).collect();
        let [left, bottom, right, top] = <[f64; 4]>::try_from(numbers).ok()?;
        Some((right - left).abs().max((top - bottom).abs()))
    };
    document.page_iter().filter_map(sides).fold(0.0, f64::max).clamp(72.0, 14_400.0)
}

/// Whether it is a JPEG of 8 bits in grey or three colours, whose numbers mean what they say.
fn is_plain(document: &Document, object: &Object) -> bool {
    let Object::Stream(stream) = object else { return false };
    let dict = &stream.dict;
    let name = |key: &[u8]| dict.get(key).and_then(|value| document.dereference(value)).ok().map(|(_, value)| value);
    let is = |key: &[u8], wanted: &[u8]| name(key).and_then(|value| value.as_name().ok()).is_some_and(|name| name == wanted);
    let filter = is(b"Filter", b"DCTDecode")
        || matches!(name(b"Filter"), Some(Object::Array(list)) if matches!(list.as_slice(), [Object::Name(only)] if only == b"DCTDecode"));
    let space = name(b"ColorSpace").is_some_and(|space| match space {
        Object::Name(name) => name == b"DeviceRGB" || name == b"DeviceGray",
        Object::Array(parts) => matches!(parts.first(), Some(Object::Name(name)) if name == b"ICCBased"),
        _ => false,
    });
    is(b"Subtype", b"Image") && filter && space && !dict.has(b"Decode") && !dict.has(b"Mask") && stream.content.len() >= WORTH
}

/// The picture packed again, and its size. `None` where it has other colours than a JPEG of ours.
fn packed(
    stream: &Stream,
    side: f64,
    quality: u8,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<Option<(Vec<u8>, u32, u32)>, Failure> {
    let jpg = format("jpg")?;
    let (Some(decoder), Some(encode)) = (jpg.decode, jpg.encode) else { return Ok(None) };
    // Inks are four numbers a pixel, and which colours they make is up to the document.
    if components(&stream.content).is_none_or(|count| count != 1 && count != 3) {
        return Ok(None);
    }
    let limits = Limits::default();
    let header = guarded(|| (decoder.probe)(&stream.content, &limits))?;
    limits.check("JPEG", header.width, header.height, 1)?;
    let wanted = DecodeOptions { limits, cancel: cancel.clone(), ..DecodeOptions::default() };
    let decoded = guarded(|| (decoder.decode)(&stream.content, &wanted))?;
    let Some(frame) = decoded.frames.into_iter().next() else { return Ok(None) };
    let (own_width, own_height) = (frame.image.width(), frame.image.height());
    let longest = f64::from(own_width.max(own_height));
    let factor = if longest > side * 1.2 { side / longest } else { 1.0 };
    let scaled = |length: u32| (f64::from(length) * factor).round().max(1.0) as u32;
    let (width, height) = (scaled(own_width), scaled(own_height));
    let is_grey = frame.image.channels().without_alpha() == Channels::Grey;
    if is_grey != (components(&stream.content) == Some(1)) {
        return Ok(None);
    }
    let mut recording = Recording::new();
    if (width, height) != (own_width, own_height) {
        recording.push(Step::Resize { width, height, filter: Filter::Lanczos3 });
    }
    let (image, _) = processor.run(&recording, frame.image, cancel)?;
    let how = EncodeOptions { quality, cancel: cancel.clone(), ..EncodeOptions::default() };
    let mut written = std::io::Cursor::new(Vec::new());
    encode(&Decoded::still(image), &how, &mut written)?;
    Ok(Some((written.into_inner(), width, height)))
}

/// Colours of a JPEG, by its frame header.
fn components(data: &[u8]) -> Option<u8> {
    let mut at = 2;
    while *data.get(at)? == 0xff {
        let marker = *data.get(at + 1)?;
        if matches!(marker, 0xc0..=0xc2) {
            return data.get(at + 9).copied();
        }
        at += 2 + usize::from(u16::from_be_bytes([*data.get(at + 2)?, *data.get(at + 3)?])).max(2);
    }
    None
}
