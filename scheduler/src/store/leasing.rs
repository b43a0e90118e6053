//! What workers do: lease, heartbeat, finish, fail, release.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::Value;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::batches::Arguments;
use super::connection::Store;
use super::jobs::to_json;
use super::notices::Notice;
use super::{Failed, Finished, Lease, MAX_ATTEMPTS, Pulse, StoreError, scripts};
use crate::catalog::Lane;
use crate::ids;
use crate::task::{FileRef, TaskError, TaskResult, TaskSpec};

/// Pause before another attempt: 1 s, then 4 s.
fn pause_ms(attempts: u32) -> u64 {
    1000 << (2 * attempts.min(8))
}

impl Store {
    /// Leases up to `slots` tasks per lane of one shard for `ttl_ms`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn lease_from(
        &self,
        shard: u16,
        worker: &str,
        lanes: &[(Lane, u32)],
        ttl_ms: u64,
    ) -> Result<Vec<Lease>, StoreError> {
        let mut call = self.invocation(&scripts::LEASE, shard);
        call.arg(worker).arg(ttl_ms).arg(ids::random_base62(11));
        for (lane, slots) in lanes {
            call.arg(lane.as_str()).arg(slots);
        }
        let replies: Vec<Vec<Value>> = call.invoke_async(&mut self.connection()).await?;
        replies.into_iter().map(read_lease).collect()
    }

    /// Extends leases; each has the share done, 0 to 1, where that is known. Replies in the same order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn heartbeat(&self, leases: &[(&Lease, Option<f64>)], ttl_ms: u64) -> Result<Vec<Pulse>, StoreError> {
        let mut by_shard: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (i, (lease, _)) in leases.iter().enumerate() {
            by_shard.entry(self.shard(&lease.account)).or_default().push(i);
        }
        let mut pulses = vec![Pulse::Lost; leases.len()];
        for (shard, members) in by_shard {
            let mut call = self.invocation(&scripts::HEARTBEAT, shard);
            call.arg(ttl_ms);
            for &i in &members {
                let (lease, progress) = &leases[i];
                call.arg(&lease.job).arg(&lease.spec.name).arg(&lease.fence);
                call.arg(progress.map(|share| format!("{share:.3}")).unwrap_or_default());
            }
            let held: Vec<u8> = call.invoke_async(&mut self.connection()).await?;
            for (&i, held) in members.iter().zip(held) {
                pulses[i] = if held == 1 { Pulse::Held } else { Pulse::Lost };
            }
        }
        Ok(pulses)
    }

    /// Commits a result; successors that become ready are leased to `worker` in the same step, one for each time that `lanes` names theirs.
    /// Safe to repeat until a reply arrives.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn finish(
        &self,
        worker: &str,
        lease: &Lease,
        result: &TaskResult,
        explain: &serde_json::Value,
        lanes: &[Lane],
        ttl_ms: u64,
    ) -> Result<Finished, StoreError> {
        let mut call = Arguments::default();
        call.arg(&lease.job).arg(&lease.spec.name).arg(&lease.fence).arg(to_json(result)?).arg(to_json(explain)?);
        call.arg(worker).arg(ttl_ms).arg(ids::random_base62(11));
        call.arg(result.credits.map(|credits| credits.to_string()).unwrap_or_default());
        for lane in lanes {
            call.arg(lane.as_str());
        }
        let reply = array(self.inner.finishes[usize::from(self.shard(&lease.account))].call(call).await?)?;
        let mut items = reply.into_iter();
        let word: String = items.next().map(text).transpose()?.unwrap_or_default();
        let next = items.map(|item| read_lease(array(item)?)).collect::<Result<Vec<_>, _>>()?;
        Ok(match word.as_str() {
            "ok" => Finished::Committed { next },
            "already" => Finished::Already { next },
            _ => Finished::Stale,
        })
    }

    /// Reports a failure; `retry` asks for another attempt where the limit of attempts allows it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn fail(
        &self,
        lease: &Lease,
        error: &TaskError,
        explain: &serde_json::Value,
        retry: bool,
    ) -> Result<Failed, StoreError> {
        let mut call = self.invocation(&scripts::FAIL, self.shard(&lease.account));
        call.arg(&lease.job).arg(&lease.spec.name).arg(&lease.fence).arg(to_json(error)?).arg(to_json(explain)?);
        call.arg(u8::from(retry)).arg(MAX_ATTEMPTS).arg(pause_ms(lease.attempts));
        let reply: String = call.invoke_async(&mut self.connection()).await?;
        Ok(match reply.as_str() {
            "requeued" => Failed::Requeued,
            "ended" => Failed::Ended,
            _ => Failed::Stale,
        })
    }

    /// Hands a lease back unfinished (drain): it is ready again at once and nothing is counted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut call = self.invocation(&scripts::RELEASE, self.shard(&lease.account));
        let _: String = call.arg(&lease.job).arg(&lease.spec.name).arg(&lease.fence).invoke_async(&mut self.connection()).await?;
        Ok(())
    }

    /// Listens to notices.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.inner.hub.subscribe()
    }
}

