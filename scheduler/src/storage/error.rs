//! What can go wrong between a caller and storage.

use std::io;

/// An operation on storage that did not succeed. Each text says what to do next; none holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No such object: it expired, or it was never stored.
    #[error("no object {0} in storage; it has expired or was never stored")]
    NotFound(String),
    /// A key or prefix that this crate would never make.
    #[error("{0:?} is not a storage key; keys are made of identifiers only")]
    InvalidKey(String),
    /// More bytes than allowed; nothing was kept.
    #[error("the object is larger than its limit of {limit} bytes; send a smaller file")]
    TooLarge {
        /// Largest size allowed, in bytes.
        limit: u64,
    },
    /// The stream held another number of bytes than announced; nothing was kept.
    #[error("{expected} bytes were announced and {received} arrived; send the file again")]
    LengthMismatch {
        /// Bytes announced.
        expected: u64,
        /// Bytes seen until the mismatch was certain.
        received: u64,
    },
    /// The caller's own stream or file failed part-way; nothing was kept.
    #[error("the bytes to store could not be read: {0}")]
    Source(#[source] io::Error),
    /// The range starts after the end of the object.
    #[error("the range starts after the end of the object ({size} bytes)")]
    RangeNotSatisfiable {
        /// Size of the object in bytes.
        size: u64,
    },
    /// The disk or quota under the storage folder is used up. Retryable: the operator frees space, or objects expire.
    #[error("storage is full; free some space or move CONVERTFLY_STORAGE to a larger disk")]
    Full,
    /// The bucket's server is down, slow or overloaded and stayed so through every try. Retryable.
    #[error("storage is not available: {0}; it is tried again later")]
    Unavailable(String),
    /// The bucket refused our key or secret, or does not exist.
    #[error("the bucket refuses us: {0}; check CONVERTFLY_STORAGE and the CONVERTFLY_S3_ variables")]
    Denied(String),
    /// The bucket answered something that this client cannot use.
    #[error("the bucket answered unexpectedly: {0}")]
    Protocol(String),
    /// The storage folder, or a file beside it, failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, as in "cannot …".
        action: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The settings cannot be used.
    #[error("storage settings: {0}")]
    Config(String),
}

impl StorageError {
    /// True when the same call may succeed later without anyone changing the request: the disk was full, or the bucket was
    /// down. A task that met it waits and runs again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full | Self::Unavailable(_))
    }

    /// Wraps a file error; running out of space or quota becomes [`StorageError::Full`].
    pub(super) fn io(action: &'static str) -> impl Fn(io::Error) -> Self + Copy {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io { action, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_and_retryable() {
        let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the kernel's always-full device");
        let error = full.write_all(b"x").map_err(StorageError::io("write")).expect_err("the device is always full");
        assert!(matches!(error, StorageError::Full) && error.is_retryable(), "got {error:?}");
        let error = StorageError::io("write")(io::ErrorKind::PermissionDenied.into());
        assert!(!error.is_retryable(), "a permission does not come back by waiting: {error:?}");
    }
}
