//! Codes by symbol, for the encoder.

use super::Spec;
use crate::error::Error;

/// The code of each symbol.
#[derive(Debug)]
pub(crate) struct Codes {
    /// Code and length in the lowest 5 bits; 0 for symbols without a code.
    table: [u32; 256],
}

impl Codes {
    pub(crate) fn new(spec: &Spec) -> Result<Self, Error> {
        let mut table = [0; 256];
        for (length, code, value) in spec.codes()? {
            table[usize::from(value)] = code << 5 | length;
        }
        Ok(Codes { table })
    }

    /// The code and its length.
    #[inline(always)]
    pub(crate) fn of(&self, symbol: u8) -> (u64, u32) {
        let entry = self.table[usize::from(symbol)];
        ((entry >> 5).into(), entry & 31)
    }
}

/// The code of each symbol of a sequential scan, with room for the value behind it, whose bits are as many as the lower half of the symbol says.
#[derive(Debug)]
pub(crate) struct JoinedCodes {
    /// Code and room, and in the lowest 5 bits the length of both; 0 for symbols without a code.
    table: [u32; 256],
}

impl JoinedCodes {
    pub(crate) fn new(spec: &Spec) -> Result<Self, Error> {
        let mut table = [0; 256];
        for (length, code, value) in spec.codes()? {
            let room = u32::from(value & 15);
            table[usize::from(value)] = code << room << 5 | (length + room);
        }
        Ok(JoinedCodes { table })
    }

    /// Code and room, and the length of both.
    #[inline(always)]
    pub(crate) fn of(&self, symbol: u8) -> (u64, u32) {
        let entry = self.table[usize::from(symbol)];
        ((entry >> 5).into(), entry & 31)
    }

    /// The table for those who look into it themselves.
    pub(crate) fn table(&self) -> &[u32; 256] {
        &self.table
    }
}
