//! The size from the first bytes (ISO/IEC 18181-1, SizeHeader), before a library is trusted with the file.

/// Bits, least significant first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for bit in 0..count {
            let byte = *self.data.get(self.at / 8)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(value)
    }

    fn side(&mut self, small: bool) -> Option<u32> {
        if small {
            return Some((self.take(5)? + 1) * 8);
        }
        let bits = [9, 13, 18, 30][self.take(2)? as usize];
        Some(self.take(bits)? + 1)
    }
}

/// Width and height as stored; `None` where the bytes are not those of such a file.
pub(super) fn of(data: &[u8]) -> Option<(u32, u32)> {
    let stream = codestream(data)?.strip_prefix(b"\xff\x0a")?;
    let mut bits = Bits { data: stream, at: 0 };
    let small = bits.take(1)? == 1;
    let height = bits.side(small)?;
    let width = match bits.take(3)? {
        0 => bits.side(small)?,
        ratio => {
            let (numerator, denominator) = [(1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)][ratio as usize - 1];
            u32::try_from(u64::from(height) * numerator / denominator).ok()?
        }
    };
    Some((width, height))
}

/// The codestream, or its beginning: the file itself, or the first box that holds some of it.
fn codestream(data: &[u8]) -> Option<&[u8]> {
    if data.starts_with(b"\xff\x0a") {
        return Some(data);
    }
    let mut rest = data;
    loop {
        let size = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        let name = rest.get(4..8)?;
        let (head, size) = match size {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(rest.get(8..16)?.try_into().ok()?)).ok()?),
            size => (8, size as usize),
        };
        match name {
            b"jxlc" => return rest.get(head..),
            // Parts of the stream begin with their number.
            b"jxlp" => return rest.get(head + 4..),
            _ => rest = rest.get(size.max(head)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{encode, picture, still};
    use crate::pixels::Channels;

    #[test]
    fn sizes_are_read_bare_and_in_boxes() {
        for (width, height) in [(8, 8), (16, 9), (300, 200), (700, 40), (37, 21)] {
            let bare = encode("jxl", &still(picture(width, height, Channels::Rgb)));
            assert_eq!(of(&bare), Some((width, height)), "bare");
            let boxed = |name: &[u8; 4], head: &[u8]| {
                let size = (8 + head.len() + bare.len()) as u32;
                [b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl ", &size.to_be_bytes()[..], name, head, &bare].concat()
            };
            assert_eq!(of(&boxed(b"jxlc", b"")), Some((width, height)), "in one box");
            assert_eq!(of(&boxed(b"jxlp", b"\0\0\0\0")), Some((width, height)), "in parts");
        }
        // A ratio of 2 to 1: 64 high in eighths, code 7.
        assert_eq!(of(&[0xff, 0x0a, 0b1100_1111, 0b1]), Some((128, 64)), "by its ratio");
        assert_eq!(of(b"\xff\x0a"), None, "nothing behind the signature");
    }
}
