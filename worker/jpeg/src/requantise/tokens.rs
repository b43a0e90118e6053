//! Blocks as symbols: the best Huffman tables are known before a bit is written, and no block is looked at twice.

use crate::encode::{self, Tables, WriteOptions, Writer, in_range, size, value_bits as bits};
use crate::error::Error;
use crate::frame::Frame;
use crate::huffman::{Codes, Histogram, optimal};
use crate::scan::{Block, Layout, MOST_BLOCKS};
use crate::simd::{Level, Nonzero};
use crate::zigzag::NATURAL;

/// Symbols of a piece of memory: half a MiB.
const PIECE: usize = 1 << 17;

/// A block is 64 symbols and three long runs of zeros at most.
const BLOCK_ROOM: usize = 128;

/// Tables of DC and AC of brightness, then of colour, with 256 symbols each.
const SYMBOLS: usize = 4 * 256;

/// The symbols of a scan of all components. Each is a word: its table and itself in the lowest 10 bits, above them the bits that follow it.
pub(super) struct Tokens {
    full: Vec<Vec<u32>>,
    piece: Vec<u32>,
    used: usize,
    /// Four, used in turns, so that a symbol that follows itself need not wait.
    counts: Box<[[u32; SYMBOLS]; 4]>,
    counted: usize,
    nonzero: Nonzero,
    /// Blocks come in coding order.
    coded: bool,
    last: [i32; 4],
    most: (u32, u32),
}

impl Tokens {
    pub(super) fn new(coded: bool) -> Self {
        Tokens {
            full: Vec::new(),
            piece: vec![0; PIECE],
            used: 0,
            counts: Box::new([[0; SYMBOLS]; 4]),
            counted: 0,
            nonzero: Nonzero::detect(),
            coded,
            last: [0; 4],
            most: (0, 0),
        }
    }

    /// One row of MCUs; `strides` says how many blocks lie in a row of each component.
    pub(super) fn row(&mut self, layout: &Layout, rows: &[&[Block]], strides: &[usize]) {
        if self.coded {
            Level::detect().run(|| self.mcus::<true>(layout, rows, strides));
        } else {
            Level::detect().run(|| self.mcus::<false>(layout, rows, strides));
        }
    }

    #[inline(always)]
    fn mcus<const CODED: bool>(&mut self, layout: &Layout, rows: &[&[Block]], strides: &[usize]) {
        for x in 0..layout.across {
            if self.used + MOST_BLOCKS * BLOCK_ROOM > self.piece.len() {
                self.next_piece();
            }
            for (part, &(_, h, v)) in layout.parts.iter().enumerate() {
                let table = if part == 0 { 0 } else { 512 };
                for y in 0..v {
                    for block in &rows[part][y * strides[part] + x * h..][..h] {
                        let mask = if CODED { self.nonzero.places(block) } else { self.nonzero.mask(block) };
                        let Some(room) = self.piece[self.used..].first_chunk_mut() else { return };
                        let (length, most) = symbols::<CODED>(block, mask, table, &mut self.last[part], room);
                        self.used += length;
                        self.most = (self.most.0.max(most.0), self.most.1.max(most.1));
                    }
                }
            }
        }
        self.count();
    }

    #[cold]
    fn next_piece(&mut self) {
        self.count();
        let mut piece = std::mem::replace(&mut self.piece, vec![0; PIECE]);
        piece.truncate(self.used);
        self.full.push(piece);
        (self.used, self.counted) = (0, 0);
    }

    /// Those of the piece that have not been counted.
    fn count(&mut self) {
        let (fours, rest) = self.piece[self.counted..self.used].as_chunks::<4>();
        for tokens in fours {
            for (counts, token) in self.counts.iter_mut().zip(tokens) {
                counts[*token as usize % SYMBOLS] += 1;
            }
        }
        for token in rest {
            self.counts[0][*token as usize % SYMBOLS] += 1;
        }
        self.counted = self.used;
    }

