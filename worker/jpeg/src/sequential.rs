//! Scans of whole blocks: baseline and extended sequential coding.

use crate::bits::Bits;
use crate::error::Error;
use crate::frame::Frame;
use crate::huffman::{AcTable, DcTable, SkipTable, Step};
use crate::markers::{Markers, Scan};
use crate::scan::{Block, Feed, Layout, layout, tables};
use crate::simd::Level;
use crate::zigzag::NATURAL;

/// How much of each block is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Of each part of the scan the coefficients whose number in coding order is below this; 1 is DC alone, 64 is all.
    Below([usize; 4]),
    /// All, into blocks that are zero.
    All,
    /// The same, left in coding order.
    Coded,
    /// All, over what earlier scans of the component left.
    Over,
}

/// Decodes a scan row by row.
pub(crate) struct Sequential {
    pub(crate) layout: Layout,
    feed: Feed,
    dc: [Option<DcTable>; 4],
    ac: [Option<(AcTable, SkipTable)>; 4],
    /// Of each part of the layout.
    chosen: Vec<(usize, usize)>,
    last: [i32; 4],
}

impl Sequential {
    pub(crate) fn new(markers: &mut Markers<'_>, frame: &Frame, scan: &Scan) -> Result<Self, Error> {
        let layout = layout(frame, scan)?;
        let dc = tables(scan.components.iter().map(|c| c.1), |index| DcTable::new(markers.dc(index)?))?;
        let ac = tables(scan.components.iter().map(|c| c.2), |index| {
            let ac = AcTable::new(markers.ac(index)?)?;
            let skip = SkipTable::new(&ac);
            Ok((ac, skip))
        })?;
        let chosen = scan.components.iter().map(|&(_, dc, ac)| (dc, ac)).collect();
        let feed = Feed::start(markers);
        // Here libjpeg-turbo reads an MCU twice, the first time as if a marker stood there, and what it found then stays.
        if markers.stream.filled && markers.restart_interval == 0 {
            return Err(Error::Broken("fill bytes stand within its data"));
        }
        Ok(Sequential { layout, feed, dc, ac, chosen, last: [0; 4] })
    }

    /// Behind the last row: tells the file whether it was sound.
    pub(crate) fn end(&self, markers: &mut Markers<'_>) {
        let has_missed =
            self.dc.iter().flatten().any(DcTable::has_missed) || self.ac.iter().flatten().any(|(ac, _)| ac.has_missed());
        self.feed.end(markers, has_missed);
    }

    /// The next row of MCUs. `rows` are the blocks of each part, in rows of `strides` blocks.
    pub(crate) fn row(&mut self, markers: &mut Markers<'_>, rows: &mut [&mut [Block]], strides: &[usize], wanted: Wanted) {
        Level::detect().run(|| match wanted {
            Wanted::All => {
                self.row_of(markers, rows, strides, |_, bits, data, ac, _, block| fresh::<false>(bits, data, ac, block));
            }
            Wanted::Coded => {
                self.row_of(markers, rows, strides, |_, bits, data, ac, _, block| fresh::<true>(bits, data, ac, block));
            }
            Wanted::Over => self.row_of(markers, rows, strides, |_, bits, data, ac, _, block| over(bits, data, ac, block)),
            Wanted::Below(ends) if ends == [1; 4] => {
                self.row_of(markers, rows, strides, |_, bits, data, ac, skip, _| pass(bits, data, ac, skip, 1));
            }
            Wanted::Below(ends) => {
                self.row_of(markers, rows, strides, |part, bits, data, ac, skip, block| match ends[part & 3] {
                    64.. => fresh::<false>(bits, data, ac, block),
                    end => below(bits, data, ac, skip, block, end),
                })
            }
        });
    }

