//! The harm that is done: kills, freezes, zombies, poison.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::store::{Store, keys};
use redis::AsyncCommands;
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use super::{API, FREEZE, KILL, REDIS, Scene};
use crate::support::fleet::{Fleet, Member};
use crate::support::redis::{TestStore, connect, result};

pub(super) const LEASE_MS: u64 = 1500;
const WORKERS: usize = 5;
const APIS: usize = 2;
/// Harm may be ahead of the jobs that have ended by so many jobs.
const AHEAD: usize = 100;
/// Something bad happens this often.
const EVERY: Duration = Duration::from_millis(60);

/// A source that never answers: who fetches from it is known to be at work on poison. Returns its URL, and the numbers of the
/// jobs as they are fetched.
pub(super) fn poison() -> (String, Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            if BufReader::new(&stream).read_line(&mut line).is_err() {
                continue;
            }
            let number = line.split(['/', ' ']).find_map(|word| word.parse().ok());
            if number.is_some_and(|i| tell.send(i).is_err()) {
                return;
            }
            open.push(stream);
        }
    });
    (url, told)
}

/// A worker that comes back from the dead at the worst moment: it lets its lease run out, waits until another worker is at the
/// task, and commits all the same. Returns how often it tried; whether one of them counted is for the verification to see.
pub(super) async fn haunt(store: Store, client: redis::Client, account: String, stop: CancellationToken) -> u32 {
    let shard = keys::shard_of(&account, store.shards());
    let mut tried = 0;
    while !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Ok(mut leases) = store.lease_from(shard, "zombie", &[(Lane::Cpu, 1)], 1).await else { continue };
        let (Some(lease), Ok(mut connection)) = (leases.pop(), client.get_multiplexed_async_connection().await) else { continue };
        let key = keys::task(shard, &lease.job, &lease.spec.name);
        while !stop.is_cancelled() {
            let Ok((status, fence)) = connection.hmget::<_, _, (String, String)>(&key, &["status", "fence"][..]).await else {
                break;
            };
            if status == "PROCESSING" && fence != lease.fence {
                tried +=
                    u32::from(store.finish("zombie", &lease, &result(&lease), &serde_json::Value::Null, &[], 1).await.is_ok());
                break;
            }
            if status != "PROCESSING" && status != "WAITING" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    tried
}

struct Wreaker<'a> {
    t: &'a TestStore,
    fleet: &'a Fleet,
    scene: &'a Scene,
    workers: Vec<(Member, Option<Instant>)>,
    apis: Vec<Member>,
}

/// Runs APIs and workers and does them harm until every job has ended.
pub(super) async fn wreak(t: &TestStore, account: &str, fleet: &Fleet, scene: &Scene, poison: &Receiver<usize>) {
    let workers = (0..WORKERS).map(|_| (fleet.worker(), None)).collect();
    let mut wreaker = Wreaker { t, fleet, scene, workers, apis: (0..APIS).map(|_| fleet.api(None)).collect() };
    let deadline = Instant::now() + Duration::from_secs(300 + scene.jobs as u64);
    let mut poisoned: Vec<usize> = Vec::new();
    let (mut turn, mut seen) = (0usize, 0);
    loop {
        tokio::time::sleep(EVERY).await;
        turn += 1;
        wreaker.revive();
        poisoned.extend(poison.try_iter());
        for i in std::mem::take(&mut poisoned) {
            if !wreaker.poison(account, i).await {
                poisoned.push(i);
            }
        }
        let jobs = count(t, account).await;
        if let Some((_, ended)) = jobs {
            seen = ended;
        }
        wreaker.harm(turn, seen);
        if scene.submitting.load(Ordering::Relaxed) == 0
            && jobs.is_some_and(|(all, ended)| all == ended && scene.due(scene.jobs - 1))
        {
            return;
        }
        assert!(Instant::now() < deadline, "jobs are still unfinished: {:?}", t.store.account(account).await);
    }
}

