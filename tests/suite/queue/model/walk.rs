//! One sequence of calls, each made to the store and to the book.

use std::collections::HashMap;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::job::NewJob;
use convertfly_scheduler::store::{Due, Failed, Finished, Lease, NewAccount, Pulse, Reaped, Store, StoreError, keys};
use convertfly_scheduler::task::{ErrorCode, FileRef, TaskError, TaskResult, TaskSpec, TaskStatus};
use redis::aio::MultiplexedConnection;
use serde_json::Value;

use super::book::{Account, Book, Place};
use super::records::{Records, TAG, digest, forget};
use crate::support::random::Random;
use crate::support::redis::{TTL, job, result, task};

/// Calls of a sequence, at most.
const LONGEST: usize = 40;

/// A call with all its arguments, so that it can be made again.
#[derive(Clone, Debug)]
enum Call {
    Submit(NewJob),
    Cancel(String, String, String),
    Retry(String, String, String),
    Delete(String, String),
    Arrive(String, String, String),
    FilesGone(String, String),
    Lease(&'static str, Vec<(Lane, u32)>),
    Heartbeat(Lease),
    Finish(&'static str, Lease, Vec<Lane>, Box<TaskResult>),
    Fail(Lease, bool),
    Release(Lease),
    Reap,
    /// A deadline passes: that of a lease, a pause or an upload.
    TimePasses(String, String),
}

struct Walk<'a> {
    store: &'a Store,
    connection: &'a mut MultiplexedConnection,
    shard: u16,
    book: Book,
    leases: Vec<Lease>,
    history: Vec<Call>,
    /// Whether a digest of every key is taken around each call.
    digests: bool,
}

/// Makes the calls of `seed` on a shard; returns how many.
pub(super) async fn walk(store: &Store, connection: &mut MultiplexedConnection, shard: u16, seed: u64, thorough: bool) -> u64 {
    let mut random = Random::new(seed);
    let mut walk = Walk {
        store,
        connection,
        shard,
        book: Book::default(),
        leases: Vec::new(),
        history: Vec::new(),
        digests: thorough || seed.is_multiple_of(4),
    };
    forget(walk.connection, shard).await;
    for _ in 0..1 + random.below(2) {
        walk.open_account(&mut random).await;
    }
    let length = 1 + random.below(LONGEST);
    for step in 0..length {
        let call = walk.choose(&mut random);
        let at = format!("seed {seed} step {step} {}", name(&call));
        if thorough {
            println!("{at}: {call:?}");
        }
        walk.history.push(call.clone());
        let look = walk.make(call, &at).await;
        if thorough || look || step + 1 == length {
            Records::read(walk.connection, shard).await.check(&walk.book, shard, &at);
        }
    }
    length as u64
}

/// The name of a call, for messages.
fn name(call: &Call) -> String {
    format!("{call:?}").split(['(', ' ']).next().unwrap_or_default().to_owned()
}

fn upload(name: &str) -> TaskSpec {
    TaskSpec { operation: "import/upload".into(), awaits_upload: true, lane: Lane::Io, ..task(name, &[]) }
}

/// Chains, diamonds, fans, several imports, a file that is used twice, uploads.
fn shape(account: &str, random: &mut Random) -> NewJob {
    let mut tasks = match random.below(6) {
        0 => vec![task("a", &[])],
        1 => vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])],
        2 => vec![task("a", &[]), task("b", &["a"]), task("c", &["a"]), task("d", &["b", "c"])],
        3 => vec![task("a", &[]), task("b", &[]), task("c", &["b", "a", "b"]), task("d", &["c"])],
        4 => vec![upload("a"), task("b", &["a"])],
        _ => vec![upload("a"), upload("b"), task("c", &["a"]), task("d", &["b", "c"]), task("e", &[])],
    };
    for task in &mut tasks {
        if random.below(4) == 0 {
            task.credits = random.below(3) as u32;
        }
        if random.below(6) == 0 {
            task.lane = if task.lane == Lane::Io { Lane::Cpu } else { Lane::Io };
        }
        task.ignore_error = random.below(4) == 0;
    }
    let mut new = job(account, tasks);
    new.choices.fail_fast = random.below(4) == 0;
    new.tag = (random.below(3) == 0).then(|| TAG.to_owned());
    new
}

