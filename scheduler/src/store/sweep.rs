//! The sweeper: finds unfinished tasks that no index lists, though their records say that one should, and lists them again.
//!
//! Scripts keep records and indexes together, so there is nothing to find unless somebody edited the database or a script has a
//! fault: then a task would wait for ever, and this is what notices.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use redis::AsyncCommands;

use super::connection::Store;
use super::{StoreError, keys, scripts};

/// Jobs that one script call looks at, and tasks after which it stops at the next job.
const JOBS: usize = 50;
const TASKS: u32 = 300;

/// Entries of a list that are read at once.
const PAGE: isize = 5000;

/// A lease that is listed nowhere gets this long, so that a living worker's next heartbeat can extend it.
const GRACE_MS: u64 = 10_000;

/// A list: a lane of an account, or its line of jobs that wait for a slot (no lane).
type ListName = (u16, String, String);

/// What is to be found in a list: account, lane, task or job, and since when.
type Listed = (String, String, String, u64);

impl Store {
    /// Looks at every job once, a page at a time with `pause` in between; says how many places were mended.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn sweep(&self, pause: Duration) -> Result<u64, StoreError> {
        let (mut mended, mut cursor) = (0, 0u64);
        let mut lists = Lists::default();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(keys::ANY_JOB).arg("COUNT").arg(1000);
            let (next, found): (u64, Vec<String>) = scan.query_async(&mut self.connection()).await?;
            let mut by_shard: BTreeMap<u16, Vec<String>> = BTreeMap::new();
            for (shard, job) in found.iter().filter_map(|key| keys::read_job(key)) {
                by_shard.entry(shard).or_default().push(job.to_owned());
            }
            for (shard, jobs) in by_shard {
                let mut rest = &jobs[..];
                while !rest.is_empty() {
                    let (looked, found) = self.sweep_jobs(shard, &rest[..rest.len().min(JOBS)], &mut lists).await?;
                    rest = rest.get(looked.max(1)..).unwrap_or(&[]);
                    if found > 0 {
                        self.count("mended", found).await?;
                    }
                    mended += found;
                }
            }
            if next == 0 {
                return Ok(mended);
            }
            cursor = next;
            tokio::time::sleep(pause).await;
        }
    }

    /// How many of `jobs` were looked at, and what was mended.
    async fn sweep_jobs(&self, shard: u16, jobs: &[String], lists: &mut Lists) -> Result<(usize, u64), StoreError> {
        let mut call = self.invocation(&scripts::SWEEP, shard);
        call.arg(GRACE_MS).arg(TASKS).arg(jobs);
        let (looked, mut mended, listed): (usize, u64, Vec<Listed>) = call.invoke_async(&mut self.connection()).await?;
        let mut missing = Vec::new();
        for (account, lane, name, since) in listed {
            if !lists.hold(self, (shard, account.clone(), lane.clone()), &name, since).await? {
                missing.push([account, lane, name]);
            }
        }
        for missing in missing.chunks(JOBS) {
            let mut call = self.invocation(&scripts::RELIST, shard);
            missing.iter().flatten().for_each(|part| {
                call.arg(part);
            });
            mended += call.invoke_async::<u64>(&mut self.connection()).await?;
        }
        Ok((looked, mended))
    }
}

/// Lists as they were when the sweep first came to them.
#[derive(Default)]
struct Lists(HashMap<ListName, (u64, HashSet<String>)>);

impl Lists {
    /// Whether the list holds `name`. Yes as well for what came after the list was read: the next sweep will know.
    async fn hold(&mut self, store: &Store, list: ListName, name: &str, since: u64) -> Result<bool, StoreError> {
        if !self.0.contains_key(&list) {
            let read = read_list(store, &list).await?;
            self.0.insert(list.clone(), read);
        }
        Ok(self.0.get(&list).is_none_or(|(read_at, names)| since >= *read_at || names.contains(name)))
    }
}

/// A whole line, a page at a time. What moves meanwhile may be missed; the script that lists it again looks first.
async fn read_list(store: &Store, (shard, account, lane): &ListName) -> Result<(u64, HashSet<String>), StoreError> {
    let lists = if lane.is_empty() {
        vec![keys::waiting(*shard, account)]
    } else {
        vec![keys::lane_begun(*shard, lane, account), keys::lane_tasks(*shard, lane, account)]
    };
    let mut connection = store.connection();
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
    let mut names = HashSet::new();
    for key in lists {
        let mut start = 0;
        loop {
            let page: Vec<String> = connection.lrange(&key, start, start + PAGE - 1).await?;
            let full = page.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
            names.extend(page);
            if !full {
                break;
            }
            start += PAGE;
        }
    }
    Ok((seconds * 1000 + micros / 1000, names))
}
