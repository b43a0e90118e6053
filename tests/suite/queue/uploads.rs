//! A job that awaits bytes holds no slot; one slot takes one upload; what never comes expires.

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::store::StoreError;
use convertfly_scheduler::task::{FileRef, TaskSpec};

use crate::support::redis::{TTL, TestStore, job, task};

fn upload(name: &str) -> TaskSpec {
    TaskSpec { operation: "import/upload".into(), awaits_upload: true, lane: Lane::Io, ..task(name, &[]) }
}

fn file() -> FileRef {
    FileRef {
        file_id: "file_1".into(),
        key: "k".into(),
        filename: "a.png".into(),
        size: 3,
        format: None,
        sha256: None,
        crc32: None,
        width: None,
        height: None,
        page: None,
        remote: None,
    }
}

#[tokio::test]
async fn bytes_make_the_job_start() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 1).await;
    let new = job(&account, vec![upload("one"), upload("two"), task("convert", &["one", "two"])]);
    assert_eq!(t.submit(&new).await.status, JobStatus::Waiting, "it awaits bytes");
    assert_eq!(t.store.account(&account).await.expect("account").active_jobs, 0, "it holds no slot");
    let record = t.store.job(&account, &new.id).await.expect("job");
    let slots: Vec<String> = record.tasks.iter().filter_map(|task| task.upload.clone()).map(|slot| slot.id).collect();
    assert_eq!(slots.len(), 2, "one slot each");
    assert!(t.lease_all(9, TTL).await.is_empty(), "nothing runs yet");

    t.store.upload_open(&account, &new.id, &slots[0]).await.expect("open");
    t.store.upload_arrived(&account, &new.id, &slots[0], &file()).await.expect("first");
    let twice = t.store.upload_arrived(&account, &new.id, &slots[0], &file()).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "one success a slot: {twice:?}");
    let unknown = t.store.upload_open(&account, &new.id, "up_unknown").await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
    assert!(t.lease_all(9, TTL).await.is_empty(), "the other one is still awaited");
    t.store.upload_arrived(&account, &new.id, &slots[1], &file()).await.expect("second");
    assert_eq!(t.store.job(&account, &new.id).await.expect("job").status, JobStatus::Processing, "now it runs");
    let leases = t.lease_all(9, TTL).await;
    assert_eq!(leases.len(), 2, "both imports are ready");
    assert!(leases.iter().all(|lease| lease.upload == Some(file())), "with the place of their bytes");
}

#[tokio::test]
async fn cancelling_an_upload_closes_its_slot() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 1).await;
    let new = job(&account, vec![upload("one"), task("other", &[])]);
    t.submit(&new).await;
    let slot = t.store.job(&account, &new.id).await.expect("job").tasks[0].upload.clone().expect("a slot").id;
    t.store.cancel_task(&account, &new.id, "one").await.expect("cancel");
    let closed = t.store.upload_open(&account, &new.id, &slot).await;
    assert!(matches!(closed, Err(StoreError::Conflict(_))), "{closed:?}");
    assert_eq!(t.lease_all(9, TTL).await.len(), 1, "the rest of the job no longer waits for it");
}
