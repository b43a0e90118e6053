//! What a file says about itself: EXIF, XMP and the name of its colour profile.

use std::io::Cursor;

use ::exif::{In, Reader, Tag, Value as ExifValue};
use serde_json::{Map, Value, json};

/// Most tags that are told, and bytes of a text among them: a file may hold thousands that nobody reads.
const MAX_TAGS: usize = 500;
const MAX_TEXT: usize = 2_000;

/// Bytes of the largest XMP packet that is told.
const MAX_XMP: usize = 64 << 10;

/// `exif`, `gps`, `xmp` and `color_profile`, those that there are.
pub(super) fn read(data: &[u8], icc: Option<&[u8]>) -> Map<String, Value> {
    let mut found = Map::new();
    if let Ok(exif) = Reader::new().continue_on_error(true).read_from_container(&mut Cursor::new(data)).or_else(|error| {
        // Tags before the first damaged one are still of use.
        error.distill_partial_result(|_| {})
    }) {
        let tags = exif.fields().filter(|field| field.ifd_num == In::PRIMARY).take(MAX_TAGS);
        let tags: Map<String, Value> = tags.map(|field| (field.tag.to_string(), value(&field.value))).collect();
        if !tags.is_empty() {
            found.insert("exif".into(), Value::Object(tags));
        }
        if let Some(position) = position(&exif) {
            found.insert("gps".into(), position);
        }
    }
    if let Some(xmp) = xmp(data) {
        found.insert("xmp".into(), xmp.into());
    }
    if let Some(name) = icc.and_then(profile_name) {
        found.insert("color_profile".into(), name.into());
    }
    found
}

/// A value as JSON: numbers as numbers, one alone without an array, bytes that are no text as their count.
fn value(value: &ExifValue) -> Value {
    let list = |items: Vec<Value>| match <[Value; 1]>::try_from(items) {
        Ok([one]) => one,
        Err(items) => Value::Array(items.into_iter().take(64).collect()),
    };
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let text: String = text.trim_end_matches('\0').chars().filter(|c| !c.is_control() || *c == '\n').take(MAX_TEXT).collect();
        Value::from(text.trim().to_owned())
    };
    let fraction = |value: f64| if value.is_finite() { json!(value) } else { Value::Null };
    match value {
        ExifValue::Byte(bytes) => list(bytes.iter().map(|&b| b.into()).collect()),
        ExifValue::Ascii(texts) => list(texts.iter().map(|bytes| text(bytes)).collect()),
        ExifValue::Short(numbers) => list(numbers.iter().map(|&n| n.into()).collect()),
        ExifValue::Long(numbers) => list(numbers.iter().map(|&n| n.into()).collect()),
        ExifValue::Rational(numbers) => list(numbers.iter().map(|n| fraction(n.to_f64())).collect()),
        ExifValue::SByte(numbers) => list(numbers.iter().map(|&n| n.into()).collect()),
        ExifValue::SShort(numbers) => list(numbers.iter().map(|&n| n.into()).collect()),
        ExifValue::SLong(numbers) => list(numbers.iter().map(|&n| n.into()).collect()),
        ExifValue::SRational(numbers) => list(numbers.iter().map(|n| fraction(n.to_f64())).collect()),
        ExifValue::Float(numbers) => list(numbers.iter().map(|&n| fraction(f64::from(n))).collect()),
        ExifValue::Double(numbers) => list(numbers.iter().map(|&n| fraction(n)).collect()),
        ExifValue::Undefined(bytes, _) => match std::str::from_utf8(bytes) {
            Ok(_) if bytes.len() <= MAX_TEXT && bytes.iter().all(|b| matches!(b, b' '..=b'~' | 0)) => text(bytes),
            _ => json!({ "bytes": bytes.len() }),
        },
        ExifValue::Unknown(..) => Value::Null,
    }
}

