//! How files of sound and moving pictures are recognised.

use super::brands::brands;

/// Major brands of the MP4 family that are pictures, or one camera's raw pictures.
const STILL: [&[u8; 4]; 15] = [
    b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"crx ", b"jpx ",
    b"jxl ",
];

/// Major brands of files that hold sound alone.
const SOUND: [&[u8; 4]; 4] = [b"M4A ", b"M4B ", b"M4P ", b"F4A "];

/// Atoms that QuickTime files without brands begin with.
const ATOMS: [&[u8; 4]; 7] = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof"];

fn is_one_of(brand: &[u8], list: &[&[u8; 4]]) -> bool {
    list.iter().any(|&known| known == brand)
}

pub(in crate::formats) fn is_mp4(head: &[u8]) -> bool {
    brands(head).next().is_some_and(|major| !is_one_of(major, &STILL) && !is_one_of(major, &SOUND) && major != b"qt  ")
}

pub(in crate::formats) fn is_m4a(head: &[u8]) -> bool {
    brands(head).next().is_some_and(|major| is_one_of(major, &SOUND))
}

pub(in crate::formats) fn is_mov(head: &[u8]) -> bool {
    let size = head.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    let is_atom = head.get(4..8).is_some_and(|kind| is_one_of(kind, &ATOMS));
    // 0 is "to the end of the file", 1 "a size of 64 bits follows".
    brands(head).next().is_some_and(|major| major == b"qt  ") || (is_atom && (size <= 1 || size >= 8))
}

fn is_riff(head: &[u8], kind: &[u8; 4]) -> bool {
    (head.starts_with(b"RIFF") || head.starts_with(b"RF64")) && head.get(8..12) == Some(kind)
}

pub(in crate::formats) fn is_avi(head: &[u8]) -> bool {
    is_riff(head, b"AVI ")
}

pub(in crate::formats) fn is_wav(head: &[u8]) -> bool {
    is_riff(head, b"WAVE")
}