/// Finds work for one worker process: asks the shards that are known to have some, and all of them now and then.
pub struct Leaser {
    store: Store,
    worker: String,
    ttl_ms: u64,
    /// Lanes of shards that may have ready tasks.
    hot: BTreeSet<(Lane, u16)>,
    backlog: Backlog,
    notices: broadcast::Receiver<Notice>,
    full_round: Instant,
    /// Where the next round starts, so that a low shard cannot starve a high one.
    next_shard: u16,
}

/// Which lanes may have ready tasks that nobody has leased, as a [`Leaser`] knows it: what its worker could do in such a lane
/// without asking would go before them.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<AtomicU32>);

impl Backlog {
    /// Whether something may be waiting in that lane.
    pub fn is_in(&self, lane: Lane) -> bool {
        self.0.load(Ordering::Acquire) & Self::bit(lane) != 0
    }

    fn set(&self, hot: &BTreeSet<(Lane, u16)>) {
        self.0.store(hot.iter().fold(0, |bits, (lane, _)| bits | Self::bit(*lane)), Ordering::Release);
    }

    fn bit(lane: Lane) -> u32 {
        1 << Lane::ALL.iter().position(|other| *other == lane).unwrap_or_default()
    }
}

/// A worker asks every shard this often, in case a notice was lost.
const FULL_ROUND: Duration = Duration::from_secs(1);

impl Leaser {
    /// A leaser for the worker of that name; leases last `ttl_ms`.
    pub fn new(store: Store, worker: String, ttl_ms: u64) -> Self {
        let notices = store.notices();
        let (hot, backlog) = (BTreeSet::new(), Backlog::default());
        Self { store, worker, ttl_ms, hot, backlog, notices, full_round: Instant::now(), next_shard: 0 }
    }

    /// What is known of waiting tasks, kept up to date while this leaser waits or asks.
    pub fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    /// Resolves when one of `lanes` may have ready tasks; without any, it never does and only listens. May be dropped at any time.
    pub async fn wait(&mut self, lanes: &[Lane]) {
        loop {
            self.hear();
            if Instant::now() >= self.full_round {
                self.heat_all();
                self.full_round = Instant::now() + FULL_ROUND;
            }
            if self.hot.iter().any(|(lane, _)| lanes.contains(lane)) {
                return;
            }
            // The notice is put where the next look finds it before anything else is awaited: a dropped wait loses none.
            match tokio::time::timeout_at(self.full_round, self.notices.recv()).await {
                Ok(Ok(notice)) => self.take(&notice),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => self.heat_all(),
                // The hub is gone with the store, or it is time for a full round.
                Ok(Err(broadcast::error::RecvError::Closed)) => tokio::time::sleep_until(self.full_round).await,
                Err(_) => {}
            }
        }
    }

