//! One supervised child: started, spoken to, killed, waited for.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::task::TaskTracker;

use super::child::THREADS_VARIABLE;
use super::lockdown::Report;
use super::wire::{self, MAX_FILES, MAX_PACKET_BYTES, ToChild, ToNode};
use crate::{Failure, Progress};

/// How to start a child.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) envs: Vec<(String, String)>,
    pub(super) start_timeout: Duration,
}

/// How a child ended.
#[derive(Clone, Debug)]
pub(super) struct Exit {
    /// Signal, exit code or breach of protocol.
    pub(super) cause: String,
    /// Whether the node wanted it.
    pub(super) asked: bool,
}

/// What became of a piece of work that a child had taken.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The child's answer.
    Replied(Result<Value, Failure>),
    /// The child ended first, for that cause.
    Died(String),
}

/// Why a piece of work was not handed over.
#[derive(Debug)]
pub(super) enum Refused {
    /// The process takes nothing more; another one may.
    Closed,
    /// No process would take it.
    Unfit(Failure),
}

/// A running child. Dropping it kills the child.
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) report: Report,
    shared: Arc<Shared>,
    exit: watch::Receiver<Option<Exit>>,
}

struct Shared {
    /// Of packets, not a stream: tokio only says when it is ready, the calls are [`wire`]'s.
    socket: UnixStream,
    work: Mutex<Work>,
    /// Work taken so far.
    taken: AtomicU64,
    /// Whether it keeps more memory than it may.
    outgrown: AtomicBool,
    kill: Notify,
    asked: AtomicBool,
    idle: Notify,
}

#[derive(Default)]
struct Work {
    waiting: HashMap<u64, Waiting>,
    closed: bool,
}

/// Who waits for a piece of work.
struct Waiting {
    outcome: oneshot::Sender<Outcome>,
    progress: Progress,
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.kill.notify_one();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.shared.kill();
    }
}

impl Process {
    /// Starts a child and waits until it is confined and ready. `crashes` counts those that end unasked.
    pub(super) async fn start(
        launch: &Launch,
        threads: usize,
        tracker: &TaskTracker,
        crashes: &Arc<AtomicU64>,
    ) -> Result<Arc<Self>, Failure> {
        let (ours, theirs) = wire::pair().map_err(Failure::internal)?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(Failure::internal)?;
        let mut child = spawn(command(launch, threads, theirs))
            .await
            .map_err(|error| Failure::internal(format!("{} cannot be started: {error}", launch.program.display())))?;
        let pid = child.id().unwrap_or_default();
        if let Some(stderr) = child.stderr.take() {
            tracker.spawn(log_lines(pid, stderr));
        }
        let shared = Arc::new(Shared {
            socket: UnixStream::from_std(ours.into()).map_err(Failure::internal)?,
            work: Mutex::default(),
            taken: AtomicU64::new(0),
            outgrown: AtomicBool::new(false),
            kill: Notify::new(),
            asked: AtomicBool::new(false),
            idle: Notify::new(),
        });
        let (ready_sender, ready) = oneshot::channel();
        let (exit_sender, exit) = watch::channel(None);
        tracker.spawn(supervise(child, shared.clone(), ready_sender, exit_sender, crashes.clone()));
        // From here on a return without a `Process` has to kill as well.
        let killer = KillOnDrop(Some(shared.clone()));
        let report = match tokio::time::timeout(launch.start_timeout, ready).await {
            Ok(Ok(report)) => report,
            Ok(Err(_)) => {
                let cause = exit
                    .clone()
                    .wait_for(Option::is_some)
                    .await
                    .ok()
                    .and_then(|exit| exit.as_ref().map(|exit| exit.cause.clone()));
                return Err(Failure::internal(format!("the executor ended while starting: {}", cause.unwrap_or_default())));
            }
            Err(_) => return Err(Failure::internal(format!("the executor was not ready within {:?}", launch.start_timeout))),
        };
        killer.disarm();
        Ok(Arc::new(Self { pid, report, shared, exit }))
    }

