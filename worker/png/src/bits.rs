//! Bits, the lowest first, as deflate has them (RFC 1951, 3.1.1).

/// Takes bits and holds the bytes that they make.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// Bytes that are whole; those behind are room.
    len: usize,
    bits: u64,
    /// Bits in `bits`, below 8 between calls.
    count: u32,
}

impl Writer {
    /// Some bytes, and bits from there on.
    pub(crate) fn starting_with(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), len: bytes.len(), bits: 0, count: 0 }
    }

    /// Makes room for `bytes` more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        let needed = self.len + bytes + size_of::<u64>();
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
    }

    /// Appends the lower `count` bits of `bits`, the others being 0; at most 56.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        self.run(
            #[inline(always)]
            |cursor| cursor.put(bits, count),
        );
    }

    /// Many in a row, with what is needed for it in registers.
    #[inline(always)]
    pub(crate) fn run(&mut self, work: impl FnOnce(&mut Cursor<'_>)) {
        let mut cursor = Cursor { bytes: &mut self.bytes, len: self.len, bits: self.bits, count: self.count };
        work(&mut cursor);
        (self.len, self.bits, self.count) = (cursor.len, cursor.bits, cursor.count);
    }

    /// Fills the last byte and appends others.
    pub(crate) fn finish(&mut self, bytes: &[u8]) {
        self.reserve(1 + bytes.len());
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// The bytes that are whole.
    pub(crate) fn whole(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Begins anew with the bits that make no byte yet.
    pub(crate) fn forget(&mut self) {
        self.len = 0;
    }
}

/// Where the next bits go.
pub(crate) struct Cursor<'a> {
    bytes: &'a mut [u8],
    len: usize,
    bits: u64,
    count: u32,
}

impl Cursor<'_> {
    /// See [`Writer::put`]. Of `count` its lower 6 bits count, which is what processors look at.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        self.bits |= bits.wrapping_shl(self.count);
        self.count = self.count.wrapping_add(count) & 63;
        if let Some(place) = self.bytes.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            *place = self.bits.to_le_bytes();
        }
        self.len += (self.count / 8) as usize;
        self.bits = self.bits.wrapping_shr(self.count & !7);
        self.count &= 7;
    }
}
