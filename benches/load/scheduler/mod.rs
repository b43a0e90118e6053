//! What the scheduler costs: Redis round trips, commands and microseconds per job, against a Redis of its own.

mod start;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::embedded::EmbeddedRedis;
use convertfly_scheduler::ids;
use convertfly_scheduler::job::NewJob;
use convertfly_scheduler::store::{Finished, Lease, NewAccount, Store, keys};
use convertfly_scheduler::task::{TaskResult, TaskSpec};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

pub use start::Start;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Jobs per round.
    pub jobs: usize,
    /// Calls in flight at once.
    pub concurrency: usize,
    /// Tasks a job: a chain of that length.
    pub tasks: usize,
    /// Leases per call.
    pub batch: u32,
    /// Whether to measure how soon a task starts, too.
    pub start: bool,
}

/// Figures of one phase, per job.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Phase {
    /// Jobs a second, wall clock.
    pub jobs_per_second: f64,
    /// Processor time of Redis, microseconds a job.
    pub redis_us: f64,
    /// Round trips (script calls from us) a job.
    pub round_trips: f64,
    /// Commands that Redis ran, those inside scripts included, a job.
    pub commands: f64,
}

/// Figures of submitting, and of working everything off.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Tasks a job.
    pub tasks: usize,
    /// Submit alone.
    pub submit: Phase,
    /// Lease and finish of every task.
    pub work: Phase,
    /// How soon a task starts at half of the load that both phases together bear; of jobs of one task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<Start>,
}

impl Report {
    /// Jobs a second where each is submitted and worked off.
    pub fn whole(&self) -> f64 {
        1.0 / (1.0 / self.submit.jobs_per_second + 1.0 / self.work.jobs_per_second)
    }
}

/// Measures with a fresh Redis (append-only file, `appendfsync` as given).
///
/// # Errors
/// When Redis does not start or a call fails.
pub async fn run(load: Load, appendfsync: &str) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let redis = EmbeddedRedis::start(&folder.path().join("r")).await?;
    let meter = Meter::connect(&redis.url()).await?;
    meter.set("appendfsync", appendfsync).await?;
    let store = Store::open(&redis.url(), 16).await?;
    let account = NewAccount {
        id: "acct_bench".into(),
        name: "bench".into(),
        plan: "bench".into(),
        weight: 1,
        max_concurrent_jobs: u64::MAX >> 12,
        max_waiting_jobs: u64::MAX >> 12,
        requests_per_minute: 1,
        credits: 1 << 40,
    };
    store.create_account(&account).await?;
    let submit = meter.phase(load.jobs, submit_all(&store, load)).await?;
    let work = meter.phase(load.jobs, work_all(&store, load)).await?;
    let mut report = Report { tasks: load.tasks, submit, work, start: Vec::new() };
    if load.start && load.tasks == 1 {
        // The disk's share shows beside the usual trade, where a second may be lost.
        for how in [appendfsync, "everysec"].into_iter().take(if appendfsync == "everysec" { 1 } else { 2 }) {
            meter.set("appendfsync", how).await?;
            report.start.push(start::measure(&store, load.jobs, report.whole() / 2.0, how).await?);
        }
    }
    redis.stop().await;
    Ok(report)
}

fn chain(tasks: usize) -> NewJob {
    let name = |i: usize| format!("t{i}");
    let task = |i: usize| TaskSpec {
        name: name(i),
        operation: "convert".into(),
        input: if i == 0 { Vec::new() } else { vec![name(i - 1)] },
        lane: Lane::Cpu,
        credits: 1,
        ..TaskSpec::default()
    };
    NewJob { account: "acct_bench".into(), id: ids::new_id("job"), tasks: (0..tasks).map(task).collect(), ..NewJob::default() }
}

async fn submit_all(store: &Store, load: Load) -> anyhow::Result<()> {
    let mut running = JoinSet::new();
    for _ in 0..load.jobs {
        if running.len() == load.concurrency {
            running.join_next().await.context("one is running")???;
        }
        let store = store.clone();
        running.spawn(async move {
            store.submit(&chain(load.tasks), &HashMap::new()).await?;
            anyhow::Ok(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

/// One lane of one shard is worked off by `concurrency` finishers that continue down each chain.
async fn work_all(store: &Store, load: Load) -> anyhow::Result<()> {
    let shard = keys::shard_of("acct_bench", store.shards());
    let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut done = 0;
    while done < load.jobs {
        while running.len() >= load.concurrency {
            running.join_next().await.context("one is running")???;
        }
        let leases = store.lease_from(shard, "bench", &[(Lane::Cpu, load.batch)], 600_000).await?;
        done += leases.len();
        for lease in leases {
            let store = store.clone();
            running.spawn(async move { follow(&store, lease).await });
        }
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

async fn follow(store: &Store, mut lease: Lease) -> anyhow::Result<()> {
    loop {
        let explain = serde_json::Value::Null;
        let done = store.finish("bench", &lease, &TaskResult::default(), &explain, &[Lane::Cpu], 600_000).await?;
        let Finished::Committed { next } = done else { anyhow::bail!("a lease was lost: {done:?}") };
        match next.into_iter().next() {
            Some(next) => lease = next,
            None => return Ok(()),
        }
    }
}

/// Reads Redis' own counters.
struct Meter(redis::aio::MultiplexedConnection);

struct Counters {
    cpu: Duration,
    commands: u64,
    scripts: u64,
}

impl Meter {
    async fn connect(url: &str) -> anyhow::Result<Self> {
        Ok(Self(redis::Client::open(url)?.get_multiplexed_async_connection().await?))
    }

    async fn set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query_async::<()>(&mut self.0.clone()).await?;
        Ok(())
    }

    async fn counters(&self) -> anyhow::Result<Counters> {
        let info: String = redis::cmd("INFO").arg("cpu").arg("commandstats").query_async(&mut self.0.clone()).await?;
        let seconds = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)).and_then(|v| v.trim().parse::<f64>().ok()).unwrap_or(0.0)
        };
        // cmdstat_NAME:calls=N,usec=…
        let calls: Vec<(&str, u64)> = info
            .lines()
            .filter_map(|line| {
                let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
                Some((name, rest.split(',').next()?.parse().ok()?))
            })
            .collect();
        Ok(Counters {
            cpu: Duration::from_secs_f64(seconds("used_cpu_sys:") + seconds("used_cpu_user:")),
            commands: calls.iter().map(|(_, n)| n).sum(),
            scripts: calls.iter().filter(|(name, _)| name.starts_with("fcall")).map(|(_, n)| n).sum(),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    async fn phase(&self, jobs: usize, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Phase> {
        let before = self.counters().await?;
        let start = Instant::now();
        work.await?;
        let wall = start.elapsed();
        let after = self.counters().await?;
        let jobs = jobs as f64;
        Ok(Phase {
            jobs_per_second: jobs / wall.as_secs_f64(),
            redis_us: (after.cpu.saturating_sub(before.cpu)).as_secs_f64() * 1e6 / jobs,
            round_trips: (after.scripts - before.scripts) as f64 / jobs,
            commands: (after.commands - before.commands) as f64 / jobs,
        })
    }
}
