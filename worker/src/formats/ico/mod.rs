//! Windows icons: a folder of pictures, of which the largest is read; one is written, as PNG inside.

mod dib;

use std::io::Cursor;

use super::support::{damaged, encoding};
use super::{Category, DecodeOptions, Decoded, Decoder, EncodeOptions, Flags, Format, Header, Limits, WriteSeek, png};
use crate::failure::Failure;

const TITLE: &str = "ICO";

/// The longest side that an entry can name.
const MAX_SIDE: u32 = 256;

/// Bytes of the header, and of each entry.
const HEADER: usize = 6;
const ENTRY: usize = 16;

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "ico",
    title: TITLE,
    mime: "image/vnd.microsoft.icon",
    extensions: &["ico"],
    aliases: &[],
    category: Category::Image,
    flags: Flags { alpha: true, largest: Some(MAX_SIDE), ..Flags::NONE },
    magic: is_ico,
    decode: Some(Decoder::whole(probe, decode)),
    encode: Some(encode),
};

/// The first four bytes are too common: the first entry has to be one, too.
fn is_ico(head: &[u8]) -> bool {
    let count = head.get(4..6).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    head.starts_with(b"\0\0\x01\0")
        && count > 0
        && head.get(9) == Some(&0)
        && entry(head, 0).is_some_and(|first| first.at >= HEADER + ENTRY)
}

struct Entry {
    width: u32,
    height: u32,
    bits: u16,
    at: usize,
    length: usize,
}

fn entry(data: &[u8], index: usize) -> Option<Entry> {
    let bytes = data.get(HEADER + index * ENTRY..)?.get(..ENTRY)?;
    let side = |byte: u8| if byte == 0 { 256 } else { u32::from(byte) };
    let long = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
    Some(Entry {
        width: side(bytes[0]),
        height: side(bytes[1]),
        bits: u16::from_le_bytes([bytes[6], bytes[7]]),
        length: long(8),
        at: long(12),
    })
}

/// The largest picture, of equally large ones the one with the most colours.
fn best(data: &[u8]) -> Result<&[u8], Failure> {
    if !data.starts_with(b"\0\0\x01\0") && !data.starts_with(b"\0\0\x02\0") {
        return Err(damaged(TITLE, "it does not begin as an icon does"));
    }
    let count = data.get(4..6).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let entries = (0..usize::from(count)).map_while(|index| entry(data, index));
    let best = entries.max_by_key(|entry| (entry.width * entry.height, entry.bits));
    let best = best.ok_or_else(|| damaged(TITLE, "it holds no picture"))?;
    let end = best.at.checked_add(best.length);
    end.and_then(|end| data.get(best.at..end)).ok_or_else(|| damaged(TITLE, "its picture lies beyond its end"))
}

fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    let picture = best(data)?;
    if (png::FORMAT.magic)(picture) {
        let header = (png::DECODER.probe)(picture, limits).map_err(within)?;
        return Ok(Header { frames: 1, ..header });
    }
    dib::probe(picture, limits)
}

fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let picture = best(data)?;
    options.cancel.check()?;
    if (png::FORMAT.magic)(picture) {
        let options = DecodeOptions { all_frames: false, ..options.clone() };
        return (png::DECODER.decode)(picture, &options).map_err(within);
    }
    dib::decode(picture, options)
}

/// What is wrong with the PNG inside is wrong with the icon.
fn within(failure: Failure) -> Failure {
    match failure {
        Failure::Invalid { message, field } => {
            Failure::Invalid { message: format!("The ICO file is damaged. Inside: {message}"), field }
        }
        other => other,
    }
}

fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let first = decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?;
    let (width, height) = (first.image.width(), first.image.height());
    if width > MAX_SIDE || height > MAX_SIDE {
        let (field, side) = if width > MAX_SIDE { ("width", width) } else { ("height", height) };
        return Err(Failure::invalid_field(
            field,
            format!("ICO holds at most {MAX_SIDE} pixels a side, and the {field} would be {side}. Set `{field}` to less"),
        ));
    }
    let mut file = Cursor::new(Vec::new());
    png::encode_still(&first.image, options, &mut file)?;
    let file = file.into_inner();
    let bits: u8 = if first.image.channels().has_alpha() { 32 } else { 24 };
    let mut head = vec![0, 0, 1, 0, 1, 0];
    // 256 is written as 0.
    head.extend([width as u8, height as u8, 0, 0, 1, 0, bits, 0]);
    head.extend(u32::try_from(file.len()).map_err(|error| encoding(TITLE, error))?.to_le_bytes());
    head.extend(((HEADER + ENTRY) as u32).to_le_bytes());
    out.write_all(&head).and_then(|()| out.write_all(&file)).map_err(|error| encoding(TITLE, error))
}

#[cfg(test)]
mod tests;
