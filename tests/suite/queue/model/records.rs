//! What the store really holds, read key by key and held against the book.

use std::collections::{BTreeMap, BTreeSet};

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::store::keys;
use convertfly_scheduler::task::TaskStatus::{Processing, Waiting};
use redis::aio::MultiplexedConnection;

use super::book::{Book, Job, Place};

/// The tag of the jobs that have one.
pub(super) const TAG: &str = "t";

/// Every key of a shard with its type and contents, hashes and sets in order; with an argument, a digest of all that.
const LOOK: &str = r"
local digest, out = '', {}
local names = redis.call('KEYS', KEYS[1] .. '*')
table.sort(names)
for _, name in ipairs(names) do
  local kind, values = redis.call('TYPE', name).ok, nil
  if kind == 'hash' then
    values = {}
    local flat = redis.call('HGETALL', name)
    for i = 1, #flat, 2 do values[#values + 1] = flat[i] .. '\0' .. flat[i + 1] end
    table.sort(values)
  elseif kind == 'zset' then values = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then values = redis.call('LRANGE', name, 0, -1)
  elseif kind == 'set' then values = redis.call('SMEMBERS', name) table.sort(values)
  elseif kind == 'stream' then
    values = {}
    for _, entry in ipairs(redis.call('XRANGE', name, '-', '+')) do values[#values + 1] = table.concat(entry[2], '\0') end
  else values = {redis.call('GET', name)} end
  if ARGV[1] then digest = redis.sha1hex(digest .. name .. '\1' .. table.concat(values, '\1'))
  else out[#out + 1] = {name, kind, values} end
end
if ARGV[1] then return digest end
return out";

/// The contents of a shard.
pub(super) struct Records(BTreeMap<String, Vec<String>>);

/// A digest of every key of the shard.
pub(super) async fn digest(connection: &mut MultiplexedConnection, shard: u16) -> String {
    redis::Script::new(LOOK).key(keys::prefix(shard)).arg("digest").invoke_async(connection).await.expect("a digest")
}

/// Forgets everything of the shard but its fence counter, so that the next walk starts with nothing.
pub(super) async fn forget(connection: &mut MultiplexedConnection, shard: u16) {
    const FORGET: &str = "for _, name in ipairs(redis.call('KEYS', KEYS[1] .. '*')) do
        if name ~= ARGV[1] then redis.call('DEL', name) end end";
    let script = redis::Script::new(FORGET);
    let mut call = script.key(keys::prefix(shard));
    let () = call.arg(keys::meta(shard)).invoke_async(connection).await.expect("forgotten");
}

impl Records {
    pub(super) async fn read(connection: &mut MultiplexedConnection, shard: u16) -> Self {
        let script = redis::Script::new(LOOK);
        let found: Vec<(String, String, Vec<String>)> =
            script.key(keys::prefix(shard)).invoke_async(connection).await.expect("a look");
        Self(found.into_iter().map(|(name, _, values)| (name, values)).collect())
    }

    fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    fn field(&self, key: &str, field: &str) -> String {
        let pair = self.values(key).iter().filter_map(|pair| pair.split_once('\0')).find(|(name, _)| *name == field);
        pair.map(|(_, value)| value.to_owned()).unwrap_or_default()
    }

    /// A counter or flag of a record: 0 is not written at first.
    fn count(&self, key: &str, field: &str) -> String {
        Some(self.field(key, field)).filter(|value| !value.is_empty()).unwrap_or_else(|| "0".to_owned())
    }

    fn members(&self, key: &str) -> BTreeSet<String> {
        self.values(key).iter().step_by(2).cloned().collect()
    }

    /// Those fields of each entry of a stream, joined by blanks; sorted. A first run is not written.
    fn entries(&self, key: &str, fields: &[&str]) -> Vec<String> {
        let entry = |entry: &String| {
            let parts: Vec<&str> = entry.split('\0').collect();
            let value = |field: &&str| {
                parts.chunks(2).find(|pair| pair[0] == *field).map_or(if *field == "run" { "0" } else { "" }, |pair| pair[1])
            };
            fields.iter().map(value).collect::<Vec<_>>().join(" ")
        };
        let mut entries: Vec<String> = self.values(key).iter().map(entry).collect();
        entries.sort();
        entries
    }

    /// Every record, index, entry and event is what the book says.
    pub(super) fn check(&self, book: &Book, shard: u16, at: &str) {
        let mut indexes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let (mut task_keys, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for (id, job) in &book.jobs {
            let key = keys::job(shard, id);
            let have = ["account", "status", "left", "failed", "active", "queued", "uploads", "credits", "run"];
            let have = have
                .map(|name| if ["account", "status"].contains(&name) { self.field(&key, name) } else { self.count(&key, name) });
            let flag = |set: bool| u8::from(set).to_string();
            let want = [
                job.account.clone(),
                job.status().into(),
                job.left().to_string(),
                job.failed().to_string(),
                flag(job.active),
                flag(job.queued),
                job.uploads().to_string(),
                job.credits.to_string(),
                job.run.to_string(),
            ];
            assert_eq!(have, want, "{at}: job {id}");
            if job.ended {
                ended.insert(format!("{}/{id}", job.account));
            }
            for (i, task) in job.tasks.iter().enumerate() {
                let (key, reference) = (keys::task(shard, id, &task.name), format!("{id}/{}", task.name));
                let have = [
                    self.field(&key, "status"),
                    self.count(&key, "attempts"),
                    self.count(&key, "losses"),
                    self.count(&key, "run"),
                ];
                let want =
                    [task.status.as_str().into(), task.attempts.to_string(), task.losses.to_string(), task.run.to_string()];
                assert_eq!(have, want, "{at}: task {reference}");
                if task.status == Processing {
                    assert_eq!(self.field(&key, "fence"), task.fence, "{at}: fence of {reference}");
                }
                if task.status == Waiting {
                    let deps = if task.is_blocked() { job.deps(i) } else { 0 };
                    assert_eq!(self.field(&key, "deps"), deps.to_string(), "{at}: what {reference} waits for: {task:?}");
                    let ready = self.field(&key, "ready") == "1";
                    assert_eq!(ready, task.place == Place::Ready, "{at}: readiness of {reference}: {task:?}");
                }
                let index = match task.place {
                    Place::Leased => "leases",
                    Place::Delayed => "delayed",
                    Place::Upload => "uploads",
                    Place::Ready => {
                        let lane = task.lane.as_str();
                        let lists = [keys::lane_tasks(shard, lane, &job.account), keys::lane_begun(shard, lane, &job.account)];
                        let listed = lists.iter().any(|list| self.values(list).contains(&reference));
                        let turn = self.members(&keys::lane(shard, lane)).contains(&job.account);
                        assert!(listed && turn, "{at}: {reference} is ready, but nobody would ever run it");
                        "ready"
                    }
                    Place::Blocked => "none",
                };
                indexes.entry(index).or_default().insert(reference);
                task_keys.insert(key);
            }
            self.check_versions(id, job, shard, at);
        }
        let none = BTreeSet::new();
        for (name, key) in [("leases", keys::leases(shard)), ("delayed", keys::delayed(shard)), ("uploads", keys::uploads(shard))]
        {
            assert_eq!(&self.members(&key), indexes.get(name).unwrap_or(&none), "{at}: the index {name}");
        }
        assert_eq!(self.members(&keys::expiry(shard)), ended, "{at}: exactly the ended jobs expire");
        assert_eq!(self.members(&keys::doomed(shard)), book.doomed, "{at}: files of deleted jobs are removed once more");
        let of_kind = |prefix: String| self.0.keys().filter(move |key| key.starts_with(&prefix)).cloned().collect();
        let found: BTreeSet<String> = of_kind(keys::task(shard, "", "").trim_end_matches(':').to_owned() + ":");
        assert_eq!(found, task_keys, "{at}: no task is lost or left over");
        let found: BTreeSet<String> = of_kind(keys::job(shard, ""));
        let jobs: BTreeSet<String> = book.jobs.keys().map(|id| keys::job(shard, id)).collect();
        assert_eq!(found, jobs, "{at}: no job is lost or left over");
        for id in book.accounts.keys() {
            self.check_account(book, id, shard, at);
        }
        let mut events = book.events.clone();
        events.sort();
        let told: Vec<String> = self.entries(&keys::outbox(shard), &["event", "job", "task", "run"]);
        assert_eq!(told, events, "{at}: an event for every change that has one, once");
    }

    /// Each change has a version of its own, and none is above the job's: who has seen one lacks exactly what is higher.
    fn check_versions(&self, id: &str, job: &Job, shard: u16, at: &str) {
        let key = keys::job(shard, id);
        let of_tasks = job.tasks.iter().map(|task| self.field(&keys::task(shard, id, &task.name), "ver"));
        let noted: Vec<u64> = of_tasks.chain([self.field(&key, "sver")]).filter_map(|version| version.parse().ok()).collect();
        let distinct: BTreeSet<u64> = noted.iter().copied().collect();
        assert_eq!(distinct.len(), noted.len(), "{at}: versions of {id}: {noted:?}");
        let last: u64 = self.field(&key, "ver").parse().expect("a version");
        assert!(distinct.last().is_none_or(|&version| version <= last), "{at}: {id} is at {last}, its parts at {noted:?}");
    }

    /// Every list of jobs that a filter can ask for.
    fn check_lists(&self, book: &Book, id: &str, shard: u16, at: &str) {
        let jobs = |wanted: &dyn Fn(&Job) -> bool| -> BTreeSet<String> {
            let own = book.jobs.iter().filter(|(_, job)| job.account == id && wanted(job));
            own.map(|(id, _)| id.clone()).collect()
        };
        assert_eq!(self.members(&keys::account_jobs(shard, id)), jobs(&|_| true), "{at}: the list of jobs");
        let tagged = |job: &Job| job.tag.as_deref() == Some(TAG);
        assert_eq!(self.members(&keys::jobs_tagged(shard, id, TAG)), jobs(&tagged), "{at}: the list of tagged jobs");
        for status in ["WAITING", "PROCESSING", "FINISHED", "ERROR"] {
            let listed = self.members(&keys::jobs_in(shard, id, status));
            assert_eq!(listed, jobs(&|job| job.status() == status), "{at}: the list of {status} jobs");
            let listed = self.members(&keys::jobs_tagged_in(shard, id, status, TAG));
            assert_eq!(listed, jobs(&|job| job.status() == status && tagged(job)), "{at}: the list of tagged {status} jobs");
        }
    }

    fn check_account(&self, book: &Book, id: &str, shard: u16, at: &str) {
        let (account, key) = (&book.accounts[id], keys::account(shard, id));
        let have = ["balance", "held", "spent", "active", "uploading"].map(|name| self.field(&key, name));
        let want = [account.balance, account.held, account.spent].map(|n| n.to_string());
        let want = [&want[..], &[account.active.to_string(), book.uploading(id).to_string()]].concat();
        assert_eq!(have[..], want[..], "{at}: account {id}");
        let granted: i64 = self.field(&key, "granted").parse().expect("a number");
        assert_eq!(account.balance + account.held + account.spent, granted, "{at}: nothing made, nothing lost");
        assert!(account.balance >= 0 && account.held >= 0, "{at}: no pot below zero: {account:?}");
        assert!(account.active <= account.max_active, "{at}: never more jobs at once than the plan allows");
        assert_eq!(self.values(&keys::waiting(shard, id)), account.queue, "{at}: the jobs that wait for a slot");
        let mut ledger = account.ledger.clone();
        ledger.sort();
        let told = self.entries(&keys::ledger(shard, id), &["kind", "amount", "job", "task", "run"]);
        assert_eq!(told, ledger, "{at}: a ledger entry for every movement, once");
        self.check_lists(book, id, shard, at);
        for lane in Lane::ALL {
            let lists = [keys::lane_tasks(shard, lane.as_str(), id), keys::lane_begun(shard, lane.as_str(), id)];
            let listed = lists.iter().any(|list| !self.values(list).is_empty());
            let turn = self.members(&keys::lane(shard, lane.as_str())).contains(id);
            assert!(turn || !listed, "{at}: tasks in {lane:?}, but no turn");
        }
    }
}
