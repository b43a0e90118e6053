//! Scans with the best Huffman tables in one pass over the coefficients: their symbols are counted and kept until all are known.

use super::bits::Writer;
use super::sequential::{Restarts, Tables, bits, in_range, size};
use crate::error::Error;
use crate::huffman::{Histogram, optimal};
use crate::scan::{Block, Layout};
use crate::simd::{Level, Nonzero};
use crate::zigzag::NATURAL;

/// Symbols of a part of a scan: they stay in the second cache until the next one.
const PART: usize = 1 << 15;

/// More than the symbols of a block, and a restart.
const ROOM: usize = 128;

/// Stands where a restart comes.
const RESTART: u32 = u32::MAX;

/// The symbols of a scan: from the lowest bit, 16 bits of value, the symbol, and which of the four tables codes it. How many bits the value has
/// is in the lower half of the symbol.
pub(crate) struct Tally {
    /// DC and AC of the first pair, then of the second.
    histograms: Box<[Histogram; 4]>,
    used: [bool; 2],
    full: Vec<Vec<u32>>,
    open: Vec<u32>,
    length: usize,
    nonzero: Nonzero,
    restarts: Restarts,
    last: [i32; 4],
    /// The most bits of DC and AC so far.
    most: (u32, u32),
}

impl Tally {
    pub(crate) fn new(interval: u32) -> Self {
        Tally {
            histograms: Box::new([[0; 256]; 4]),
            used: [false; 2],
            full: Vec::new(),
            open: vec![0; PART],
            length: 0,
            nonzero: Nonzero::detect(),
            restarts: Restarts::new(interval),
            last: [0; 4],
            most: (0, 0),
        }
    }

    /// One row, as `RowWriter::row` takes it.
    pub(crate) fn row(&mut self, layout: &Layout, pairs: &[usize], rows: &[&[Block]], strides: &[usize]) {
        Level::detect().run(|| self.mcus(layout, pairs, rows, strides));
    }

    #[inline(always)]
    fn mcus(&mut self, layout: &Layout, pairs: &[usize], rows: &[&[Block]], strides: &[usize]) {
        for x in 0..layout.across {
            let restart = self.restarts.begin();
            if restart {
                self.last = [0; 4];
            }
            if self.open.len() < self.length + ROOM * crate::scan::MOST_BLOCKS {
                self.next_part();
            }
            if restart {
                self.open[self.length] = RESTART;
                self.length += 1;
            }
            for (part, &(_, h, v)) in layout.parts.iter().enumerate() {
                let pair = pairs[part] & 1;
                self.used[pair] = true;
                for y in 0..v {
                    for block in &rows[part][y * strides[part] + x * h..][..h] {
                        let Some(out) = self.open[self.length..].first_chunk_mut() else { return };
                        let mask = self.nonzero.mask(block);
                        let (count, most) = symbols(block, mask, &mut self.last[part], pair, &mut self.histograms, out);
                        self.length += count;
                        self.most = (self.most.0.max(most.0), self.most.1.max(most.1));
                    }
                }
            }
        }
    }

    #[cold]
    fn next_part(&mut self) {
        let mut part = std::mem::replace(&mut self.open, vec![0; PART]);
        part.truncate(self.length);
        self.full.push(part);
        self.length = 0;
    }

    /// The best tables for what was counted.
    pub(crate) fn best(&self) -> Result<Tables, Error> {
        in_range(self.most.0, self.most.1)?;
        let both = |pair: usize| (optimal(&self.histograms[2 * pair]), optimal(&self.histograms[2 * pair + 1]));
        Tables::new([0, 1].map(|pair| self.used[pair].then(|| both(pair))))
    }

    /// Appends the scan, behind its header.
    pub(crate) fn write(self, out: Vec<u8>, tables: &Tables) -> Vec<u8> {
        let mut codes = Box::new([0; 1024]);
        for (codes, table) in codes.as_chunks_mut::<256>().0.iter_mut().zip(tables.joined()) {
            if let Some(table) = table {
                *codes = *table.table();
            }
        }
        let mut writer = Writer::new(out);
        let parts = self.full.iter().map(|part| &part[..]).chain([&self.open[..self.length]]);
        if !self.restarts.are_there() {
            parts.for_each(|part| Level::detect().run(|| write(part, &codes, &mut writer)));
            return writer.finish();
        }
        let mut number = 0;
        for part in parts {
            for (place, between) in part.split(|&symbol| symbol == RESTART).enumerate() {
                if place > 0 {
                    writer.marker(0xd0 + number);
                    number = (number + 1) & 7;
                }
                write(between, &codes, &mut writer);
            }
        }
        writer.finish()
    }
}

/// The symbols of a block behind one whose DC was `last`: how many there are, and the most bits of DC and AC.
#[inline(always)]
fn symbols(
    block: &Block,
    mask: u64,
    last: &mut i32,
    pair: usize,
    histograms: &mut [Histogram; 4],
    out: &mut [u32; ROOM],
) -> (usize, (u32, u32)) {
    let [dc, ac] = if pair == 0 { [0, 1] } else { [2, 3] };
    let value = i32::from(block[0]);
    let difference = value - *last;
    *last = value;
    let dc_length = size(difference);
    out[0] = bits(difference, dc_length) as u32 & 0xffff | dc_length << 16 | dc << 24;
    histograms[dc as usize][dc_length as usize & 255] += 1;
    let histogram = &mut histograms[ac as usize];
    let mut mask = mask & !1;
    let (mut behind, mut most, mut count) = (1, 0, 1);
    while mask != 0 {
        let k = mask.trailing_zeros();
        mask &= mask - 1;
        let mut run = k - behind;
        behind = k + 1;
        while run > 15 {
            out[count & (ROOM - 1)] = 0xf0 << 16 | ac << 24;
            histogram[0xf0] += 1;
            count += 1;
            run -= 16;
        }
        let value = i32::from(block[usize::from(NATURAL[k as usize & 127]) & 63]);
        let length = size(value);
        most = most.max(length);
        // More than 15 bits are refused in the end.
        let symbol = (run << 4 | length) & 255;
        out[count & (ROOM - 1)] = bits(value, length) as u32 & 0xffff | symbol << 16 | ac << 24;
        histogram[symbol as usize] += 1;
        count += 1;
    }
    if behind < 64 {
        out[count & (ROOM - 1)] = ac << 24;
        histogram[0] += 1;
        count += 1;
    }
    (count, (dc_length, most))
}

/// Writes symbols, of which there is no restart.
#[inline(always)]
fn write(symbols: &[u32], codes: &[u32; 1024], writer: &mut Writer) {
    let coded = |symbol: u32| {
        let entry = codes[(symbol >> 16) as usize & 1023];
        (u64::from(entry >> 5 | symbol & 0xffff), entry & 31)
    };
    for symbols in symbols.chunks(ROOM) {
        writer.block(|pen, out| {
            let (pairs, rest) = symbols.as_chunks::<2>();
            for &[one, two] in pairs {
                let ((one, one_length), (two, two_length)) = (coded(one), coded(two));
                // 27 bits each at most.
                pen.put(out, one << two_length | two, one_length + two_length);
            }
            for &symbol in rest {
                let (bits, length) = coded(symbol);
                pen.put(out, bits, length);
            }
        });
    }
}
