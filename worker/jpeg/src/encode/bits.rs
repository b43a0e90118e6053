//! Bits of a scan as they are written, with the stuffing behind every FF.

/// Collects bits until 64 are full.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
    window: u64,
    free: u32,
}

impl Writer {
    /// Appends to `out`.
    pub(super) fn new(out: Vec<u8>) -> Self {
        Writer { out, window: 0, free: 64 }
    }

    /// The lowest `count` bits, up to 57; those above them must be 0.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        if count < self.free {
            self.free -= count;
            // No bits into an empty window are a shift by 64.
            self.window |= bits << (self.free & 63);
        } else {
            let over = count - self.free;
            let word = self.window | bits >> over;
            self.word(word);
            self.free = 64 - over;
            // With nothing over, a shift by 64 would be none.
            self.window = (bits << 1) << (self.free - 1);
        }
    }

    #[inline(always)]
    fn word(&mut self, word: u64) {
        let hits = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
        let bytes = word.to_be_bytes();
        if hits == 0 {
            self.out.extend_from_slice(&bytes);
        } else {
            self.stuff(&bytes);
        }
    }

    #[cold]
    fn stuff(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
    }

    /// Fills the last byte up with ones.
    pub(super) fn flush(&mut self) {
        let used = 64 - self.free;
        let fill = used.wrapping_neg() % 8;
        self.put((1 << fill) - 1, fill);
        let bytes = self.window.to_be_bytes();
        let whole = ((64 - self.free) / 8) as usize;
        self.stuff(&bytes[..whole]);
        (self.window, self.free) = (0, 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_stuffed_and_filled_up() {
        let mut writer = Writer::new(vec![9]);
        for count in [3, 8, 57, 1, 20, 40, 7] {
            writer.put((1 << count) - 1, count);
        }
        writer.put(0, 3);
        writer.flush();
        let mut wanted = vec![9];
        wanted.extend([0xff, 0].repeat(17));
        // 136 ones, three zeros, five ones.
        wanted.push(0x1f);
        assert_eq!(writer.out, wanted);
        writer.flush();
        assert_eq!(writer.out, wanted, "nothing is left");
    }
}
