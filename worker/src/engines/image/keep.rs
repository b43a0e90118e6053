//! What a file says beside its pixels, where it is to be kept: EXIF and XMP, made right for a picture that now stands upright.

use std::io::Cursor;

use ::exif::experimental::Writer;
use ::exif::{Context, Exif, Field, In, Reader, Tag, Value};

use super::metadata;
use crate::formats::Tags;

/// Bytes of either beyond which it is left out: JPEG holds no more in one piece.
const MOST: usize = 65_000;

/// Tags of the first directory that speak of the picture and not of how a TIFF file stores it (EXIF 2.32, section 4.6.4).
const DESCRIBING: [u16; 13] = [
    0x010e, // ImageDescription
    0x010f, // Make
    0x0110, // Model
    0x011a, // XResolution
    0x011b, // YResolution
    0x0128, // ResolutionUnit
    0x0131, // Software
    0x0132, // DateTime
    0x013b, // Artist
    0x013c, // HostComputer
    0x013e, // WhitePoint
    0x013f, // PrimaryChromaticities
    0x8298, // Copyright
];

/// What follows the colon in the names of maps that make a picture brighter on screens that can: those of Ultra HDR (in XMP, and of
/// ISO 21496-1) and Apple's.
const GAIN_MAPS: [&[u8]; 3] =
    [b"//ns.adobe.com/hdr-gain-map/", b"iso:std:iso:ts:21496:-1", b"com:apple:photo:2020:aux:hdrgainmap"];

/// Bytes at the beginning of a file within which it says what it holds.
const HEAD: usize = 64 << 10;

/// Whether a file has a gain map beside its picture.
pub(super) fn has_gain_map(data: &[u8]) -> bool {
    let head = &data[..data.len().min(HEAD)];
    let colons = head.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| &head[at + 1..]);
    colons.into_iter().any(|rest| GAIN_MAPS.iter().any(|name| rest.starts_with(name)))
}

fn read(data: &[u8]) -> Option<Exif> {
    Reader::new()
        .continue_on_error(true)
        .read_from_container(&mut Cursor::new(data))
        .or_else(|error| error.distill_partial_result(|_| {}))
        .ok()
}

/// EXIF and XMP as they are, for pixels that are stored as they were.
pub(super) fn as_stored(data: &[u8]) -> Tags {
    let exif = read(data).map(|exif| exif.buf().to_vec()).filter(|exif| exif.len() <= MOST);
    Tags { exif, xmp: packet(data, false) }
}

/// EXIF and XMP for a picture made of that file, of that size and upright; and what was left out, for a warning. The thumbnail goes:
/// it would show what the picture was.
pub(super) fn for_upright(data: &[u8], (width, height): (u32, u32)) -> (Tags, Vec<String>) {
    let mut left_out = Vec::new();
    let mut fits = |what: &str, length: usize| {
        if length > MOST {
            left_out.push(format!("The {what} was left out: it has {length} bytes, and {MOST} can be kept"));
        }
        length <= MOST
    };
    let exif = read(data).and_then(|exif| rewritten(&exif, width, height)).filter(|exif| fits("EXIF", exif.len()));
    let xmp = packet(data, true).filter(|xmp| fits("XMP", xmp.len()));
    (Tags { exif, xmp }, left_out)
}

fn rewritten(exif: &Exif, width: u32, height: u32) -> Option<Vec<u8>> {
    let field = |tag, value| Field { tag, ifd_num: In::PRIMARY, value };
    let ours = [
        field(Tag::Orientation, Value::Short(vec![1])),
        field(Tag::PixelXDimension, Value::Long(vec![width])),
        field(Tag::PixelYDimension, Value::Long(vec![height])),
    ];
    let kept = exif.fields().filter(|field| {
        let describes = match field.tag.context() {
            Context::Tiff => DESCRIBING.contains(&field.tag.number()),
            Context::Exif | Context::Gps | Context::Interop => true,
            _ => false,
        };
        let readable = !matches!(field.value, Value::Unknown(..));
        field.ifd_num == In::PRIMARY && describes && readable && !ours.iter().any(|own| own.tag == field.tag)
    });
    let mut writer = Writer::new();
    kept.chain(&ours).for_each(|field| writer.push_field(field));
    let mut out = Cursor::new(Vec::new());
    writer.write(&mut out, exif.little_endian()).ok()?;
    Some(out.into_inner())
}

/// The XMP packet with its frame; `upright`: it says that the picture is.
fn packet(data: &[u8], upright: bool) -> Option<String> {
    let mut xmp = metadata::xmp(data)?;
    if upright {
        for (start, end) in [("tiff:Orientation=\"", '"'), ("tiff:Orientation='", '\''), ("<tiff:Orientation>", '<')] {
            let Some(at) = xmp.find(start).map(|at| at + start.len()) else { continue };
            if let Some(length) = xmp[at..].find(end) {
                xmp.replace_range(at..at + length, "1");
            }
        }
    }
    // The number is the same in every packet (XMP specification, part 1, 7.3.2).
    Some(format!("<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>{xmp}<?xpacket end=\"w\"?>"))
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
