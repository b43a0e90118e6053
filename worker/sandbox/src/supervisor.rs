//! Keeps a shared child running: replaces one that ended, and one that has done its number of tasks or has grown.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::pool::Inner;
use super::process::{Exit, Process};

/// The shared child as those who have work see it.
#[derive(Clone)]
pub(super) enum State {
    /// There is one. It may just have ended; then it refuses work and a change of state follows.
    Up(Arc<Process>),
    /// It ended and the next one is being started.
    Starting,
}

impl State {
    pub(super) fn process(&self) -> Option<Arc<Process>> {
        match self {
            Self::Up(process) => Some(process.clone()),
            Self::Starting => None,
        }
    }
}

/// The longest pause between two attempts to start a child that does not start.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs until the pool stops, then kills the child and waits for it.
pub(super) async fn keep_running(inner: Arc<Inner>, first: Arc<Process>) {
    let mut process = first;
    // Children in a row that were of no use: not ready in time, or ended before they had taken any work.
    let mut useless = 0_u32;
    loop {
        let next = tokio::select! {
            biased;
            () = inner.stop.cancelled() => break,
            exit = process.exited() => {
                inner.state.send_replace(State::Starting);
                useless = if process.taken() > 0 { 0 } else { useless.saturating_add(1) };
                let next = replace(&inner, &process, &exit, &mut useless).await;
                inner.restarts.fetch_add(u64::from(next.is_some()), Ordering::Relaxed);
                next
            }
            () = inner.recycle.notified() => {
                // The call may have been for the one before.
                if inner.has_served(&process) { recycle(&inner, &process).await } else { None }
            }
        };
        if let Some(next) = next {
            inner.state.send_replace(State::Up(next.clone()));
            let old = std::mem::replace(&mut process, next);
            // Dropped, and so killed, once the work that it has is done.
            inner.tracker.spawn(async move { old.drained().await });
        }
    }
    process.kill();
    process.exited().await;
}

/// Starts a child in place of one that ended; `None` when the pool is stopped meanwhile.
async fn replace(inner: &Inner, ended: &Process, exit: &Exit, useless: &mut u32) -> Option<Arc<Process>> {
    let mut cause = exit.cause.clone();
    if exit.asked {
        tracing::info!(pid = ended.pid, "the executor was killed; starting another");
    } else {
        tracing::error!(pid = ended.pid, cause, "the executor ended; starting another");
    }
    loop {
        let pause = pause(*useless);
        if !pause.is_zero() {
            tracing::error!(cause, "the executor does not stay up; the next attempt is in {pause:?}");
        }
        let attempt = async {
            tokio::time::sleep(pause).await;
            Process::start(&inner.launch, inner.threads, &inner.tracker, &inner.crashes).await
        };
        let started = tokio::select! {
            biased;
            () = inner.stop.cancelled() => return None,
            started = attempt => started,
        };
        match started {
            Ok(process) => return Some(process),
            Err(failure) => cause = failure.to_string(),
        }
        *useless = useless.saturating_add(1);
    }
}

/// Starts the successor of a child that still works; `None` when that fails, and the child goes on until the next task asks again.
async fn recycle(inner: &Inner, served: &Process) -> Option<Arc<Process>> {
    let started = tokio::select! {
        biased;
        () = inner.stop.cancelled() => return None,
        started = Process::start(&inner.launch, inner.threads, &inner.tracker, &inner.crashes) => started,
    };
    match started {
        Ok(process) => {
            inner.recycled.fetch_add(1, Ordering::Relaxed);
            if let Some(growth) = inner.growth.as_ref().filter(|_| served.is_outgrown()) {
                growth.count();
            }
            Some(process)
        }
        Err(failure) => {
            tracing::error!(%failure, "the executor cannot be replaced; the old one goes on");
            None
        }
    }
}

/// Nothing after a useful child, then 100 ms, doubled each time.
fn pause(useless: u32) -> Duration {
    match useless.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => Duration::from_millis(100).saturating_mul(1 << doublings.min(10)).min(LONGEST_PAUSE),
    }
}
