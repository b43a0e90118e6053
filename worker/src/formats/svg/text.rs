//! From the bytes of a file to its text: gzip, byte order marks and encodings; and what tells an SVG from other XML.

use std::borrow::Cow;
use std::io::Read;

use ::flate2::read::GzDecoder;

use super::TITLE;
use crate::failure::Failure;
use crate::formats::support::{damaged, unsupported};
use crate::formats::{Limits, SNIFF_BYTES};

/// Bytes of text; larger drawings take minutes.
const MAX_TEXT: u64 = 64 << 20;

const GZIP: &[u8] = b"\x1f\x8b";

/// Whether the file is packed by gzip.
pub(super) fn is_packed(data: &[u8]) -> bool {
    data.starts_with(GZIP)
}

/// The text of a file.
///
/// # Errors
/// [`Failure::TooLarge`] where it unpacks to more than the limit, [`Failure::Invalid`] where it is no text.
pub(super) fn read<'a>(data: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, Failure> {
    let most = limits.metadata_bytes.min(MAX_TEXT);
    let bytes = if data.starts_with(GZIP) {
        let mut unpacked = Vec::new();
        // A file may be cut off or followed by something else; only the first gzip member counts.
        GzDecoder::new(data).take(most + 1).read_to_end(&mut unpacked).map_err(|error| damaged(TITLE, error))?;
        Cow::Owned(unpacked)
    } else {
        Cow::Borrowed(data)
    };
    if bytes.len() as u64 > most {
        return Err(Failure::too_large(format!("The SVG file holds more than {} MiB of text. Simplify it first", most >> 20)));
    }
    decoded(bytes)
}

/// Text from UTF-8, UTF-16 with a byte order mark, or what the XML declaration says where that is Latin-1.
fn decoded(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Failure> {
    let wide = |order: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes.chunks_exact(2).map(|pair| order([pair[0], pair[1]]));
        char::decode_utf16(units).collect::<Result<String, _>>().map_err(|error| damaged(TITLE, error))
    };
    match &*bytes {
        [0xff, 0xfe, rest @ ..] => return wide(u16::from_le_bytes, rest).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => return wide(u16::from_be_bytes, rest).map(Cow::Owned),
        _ => {}
    }
    if std::str::from_utf8(&bytes).is_err() {
        let declaration = String::from_utf8_lossy(bytes.get(..200).unwrap_or(&bytes)).to_ascii_lowercase();
        if !["iso-8859-1", "iso-8859-15", "latin1", "windows-1252"].iter().any(|name| declaration.contains(name)) {
            return Err(unsupported(TITLE, "its text is neither UTF-8 nor UTF-16"));
        }
        return Ok(Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()));
    }
    let text = match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| damaged(TITLE, error))?,
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|error| damaged(TITLE, error))?,
    };
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
    })
}

/// Whether a file begins as an SVG does: an `svg` element behind nothing but declarations, comments and white space.
pub(super) fn is_svg(head: &[u8]) -> bool {
    if head.starts_with(GZIP) {
        let mut unpacked = Vec::new();
        // An error at the end of what we hold is expected.
        let _ = GzDecoder::new(head).take(SNIFF_BYTES as u64).read_to_end(&mut unpacked);
        return !unpacked.starts_with(GZIP) && is_svg(&unpacked);
    }
    match head {
        [0xff, 0xfe, rest @ ..] => root_is_svg(&narrow(rest, 0)),
        [0xfe, 0xff, rest @ ..] => root_is_svg(&narrow(rest, 1)),
        _ => root_is_svg(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head)),
    }
}

/// The ASCII of UTF-16 whose low byte is at `low` in each pair; other characters become spaces.
fn narrow(bytes: &[u8], low: usize) -> Vec<u8> {
    bytes.chunks_exact(2).map(|pair| if pair[1 - low] == 0 { pair[low] } else { b' ' }).collect()
}

fn root_is_svg(mut text: &[u8]) -> bool {
    let after = |text: &[u8], end: &[u8]| text.windows(end.len()).position(|window| window == end).map(|at| at + end.len());
    loop {
        text = text.trim_ascii_start();
        let end = if text.starts_with(b"<!--") {
            after(text, b"-->")
        } else if text.starts_with(b"<?") {
            after(text, b"?>")
        } else if text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!doctype")) {
            // A subset of declarations in brackets may hold `>`.
            let (bracket, close) = (after(text, b"["), after(text, b">"));
            match (bracket, close) {
                (Some(bracket), Some(close)) if bracket < close => {
                    after(&text[bracket..], b"]").and_then(|at| after(&text[bracket + at..], b">").map(|end| bracket + at + end))
                }
                (_, close) => close,
            }
        } else {
            break;
        };
        match end.and_then(|end| text.get(end..)) {
            Some(rest) => text = rest,
            None => return false,
        }
    }
    let Some(name) = text.strip_prefix(b"<") else { return false };
    let end = name.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/')).unwrap_or(name.len());
    let name = &name[..end];
    let local = name.rsplit(|&byte| byte == b':').next().unwrap_or(name);
    local == b"svg"
}
