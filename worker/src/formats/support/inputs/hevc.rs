//! Pictures in HEVC (ITU-T H.265) without compression: every coding unit holds its samples as they are (`pcm_flag`), so a decoder
//! has to give them back exactly.

use crate::pixels::{Depth, Image};

/// Side of a coding tree unit, which is one coding unit here.
const UNIT: usize = 16;

/// Ranges of the less probable symbol (table 9-52, last column) for the states that one context runs through.
const LPS: [u32; 63] = [
    240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110, 104, 99, 94, 89, 85, 80, 76, 72, 69, 65, 62,
    59, 56, 53, 50, 48, 45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 14, 13, 12,
    12, 11, 11, 10, 9,
];

/// Bits, most significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    free: u32,
}

impl Bits {
    fn put(&mut self, value: u64, count: u32) {
        for bit in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            let last = self.bytes.last_mut().expect("pushed above");
            *last |= ((value >> bit & 1) as u8) << self.free;
        }
    }

    /// Unsigned Exp-Golomb code (9.2).
    fn ue(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = 64 - code.leading_zeros();
        self.put(code, 2 * length - 1);
    }

    fn align(&mut self) {
        self.free = 0;
    }

    /// `rbsp_trailing_bits`.
    fn trailing(mut self) -> Vec<u8> {
        self.put(1, 1);
        self.bytes
    }
}

/// The arithmetic coder (9.3.4.3), which starts anew behind each unit's samples.
struct Coder {
    low: u32,
    range: u32,
    first: bool,
    outstanding: u32,
}

impl Coder {
    fn new() -> Self {
        Self { low: 0, range: 510, first: true, outstanding: 0 }
    }

    fn bit(&mut self, bits: &mut Bits, bit: u32) {
        if self.first {
            self.first = false;
        } else {
            bits.put(bit.into(), 1);
        }
        while self.outstanding > 0 {
            bits.put((1 - bit).into(), 1);
            self.outstanding -= 1;
        }
    }

    fn renormalise(&mut self, bits: &mut Bits) {
        while self.range < 256 {
            if self.low < 256 {
                self.bit(bits, 0);
            } else if self.low >= 512 {
                self.low -= 512;
                self.bit(bits, 1);
            } else {
                self.low -= 256;
                self.outstanding += 1;
            }
            self.range <<= 1;
            self.low <<= 1;
        }
    }

    /// The more probable symbol of a context in `state`.
    fn probable(&mut self, bits: &mut Bits, state: usize) {
        self.range -= LPS[state];
        self.renormalise(bits);
    }

    /// The bin before a place where coding may end; with `end` the coder is flushed.
    fn terminate(&mut self, bits: &mut Bits, end: bool) {
        self.range -= 2;
        if !end {
            return self.renormalise(bits);
        }
        self.low += self.range;
        self.range = 2;
        self.renormalise(bits);
        self.bit(bits, self.low >> 9 & 1);
        bits.put((self.low >> 7 & 3 | 1).into(), 2);
    }
}

/// A NAL unit of that type (7.3.1) with its emulation prevention bytes.
fn nal(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind << 1, 1];
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Profile "range extensions", level 6.2 (7.3.3).
fn profile(bits: &mut Bits) {
    bits.put(4, 8);
    bits.put(0x0800_0000, 32);
    bits.put(0b1001, 4);
    bits.put(0, 44);
    bits.put(186, 8);
}

/// One coded picture.
pub(super) struct Picture {
    pub(super) parameter_sets: [(u8, Vec<u8>); 3],
    /// The slice with its length before it, as HEIF stores it.
    pub(super) data: Vec<u8>,
    pub(super) bits: u8,
    pub(super) chroma_format: u8,
}

