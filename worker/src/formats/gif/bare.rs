//! A GIF without remarks: comments and what programs note for themselves.

/// Applications whose blocks say how an animation plays.
const PLAYING: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

/// The file without them, up to its end; the file itself where it is not made of blocks.
pub(super) fn bare(data: &[u8]) -> Vec<u8> {
    without_remarks(data).unwrap_or_else(|| data.to_vec())
}

/// Bytes of a table of colours by the flags before it.
fn table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Where the chain of pieces at `at` ends, behind its closing zero.
fn pieces(data: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*data.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

/// GIF89a, sections 17 to 27.
fn without_remarks(data: &[u8]) -> Option<Vec<u8>> {
    let mut at = 13 + table(*data.get(10)?);
    let mut out = data.get(..at)?.to_vec();
    loop {
        // A file that ends without saying so ends there.
        let (end, remark) = match data.get(at).unwrap_or(&0x3b) {
            0x21 => {
                let (label, name) = (*data.get(at + 1)?, data.get(at + 3..at + 14));
                let playing = name.is_some_and(|name| PLAYING.contains(&name));
                (pieces(data, at + 2)?, label == 0xfe || (label == 0xff && !playing))
            }
            0x2c => (pieces(data, at + 11 + table(*data.get(at + 9)?))?, false),
            0x3b => {
                out.push(0x3b);
                return Some(out);
            }
            _ => return None,
        };
        if !remark {
            out.extend_from_slice(data.get(at..end)?);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{decode, encode, picture, still};
    use crate::pixels::Channels;

    #[test]
    fn remarks_go_and_the_picture_stays() {
        let gif = encode("gif", &still(picture(20, 10, Channels::Rgb)));
        let table = 13 + table(gif[10]);
        let mut noted = gif.clone();
        noted.splice(table..table, [&b"\x21\xfe\x05place\0"[..], b"\x21\xff\x0bXMP DataXMP\x04here\0"].concat());
        noted.extend(b"and more");
        assert_eq!(decode("gif", &noted).frames.len(), 1, "it is read with its remarks");
        assert_eq!(bare(&noted), gif, "all of them, and what follows the end");
        for length in 0..noted.len() {
            assert!(bare(&noted[..length]).len() <= length + 1, "cut at {length}");
        }
    }
}
