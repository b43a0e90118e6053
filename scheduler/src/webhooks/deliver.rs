//! Makes the attempts.
//!
//! Every endpoint has a queue and a place in one of two lines: those whose last attempt succeeded, and the suspects. Each line
//! has its own permits, a suspect gets one attempt at a time, and an attempt that takes long gives its permit back. So an
//! endpoint that is dead, or a thousand of them, holds up nobody but itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::schedule::{self, Answer};
use super::sign::{self, SigningSecret};
use super::tally::Tally;
use super::{Letter, Parts, Receipt, payload};
use crate::store::{Attempt, DueDelivery, Outcome, StoreError};
use crate::task::TaskRecord;

/// Every shard is looked at this often, in case a notice was lost or another process queued something.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Characters of an answer that the log keeps.
const MAX_EXCERPT: usize = 1024;

/// Deliveries that one script call leases at most.
const BATCH: usize = 32;

/// Attempts under way when the process is asked to stop have this long to end; leases of the others expire.
const DRAIN: Duration = Duration::from_secs(5);

/// Sends what is due.
pub(super) struct Deliverer {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    /// Told the shard in which an attempt has ended: more of its queue may be due.
    ended: UnboundedSender<u16>,
    permits: [Arc<Semaphore>; 2],
    /// For attempts that take long.
    slow: Arc<Semaphore>,
    tally: Tally,
}

impl Deliverer {
    pub(super) fn new(parts: Parts, ended: UnboundedSender<u16>) -> Self {
        let permits = [false, true].map(|_| Arc::new(Semaphore::new(parts.config.attempts_at_once)));
        let slow = Arc::new(Semaphore::new(parts.config.slow_at_once));
        Self { shared: Arc::new(Shared { parts, ended, permits, slow, tally: Tally::new() }) }
    }

    /// Sends until `stop`; `heard` names shards that have something new.
    pub(super) async fn run(self, mut heard: UnboundedReceiver<u16>, stop: CancellationToken) {
        let shared = &self.shared;
        let attempts = TaskTracker::new();
        let now = Instant::now();
        // When each shard is to be looked at, for each of the two lines.
        let mut looks = vec![[now; 2]; usize::from(shared.parts.store.shards())];
        while !stop.is_cancelled() {
            for (shard, lines) in looks.iter_mut().enumerate() {
                for (line, at) in lines.iter_mut().enumerate().filter(|(_, at)| **at <= Instant::now()) {
                    let shard = u16::try_from(shard).unwrap_or(0);
                    *at = Instant::now() + shared.send_due(shard, line, &attempts).await;
                }
            }
            shared.tally.write(&shared.parts.store, false).await;
            let next = looks.iter().flatten().min().copied().unwrap_or(now);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                Some(shard) = heard.recv() => {
                    let mut dirty = Some(shard);
                    while let Some(shard) = dirty {
                        if let Some(lines) = looks.get_mut(usize::from(shard)) {
                            *lines = [Instant::now(); 2];
                        }
                        dirty = heard.try_recv().ok();
                    }
                }
                () = stop.cancelled() => {}
            }
        }
        attempts.close();
        let _ = tokio::time::timeout(DRAIN, attempts.wait()).await;
        let _ = tokio::time::timeout(DRAIN, shared.tally.write(&shared.parts.store, true)).await;
    }
}

impl Shared {
    /// Leases what is due in a line and starts its attempts; returns how long to leave the line alone.
    async fn send_due(self: &Arc<Self>, shard: u16, line: usize, attempts: &TaskTracker) -> Duration {
        let room = self.permits[line].available_permits().min(BATCH);
        if room == 0 {
            // The next attempt that ends wakes the loop.
            return LOOK_AGAIN;
        }
        let lease = self.parts.config.timeout + self.parts.config.lease_margin;
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        match self.parts.store.take_deliveries(shard, line == 1, room, lease_ms).await {
            Ok((due, wait)) => {
                for delivery in due {
                    let Ok(permit) = Arc::clone(&self.permits[line]).try_acquire_owned() else { break };
                    let shared = Arc::clone(self);
                    attempts.spawn(async move {
                        shared.attempt_within(&delivery, permit, shard).await;
                        // Nobody listens only while the process ends.
                        let _ = shared.ended.send(shard);
                    });
                }
                wait.map_or(LOOK_AGAIN, Duration::from_millis).min(LOOK_AGAIN)
            }
            Err(error) => {
                tracing::warn!(%error, "deliveries could not be leased; trying again");
                LOOK_AGAIN
            }
        }
    }

