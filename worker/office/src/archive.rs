//! A look through a zip archive before LibreOffice unpacks it: bombs, and names that lead out of it (TRUST.md T11).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use aho_corasick::AhoCorasick;
use convertfly_sandbox::Failure;
use flate2::read::DeflateDecoder;

/// Entries, at most.
const MAX_ENTRIES: usize = 10_000;

/// Bytes of the list of entries, at most.
const MAX_DIRECTORY: u64 = 16 << 20;

/// Bytes of all entries unpacked, at most.
const MAX_UNPACKED: u64 = 512 << 20;

/// How many times larger than the archive its content may be, at most.
const MAX_RATIO: u64 = 200;

/// Below this many bytes no ratio is too large: empty documents compress very well.
const HARMLESS: u64 = 16 << 20;

/// Looks through it, counting what really comes out rather than what is claimed.
///
/// # Errors
/// [`Failure::TooLarge`] for a bomb, [`Failure::Invalid`] for one that is damaged or has names that no document has.
pub(crate) fn check(file: &File, title: &str) -> Result<(), Failure> {
    unpack(file, title, MAX_UNPACKED, &mut io::sink()).map(|_| ())
}

/// Unpacks the parts one behind the other into `target`, `limit` bytes at the most, and tells the name of each and how many bytes it has; of folders
/// there are 0. `title` is what people call the archive.
///
/// # Errors
/// [`Failure::TooLarge`] for more than that and for bombs, [`Failure::Invalid`] for one that is damaged or has names that lead out of it. What
/// has been written by then is of no use.
pub fn unpack(file: &File, title: &str, limit: u64, target: &mut dyn io::Write) -> Result<Vec<(String, u64)>, Failure> {
    let damaged =
        |what: &str| Failure::invalid(format!("The {title} file is damaged: {what}. Open it elsewhere and save it again"));
    let length = file.metadata().map_err(Failure::internal)?.len();
    let entries = entries(file, length).ok_or_else(|| damaged("its list of contents cannot be read"))?;
    if entries.len() > MAX_ENTRIES {
        return Err(Failure::too_large(format!("The {title} file holds {} parts; the limit is {MAX_ENTRIES}", entries.len())));
    }
    let most = limit.min(length.saturating_mul(MAX_RATIO).max(HARMLESS));
    let too_large = || {
        let why = if most == limit { "which is the limit" } else { "which is too much for its size" };
        Failure::too_large(format!("The {title} file unpacks to more than {most} bytes, {why}"))
    };
    let (mut left, mut names, mut parts) = (most, HashSet::new(), Vec::with_capacity(entries.len()));
    for entry in &entries {
        if leads_out(&entry.name) || entry.is_link {
            return Err(damaged("a part of it has a name that leads out of the file"));
        }
        if !names.insert(&entry.name) {
            return Err(damaged("two parts of it have the same name"));
        }
        // One byte more than is left tells too much from just enough.
        let bytes = unpack_to(file, entry, left + 1, target).ok_or_else(|| damaged("a part of it cannot be unpacked"))?;
        left = left.checked_sub(bytes).ok_or_else(too_large)?;
        parts.push((String::from_utf8_lossy(&entry.name).into_owned(), bytes));
    }
    Ok(parts)
}

/// What is in an archive.
#[derive(Debug)]
pub struct Parts {
    /// The names of all parts.
    pub names: Vec<String>,
    /// Names and contents of those that were wanted.
    pub contents: Vec<(String, Vec<u8>)>,
}

/// The names of the parts of an archive, and the content of those of them that are `wanted`, none of which is larger than `most` bytes.
/// `None` where the list of contents cannot be read.
pub fn parts(file: &File, wanted: &[&str], most: u64) -> Option<Parts> {
    let length = file.metadata().ok()?.len();
    let entries = entries(file, length)?;
    let name = |entry: &Entry| String::from_utf8_lossy(&entry.name).into_owned();
    let mut found = Vec::new();
    for entry in entries.iter().take(MAX_ENTRIES) {
        let name = name(entry);
        let mut content = Vec::new();
        if wanted.contains(&name.as_str()) && unpack_to(file, entry, most, &mut content).is_some() {
            found.push((name, content));
        }
    }
    Some(Parts { names: entries.iter().map(name).collect(), contents: found })
}

