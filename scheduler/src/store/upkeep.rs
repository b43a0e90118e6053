//! What the scheduler role does: reap, expire, trim, and note a new Redis process.

use redis::AsyncCommands;

use super::connection::Store;
use super::jobs::to_json;
use super::{MAX_LOSSES, StoreError, keys, scripts};
use crate::task::{ErrorCode, TaskError};

/// What one round of reaping did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Tasks of lost workers that are ready again.
    pub requeued: u64,
    /// Tasks that lost too many workers.
    pub lost: u64,
    /// Tasks whose pause before another attempt is over.
    pub delayed: u64,
    /// Uploads that never came.
    pub expired_uploads: u64,
}

/// An ended job for which something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Owner.
    pub account: String,
    /// Job.
    pub job: String,
    /// Whether the record goes now; otherwise its files do.
    pub record: bool,
}

/// Tasks or jobs that one script call deals with at most, so that it stays short.
const BATCH: u32 = 100;

impl Store {
    /// Requeues tasks of lost workers, ends poisonous ones, readies delayed ones and expires uploads, in every shard.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn reap(&self) -> Result<Reaped, StoreError> {
        let mut sum = Reaped::default();
        for shard in 0..self.shards() {
            let Reaped { requeued, lost, delayed, expired_uploads } = self.reap_shard(shard).await?;
            sum.requeued += requeued;
            sum.lost += lost;
            sum.delayed += delayed;
            sum.expired_uploads += expired_uploads;
        }
        Ok(sum)
    }

    /// [`Store::reap`] for one shard.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn reap_shard(&self, shard: u16) -> Result<Reaped, StoreError> {
        let lost = to_json(&TaskError::new(
            ErrorCode::WorkerLost,
            "The workers that ran this task were lost three times; it was stopped and no credits were charged. Check the file, then retry",
        ))?;
        let expired = to_json(&TaskError::new(ErrorCode::UploadExpired, "The file was not uploaded in time. Create a new job"))?;
        let mut call = self.invocation(&scripts::REAP, shard);
        let [requeued, lost, delayed, expired_uploads] =
            call.arg(BATCH).arg(MAX_LOSSES).arg(&lost).arg(&expired).invoke_async(&mut self.connection()).await?;
        Ok(Reaped { requeued, lost, delayed, expired_uploads })
    }

    /// Notes how long the files of jobs stay that end from now on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_keep_files(&self, keep_ms: u64) -> Result<(), StoreError> {
        for shard in 0..self.shards() {
            let _: u64 = self.connection().hset(keys::meta(shard), "keep_files", keep_ms).await?;
        }
        Ok(())
    }

    /// Ended jobs whose files or records are due to be deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due(&self) -> Result<Vec<Due>, StoreError> {
        let mut due = Vec::new();
        for shard in 0..self.shards() {
            let mut call = self.invocation(&scripts::EXPIRED, shard);
            let found: Vec<(String, String)> = call.arg(BATCH).invoke_async(&mut self.connection()).await?;
            for (name, what) in found {
                if let Some((account, job)) = name.split_once('/') {
                    due.push(Due { account: account.into(), job: job.into(), record: what == "record" });
                }
            }
        }
        Ok(due)
    }

    /// Notes that a job's files are gone; its record stays for `keep_ms` more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn files_gone(&self, due: &Due, keep_ms: u64) -> Result<(), StoreError> {
        let mut call = self.invocation(&scripts::EXPIRED, self.shard(&due.account));
        let _: String =
            call.arg(format!("{}/{}", due.account, due.job)).arg(keep_ms).invoke_async(&mut self.connection()).await?;
        Ok(())
    }

    /// Deleted jobs whose files are to be removed once more, for the case that whoever deleted them did not get that far, or
    /// that a worker was still writing: `(account, job, entry)`, where the entry is for [`Store::removed_again`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn doomed(&self) -> Result<Vec<(String, String, String)>, StoreError> {
        let mut doomed = Vec::new();
        for shard in 0..self.shards() {
            let mut call = self.invocation(&scripts::DOOMED, shard);
            let found: Vec<String> = call.arg(BATCH).invoke_async(&mut self.connection()).await?;
            for entry in found {
                let mut parts = entry.splitn(3, '/');
                if let (Some(account), Some(job)) = (parts.next(), parts.next()) {
                    doomed.push((account.to_owned(), job.to_owned(), entry.clone()));
                }
            }
        }
        Ok(doomed)
    }

    /// Notes that the files of a deleted job have been removed once more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn removed_again(&self, account: &str, entry: &str) -> Result<(), StoreError> {
        let mut call = self.invocation(&scripts::DOOMED, self.shard(account));
        let _: Vec<String> = call.arg(entry).invoke_async(&mut self.connection()).await?;
        Ok(())
    }

    /// Drops events older than `age_ms` from every outbox; says how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn trim_outbox(&self, age_ms: u64) -> Result<u64, StoreError> {
        let mut dropped = 0;
        for shard in 0..self.shards() {
            let mut call = self.invocation(&scripts::TRIM, shard);
            dropped += call.arg(age_ms).invoke_async::<u64>(&mut self.connection()).await?;
        }
        Ok(dropped)
    }

    /// Starts a new epoch of fences if Redis is another process than before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn check_epoch(&self) -> Result<(), StoreError> {
        self.note_epoch().await
    }
}
