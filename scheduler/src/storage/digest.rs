//! What is known of an object's bytes from having seen them pass by: SHA-256 for people and tags, CRC-32 for zip archives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest, Sha256};

use super::intake::blocking;
use super::{StorageError, Stored};

/// The digests of the bytes so far.
#[derive(Clone, Default)]
pub(super) struct Digests {
    sha256: Sha256,
    crc32: crc32fast::Hasher,
    size: u64,
}

impl Digests {
    /// Takes in the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.crc32.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// As [`Digests::update`], on the blocking pool: a large block would hold up the runtime for milliseconds.
    pub(super) async fn take(mut self, block: Bytes) -> Result<Self, StorageError> {
        blocking(move || {
            self.update(&block);
            Ok(self)
        })
        .await
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// What they come to.
    pub(super) fn finish(self) -> Stored {
        Stored { size: self.size, sha256: hex(&self.sha256.finalize()), crc32: self.crc32.finalize() }
    }

    /// The state as text, from which another process goes on.
    pub(super) fn save(&self) -> String {
        let crc32 = self.crc32.clone().finalize();
        format!("{}.{crc32:08x}.{}", STANDARD_NO_PAD.encode(self.sha256.serialize()), self.size)
    }

    /// Goes on from what [`Digests::save`] wrote; `None` for anything else.
    pub(super) fn restore(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (state, crc32, size) = (parts.next()?, parts.next()?, parts.next()?);
        let state = STANDARD_NO_PAD.decode(state).ok()?;
        let size = size.parse().ok()?;
        Some(Self {
            sha256: Sha256::deserialize(state.as_slice().try_into().ok()?).ok()?,
            crc32: crc32fast::Hasher::new_with_initial_len(u32::from_str_radix(crc32, 16).ok()?, size),
            size,
        })
    }
}

/// Lowercase hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_go_on_in_another_process() {
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
        let mut whole = Digests::default();
        whole.update(&bytes);
        let whole = whole.finish();
        assert_eq!(whole.crc32, crc32fast::hash(&bytes), "the CRC of zip");
        for cut in [0, 1, 63, 64, 65, 4096, 99_999, 100_000] {
            let mut first = Digests::default();
            first.update(&bytes[..cut]);
            let mut second = Digests::restore(&first.save()).expect("what it wrote");
            second.update(&bytes[cut..]);
            assert_eq!(second.finish(), whole, "cut at {cut}");
        }
        for bad in ["", ".", "AAAA.0.0", "x.y.z"] {
            assert!(Digests::restore(bad).is_none(), "{bad:?} is not a state");
        }
    }
}
