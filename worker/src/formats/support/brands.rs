//! Which codec a file of the family holds, from the brands of its first box (ISO/IEC 14496-12, section 4.3).

/// Brands of files coded with HEVC (ISO/IEC 23008-12, annex B).
#[cfg(any(feature = "heif", test))]
const HEVC: [&[u8; 4]; 8] = [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"];
/// Brands of files coded with AV1 (AVIF, section 6).
const AV1: [&[u8; 4]; 2] = [b"avif", b"avis"];
/// Brands that tell the structure and leave the codec open.
const STRUCTURE: [&[u8; 4]; 2] = [b"mif1", b"msf1"];

/// The brands of the box, the major one first; empty where the file does not begin with it.
pub(in crate::formats) fn brands(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let size = head.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes) as usize;
    let body = if head.get(4..8) == Some(b"ftyp") { head.get(8..size.min(head.len())).unwrap_or_default() } else { &[] };
    // The second four bytes are the minor version.
    body.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1).map(|(_, brand)| brand)
}

fn has(head: &[u8], wanted: &[&[u8; 4]]) -> bool {
    brands(head).any(|brand| wanted.iter().any(|&wanted| wanted == brand))
}

/// Whether a file is coded with AV1.
pub(in crate::formats) fn is_avif(head: &[u8]) -> bool {
    match brands(head).next() {
        Some(major) if AV1.iter().any(|&brand| brand == major) => true,
        Some(major) if STRUCTURE.iter().any(|&brand| brand == major) => has(head, &AV1),
        _ => false,
    }
}

/// Whether a file is coded with HEVC, or of the family without a word about its codec.
#[cfg(any(feature = "heif", test))]
pub(in crate::formats) fn is_heic(head: &[u8]) -> bool {
    match brands(head).next() {
        Some(major) if HEVC.iter().any(|&brand| brand == major) => true,
        Some(major) if STRUCTURE.iter().any(|&brand| brand == major) => !has(head, &AV1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(brands: &[&[u8; 4]]) -> Vec<u8> {
        let mut data = (8 + 4 * brands.len() as u32).to_be_bytes().to_vec();
        data.extend(b"ftyp");
        data.extend(brands.iter().flat_map(|brand| **brand));
        data.extend(b"\0\0\0\x08avif");
        data
    }

    #[test]
    fn the_brands_tell_the_codec() {
        for (brands, heic, avif) in [
            (&[b"heic", b"\0\0\0\0", b"mif1"][..], true, false),
            (&[b"mif1", b"\0\0\0\0", b"mif1", b"heic"], true, false),
            (&[b"mif1", b"\0\0\0\0", b"mif1", b"avif"], false, true),
            (&[b"avif", b"\0\0\0\0", b"mif1"], false, true),
            (&[b"avis", b"\0\0\0\0"], false, true),
            (&[b"mif1", b"avif"], true, false),
            (&[b"isom", b"\0\0\0\0", b"mp41"], false, false),
            (&[], false, false),
        ] {
            let head = file(brands);
            assert_eq!((is_heic(&head), is_avif(&head)), (heic, avif), "{brands:?}");
        }
        assert!(!is_heic(b"\xff\xff\xff\xffftypheic\xff") || is_heic(b"\0\0\0\x0cftypheic"), "a box longer than the file");
    }
}
