//! Files that this node has at hand: what it has just made or fetched, so that a continuation need not fetch it again.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

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
pub(super) struct Cache {
    entries: Mutex<VecDeque<(String, LocalFile)>>,
    /// Files that are on their way, and the lock of whoever fetches one.
    fetched: Mutex<HashMap<String, Weak<Turn>>>,
}

/// Held by the one that fetches a file.
pub(super) type Turn = tokio::sync::Mutex<()>;

impl Cache {
    pub(super) fn get(&self, key: &str) -> Option<LocalFile> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().find(|(name, _)| name == key).map(|(_, file)| file.clone())
    }

    /// The lock under which a file is fetched, so that several tasks that need it fetch it once.
    pub(super) fn turn(&self, key: &str) -> Arc<Turn> {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = fetched.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        fetched.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::default());
        fetched.insert(key.to_owned(), Arc::downgrade(&turn));
        turn
    }

    pub(super) fn put(&self, key: String, file: LocalFile) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
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
