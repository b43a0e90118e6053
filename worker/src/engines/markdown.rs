//! The Markdown engine: to HTML, from where other engines go on.

use convertfly_scheduler::catalog::Lane;
use futures_util::future::BoxFuture;

use super::image::job::ImageJob;
use super::image::{Runner, run_job};
use super::{Availability, Edge, Engine, Made, Work, price};
use crate::failure::Failure;
use crate::formats::Limits;

/// The name of the engine.
pub(crate) const ID: &str = "markdown";

/// See the module.
pub struct MarkdownEngine {
    runner: Runner,
}

impl MarkdownEngine {
    /// An engine that runs its jobs by `runner`.
    pub fn new(runner: Runner) -> Self {
        Self { runner }
    }
}

/// Markdown to HTML.
pub(crate) fn edges() -> Vec<Edge> {
    vec![Edge { from: "md", to: "html", cost: 2, credits: price::of("md", "html"), lane: Lane::Cpu }]
}

impl Engine for MarkdownEngine {
    fn id(&self) -> &'static str {
        ID
    }

    fn edges(&self) -> Vec<Edge> {
        edges()
    }

    fn probe(&self) -> Availability {
        Availability::Ready("comrak".to_owned())
    }

    fn convert(&self, work: Work) -> BoxFuture<'_, Result<Made, Failure>> {
        let Work { action, from, to, input, output, options, test, cancel, deadline, .. } = work;
        let job =
            ImageJob { action, from, to, beside: Vec::new(), options, limits: Limits::default(), test, pdf: None, share: None };
        Box::pin(run_job(&self.runner, job, vec![input, output], cancel, deadline))
    }
}
