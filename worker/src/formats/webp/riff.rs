//! The container: walking over chunks, and writing a file of chunks (RFC 9649, section 2).

use crate::formats::Tags;

/// A chunk: its four letters and its payload.
pub(super) type Chunk<'a> = ([u8; 4], &'a [u8]);

/// Flags of the VP8X chunk.
pub(super) const ANIMATION: u8 = 0x02;
pub(super) const ALPHA: u8 = 0x10;
pub(super) const ICC: u8 = 0x20;
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;

/// Walks over the chunks of `data`; a last one that is cut short is left out, and `Err` then follows.
pub(super) fn chunks(mut data: &[u8]) -> impl Iterator<Item = Result<Chunk<'_>, &'static str>> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let &[a, b, c, d, s0, s1, s2, s3, ref rest @ ..] = data else {
            data = &[];
            return Some(Err("a chunk header is cut short"));
        };
        let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        let Some((body, after)) = rest.split_at_checked(size) else {
            data = &[];
            return Some(Err("a chunk is cut short"));
        };
        // Odd sizes are padded by one byte; the last padding is often missing.
        data = after.get(size % 2..).unwrap_or_default();
        Some(Ok(([a, b, c, d], body)))
    })
}

/// The chunks of a whole file.
pub(super) fn file_chunks(data: &[u8]) -> impl Iterator<Item = Result<Chunk<'_>, &'static str>> {
    let size = data.get(4..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    // What follows the size that the header states does not belong to the file.
    let end = size.saturating_add(8).min(data.len());
    chunks(data.get(12..end).unwrap_or_default())
}

/// The payload of a VP8X chunk.
pub(super) fn extended_header(flags: u8, width: u32, height: u32) -> [u8; 10] {
    let [w0, w1, w2, _] = (width - 1).to_le_bytes();
    let [h0, h1, h2, _] = (height - 1).to_le_bytes();
    [flags, 0, 0, 0, w0, w1, w2, h0, h1, h2]
}

/// A file of these chunks.
pub(super) fn file(chunks: &[Chunk<'_>]) -> Vec<u8> {
    let padded = |body: &[u8]| body.len() + body.len() % 2;
    let size = 4 + chunks.iter().map(|(_, body)| 8 + padded(body)).sum::<usize>();
    let mut out = Vec::with_capacity(size + 8);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(size as u32).to_le_bytes());
    out.extend_from_slice(b"WEBP");
    for (name, body) in chunks {
        out.extend_from_slice(name);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(body);
        out.resize(out.len() + body.len() % 2, 0);
    }
    out
}

/// The same picture with a profile, EXIF and XMP, and with nothing else beside it.
///
/// # Errors
/// A text where the file is not made of chunks.
pub(super) fn with(webp: &[u8], profile: Option<&[u8]>, tags: &Tags, size: (u32, u32)) -> Result<Vec<u8>, &'static str> {
    let mut rest = file_chunks(webp).collect::<Result<Vec<_>, _>>()?;
    let alpha = |chunk: &Chunk<'_>| {
        // The lossless header has its alpha bit behind the signature and two sides of 14 bits.
        &chunk.0 == b"ALPH" || (&chunk.0 == b"VP8L" && chunk.1.get(4).is_some_and(|byte| byte & 0x10 != 0))
    };
    let mut flags = match rest.first() {
        Some(([b'V', b'P', b'8', b'X'], body)) => body.first().copied().unwrap_or_default() & (ANIMATION | ALPHA),
        _ if rest.iter().any(alpha) => ALPHA,
        _ => 0,
    };
    rest.retain(|(name, _)| matches!(name, b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF"));
    let mut after: Vec<Chunk<'_>> = Vec::new();
    if let Some(exif) = &tags.exif {
        flags |= EXIF;
        after.push((*b"EXIF", exif));
    }
    if let Some(xmp) = &tags.xmp {
        flags |= XMP;
        after.push((*b"XMP ", xmp.as_bytes()));
    }
    // A picture alone needs no header of its own. One of frames or with a plane of alpha does.
    let alone = matches!(&rest[..], [(name, _)] if matches!(name, b"VP8 " | b"VP8L"));
    if alone && profile.is_none() && after.is_empty() {
        return Ok(file(&rest));
    }
    let header = extended_header(if profile.is_some() { flags | ICC } else { flags }, size.0, size.1);
    let mut all: Vec<Chunk<'_>> = vec![(*b"VP8X", &header)];
    all.extend(profile.map(|profile| (*b"ICCP", profile)));
    all.extend(rest);
    all.extend(after);
    Ok(file(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back_and_cuts_are_noticed() {
        let data = file(&[(*b"ABCD", b"odd"), (*b"EFGH", b"even")]);
        let read: Vec<_> = file_chunks(&data).collect();
        assert_eq!(read, [Ok((*b"ABCD", b"odd".as_slice())), Ok((*b"EFGH", b"even".as_slice()))], "as written");
        for len in 13..data.len() {
            let whole = file_chunks(&data[..len]).all(|chunk| chunk.is_ok());
            // The padding byte of the first chunk may be missing.
            assert_eq!(whole, len == 23 || len == 24, "cut at {len}: only the end of the first chunk looks whole");
        }
    }
}
