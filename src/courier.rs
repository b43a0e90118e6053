//! Lends the guarded HTTP client to the scheduler's webhooks.

use convertfly_scheduler::webhooks::{Courier, Letter, Receipt};
use convertfly_worker::failure::task_error;
use convertfly_worker::fetch::{FetchConfig, Fetcher};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::config::Config;

/// Posts by the worker's client.
pub(crate) struct GuardedCourier(Fetcher);

impl GuardedCourier {
    /// Makes a client that may reach what imports may.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let allow = config.worker.allow_nets.parse()?;
        Ok(Self(Fetcher::new(FetchConfig { allow, ..FetchConfig::default() })?))
    }
}

impl Courier for GuardedCourier {
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Receipt, String>> {
        async move {
            match self.0.post(&letter.url, &letter.headers, letter.body.into()).await {
                Ok(posted) => Ok(Receipt { status: posted.status, retry_after: posted.retry_after, body: posted.body }),
                // The texts of fetch speak of sources; only those of our own faults are kept back.
                Err(failure) => Err(task_error(&failure).message.replace("The source", "The endpoint")),
            }
        }
        .boxed()
    }
}
