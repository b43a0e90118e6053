//! Codes by symbol, for the encoder.

use super::Spec;
use crate::error::Error;

/// The code of each symbol.
#[derive(Debug)]
pub(crate) struct Codes {
    /// Code and length; length 0 for symbols without a code.
    table: [(u16, u8); 256],
}

impl Codes {
    pub(crate) fn new(spec: &Spec) -> Result<Self, Error> {
        let mut table = [(0, 0); 256];
        for (length, code, value) in spec.codes()? {
            table[usize::from(value)] = (code as u16, length as u8);
        }
        Ok(Codes { table })
    }

    /// The code and its length.
    #[inline(always)]
    pub(crate) fn of(&self, symbol: u8) -> (u64, u32) {
        let (code, length) = self.table[usize::from(symbol)];
        (code.into(), length.into())
    }
}
