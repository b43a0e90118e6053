//! Bits of a scan as they are written, with the stuffing behind every FF.

/// What a block can take at most, with stuffing: 64 times 16 bits of code and 15 of value, and more.
const ROOM: usize = 1024;

/// Collects bits until 64 are full.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Longer than what is written.
    out: Vec<u8>,
    pen: Pen,
}

/// Where a writer stands; passed by value, so that it stays in registers while a block is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pen {
    length: usize,
    window: u64,
    free: u32,
}

impl Pen {
    /// The lowest `count` bits, up to 57; those above them must be 0.
    #[inline(always)]
    pub(crate) fn put(&mut self, out: &mut [u8], bits: u64, count: u32) {
        if count < self.free {
            self.free -= count;
            // No bits into an empty window are a shift by 64.
            self.window |= bits << (self.free & 63);
        } else {
            let over = count - self.free;
            let word = self.window | bits >> over;
            let hits = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
            if hits == 0 {
                out[self.length..][..8].copy_from_slice(&word.to_be_bytes());
                self.length += 8;
            } else {
                self.length = stuff(out, self.length, word, 8);
            }
            self.free = 64 - over;
            // With nothing over, a shift by 64 would be none.
            self.window = (bits << 1) << (self.free - 1);
        }
    }
}

impl Writer {
    /// Appends to `out`.
    pub(crate) fn new(out: Vec<u8>) -> Self {
        Writer { pen: Pen { length: out.len(), window: 0, free: 64 }, out }
    }

    /// Lets `write` put the bits of a block, or fewer.
    #[inline(always)]
    pub(crate) fn block<T>(&mut self, write: impl FnOnce(&mut Pen, &mut [u8]) -> T) -> T {
        if self.out.len() < self.pen.length + ROOM {
            self.grow();
        }
        let mut pen = self.pen;
        let result = write(&mut pen, &mut self.out);
        self.pen = pen;
        result
    }

    #[cold]
    fn grow(&mut self) {
        self.out.resize(2 * self.out.len() + 64 * ROOM, 0);
    }

    /// Fills the last byte up, and sets a marker.
    pub(super) fn marker(&mut self, code: u8) {
        self.flush();
        self.out[self.pen.length..][..2].copy_from_slice(&[0xff, code]);
        self.pen.length += 2;
    }

    /// Fills the last byte up, and gives everything.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.out.truncate(self.pen.length);
        self.out
    }

    /// Fills the last byte up with ones.
    fn flush(&mut self) {
        self.block(|pen, out| {
            let fill = pen.free % 8;
            pen.put(out, (1 << fill) - 1, fill);
            let whole = ((64 - pen.free) / 8) as usize;
            *pen = Pen { length: stuff(out, pen.length, pen.window, whole), window: 0, free: 64 };
        });
    }
}

/// Writes the first bytes of a word with a 0 behind every FF; gives where they end.
#[cold]
fn stuff(out: &mut [u8], mut at: usize, word: u64, bytes: usize) -> usize {
    for byte in &word.to_be_bytes()[..bytes] {
        out[at] = *byte;
        at += 1;
        if *byte == 0xff {
            out[at] = 0;
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_stuffed_and_filled_up() {
        let mut writer = Writer::new(vec![9]);
        for count in [3, 8, 57, 1, 20, 40, 7] {
            writer.block(|pen, out| pen.put(out, (1 << count) - 1, count));
        }
        writer.block(|pen, out| pen.put(out, 0, 3));
        writer.marker(0xd0);
        let mut wanted = vec![9];
        wanted.extend([0xff, 0].repeat(17));
        // 136 ones, three zeros, five ones.
        wanted.extend([0x1f, 0xff, 0xd0]);
        assert_eq!(writer.finish(), wanted, "nothing is left behind the marker");
    }
}
