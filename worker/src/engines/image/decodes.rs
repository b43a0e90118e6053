//! Files that several tasks read: what one of them decodes the others get, and so does a task that reads what another has just made.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::admission::{Memory, Permit};
use super::job::Clock;
use super::pipeline;
use crate::failure::Failure;
use crate::formats::{DecodeOptions, Decoded, Format, Header, Held, Known, Memo, Part};

/// Who else reads the files of a task. Only tasks of one account have anything in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The account.
    pub account: String,
    /// Tasks that read the input, this one included.
    pub readers: u32,
    /// Tasks that will read the output.
    pub followers: u32,
}

impl Share {
    /// For a step of several: the first one reads the input, the last one writes the output.
    pub fn of_step(&self, is_first: bool, is_last: bool) -> Self {
        let given = |is_given: bool, tasks: u32| if is_given { tasks } else { 0 };
        Self { account: self.account.clone(), readers: given(is_first, self.readers), followers: given(is_last, self.followers) }
    }
}

/// What nobody uses is kept for a task that is still to come for so long.
const KEEP: Duration = Duration::from_secs(10);

/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The part of the budget of memory that may be kept.
const PART: u64 = 4;

/// A file, whatever it is called: another one of the same account that is written in its place has another time or number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileId {
    account: String,
    place: (u64, u64),
    size: u64,
    written: (i64, i64),
}

impl FileId {
    fn of(account: &str, file: &File) -> Option<Self> {
        let meta = file.metadata().ok()?;
        let (place, written) = ((meta.dev(), meta.ino()), (meta.mtime(), meta.mtime_nsec()));
        Some(Self { account: account.to_owned(), place, size: meta.size(), written })
    }
}

/// The files that are read by several tasks.
pub struct Decodes {
    memory: &'static Memory,
    kept: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// Whether the thread runs that lets go of what nobody has come for.
    tidied: bool,
}

struct Entry {
    file: FileId,
    memo: Arc<Memo>,
    /// Whether its pixels were there before it was read.
    made_here: bool,
    /// Tasks that are at it.
    users: u32,
    /// Tasks that are still to come.
    expected: u32,
    /// When the last one went.
    left: Instant,
}

/// Memory of the process, counted as kept.
struct Kept {
    _permit: Permit<'static>,
    bytes: u64,
    kept: Arc<AtomicU64>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.kept.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Decodes {
    /// Those of this process.
    pub fn of_process() -> &'static Self {
        static DECODES: OnceLock<Decodes> = OnceLock::new();
        DECODES.get_or_init(|| Self::new(Memory::of_process()))
    }

    fn new(memory: &'static Memory) -> Self {
        Self { memory, kept: Arc::default(), state: Mutex::default() }
    }

    /// A task begins to read `file`: what it has in common with others, if there are any.
    pub(super) fn join(&'static self, share: &Share, file: &File) -> Option<Joined> {
        let file = FileId::of(&share.account, file)?;
        let mut state = self.lock();
        let found = state.entries.iter().position(|entry| entry.file == file);
        let at = match found {
            Some(at) => at,
            None if share.readers > 1 => {
                state.entries.push(self.entry(file.clone(), share.readers, false));
                state.entries.len() - 1
            }
            None => return None,
        };
        let entry = state.entries.get_mut(at)?;
        entry.users += 1;
        entry.expected = entry.expected.saturating_sub(1);
        let (known, made_here) = (Arc::new(Known::new(Arc::clone(&entry.memo))), entry.made_here);
        self.tidy(&mut state);
        Some(Joined { decodes: self, file, known, made_here, readers: share.readers })
    }

    /// A task has written `picture` to `file` such that it will be read back from there just like that.
    pub(super) fn put(&'static self, share: &Share, file: &File, picture: &Decoded) {
        let Some(file) = FileId::of(&share.account, file).filter(|_| share.followers > 0) else { return };
        let entry = self.entry(file, share.followers, true);
        let bytes: u64 = picture.frames.iter().map(|frame| frame.image.data().len() as u64).sum();
        entry.memo.put(Part::Pixels { all_frames: false, page: 0, variant: (0, 0) }, bytes, picture.clone());
        let mut state = self.lock();
        state.entries.push(entry);
        self.tidy(&mut state);
    }