    /// One attempt; its permit goes back early if it takes long.
    async fn attempt_within(&self, delivery: &DueDelivery, permit: OwnedSemaphorePermit, shard: u16) {
        let attempt = self.attempt(delivery);
        tokio::pin!(attempt);
        let mut permit = Some(permit);
        tokio::select! {
            () = &mut attempt => return,
            () = tokio::time::sleep(self.parts.config.patience) => {}
        }
        let slow = Arc::clone(&self.slow).try_acquire_owned();
        if slow.is_ok() {
            permit = None;
            let _ = self.ended.send(shard);
        }
        attempt.await;
        drop((permit, slow));
    }

    /// One attempt, and its result in the store. Without the store nothing is noted, and the lease expires.
    async fn attempt(&self, delivery: &DueDelivery) {
        let (outcome, attempt) = match self.payload(delivery).await {
            Ok(Some(body)) => self.post(delivery, body).await,
            Ok(None) => (Outcome::Dropped, Attempt::default()),
            Err(error) => {
                tracing::warn!(%error, delivery = delivery.id, "a delivery's job could not be read; it is sent later");
                return;
            }
        };
        match self.parts.store.delivery_result(delivery, outcome, &attempt, &self.parts.config.rules).await {
            Ok(noted) => {
                self.tally.count(outcome);
                tracing::debug!(delivery = delivery.id, webhook = delivery.webhook, ?outcome, noted, "webhook attempt");
            }
            Err(error) => {
                tracing::warn!(%error, delivery = delivery.id, "an attempt's result could not be noted; it is sent again")
            }
        }
    }

    /// The payload; `None` where the job has been deleted.
    async fn payload(&self, delivery: &DueDelivery) -> Result<Option<String>, StoreError> {
        if let Some(body) = &delivery.body {
            return Ok(Some(body.clone()));
        }
        let (store, linker) = (&self.parts.store, &self.parts.linker);
        let (account, job) = (delivery.account.as_str(), delivery.job.as_str());
        let made = match &delivery.task {
            None => match store.job(account, job).await {
                Ok(record) => {
                    let links = linker.links(account, job, &record.tasks).await;
                    Ok(payload::job_event(&delivery.name, delivery.at, &record, &links))
                }
                Err(error) => Err(error),
            },
            Some(task) => match store.task(account, job, task).await {
                Ok(record) => {
                    let links = linker.links(account, job, std::slice::from_ref::<TaskRecord>(&record)).await;
                    Ok(payload::task_event(&delivery.name, delivery.at, job, &record, &links))
                }
                Err(error) => Err(error),
            },
        };
        match made {
            Ok(body) => Ok(Some(body)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Signs and posts.
    async fn post(&self, delivery: &DueDelivery, body: String) -> (Outcome, Attempt) {
        let config = &self.parts.config;
        let now = OffsetDateTime::from(SystemTime::now());
        let began = Instant::now();
        let answer = match self.secrets(delivery) {
            Ok(secrets) => {
                let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
                let mut headers = sign::headers(&secrets, &delivery.event, seconds, &body);
                headers.push(("content-type", "application/json".to_owned()));
                let letter = Letter { url: delivery.url.clone(), headers, body, timeout: config.timeout };
                let posted = tokio::time::timeout(config.timeout, self.parts.courier.post(letter)).await;
                posted.unwrap_or_else(|_| Err(format!("The endpoint did not answer within {} s", config.timeout.as_secs_f32())))
            }
            Err(error) => Err(error),
        };
        let mut attempt = Attempt {
            at: u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0),
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..Attempt::default()
        };
        let answer = match answer {
            Ok(Receipt { status, retry_after, body }) => {
                (attempt.code, attempt.body) = (Some(status), body.chars().take(MAX_EXCERPT).collect());
                if (300..400).contains(&status) {
                    attempt.error = Some("Redirects are not followed: register the URL that it leads to".into());
                }
                Answer::Status(status, retry_after.and_then(|text| schedule::retry_after(&text, now)))
            }
            Err(error) => {
                attempt.error = Some(error);
                Answer::Nothing
            }
        };
        let random = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
        (schedule::outcome(&config.pauses, delivery.attempts, answer, random), attempt)
    }

    /// The secrets that sign; without one nothing is sent, since nothing goes out unsigned.
    fn secrets(&self, delivery: &DueDelivery) -> Result<Vec<SigningSecret>, String> {
        let context = delivery.secret_context();
        let opened = delivery.secrets.iter().map(|sealed| self.parts.sealer.open_text(&context, sealed));
        let secrets: Vec<_> =
            opened.map(|secret| secret.map(SigningSecret::from_text)).collect::<Result<_, _>>().map_err(|error| {
                tracing::error!(%error, webhook = delivery.webhook, "a signing secret does not open");
                "The signing secret could not be read; contact support".to_owned()
            })?;
        if secrets.is_empty() { Err("The webhook has no signing secret; rotate it".to_owned()) } else { Ok(secrets) }
    }
}
