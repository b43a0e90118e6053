//! One photo to an 800 px WebP: this program and `vipsthumbnail` as whole processes, in turn, in one run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// Figures of one program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Side {
    /// Wall clock of each run, milliseconds.
    pub wall_ms: Vec<f64>,
    /// Processor time of each run, milliseconds.
    pub cpu_ms: Vec<f64>,
    /// Bytes of the output.
    pub bytes: u64,
}

/// Both sides, and the peer's time over ours, pair by pair: above 1 we are faster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// This program.
    pub ours: Side,
    /// `vipsthumbnail`.
    pub peer: Side,
    /// Median of peer / ours, wall clock.
    pub wall_ratio: f64,
    /// Median of peer / ours, processor time.
    pub cpu_ratio: f64,
}

/// Runs each side `rounds` times after one warm-up.
///
/// # Errors
/// When either program is missing or fails.
pub fn run(program: &Path, photo: &Path, rounds: usize) -> anyhow::Result<Report> {
    let photo = photo.canonicalize().with_context(|| format!("no photo at {}", photo.display()))?;
    let folder = tempfile::tempdir()?;
    let (our_file, peer_file) = (folder.path().join("ours.webp"), folder.path().join("peer.webp"));
    let ours = || {
        let mut command = Command::new(program);
        command.arg("convert").arg(&photo).arg(&our_file).args(["-o", "width=800", "-o", "quality=80", "--overwrite"]);
        command
    };
    let peer = || {
        let mut command = Command::new("vipsthumbnail");
        let output: PathBuf = format!("{}[Q=80]", peer_file.display()).into();
        command.arg(&photo).args(["--size", "800x"]).arg("-o").arg(output);
        command
    };
    let mut sides =
        [Side { wall_ms: Vec::new(), cpu_ms: Vec::new(), bytes: 0 }, Side { wall_ms: Vec::new(), cpu_ms: Vec::new(), bytes: 0 }];
    for round in 0..=rounds {
        for (side, command) in sides.iter_mut().zip([ours(), peer()]) {
            let (wall, cpu) = timed(command)?;
            if round > 0 {
                side.wall_ms.push(wall.as_secs_f64() * 1e3);
                side.cpu_ms.push(cpu.as_secs_f64() * 1e3);
            }
        }
    }
    let [mut ours, mut peer] = sides;
    ours.bytes = std::fs::metadata(&our_file)?.len();
    peer.bytes = std::fs::metadata(&peer_file)?.len();
    let ratio = |peer: &[f64], ours: &[f64]| median(peer.iter().zip(ours).map(|(peer, ours)| peer / ours).collect());
    Ok(Report { wall_ratio: ratio(&peer.wall_ms, &ours.wall_ms), cpu_ratio: ratio(&peer.cpu_ms, &ours.cpu_ms), ours, peer })
}

/// Median; 0 for nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Wall clock and processor time of a whole process.
fn timed(mut command: Command) -> anyhow::Result<(Duration, Duration)> {
    let before = children_cpu();
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().with_context(|| {
        format!("{} could not be run; `sudo apt-get install libvips-tools` for vipsthumbnail", command.get_program().display())
    })?;
    let wall = start.elapsed();
    if !status.success() {
        bail!("{} failed: {status}", command.get_program().display());
    }
    Ok((wall, children_cpu().saturating_sub(before)))
}

/// Processor time of all children that have ended, from `/proc/self/stat` (fields 16 and 17, clock ticks of 10 ms).
fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field may contain spaces; the rest follows its closing parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(13) + ticks(14)) * 10)
}
