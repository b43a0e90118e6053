//! The bytes of a file, with an EOI marker over and over behind its end, as libjpeg has it.

use crate::simd;

/// End of image.
pub(crate) const EOI: u8 = 0xd9;

/// Zeros behind the bytes of a segment: more than the longest MCU of nothing but zeros takes, and a word that is read ahead.
const PADDING: usize = 4096;

#[derive(Debug, Clone)]
pub(crate) struct Stream<'a> {
    data: &'a [u8],
    at: usize,
    /// A segment had fill bytes before a stuffed one, which the standard does not know.
    pub(crate) filled: bool,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Stream { data, at: 0, filled: false }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let byte = match self.data.get(self.at) {
            Some(&byte) => byte,
            None if (self.at - self.data.len()).is_multiple_of(2) => 0xff,
            None => EOI,
        };
        self.at += 1;
        byte
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Passes everything up to the next marker, and gives that.
    pub(crate) fn next_marker(&mut self) -> u8 {
        loop {
            while self.byte() != 0xff {}
            let mut code = self.byte();
            while code == 0xff {
                code = self.byte();
            }
            if code != 0 {
                return code;
            }
        }
    }

    /// Like `next_marker`, for scans that nobody reads.
    pub(crate) fn skip_segment(&mut self) -> u8 {
        if let Some(rest) = self.data.get(self.at..) {
            let mut from = 0;
            while let Some(found) = simd::find_ff(&rest[from..]) {
                match rest.get(from + found + 1) {
                    Some(0) => from += found + 2,
                    _ => {
                        self.at += from + found;
                        return self.next_marker();
                    }
                }
            }
            self.at = self.data.len();
        }
        // Behind the end, too.
        self.next_marker()
    }

    /// The data up to the next marker without its stuffing, padded with zeros, in `out`; gives its length and the marker, which is passed.
    pub(crate) fn segment(&mut self, out: &mut Vec<u8>) -> (usize, u8) {
        out.clear();
        let rest = self.data.get(self.at..).unwrap_or_default();
        let mut from = 0;
        let marker = loop {
            let Some(found) = simd::copy_until_ff(&rest[from..], out) else {
                self.at = self.at.max(self.data.len());
                // Half of an EOI may have been read as something else; then the other half is data.
                if !(self.at - self.data.len()).is_multiple_of(2) {
                    out.push(self.byte());
                }
                break self.next_marker();
            };
            // Behind any number of FF stands what they mean.
            self.at += found + 1;
            from += found + 1;
            let mut code = self.byte();
            from += 1;
            let fills = code == 0xff;
            while code == 0xff {
                code = self.byte();
                from += 1;
            }
            if code != 0 {
                break code;
            }
            self.filled |= fills;
            out.push(0xff);
            if from > rest.len() {
                break self.next_marker();
            }
        };
        let length = out.len();
        out.resize(length + PADDING, 0);
        (length, marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(data: &[u8]) -> (Vec<u8>, u8) {
        let mut out = Vec::new();
        let (length, marker) = Stream::new(data).segment(&mut out);
        assert!(out[length..].iter().all(|&byte| byte == 0), "padded");
        out.truncate(length);
        (out, marker)
    }

    #[test]
    fn stuffing_goes_and_markers_end_it() {
        assert_eq!(segment(&[1, 0xff, 0, 2, 0xff, 0xff, 0, 3, 0xff, 0xd3, 9]), (vec![1, 0xff, 2, 0xff, 3], 0xd3));
        assert_eq!(segment(&[]), (vec![], EOI), "behind the end there is EOI");
        assert_eq!(segment(&[7, 0xff]), (vec![7], EOI));
        assert_eq!(segment(&[7, 0xff, 0]), (vec![7, 0xff], EOI));
        let long: Vec<u8> = (0..1000).map(|i| (i % 251) as u8).collect();
        assert_eq!(segment(&long), (long.clone(), EOI));
    }

    #[test]
    fn skipping_finds_the_same_marker() {
        for data in [&[1, 0xff, 0, 2, 0xff, 0xff, 0, 3, 0xff, 0xd3, 9][..], &[], &[7, 0xff], &[0xff, 0, 0xff, 0xda, 1]] {
            let (mut one, mut other) = (Stream::new(data), Stream::new(data));
            assert_eq!(one.skip_segment(), other.segment(&mut Vec::new()).1);
            assert_eq!(one.word(), other.word(), "and stands behind it");
        }
    }
}
