//! The chunks of a file: leaving some out, and putting some in.

use std::borrow::Cow;

/// What precedes the first chunk.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Chunks that change how the pixels show, beside those that readers must know: colours, the size of a pixel, and animation.
pub(super) const SHOWN: [[u8; 4]; 14] = [
    *b"tRNS", *b"gAMA", *b"cHRM", *b"sRGB", *b"iCCP", *b"cICP", *b"mDCV", *b"cLLI", *b"sBIT", *b"bKGD", *b"pHYs", *b"acTL",
    *b"fcTL", *b"fdAT",
];

/// Name and whole bytes of each chunk, up to the end of the picture or to where the file is no more made of chunks.
fn chunks(data: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = data.strip_prefix(SIGNATURE).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let (chunk, after) = rest.split_at_checked(length.checked_add(12)?)?;
        let name = &chunk[4..8];
        rest = if name == b"IEND" { &[] } else { after };
        Some((name, chunk))
    })
}

/// What the first chunk of that name holds, wherever it stands.
pub(super) fn body<'a>(data: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    chunks(data).find(|(name, _)| name == wanted).and_then(|(_, chunk)| chunk.get(8..chunk.len() - 4))
}

/// Bytes of a stream that are worth a copy.
const MOST_COPIED: usize = 64 << 20;

/// The stream of the picture's pixels, where all of its chunks are there and sound, and another one behind them.
pub(super) fn stream(data: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut chunks = chunks(data).skip_while(|(name, _)| name != b"IDAT").peekable();
    let mut parts = Vec::new();
    while let Some((_, chunk)) = chunks.next_if(|(name, _)| name == b"IDAT") {
        let (named, sum) = chunk.get(4..)?.split_last_chunk::<4>()?;
        if crc32fast::hash(named) != u32::from_be_bytes(*sum) {
            return None;
        }
        parts.push(&named[4..]);
    }
    chunks.next()?;
    match parts[..] {
        [whole] => Some(Cow::Borrowed(whole)),
        _ if parts.iter().map(|part| part.len()).sum::<usize>() > MOST_COPIED => None,
        _ => Some(Cow::Owned(parts.concat())),
    }
}

/// The file without what does not show: names, places, text, times, thumbnails; and what follows its end.
pub(super) fn bare(data: &[u8]) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    for (name, chunk) in chunks(data) {
        // A capital begins the name of what readers must know (PNG third edition, 5.4).
        if name[0].is_ascii_uppercase() || SHOWN.iter().any(|shown| shown == name) {
            out.extend_from_slice(chunk);
        }
    }
    out
}

/// The file without chunks of that name.
pub(super) fn without(data: &[u8], unwanted: &[u8; 4]) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    chunks(data).filter(|(name, _)| name != unwanted).for_each(|(_, chunk)| out.extend_from_slice(chunk));
    out
}

/// The file with one more chunk, in front of the pixels.
pub(super) fn with(data: &[u8], name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let Ok(length) = u32::try_from(body.len()) else { return data.to_vec() };
    let mut out = SIGNATURE.to_vec();
    for (index, (_, chunk)) in chunks(data).enumerate() {
        out.extend_from_slice(chunk);
        // The header comes first and nothing may come between it and us but other chunks of this kind.
        if index == 0 {
            let named = [name, body].concat();
            out.extend(length.to_be_bytes());
            out.extend_from_slice(&named);
            out.extend(crc32fast::hash(&named).to_be_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{decode, encode, exif, picture, still};
    use crate::pixels::{Channels, Orientation};

    #[test]
    fn chunks_come_and_go() {
        let png = encode("png", &still(picture(20, 10, Channels::Rgba)));
        let turned = with(&png, b"eXIf", &exif(6, true)[6..]);
        assert_eq!(decode("png", &turned).orientation, Orientation::Rotate90, "it is found by a reader");
        let noted = with(&with(&turned, b"tEXt", b"Author\0me"), b"gAMA", &45_455_u32.to_be_bytes());
        let clean = bare(&[&noted[..], b"more"].concat());
        assert_eq!(clean, with(&png, b"gAMA", &45_455_u32.to_be_bytes()), "what shows stays");
        assert_eq!(without(&clean, b"gAMA"), png, "by name");
        for length in 0..noted.len() {
            let _ = bare(&noted[..length]);
        }
    }
}
