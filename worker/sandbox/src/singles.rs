//! Children that do one piece of work at a time each, so that one that dies takes no other work along: started when they are needed, kept for
//! the next.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Cancel, Failure, Pool, PoolConfig, Progress};

/// See the module.
pub struct Singles {
    turns: Semaphore,
    idle: Mutex<Vec<Pool>>,
    /// Those at work as well.
    all: Mutex<Vec<Pool>>,
}

/// Room for one child's work, which is kept free for it.
pub struct Turn<'a> {
    singles: &'a Singles,
    since: Instant,
    _permit: SemaphorePermit<'a>,
}

impl Turn<'_> {
    /// As [`Singles::run`].
    ///
    /// # Errors
    /// What `config` says; else as [`Pool::run`].
    pub async fn run(
        self,
        config: impl FnOnce() -> Result<PoolConfig, Failure>,
        job: Value,
        files: Vec<OwnedFd>,
        cancel: &Cancel,
        deadline: Duration,
        progress: Progress,
    ) -> Result<(Value, Duration), Failure> {
        let Singles { idle, all, .. } = self.singles;
        let found = lock(idle).pop();
        let pool = match found {
            Some(pool) => pool,
            None => {
                let pool = Pool::start(PoolConfig { threads: 1, ..config()? }).await?;
                lock(all).push(pool.clone());
                pool
            }
        };
        let held = Held { idle, pool };
        let waited = self.since.elapsed();
        Ok((held.pool.run_with_progress(job, files, cancel, deadline, progress).await?, waited))
    }
}

/// The lock, also after a panic elsewhere: what these guard is whole at all times.
fn lock(pools: &Mutex<Vec<Pool>>) -> MutexGuard<'_, Vec<Pool>> {
    pools.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Singles {
    /// Room for so many children; none is started yet.
    pub fn new(most: usize) -> Self {
        Self { turns: Semaphore::new(most.max(1)), idle: Mutex::default(), all: Mutex::default() }
    }

    /// Room for two at once, if it is there now.
    pub fn two(&self) -> Option<[Turn<'_>; 2]> {
        let mut both = self.turns.try_acquire_many(2).ok()?;
        let one = both.split(1)?;
        Some([one, both].map(|permit| Turn { singles: self, since: Instant::now(), _permit: permit }))
    }

    /// Does a piece of work in a child that has nothing else to do, and tells how long it has waited for one. `config` says how one is
    /// started where none is left; the one that has worked last comes first, since its memory is warm.
    ///
    /// # Errors
    /// What `config` says; else as [`Pool::run`].
    pub async fn run(
        &self,
        config: impl FnOnce() -> Result<PoolConfig, Failure>,
        job: Value,
        files: Vec<OwnedFd>,
        cancel: &Cancel,
        deadline: Duration,
        progress: Progress,
    ) -> Result<(Value, Duration), Failure> {
        let since = Instant::now();
        let permit = tokio::select! {
            permit = self.turns.acquire() => permit.map_err(Failure::internal)?,
            () = cancel.cancelled() => return Err(Failure::Cancelled),
        };
        Turn { singles: self, since, _permit: permit }.run(config, job, files, cancel, deadline, progress).await
    }

    /// Kills the children and waits until they are gone; no other is started.
    pub async fn stop(&self) {
        self.turns.close();
        let pools = std::mem::take(&mut *lock(&self.all));
        for pool in pools {
            pool.stop().await;
        }
    }
}

/// Gives the child back, also where the work is dropped half done.
struct Held<'a> {
    idle: &'a Mutex<Vec<Pool>>,
    pool: Pool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(self.idle).push(self.pool.clone());
    }
}
