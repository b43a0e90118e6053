//! Huffman tables: as files hold them, as the decoder and the encoder use them, and the best ones for a histogram.

mod decode;
mod encode;
mod optimal;
mod standard;

pub(crate) use decode::{AcTable, DcTable, SkipTable, Step, Symbols};
pub(crate) use encode::{Codes, JoinedCodes};
pub(crate) use optimal::{Histogram, optimal};
pub(crate) use standard::STANDARD;

use crate::error::Error;

/// A table as a DHT segment holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    /// How many codes there are of each length from 1 to 16.
    pub(crate) counts: [u8; 16],
    /// What they stand for, shortest first; zeros behind them.
    pub(crate) values: [u8; 256],
}

impl Spec {
    const fn of(counts: &[u8; 16], known: &[u8]) -> Self {
        let mut values = [0; 256];
        let mut at = 0;
        while at < known.len() {
            values[at] = known[at];
            at += 1;
        }
        Spec { counts: *counts, values }
    }

    /// The values that are coded.
    pub(crate) fn coded(&self) -> &[u8] {
        let total: usize = self.counts.iter().copied().map(usize::from).sum();
        &self.values[..total.min(256)]
    }

    /// Length, code and value of each, shortest first. A code of ones only is refused, and so are more codes than fit.
    fn codes(&self) -> Result<Vec<(u32, u32, u8)>, Error> {
        const BAD: Error = Error::Broken("a Huffman table is not a prefix code");
        let mut codes = Vec::with_capacity(256);
        let mut code = 0u32;
        for (length, &count) in (1..).zip(&self.counts) {
            for _ in 0..count {
                let value = *self.values.get(codes.len()).ok_or(BAD)?;
                codes.push((length, code, value));
                code += 1;
            }
            if code >= 1 << length {
                return Err(BAD);
            }
            code <<= 1;
        }
        Ok(codes)
    }
}