/// The document type of an EBML header: the text of its element 0x4282.
pub(in crate::formats) fn doc_type(head: &[u8]) -> Option<&[u8]> {
    let header = head.strip_prefix(b"\x1a\x45\xdf\xa3")?;
    let header = header.get(..header.len().min(128))?;
    let at = header.windows(2).position(|two| two == b"\x42\x82")? + 2;
    // The size is one byte whose highest bit says so: longer ones are not needed for a word.
    let length = usize::from(header.get(at)?.checked_sub(0x80)?);
    let text = header.get(at + 1..at + 1 + length)?;
    Some(text.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// What stands behind an ID3v2 tag; everything where there is none.
pub(in crate::formats) fn after_tag(head: &[u8]) -> &[u8] {
    let Some([_, _, flags, a, b, c, d]) = head.strip_prefix(b"ID3").and_then(|rest| rest.first_chunk::<7>()) else { return head };
    // Seven bits a byte, so that no size looks like the start of a frame.
    let size = [a, b, c, d].into_iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
    let footer = if flags & 0x10 != 0 { 10 } else { 0 };
    head.get(10 + size + footer..).unwrap_or_default()
}

pub(in crate::formats) fn is_mp3(head: &[u8]) -> bool {
    let behind = after_tag(head);
    // The tag alone reaches further than what is looked at: such tags are written for MP3.
    if head.starts_with(b"ID3") && behind.len() < 4 {
        return true;
    }
    match mp3_frame(behind) {
        // One header may be chance, two in the right distance hardly are. A file of one frame ends with it.
        Some(length) => behind.get(length..).is_none_or(|next| next.len() < 4 || mp3_frame(next).is_some()),
        None => false,
    }
}

/// Bytes of the MPEG audio frame of layer III that begins here.
fn mp3_frame(data: &[u8]) -> Option<usize> {
    const RATES: [[usize; 16]; 2] = [
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
    ];
    let &[0xff, second, third, _] = data.first_chunk::<4>()? else { return None };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    if second & 0xe0 != 0xe0 || version == 1 || layer != 1 {
        return None;
    }
    let (second_half, divisor) = match version {
        3 => (0, 1),
        2 => (1, 2),
        _ => (1, 4),
    };
    let rate = RATES[second_half][usize::from(third >> 4)];
    let frequency = [44_100, 48_000, 32_000, 0][usize::from(third >> 2 & 3)] / divisor;
    if rate == 0 || frequency == 0 {
        return None;
    }
    let samples = if second_half == 0 { 144 } else { 72 };
    Some(samples * rate * 1000 / frequency + usize::from(third >> 1 & 1))
}

pub(in crate::formats) fn is_adts(head: &[u8]) -> bool {
    let behind = after_tag(head);
    match adts_frame(behind) {
        Some(length) => behind.get(length..).is_none_or(|next| next.len() < 7 || adts_frame(next).is_some()),
        None => false,
    }
}

/// Bytes of the ADTS frame that begins here.
fn adts_frame(data: &[u8]) -> Option<usize> {
    let &[0xff, second, third, fourth, fifth, sixth, _] = data.first_chunk::<7>()? else { return None };
    // The layer of ADTS is always 0; thirteen frequencies are defined.
    if second & 0xf6 != 0xf0 || third >> 2 & 15 > 12 {
        return None;
    }
    let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
    (length >= 7).then_some(length)
}

#[cfg(test)]
mod tests {
    use crate::formats::sniff;

    fn name(head: &[u8]) -> Option<&'static str> {
        sniff(head).map(|format| format.name)
    }

    #[test]
    fn containers_are_known_by_their_marks() {
        for (head, expected) in [
            (&b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"[..], "mp4"),
            (b"\0\0\0\x14ftypqt  \0\0\x02\0qt  ", "mov"),
            (b"\0\0\0\x08wide\0\0\x10\0mdat", "mov"),
            (b"\0\0\0\x1cftypM4A \0\0\x02\0M4A isom", "m4a"),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm\x42\x87\x81\x02", "webm"),
            (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska\x42\x87\x81\x02", "mkv"),
            (b"RIFF\0\0\0\0AVI LIST", "avi"),
            (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
            (b"OggS\0\x02", "ogg"),
            (b"fLaC\0\0\0\x22", "flac"),
            (b"ID3\x04\0\0\0\0\x00\x02\0\0fLaC", "flac"),
        ] {
            assert_eq!(name(head), Some(expected), "{:?}", String::from_utf8_lossy(head));
        }
        assert_eq!(name(b"\x1a\x45\xdf\xa3\x9f\x42\x82\x85other"), None, "EBML of another kind");
        assert_eq!(name(b"#EXTM3U\n#EXT-X-TARGETDURATION:1"), None, "a playlist is nothing of ours");
    }

    #[test]
    fn frames_without_a_header_are_known_by_two_in_a_row() {
        // MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes a frame.
        let mut mp3 = vec![0; 417 * 2];
        mp3[..4].copy_from_slice(b"\xff\xfb\x90\x00");
        assert_eq!(name(&mp3), None, "one header may be chance");
        mp3[417..421].copy_from_slice(b"\xff\xfb\x90\x00");
        assert_eq!(name(&mp3), Some("mp3"), "two are not");
        let tagged = [b"ID3\x03\0\0\0\0\x00\x02\0\0".as_slice(), &mp3].concat();
        assert_eq!(name(&tagged), Some("mp3"), "behind its tag");
        // ADTS, AAC LC, 44.1 kHz, 32 bytes a frame.
        let mut aac = vec![0; 64];
        aac[..7].copy_from_slice(b"\xff\xf1\x50\x80\x04\x1f\xfc");
        assert_eq!(name(&aac), None, "one header");
        aac[32..39].copy_from_slice(b"\xff\xf1\x50\x80\x04\x1f\xfc");
        assert_eq!(name(&aac), Some("aac"), "two");
        assert_eq!(name(b"\xff\xfe<\0h\0t\0m\0l\0"), None, "a byte order mark is no sound");
    }
}