/// Latitude and longitude in degrees, north and east positive; altitude in metres above the sea (EXIF 2.32, section 4.6.6).
fn position(exif: &::exif::Exif) -> Option<Value> {
    let numbers = |tag| match &exif.get_field(tag, In::PRIMARY)?.value {
        ExifValue::Rational(numbers) => Some(numbers.iter().map(|n| n.to_f64()).collect::<Vec<_>>()),
        _ => None,
    };
    let says = |tag, letter: u8| {
        let field = exif.get_field(tag, In::PRIMARY);
        field.is_some_and(
            |field| matches!(&field.value, ExifValue::Ascii(texts) if texts.iter().any(|text| text.first() == Some(&letter))),
        )
    };
    let degrees = |tag, reference, negative| {
        let [degrees, minutes, seconds] = <[f64; 3]>::try_from(numbers(tag)?).ok()?;
        let value = degrees + minutes / 60.0 + seconds / 3600.0;
        let value = if says(reference, negative) { -value } else { value };
        value.is_finite().then(|| (value * 1e7).round() / 1e7)
    };
    let latitude = degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S')?;
    let longitude = degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W')?;
    let mut found = json!({ "latitude": latitude, "longitude": longitude });
    let altitude = numbers(Tag::GPSAltitude).and_then(|numbers| numbers.first().copied()).filter(|value| value.is_finite());
    if let Some(altitude) = altitude {
        let below = exif.get_field(Tag::GPSAltitudeRef, In::PRIMARY).and_then(|field| field.value.get_uint(0)) == Some(1);
        found["altitude"] = json!(if below { -altitude } else { altitude });
    }
    Some(found)
}

/// The first XMP packet, found by its own marks as readers of unknown formats do (ISO 16684-1, annex A: packet scanning).
pub(in crate::engines::image) fn xmp(data: &[u8]) -> Option<String> {
    const START: &[u8] = b"<x:xmpmeta";
    const END: &[u8] = b"</x:xmpmeta>";
    let find = |data: &[u8], mark: &[u8]| data.windows(mark.len()).position(|window| window == mark);
    let start = find(data, START)?;
    let rest = data.get(start..data.len().min(start + MAX_XMP))?;
    let end = find(rest, END)? + END.len();
    String::from_utf8(rest[..end].to_vec()).ok()
}

/// The description of an ICC profile: tag `desc`, as ASCII (ICC.1:2001, 6.5.17) or as its first language (ICC.1:2022, 10.15).
fn profile_name(icc: &[u8]) -> Option<String> {
    let number = |at: usize| -> Option<usize> {
        let bytes = icc.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
    };
    let entry = (0..number(128)?.min(100)).map(|index| 132 + index * 12).find(|&at| icc.get(at..at + 4) == Some(b"desc"))?;
    let tag = icc.get(number(entry + 4)?..)?;
    let at = |offset: usize| -> Option<usize> {
        usize::try_from(u32::from_be_bytes(tag.get(offset..offset.checked_add(4)?)?.try_into().ok()?)).ok()
    };
    let name = match tag.get(..4)? {
        b"desc" => String::from_utf8_lossy(tag.get(12..12_usize.checked_add(at(8)?)?)?).into_owned(),
        b"mluc" => {
            let (length, offset) = (at(20)?, at(24)?);
            let units = tag.get(offset..offset.checked_add(length)?)?.as_chunks::<2>().0;
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))).filter_map(Result::ok).collect()
        }
        _ => return None,
    };
    let name: String = name.trim_end_matches('\0').chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    (!name.trim().is_empty()).then(|| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A profile of nothing but a description.
    fn profile(tag: &[u8]) -> Vec<u8> {
        let mut icc = vec![0; 128];
        icc.extend(1_u32.to_be_bytes());
        icc.extend(b"desc");
        icc.extend(144_u32.to_be_bytes());
        icc.extend((tag.len() as u32).to_be_bytes());
        icc.extend(tag);
        icc
    }

    #[test]
    fn profiles_of_both_versions_tell_their_name() {
        let old = [&b"desc\0\0\0\0"[..], &12_u32.to_be_bytes(), b"sRGB built-i"].concat();
        assert_eq!(profile_name(&profile(&old)).as_deref(), Some("sRGB built-i"), "version 2");
        let mut new = [&b"mluc\0\0\0\0"[..], &1_u32.to_be_bytes(), &12_u32.to_be_bytes(), b"enUS"].concat();
        new.extend(4_u32.to_be_bytes());
        new.extend(28_u32.to_be_bytes());
        new.extend("P3".encode_utf16().flat_map(u16::to_be_bytes));
        assert_eq!(profile_name(&profile(&new)).as_deref(), Some("P3"), "version 4");
        for length in 0..profile(&new).len() {
            // Whatever is cut off, nothing panics.
            let _ = profile_name(&profile(&new)[..length]);
        }
    }

    #[test]
    fn a_packet_is_found_wherever_it_lies() {
        let packet = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf/></x:xmpmeta>";
        let file = [&b"\xff\xd8junk"[..], packet.as_bytes(), b"more"].concat();
        assert_eq!(xmp(&file).as_deref(), Some(packet), "whole");
        assert_eq!(xmp(&file[..40]), None, "without an end there is none");
    }
}
