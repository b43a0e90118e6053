//! A look into files that hold files: zip archives (Office Open XML, OpenDocument) and OLE compound files (Word, Excel and PowerPoint up to
//! 2003). Only their lists of contents are read, nothing is unpacked.

use crate::formats::Format;

/// Reads up to that many bytes from an offset; fewer where the file ends.
pub(crate) type ReadAt<'a> = &'a dyn Fn(u64, usize) -> Option<Vec<u8>>;

/// Bytes of a zip archive's list of contents that are looked at.
const MAX_DIRECTORY: usize = 1 << 20;

/// Sectors of a compound file's directory that are looked at.
const MAX_SECTORS: usize = 256;

/// What a file of `length` bytes that begins with `head` holds, where it is such a container.
pub(crate) fn look(head: &[u8], length: u64, read: ReadAt<'_>) -> Option<&'static Format> {
    if head.starts_with(b"PK\x03\x04") {
        open_document(head).or_else(|| office_open(length, read))
    } else if head.starts_with(OLE) {
        compound(head, read)
    } else {
        None
    }
}

/// The signature of a compound file ([MS-CFB] 2.2).
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The media type that an OpenDocument file holds, unpacked, as its first part (OpenDocument 1.2 part 3, 3.3).
fn open_document(head: &[u8]) -> Option<&'static Format> {
    let (name, extra) = (usize::from(u16_at(head, 26)?), usize::from(u16_at(head, 28)?));
    if head.get(30..30 + name)? != b"mimetype" || u16_at(head, 8)? != 0 {
        return None;
    }
    let start = 30 + name + extra;
    let text = head.get(start..start.checked_add(u32_at(head, 18)? as usize)?)?.trim_ascii();
    let kind = text.strip_prefix(b"application/vnd.oasis.opendocument.")?;
    match kind.strip_suffix(b"-template").unwrap_or(kind) {
        b"text" => Some(&super::ODT_ROW),
        b"spreadsheet" => Some(&super::ODS_ROW),
        b"presentation" => Some(&super::ODP_ROW),
        _ => None,
    }
}

/// By the folder of the main part: `word/`, `xl/` or `ppt/` (ECMA-376 leaves it free; every writer does so).
fn office_open(length: u64, read: ReadAt<'_>) -> Option<&'static Format> {
    // The end of central directory record lies behind everything but a comment (APPNOTE 4.3.16).
    const RECORD: usize = 22;
    let window = length.min((RECORD + 0xffff) as u64);
    let start = length - window;
    let tail = read(start, usize::try_from(window).ok()?)?;
    let at = tail.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let (size, offset) = (u32_at(&tail, at + 12)? as usize, u64::from(u32_at(&tail, at + 16)?));
    let directory = read(offset, size.min(MAX_DIRECTORY))?;
    let (mut types, mut found) = (false, None);
    let mut rest = directory.as_slice();
    while rest.starts_with(b"PK\x01\x02") {
        let lengths = [28, 30, 32].map(|at| u16_at(rest, at).map_or(0, usize::from));
        let Some(name) = rest.get(46..46 + lengths[0]) else { break };
        types |= name == b"[Content_Types].xml";
        let folder = name.split(|byte| *byte == b'/').next().unwrap_or_default();
        found = found.or(match folder {
            b"word" => Some(&super::DOCX),
            b"xl" => Some(&super::XLSX),
            b"ppt" => Some(&super::PPTX),
            _ => None,
        });
        rest = rest.get(46 + lengths.iter().sum::<usize>()..).unwrap_or_default();
    }
    found.filter(|_| types)
}

/// By the names of its streams. One that is encrypted says nothing of what is in it, and goes by its name.
fn compound(head: &[u8], read: ReadAt<'_>) -> Option<&'static Format> {
    let shift = u16_at(head, 30).filter(|shift| (7..=16).contains(shift))?;
    let sector_size = 1_usize << shift;
    // Sector 0 follows the header, which takes the room of one.
    let sector = |index: u32| read((u64::from(index) + 1) << shift, sector_size).filter(|bytes| bytes.len() == sector_size);
    let table_entry = |index: u32| {
        let per_sector = (sector_size / 4) as u32;
        let table = u32_at(head, 76 + 4 * usize::try_from(index / per_sector).ok().filter(|at| *at < 109)?)?;
        u32_at(&sector(table)?, 4 * (index % per_sector) as usize)
    };
    let mut at = u32_at(head, 48)?;
    for _ in 0..MAX_SECTORS {
        for entry in sector(at)?.chunks_exact(128) {
            let length = usize::from(u16_at(entry, 64)?).saturating_sub(2).min(62);
            let name: String =
                entry.get(..length)?.chunks_exact(2).map(|unit| char::from(if unit[1] == 0 { unit[0] } else { b'?' })).collect();
            match name.as_str() {
                "WordDocument" => return Some(&super::DOC),
                "Workbook" | "Book" => return Some(&super::XLS),
                "PowerPoint Document" => return Some(&super::PPT),
                _ => {}
            }
        }
        // Numbers from 0xfffffffa up end a chain ([MS-CFB] 2.1).
        at = table_entry(at).filter(|next| *next < 0xffff_fffa)?;
    }
    None
}
