//! Webhooks: from the outbox to the customer's endpoint, at least once, signed, and in the order of each job.
//!
//! [`outbox`] turns events into deliveries, one per endpoint that wants them; [`deliver`] makes the attempts; [`schedule`]
//! says when; [`payload`] what is said and [`sign`] how it is signed. Any number of processes may run this: an event is fanned
//! out by one script that also moves the reading place on, and a delivery is leased before it is sent. Whoever dies in between
//! leaves a lease that expires; the delivery is then sent again under the same identifier.

pub mod deliver;
pub mod outbox;
pub mod payload;
pub mod schedule;
pub mod sign;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::seal::Sealer;
use crate::store::{DeliveryRules, Store};
use crate::view::links::Linker;

/// The events that an endpoint may subscribe to.
pub const EVENTS: [&str; 4] = ["job.finished", "job.failed", "task.finished", "task.failed"];

/// One POST to an endpoint.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Where to.
    pub url: String,
    /// Header fields beside those of the transport.
    pub headers: Vec<(&'static str, String)>,
    /// The payload.
    pub body: String,
    /// For the whole exchange.
    pub timeout: Duration,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    /// HTTP status.
    pub status: u16,
    /// The `Retry-After` field as it was sent.
    pub retry_after: Option<String>,
    /// The beginning of the body, at most 4 KiB.
    pub body: String,
}

/// Carries letters out. The scheduler crate has no HTTP client; the program lends it the guarded one.
pub trait Courier: Send + Sync + 'static {
    /// Posts a letter. Redirects are not followed.
    ///
    /// # Errors
    /// A sentence for the endpoint's owner: refused, unreachable, too slow. It never tells what a name resolved to.
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Receipt, String>>;
}

/// How deliveries are made.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Pauses between the attempts; one attempt more than there are pauses.
    pub pauses: Vec<Duration>,
    /// For one attempt.
    pub timeout: Duration,
    /// How much longer than the attempt a delivery is leased: what the store's part in it may take.
    pub lease_margin: Duration,
    /// Attempts at once to endpoints whose last attempt succeeded, and as many again to those whose did not.
    pub attempts_at_once: usize,
    /// An attempt that takes longer gives its place to another one,
    pub patience: Duration,
    /// and goes on as one of at most so many.
    pub slow_at_once: usize,
    /// How long things are kept and held.
    pub rules: DeliveryRules,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            pauses: schedule::PAUSES.to_vec(),
            timeout: Duration::from_secs(15),
            lease_margin: Duration::from_secs(15),
            attempts_at_once: 256,
            patience: Duration::from_secs(1),
            slow_at_once: 2048,
            rules: DeliveryRules { hold_attempts: 5, keep_delivered_s: 24 * 3600, keep_failed_s: 7 * 24 * 3600 },
        }
    }
}

/// What the deliverer works with.
pub struct Parts {
    /// Events and deliveries.
    pub store: Store,
    /// Opens signing secrets.
    pub sealer: Sealer,
    /// Signs the links in payloads.
    pub linker: Linker,
    /// Carries deliveries out.
    pub courier: Arc<dyn Courier>,
    /// How.
    pub config: WebhookConfig,
}

/// Delivers until `stop`; attempts under way are then given a moment to end.
pub async fn run(parts: Parts, stop: CancellationToken) {
    let (news, heard) = tokio::sync::mpsc::unbounded_channel();
    let reading = outbox::run(parts.store.clone(), news.clone(), stop.clone());
    let sending = deliver::Deliverer::new(parts, news).run(heard, stop);
    tokio::join!(reading, sending);
}