    /// Lets go of everything that no task is at: memory is short.
    pub(super) fn let_go(&self) {
        self.drop_idle(Duration::ZERO);
    }

    fn entry(&'static self, file: FileId, expected: u32, made_here: bool) -> Entry {
        let memo = Arc::new(Memo::new(Arc::new(move |bytes| self.reserve(bytes))));
        Entry { file, memo, made_here, users: 0, expected, left: Instant::now() }
    }

    /// Memory for what is kept, as long as that is a small part of all, and free.
    fn reserve(&self, bytes: u64) -> Option<Held> {
        let room = || {
            let within = self.kept.load(Ordering::Relaxed).saturating_add(bytes) <= self.memory.total() / PART;
            if within { self.memory.try_acquire(bytes) } else { None }
        };
        let permit = room().or_else(|| {
            self.let_go();
            room()
        })?;
        self.kept.fetch_add(bytes, Ordering::Relaxed);
        Some(Box::new(Kept { _permit: permit, bytes, kept: Arc::clone(&self.kept) }))
    }

    /// Lets go of what nobody has used for so long.
    fn drop_idle(&self, age: Duration) {
        let mut state = self.lock();
        // Pixels are given back to the system outside of the lock.
        let gone: Vec<Entry> = state.entries.extract_if(.., |entry| entry.users == 0 && entry.left.elapsed() >= age).collect();
        drop(state);
        drop(gone);
    }

    /// Sees to it that what is kept goes in time, also where no task comes any more.
    fn tidy(&'static self, state: &mut State) {
        if state.tidied {
            return;
        }
        let thread = std::thread::Builder::new().name("decodes".to_owned()).spawn(move || {
            loop {
                std::thread::sleep(LOOK);
                self.drop_idle(KEEP);
                let mut state = self.lock();
                if state.entries.is_empty() {
                    state.tidied = false;
                    return;
                }
            }
        });
        state.tidied = thread.is_ok();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task's part in what several have in common; it leaves when this is dropped.
pub(super) struct Joined {
    decodes: &'static Decodes,
    file: FileId,
    known: Arc<Known>,
    made_here: bool,
    readers: u32,
}

impl Joined {
    /// What the task sees of it.
    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known)
    }

    /// Says where the pixels came from.
    pub(super) fn explain(&self, explain: &mut Map<String, Value>) {
        let from = match (self.known.has_found(), self.made_here) {
            (false, _) => "own",
            (true, false) => "shared",
            (true, true) => "kept",
        };
        explain.insert("decode".to_owned(), json!(from));
        explain.insert("decode_tasks".to_owned(), json!(self.readers));
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut state = self.decodes.lock();
        let Some(at) = state.entries.iter().position(|entry| entry.file == self.file) else { return };
        let entry = &mut state.entries[at];
        entry.users = entry.users.saturating_sub(1);
        entry.left = Instant::now();
        let is_last = entry.users == 0 && entry.expected == 0;
        let gone = is_last.then(|| state.entries.swap_remove(at));
        drop(state);
        drop(gone);
    }
}

/// Decodes as [`pipeline::decode`] does, or gives what another task on the file has decoded in the same way.
pub(super) fn decode(
    from: &Format,
    header: &Header,
    wanted: &DecodeOptions,
    data: &[u8],
    clock: &mut Clock,
) -> Result<Decoded, Failure> {
    let (Some(known), Some(decoder)) = (&wanted.known, from.decode) else {
        return pipeline::decode(from, wanted, data, clock);
    };
    // What it has in common with others is not the pixels of its own size.
    if wanted.exactly.is_some() {
        return pipeline::decode(from, wanted, data, clock);
    }
    let variant = (decoder.variant)(header, wanted.at_least.unwrap_or((u32::MAX, u32::MAX)));
    let part = Part::Pixels { all_frames: wanted.all_frames, page: wanted.page, variant };
    let bytes = header.predicted_bytes(if wanted.all_frames { header.frames } else { 1 });
    let make = || pipeline::guarded(|| (decoder.decode)(data, wanted));
    let decoded = clock.time("decode", || known.get(part, bytes, &wanted.cancel, make))?;
    // Frames have their pixels in common until one is changed.
    Ok(Decoded::clone(&decoded))
}

#[cfg(test)]
#[path = "decodes_tests.rs"]
mod tests;
