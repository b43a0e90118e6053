//! A task's directory, with a quota, under a directory of the process that leaves nothing behind.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use convertfly_scheduler::space::Space;

use crate::failure::Failure;

/// Held while directories of processes are made or removed.
const ROOT_LOCK: &str = ".lock";

/// Held by a process for as long as it uses its directory; the kernel frees it however the process ends.
const OWNER_LOCK: &str = ".owner";

/// Empty directories that are kept.
const MAX_SPARE: usize = 64;

/// Prefix of the directories of processes; nothing else in the root is ever touched.
const PREFIX: &str = "process-";

/// The scratch space of this process: `<root>/process-<pid>-<start>-<random>`. Cheap to clone; removed with its last clone
/// and last [`TaskDir`].
#[derive(Clone, Debug)]
pub struct Scratch(Arc<ProcessDir>);

#[derive(Debug)]
struct ProcessDir {
    path: PathBuf,
    root: PathBuf,
    /// Directories of tasks that are over, empty.
    spare: Mutex<Vec<PathBuf>>,
    _owner: File,
}

impl Scratch {
    /// Makes a directory for this process under `root` (created with mode 0700 if it is not there) and removes those that dead processes left.
    ///
    /// Whether a process is dead is told by its lock, not by its number: numbers are used again, and a process in another
    /// container that shares the root cannot be seen. The name carries number and start time for people.
    ///
    /// # Errors
    /// When `root` cannot be created, locked or read. Leftovers that cannot be removed are logged only.
    pub fn open(root: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let lock = lock_file(&root.join(ROOT_LOCK))?;
        lock.lock()?;
        remove_leftovers(root)?;
        let name = format!("{PREFIX}{}-{}-{}", std::process::id(), process_start(), random_name()?);
        let path = root.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        let owner = lock_file(&path.join(OWNER_LOCK))?;
        owner.lock()?;
        Ok(Self(Arc::new(ProcessDir { path, root: root.to_owned(), spare: Mutex::default(), _owner: owner })))
    }

    /// Where the tasks' directories are made.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// An empty directory (mode 0700, random name) for a task that may fill it with `quota_bytes`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn task_dir(&self, quota_bytes: u64) -> io::Result<TaskDir> {
        let spare = self.0.spare().pop();
        let path = match spare {
            Some(path) => path,
            None => {
                let path = self.0.path.join(random_name()?);
                DirBuilder::new().mode(0o700).create(&path)?;
                path
            }
        };
        Ok(TaskDir { path, quota_bytes, process: Arc::clone(&self.0) })
    }

    /// Space on the file system that holds the scratch directories.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub fn space(&self) -> io::Result<Space> {
        Space::of(&self.0.path)
    }
}

impl ProcessDir {
    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProcessDir {
    fn drop(&mut self) {
        // Under the root's lock, so that a process that starts now does not remove the same files beside us.
        let lock = lock_file(&self.root.join(ROOT_LOCK)).and_then(|lock| lock.lock().map(|()| lock));
        remove(&self.path);
        drop(lock);
    }
}

/// A task's directory; emptied when dropped, which blocks: drop it where blocking is allowed. It then goes to another task, since making and removing
/// directories is what a file system is slowest at.
#[derive(Debug)]
pub struct TaskDir {
    path: PathBuf,
    quota_bytes: u64,
    process: Arc<ProcessDir>,
}

impl TaskDir {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that the task may use.
    pub fn quota_bytes(&self) -> u64 {
        self.quota_bytes
    }

    /// Bytes in use: for each file its length or what it occupies, whichever is more. Links are not followed; what vanishes
    /// while it is counted does not count.
    pub fn used(&self) -> u64 {
        used(&self.path)
    }

    /// Whether the task keeps within its quota.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] if it does not.
    pub fn check_quota(&self) -> Result<(), Failure> {
        let used = self.used();
        if used <= self.quota_bytes {
            return Ok(());
        }
        let quota = self.quota_bytes;
        Err(Failure::too_large(format!("The task needs {used} bytes of working space; at most {quota} are allowed")))
    }
}

impl Drop for TaskDir {
    fn drop(&mut self) {
        if self.process.spare().len() < MAX_SPARE && empty(&self.path).is_ok() {
            self.process.spare().push(std::mem::take(&mut self.path));
        } else {
            remove(&self.path);
        }
    }
}

/// Removes the files in a directory.
///
/// # Errors
/// When it holds anything else, or a file stays.
fn empty(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        fs::remove_file(entry.path())?;
    }
    Ok(())
}

fn lock_file(path: &Path) -> io::Result<File> {
    let no_links = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(no_links).open(path)
}

/// Removes the directories of processes whose lock is free. The caller holds the root's lock.
fn remove_leftovers(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) || !entry.file_type()?.is_dir() {
            continue;
        }
        let owner = lock_file(&entry.path().join(OWNER_LOCK));
        match owner.map(|owner| owner.try_lock()) {
            Ok(Ok(())) => {
                tracing::info!(path = %entry.path().display(), "removing scratch files of a process that is gone");
                remove(&entry.path());
            }
            Ok(Err(_)) => {}
            Err(cause) => tracing::warn!(path = %entry.path().display(), %cause, "cannot tell whose scratch files these are"),
        }
    }
    Ok(())
}