    /// Leases what is ready, at most that many a lane. Must not be dropped before it resolves: what it had leased would be lost
    /// until the leases expire.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; try again after a pause.
    pub async fn ask(&mut self, lanes: &[(Lane, u32)]) -> Result<Vec<Lease>, StoreError> {
        self.hear();
        let mut left: Vec<(Lane, u32)> = lanes.iter().copied().filter(|(_, slots)| *slots > 0).collect();
        let mut leases = Vec::new();
        let shards = self.store.shards();
        for shard in (self.next_shard..shards).chain(0..self.next_shard) {
            let wanted: Vec<(Lane, u32)> = left.iter().copied().filter(|(lane, _)| self.hot.contains(&(*lane, shard))).collect();
            if wanted.is_empty() {
                continue;
            }
            let got = match self.store.lease_from(shard, &self.worker, &wanted, self.ttl_ms).await {
                Ok(got) => got,
                // What was leased already must not be lost to an error of a later shard.
                Err(_) if !leases.is_empty() => break,
                Err(error) => return Err(error),
            };
            self.next_shard = (shard + 1) % shards;
            for (lane, slots) in wanted {
                let count = u32::try_from(got.iter().filter(|lease| lease.spec.lane == lane).count()).unwrap_or(u32::MAX);
                if count < slots {
                    self.hot.remove(&(lane, shard));
                }
                if let Some((_, free)) = left.iter_mut().find(|(other, _)| *other == lane) {
                    *free = free.saturating_sub(count);
                }
            }
            left.retain(|(_, slots)| *slots > 0);
            leases.extend(got);
        }
        self.backlog.set(&self.hot);
        Ok(leases)
    }

    /// Takes in the notices that have arrived.
    fn hear(&mut self) {
        loop {
            match self.notices.try_recv() {
                Ok(notice) => self.take(&notice),
                Err(broadcast::error::TryRecvError::Lagged(_)) => self.heat_all(),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, notice: &Notice) {
        match notice {
            Notice::Ready { shard, lane } => {
                self.hot.insert((*lane, *shard));
                self.backlog.set(&self.hot);
            }
            Notice::Stop { .. } => {}
            Notice::Reconnected => self.heat_all(),
        }
    }

    fn heat_all(&mut self) {
        self.hot.extend(Lane::ALL.into_iter().flat_map(|lane| (0..self.store.shards()).map(move |shard| (lane, shard))));
        self.backlog.set(&self.hot);
    }
}

fn text(value: Value) -> Result<String, StoreError> {
    redis::from_redis_value(value).map_err(|e| StoreError::Broken(e.to_string()))
}

fn array(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(StoreError::Broken(format!("unexpected reply: {other:?}"))),
    }
}

/// Reads `{account, job, fence, spec, attempts, losses, queued ms, file, input result…}`.
fn read_lease(items: Vec<Value>) -> Result<Lease, StoreError> {
    let items: Vec<String> = items.into_iter().map(text).collect::<Result<_, _>>()?;
    let [account, job, fence, spec, attempts, losses, queued_ms, file, results @ ..] = items.as_slice() else {
        return Err(StoreError::Broken("a lease with too few fields".into()));
    };
    let broken = |e: serde_json::Error| StoreError::Broken(format!("a leased record does not read: {e}"));
    let spec: TaskSpec = serde_json::from_str(spec).map_err(broken)?;
    let read = |results: &[String]| -> Result<Vec<FileRef>, StoreError> {
        let mut files = Vec::new();
        for result in results {
            files.append(&mut serde_json::from_str::<TaskResult>(result).map_err(broken)?.files);
        }
        Ok(files)
    };
    let (inputs, beside) = results.split_at(spec.input.len().min(results.len()));
    let (inputs, beside) = (read(inputs)?, read(beside)?);
    Ok(Lease {
        account: account.clone(),
        job: job.clone(),
        fence: fence.clone(),
        spec,
        attempts: attempts.parse().unwrap_or(0),
        losses: losses.parse().unwrap_or(0),
        queued_ms: queued_ms.parse().unwrap_or(0),
        upload: if file.is_empty() { None } else { Some(serde_json::from_str(file).map_err(broken)?) },
        inputs,
        beside,
    })
}