    /// Hands over a piece of work; the receiver yields exactly one outcome.
    pub(super) async fn submit(
        &self,
        id: u64,
        job: &Value,
        files: &[OwnedFd],
        progress: &Progress,
    ) -> Result<oneshot::Receiver<Outcome>, Refused> {
        if files.len() > MAX_FILES {
            let message = format!("The task has {} files, at most {MAX_FILES} are taken", files.len());
            return Err(Refused::Unfit(Failure::too_large(message)));
        }
        let message = ToChild::Run { id, files: files.len(), job: job.clone() };
        let bytes = wire::encode(&message).map_err(|length| {
            let message = format!("The task's options take {length} bytes, at most {MAX_PACKET_BYTES} are taken");
            Refused::Unfit(Failure::too_large(message))
        })?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut work = self.shared.work();
            if work.closed {
                return Err(Refused::Closed);
            }
            work.waiting.insert(id, Waiting { outcome: sender, progress: progress.clone() });
        }
        // Taken back if this call ends early, in an error or dropped: nobody waits for the outcome then.
        let mut entry = Entry { shared: &self.shared, id, keep: false };
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let sent = self.shared.socket.async_io(Interest::WRITABLE, || wire::send(&self.shared.socket, &bytes, &files)).await;
        match sent {
            Ok(()) => {
                self.shared.taken.fetch_add(1, Ordering::Relaxed);
                entry.keep = true;
                Ok(receiver)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
                ) =>
            {
                Err(Refused::Closed)
            }
            Err(error) => Err(Refused::Unfit(Failure::internal(format!("the executor's socket: {error}")))),
        }
    }

    /// Tells the child that a piece of work is no longer wanted. An error says that the child is going, which the outcome will tell.
    pub(super) async fn cancel(&self, id: u64) {
        if let Ok(bytes) = wire::encode(&ToChild::Cancel { id }) {
            let _ = self.shared.socket.async_io(Interest::WRITABLE, || wire::send(&self.shared.socket, &bytes, &[])).await;
        }
    }

    /// Kills the child; what it had taken ends as [`Outcome::Died`].
    pub(super) fn kill(&self) {
        self.shared.kill();
    }

    /// Work taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::Relaxed)
    }

    /// Says that it keeps more memory than it may.
    pub(super) fn mark_outgrown(&self) {
        self.shared.outgrown.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_outgrown(&self) -> bool {
        self.shared.outgrown.load(Ordering::Relaxed)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Waits until the child has ended and everything it had taken has its outcome.
    pub(super) async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        let seen = exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
        seen.unwrap_or_else(|| Exit { cause: "its supervisor ended".to_owned(), asked: true })
    }

    /// Takes no more work and returns when the work at hand is done.
    pub(super) async fn drained(&self) {
        loop {
            let idle = self.shared.idle.notified();
            {
                let mut work = self.shared.work();
                work.closed = true;
                if work.waiting.is_empty() {
                    return;
                }
            }
            idle.await;
        }
    }
}

struct KillOnDrop(Option<Arc<Shared>>);

impl KillOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.kill();
        }
    }
}

struct Entry<'a> {
    shared: &'a Shared,
    id: u64,
    keep: bool,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.keep {
            self.shared.work().waiting.remove(&self.id);
            self.shared.idle.notify_one();
        }
    }
}

fn command(launch: &Launch, threads: usize, control: OwnedFd) -> Command {
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.args)
        .env_clear()
        .envs(launch.envs.iter().map(|(name, value)| (name, value)))
        .env(THREADS_VARIABLE, threads.to_string())
        .current_dir("/")
        .stdin(Stdio::from(control))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // An interrupt at the terminal is for the node, which decides when its children end.
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Spawns on one thread that lives as long as this process: the kernel's death signal follows the *thread* that forked, and a runtime
/// may end a worker thread at any time.
///
/// # Errors
/// When the program cannot be started.
pub async fn spawn(mut command: Command) -> io::Result<Child> {
    type Errand = Box<dyn FnOnce() + Send>;
    static SPAWNER: OnceLock<mpsc::Sender<Errand>> = OnceLock::new();
    let (reply, child) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let errand: Errand = Box::new(move || {
        let _inside = runtime.enter();
        let _ = reply.send(command.spawn());
    });
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, errands) = mpsc::channel::<Errand>();
        // If the thread cannot be started, `errands` is dropped and every send below fails.
        let _ =
            std::thread::Builder::new().name("spawner".to_owned()).spawn(move || errands.into_iter().for_each(|errand| errand()));
        sender
    });
    spawner.send(errand).map_err(|_| io::Error::other("the thread that starts children is gone"))?;
    child.await.map_err(io::Error::other)?
}

