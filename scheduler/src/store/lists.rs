//! Lists of jobs: every list that a filter can ask for is a sorted set of its own, so a page costs what it shows.

use redis::AsyncCommands;

use super::connection::Store;
use super::read::{Fields, job_record, task_names, task_record};
use super::{JobPage, StoreError, keys};
use crate::job::{JobRecord, JobStatus};

/// Most tasks that are read in one round trip.
const TASKS_AT_ONCE: usize = 2_000;

/// A place in a list of jobs, newest first: behind the job of that time and identifier, whether or not it still exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Unix milliseconds.
    pub created_at: u64,
    /// Identifier.
    pub job: String,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.created_at, self.job)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (created_at, job) = text.split_once('.').ok_or(())?;
        let id = job.strip_prefix("job_").ok_or(())?;
        let plain = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
        let digits = (1..=16).contains(&created_at.len()) && created_at.bytes().all(|b| b.is_ascii_digit());
        let created_at = created_at.parse().ok().filter(|_| plain && digits).ok_or(())?;
        Ok(Self { created_at, job: job.to_owned() })
    }
}

impl Store {
    /// A page of an account's jobs, newest first, of equal age by identifier. `page` starts at 1.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn jobs(
        &self,
        account: &str,
        page: u64,
        limit: u64,
        status: Option<JobStatus>,
        tag: Option<&str>,
    ) -> Result<JobPage, StoreError> {
        let list = self.list(account, status, tag);
        let first = page.saturating_sub(1).saturating_mul(limit).min(1 << 53);
        let last = first.saturating_add(limit).saturating_sub(1);
        let (total, ids): (u64, Vec<(String, f64)>) = redis::pipe()
            .zcard(&list)
            .zrevrange_withscores(
                &list,
                isize::try_from(first).unwrap_or(isize::MAX),
                isize::try_from(last).unwrap_or(isize::MAX),
            )
            .query_async(&mut self.connection())
            .await?;
        let more = first.saturating_add(ids.len() as u64) < total;
        self.page(account, ids, total, more).await
    }

    /// The jobs that follow `cursor` in the list. New jobs and deleted ones do not shift it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn jobs_after(
        &self,
        account: &str,
        cursor: &Cursor,
        limit: u64,
        status: Option<JobStatus>,
        tag: Option<&str>,
    ) -> Result<JobPage, StoreError> {
        let list = self.list(account, status, tag);
        let at = cursor.created_at;
        let (total, ties): (u64, usize) =
            redis::pipe().zcard(&list).zcount(&list, at, at).query_async(&mut self.connection()).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // Jobs of the cursor's very millisecond may lie before it or behind it; one more tells whether the list goes on.
        let read = limit.saturating_add(ties).saturating_add(1);
        let found: Vec<(String, f64)> = self
            .connection()
            .zrevrangebyscore_limit_withscores(&list, at, "-inf", 0, isize::try_from(read).unwrap_or(isize::MAX))
            .await?;
        let behind = |(id, score): &(String, f64)| millis(*score) < at || id.as_str() < cursor.job.as_str();
        let mut ids: Vec<(String, f64)> = found.into_iter().filter(behind).collect();
        let more = ids.len() > limit;
        ids.truncate(limit);
        self.page(account, ids, total, more).await
    }

    /// The sorted set of the jobs that match.
    fn list(&self, account: &str, status: Option<JobStatus>, tag: Option<&str>) -> String {
        let shard = self.shard(account);
        match (status.map(JobStatus::as_str), tag) {
            (None, None) => keys::account_jobs(shard, account),
            (Some(status), None) => keys::jobs_in(shard, account, status),
            (None, Some(tag)) => keys::jobs_tagged(shard, account, tag),
            (Some(status), Some(tag)) => keys::jobs_tagged_in(shard, account, status, tag),
        }
    }

    /// Reads the jobs of a page: all their records in one round trip, their tasks in as few as is kind to memory.
    async fn page(&self, account: &str, ids: Vec<(String, f64)>, total: u64, more: bool) -> Result<JobPage, StoreError> {
        let next = ids.last().filter(|_| more).map(|(id, score)| Cursor { created_at: millis(*score), job: id.clone() });
        let shard = self.shard(account);
        let mut connection = self.connection();
        let mut pipe = redis::pipe();
        for (id, _) in &ids {
            pipe.hgetall(keys::job(shard, id));
        }
        let records: Vec<Fields> = if ids.is_empty() { Vec::new() } else { pipe.query_async(&mut connection).await? };
        // One that was deleted since the list was read is left out.
        let found: Vec<(&str, Fields)> = ids
            .iter()
            .zip(records)
            .filter(|(_, fields)| fields.get("account").map(String::as_str) == Some(account))
            .map(|((id, _), fields)| (id.as_str(), fields))
            .collect();
        let wanted: Vec<String> =
            found.iter().flat_map(|(id, fields)| task_names(fields).map(|name| keys::task(shard, id, name))).collect();
        let mut tasks: Vec<Fields> = Vec::with_capacity(wanted.len());
        for chunk in wanted.chunks(TASKS_AT_ONCE) {
            let mut pipe = redis::pipe();
            for key in chunk {
                pipe.hgetall(key);
            }
            tasks.extend(pipe.query_async::<Vec<Fields>>(&mut connection).await?);
        }
        let mut tasks = tasks.into_iter();
        let mut jobs: Vec<JobRecord> = Vec::with_capacity(found.len());
        for (id, fields) in &found {
            let own: Vec<Fields> = tasks.by_ref().take(task_names(fields).count()).collect();
            let own = own.iter().map(task_record).collect::<Result<Vec<_>, _>>();
            match own.and_then(|own| job_record(id, fields, own)) {
                Ok(job) => jobs.push(job),
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(JobPage { jobs, total, next })
    }
}

/// A score as the Unix milliseconds that it is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "scores are times, whole and far below 2^53")]
fn millis(score: f64) -> u64 {
    score.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_nothing_else_does() {
        let cursor = Cursor { created_at: 1_775_212_200_999, job: "job_7kX9mP2qR".into() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor), "read back");
        for bad in [
            "",
            ".",
            "1.",
            "x.job_1",
            "1.job/1",
            "-1.job_1",
            "99999999999999999.job_1",
            "1.job_",
            "1.up_1",
            "+1.job_1",
            "1.job_1\r\n",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(()), "{bad:?}");
        }
    }
}
