//! The scheduler role: reaps lost leases, expires files and records, trims the outbox. Any number of processes may run it at
//! once: each step is a script that does nothing the second time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::storage::{Storage, StorageKey};
use crate::store::{Audit, Due, Store, StoreError};

/// How often each duty is done, and how long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct UpkeepConfig {
    /// Pause between two rounds of reaping.
    pub reap: Duration,
    /// Pause between two rounds of expiry.
    pub expire: Duration,
    /// How long a job's files stay after its end.
    pub keep_files: Duration,
    /// Pause between two sweeps for tasks that are listed nowhere.
    pub sweep: Duration,
    /// How long a job's record stays after its files have gone: 29 days more make 30 in all.
    pub keep_record: Duration,
    /// Pause between two audits of the ledgers.
    pub audit: Duration,
    /// How long ledger entries stay; what older ones summed to is kept.
    pub keep_ledger: Duration,
    /// How long events stay in the outbox.
    pub keep_events: Duration,
}

impl Default for UpkeepConfig {
    fn default() -> Self {
        Self {
            reap: Duration::from_secs(1),
            expire: Duration::from_secs(30),
            keep_files: Duration::from_hours(24),
            sweep: Duration::from_secs(60),
            keep_record: Duration::from_hours(29 * 24),
            audit: Duration::from_secs(60),
            keep_ledger: Duration::from_hours(400 * 24),
            keep_events: Duration::from_hours(7 * 24),
        }
    }
}

/// Does the duties until `shutdown`.
pub async fn run(store: Store, storage: Storage, config: UpkeepConfig, shutdown: CancellationToken) {
    while let Err(error) = store.set_keep_files(millis(config.keep_files)).await {
        tracing::warn!(%error, "the retention of files could not be noted; trying again");
        tokio::select! { () = tokio::time::sleep(config.reap) => {}, () = shutdown.cancelled() => return }
    }
    // A sweep takes its time; the reaper must not wait for it.
    tokio::select! { () = sweep(&store, config.sweep) => {}, () = duties(&store, &storage, &config, &shutdown) => {} }
}

/// Pause between two pages of a sweep, so that it takes a small share of Redis' time however many jobs there are.
const PAGE_PAUSE: Duration = Duration::from_millis(5);

async fn sweep(store: &Store, period: Duration) {
    let mut ticks = interval(period);
    loop {
        ticks.tick().await;
        match store.sweep(PAGE_PAUSE).await {
            Ok(0) => {}
            Ok(mended) => tracing::error!(mended, "unfinished tasks were listed nowhere; they are listed again"),
            Err(error) => tracing::warn!(%error, "the sweep failed; trying again"),
        }
    }
}

async fn duties(store: &Store, storage: &Storage, config: &UpkeepConfig, shutdown: &CancellationToken) {
    let mut reap = interval(config.reap);
    let mut expire = interval(config.expire);
    let mut audit = interval(config.audit);
    tracing::info!("scheduler ready");
    loop {
        tokio::select! {
            _ = reap.tick() => match store.reap().await {
                Ok(reaped) if reaped == crate::store::Reaped::default() => {}
                Ok(reaped) => tracing::info!(?reaped, "reaped"),
                Err(error) => tracing::warn!(%error, "reaping failed; trying again"),
            },
            _ = expire.tick() => if let Err(error) = expire_once(store, storage, config).await {
                tracing::warn!(%error, "expiry failed; trying again");
            },
            _ = audit.tick() => if let Err(error) = audit_once(store, config).await {
                tracing::warn!(%error, "the audit failed; trying again");
            },
            () = shutdown.cancelled() => return,
        }
    }
}

fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

/// One round: a job's files go first and are noted as gone, its record goes at its own time.
async fn expire_once(store: &Store, storage: &Storage, config: &UpkeepConfig) -> Result<(), StoreError> {
    store.check_epoch().await?;
    for due in store.due().await? {
        if let Err(error) = storage.delete_prefix(&StorageKey::job_prefix(&due.account, &due.job)).await {
            tracing::warn!(%error, job = due.job, "files of an expired job could not be deleted; trying again");
            continue;
        }
        let Due { account, job, record } = &due;
        if *record {
            match store.delete_job(account, job).await {
                Ok(()) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        } else {
            store.files_gone(&due, millis(config.keep_record)).await?;
        }
    }
    for (account, job, entry) in store.doomed().await? {
        match storage.delete_prefix(&StorageKey::job_prefix(&account, &job)).await {
            Ok(_) => store.removed_again(&account, &entry).await?,
            Err(error) => tracing::warn!(%error, job, "files of a deleted job could not be removed; trying again"),
        }
    }
    store.trim_outbox(millis(config.keep_events)).await?;
    Ok(())
}

/// One round over every ledger. Books that are apart stop the charging of that account, and somebody has to look at them.
async fn audit_once(store: &Store, config: &UpkeepConfig) -> Result<(), StoreError> {
    for account in store.account_ids().await? {
        match store.audit(&account, false, millis(config.keep_ledger)).await {
            Ok(Audit::Apart(books)) => {
                tracing::error!(
                    account,
                    ledger = ?books.ledger,
                    pots = ?books.pots,
                    "the books of an account are apart: it is charged no more. Look with `convertfly admin account audit`"
                );
                store.count("ledger_mismatches", 1).await?;
            }
            Ok(Audit::StillApart(_)) => tracing::warn!(account, "the books of an account are still apart"),
            // Deleted since the list was read.
            Ok(Audit::Agree(_)) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