    /// Inlined with what reads the AC coefficients of a block, so that the bits stay in registers.
    #[inline(always)]
    fn row_of(
        &mut self,
        markers: &mut Markers<'_>,
        rows: &mut [&mut [Block]],
        strides: &[usize],
        read: impl Fn(usize, &mut Bits, &[u8], &AcTable, &SkipTable, &mut Block),
    ) {
        for x in 0..self.layout.across {
            if self.feed.begin(markers) {
                self.last = [0; 4];
            }
            if self.feed.is_over() {
                return;
            }
            let (layout, chosen, dc, ac, last) = (&self.layout, &self.chosen, &self.dc, &self.ac, &mut self.last);
            self.feed.mcu(|bits, data| {
                let parts = layout.parts.iter().zip(chosen).zip(rows.iter_mut()).zip(strides).zip(last).enumerate();
                for (part, ((((&(_, h, v), &(dc_index, ac_index)), row), &stride), last)) in parts {
                    let (Some(dc), Some((ac, skip))) = (&dc[dc_index], &ac[ac_index]) else { continue };
                    for y in 0..v {
                        for block in &mut row[y * stride + x * h..][..h] {
                            bits.refill(data);
                            let step = dc.step(bits.window());
                            *last = last.wrapping_add(step.value(bits.window()));
                            bits.pass(step.total());
                            block[0] = *last as i16;
                            read(part, bits, data, ac, skip, block);
                        }
                    }
                }
            });
        }
    }
}

/// The AC coefficients of a block that is zero. The end of the block and runs of zeros write a zero where there is one.
#[inline(always)]
fn fresh<const CODED: bool>(bits: &mut Bits, data: &[u8], ac: &AcTable, block: &mut Block) {
    let mut k = 1;
    while k < 64 {
        bits.refill(data);
        let mut step = ac.look(bits.window());
        if step.is_long() {
            step = ac.find(bits.window());
            put::<CODED>(bits, step, block, &mut k);
            continue;
        }
        put::<CODED>(bits, step, block, &mut k);
        // Another one of at most 25 bits fits into what is left.
        let step = ac.look(bits.window());
        if k < 64 && !step.is_long() {
            put::<CODED>(bits, step, block, &mut k);
        }
    }
}

#[inline(always)]
fn put<const CODED: bool>(bits: &mut Bits, step: Step, block: &mut Block, k: &mut usize) {
    let value = step.value(bits.window());
    bits.pass(step.total());
    *k += step.run();
    let place = if CODED { (*k).min(63) } else { usize::from(NATURAL[*k & 127]) };
    block[place & 63] = value as i16;
    *k += 1;
}

/// The AC coefficients of a block that may hold others, which stay where none is coded.
#[inline(always)]
fn over(bits: &mut Bits, data: &[u8], ac: &AcTable, block: &mut Block) {
    let mut k = 1;
    while k < 64 {
        bits.refill(data);
        let mut step = ac.look(bits.window());
        if step.is_long() {
            step = ac.find(bits.window());
        }
        k += step.run();
        if step.has_value() {
            block[usize::from(NATURAL[k & 127])] = step.value(bits.window()) as i16;
        }
        bits.pass(step.total());
        k += 1;
    }
}

/// The AC coefficients before number `end`; the others are passed over.
#[inline(always)]
fn below(bits: &mut Bits, data: &[u8], ac: &AcTable, skip: &SkipTable, block: &mut Block, end: usize) {
    let mut k = 1;
    while k < end {
        bits.refill(data);
        let mut step = ac.look(bits.window());
        if step.is_long() {
            step = ac.find(bits.window());
        }
        k += step.run();
        if k < end {
            block[usize::from(NATURAL[k & 127])] = step.value(bits.window()) as i16;
        }
        bits.pass(step.total());
        k += 1;
    }
    pass(bits, data, ac, skip, k);
}

/// Passes over the AC coefficients from `k` on.
#[inline(always)]
fn pass(bits: &mut Bits, data: &[u8], ac: &AcTable, skip: &SkipTable, mut k: usize) {
    while k < 64 {
        bits.refill(data);
        match skip.look(bits.window(), k) {
            Some((passed, places)) => {
                bits.pass(passed);
                k += places;
            }
            None => {
                let mut step = ac.look(bits.window());
                if step.is_long() {
                    step = ac.find(bits.window());
                }
                bits.pass(step.total());
                k += step.run() + 1;
                continue;
            }
        }
        // Three times up to 12 bits more fit into what is left.
        for _ in 0..3 {
            let Some((passed, places)) = skip.look(bits.window(), k) else { break };
            bits.pass(passed);
            k += places;
        }
    }
}
