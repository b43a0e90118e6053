//! The pool that a node gives its work to: one shared child with a thread per core, and a child of its own for work whose child died.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::fs::{FileType, OFlags, SeekFrom};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::lockdown::Report;
use super::process::{Launch, Outcome, Process, Refused};
use super::supervisor::{self, State};
use crate::Cancel;
use crate::{Failure, Growth, Progress};

/// How often the cancel flag, which wakes nobody, is looked at.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// How to run the children.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The program, by absolute path; it has to call [`serve`](super::serve) on its own.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment, beside [`THREADS_VARIABLE`](super::THREADS_VARIABLE).
    pub envs: Vec<(String, String)>,
    /// Work that the shared child does at a time; more waits, first come, first served.
    pub threads: usize,
    /// Work beyond that which a child with a GPU takes as well, since so much of it waits for that device at a time; the child sees to it that no
    /// more than `threads` have a core.
    pub waiting: usize,
    /// The shared child is replaced after that many tasks, which bounds what a leak can cost; 0 is never.
    pub restart_after: u64,
    /// The shared child is replaced once it keeps more memory than that after a task.
    pub growth: Option<Growth>,
    /// How long a child may take to become ready.
    pub start_timeout: Duration,
    /// How long work that was told to stop may take to do so before its child is killed.
    pub grace: Duration,
}

impl PoolConfig {
    /// One child of that program with a thread per core, replaced after 10,000 tasks, 30 s to start, 1 s to stop.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            args: Vec::new(),
            envs: Vec::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            waiting: 0,
            restart_after: 10_000,
            growth: None,
            start_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(1),
        }
    }
}

/// What the pool has been through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// The shared child.
    pub pid: Option<u32>,
    /// Whether it runs.
    pub alive: bool,
    /// Shared children started in place of one that ended or was killed.
    pub restarts: u64,
    /// Children, shared or alone, that ended without being told to.
    pub crashes: u64,
    /// Children killed because work in them did not stop when told to.
    pub kills: u64,
    /// Shared children replaced after their number of tasks, or because they had grown.
    pub recycled: u64,
    /// Tasks run again in a child of their own.
    pub solitary: u64,
    /// Tasks being worked on.
    pub in_flight: usize,
    /// Tasks waiting for their turn.
    pub waiting: usize,
}

pub(super) struct Inner {
    pub(super) launch: Launch,
    /// Of a child.
    pub(super) threads: usize,
    /// Work at a time.
    most: usize,
    restart_after: u64,
    pub(super) growth: Option<Growth>,
    grace: Duration,
    turns: Arc<Semaphore>,
    pub(super) state: watch::Sender<State>,
    pub(super) recycle: Notify,
    pub(super) stop: CancellationToken,
    pub(super) tracker: TaskTracker,
    next_id: AtomicU64,
    waiting: AtomicUsize,
    pub(super) crashes: Arc<AtomicU64>,
    pub(super) restarts: AtomicU64,
    pub(super) recycled: AtomicU64,
    kills: AtomicU64,
    solitary: AtomicU64,
}

/// A handle on the pool. When the last one is dropped the children are killed; [`stop`](Pool::stop) waits for that as well.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
    _last: Arc<DropGuard>,
}

impl Pool {
    /// Starts the shared child and waits until it is confined and ready.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the program cannot be started, ends at once or is not ready in time.
    pub async fn start(config: PoolConfig) -> Result<Self, Failure> {
        if !config.program.is_absolute() {
            return Err(Failure::internal(format!(
                "the executor's program {} is not an absolute path",
                config.program.display()
            )));
        }
        let PoolConfig { program, args, envs, threads, waiting, restart_after, growth, start_timeout, grace } = config;
        let (own, threads) = (threads.max(1), threads.max(1) + waiting);
        let launch = Launch { program, args, envs, start_timeout };
        let (tracker, crashes) = (TaskTracker::new(), Arc::new(AtomicU64::new(0)));
        let first = Process::start(&launch, threads, &tracker, &crashes).await?;
        for weakness in first.report.weaknesses() {
            tracing::warn!("the executor's confinement is weaker than it could be: {weakness}");
        }
        let most = if first.report.gpu { threads } else { own };
        let inner = Arc::new(Inner {
            launch,
            threads,
            most,
            restart_after,
            growth,
            grace,
            turns: Arc::new(Semaphore::new(most)),
            state: watch::Sender::new(State::Up(first.clone())),
            recycle: Notify::new(),
            stop: CancellationToken::new(),
            tracker,
            next_id: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            crashes,
            restarts: AtomicU64::new(0),
            recycled: AtomicU64::new(0),
            kills: AtomicU64::new(0),
            solitary: AtomicU64::new(0),
        });
        inner.tracker.spawn(supervisor::keep_running(inner.clone(), first));
        let last = Arc::new(inner.stop.clone().drop_guard());
        Ok(Self { inner, _last: last })
    }