/// Removes a tree, also where a program has taken the rights to its directories away; links are not followed.
fn remove(path: &Path) {
    let removed = fs::remove_dir_all(path).or_else(|_| {
        make_writable(path);
        fs::remove_dir_all(path)
    });
    match removed {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %cause, "scratch files could not be removed");
        }
        _ => {}
    }
}

fn make_writable(path: &Path) {
    let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

fn used(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok().map(|metadata| (entry, metadata)))
        .map(|(entry, metadata)| match metadata.is_dir() {
            true => used(&entry.path()),
            false => metadata.len().max(metadata.blocks().saturating_mul(512)),
        })
        .fold(0, u64::saturating_add)
}

/// When this process started, clock ticks since boot (proc(5), field 22 of stat); 0 where that cannot be read.
fn process_start() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets, which may itself hold brackets and spaces.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(19).and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// 128 random bits in hexadecimal.
fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("exists").permissions().mode() & 0o777
    }

    #[test]
    fn directories_are_private_and_go_with_their_owner() {
        let base = tempfile::tempdir().expect("a directory");
        let root = base.path().join("deep/scratch");
        let scratch = Scratch::open(&root).expect("opens");
        let (one, two) = (scratch.task_dir(1).expect("made"), scratch.task_dir(1).expect("made"));
        assert_ne!(one.path(), two.path(), "names are random");
        for path in [root.as_path(), scratch.path(), one.path()] {
            assert_eq!(mode(path), 0o700, "{} is nobody else's", path.display());
        }
        let (process, first, second) = (scratch.path().to_owned(), one.path().to_owned(), two.path().to_owned());
        fs::write(first.join("in"), b"x").expect("written");
        fs::write(second.join("in"), b"x").expect("written");
        drop(one);
        assert!(!first.join("in").exists() && second.join("in").exists(), "only what the dropped one held is gone");
        let next = scratch.task_dir(1).expect("made");
        assert_eq!((next.path(), next.used()), (first.as_path(), 0), "it goes to the next task, empty");
        fs::create_dir(first.join("folder")).expect("made");
        drop(next);
        assert!(!first.exists(), "one with folders in it is removed");
        drop(scratch);
        assert!(second.exists(), "a task's directory outlives the handle that made it");
        drop(two);
        assert!(!process.exists(), "the last one takes the process's directory with it");
    }

    #[test]
    fn what_dead_processes_left_is_removed_and_nothing_else() {
        let base = tempfile::tempdir().expect("a directory");
        let root = base.path();
        let living = Scratch::open(root).expect("opens");
        let task = living.task_dir(1).expect("made");
        // As kill -9 leaves it: a process that took the lock and has ended, with and without the lock file.
        let dead = root.join("process-4194305-1-aa");
        fs::create_dir_all(dead.join("task/deeper")).expect("made");
        let held = Command::new("flock").arg(dead.join(OWNER_LOCK)).arg("true").status().expect("flock runs");
        assert!(held.success(), "the other process held the lock");
        let never_locked = root.join("process-1-1-bb");
        fs::create_dir(&never_locked).expect("made");
        let foreign = root.join("somebody-elses");
        fs::create_dir(&foreign).expect("made");

        let second = Scratch::open(root).expect("opens");
        assert!(!dead.exists() && !never_locked.exists(), "leftovers are gone");
        assert!(task.path().exists() && second.path().exists() && foreign.exists(), "everything else is there");
    }

    #[test]
    fn a_tree_without_rights_and_with_links_is_removed_but_not_what_it_points_to() {
        let base = tempfile::tempdir().expect("a directory");
        let outside = base.path().join("outside");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("kept"), b"x").expect("written");
        let scratch = Scratch::open(&base.path().join("scratch")).expect("opens");
        let task = scratch.task_dir(1).expect("made");
        let locked = task.path().join("locked/inner");
        fs::create_dir_all(&locked).expect("made");
        fs::write(locked.join("file"), b"x").expect("written");
        std::os::unix::fs::symlink(&outside, task.path().join("link")).expect("linked");
        fs::set_permissions(&locked, Permissions::from_mode(0o000)).expect("taken away");
        assert!(task.used() < 1 << 16, "links are not followed when counting");
        let path = task.path().to_owned();
        drop(task);
        assert!(!path.exists(), "the tree is gone");
        assert!(outside.join("kept").exists(), "the link's target is not");
    }

    #[test]
    fn the_quota_counts_every_file_and_holes_too() {
        let base = tempfile::tempdir().expect("a directory");
        let scratch = Scratch::open(base.path()).expect("opens");
        let task = scratch.task_dir(1 << 20).expect("made");
        assert_eq!(task.used(), 0, "it starts empty");
        fs::create_dir(task.path().join("sub")).expect("made");
        fs::write(task.path().join("sub/a"), vec![7; 1 << 19]).expect("written");
        assert!(task.used() >= 1 << 19, "files in folders count");
        task.check_quota().expect("half of it is used");
        let sparse = File::create(task.path().join("sparse")).expect("made");
        sparse.set_len(1 << 20).expect("grown");
        assert!(matches!(task.check_quota(), Err(Failure::TooLarge { .. })), "a file of holes counts by its length");
    }
}
