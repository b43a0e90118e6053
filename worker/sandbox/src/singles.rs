//! Children that do one piece of work at a time each, so that one that dies takes no other work along: started when they are needed, kept for
//! the next.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{Cancel, Failure, Pool, PoolConfig, Progress};

/// See the module.
pub struct Singles {
    turns: Semaphore,
    idle: Mutex<Vec<Pool>>,
    /// Those at work as well.
    all: Mutex<Vec<Pool>>,
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
        let start = Instant::now();
        let _turn = tokio::select! {
            turn = self.turns.acquire() => turn.map_err(Failure::internal)?,
            () = cancel.cancelled() => return Err(Failure::Cancelled),
        };
        let found = lock(&self.idle).pop();
        let pool = match found {
            Some(pool) => pool,
            None => {
                let pool = Pool::start(PoolConfig { threads: 1, ..config()? }).await?;
                lock(&self.all).push(pool.clone());
                pool
            }
        };
        let held = Held { idle: &self.idle, pool };
        let waited = start.elapsed();
        let done = held.pool.run_with_progress(job, files, cancel, deadline, progress).await?;
        Ok((done, waited))
    }

    /// How many children have nothing to do, or can still be started.
    pub fn free(&self) -> usize {
        self.turns.available_permits()
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