    /// Does a piece of work in a child, at its turn.
    ///
    /// `files` are of regular files, or sockets, and reach the child in that order: those open for reading are inputs, those open for writing are
    /// outputs. Before every attempt inputs are rewound and outputs emptied. If the child dies, the work is done once more in a child
    /// of its own, so that only work that kills its child by itself fails with it. `deadline` counts for each of the two attempts, from
    /// its start. Dropping the future cancels the work.
    ///
    /// # Errors
    /// What the handler says; [`Failure::Crashed`] when the work kills a child that it is alone in; [`Failure::TimedOut`];
    /// [`Failure::Cancelled`]; [`Failure::Internal`] when the pool stops or a child cannot be started.
    pub async fn run(&self, job: Value, files: Vec<OwnedFd>, cancel: &Cancel, deadline: Duration) -> Result<Value, Failure> {
        self.run_with_progress(job, files, cancel, deadline, Progress::default()).await
    }

    /// As [`run`](Self::run); `progress` hears what the handler tells through [`progress`](crate::progress()).
    ///
    /// # Errors
    /// As those of [`run`](Self::run).
    pub async fn run_with_progress(
        &self,
        job: Value,
        files: Vec<OwnedFd>,
        cancel: &Cancel,
        deadline: Duration,
        progress: Progress,
    ) -> Result<Value, Failure> {
        let (sender, receiver) = oneshot::channel();
        let (inner, cancel) = (self.inner.clone(), cancel.clone());
        // A task of its own: when the caller goes away the child still has to be told, waited for or killed.
        let work = async move {
            let mut caller = Caller { cancel, progress, reply: sender };
            let result = tokio::select! {
                biased;
                () = inner.stop.cancelled() => Err(Failure::internal("the executor was stopped")),
                result = inner.run(&job, &files, &mut caller, deadline) => result,
            };
            let _ = caller.reply.send(result);
        };
        // What is logged of it names the task that it is for.
        self.inner.tracker.spawn(work.in_current_span());
        receiver.await.map_err(Failure::internal)?
    }

    /// What the pool has been through.
    pub fn stats(&self) -> PoolStats {
        let inner = &self.inner;
        let process = inner.state.borrow().process();
        PoolStats {
            pid: process.as_ref().map(|process| process.pid),
            alive: process.is_some_and(|process| process.is_alive()),
            restarts: inner.restarts.load(Ordering::Relaxed),
            crashes: inner.crashes.load(Ordering::Relaxed),
            kills: inner.kills.load(Ordering::Relaxed),
            recycled: inner.recycled.load(Ordering::Relaxed),
            solitary: inner.solitary.load(Ordering::Relaxed),
            in_flight: inner.most.saturating_sub(inner.turns.available_permits()),
            waiting: inner.waiting.load(Ordering::Relaxed),
        }
    }

    /// How the shared child is confined, while there is one.
    pub fn report(&self) -> Option<Report> {
        self.inner.state.borrow().process().map(|process| process.report.clone())
    }

    /// Kills the children and waits until they are gone; work in flight ends with [`Failure::Internal`], as does later work.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }
}

/// Who wants a piece of work.
struct Caller {
    cancel: Cancel,
    progress: Progress,
    reply: oneshot::Sender<Result<Value, Failure>>,
}

impl Caller {
    /// Returns when the work is no longer wanted.
    async fn gone(&mut self) {
        let poll = async {
            let mut ticks = tokio::time::interval(CANCEL_POLL);
            while !self.cancel.is_cancelled() {
                ticks.tick().await;
            }
        };
        tokio::select! {
            () = poll => (),
            () = self.reply.closed() => (),
        }
    }
}

/// How an attempt in one process ended.
enum Attempt {
    Finished(Result<Value, Failure>),
    /// The process took it and died.
    Died(String),
    /// The process did not take it.
    NotTaken,
}

impl Inner {
    async fn run(&self, job: &Value, files: &[OwnedFd], caller: &mut Caller, deadline: Duration) -> Result<Value, Failure> {
        caller.cancel.check()?;
        let _turn = {
            let _waiting = Counted::new(&self.waiting);
            tokio::select! {
                biased;
                turn = self.turns.acquire() => turn.map_err(Failure::internal)?,
                () = caller.gone() => return Err(Failure::Cancelled),
            }
        };
        match self.run_shared(job, files, caller, deadline).await {
            Attempt::Finished(result) => result,
            Attempt::Died(cause) => {
                tracing::warn!(cause, "a task's executor ended under it; the task is run again alone");
                self.run_alone(job, files, caller, deadline).await
            }
            Attempt::NotTaken => Err(Failure::internal("there was no executor to run this for as long as it may take")),
        }
    }

    /// Whether a shared child is to be replaced.
    pub(super) fn has_served(&self, process: &Process) -> bool {
        process.is_outgrown() || (self.restart_after > 0 && process.taken() >= self.restart_after)
    }

