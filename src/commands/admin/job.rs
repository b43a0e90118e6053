//! `admin job`.

use anyhow::bail;
use clap::Subcommand;
use convertfly_scheduler::job::{JobRecord, JobStatus};
use convertfly_scheduler::storage::{Storage, StorageKey};
use convertfly_scheduler::store::{Store, StoreError};
use serde_json::{Value, json};

use super::{Report, account, timestamp};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum What {
    /// List an account's newest jobs.
    List {
        /// Account, by name or identifier.
        name: String,
        /// Jobs in that state alone.
        #[arg(long, value_parser = ["WAITING", "PROCESSING", "FINISHED", "ERROR"], ignore_case = true)]
        status: Option<String>,
        /// Jobs.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Show a job with its tasks.
    Show {
        /// The job's identifier, `job_…`.
        job: String,
    },
    /// Cancel what has not ended of a job; its credits go back.
    Cancel {
        /// The job's identifier, `job_…`.
        job: String,
    },
    /// Delete a job with all its files.
    Delete {
        /// The job's identifier, `job_…`.
        job: String,
    },
}

pub(super) async fn run(store: &Store, config: &Config, what: &What) -> anyhow::Result<Report> {
    match what {
        What::List { name, status, limit } => {
            let account = account(store, name).await?;
            let status = status.as_deref().map(str::to_ascii_uppercase);
            let status = status.as_deref().and_then(JobStatus::parse);
            let page = store.jobs(&account.id, 1, u64::from(*limit), status, None).await?;
            let rows: Vec<[String; 5]> = page.jobs.iter().map(row).collect();
            let json: Value = page.jobs.iter().map(view).collect();
            Ok(Report::table(["id", "status", "credits", "created", "tag"], &rows, json))
        }
        What::Show { job } => {
            let record = find(store, job).await?;
            let json = view(&record);
            Ok(Report::new(serde_json::to_string_pretty(&json)?, json))
        }
        What::Cancel { job } => {
            let record = find(store, job).await?;
            let mut cancelled = 0;
            for task in record.tasks.iter().filter(|task| !task.status.is_terminal()) {
                match store.cancel_task(&record.account, job, &task.spec.name).await {
                    Ok(_) => cancelled += 1,
                    // It fell with another one, or has ended meanwhile.
                    Err(StoreError::Conflict(_) | StoreError::NotFound) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let status = find(store, job).await?.status.as_str();
            Ok(Report::new(format!("{job} is {status}; tasks cancelled: {cancelled}"), json!({ "id": job, "status": status })))
        }
        What::Delete { job } => {
            let record = find(store, job).await?;
            delete(store, &Storage::open(&config.storage).await?, &record.account, job).await?;
            Ok(Report::new(format!("{job} is deleted"), json!({ "id": job, "deleted": true })))
        }
    }
}

/// Deletes a job and its files.
pub(super) async fn delete(store: &Store, storage: &Storage, account: &str, job: &str) -> anyhow::Result<()> {
    match store.delete_job(account, job).await {
        Ok(()) | Err(StoreError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    storage.delete_prefix(&StorageKey::job_prefix(account, job)).await?;
    Ok(())
}

async fn find(store: &Store, job: &str) -> anyhow::Result<JobRecord> {
    match store.find_job(job).await {
        Ok(record) => Ok(record),
        Err(StoreError::NotFound) => bail!("there is no job `{job}`; `convertfly admin job list NAME` shows an account's jobs"),
        Err(error) => Err(error.into()),
    }
}

fn row(job: &JobRecord) -> [String; 5] {
    [
        job.id.clone(),
        job.status.as_str().to_owned(),
        job.credits_used.to_string(),
        timestamp(job.created_at),
        job.tag.clone().unwrap_or_default(),
    ]
}

/// What may be known of a job by its operator: no address, no header, no file name.
fn view(job: &JobRecord) -> Value {
    let tasks: Vec<Value> = job
        .tasks
        .iter()
        .map(|task| {
            json!({
                "name": task.spec.name,
                "operation": task.spec.operation,
                "status": task.status.as_str(),
                "credits": task.spec.credits,
                "attempts": task.attempts,
                "workers_lost": task.losses,
                "error": task.error,
                "explain": task.explain,
            })
        })
        .collect();
    json!({
        "id": job.id,
        "account": job.account,
        "tag": job.tag,
        "status": job.status.as_str(),
        "test": job.choices.test,
        "credits_used": job.credits_used,
        "created_at": timestamp(job.created_at),
        "ended_at": job.ended_at.map(timestamp),
        "created_by_key": job.created_by_key,
        "tasks": tasks,
    })
}