/// Jobs, and those that have ended, asked without the store's own words for it; nothing while Redis is away.
async fn count(t: &TestStore, account: &str) -> Option<(usize, usize)> {
    let shard = keys::shard_of(account, t.store.shards());
    let mut connection = connect(&t.redis.url()).await.ok()?;
    Some((connection.zcard(keys::account_jobs(shard, account)).await.ok()?, connection.zcard(keys::expiry(shard)).await.ok()?))
}

impl Wreaker<'_> {
    /// Ends freezes that were long enough, starts again what has ended, and publishes which APIs there are.
    fn revive(&mut self) {
        for (worker, since) in &mut self.workers {
            if since.is_some_and(|since| since.elapsed() > Duration::from_millis(LEASE_MS * 2)) {
                worker.process.signal(Signal::CONT);
                *since = None;
            }
            // It ends by itself where Redis was away while it started.
            if !worker.alive() {
                *worker = self.fleet.worker();
                *since = None;
            }
        }
        for api in &mut self.apis {
            if !api.alive() {
                *api = self.fleet.api(None);
            }
        }
        let ready = self.apis.iter().filter_map(|api| api.ready().map(str::to_owned)).collect();
        *self.scene.apis.write().expect("never poisoned") = ready;
    }

    /// Kills the worker that is at work on the poison of job `i`. Says `false` where Redis could not tell which one.
    async fn poison(&mut self, account: &str, i: usize) -> bool {
        let tag = format!("chaos-{i}");
        let Ok(page) = self.t.store.jobs(account, 1, 1, None, Some(&tag)).await else { return false };
        let Ok(mut connection) = connect(&self.t.redis.url()).await else { return false };
        for job in page.jobs {
            let key = keys::task(keys::shard_of(account, self.t.store.shards()), &job.id, "import");
            let name: Result<Option<String>, _> = connection.hget(key, "worker").await;
            let Ok(name) = name else { return false };
            let ours = |worker: &Member| name.is_some() && worker.ready() == name.as_deref();
            if let Some((worker, since)) = self.workers.iter_mut().find(|(worker, _)| ours(worker)) {
                *worker = self.fleet.worker();
                *since = None;
                self.scene.counts.poisoned.fetch_add(1, Ordering::Relaxed);
                self.scene.counts.kills.fetch_add(1, Ordering::Relaxed);
            }
        }
        true
    }

    /// Does one bad thing, if one is due: in proportion to the jobs that have ended, or now and then where none do.
    fn harm(&mut self, turn: usize, ended: usize) {
        let counts = &self.scene.counts;
        let due = |counter: &AtomicU32, every: usize| {
            counter.load(Ordering::Relaxed) as usize * every <= ended + AHEAD.max(2 * every) || turn.is_multiple_of(50)
        };
        let mut byte = [0u8; 1];
        getrandom::fill(&mut byte).expect("random bytes");
        let victim = usize::from(byte[0]);
        let (worker, since) = &mut self.workers[victim % WORKERS];
        if turn.is_multiple_of(31) && due(&counts.redis_kills, REDIS) {
            let pid = Pid::from_raw(self.t.redis.pid().cast_signed()).expect("Redis runs");
            let _ = kill_process(pid, Signal::KILL);
            counts.redis_kills.fetch_add(1, Ordering::Relaxed);
        } else if turn.is_multiple_of(7) && due(&counts.api_kills, API) {
            // Only one that has answered: whatever a client was waiting for breaks off.
            let api = &mut self.apis[victim % APIS];
            if api.ready().is_some() {
                *api = self.fleet.api(None);
                counts.api_kills.fetch_add(1, Ordering::Relaxed);
            }
        } else if since.is_some() || worker.ready().is_none() {
            // It is frozen, or has only begun: one that never works proves nothing.
        } else if turn.is_multiple_of(9) && due(&counts.freezes, FREEZE) {
            worker.process.signal(Signal::STOP);
            *since = Some(Instant::now());
            counts.freezes.fetch_add(1, Ordering::Relaxed);
        } else if due(&counts.kills, KILL) {
            *worker = self.fleet.worker();
            counts.kills.fetch_add(1, Ordering::Relaxed);
        }
    }
}