    /// A sequential file with the best tables; refused if a coefficient was out of range.
    pub(super) fn file(mut self, frame: &Frame) -> Result<Vec<u8>, Error> {
        in_range(self.most.0, self.most.1)?;
        self.piece.truncate(self.used);
        let histogram = |table: usize| -> Histogram {
            std::array::from_fn(|symbol| self.counts.iter().map(|counts| counts[256 * table + symbol]).sum())
        };
        let specs = [0, 1].map(|pair| {
            let used = pair == 0 || frame.components.len() > 1;
            used.then(|| (optimal(&histogram(2 * pair)), optimal(&histogram(2 * pair + 1))))
        });
        let mut codes = Box::new([0; SYMBOLS]);
        for (pair, specs) in specs.iter().enumerate() {
            let Some((dc, ac)) = specs else { continue };
            let (dc, ac) = (Codes::new(dc)?, Codes::new(ac)?);
            for symbol in 0..=255u8 {
                let at = 512 * pair + usize::from(symbol);
                codes[at] = code(&dc, symbol, symbol.into());
                codes[at + 256] = code(&ac, symbol, u32::from(symbol) & 15);
            }
        }
        let mut out = Vec::new();
        encode::begin(&mut out, frame, &WriteOptions::default(), &Tables::new(specs)?)?;
        let mut writer = Writer::new(out);
        for piece in self.full.iter().chain([&self.piece]) {
            Level::detect().run(|| write(&mut writer, piece, &codes));
        }
        let mut out = writer.finish();
        out.extend([0xff, 0xd9]);
        Ok(out)
    }
}

/// The code of a symbol with room for the bits that follow it, and how many bits that are in the lowest 8.
fn code(codes: &Codes, symbol: u8, following: u32) -> u64 {
    let (code, length) = codes.of(symbol);
    // More than that follow no symbol of a file that is in range.
    if following > 15 { 0 } else { code << (following + 8) | u64::from(length + following) }
}

/// The symbols of a block behind one whose DC was `last`; gives how many they are, and the most bits of DC and AC.
#[inline(always)]
fn symbols<const CODED: bool>(
    block: &Block,
    mask: u64,
    table: u32,
    last: &mut i32,
    room: &mut [u32; BLOCK_ROOM],
) -> (usize, (u32, u32)) {
    let value = i32::from(block[0]);
    let difference = value - *last;
    *last = value;
    let dc = size(difference);
    room[0] = (bits(difference, dc) as u32) << 10 | table | dc;
    let table = table | 256;
    let (mut length, mut behind, mut most) = (1, 1, 0);
    let mut mask = mask & !1;
    while mask != 0 {
        let k = mask.trailing_zeros();
        mask &= mask - 1;
        let mut run = k - behind;
        behind = k + 1;
        while run > 15 {
            room[length % BLOCK_ROOM] = table | 0xf0;
            length += 1;
            run -= 16;
        }
        let place = if CODED { k as usize } else { usize::from(NATURAL[k as usize & 127]) };
        let value = i32::from(block[place & 63]);
        let size = size(value);
        most = most.max(size);
        room[length % BLOCK_ROOM] = (bits(value, size) as u32) << 10 | table | run << 4 | (size & 15);
        length += 1;
    }
    // The end of the block.
    room[length % BLOCK_ROOM] = table;
    (length + usize::from(behind < 64), (dc, most))
}

/// Writes symbols by the table of their codes.
#[inline(always)]
fn write(writer: &mut Writer, tokens: &[u32], codes: &[u64; SYMBOLS]) {
    // A symbol has up to 16 bits, and up to 11 follow it.
    let look = |token: u32| {
        let code = codes[token as usize % SYMBOLS];
        (code >> 8 | u64::from(token >> 10), code as u32 & 255)
    };
    for tokens in tokens.chunks(64) {
        writer.block(|pen, out| {
            let (pairs, rest) = tokens.as_chunks::<2>();
            for &[one, other] in pairs {
                let ((one, one_length), (other, other_length)) = (look(one), look(other));
                pen.put(out, one << other_length | other, one_length + other_length);
            }
            for &token in rest {
                let (bits, length) = look(token);
                pen.put(out, bits, length);
            }
        });
    }
}