/// Codes the colours of `image` as green, blue and red planes, or its alpha alone as one.
pub(super) fn encode(image: &Image, bits: u8, alpha: bool) -> Picture {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let coded = (width.next_multiple_of(UNIT), height.next_multiple_of(UNIT));
    let channels = image.channels().count();
    let planes: Vec<usize> = if alpha {
        vec![channels - 1]
    } else if channels < 3 {
        vec![0, 0, 0]
    } else {
        vec![1, 2, 0]
    };
    let sample = |x: usize, y: usize, channel: usize| -> u64 {
        let at = (y.min(height - 1) * width + x.min(width - 1)) * channels + channel;
        match image.depth() {
            Depth::U8 => u64::from(image.data()[at]) << (bits - 8),
            Depth::U16 => u64::from(u16::from_ne_bytes([image.data()[2 * at], image.data()[2 * at + 1]])) >> (16 - bits),
        }
    };
    let mut slice = Bits::default();
    slice.put(0b10, 2);
    slice.ue(0);
    slice.ue(2);
    slice.ue(0);
    slice.put(1, 1);
    slice.align();
    let (columns, rows) = (coded.0 / UNIT, coded.1 / UNIT);
    let mut coder = Coder::new();
    for unit in 0..columns * rows {
        // `part_mode`, whose context starts in state 0 and moves on with each hit; then `pcm_flag`.
        coder.probable(&mut slice, unit.min(62));
        coder.terminate(&mut slice, true);
        slice.align();
        let (left, top) = (unit % columns * UNIT, unit / columns * UNIT);
        for &plane in &planes {
            for y in top..top + UNIT {
                for x in left..left + UNIT {
                    slice.put(sample(x, y, plane), bits.into());
                }
            }
        }
        coder = Coder::new();
        // `end_of_slice_segment_flag`; flushing writes the stop bit of the slice as well.
        coder.terminate(&mut slice, unit + 1 == columns * rows);
    }
    let slice = nal(20, &slice.bytes);
    let mut data = (slice.len() as u32).to_be_bytes().to_vec();
    data.extend(slice);
    let chroma_format = if alpha { 0 } else { 3 };
    let sets = [(32, video()), (33, sequence(coded, (width, height), bits, chroma_format)), (34, picture())];
    Picture { parameter_sets: sets.map(|(kind, payload)| (kind, nal(kind, &payload))), data, bits, chroma_format }
}

/// The video parameter set (7.3.2.1).
fn video() -> Vec<u8> {
    let mut set = Bits::default();
    set.put(0b00_0011, 6);
    set.put(0, 6);
    set.put(0b0001, 4);
    set.put(0xffff, 16);
    profile(&mut set);
    set.put(1, 1);
    (0..3).for_each(|_| set.ue(0));
    set.put(0, 6);
    set.ue(0);
    set.put(0, 2);
    set.trailing()
}

/// The sequence parameter set (7.3.2.2).
fn sequence(coded: (usize, usize), shown: (usize, usize), bits: u8, chroma_format: u8) -> Vec<u8> {
    let mut set = Bits::default();
    set.put(0, 4);
    set.put(0b0001, 4);
    profile(&mut set);
    set.ue(0);
    set.ue(chroma_format.into());
    if chroma_format == 3 {
        set.put(0, 1);
    }
    set.ue(coded.0 as u32);
    set.ue(coded.1 as u32);
    set.put(1, 1);
    for offset in [0, coded.0 - shown.0, 0, coded.1 - shown.1] {
        set.ue(offset as u32);
    }
    set.ue((bits - 8).into());
    set.ue((bits - 8).into());
    set.ue(0);
    set.put(1, 1);
    (0..3).for_each(|_| set.ue(0));
    // Coding blocks of 16, transform blocks of 4 to 16, no hierarchy.
    for value in [1, 0, 0, 2, 0, 0] {
        set.ue(value);
    }
    set.put(0b000, 3);
    set.put(1, 1);
    set.put((bits - 1).into(), 4);
    set.put((bits - 1).into(), 4);
    set.ue(1);
    set.ue(0);
    set.put(1, 1);
    set.ue(0);
    set.put(0b00000, 5);
    set.trailing()
}

/// The picture parameter set (7.3.2.3): deblocking off, nothing else on.
fn picture() -> Vec<u8> {
    let mut set = Bits::default();
    set.ue(0);
    set.ue(0);
    set.put(0b000_0000, 7);
    (0..3).for_each(|_| set.ue(0));
    set.put(0b000, 3);
    set.ue(0);
    set.ue(0);
    set.put(0b000_0000, 7);
    set.put(0b101, 3);
    set.put(0b00, 2);
    set.ue(0);
    set.put(0b00, 2);
    set.trailing()
}