fn file(name: &str) -> FileRef {
    FileRef { file_id: "file_1".into(), key: name.into(), filename: name.into(), size: 3, ..FileRef::default() }
}

impl Walk<'_> {
    async fn open_account(&mut self, random: &mut Random) {
        let stem = self.book.accounts.len();
        let fits = |id: &String| keys::shard_of(id, 16) == self.shard;
        let id = (0..).map(|n| format!("acct_{stem}_{n}")).find(fits).expect("one in 16");
        let (credits, max_active, max_waiting) = (random.below(14), 1 + random.below(3), random.below(4));
        let new = NewAccount {
            id: id.clone(),
            name: id.clone(),
            plan: "test".into(),
            weight: 1 + random.below(3) as u32,
            max_concurrent_jobs: max_active as u64,
            max_waiting_jobs: max_waiting as u64,
            requests_per_minute: 1,
            credits: credits as u64,
        };
        assert!(self.store.create_account(&new).await.expect("create"), "a new account");
        let ledger = if credits == 0 { Vec::new() } else { vec![format!("grant {credits}   0")] };
        let (balance, max_active, max_waiting) = (credits as i64, max_active as u64, max_waiting as u64);
        self.book.accounts.insert(id, Account { balance, max_active, max_waiting, ledger, ..Account::default() });
    }

    /// Some task that exists, of a kind if there is one.
    fn some_task(&self, random: &mut Random, wanted: impl Fn(&super::book::Task) -> bool) -> Option<(String, String, String)> {
        let all = self.book.jobs.iter().flat_map(|(id, job)| job.tasks.iter().map(move |task| (id, job, task)));
        let some: Vec<_> = all.filter(|(.., task)| wanted(task)).collect();
        let (id, job, task) = some.get(random.below(some.len().max(1)))?;
        Some((job.account.clone(), (*id).clone(), task.name.clone()))
    }

    fn choose(&self, random: &mut Random) -> Call {
        // One call in eight was made before, exactly so.
        if !self.history.is_empty() && random.below(8) == 0 {
            return self.history[random.below(self.history.len())].clone();
        }
        // Old leases stay in the list on purpose; recent ones come more often.
        let lease = |random: &mut Random| {
            let from = if random.below(3) > 0 { self.leases.len().saturating_sub(4) } else { 0 };
            self.leases.get(from + random.below((self.leases.len() - from).max(1))).cloned()
        };
        let worker = |random: &mut Random| ["w1", "w2"][random.below(2)];
        let accounts: Vec<&String> = self.book.accounts.keys().collect();
        let call = match random.below(20) {
            0..=2 => None,
            3..=5 => {
                let lanes = [(Lane::Io, random.below(4) as u32), (Lane::Cpu, random.below(4) as u32)];
                Some(Call::Lease(worker(random), lanes.to_vec()))
            }
            6..=9 => lease(random).map(|lease| {
                let lanes =
                    [&[Lane::Io, Lane::Cpu][..], &[Lane::Cpu], &[Lane::Cpu, Lane::Io, Lane::Cpu], &[]][random.below(4)].to_vec();
                // Worth what was reserved, or less, or more (which costs no more).
                let credits = [None, Some(random.below(4) as u32)][random.below(2)];
                let made = Box::new(TaskResult { credits, ..result(&lease) });
                Call::Finish(worker(random), lease, lanes, made)
            }),
            10 => lease(random).map(|lease| Call::Fail(lease, random.below(3) > 0)),
            11 => lease(random).map(|lease| if random.below(2) == 0 { Call::Release(lease) } else { Call::Heartbeat(lease) }),
            12..=13 => self
                .some_task(random, |task| matches!(task.place, Place::Leased | Place::Delayed | Place::Upload))
                .map(|(_, job, task)| Call::TimePasses(job, task)),
            14 => Some(Call::Reap),
            15 => self.some_task(random, |_| true).map(|(account, job, task)| Call::Cancel(account, job, task)),
            16 => self
                .some_task(random, |task| matches!(task.status, TaskStatus::Error | TaskStatus::Cancelled))
                .map(|(account, job, task)| Call::Retry(account, job, task)),
            17 => self.some_task(random, |_| true).map(|(account, job, task)| {
                let other = accounts[random.below(accounts.len())].clone();
                match random.below(6) {
                    0 => Call::Delete(account, job),
                    1 => Call::FilesGone(account, job),
                    2 => Call::Cancel(other, job, task),
                    3 => Call::Retry(other, job, task),
                    4 => Call::Delete(other, job),
                    _ => Call::Retry(account, job, task),
                }
            }),
            _ => self.some_task(random, |task| task.uploads).map(|(account, job, task)| Call::Arrive(account, job, task)),
        };
        call.unwrap_or_else(|| Call::Submit(shape(accounts[random.below(accounts.len())], random)))
    }

    fn owned(&self, account: &str, job: &str) -> bool {
        self.book.jobs.get(job).is_some_and(|job| job.account == account)
    }

    /// Makes the call to both sides and compares the replies; a refusal changes nothing at all, down to the last key. Returns
    /// whether the records have to tell what the reply does not.
    async fn make(&mut self, call: Call, at: &str) -> bool {
        let before = if self.digests { digest(self.connection, self.shard).await } else { String::new() };
        let (want, have) = match &call {
            Call::Submit(new) => (self.book.submit(new), self.submit(new).await),
            Call::Cancel(account, job, name) => {
                let want = if self.owned(account, job) { self.book.cancel(job, name) } else { "missing".into() };
                (want, word(self.store.cancel_task(account, job, name).await, |_| "ok".into()))
            }
            Call::Retry(account, job, name) => {
                let want = if self.owned(account, job) { self.book.retry(job, name) } else { "missing".into() };
                (want, word(self.store.retry_task(account, job, name).await, |(_, credits)| format!("ok {credits}")))
            }
            Call::Delete(account, job) => {
                let want = if self.owned(account, job) { self.book.delete(job) } else { "missing".into() };
                (want, word(self.store.delete_job(account, job).await, |()| "ok".into()))
            }
            Call::Arrive(account, job, name) => {
                // Slots are named by the store.
                let slot: String = redis::cmd("HGET")
                    .arg(keys::task(self.shard, job, name))
                    .arg("slot")
                    .query_async::<Option<String>>(self.connection)
                    .await
                    .expect("a slot")
                    .unwrap_or_default();
                let want = self.book.arrive(job, name);
                (want, word(self.store.upload_arrived(account, job, &slot, &file(name)).await, |()| "ok".into()))
            }
            Call::FilesGone(account, job) => {
                if let Some(job) = self.book.jobs.get_mut(job).filter(|job| job.ended && job.account == *account) {
                    job.gone = true;
                }
                let due = Due { account: account.clone(), job: job.clone(), record: false };
                self.store.files_gone(&due, TTL).await.expect("files gone");
                return false;
            }
            Call::Lease(worker, lanes) => {
                self.lease(worker, lanes, at).await;
                return false;
            }
            Call::Heartbeat(lease) => {
                let pulse = self.store.heartbeat(&[(lease, None)], TTL).await.expect("heartbeat");
                (self.book.heartbeat(lease), if pulse == [Pulse::Held] { "held" } else { "lost" }.into())
            }
            Call::Finish(worker, lease, lanes, made) => {
                let (word, want) = self.book.finish(worker, lease, lanes, made);
                let done = self.store.finish(worker, lease, made, &Value::Null, lanes, TTL).await.expect("finish");
                let (have, next) = match done {
                    Finished::Committed { next } => ("ok", next),
                    Finished::Already { next } => ("already", next),
                    Finished::Stale => ("stale", Vec::new()),
                };
                let got: Vec<_> = next.iter().map(|lease| (lease.job.clone(), lease.spec.name.clone())).collect();
                assert_eq!(got, want, "{at}: the successors that continue here");
                for continuation in next {
                    self.book.leased(&continuation, worker, &lease.fence);
                    self.leases.push(continuation);
                }
                (word, have.into())
            }
            Call::Fail(lease, retry) => {
                let error = TaskError::new(ErrorCode::ServerError, "x");
                let failed = self.store.fail(lease, &error, &Value::Null, *retry).await.expect("fail");
                let have = match failed {
                    Failed::Requeued => {
                        // The pause ends when the walk says so, however slow the machine.
                        let mut pause = redis::cmd("ZADD");
                        pause.arg(keys::delayed(self.shard)).arg("XX").arg("INCR").arg(TTL);
                        pause.arg(format!("{}/{}", lease.job, lease.spec.name));
                        pause.query_async::<()>(self.connection).await.expect("a longer pause");
                        "requeued"
                    }
                    Failed::Ended => "ended",
                    Failed::Stale => "stale",
                };
                (self.book.fail(lease, *retry), have.into())
            }
            Call::Release(lease) => {
                // The reply says nothing: the records must.
                self.store.release(lease).await.expect("release");
                self.book.release(lease);
                return true;
            }
            Call::Reap => {
                let Reaped { requeued, lost, delayed, expired_uploads } = self.store.reap_shard(self.shard).await.expect("reap");
                assert_eq!([requeued, lost, delayed, expired_uploads], self.book.reap(), "{at}: what the reaper did");
                return true;
            }
            Call::TimePasses(job, name) => {
                self.pass(job, name).await;
                return false;
            }
        };
        assert_eq!(have, want, "{at}: {call:?}");
        let word = want.split(' ').next().unwrap_or_default();
        let refused = matches!(word, "missing" | "conflict" | "credits" | "full" | "lost" | "stale");
        if refused && self.digests {
            assert_eq!(digest(self.connection, self.shard).await, before, "{at}: a refusal changes no key: {call:?}");
        }
        false
    }

    async fn submit(&self, new: &NewJob) -> String {
        word(self.store.submit(new, &HashMap::new()).await, |done| {
            format!("ok {} {} {}", done.status.as_str(), done.credits_used, done.balance)
        })
    }

    async fn lease(&mut self, worker: &'static str, lanes: &[(Lane, u32)], at: &str) {
        let want: Vec<(Lane, usize)> =
            lanes.iter().map(|(lane, slots)| (*lane, self.book.ready_in(*lane).min(*slots as usize))).collect();
        let leases = self.store.lease_from(self.shard, worker, lanes, TTL).await.expect("lease");
        let count = |lane: Lane| leases.iter().filter(|lease| lease.spec.lane == lane).count();
        let have: Vec<(Lane, usize)> = lanes.iter().map(|(lane, _)| (*lane, count(*lane))).collect();
        assert_eq!(have, want, "{at}: as many as are ready, and no more than asked for");
        for lease in leases {
            self.book.leased(&lease, worker, "");
            self.leases.push(lease);
        }
    }

    /// Moves a deadline into the past.
    async fn pass(&mut self, job: &str, name: &str) {
        let Some(record) = self.book.jobs.get_mut(job) else { return };
        let Some(i) = record.task(name) else { return };
        let index = match record.tasks[i].place {
            Place::Leased => keys::leases(self.shard),
            Place::Delayed => keys::delayed(self.shard),
            Place::Upload => keys::uploads(self.shard),
            Place::Blocked | Place::Ready => return,
        };
        record.tasks[i].due = true;
        let mut passes = redis::cmd("ZADD");
        passes.arg(index).arg("XX").arg(0).arg(format!("{job}/{name}"));
        passes.query_async::<()>(self.connection).await.expect("time passes");
    }
}

/// A reply in a word, with what the book can know of it.
fn word<T>(reply: Result<T, StoreError>, ok: impl FnOnce(T) -> String) -> String {
    match reply {
        Ok(done) => ok(done),
        Err(StoreError::NotFound) => "missing".into(),
        Err(StoreError::Conflict(_)) => "conflict".into(),
        Err(StoreError::InsufficientCredits { needed, balance }) => format!("credits {needed} {balance}"),
        Err(StoreError::QueueFull { .. }) => "full".into(),
        Err(error) => panic!("the store fails: {error}"),
    }
}
