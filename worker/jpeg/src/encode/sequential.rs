//! Scans of whole blocks, row by row.

use super::bits::{Pen, Writer};
use super::markers;
use crate::error::Error;
use crate::huffman::{JoinedCodes, STANDARD, Spec};
use crate::scan::{Block, Layout};
use crate::simd::{Level, Nonzero};
use crate::zigzag::NATURAL;

/// Bits of a magnitude.
#[inline(always)]
pub(crate) fn size(value: i32) -> u32 {
    32 - value.unsigned_abs().leading_zeros()
}

/// The bits of a value of `size` bits: negative ones are one less, without what is above.
#[inline(always)]
pub(crate) fn bits(value: i32, size: u32) -> u64 {
    let low = value + (value >> 31);
    u64::from(low as u32) & ((1 << size) - 1)
}

/// Refuses what decoders of 8-bit pictures need not take (ITU-T T.81, F.1.2): more than 11 bits of DC, or 10 of AC.
pub(crate) fn in_range(dc: u32, ac: u32) -> Result<(), Error> {
    if dc > 11 || ac > 10 { Err(Error::Broken("a coefficient is out of range")) } else { Ok(()) }
}

/// Huffman tables for DC and AC, of brightness and of colour, as far as a scan uses them.
pub(crate) struct Tables {
    specs: [Option<(Spec, Spec)>; 2],
    codes: [Option<(JoinedCodes, JoinedCodes)>; 2],
}

impl Tables {
    pub(crate) fn new(specs: [Option<(Spec, Spec)>; 2]) -> Result<Self, Error> {
        let mut codes = [const { None }; 2];
        for (spec, codes) in specs.iter().zip(&mut codes) {
            if let Some((dc, ac)) = spec {
                *codes = Some((JoinedCodes::new(dc)?, JoinedCodes::new(ac)?));
            }
        }
        Ok(Tables { specs, codes })
    }

    /// Those of the standard that components with these pairs use.
    pub(crate) fn standard(pairs: &[usize]) -> Result<Self, Error> {
        Tables::new([0, 1].map(|pair| pairs.contains(&pair).then(|| STANDARD[pair].clone())))
    }

    /// The codes of DC and AC of the first pair, then of the second.
    pub(super) fn joined(&self) -> [Option<&JoinedCodes>; 4] {
        let [first, second] = [0, 1].map(|pair: usize| self.codes[pair].as_ref());
        [first.map(|pair| &pair.0), first.map(|pair| &pair.1), second.map(|pair| &pair.0), second.map(|pair| &pair.1)]
    }

    /// As DHT segments.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        for (number, spec) in self.specs.iter().enumerate() {
            if let Some((dc, ac)) = spec {
                markers::huffman(out, 0, number, dc)?;
                markers::huffman(out, 1, number, ac)?;
            }
        }
        Ok(())
    }
}

/// Where restarts come.
#[derive(Debug)]
pub(super) struct Restarts {
    interval: u32,
    to_go: u32,
}

impl Restarts {
    pub(super) fn new(interval: u32) -> Self {
        Restarts { interval, to_go: interval }
    }

    pub(super) fn are_there(&self) -> bool {
        self.interval > 0
    }

    /// Before an MCU; true if a restart comes.
    pub(super) fn begin(&mut self) -> bool {
        let now = self.interval > 0 && self.to_go == 0;
        if now {
            self.to_go = self.interval;
        }
        self.to_go = self.to_go.wrapping_sub(1);
        now
    }
}

/// Writes rows of MCUs.
pub(crate) struct RowWriter {
    writer: Writer,
    nonzero: Nonzero,
    restarts: Restarts,
    next_restart: u8,
    last: [i32; 4],
    /// The most bits of DC and AC so far.
    most: (u32, u32),
}

impl RowWriter {
    /// Appends to `out`, which ends with the scan's header.
    pub(crate) fn new(out: Vec<u8>, interval: u32) -> Self {
        RowWriter {
            writer: Writer::new(out),
            nonzero: Nonzero::detect(),
            restarts: Restarts::new(interval),
            next_restart: 0,
            last: [0; 4],
            most: (0, 0),
        }
    }

    /// One row. `pairs` says which tables each part uses, `rows` and `strides` where its blocks lie.
    pub(crate) fn row(&mut self, tables: &Tables, layout: &Layout, pairs: &[usize], rows: &[&[Block]], strides: &[usize]) {
        Level::detect().run(|| self.mcus(tables, layout, pairs, rows, strides));
    }

    #[inline(always)]
    fn mcus(&mut self, tables: &Tables, layout: &Layout, pairs: &[usize], rows: &[&[Block]], strides: &[usize]) {
        for x in 0..layout.across {
            if self.restarts.begin() {
                self.writer.marker(0xd0 + self.next_restart);
                self.next_restart = (self.next_restart + 1) & 7;
                self.last = [0; 4];
            }
            for (part, &(_, h, v)) in layout.parts.iter().enumerate() {
                let Some((dc, ac)) = &tables.codes[pairs[part]] else { continue };
                for y in 0..v {
                    for block in &rows[part][y * strides[part] + x * h..][..h] {
                        let last = &mut self.last[part];
                        let mask = self.nonzero.mask(block);
                        let most = self.writer.block(|pen, out| write(pen, out, mask, block, last, dc, ac));
                        self.most = (self.most.0.max(most.0), self.most.1.max(most.1));
                    }
                }
            }
        }
    }

    /// The file so far; refused if a coefficient was out of range.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        in_range(self.most.0, self.most.1)?;
        Ok(self.writer.finish())
    }
}

/// Writes a block behind one whose DC was `last`; gives the most bits of DC and AC.
#[inline(always)]
fn write(
    pen: &mut Pen,
    out: &mut [u8],
    mask: u64,
    block: &Block,
    last: &mut i32,
    dc: &JoinedCodes,
    ac: &JoinedCodes,
) -> (u32, u32) {
    let value = i32::from(block[0]);
    let difference = value - *last;
    *last = value;
    let dc_length = size(difference);
    let (code, length) = dc.of(dc_length as u8);
    pen.put(out, code | bits(difference, dc_length), length);
    let mut mask = mask & !1;
    let mut behind = 1;
    let mut most = 0;
    while mask != 0 {
        let k = mask.trailing_zeros();
        mask &= mask - 1;
        let mut run = k - behind;
        behind = k + 1;
        while run > 15 {
            let (code, length) = ac.of(0xf0);
            pen.put(out, code, length);
            run -= 16;
        }
        let value = i32::from(block[usize::from(NATURAL[k as usize & 127]) & 63]);
        let length = size(value);
        most = most.max(length);
        // More than 15 bits are refused in the end.
        let (code, total) = ac.of((run << 4 | length) as u8);
        pen.put(out, code | bits(value, length), total);
    }
    if behind < 64 {
        let (code, length) = ac.of(0);
        pen.put(out, code, length);
    }
    (dc_length, most)
}
