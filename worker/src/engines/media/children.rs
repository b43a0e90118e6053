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
    most: usize,
    plain: Singles,
    found: OnceCell<Found>,
    breakers: Breakers,
}

/// What this machine has.
struct Found {
    encoders: Vec<Probed>,
    with_devices: Singles,
}

impl Found {
    /// From the program's report, if there is one; at `most` so many children work at a time.
    fn read(report: Option<&Value>, most: usize) -> Self {
        let encoders = encoders(report);
        let most = report.and_then(|report| sessions(report, &encoders)).map_or(most, |sessions| sessions.min(most));
        Self { encoders, with_devices: Singles::new(most) }
    }
}

/// The encoders of a report.
fn encoders(report: Option<&Value>) -> Vec<Probed> {
    let rows = report.and_then(|report| report["encoders"].as_array()).into_iter().flatten();
    rows.map(|row| {
        let encoder = row["name"].as_str().unwrap_or_default().to_owned();
        let reason = row["reason"].as_str();
        if let Some(reason) = reason {
            tracing::debug!(encoder, reason, "a hardware encoder does not work here");
        }
        Probed { encoder, works: reason.is_none() }
    })
    .collect()
}

/// How many videos the encoders take at a time, where that is known: more would only be refused. The limit is that of one maker's; others
/// have none.
fn sessions(report: &Value, encoders: &[Probed]) -> Option<usize> {
    let others = encoders.iter().any(|probed| probed.works && !probed.encoder.ends_with("_nvenc"));
    let sessions = report["nvenc"]["sessions"].as_u64().filter(|_| !others)?;
    usize::try_from(sessions).ok()
}

impl Children {
    pub(super) fn new(program: Option<PathBuf>, most: usize) -> Self {
        Self { program, most, plain: Singles::new(most), found: OnceCell::new(), breakers: Breakers::default() }
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
        let found = self.found().await;
        let working: Vec<_> = found.encoders.iter().filter(|probed| probed.works).map(|probed| probed.encoder.clone()).collect();
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
        let done = found
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
        &self.found().await.encoders
    }

    async fn found(&self) -> &Found {
        self.found.get_or_init(|| async { Found::read(self.probe().await.as_ref(), self.most) }).await
    }

    async fn probe(&self) -> Option<Value> {
        let mut command = Command::new(self.program.as_ref()?);
        command.args(["probe", "hardware"]).env_clear().current_dir("/").kill_on_drop(true);
        let output = tokio::time::timeout(PROBE_PATIENCE, command.output()).await.ok()?.ok()?;
        let report: Value = serde_json::from_slice(&output.stdout).ok()?;
        let rows = report["encoders"].as_array()?;
        let usable: Vec<_> = rows.iter().filter(|row| row["usable"] == true).filter_map(|row| row["name"].as_str()).collect();
        tracing::info!(?usable, ffmpeg = report["ffmpeg"].as_str(), "hardware video encoders");
        Some(report)
    }

    /// Kills the children and waits until they are gone; no other is started.
    pub(super) async fn stop(&self) {
        self.plain.stop().await;
        if let Some(found) = self.found.get() {
            found.with_devices.stop().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_given_as_much_at_a_time_as_it_has_sessions() {
        let told = |report: Value| sessions(&report, &encoders(Some(&report)));
        let nvenc = json!({ "name": "h264_nvenc", "usable": true });
        let refused = json!({ "name": "h264_qsv", "usable": false, "reason": "no" });
        assert_eq!(told(json!({ "encoders": [nvenc, refused], "nvenc": { "sessions": 3 } })), Some(3), "its own limit");
        let other = json!({ "name": "h264_qsv", "usable": true });
        assert_eq!(told(json!({ "encoders": [nvenc, other], "nvenc": { "sessions": 3 } })), None, "of another maker: no limit");
        assert_eq!(told(json!({ "encoders": [nvenc], "nvenc": { "reason": "no driver" } })), None, "unknown");
        assert_eq!(told(json!({ "encoders": [nvenc] })), None, "not asked");
    }

    #[test]
    fn encoders_work_unless_there_is_a_reason() {
        let report = json!({ "encoders": [{ "name": "a", "usable": true }, { "name": "b", "usable": false, "reason": "no" }] });
        let probed = |encoder: &str, works| Probed { encoder: encoder.to_owned(), works };
        assert_eq!(encoders(Some(&report)), [probed("a", true), probed("b", false)], "as reported");
        assert_eq!(encoders(None), [], "software does it");
    }
}
