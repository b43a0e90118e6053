//! Bits of a segment, read 56 at a time at least.

/// A window of 64 bits onto a segment without stuffing, whose padding is longer than what one MCU can take past the end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bits {
    at: usize,
    window: u64,
    /// Bits of the window that are counted as read; behind them stand others that are right, too.
    valid: u32,
}

impl Bits {
    /// At least 56 bits.
    #[inline(always)]
    pub(crate) fn refill(&mut self, data: &[u8]) {
        if let Some(next) = data.get(self.at..).and_then(|rest| rest.first_chunk()) {
            self.window |= u64::from_be_bytes(*next) >> self.valid;
        }
        self.at += ((63 - self.valid) >> 3) as usize;
        self.valid |= 56;
    }

    /// At least `count` bits, up to 56.
    #[inline(always)]
    pub(crate) fn need(&mut self, count: u32, data: &[u8]) {
        if self.valid < count {
            self.refill(data);
        }
    }

    /// They stand at the top.
    #[inline(always)]
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    #[inline(always)]
    pub(crate) fn pass(&mut self, bits: u32) {
        self.window <<= bits;
        self.valid -= bits;
    }

    /// `count` bits, up to 16; refill before.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> u32 {
        let value = ((self.window >> 1) >> (63 - count)) as u32;
        self.pass(count);
        value
    }

    /// Bits that have been passed, the padding's among them.
    pub(crate) fn passed(&self) -> usize {
        8 * self.at - self.valid as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_and_are_counted() {
        let mut data: Vec<u8> = (0..40).map(|i| (i * 37 + 11) as u8).collect();
        let wanted: String = data.iter().map(|byte| format!("{byte:08b}")).collect();
        data.resize(data.len() + 16, 0);
        let mut bits = Bits::default();
        let (mut found, mut length) = (String::new(), 0);
        for count in (1..=16).chain(1..=16).chain([3, 0, 16, 16]) {
            bits.refill(&data);
            let value = bits.take(count);
            if count > 0 {
                found += &format!("{value:0width$b}", width = count as usize);
            }
            length += count as usize;
            assert_eq!(bits.passed(), length);
        }
        assert_eq!(found, wanted[..length]);
    }
}
