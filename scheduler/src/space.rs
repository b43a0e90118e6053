//! How full a file system is: the one rule by which nodes and the API stop taking what they could not keep.

use std::io;
use std::path::Path;

/// The share of a file system that has to be free for new work to be taken.
const LOW_SHARE: f64 = 0.1;

/// With so many bytes free there is room, however large the file system is: the largest upload, and what becomes of it.
const PLENTY: u64 = 8 << 30;

/// Space of a file system, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still write.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

impl Space {
    /// Space of the file system that holds `path`.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub fn of(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Self { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) })
    }

    /// Whether less than 10 % are free, and less than 8 GiB: then no new work is taken until there is more.
    pub fn is_low(self) -> bool {
        self.free < PLENTY && (self.free as f64) < self.total as f64 * LOW_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f8_a_tenth_has_to_be_free_and_of_a_large_disk_less() {
        assert!(Space { free: 9, total: 100 }.is_low(), "9 % is low");
        assert!(!Space { free: 10, total: 100 }.is_low(), "10 % is not");
        assert!(!Space { free: 9 << 30, total: 4 << 40 }.is_low(), "9 GiB of 4 TiB are enough");
        assert!(Space { free: 7 << 30, total: 4 << 40 }.is_low(), "7 GiB of them are not");
    }

    #[test]
    fn a_file_system_is_asked() {
        let space = Space::of(Path::new("/")).expect("the root can be asked");
        assert!(space.total > 0 && space.free <= space.total, "{space:?}");
        assert!(Space::of(Path::new("/no/such/path")).is_err(), "what is not there cannot");
    }
}
