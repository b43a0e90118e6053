//! F8: nodes and servers whose disk is nearly full take nothing new, and go on by themselves.

use std::time::{Duration, Instant};

use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::storage::{Storage, StorageConfig};
use convertfly_scheduler::upkeep::{self, UpkeepConfig};
use tokio_util::sync::CancellationToken;

use crate::support::api::{Api, key_for};
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

/// What the nodes could not work on is not taken in either: the customer is told at once, and what is there can still be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f8_a_full_storage_disk_takes_no_more_jobs_and_no_uploads() {
    let t = TestStore::start().await;
    let Some(disk) = SmallDisk::mount(&t.folder.path().join("storage"), 64) else {
        println!("F8: not run, this user cannot mount a small disk");
        return;
    };
    let account = t.account("a", 100, 100).await;
    let key = key_for(&t.store, &account, "key_a", &["*"]).await;
    let api = Api::start(&t, &[]);
    let job = r#"{ "tasks": { "in": { "operation": "import/upload", "filename": "a.png" } } }"#;
    let create = || api.call(&key, "POST", "/jobs", Some(job), &[]);
    let ready = || {
        let answer = ureq::get(format!("{}/readyz", api.url)).call().expect("an answer").into_body().read_to_string();
        serde_json::from_str::<serde_json::Value>(&answer.expect("text")).expect("JSON")
    };
    let early = create();
    assert_eq!((early.status, ready()["status"].as_str()), (201, Some("ok")), "while there is room");
    let link = early.json()["data"]["tasks"]["in"]["result"]["url"].as_str().expect("a link").to_owned();
    let ballast = disk.fill(5 << 20);
    let refused = create();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("60")), "{}", refused.json());
    assert!(refused.json()["message"].as_str().is_some_and(|text| text.contains("short of storage")), "{}", refused.json());
    assert_eq!(api.call(&key, "POST", "/jobs?dry_run=true", Some(job), &[]).status, 200, "a plan takes no room");
    assert_eq!(api.call(&key, "GET", "/jobs", None, &[]).json()["meta"]["total"], 1, "nothing was made, and reading goes on");
    let put = || {
        let sent = ureq::put(&link).config().http_status_as_error(false).build().send(&b"\x89PNG"[..]);
        sent.expect("an answer").status().as_u16()
    };
    assert_eq!(put(), 503, "nor does an upload arrive");
    assert_eq!((ready()["status"].as_str(), ready()["space"].as_str()), (Some("degraded"), Some("low")), "{}", ready());
    std::fs::remove_file(ballast).expect("room again");
    assert_eq!((put(), create().status, ready()["status"].as_str()), (200, 201, Some("ok")), "all is as before");
}
