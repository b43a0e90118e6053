//! A JPEG file with nothing in it but its picture.

use super::segments::Segments;

/// The file without names, places, thumbnails and comments: application segments other than JFIF's and Adobe's are left out. `None`
/// where it is not made of segments up to its pixels.
///
/// Four components are inks that not every reader takes the same way, so such files are no plain ones.
pub(crate) fn plain(data: &[u8]) -> Option<Vec<u8>> {
    let segments = Segments::read(data).ok().filter(|segments| segments.is_complete(data))?;
    if !matches!((segments.components, segments.precision, segments.process), (1 | 3, 8, 0xc0..=0xc2)) {
        return None;
    }
    let mut out = data.get(..2).filter(|start| *start == b"\xff\xd8")?.to_vec();
    let mut at = 2;
    loop {
        let (mark, marker) = (*data.get(at)?, *data.get(at + 1)?);
        if mark != 0xff {
            return None;
        }
        if marker == 0xff {
            // A fill byte.
            at += 1;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*data.get(at + 2)?, *data.get(at + 3)?]));
        let segment = data.get(at..at + 2 + length)?;
        if marker == 0xda {
            out.extend_from_slice(&data[at..]);
            return Some(out);
        }
        if !matches!(marker, 0xe1..=0xed | 0xef | 0xfe) {
            out.extend_from_slice(segment);
        }
        at += 2 + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{encode, exif, icc, picture, still};
    use crate::formats::{Decoded, support};
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
}
