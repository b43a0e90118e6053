//! Files that this node has at hand: what it has just made or fetched, so that a continuation need not fetch it again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::scratch::TaskDir;

/// Entries and bytes kept; the oldest ones go first.
const MAX_ENTRIES: usize = 64;
const MAX_BYTES: u64 = 1 << 30;

/// A file on this node's disk; its folder goes when nobody needs it any more.
#[derive(Clone)]
pub struct LocalFile {
    path: PathBuf,
    size: u64,
    _folder: Arc<TaskDir>,
}

impl LocalFile {
    /// A file in a task's folder, which it keeps alive.
    pub fn new(path: PathBuf, size: u64, folder: Arc<TaskDir>) -> Self {
        Self { path, size, _folder: folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The files at hand, by storage key.
#[derive(Default)]
pub(super) struct Cache(Mutex<VecDeque<(String, LocalFile)>>);

impl Cache {
    pub(super) fn get(&self, key: &str) -> Option<LocalFile> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().find(|(name, _)| name == key).map(|(_, file)| file.clone())
    }

    pub(super) fn put(&self, key: String, file: LocalFile) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(name, _)| *name != key);
        entries.push_back((key, file));
        let mut bytes: u64 = entries.iter().map(|(_, file)| file.size).sum();
        while entries.len() > MAX_ENTRIES || (bytes > MAX_BYTES && entries.len() > 1) {
            if let Some((_, gone)) = entries.pop_front() {
                bytes -= gone.size;
            }
        }
    }
}
