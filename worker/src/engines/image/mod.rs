//! The image engine: every decoder to every encoder, in memory.

pub mod admission;
mod analysis;
pub(crate) mod bundle;
mod coefficients;
mod color;
pub mod decodes;
pub mod job;
mod keep;
#[cfg(feature = "documents")]
mod markdown;
pub mod merge;
mod metadata;
mod onward;
pub mod optimize;
pub mod options;
pub(crate) mod papers;
pub mod pdf;
pub mod pipeline;
pub mod plan;
mod planes;
mod stamp;
mod turn;
pub mod watermark;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use convertfly_scheduler::catalog::Lane;
use futures_util::future::BoxFuture;

use self::job::ImageJob;
use super::{Action, Availability, Edge, Engine, Made, Work};
use crate::failure::Failure;
use crate::formats::{Cancel, FORMATS, Limits, OPTIMIZERS};
use crate::pixels::Processor;

/// The name of the engine.
pub(crate) const ID: &str = "image";

/// Runs a job somewhere else: in the pool of sandboxed processes.
/// Takes the job, its files (the input, those beside it, the output), the flag that ends it, and its time limit.
pub type Remote = Arc<dyn Fn(ImageJob, Vec<File>, Cancel, Duration) -> BoxFuture<'static, Result<Made, Failure>> + Send + Sync>;

/// Where jobs run.
#[derive(Clone)]
pub enum Runner {
    /// On a thread of this process: for the command line and for tests, where the files are the user's own.
    InProcess(Arc<Processor>),
    /// In a sandboxed process.
    Remote(Remote),
}

/// See the module.
#[derive(Clone)]
pub struct ImageEngine {
    runner: Runner,
    limits: Limits,
}

impl ImageEngine {
    /// An engine that runs its jobs by `runner` within `limits`.
    pub fn new(runner: Runner, limits: Limits) -> Self {
        Self { runner, limits }
    }
}

/// Every decoder to every encoder, one credit each.
pub(crate) fn edges() -> Vec<Edge> {
    let sources = FORMATS.iter().filter(|format| format.decode.is_some());
    let targets = || FORMATS.iter().filter(|format| format.encode.is_some());
    sources
        .flat_map(|from| targets().map(|to| Edge { from: from.name, to: to.name, cost: 1, credits: 1, lane: Lane::Cpu }))
        .collect()
}

/// What is done with images of a format beside converting them.
pub(crate) fn offers() -> Vec<(Action, &'static str)> {
    let readable = FORMATS.iter().filter(|format| format.decode.is_some());
    let all =
        readable.flat_map(|format| [Action::Merge, Action::Metadata, Action::Watermark].map(|action| (action, format.name)));
    all.chain(OPTIMIZERS.iter().map(|optimizer| (Action::Optimize, optimizer.format.name))).collect()
}

impl Engine for ImageEngine {
    fn id(&self) -> &'static str {
        ID
    }

    fn edges(&self) -> Vec<Edge> {
        edges()
    }

    fn offers(&self) -> Vec<(Action, &'static str)> {
        offers()
    }

    fn probe(&self) -> Availability {
        Availability::Ready(match self.runner {
            Runner::InProcess(_) => "in this process".to_owned(),
            Runner::Remote(_) => "in sandboxed processes".to_owned(),
        })
    }

    fn convert(&self, work: Work) -> BoxFuture<'_, Result<Made, Failure>> {
        let Work { action, from, to, input, beside, output, options, test, share, cancel, deadline, .. } = work;
        let (formats, between): (Vec<_>, Vec<_>) = beside.into_iter().map(|beside| (beside.format, beside.file)).unzip();
        let job = ImageJob { action, from, to, beside: formats, options, limits: self.limits, test, pdf: None, share };
        let files = [input].into_iter().chain(between).chain([output]).collect();
        Box::pin(run_job(&self.runner, job, files, cancel, deadline))
    }
}

/// Runs a job where jobs run.
///
/// # Errors
/// As [`job::run`].
pub(crate) async fn run_job(
    runner: &Runner,
    job: ImageJob,
    files: Vec<File>,
    cancel: Cancel,
    deadline: Duration,
) -> Result<Made, Failure> {
    match runner {
        Runner::Remote(remote) => remote(job, files, cancel, deadline).await,
        Runner::InProcess(processor) => in_process(job, files, cancel, deadline, Arc::clone(processor)).await,
    }
}

async fn in_process(
    job: ImageJob,
    files: Vec<File>,
    cancel: Cancel,
    deadline: Duration,
    processor: Arc<Processor>,
) -> Result<Made, Failure> {
    let seen = cancel.clone();
    let work = tokio::task::spawn_blocking(move || job::run(&job, files, &processor, &seen));
    match tokio::time::timeout(deadline, work).await {
        Ok(Ok(made)) => made,
        Ok(Err(error)) if error.is_panic() => Err(Failure::Crashed { cause: error.to_string() }),
        Ok(Err(error)) => Err(Failure::internal(error)),
        Err(_) => {
            // The thread stops at its next look at the flag; nobody waits for it.
            cancel.cancel();
            Err(Failure::TimedOut)
        }
    }
}

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
