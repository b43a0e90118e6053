//! Scans of a progressive file, as tokens: counted while they are made, written once their codes are known.

use super::bits::Writer;
use super::script::Plan;
use super::sequential::{bits, size};
use crate::error::Error;
use crate::frame::Frame;
use crate::huffman::{Codes, Histogram};
use crate::scan::{Block, Layout};
use crate::zigzag::NATURAL;

/// A symbol, or none, and bits behind it.
#[derive(Debug, Clone, Copy)]
struct Token {
    symbol: u8,
    table: u8,
    /// How many bits follow.
    length: u8,
    bits: u16,
}

/// The table of tokens without a symbol.
const BARE: u8 = 2;

/// The tokens of a scan.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    tokens: Vec<Token>,
    /// Of both pairs of tables.
    pub(super) histograms: [Option<Box<Histogram>>; 2],
}

/// Blocks in a row without anything, and the bits of coefficients that were there before.
struct Empty {
    run: u32,
    corrections: Vec<bool>,
    table: u8,
}

impl Tokens {
    fn symbol(&mut self, table: u8, symbol: u8, value: u64, length: u32) {
        let histogram = self.histograms[usize::from(table)].get_or_insert_with(|| Box::new([0; 256]));
        histogram[usize::from(symbol)] += 1;
        self.tokens.push(Token { symbol, table, length: length as u8, bits: value as u16 });
    }

    fn bare(&mut self, value: bool) {
        self.tokens.push(Token { symbol: 0, table: BARE, length: 1, bits: value.into() });
    }

    fn end_run(&mut self, empty: &mut Empty) {
        if empty.run > 0 {
            let length = size(empty.run as i32) - 1;
            let value = u64::from(empty.run) & ((1 << length) - 1);
            self.symbol(empty.table, (length << 4) as u8, value, length);
            empty.run = 0;
        }
        for bit in empty.corrections.drain(..) {
            self.bare(bit);
        }
    }

    /// Writes them.
    pub(super) fn write(&self, writer: &mut Writer, codes: &[Option<Codes>; 2]) {
        for token in &self.tokens {
            let length = u32::from(token.length);
            let (code, code_length) = match codes.get(usize::from(token.table)) {
                Some(Some(codes)) => codes.of(token.symbol),
                _ => (0, 0),
            };
            writer.reserve();
            writer.put(code << length | u64::from(token.bits), code_length + length);
        }
    }

    /// The tokens of a scan of `planes`; `table` gives the pair of tables of a component.
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
        let mut empty = Empty { run: 0, corrections: Vec::new(), table: table(index) as u8 };
        for row in planes[index].chunks_exact(component.stride).take(component.height_in_blocks) {
            for block in &row[..component.width_in_blocks] {
                if plan.high == 0 {
                    tokens.ac_first(block, plan, &mut empty)?;
                } else {
                    tokens.ac_more(block, plan, &mut empty);
                }
            }
        }
        tokens.end_run(&mut empty);
        Ok(tokens)
    }

    fn dc(&mut self, block: &Block, plan: &Plan, table: u8, last: &mut i32) -> Result<(), Error> {
        let value = i32::from(block[0]) >> plan.low;
        if plan.high != 0 {
            self.bare(value & 1 != 0);
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

    fn ac_first(&mut self, block: &Block, plan: &Plan, empty: &mut Empty) -> Result<(), Error> {
        let mut run = 0;
        for k in plan.first..=plan.last {
            let value = i32::from(block[usize::from(NATURAL[usize::from(k)])]);
            // Towards zero, not down.
            let value = if value < 0 { -(-value >> plan.low) } else { value >> plan.low };
            if value == 0 {
                run += 1;
                continue;
            }
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
            run = 0;
        }
        if run > 0 {
            empty.run += 1;
            if empty.run == 0x7fff {
                self.end_run(empty);
            }
        }
        Ok(())
    }

    fn ac_more(&mut self, block: &Block, plan: &Plan, empty: &mut Empty) {
        let magnitude = |k: u8| u32::from(block[usize::from(NATURAL[usize::from(k)])].unsigned_abs()) >> plan.low;
        // Behind the last coefficient that is new, the block is empty but for corrections.
        let end = (plan.first..=plan.last).rev().find(|&k| magnitude(k) == 1).unwrap_or(0);
        let mut run = 0;
        let mut corrections = Vec::new();
        for k in plan.first..=plan.last {
            let value = magnitude(k);
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 && k <= end {
                self.end_run(empty);
                self.symbol(empty.table, 0xf0, 0, 0);
                run -= 16;
                corrections.drain(..).for_each(|bit| self.bare(bit));
            }
            if value > 1 {
                corrections.push(value & 1 != 0);
                continue;
            }
            self.end_run(empty);
            let positive = block[usize::from(NATURAL[usize::from(k)])] > 0;
            self.symbol(empty.table, (run << 4 | 1) as u8, positive.into(), 1);
            corrections.drain(..).for_each(|bit| self.bare(bit));
            run = 0;
        }
        if run > 0 || !corrections.is_empty() {
            empty.run += 1;
            empty.corrections.append(&mut corrections);
            // libjpeg's limits of a run.
            if empty.run == 0x7fff || empty.corrections.len() > 937 {
                self.end_run(empty);
            }
        }
    }
}
