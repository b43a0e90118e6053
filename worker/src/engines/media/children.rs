//! The children: started when they are needed, one task at a time each, so that one that dies takes no other task along.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use convertfly_sandbox::{Pool, PoolConfig, Progress};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{OnceCell, Semaphore};

use crate::failure::Failure;
use crate::formats::Cancel;

/// Tasks after which a child is replaced: what a customer's file may have left in it does not stay for long.
const TASKS_PER_CHILD: u64 = 16;

/// How long the look at the encoders may take.
const PROBE_PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Children {
    program: Option<PathBuf>,
    turns: Semaphore,
    idle: Mutex<Vec<Pool>>,
    hardware: OnceCell<Vec<String>>,
}

impl Children {
    pub(super) fn new(program: Option<PathBuf>, most: usize) -> Self {
        Self { program, turns: Semaphore::new(most), idle: Mutex::default(), hardware: OnceCell::new() }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Pool>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn program(&self) -> Result<&PathBuf, Failure> {
        self.program.as_ref().ok_or_else(|| Failure::unsupported("Video and audio are not available on this server"))
    }

    /// Does a piece of work in a child that has nothing else to do.
    pub(super) async fn run(
        &self,
        job: Value,
        files: Vec<OwnedFd>,
        cancel: &Cancel,
        deadline: Duration,
        progress: Progress,
    ) -> Result<Value, Failure> {
        let program = self.program()?.clone();
        let _turn = tokio::select! {
            turn = self.turns.acquire() => turn.map_err(Failure::internal)?,
            () = cancel.cancelled() => return Err(Failure::Cancelled),
        };
        let found = self.idle().pop();
        let pool = match found {
            Some(pool) => pool,
            None => {
                let config = PoolConfig { threads: 1, restart_after: TASKS_PER_CHILD, ..PoolConfig::new(program) };
                Pool::start(config).await?
            }
        };
        let result = pool.run_with_progress(job, files, cancel, deadline, progress).await;
        self.idle().push(pool);
        result
    }

    /// Hardware encoders that work here, found out once by opening each: every build of FFmpeg lists those of every maker.
    pub(super) async fn hardware(&self) -> &[String] {
        self.hardware.get_or_init(|| async { self.probe().await.unwrap_or_default() }).await
    }

    async fn probe(&self) -> Option<Vec<String>> {
        let mut command = Command::new(self.program.as_ref()?);
        command.arg("probe").env_clear().current_dir("/").kill_on_drop(true);
        let output = tokio::time::timeout(PROBE_PATIENCE, command.output()).await.ok()?.ok()?;
        let report: Value = serde_json::from_slice(&output.stdout).ok()?;
        let mut usable = Vec::new();
        for encoder in report["encoders"].as_array()?.iter().filter(|encoder| encoder["hardware"] == true) {
            let name = encoder["name"].as_str().unwrap_or_default().to_owned();
            match encoder["reason"].as_str() {
                Some(reason) => tracing::debug!(name, reason, "a hardware encoder does not work here"),
                None => usable.push(name),
            }
        }
        tracing::info!(?usable, ffmpeg = report["ffmpeg"].as_str(), "hardware video encoders");
        Some(usable)
    }

    /// Kills the children and waits until they are gone; no other is started.
    pub(super) async fn stop(&self) {
        self.turns.close();
        let pools = std::mem::take(&mut *self.idle());
        for pool in pools {
            pool.stop().await;
        }
    }
}
