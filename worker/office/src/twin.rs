//! A twin of LibreOffice's process, which has the same document open and writes its share of the pages.
//!
//! To open a long document takes longer than to write it, so it is opened once, and then the process divides. The macro makes a folder of
//! a certain name; LibreOffice calls `mkdir` for that, which the program has replaced (`main.rs`), and [`make_folder`] forks there.
//!
//! - Why there: the thread that runs the macro holds LibreOffice's great lock (the `SolarMutex`), so none of the other threads, which the
//!   twin does not have, is in the midst of something.
//! - Why not by `fork`: LibreOffice's locks are recursive and know their owner by the number of its thread, of which the C library keeps
//!   a copy. `fork` renews that, and the twin would wait for itself.
//! - What may go wrong all the same (a lock of the C library that another thread held at that moment) ends with the patience of [`Twin::wait`].

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid};

/// From its last letter the macro sees where it runs: `1` in the twin. There it is changed in place, since the twin had better not ask for
/// memory before it is on its way.
const MARK: &[u8] = b"CONVERTFLY_TWIN=0\0";

/// [`MARK`] in the environment.
static ENVIRONMENT: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

/// How the process divides, once.
struct Plan {
    /// The folder's name.
    path: CString,
    /// Whether it may: known by the time the document is open.
    may: Receiver<bool>,
}

static PLAN: Mutex<Option<Plan>> = Mutex::new(None);
static TWIN: Mutex<Option<Twin>> = Mutex::new(None);
/// Where the twin says that it is done.
static DONE: Mutex<Option<File>> = Mutex::new(None);
static IS_TWIN: AtomicBool = AtomicBool::new(false);

/// The other process, as the first one sees it. It is killed when this is dropped.
pub(crate) struct Twin {
    pid: Pid,
    /// One byte when it is done, the end when it is dead.
    done: Option<File>,
}

/// Puts the mark into the environment: before there are other threads.
pub(crate) fn begin() {
    let mark = Box::leak(MARK.to_vec().into_boxed_slice()).as_mut_ptr();
    // SAFETY: a text that ends in NUL and lives as long as the process; nobody else changes variables or reads them yet.
    if unsafe { libc::putenv(mark.cast()) } == 0 {
        ENVIRONMENT.store(mark, Ordering::Relaxed);
    }
}

/// Lets the process divide when the macro makes the folder `path`, if `may` says so by then.
pub(crate) fn prepare(path: &Path, may: Receiver<bool>) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    *PLAN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Plan { path, may });
    Ok(())
}

/// The twin, if there is one since [`prepare`]; from now on the process does not divide.
pub(crate) fn take() -> Option<Twin> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner).take();
    TWIN.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Ends this process where it is the twin: its macro has run.
pub(crate) fn leave() {
    if !IS_TWIN.load(Ordering::Relaxed) {
        return;
    }
    if let Some(done) = DONE.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        // Nobody may be waiting any more.
        let _ = done.write_all(b".");
    }
    // SAFETY: nothing is to be tidied up, least of all what is shared with the first process.
    unsafe { libc::_exit(0) }
}

/// `mkdir`, but for the folder that the macro makes to divide the process: there the process divides, both succeed, and no folder is made. Where it may not or cannot, the
/// folder is made, from which the macro sees that it is alone.
///
/// # Safety
/// As `mkdir`: `path` is a text that ends in NUL.
pub unsafe fn make_folder(path: *const c_char, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's.
    let name = unsafe { CStr::from_ptr(path) };
    if divides(name) {
        return 0;
    }
    // SAFETY: the C library's own `mkdir` does this; the text is the caller's.
    let made = unsafe { libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode) };
    c_int::try_from(made).unwrap_or(-1)
}

fn divides(name: &CStr) -> bool {
    let plan = {
        let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
        if plan.as_ref().is_none_or(|plan| *plan.path != *name) {
            return false;
        }
        plan.take()
    };
    plan.is_some_and(|plan| plan.may.recv() == Ok(true)) && divide().unwrap_or(false)
}