    /// Tries shared children until one has taken the work or the time for it is over.
    async fn run_shared(&self, job: &Value, files: &[OwnedFd], caller: &mut Caller, deadline: Duration) -> Attempt {
        let mut state = self.state.subscribe();
        let patience = Instant::now() + deadline;
        loop {
            let process = state.borrow_and_update().process();
            if let Some(process) = process {
                let attempt = self.attempt(&process, job, files, caller, deadline).await;
                if self.growth.as_ref().is_some_and(|growth| growth.is_above(process.pid)) {
                    process.mark_outgrown();
                }
                if self.has_served(&process) {
                    self.recycle.notify_one();
                }
                if !matches!(attempt, Attempt::NotTaken) {
                    return attempt;
                }
            }
            // That process is going; the supervisor publishes the next one.
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return Attempt::NotTaken },
                () = sleep_until(patience) => return Attempt::NotTaken,
                () = caller.gone() => return Attempt::Finished(Err(Failure::Cancelled)),
            }
        }
    }

    /// Runs the work in a child of its own. The turn is kept, so there are never more of those than threads.
    async fn run_alone(&self, job: &Value, files: &[OwnedFd], caller: &mut Caller, deadline: Duration) -> Result<Value, Failure> {
        self.solitary.fetch_add(1, Ordering::Relaxed);
        let process = tokio::select! {
            process = Process::start(&self.launch, 1, &self.tracker, &self.crashes) => process?,
            () = caller.gone() => return Err(Failure::Cancelled),
        };
        match self.attempt(&process, job, files, caller, deadline).await {
            Attempt::Finished(result) => result,
            Attempt::Died(cause) => Err(Failure::Crashed { cause }),
            Attempt::NotTaken => Err(Failure::internal("the executor for this task alone ended before it took it")),
        }
    }

    async fn attempt(
        &self,
        process: &Process,
        job: &Value,
        files: &[OwnedFd],
        caller: &mut Caller,
        deadline: Duration,
    ) -> Attempt {
        if let Err(failure) = rewind(files) {
            return Attempt::Finished(Err(failure));
        }
        let end = Instant::now() + deadline;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let progress = caller.progress.clone();
        let submitted = tokio::select! {
            submitted = process.submit(id, job, files, &progress) => submitted,
            () = sleep_until(end) => return Attempt::NotTaken,
            () = caller.gone() => return Attempt::Finished(Err(Failure::Cancelled)),
        };
        let mut outcome = match submitted {
            Ok(outcome) => outcome,
            Err(Refused::Closed) => return Attempt::NotTaken,
            Err(Refused::Unfit(failure)) => return Attempt::Finished(Err(failure)),
        };
        let over = tokio::select! {
            biased;
            outcome = &mut outcome => return settle(outcome),
            () = sleep_until(end) => Failure::TimedOut,
            () = caller.gone() => Failure::Cancelled,
        };
        // First a word, which spares the other work in that process; then the end of the process, which nothing survives.
        let told = async {
            process.cancel(id).await;
            (&mut outcome).await
        };
        if timeout(self.grace, told).await.is_err() {
            tracing::warn!(pid = process.pid, "a task did not stop when told to; its executor is killed");
            self.kills.fetch_add(1, Ordering::Relaxed);
            process.kill();
            // The files are written to until the process is gone.
            let _ = outcome.await;
        }
        Attempt::Finished(Err(over))
    }
}

fn settle(outcome: Result<Outcome, oneshot::error::RecvError>) -> Attempt {
    match outcome {
        Ok(Outcome::Replied(result)) => Attempt::Finished(result),
        Ok(Outcome::Died(cause)) => Attempt::Died(cause),
        Err(_) => Attempt::Died("its supervisor ended".to_owned()),
    }
}

/// Puts every file into the state that an attempt starts from. The child shares the position with us, so no descriptor has to be remade.
fn rewind(files: &[OwnedFd]) -> Result<(), Failure> {
    let rewind_one = |file: &OwnedFd| -> rustix::io::Result<bool> {
        match FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode) {
            FileType::RegularFile => {}
            // What is asked over it, and answered, is as true for the next child (`parts`).
            FileType::Socket => return Ok(true),
            _ => return Ok(false),
        }
        if rustix::fs::fcntl_getfl(file)? & OFlags::ACCMODE != OFlags::RDONLY {
            rustix::fs::ftruncate(file, 0)?;
        }
        rustix::fs::seek(file, SeekFrom::Start(0))?;
        Ok(true)
    };
    for (index, file) in files.iter().enumerate() {
        match rewind_one(file) {
            Ok(true) => (),
            Ok(false) => return Err(Failure::internal(format!("file {index} of the task is no regular file"))),
            Err(error) => return Err(Failure::internal(format!("file {index} of the task cannot be rewound: {error}"))),
        }
    }
    Ok(())
}

/// Counts itself for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