/// How many bytes the parts have whose names begin with one of `parts`, unpacked; `None` where they cannot be read, or hold one of `texts`, in
/// small letters or capitals.
pub(crate) fn lacks(file: &File, parts: &[&str], texts: &[&str]) -> Option<u64> {
    let entries = entries(file, file.metadata().ok()?.len())?;
    let texts = AhoCorasick::builder().ascii_case_insensitive(true).build(texts).ok()?;
    let named = entries.iter().filter(|entry| parts.iter().any(|part| entry.name.starts_with(part.as_bytes())));
    let bytes = named.map(|entry| {
        let mut search = Search { texts: &texts, behind: Vec::new(), found: false };
        unpack_to(file, entry, MAX_UNPACKED, &mut search).filter(|_| !search.found)
    });
    bytes.sum()
}

/// Looks for texts in what goes by.
struct Search<'a> {
    texts: &'a AhoCorasick,
    /// The end of what went by, which a text may have begun in.
    behind: Vec<u8>,
    found: bool,
}

impl io::Write for Search<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.behind.extend_from_slice(bytes);
        self.found |= self.texts.is_match(&self.behind);
        let gone = self.behind.len().saturating_sub(self.texts.max_pattern_len());
        self.behind.drain(..gone);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A part of an archive, as the list of contents has it.
struct Entry {
    name: Vec<u8>,
    method: u16,
    packed: u64,
    header: u64,
    is_link: bool,
}

