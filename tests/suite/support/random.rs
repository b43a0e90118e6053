//! Random choices that can be repeated from a seed.

/// xorshift64* (Vigna 2016): enough to choose steps.
pub(crate) struct Random(u64);

impl Random {
    /// Repeatable from the seed that a failure prints.
    pub(crate) fn new(seed: u64) -> Self {
        // Never zero, from which the generator would not move; neighbouring seeds far apart.
        Self((seed.wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `n`, which is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}