async fn supervise(
    mut child: Child,
    shared: Arc<Shared>,
    ready: oneshot::Sender<Report>,
    exit: watch::Sender<Option<Exit>>,
    crashes: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; MAX_PACKET_BYTES];
    let mut ready = Some(ready);
    let mut breach = None;
    let mut open = true;
    let status = loop {
        tokio::select! {
            packet = receive(&shared.socket, &mut buffer), if open => {
                let dispatched = match packet {
                    Ok(Some(message)) => dispatch(&shared, &mut ready, message),
                    // It is ending by itself, and the status will say how.
                    Ok(None) => Err(None),
                    Err(error) => Err(Some(format!("its socket: {error}"))),
                };
                if let Err(cause) = dispatched {
                    open = false;
                    breach = cause;
                    let _ = child.start_kill();
                }
            }
            status = child.wait() => break status,
            () = shared.kill.notified() => { let _ = child.start_kill(); }
        }
    };
    // What it sent before it ended still counts.
    while open && let Ok(Some(message)) = wire::receive(&shared.socket, &mut buffer) {
        open = dispatch(&shared, &mut ready, message).is_ok();
    }
    let cause = match (&status, breach) {
        (Ok(_), Some(breach)) => breach,
        (Ok(status), None) => describe(*status),
        (Err(error), _) => format!("waiting for it failed: {error}"),
    };
    let asked = shared.asked.load(Ordering::Relaxed);
    let orphans = {
        let mut work = shared.work();
        work.closed = true;
        std::mem::take(&mut work.waiting)
    };
    if !asked {
        crashes.fetch_add(1, Ordering::Relaxed);
    }
    for (_, waiting) in orphans {
        let _ = waiting.outcome.send(Outcome::Died(cause.clone()));
    }
    let _ = exit.send(Some(Exit { cause, asked }));
    shared.idle.notify_one();
}

async fn receive(socket: &UnixStream, buffer: &mut [u8]) -> io::Result<Option<ToNode>> {
    socket.async_io(Interest::READABLE, || wire::receive(socket, buffer)).await
}

fn dispatch(shared: &Shared, ready: &mut Option<oneshot::Sender<Report>>, message: ToNode) -> Result<(), Option<String>> {
    match message {
        ToNode::Ready(report) => {
            let ready = ready.take().ok_or_else(|| Some("it said ready twice".to_owned()))?;
            let _ = ready.send(report);
        }
        ToNode::Progress { id, share } => {
            // Told without the lock, and not at all for work that is over: it may have been on its way.
            let progress = shared.work().waiting.get(&id).map(|waiting| waiting.progress.clone());
            if let Some(progress) = progress {
                progress.report(share);
            }
        }
        ToNode::Done { id, result } => {
            let waiting = {
                let mut work = shared.work();
                let waiting = work.waiting.remove(&id).ok_or_else(|| Some("it answered what nobody asked".to_owned()))?;
                if work.waiting.is_empty() {
                    shared.idle.notify_one();
                }
                waiting
            };
            let _ = waiting.outcome.send(Outcome::Replied(result));
        }
    }
    Ok(())
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => status.to_string(),
    }
}

/// Bytes of a line that are kept.
const LINE_BYTES: usize = 300;
/// Lines logged per minute and process.
const LINES_PER_MINUTE: u32 = 60;

/// Passes the child's standard error to the log: printable, line by line, shortened, and no faster than a log can take.
async fn log_lines(pid: u32, mut stderr: ChildStderr) {
    let mut line = Vec::with_capacity(LINE_BYTES);
    let mut chunk = [0; 1024];
    let mut left = LINES_PER_MINUTE;
    let mut since = tokio::time::Instant::now();
    while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
        if since.elapsed() > Duration::from_secs(60) {
            (left, since) = (LINES_PER_MINUTE, tokio::time::Instant::now());
        }
        for byte in chunk.iter().take(length) {
            if *byte != b'\n' {
                if line.len() < LINE_BYTES {
                    line.push(*byte);
                }
                continue;
            }
            if left > 0 && !line.is_empty() {
                left -= 1;
                tracing::warn!(target: "executor", pid, "{}", String::from_utf8_lossy(&line).escape_debug());
            }
            line.clear();
        }
    }
}
