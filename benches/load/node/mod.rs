//! The whole node under load: real files through HTTP, Redis, storage and the sandbox, and the same work by sharp behind BullMQ.
//!
//! A closed loop keeps a number of jobs in flight: throughput. An open loop submits at a rate of its own, whatever the node does,
//! and counts latency from the moment a job was due: no job that had to wait is left out (coordinated omission).

mod load;
mod mix;
mod peer;
pub mod report;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use mix::{MIX, RENDITIONS, Work};

pub(crate) use server::tree_cpu;

use load::Ended;
use server::Server;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// A folder with pictures; those below it, too.
    pub corpus: PathBuf,
    /// What is done, in which shares.
    pub mix: &'static [Work],
    /// Jobs.
    pub jobs: usize,
    /// Jobs in flight at once, in the closed loop.
    pub in_flight: usize,
    /// Jobs a second: makes the loop an open one.
    pub rate: Option<f64>,
    /// The folder with sharp and BullMQ; nobody is compared with without it.
    pub peer: Option<PathBuf>,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the jobs.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Model of the processor, cores and load at the end.
    pub machine: String,
    /// Closed with so many in flight, or open at so many a second.
    pub load: String,
    /// Files that take part.
    pub files: usize,
    /// Jobs that finished.
    pub jobs: usize,
    /// Jobs that failed, by their error.
    pub failed: BTreeMap<String, usize>,
    /// Wall clock.
    pub seconds: f64,
    /// Finished jobs a second.
    pub jobs_per_second: f64,
    /// Megapixels of sources for each second of processor time.
    pub megapixels_per_cpu_second: f64,
    /// Processor time of the node and all its children.
    pub cpu_seconds: f64,
    /// Bytes of all results.
    pub bytes_out: u64,
    /// From submit (closed) or from when it was due (open) to the answer of `wait`.
    pub latency: Latency,
    /// The distribution: percentile and milliseconds.
    pub curve: Vec<(f64, f64)>,
    /// Finished jobs in each second.
    pub timeline: Vec<u64>,
    /// Mean milliseconds of each stage, as `explain` tells them.
    pub stages: BTreeMap<String, f64>,
    /// The peer.
    pub peer: Option<Peer>,
}

/// sharp in a process a core, fed by BullMQ, on the same files.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Wall clock.
    pub seconds: f64,
    /// Processor time of its processes and of its Redis.
    pub cpu_seconds: f64,
    /// Bytes of all results.
    pub bytes_out: u64,
    /// Jobs that failed.
    pub failed: usize,
    /// Its wall clock over ours: above 1 we are faster.
    pub ratio: f64,
    /// Its processor time over ours.
    pub cpu_ratio: f64,
}

/// Runs the load.
///
/// # Errors
/// When the program does not start, there are no files, or nothing finishes.
pub fn run(plan: &Plan, mut tell: impl FnMut(usize, usize)) -> anyhow::Result<Report> {
    let files = mix::files(&plan.corpus)?;
    let server = Server::start(&plan.program)?;
    let mut uploaded = Vec::with_capacity(files.len());
    for file in files {
        // What either side cannot read takes no part: its price is not what this is about.
        let id = server.upload(&file)?;
        if server.convert(&id, &plan.mix[0]).is_ok() {
            uploaded.push((file, id));
        }
    }
    if let Some(peer) = &plan.peer {
        let readable = peer::readable(peer, uploaded.iter().map(|(file, _)| file.as_path()))?;
        uploaded.retain(|(file, _)| readable.contains(file));
    }
    if uploaded.is_empty() {
        bail!("no picture in {} can be read by both sides", plan.corpus.display());
    }
    let jobs: Vec<(usize, &'static Work)> = mix::jobs(plan.mix, plan.jobs, uploaded.len());
    let ids: Vec<&str> = uploaded.iter().map(|(_, id)| id.as_str()).collect();
    let cpu = server.cpu_seconds();
    let (ended, wall) = match plan.rate {
        Some(rate) => load::open(&server, &ids, &jobs, rate, &mut tell),
        None => load::closed(&server, &ids, &jobs, plan.in_flight, &mut tell),
    };
    let cpu_seconds = server.cpu_seconds() - cpu;
    drop(server);
    let mut report = summary(plan, &ended, wall, cpu_seconds)?;
    report.files = uploaded.len();
    if let Some(peer) = &plan.peer {
        let work = jobs.iter().map(|(file, work)| (uploaded[*file].0.as_path(), *work));
        let mut run = peer::run(peer, work).context("the peer")?;
        run.ratio = run.seconds / report.seconds;
        run.cpu_ratio = run.cpu_seconds / report.cpu_seconds;
        report.peer = Some(run);
    }
    Ok(report)
}

fn summary(plan: &Plan, ended: &[Ended], wall: Duration, cpu_seconds: f64) -> anyhow::Result<Report> {
    // Up to an hour, in microseconds, three digits.
    let mut histogram: Histogram<u64> = Histogram::new_with_bounds(1, 3_600_000_000, 3)?;
    let (mut failed, mut stages) = (BTreeMap::new(), BTreeMap::new());
    let (mut pixels, mut bytes_out, mut jobs) = (0u64, 0u64, 0usize);
    let mut timeline = vec![0u64; usize::try_from(wall.as_secs())? + 1];
    for job in ended {
        match &job.result {
            Ok(made) => {
                jobs += 1;
                (pixels, bytes_out) = (pixels + made.pixels_in, bytes_out + made.bytes_out);
                for (stage, ms) in &made.stages {
                    *stages.entry(stage.clone()).or_insert(0.0) += ms;
                }
                histogram.record(u64::try_from(job.latency.as_micros())?.max(1))?;
                if let Some(second) = timeline.get_mut(usize::try_from(job.at.as_secs())?) {
                    *second += 1;
                }
            }
            Err(error) => *failed.entry(error.clone()).or_insert(0) += 1,
        }
    }
    if jobs == 0 {
        bail!("no job finished: {failed:?}");
    }
    stages.values_mut().for_each(|ms| *ms /= jobs as f64);
    let at = |percentile: f64| histogram.value_at_percentile(percentile) as f64 / 1e3;
    let seconds = wall.as_secs_f64();
    Ok(Report {
        machine: crate::peers::report::machine(),
        load: plan
            .rate
            .map_or_else(|| format!("closed, {} jobs in flight", plan.in_flight), |rate| format!("open, {rate} jobs a second")),
        files: 0,
        jobs,
        failed,
        seconds,
        jobs_per_second: jobs as f64 / seconds,
        megapixels_per_cpu_second: pixels as f64 / 1e6 / cpu_seconds.max(1e-9),
        cpu_seconds,
        bytes_out,
        latency: Latency { p50: at(50.0), p90: at(90.0), p99: at(99.0), max: histogram.max() as f64 / 1e3 },
        curve: (0..=100).map(|percentile| (f64::from(percentile), at(f64::from(percentile)))).collect(),
        timeline,
        stages,
        peer: None,
    })
}
