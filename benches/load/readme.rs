//! `bench report`: the performance section of the README out of the JSON of runs, with what is not faster.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::gpu::GpuRow;
use crate::machine::{Measured, Run};
use crate::peers::{self, Outcome};
use crate::{node, scheduler, thumbnail};

mod caveats;
mod gpu;
mod others;
mod pictures;
pub mod targets;

/// Where the section begins.
pub const BEGIN: &str = "<!-- performance: begin; written by `make bench-report`, changes by hand are lost -->";
/// Where it ends.
pub const END: &str = "<!-- performance: end -->";

/// The runs that there are: `peers.json`, `node.json`, `scheduler.json`, `queue.json`, `thumbnail.json` and `kernels.json` of one folder.
#[derive(Debug, Default)]
pub struct Runs {
    /// Pictures beside sharp, pyvips and Pillow.
    pub peers: Option<Measured<Vec<Outcome>>>,
    /// The whole node.
    pub node: Option<Measured<node::Report>>,
    /// The scheduler.
    pub scheduler: Option<Measured<Vec<scheduler::Report>>>,
    /// The scheduler beside BullMQ.
    pub queue: Option<Queue>,
    /// One photo by whole processes.
    pub thumbnail: Option<Measured<thumbnail::Report>>,
    /// A GPU beside the same cores, of `kernels.json`.
    pub gpu: Option<Measured<Vec<GpuRow>>>,
}

/// What `benches/peers/bullmq/compare.mjs --json` prints: medians of rounds in turn.
#[derive(Clone, Debug, Deserialize)]
pub struct Queue {
    /// Jobs a round.
    pub jobs: usize,
    /// Rounds.
    pub rounds: usize,
    /// How Redis wrote its file.
    pub appendfsync: String,
    /// Jobs of one task, and of more.
    pub rows: Vec<QueueRow>,
}

/// Jobs of so many tasks on both sides.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct QueueRow {
    /// Tasks a job.
    pub tasks: usize,
    /// Ours.
    pub convertfly: Phases,
    /// BullMQ.
    pub bullmq: Phases,
}

/// Both phases of one side.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Phases {
    /// Jobs a second, submitted and worked off.
    pub whole: f64,
    /// Submit alone.
    pub submit: scheduler::Phase,
    /// Lease and finish.
    pub work: scheduler::Phase,
}

impl Phases {
    /// Processor time of Redis, microseconds a job.
    fn redis_us(&self) -> f64 {
        self.submit.redis_us + self.work.redis_us
    }
}

impl QueueRow {
    /// Whole jobs a second, ours by theirs.
    fn speed(&self) -> f64 {
        self.convertfly.whole / self.bullmq.whole
    }

    /// The share that ours is of their processor time of Redis.
    fn redis_share(&self) -> f64 {
        self.convertfly.redis_us() / self.bullmq.redis_us()
    }
}

/// What is read of `kernels.json`.
#[derive(Deserialize)]
struct SavedKernels {
    batches: Vec<GpuRow>,
}

#[derive(Deserialize)]
struct SavedOutcome {
    row: SavedRow,
    sides: Vec<peers::Side>,
}

#[derive(Deserialize)]
struct SavedRow {
    name: String,
}

impl Runs {
    /// Reads what there is in `folder`.
    ///
    /// # Errors
    /// When a file is not of its form, has a row that this program does not know, or is of a debug build.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let saved: Option<Measured<Vec<SavedOutcome>>> = read(folder, "peers.json")?;
        let peers = saved.map(|Measured { run, report }| {
            let outcomes: anyhow::Result<Vec<Outcome>> = report
                .into_iter()
                .map(|saved| {
                    let row = peers::rows().iter().find(|row| row.name == saved.row.name);
                    let row = *row.with_context(|| format!("peers.json has a row `{}`, which there is not", saved.row.name))?;
                    Ok(Outcome { row, sides: saved.sides })
                })
                .collect();
            anyhow::Ok(Measured { run, report: outcomes? })
        });
        let kernels: Option<Measured<SavedKernels>> = read(folder, "kernels.json")?;
        let runs = Self {
            peers: peers.transpose()?,
            node: read(folder, "node.json")?,
            scheduler: read(folder, "scheduler.json")?,
            queue: read(folder, "queue.json")?,
            thumbnail: read(folder, "thumbnail.json")?,
            gpu: kernels.map(|Measured { run, report }| Measured { run, report: report.batches }),
        };
        let debug = runs.all().into_iter().find(|(_, run)| run.debug);
        if let Some((name, _)) = debug {
            bail!("{name} is of a debug build, whose figures say nothing; run it with target/release/convertfly");
        }
        Ok(runs)
    }

    fn all(&self) -> Vec<(&'static str, &Run)> {
        [
            ("peers.json", self.peers.as_ref().map(|measured| &measured.run)),
            ("node.json", self.node.as_ref().map(|measured| &measured.run)),
            ("scheduler.json", self.scheduler.as_ref().map(|measured| &measured.run)),
            ("thumbnail.json", self.thumbnail.as_ref().map(|measured| &measured.run)),
            ("kernels.json", self.gpu.as_ref().map(|measured| &measured.run)),
        ]
        .into_iter()
        .filter_map(|(name, run)| Some((name, run?)))
        .collect()
    }
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> anyhow::Result<Option<T>> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let value = serde_json::from_str(&text).with_context(|| format!("{} is not what the bench prints", path.display()))?;
    Ok(Some(value))
}

/// The section, with its markers.
pub fn section(runs: &Runs) -> String {
    let parts = [
        BEGIN.to_owned(),
        pictures::table(runs.peers.as_ref()),
        gpu::table(runs.gpu.as_ref()),
        others::node(runs.node.as_ref()),
        others::scheduler(runs.scheduler.as_ref(), runs.queue.as_ref()),
        others::thumbnail(runs.thumbnail.as_ref()),
        caveats::list(runs),
        END.to_owned(),
    ];
    parts.map(|part| part.trim_end().to_owned()).join("\n\n")
}

/// `text` with `section` in place of the one that it holds.
///
/// # Errors
/// When it does not hold the markers once each, in order.
pub fn replaced(text: &str, section: &str) -> anyhow::Result<String> {
    let range = place(text)?;
    Ok(format!("{}{section}{}", &text[..range.start], &text[range.end..]))
}

fn place(text: &str) -> anyhow::Result<std::ops::Range<usize>> {
    let once = |marker: &str| match text.match_indices(marker).map(|(at, _)| at).collect::<Vec<_>>()[..] {
        [at] => Ok(at),
        ref found => bail!("the line `{marker}` is there {} times instead of once", found.len()),
    };
    let (begin, end) = (once(BEGIN)?, once(END)? + END.len());
    if begin > end {
        bail!("the performance section ends before it begins");
    }
    Ok(begin..end)
}

#[cfg(test)]
mod tests;
