//! The children: those that reach nothing but their files, and those that reach the devices of the hardware encoders that work here.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use convertfly_sandbox::{PoolConfig, Progress, Singles};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::UnboundedReceiver;

use super::hardware::{Breakers, Change};
use crate::failure::Failure;
use crate::formats::Cancel;

/// Tasks after which a child is replaced: what a customer's file may have left in it does not stay for long.
const TASKS_PER_CHILD: u64 = 16;

/// How long the look at the encoders may take.
const PROBE_PATIENCE: Duration = Duration::from_secs(30);

/// A hardware encoder that was opened when this node started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// FFmpeg's name.
    pub encoder: String,
    /// Whether it encoded a picture.
    pub works: bool,
}

/// See the module.
pub(super) struct Children {
    program: Option<PathBuf>,
    plain: Singles,
    with_devices: Singles,
    probed: OnceCell<Vec<Probed>>,
    breakers: Breakers,
}

impl Children {
    pub(super) fn new(program: Option<PathBuf>, most: usize) -> Self {
        Self {
            program,
            plain: Singles::new(most),
            with_devices: Singles::new(most),
            probed: OnceCell::new(),
            breakers: Breakers::default(),
        }
    }

    /// Encoders that begin to rest or come back, from the start on; for the first who asks.
    pub(super) fn changes(&self) -> Option<UnboundedReceiver<Change>> {
        self.breakers.changes()
    }

    fn config(&self, args: Vec<String>) -> Result<PoolConfig, Failure> {
        let program =
            self.program.clone().ok_or_else(|| Failure::unsupported("Video and audio are not available on this server"))?;
        let args = args.into_iter().map(Into::into).collect();
        Ok(PoolConfig { args, restart_after: TASKS_PER_CHILD, ..PoolConfig::new(program) })
    }

    /// Does a piece of work in a child that has nothing else to do, and no device.
    pub(super) async fn run(
        &self,
        job: Value,
        files: Vec<OwnedFd>,
        cancel: &Cancel,
        deadline: Duration,
        progress: Progress,
    ) -> Result<Value, Failure> {
        let done = self.plain.run(|| self.config(Vec::new()), job, files, cancel, deadline, progress).await?;
        Ok(done.0)
    }

    /// Does work that encodes pictures: beside a device where one works. What breaks there is done once more without, within the same call.
    pub(super) async fn encode(
        &self,
        mut job: Value,
        files: Vec<OwnedFd>,
        cancel: &Cancel,
        deadline: Duration,
        progress: Progress,
    ) -> Result<Value, Failure> {
        let start = Instant::now();
        let working = self.hardware().await;
        let resting = self.breakers.resting(start);
        let is_resting = |name: &String| resting.iter().any(|(known, _)| known == name);
        let usable: Vec<_> = working.iter().filter(|name| !is_resting(name)).cloned().collect();
        job["hardware"] = json!(working);
        job["resting"] = resting.iter().map(|(encoder, reason)| json!({ "encoder": encoder, "reason": reason })).collect();
        let said = job["options"]["encoder"].as_str().or(job["encoder"].as_str()).unwrap_or("auto");
        if usable.is_empty() || said == "software" {
            let done = self.run(job, files, cancel, deadline, progress).await;
            self.breakers.learn(done.as_ref().ok(), Instant::now());
            return done;
        }
        let again = files.iter().map(OwnedFd::try_clone).collect::<Result<Vec<_>, _>>().map_err(Failure::internal)?;
        let arguments = || [vec!["devices".to_owned()], working.clone()].concat();
        let done = self
            .with_devices
            .run(|| self.config(arguments()), job.clone(), files, cancel, deadline, progress.clone())
            .await
            .map(|done| done.0);
        match done {
            Err(Failure::Crashed { cause }) => {
                tracing::warn!(cause, ?usable, "a child with a device died twice under a task; the task is done in software");
                job["hardware"] = json!([]);
                let left = deadline.saturating_sub(start.elapsed());
                let done = self.run(job, again, cancel, left, progress).await;
                // A file that takes down a child without a device as well would have done so anyway.
                if !matches!(done, Err(Failure::Crashed { .. })) {
                    self.breakers.lost(&usable, Instant::now());
                }
                done
            }
            done => {
                self.breakers.learn(done.as_ref().ok(), Instant::now());
                done
            }
        }
    }

    /// What became of the hardware encoders, found out once by opening each: every build of FFmpeg lists those of every maker.
    pub(super) async fn probed(&self) -> &[Probed] {
        self.probed.get_or_init(|| async { self.probe().await.unwrap_or_default() }).await
    }

    /// Hardware encoders that work here.
    async fn hardware(&self) -> Vec<String> {
        let working = self.probed().await.iter().filter(|probed| probed.works);
        working.map(|probed| probed.encoder.clone()).collect()
    }

    async fn probe(&self) -> Option<Vec<Probed>> {
        let mut command = Command::new(self.program.as_ref()?);
        command.args(["probe", "hardware"]).env_clear().current_dir("/").kill_on_drop(true);
        let output = tokio::time::timeout(PROBE_PATIENCE, command.output()).await.ok()?.ok()?;
        let report: Value = serde_json::from_slice(&output.stdout).ok()?;
        let mut probed = Vec::new();
        for row in report["encoders"].as_array()? {
            let encoder = row["name"].as_str().unwrap_or_default().to_owned();
            let reason = row["reason"].as_str();
            if let Some(reason) = reason {
                tracing::debug!(encoder, reason, "a hardware encoder does not work here");
            }
            probed.push(Probed { encoder, works: reason.is_none() });
        }
        let usable: Vec<_> = probed.iter().filter(|probed| probed.works).map(|probed| probed.encoder.as_str()).collect();
        tracing::info!(?usable, ffmpeg = report["ffmpeg"].as_str(), "hardware video encoders");
        Some(probed)
    }

    /// Kills the children and waits until they are gone; no other is started.
    pub(super) async fn stop(&self) {
        self.plain.stop().await;
        self.with_devices.stop().await;
    }
}
