//! F8: a node whose scratch space is nearly full takes nothing new, and goes on by itself.

use std::time::{Duration, Instant};

use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::storage::{Storage, StorageConfig};
use convertfly_scheduler::upkeep::{self, UpkeepConfig};
use tokio_util::sync::CancellationToken;

use crate::support::fleet::Fleet;
use crate::support::own_redis::SmallDisk;
use crate::support::redis::TestStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f8_a_full_scratch_disk_makes_tasks_wait_and_not_fail() {
    let t = TestStore::start().await;
    let scratch = t.folder.path().join("scratch");
    let Some(disk) = SmallDisk::mount(&scratch, 64) else {
        println!("F8: not run, this user cannot mount a small disk");
        return;
    };
    let root = t.folder.path().join("storage");
    let storage = Storage::open(&StorageConfig::local(&root)).await.expect("storage");
    let account = t.account("a", 100, 100).await;
    let stop = CancellationToken::new();
    let role = tokio::spawn(upkeep::run(t.store.clone(), storage.clone(), UpkeepConfig::default(), stop.clone()));
    let fleet = Fleet::new(t.folder.path(), t.redis.url(), root).with("CONVERTFLY_SCRATCH", scratch.to_string_lossy());
    let mut worker = fleet.worker();
    worker.wait_ready();
    // 5 of 64 MiB free.
    let ballast = disk.fill(5 << 20);
    // What it was asking for when the disk filled up may still come.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let jobs = crate::chaos::submit(&t, &storage, &account, 20).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    for id in &jobs {
        let record = t.store.job(&account, id).await.expect("job");
        let untouched = record.tasks.iter().all(|task| task.started_at.is_none() && task.error.is_none());
        assert!(untouched, "nothing is leased while there is no room: {record:?}");
    }
    std::fs::remove_file(ballast).expect("room again");
    let deadline = Instant::now() + Duration::from_secs(120);
    while t.store.jobs(&account, 1, 1, Some(JobStatus::Finished), None).await.expect("jobs").total < jobs.len() as u64 {
        assert!(Instant::now() < deadline, "it goes on by itself");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let attempts = async |id: &String| t.store.job(&account, id).await.expect("job").tasks.iter().all(|task| task.attempts == 0);
    for id in &jobs {
        assert!(attempts(id).await, "no attempt was wasted");
    }
    stop.cancel();
    role.await.expect("the role ends");
}
