//! Scans of a progressive file, as tokens: counted while they are made, written once their codes are known.

use super::bits::Writer;
use super::script::Plan;
use super::sequential::{bits, size};
use crate::error::Error;
use crate::frame::Frame;
use crate::huffman::{Codes, Histogram};
use crate::scan::{Block, Layout};
use crate::simd::Nonzero;
use crate::zigzag::NATURAL;

/// A symbol, or none, and up to 16 bits behind it: the bits in the lower half, then their number, the table, and the symbol.
#[derive(Debug, Clone, Copy)]
struct Token(u32);

/// The table of tokens without a symbol.
const BARE: u32 = 3;

/// The tokens of a scan.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    tokens: Vec<Token>,
    /// Of both pairs of tables.
    pub(super) histograms: [Option<Box<Histogram>>; 2],
}

/// Bits of coefficients that were there before, in a block.
#[derive(Debug, Clone, Copy, Default)]
struct Corrections {
    bits: u64,
    count: u32,
}

/// Blocks in a row without anything but corrections.
struct Empty {
    run: u32,
    corrections: Vec<Corrections>,
    /// How many bits those are.
    count: u32,
    table: u8,
}

impl Tokens {
    fn symbol(&mut self, table: u8, symbol: u8, value: u64, length: u32) {
        let histogram = self.histograms[usize::from(table & 1)].get_or_insert_with(|| Box::new([0; 256]));
        histogram[usize::from(symbol)] += 1;
        self.tokens.push(Token(value as u32 & 0xffff | length << 16 | u32::from(table) << 21 | u32::from(symbol) << 24));
    }

    fn bare(&mut self, corrections: Corrections) {
        let mut left = corrections.count;
        while left > 0 {
            let length = left.min(16);
            left -= length;
            let bits = (corrections.bits >> left) as u32 & ((1 << length) - 1);
            self.tokens.push(Token(bits | length << 16 | BARE << 21));
        }
    }

    fn end_run(&mut self, empty: &mut Empty) {
        if empty.run > 0 {
            let length = size(empty.run as i32) - 1;
            let value = u64::from(empty.run) & ((1 << length) - 1);
            self.symbol(empty.table, (length << 4) as u8, value, length);
            (empty.run, empty.count) = (0, 0);
            for corrections in empty.corrections.drain(..) {
                self.bare(corrections);
            }
        }
    }

    /// Writes them.
    pub(super) fn write(&self, writer: &mut Writer, codes: &[Option<Codes>; 2]) {
        for tokens in self.tokens.chunks(64) {
            writer.block(|pen, out| {
                for &Token(token) in tokens {
                    let length = token >> 16 & 31;
                    let (code, code_length) = match codes.get((token >> 21 & 7) as usize) {
                        Some(Some(codes)) => codes.of((token >> 24) as u8),
                        _ => (0, 0),
                    };
                    pen.put(out, code << length | u64::from(token & 0xffff), code_length + length);
                }
            });
        }
    }

    /// The tokens of a scan of `planes`; `table` gives the pair of tables of a component.
    #[inline(always)]
    pub(super) fn of(frame: &Frame, planes: &[Vec<Block>], plan: &Plan, table: impl Fn(usize) -> usize) -> Result<Self, Error> {
        let mut tokens = Tokens::default();
        let layout = Layout::new(frame, plan.components.iter().copied())?;
        if plan.first == 0 {
            let mut last = [0; 4];
            for y in 0..layout.down {
                for x in 0..layout.across {
                    for (&(index, h, v), last) in layout.parts.iter().zip(&mut last) {
                        for row in 0..v {
                            let from = (y * v + row) * frame.components[index].stride + x * h;
                            for block in &planes[index][from..][..h] {
                                tokens.dc(block, plan, table(index) as u8, last)?;
                            }
                        }
                    }
                }
            }
            return Ok(tokens);
        }
        let index = plan.components[0];
        let component = &frame.components[index];
        let mut empty = Empty { run: 0, corrections: Vec::new(), count: 0, table: table(index) as u8 };
        let band = (u64::MAX >> (63 - plan.last)) & (u64::MAX << plan.first);
        let nonzero = Nonzero::detect();
        for row in planes[index].chunks_exact(component.stride).take(component.height_in_blocks) {
            for block in &row[..component.width_in_blocks] {
                let mask = nonzero.mask(block) & band;
                if plan.high == 0 {
                    tokens.ac_first(block, mask, plan, &mut empty)?;
                } else {
                    tokens.ac_more(block, mask, plan, &mut empty);
                }
            }
        }
        tokens.end_run(&mut empty);
        Ok(tokens)
    }

