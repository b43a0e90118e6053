//! Look-up tables of the decoder.
//!
//! Codes of up to `LOOK` bits, nearly all, take one look-up, which gives everything about a symbol: how far to move in the bits and in the
//! block, and where its value stands. Longer codes are compared length by length, as libjpeg does it.

use std::cell::Cell;

use super::Spec;
use crate::error::Error;

/// Bits that are looked up at once. With up to 15 bits of value two symbols fit into the 56 bits that a refill gives at least.
const LOOK: u32 = 10;

/// Bits that are looked up at once to skip symbols.
const SKIP: u32 = 12;

/// Entries that say "not here".
const LONG: u32 = 0;

/// What a code, and its value's bits, mean: bits to pass, bits of the code, places to pass in the block, bits of the value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step(u32);

impl Step {
    const fn new(length: u32, run: u32, size: u32) -> Self {
        Step((length + size) | length << 8 | run << 16 | size << 24)
    }

    /// An AC symbol of a sequential scan: what is no value and no run of 16 zeros ends the block, like a run behind its end.
    fn ac(length: u32, symbol: u8) -> Self {
        match (u32::from(symbol >> 4), u32::from(symbol & 15)) {
            (15, 0) => Step::new(length, 15, 0),
            (_, 0) => Step::new(length, 64, 0),
            (run, size) => Step::new(length, run, size),
        }
    }

    pub(crate) fn is_long(self) -> bool {
        self.0 == LONG
    }

    /// Bits of code and value.
    pub(crate) fn total(self) -> u32 {
        self.0 & 0xff
    }

    /// Zeros before the value.
    pub(crate) fn run(self) -> usize {
        (self.0 >> 16 & 0xff) as usize
    }

    pub(crate) fn has_value(self) -> bool {
        self.0 >> 24 != 0
    }

    /// The value behind the code at the top of `bits`; 0 if it has no bits.
    #[inline(always)]
    pub(crate) fn value(self, bits: u64) -> i32 {
        let bits = bits << (self.0 >> 8 & 63);
        let size = self.0 >> 24;
        let magnitude = (bits >> 1) >> (63 - size);
        // Values with a 0 in front are negative.
        let negative = !((bits as i64) >> 63) as i32;
        (magnitude as i32) - (negative & ((1 << size) - 1))
    }
}

/// Symbols by canonical comparison.
#[derive(Debug)]
struct Long {
    /// The largest code of each length, or -1.
    largest: [i32; 17],
    /// From a code to the place of its value.
    offset: [i32; 17],
    values: [u8; 256],
    /// Bits were met that are no code.
    missed: Cell<bool>,
}

impl Long {
    fn new(spec: &Spec) -> Result<Self, Error> {
        let codes = spec.codes()?;
        let mut long = Long { largest: [-1; 17], offset: [0; 17], values: spec.values, missed: Cell::new(false) };
        for (place, &(length, code, _)) in codes.iter().enumerate() {
            let length = length as usize;
            if long.largest[length] < 0 {
                long.offset[length] = place as i32 - code as i32;
            }
            long.largest[length] = code as i32;
        }
        Ok(long)
    }

    /// Length and symbol of the code at the top of `bits`. What is no code has 17 bits and means 0.
    #[cold]
    fn find(&self, bits: u64) -> (u32, u8) {
        for length in 1..=16 {
            let code = (bits >> (64 - length)) as i32;
            if code <= self.largest[length as usize] {
                let place = code + self.offset[length as usize];
                return (length, self.values[(place & 0xff) as usize]);
            }
        }
        self.missed.set(true);
        (17, 0)
    }
}

/// Fills the entries of all codes of up to `look` bits.
fn fill<T: Copy>(spec: &Spec, look: u32, table: &mut [T], entry: impl Fn(u32, u8) -> T) -> Result<(), Error> {
    for (length, code, value) in spec.codes()? {
        if length <= look {
            let first = (code << (look - length)) as usize;
            table[first..first + (1 << (look - length))].fill(entry(length, value));
        }
    }
    Ok(())
}

/// The AC symbols of a sequential scan.
#[derive(Debug)]
pub(crate) struct AcTable {
    look: Box<[Step; 1 << LOOK]>,
    long: Long,
}

