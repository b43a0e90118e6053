//! A JPEG file with nothing in it but its picture, and with what is said beside it put back.

use super::segments::Segments;
use crate::formats::Tags;

/// Bytes of a profile that fit into one APP2 segment: 65,533 less the name and the two numbers.
const ICC_PIECE: usize = 65_533 - 14;

/// What XMP begins with in its segment (XMP specification, part 3, 1.1.3).
const XMP_NAME: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The file without names, places, thumbnails and comments: application segments other than JFIF's and Adobe's are left out. `None`
/// where it is not made of segments up to its pixels.
///
/// Four components are inks that not every reader takes the same way, so such files are no plain ones.
pub(crate) fn plain(data: &[u8]) -> Option<Vec<u8>> {
    let segments = Segments::read(data).ok().filter(|segments| segments.is_complete(data))?;
    if !matches!((segments.components, segments.precision, segments.process), (1 | 3, 8, 0xc0..=0xc2)) {
        return None;
    }
    bare(data)
}

/// The same for any JPEG file. What follows its end, such as the film of a moving photo or a second picture, goes as well.
pub(super) fn bare(data: &[u8]) -> Option<Vec<u8>> {
    let mut out = data.get(..2).filter(|start| *start == b"\xff\xd8")?.to_vec();
    let mut at = 2;
    loop {
        // Stray bytes before a marker are skipped as readers do; in front of the first scan they say nothing.
        at += data.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        let marker = *data.get(at + 1)?;
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8 | 0xff) {
            // A fill byte, or a marker without a body.
            at += 1;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*data.get(at + 2)?, *data.get(at + 3)?]));
        let segment = data.get(at..at + 2 + length).filter(|segment| segment.len() >= 4)?;
        if marker == 0xda {
            let end = end_of_picture(data, at + 2 + length);
            out.extend_from_slice(&data[at..end]);
            return Some(out);
        }
        let says_how_to_read = match marker {
            0xe0 => segment[4..].starts_with(b"JFIF\0"),
            0xe1..=0xed | 0xef | 0xfe => false,
            0xee => segment[4..].starts_with(b"Adobe"),
            _ => true,
        };
        if says_how_to_read {
            out.extend_from_slice(segment);
        }
        at += 2 + length;
    }
}

/// Where the picture ends whose first scan has its pixels at `at`: behind the end-of-image marker, or at the end of the file.
fn end_of_picture(data: &[u8], mut at: usize) -> usize {
    while let Some(found) = data.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += found;
        let Some(&marker) = data.get(at + 1) else { break };
        at += match marker {
            0xd9 => return at + 2,
            // A byte of the pixels, a restart, or fill.
            0x00 | 0x01 | 0xd0..=0xd8 => 2,
            0xff => 1,
            // Tables and the heads of further scans.
            _ => match data.get(at + 2..at + 4) {
                Some(length) => 2 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => break,
            },
        };
    }
    data.len()
}

/// Puts a profile, EXIF and XMP into a file, behind its JFIF segment, where each fits.
pub(super) fn with(jpeg: &[u8], profile: Option<&[u8]>, tags: &Tags) -> Vec<u8> {
    let at = match jpeg {
        [0xff, 0xd8, 0xff, 0xe0, high, low, ..] => (4 + usize::from(u16::from_be_bytes([*high, *low]))).min(jpeg.len()),
        _ => 2.min(jpeg.len()),
    };
    let (head, rest) = jpeg.split_at(at);
    let mut out = head.to_vec();
    let mut segment = |marker: u8, parts: &[&[u8]]| {
        let length = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
        if let Ok(length) = u16::try_from(length) {
            out.extend([0xff, marker]);
            out.extend(length.to_be_bytes());
            parts.iter().for_each(|part| out.extend_from_slice(part));
        }
    };
    if let Some(exif) = &tags.exif {
        segment(0xe1, &[b"Exif\0\0", exif]);
    }
    if let Some(xmp) = &tags.xmp {
        segment(0xe1, &[XMP_NAME, xmp.as_bytes()]);
    }
    let pieces: Vec<&[u8]> = profile.unwrap_or_default().chunks(ICC_PIECE).collect();
    // The pieces are numbered by one byte.
    if let Ok(total) = u8::try_from(pieces.len()) {
        for (number, piece) in (1..=total).zip(pieces) {
            segment(0xe2, &[b"ICC_PROFILE\0", &[number, total], piece]);
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{encode, exif, icc, picture, still};
    use crate::formats::{Decoded, Effort, EncodeOptions, Limits, support};
    use crate::pixels::Channels;

    #[test]
    fn only_the_picture_is_left() {
        let bare = encode("jpg", &still(picture(20, 10, Channels::Rgb)));
        let mut full = encode("jpg", &Decoded { icc: Some(icc(b"RGB ", 300)), ..still(picture(20, 10, Channels::Rgb)) });
        for (marker, body) in [(0xe1, exif(6, true)), (0xfe, b"a comment".to_vec())] {
            let length = (body.len() as u16 + 2).to_be_bytes();
            full.splice(2..2, [&[0xff, marker][..], &length, &body].concat());
        }
        assert_eq!(plain(&full), Some(bare.clone()), "as if nothing had been added");
        assert_eq!(plain(&bare), Some(bare.clone()), "nothing is taken from a bare one");
        assert_eq!(support::testing::decode("jpg", &bare).frames.len(), 1, "and it is read");
        for len in 0..40 {
            let _ = plain(&full[..len]);
        }
    }

    #[test]
    fn nothing_that_follows_the_picture_is_left() {
        let bare = encode("jpg", &still(picture(20, 10, Channels::Rgb)));
        let film = [&bare[..], b"\0\0\0\x18ftypmp42 and a place", &bare].concat();
        assert_eq!(plain(&film), Some(bare.clone()), "no film, no second picture");
        // A progressive file has tables and heads between its scans.
        let options = EncodeOptions { effort: Effort::Small, ..EncodeOptions::default() };
        let mut progressive = std::io::Cursor::new(Vec::new());
        super::super::encode(&still(picture(70, 50, Channels::Rgb)), &options, &mut progressive).expect("it is written");
        let progressive = progressive.into_inner();
        assert_eq!(plain(&[&progressive[..], b"more"].concat()), Some(progressive), "all scans are kept");
    }

    #[test]
    fn what_is_put_in_is_found_again() {
        let bare = encode("jpg", &still(picture(20, 10, Channels::Rgb)));
        let tags = Tags { exif: Some(exif(6, true)[6..].to_vec()), xmp: Some("<x:xmpmeta/>".to_owned()) };
        let profile = icc(b"RGB ", 70_000);
        let full = with(&bare, Some(&profile), &tags);
        let read = Segments::read(&full).expect("segments");
        assert_eq!(read.exif, Some(&exif(6, true)[..]), "EXIF");
        assert_eq!(read.icc(&Limits::default()), Ok(Some(profile)), "the profile in two pieces");
        assert!(full.windows(12).any(|window| window == b"<x:xmpmeta/>"), "XMP");
        assert_eq!(plain(&full), Some(bare), "and out again");
    }
}
