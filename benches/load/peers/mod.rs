//! Pictures beside sharp, pyvips and Pillow: the rows of the targets, each peer in turn within every round, one image at a time.
//!
//! Processor time of the whole process counts, since all sides may use threads. What each side made is judged against an exact
//! result in float by one judge: a ratio without its quality says nothing.

mod child;
mod ours;
pub mod report;
mod rows;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use rows::Row;

use child::Child;
use ours::Ours;

use crate::thumbnail::median;

/// What each round costs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// Processor time, milliseconds.
    pub cpu_ms: f64,
    /// Wall clock, milliseconds.
    pub wall_ms: f64,
}

/// One side of one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Side {
    /// Who, and how it was set.
    pub name: String,
    /// Each counted round.
    pub rounds: Vec<Cost>,
    /// Bytes of its result (of the last one, where there are several).
    pub bytes: u64,
    /// Against the exact result, dB; `None` where it is the same.
    pub psnr: Option<f64>,
    /// Median of this side's processor time over ours, round by round: above 1 we are faster.
    pub ratio: f64,
}

/// A row with all its sides, ours first.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The workload.
    pub row: Row,
    /// Who did it, and how fast.
    pub sides: Vec<Side>,
}

impl Outcome {
    /// Ratio to sharp as it comes, if that did it.
    pub fn to_sharp(&self) -> Option<f64> {
        self.sides.iter().find(|side| side.name == "sharp").map(|side| side.ratio)
    }

    /// Ratio to whoever was fastest beside us, of those that count.
    pub fn to_best(&self) -> Option<&Side> {
        let counts = |side: &&Side| self.row.peers.iter().all(|peer| peer.name != side.name || peer.counts);
        self.sides.iter().skip(1).filter(counts).min_by(|a, b| a.ratio.total_cmp(&b.ratio))
    }
}

/// Every workload, in the order of the targets.
pub fn rows() -> &'static [Row] {
    rows::ROWS
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A JPEG of a camera, with its colour profile if there is one.
    pub photo: PathBuf,
    /// Where `setup.sh` has put the peers.
    pub peers: PathBuf,
    /// Counted rounds.
    pub rounds: usize,
    /// Only rows whose name contains this.
    pub only: Option<String>,
}

/// Runs the rows; tells each as it is done.
///
/// # Errors
/// When a peer is not installed, or one of the sides fails.
pub fn run(plan: &Plan, mut tell: impl FnMut(&Outcome)) -> anyhow::Result<Vec<Outcome>> {
    let photo = plan.photo.canonicalize().with_context(|| format!("no photo at {}", plan.photo.display()))?;
    let peers = plan.peers.canonicalize().with_context(|| format!("no folder {}", plan.peers.display()))?;
    let (python, modules) = (peers.join("venv/bin/python"), peers.join("node_modules/sharp"));
    if !python.exists() || !modules.exists() {
        bail!("the peers are not installed; run {}", peers.join("setup.sh").display());
    }
    let mut sharp = Child::start("node", &peers.join("sharp.mjs"))?;
    let mut python = Child::start(python, &peers.join("peers.py"))?;
    let folder = tempfile::tempdir()?;
    let sources = python.ask(&json!({ "prepare": photo, "folder": folder.path() }))?;
    let ours = Ours::new()?;
    let mut outcomes = Vec::new();
    for row in rows::ROWS.iter().filter(|row| plan.only.as_ref().is_none_or(|only| row.name.contains(only.as_str()))) {
        // A photo without a profile has no such row.
        let Some(source) = sources[row.source].as_str().map(PathBuf::from) else { continue };
        let mark = PathBuf::from(sources["mark"].as_str().context("a mark")?);
        let output = |name: &str| folder.path().join(format!("{}.{}", name.replace(' ', "-"), row.extension));
        let request = |config: &str, name: &str| json!({ "row": row.name, "config": config, "source": source, "output": output(name), "mark": mark });
        let mut costs: Vec<(String, Vec<Cost>)> = std::iter::once("convertfly")
            .chain(row.peers.iter().map(|peer| peer.name))
            .map(|n| (n.to_owned(), Vec::new()))
            .collect();
        for round in 0..=plan.rounds {
            for (name, rounds) in &mut costs {
                let cost = match row.peers.iter().find(|peer| peer.name == name) {
                    None => ours.run(row, &source, &mark, &output(name), folder.path())?,
                    Some(peer) if peer.is_sharp => sharp.cost(&request(peer.config, name))?,
                    Some(peer) => python.cost(&request(peer.config, name))?,
                };
                // The first round warms up.
                if round > 0 {
                    rounds.push(cost);
                }
            }
        }
        let outputs: Vec<PathBuf> = costs.iter().map(|(name, _)| output(name)).collect();
        let judged = python.ask(&json!({ "judge": row.name, "source": source, "mark": mark, "outputs": outputs }))?;
        let outcome = Outcome { row: *row, sides: sides(costs, &outputs, &judged["psnr"])? };
        tell(&outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn sides(costs: Vec<(String, Vec<Cost>)>, outputs: &[PathBuf], psnr: &serde_json::Value) -> anyhow::Result<Vec<Side>> {
    let ours: Vec<f64> = costs.first().map(|(_, rounds)| rounds.iter().map(|cost| cost.cpu_ms).collect()).unwrap_or_default();
    let side = |(at, (name, rounds)): (usize, (String, Vec<Cost>))| {
        let ratio = median(rounds.iter().zip(&ours).map(|(cost, ours)| cost.cpu_ms / ours).collect());
        let bytes = size(&outputs[at])?;
        Ok(Side { name, rounds, bytes, psnr: psnr[at].as_f64(), ratio })
    };
    costs.into_iter().enumerate().map(side).collect()
}

fn size(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("no result at {}", path.display()))?.len())
}