impl AcTable {
    pub(crate) fn new(spec: &Spec) -> Result<Self, Error> {
        let mut look = Box::new([Step(LONG); 1 << LOOK]);
        fill(spec, LOOK, &mut look[..], Step::ac)?;
        Ok(AcTable { look, long: Long::new(spec)? })
    }

    #[inline(always)]
    pub(crate) fn look(&self, bits: u64) -> Step {
        self.look[(bits >> (64 - LOOK)) as usize]
    }

    /// For what `look` does not know.
    #[cold]
    pub(crate) fn find(&self, bits: u64) -> Step {
        let (length, symbol) = self.long.find(bits);
        Step::ac(length, symbol)
    }

    /// Whether bits were met that are no code.
    pub(crate) fn has_missed(&self) -> bool {
        self.long.missed.get()
    }
}

/// The DC symbols of a scan.
#[derive(Debug)]
pub(crate) struct DcTable {
    look: Box<[Step; 1 << LOOK]>,
    long: Long,
}

impl DcTable {
    pub(crate) fn new(spec: &Spec) -> Result<Self, Error> {
        if spec.coded().iter().any(|&value| value > 15) {
            return Err(Error::Broken("a Huffman table for DC codes more than 15 bits"));
        }
        let mut look = Box::new([Step(LONG); 1 << LOOK]);
        fill(spec, LOOK, &mut look[..], |length, size| Step::new(length, 0, size.into()))?;
        Ok(DcTable { look, long: Long::new(spec)? })
    }

    #[inline(always)]
    pub(crate) fn step(&self, bits: u64) -> Step {
        let step = self.look[(bits >> (64 - LOOK)) as usize];
        if !step.is_long() {
            return step;
        }
        let (length, size) = self.long.find(bits);
        Step::new(length, 0, size.into())
    }

    /// Whether bits were met that are no code.
    pub(crate) fn has_missed(&self) -> bool {
        self.long.missed.get()
    }
}

/// Bare symbols, for progressive scans.
#[derive(Debug)]
pub(crate) struct Symbols {
    look: Box<[u16; 1 << LOOK]>,
    long: Long,
}

impl Symbols {
    pub(crate) fn new(spec: &Spec) -> Result<Self, Error> {
        let mut look = Box::new([0; 1 << LOOK]);
        fill(spec, LOOK, &mut look[..], |length, symbol| (length as u16) << 8 | u16::from(symbol))?;
        Ok(Symbols { look, long: Long::new(spec)? })
    }

    /// Length and symbol of the code at the top of `bits`.
    #[inline(always)]
    pub(crate) fn find(&self, bits: u64) -> (u32, u8) {
        match self.look[(bits >> (64 - LOOK)) as usize] {
            0 => self.long.find(bits),
            entry => (u32::from(entry >> 8), entry as u8),
        }
    }

    /// Whether bits were met that are no code.
    pub(crate) fn has_missed(&self) -> bool {
        self.long.missed.get()
    }
}

/// AC symbols that nobody wants: as many as stand whole in `SKIP` bits are passed with one look-up.
#[derive(Debug)]
pub(crate) struct SkipTable {
    /// Bits to pass, places in the block before the last symbol, and with it. No bits is for symbols that are longer.
    look: Box<[(u8, u8, u8); 1 << SKIP]>,
}

impl SkipTable {
    pub(crate) fn new(ac: &AcTable) -> Self {
        let mut look = Box::new([(0, 0, 0); 1 << SKIP]);
        for (index, entry) in look.iter_mut().enumerate() {
            let bits = (index as u64) << (64 - SKIP);
            while entry.2 < 64 {
                let step = ac.look(bits << entry.0);
                if step.is_long() || u32::from(entry.0) + step.total() > SKIP {
                    break;
                }
                *entry = (entry.0 + step.total() as u8, entry.2, entry.2 + step.run() as u8 + 1);
            }
        }
        SkipTable { look }
    }

    /// Bits and places to pass for a block at `k`; nothing where the next symbol alone does not stand in the table, or the block ends before
    /// its last one.
    #[inline(always)]
    pub(crate) fn look(&self, bits: u64, k: usize) -> Option<(u32, usize)> {
        let (passed, before, places) = self.look[(bits >> (64 - SKIP)) as usize];
        (passed != 0 && k + usize::from(before) < 64).then_some((passed.into(), places.into()))
    }
}
