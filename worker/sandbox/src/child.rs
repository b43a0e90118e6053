//! The child's side: confine, say so, then take work until the node is gone.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use super::lockdown::{self, Confinement, Report, lock_down};
use super::wire::{self, MAX_PACKET_BYTES, Packet, ToChild, ToNode};
use crate::Cancel;
use crate::Failure;
use crate::Progress;

/// Does a piece of work: its description, its files in the order in which they were given, and the flag that says when to give up.
pub type Handler = Arc<dyn Fn(Value, Vec<File>, &Cancel) -> Result<Value, Failure> + Send + Sync>;

/// The environment variable in which a node tells its child how many threads to work with.
pub const THREADS_VARIABLE: &str = "CONVERTFLY_EXECUTOR_THREADS";

/// Stack of a working thread, bytes: decoders of nested structures recurse.
const STACK_BYTES: usize = 8 << 20;

/// How many threads the node asks for; 1 where it says nothing.
pub fn threads_from_environment() -> usize {
    std::env::var(THREADS_VARIABLE).ok().and_then(|value| value.parse().ok()).unwrap_or(1)
}

/// Whether a node has started this process: standard input is the socket to it.
pub fn is_child() -> bool {
    rustix::net::sockopt::socket_type(io::stdin()).ok() == Some(rustix::net::SocketType::SEQPACKET)
}

struct Work {
    id: u64,
    job: Value,
    files: Vec<File>,
    cancel: Cancel,
}

type Cancels = Mutex<HashMap<u64, Cancel>>;

/// Confines this process, then works for the node at the other end of standard input, which is a socket.
///
/// Whatever needs files has to be open before the call. It returns only if it cannot start; when the node closes its end, the process
/// kills itself, without running the destructors that C libraries register and that do not expect other threads to be at work.
///
/// Panics are reported by place only, never by message: a message may quote a customer's data.
pub fn serve(threads: usize, confinement: &Confinement, handler: Handler) -> ExitCode {
    run(threads, handler, || lock_down(confinement).map_err(io::Error::other))
}

/// As [`serve`], for a program that the node has put into a jail of its own (namespaces, no network, no files): only limits are set here,
/// because such a program opens files and starts others in there.
pub fn serve_in_jail(threads: usize, confinement: &Confinement, handler: Handler) -> ExitCode {
    run(threads, handler, || Ok(lockdown::in_jail(confinement)))
}

fn run(threads: usize, handler: Handler, confine: impl FnOnce() -> io::Result<Report>) -> ExitCode {
    report_panics_by_place();
    match start(threads, handler, confine) {
        Ok((socket, work, cancels)) => {
            let error = read_packets(&socket, &work, &cancels);
            if let Err(error) = error {
                eprintln!("the control socket failed: {error}");
            }
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("the executor cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(
    threads: usize,
    handler: Handler,
    confine: impl FnOnce() -> io::Result<Report>,
) -> io::Result<(Arc<OwnedFd>, Sender<Work>, Arc<Cancels>)> {
    let socket = Arc::new(io::stdin().as_fd().try_clone_to_owned()?);
    if !is_child() {
        return Err(io::Error::other("standard input is no control socket: this is started by a worker node, not by hand"));
    }
    let report = confine()?;
    let (sender, receiver) = channel();
    let receiver = Arc::new(Mutex::new(receiver));
    let cancels = Arc::new(Cancels::default());
    for index in 0..threads.max(1) {
        let (socket, receiver, cancels, handler) = (socket.clone(), receiver.clone(), cancels.clone(), handler.clone());
        thread::Builder::new()
            .name(format!("executor-{index}"))
            .stack_size(STACK_BYTES)
            .spawn(move || work_until_closed(&socket, &receiver, &cancels, &handler))?;
    }
    let ready = wire::encode(&ToNode::Ready(report)).map_err(|_| io::Error::other("the report does not fit in a packet"))?;
    wire::send(&socket, &ready, &[])?;
    Ok((socket, sender, cancels))
}

fn read_packets(socket: &OwnedFd, work: &Sender<Work>, cancels: &Cancels) -> io::Result<()> {
    let mut buffer = vec![0; MAX_PACKET_BYTES];
    while let Some(Packet { message, files }) = wire::receive_with_files(socket, &mut buffer)? {
        match message {
            ToChild::Run { id, files: expected, .. } if expected != files.len() => {
                // The kernel drops descriptors silently once the limit on open ones is reached.
                let cause = format!("{} of {expected} files arrived: the limit on open files is too low", files.len());
                reply(socket, id, Err(Failure::Internal { cause }));
            }
            ToChild::Run { id, job, .. } => {
                let cancel = Cancel::new();
                lock(cancels).insert(id, cancel.clone());
                work.send(Work { id, job, files, cancel }).map_err(io::Error::other)?;
            }
            ToChild::Cancel { id } => {
                if let Some(cancel) = lock(cancels).get(&id) {
                    cancel.cancel();
                }
            }
        }
    }
    Ok(())
}

fn work_until_closed(socket: &Arc<OwnedFd>, receiver: &Mutex<Receiver<Work>>, cancels: &Cancels, handler: &Handler) {
    loop {
        let received = lock(receiver).recv();
        let Ok(Work { id, job, files, cancel }) = received else { return };
        PROGRESS.set(told_to_node(socket, id));
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| cancel.check().and_then(|()| handler(job, files, &cancel))))
            .unwrap_or_else(|payload| Err(Failure::internal(panic_cause(payload))));
        PROGRESS.take();
        lock(cancels).remove(&id);
        reply(socket, id, result);
    }
}

/// Sends a result; one that does not fit becomes a failure. If even that cannot be sent, the node is gone and the reader knows.
fn reply(socket: &OwnedFd, id: u64, result: Result<Value, Failure>) {
    let bytes = wire::encode(&ToNode::Done { id, result }).or_else(|length| {
        let cause = format!("a result of {length} bytes does not fit in a packet of {MAX_PACKET_BYTES}");
        wire::encode(&ToNode::Done { id, result: Err(Failure::Internal { cause }) })
    });
    if let Ok(bytes) = bytes {
        let _ = wire::send(socket, &bytes, &[]);
    }
}

thread_local! {
    static PROGRESS: RefCell<Progress> = RefCell::default();
}

/// The progress of the work that the calling thread does as a [`Handler`]; the node hears it. Elsewhere nobody does.
pub fn progress() -> Progress {
    PROGRESS.with_borrow(Clone::clone)
}

/// The progress of the work `id`, over the socket. What cannot be sent is not missed.
fn told_to_node(socket: &Arc<OwnedFd>, id: u64) -> Progress {
    let socket = Arc::clone(socket);
    Progress::new(move |share| {
        // JSON has no other numbers.
        if share.is_finite()
            && let Ok(bytes) = wire::encode(&ToNode::Progress { id, share })
        {
            let _ = wire::send(&socket, &bytes, &[]);
        }
    })
}

thread_local! {
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn report_panics_by_place() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        eprintln!("panicked at {place}");
        PANIC_PLACE.set(Some(place));
    }));
}

/// What is said of a panic. The payload is dropped here, inside a second net: its destructor may panic as well.
fn panic_cause(payload: Box<dyn Any + Send>) -> String {
    if let Err(second) = std::panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    match PANIC_PLACE.take() {
        Some(place) => format!("a panic at {place}"),
        None => "a panic in another thread".to_owned(),
    }
}

/// The lock, also after a panic elsewhere: what these guard is whole at all times.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