    fn dc(&mut self, block: &Block, plan: &Plan, table: u8, last: &mut i32) -> Result<(), Error> {
        let value = i32::from(block[0]) >> plan.low;
        if plan.high != 0 {
            self.bare(Corrections { bits: (value & 1) as u64, count: 1 });
            return Ok(());
        }
        let difference = value - *last;
        *last = value;
        let length = size(difference);
        if length > 11 {
            return Err(Error::Broken("a coefficient is out of range"));
        }
        self.symbol(table, length as u8, bits(difference, length), length);
        Ok(())
    }

    fn ac_first(&mut self, block: &Block, mut mask: u64, plan: &Plan, empty: &mut Empty) -> Result<(), Error> {
        let mut behind = u32::from(plan.first);
        while mask != 0 {
            let k = mask.trailing_zeros();
            mask &= mask - 1;
            let value = i32::from(block[usize::from(NATURAL[k as usize])]);
            // Towards zero, not down.
            let value = if value < 0 { -(-value >> plan.low) } else { value >> plan.low };
            if value == 0 {
                continue;
            }
            let mut run = k - behind;
            behind = k + 1;
            self.end_run(empty);
            while run > 15 {
                self.symbol(empty.table, 0xf0, 0, 0);
                run -= 16;
            }
            let length = size(value);
            if length > 10 {
                return Err(Error::Broken("a coefficient is out of range"));
            }
            self.symbol(empty.table, (run << 4 | length) as u8, bits(value, length), length);
        }
        if behind <= u32::from(plan.last) {
            self.empty(empty, Corrections::default());
        }
        Ok(())
    }

    /// The rest of a block is empty but for corrections.
    fn empty(&mut self, empty: &mut Empty, corrections: Corrections) {
        empty.run += 1;
        if corrections.count > 0 {
            empty.corrections.push(corrections);
            empty.count += corrections.count;
        }
        // libjpeg's limits of a run.
        if empty.run == 0x7fff || empty.count > 937 {
            self.end_run(empty);
        }
    }

    fn ac_more(&mut self, block: &Block, mask: u64, plan: &Plan, empty: &mut Empty) {
        let coefficient = |k: u32| block[usize::from(NATURAL[k as usize])];
        let magnitude = |k: u32| u32::from(coefficient(k).unsigned_abs()) >> plan.low;
        // What is there at this precision, and of that, what is new.
        let (mut known, mut new, mut left) = (0u64, 0u64, mask);
        while left != 0 {
            let k = left.trailing_zeros();
            left &= left - 1;
            known |= u64::from(magnitude(k) > 0) << k;
            new |= u64::from(magnitude(k) == 1) << k;
        }
        let (mut behind, mut run) = (u32::from(plan.first), 0);
        let mut corrections = Corrections::default();
        while known != 0 {
            let k = known.trailing_zeros();
            known &= known - 1;
            run += k - behind;
            behind = k + 1;
            // Behind the last one that is new, zeros need no symbol.
            while run > 15 && new >> k != 0 {
                self.end_run(empty);
                self.symbol(empty.table, 0xf0, 0, 0);
                run -= 16;
                self.bare(std::mem::take(&mut corrections));
            }
            if new >> k & 1 == 0 {
                corrections =
                    Corrections { bits: corrections.bits << 1 | u64::from(magnitude(k) & 1), count: corrections.count + 1 };
                continue;
            }
            self.end_run(empty);
            self.symbol(empty.table, (run << 4 | 1) as u8, (coefficient(k) > 0).into(), 1);
            self.bare(std::mem::take(&mut corrections));
            run = 0;
        }
        run += u32::from(plan.last) + 1 - behind;
        if run > 0 || corrections.count > 0 {
            self.empty(empty, corrections);
        }
    }
}