/// Forks, and says whether it has; in both processes.
fn divide() -> io::Result<bool> {
    if ENVIRONMENT.load(Ordering::Relaxed).is_null() {
        return Ok(false);
    }
    let (done, tell) = io::pipe()?;
    let (done, tell) = (File::from(OwnedFd::from(done)), File::from(OwnedFd::from(tell)));
    // SAFETY: without flags besides the signal that its end sends, `clone` is `fork`: the twin has a copy of all memory, this thread alone,
    // on the same stack. No lock of ours is held.
    let pid = unsafe { libc::syscall(libc::SYS_clone, c_long::from(libc::SIGCHLD), 0, 0, 0, 0) };
    let Ok(pid) = i32::try_from(pid) else { return Ok(false) };
    if pid == 0 {
        IS_TWIN.store(true, Ordering::Relaxed);
        *DONE.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        let mark = ENVIRONMENT.load(Ordering::Relaxed);
        // SAFETY: the mark lives as long as the process and has so many letters; the twin has no other thread that could read it meanwhile.
        unsafe { mark.add(MARK.len() - 2).write(b'1') };
        return Ok(true);
    }
    let Some(pid) = Pid::from_raw(pid) else { return Ok(false) };
    *TWIN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Twin { pid, done: Some(done) });
    Ok(true)
}

impl Twin {
    /// Whether it is done within so much time.
    pub(crate) fn wait(mut self, patience: Duration) -> bool {
        let Some(mut done) = self.done.take() else { return false };
        let (tell, told) = sync_channel(1);
        let wait = move || {
            let _ = tell.send(matches!(done.read(&mut [0]), Ok(1)));
        };
        if thread::Builder::new().name("twin".to_owned()).spawn(wait).is_err() {
            return false;
        }
        told.recv_timeout(patience).unwrap_or(false)
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // It ends by itself or has nothing more to do: its memory takes a while to be given back, which nobody waits for.
        let _ = kill_process(self.pid, Signal::KILL);
        let pid = self.pid;
        let reap = move || {
            let _ = waitpid(Some(pid), WaitOptions::empty());
        };
        // Without a thread it stays as a line in the table of processes until this process is replaced.
        let _ = thread::Builder::new().name("twin".to_owned()).spawn(reap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, since a process has one plan.
    #[test]
    fn only_the_folder_that_is_waited_for_divides_the_process() {
        begin();
        let folder = tempfile::tempdir().expect("a folder");
        let make = |path: &Path| {
            let path = CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL");
            // SAFETY: it ends in NUL.
            unsafe { make_folder(path.as_ptr(), 0o700) }
        };
        let (plain, other, twin) = (folder.path().join("plain"), folder.path().join("other"), folder.path().join("twin"));
        assert_eq!((make(&plain), plain.is_dir(), make(&plain)), (0, true, -1), "a folder as ever, once");

        let prepared = |may: Option<bool>| {
            let (sender, receiver) = sync_channel(1);
            may.into_iter().for_each(|may| sender.send(may).expect("there is room"));
            prepare(&twin, receiver).expect("no NUL");
        };
        prepared(Some(true));
        assert_eq!((make(&other), other.is_dir()), (0, true), "of another name");
        assert!(take().is_none());
        for may in [Some(false), None] {
            prepared(may);
            assert_eq!((make(&twin), twin.is_dir()), (0, true), "it may not, or nobody knows");
            std::fs::remove_dir(&twin).expect("it is there");
            assert!(take().is_none());
        }

        prepared(Some(true));
        let made = make(&twin);
        let marked = || {
            // SAFETY: it was put there by `begin`.
            unsafe { *ENVIRONMENT.load(Ordering::Relaxed).add(MARK.len() - 2) }
        };
        // The twin asks for no memory, or it might wait for a thread that it does not have.
        if IS_TWIN.load(Ordering::Relaxed) && marked() == b'1' {
            leave();
        }
        assert_eq!((made, twin.is_dir(), marked()), (0, false, b'0'), "it has divided");
        assert!(take().expect("a twin").wait(Duration::from_secs(10)), "the twin is done");

        prepared(Some(true));
        make(&twin);
        if IS_TWIN.load(Ordering::Relaxed) {
            // SAFETY: as in `leave`, before it was done.
            unsafe { libc::_exit(1) }
        }
        assert!(!take().expect("a twin").wait(Duration::from_secs(10)), "one that dies is not done");

        prepared(Some(true));
        make(&twin);
        if IS_TWIN.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_secs(60));
            // SAFETY: as before.
            unsafe { libc::_exit(1) }
        }
        assert!(!take().expect("a twin").wait(Duration::from_millis(50)), "nor is one that hangs");
    }
}
