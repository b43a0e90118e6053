//! Coefficients into files.

mod bits;
pub(crate) mod dct;
mod markers;
mod picture;
mod progressive;
pub(crate) mod sampling;
mod script;
mod sequential;
mod strips;
mod tally;

pub(crate) use bits::Writer;
pub(crate) use markers::table_of;
pub use picture::{Samples, Sampling, Source, encode, encode_packed};
use progressive::Tokens;
use script::Plan;
pub(crate) use sequential::{RowWriter, Tables, bits as value_bits, in_range, size};
use tally::Tally;

use crate::coefficients::Coefficients;
use crate::error::Error;
use crate::frame::Frame;
use crate::huffman::{Codes, optimal};
use crate::scan::{Block, Layout};
use crate::simd::Level;

/// How coefficients are coded; what they are stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coding {
    /// One pass, with the Huffman tables of the standard.
    #[default]
    Standard,
    /// Two passes, with the best tables.
    Optimized,
    /// Progressive, with the best tables for each scan.
    Progressive,
}

/// What else stands in a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteOptions<'a> {
    /// The coding.
    pub coding: Coding,
    /// MCUs from one restart marker to the next, in sequential files; 0 is none.
    pub restart_interval: u16,
    /// Marker and content of segments that follow JFIF's: EXIF, profiles, comments.
    pub segments: &'a [(u8, &'a [u8])],
}

impl Coefficients {
    /// A file of these coefficients.
    pub fn write(&self, options: &WriteOptions<'_>) -> Result<Vec<u8>, Error> {
        let progressive = options.coding == Coding::Progressive;
        let mut out = Vec::new();
        markers::head(&mut out, &self.frame, options.segments, progressive)?;
        if progressive {
            for plan in script::progressive(&self.frame) {
                out = self.progressive_scan(out, &plan)?;
            }
        } else {
            if options.restart_interval > 0 {
                markers::restarts(&mut out, options.restart_interval)?;
            }
            for plan in script::sequential(&self.frame) {
                out = self.sequential_scan(out, &plan, options)?;
            }
        }
        out.extend([0xff, 0xd9]);
        Ok(out)
    }

    fn progressive_scan(&self, mut out: Vec<u8>, plan: &Plan) -> Result<Vec<u8>, Error> {
        let table = |index| markers::table_of(&self.frame, index);
        let tokens = Level::detect().run(|| Tokens::of(&self.frame, &self.planes, plan, table))?;
        let class = u8::from(plan.first > 0);
        let mut codes = [const { None }; 2];
        for (number, (histogram, codes)) in tokens.histograms.iter().zip(&mut codes).enumerate() {
            if let Some(histogram) = histogram {
                let spec = optimal(histogram);
                markers::huffman(&mut out, class, number, &spec)?;
                *codes = Some(Codes::new(&spec)?);
            }
        }
        markers::scan(&mut out, &self.frame, plan)?;
        let mut writer = Writer::new(out);
        tokens.write(&mut writer, &codes);
        Ok(writer.finish())
    }

    fn sequential_scan(&self, mut out: Vec<u8>, plan: &Plan, options: &WriteOptions<'_>) -> Result<Vec<u8>, Error> {
        let layout = Layout::new(&self.frame, plan.components.iter().copied())?;
        let pairs: Vec<usize> = plan.components.iter().map(|&index| markers::table_of(&self.frame, index)).collect();
        let interval = options.restart_interval.into();
        if options.coding == Coding::Optimized {
            let mut tally = Tally::new(interval);
            self.each_row(&layout, |rows, strides| tally.row(&layout, &pairs, rows, strides));
            let tables = tally.best()?;
            tables.write(&mut out)?;
            markers::scan(&mut out, &self.frame, plan)?;
            return Ok(tally.write(out, &tables));
        }
        let tables = Tables::standard(&pairs)?;
        tables.write(&mut out)?;
        markers::scan(&mut out, &self.frame, plan)?;
        let mut writer = RowWriter::new(out, interval);
        self.each_row(&layout, |rows, strides| writer.row(&tables, &layout, &pairs, rows, strides));
        writer.finish()
    }

    /// Hands out the blocks of each part of a layout, one row of MCUs after the other, and how many blocks lie in a row.
    fn each_row(&self, layout: &Layout, mut take: impl FnMut(&[&[Block]], &[usize])) {
        let strides: Vec<usize> = layout.parts.iter().map(|&(index, ..)| self.frame.components[index].stride).collect();
        for y in 0..layout.down {
            let rows: Vec<&[Block]> = (layout.parts.iter().zip(&strides))
                .map(|(&(index, _, v), &stride)| &self.planes[index][y * v * stride..][..v * stride])
                .collect();
            take(&rows, &strides);
        }
    }
}

/// A sequential file of one scan, up to its data.
pub(crate) fn begin(out: &mut Vec<u8>, frame: &Frame, options: &WriteOptions<'_>, tables: &Tables) -> Result<(), Error> {
    markers::head(out, frame, options.segments, false)?;
    tables.write(out)?;
    if options.restart_interval > 0 {
        markers::restarts(out, options.restart_interval)?;
    }
    for plan in script::sequential(frame) {
        markers::scan(out, frame, &plan)?;
    }
    Ok(())
}