fn leads_out(name: &[u8]) -> bool {
    let odd = name.is_empty() || name.starts_with(b"/") || name.contains(&b'\\') || name.contains(&0);
    odd || name.split(|byte| *byte == b'/').any(|part| part == b"..")
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_at(file: &File, at: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

/// The list of contents (APPNOTE 4.3.12 and 4.3.16). `None` where it is damaged, or of the kind for more than 4 GiB, which no document
/// within the limits needs.
fn entries(file: &File, length: u64) -> Option<Vec<Entry>> {
    const RECORD: u64 = 22;
    let window = length.min(RECORD + 0xffff);
    let tail = read_at(file, length - window, usize::try_from(window).ok()?)?;
    let at = tail.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let count = usize::from(u16_at(&tail, at + 10)?);
    let (size, offset) = (u64::from(u32_at(&tail, at + 12)?), u64::from(u32_at(&tail, at + 16)?));
    if size > MAX_DIRECTORY || offset.checked_add(size)? > length {
        return None;
    }
    let directory = read_at(file, offset, usize::try_from(size).ok()?)?;
    let (mut rest, mut entries) = (directory.as_slice(), Vec::new());
    while rest.starts_with(b"PK\x01\x02") {
        let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(rest, at).map(usize::from));
        let (name, behind) = (name?, extra? + comment?);
        // Upper half of the attributes: the mode of a Unix file, where 0o12 is a symbolic link.
        let mode = u32_at(rest, 38)? >> 28;
        entries.push(Entry {
            name: rest.get(46..46 + name)?.to_vec(),
            method: u16_at(rest, 10)?,
            packed: u64::from(u32_at(rest, 20)?),
            header: u64::from(u32_at(rest, 42)?),
            is_link: mode == 0o12,
        });
        rest = rest.get(46 + name + behind..)?;
    }
    (entries.len() == count && count > 0).then_some(entries)
}

/// Unpacks a part, up to `most` bytes, and tells how many came out.
fn unpack_to(file: &File, entry: &Entry, most: u64, target: &mut dyn io::Write) -> Option<u64> {
    let header = read_at(file, entry.header, 30)?;
    let name = usize::from(u16_at(&header, 26)?);
    // A list that names other parts than the file has would show one document to us and another one to LibreOffice.
    if !header.starts_with(b"PK\x03\x04") || read_at(file, entry.header + 30, name)? != entry.name {
        return None;
    }
    let start = entry.header + 30 + name as u64 + u64::from(u16_at(&header, 28)?);
    let packed = Section { file, at: start, left: entry.packed };
    match entry.method {
        0 => io::copy(&mut packed.take(most), target).ok().filter(|length| *length == entry.packed.min(most)),
        8 => io::copy(&mut DeflateDecoder::new(packed).take(most), target).ok(),
        _ => None,
    }
}

/// A part of a file, read from its own place.
struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.at)?;
        self.at += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// An archive of parts of zeros.
    fn archive(parts: &[(&str, usize)]) -> Vec<u8> {
        let (mut body, mut directory) = (Vec::new(), Vec::new());
        for (name, length) in parts {
            let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
            packer.write_all(&vec![0; *length]).expect("packed");
            let packed = packer.finish().expect("packed");
            let mut header = vec![0; 26];
            header[4] = 8;
            header[14..18].copy_from_slice(&(packed.len() as u32).to_le_bytes());
            header[18..22].copy_from_slice(&(*length as u32).to_le_bytes());
            header[22..24].copy_from_slice(&(name.len() as u16).to_le_bytes());
            directory.extend(b"PK\x01\x02\0\0");
            directory.extend(&header);
            directory.extend([0; 10]);
            directory.extend((body.len() as u32).to_le_bytes());
            directory.extend(name.as_bytes());
            body.extend(b"PK\x03\x04");
            body.extend(header);
            body.extend(name.as_bytes());
            body.extend(packed);
        }
        let (start, size, count) = (body.len() as u32, directory.len() as u32, parts.len() as u16);
        body.extend(directory);
        body.extend(b"PK\x05\x06\0\0\0\0");
        body.extend(count.to_le_bytes());
        body.extend(count.to_le_bytes());
        body.extend(size.to_le_bytes());
        body.extend(start.to_le_bytes());
        body.extend([0, 0]);
        body
    }

    fn checked(bytes: &[u8]) -> Result<(), Failure> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("its bytes");
        check(&file, "DOCX")
    }

    #[test]
    fn a_harmless_archive_passes() {
        assert_eq!(checked(&archive(&[("[Content_Types].xml", 1000), ("word/document.xml", 100_000)])), Ok(()), "harmless");
    }

    #[test]
    fn a_bomb_is_too_large() {
        let bomb = checked(&archive(&[("word/document.xml", 40 << 20)]));
        assert!(matches!(bomb, Err(Failure::TooLarge { .. })), "forty megabytes of zeros in forty kilobytes: {bomb:?}");
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in ["../x", "a/../../x", "a\\b", "/etc/x"] {
            let found = checked(&archive(&[(name, 1)]));
            assert!(matches!(found, Err(Failure::Invalid { .. })), "{name}: {found:?}");
        }
        let twice = checked(&archive(&[("a", 1), ("a", 1)]));
        assert!(matches!(twice, Err(Failure::Invalid { .. })), "{twice:?}");
    }

    #[test]
    fn texts_are_found_wherever_they_lie() {
        let mut file = tempfile::tempfile().expect("a file");
        // Zeros, until the text is put over them in a part that is not packed.
        file.write_all(&archive(&[("content.xml", 100_000), ("other.xml", 10)])).expect("its bytes");
        assert!(lacks(&file, &["content"], &["x"]).is_some(), "zeros");
        assert!(lacks(&file, &["other"], &["\0\0"]).is_none(), "they are there");
        assert_eq!(lacks(&file, &["other"], &["\0\0\0\0\0\0\0\0\0\0\0"]), Some(10), "one fewer");
        let texts = AhoCorasick::builder().ascii_case_insensitive(true).build(["hyperlink"]).expect("a text");
        let mut search = Search { texts: &texts, behind: Vec::new(), found: false };
        for piece in ["<c/><HYPER", "l", "ink ref"] {
            search.write_all(piece.as_bytes()).expect("it goes by");
        }
        assert!(search.found, "over the ends of pieces, in capitals");
        assert!(lacks(&tempfile::tempfile().expect("a file"), &[""], &["x"]).is_none(), "what is no archive is not known");
    }

    #[test]
    fn damaged_archives_are_refused() {
        let whole = archive(&[("a", 1000), ("b", 10)]);
        // The last two bytes are the length of a comment, which nothing depends on.
        for length in 0..whole.len() - 2 {
            assert!(matches!(checked(&whole[..length]), Err(Failure::Invalid { .. })), "cut at {length}");
        }
        // The list and the file name the part differently.
        let mut other = whole.clone();
        other[30] = b'x';
        assert!(matches!(checked(&other), Err(Failure::Invalid { .. })), "two names");
    }
}
