//! Looks at everything afterwards.

use std::collections::{BTreeMap, BTreeSet};

use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::storage::{Storage, StorageKey};
use convertfly_scheduler::store::keys;
use convertfly_scheduler::task::{ErrorCode, FileRef, TaskStatus};
use futures_util::StreamExt;
use redis::AsyncCommands;
use sha2::{Digest, Sha256};

use super::Scene;
use crate::support::pictures;
use crate::support::redis::{TestStore, connect, patiently};

/// Checks jobs, money, events and files; returns how many tasks ended how.
pub(super) async fn verify(t: &TestStore, storage: &Storage, account: &str, jobs: usize) -> BTreeMap<String, usize> {
    let shard = keys::shard_of(account, t.store.shards());
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    let all: Vec<String> = connection.zrange(keys::account_jobs(shard, account), 0, -1).await.expect("jobs");
    assert_eq!(all.len(), jobs, "one job for each that was asked for, however often");
    let mut expected: BTreeSet<String> = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut tags = BTreeSet::new();
    let mut spent = 0;
    for id in &all {
        let job = patiently(|| t.store.job(account, id)).await.expect("no job is lost");
        assert!(job.status.is_terminal(), "no job is stuck: {job:?}");
        let tag = job.tag.clone().expect("its tag");
        let number: usize = tag.strip_prefix("chaos-").and_then(|n| n.parse().ok()).expect("its number");
        assert!(tags.insert(tag), "job {number} was submitted twice");
        let finished = job.tasks.iter().all(|task| task.status == TaskStatus::Finished);
        assert_eq!(finished, job.status == JobStatus::Finished, "a job is what its tasks are: {job:?}");
        expected.insert(format!("{} {id}  0", if finished { "job.finished" } else { "job.failed" }));
        if Scene::is_poison(number) {
            let codes: Vec<_> = job.tasks.iter().filter_map(|task| task.error.as_ref()).map(|error| error.code).collect();
            let poisoned = [ErrorCode::WorkerLost, ErrorCode::InputTaskFailed, ErrorCode::InputTaskFailed];
            assert_eq!(codes, poisoned, "poison ends in an error after three workers: {job:?}");
            assert_eq!(job.credits_used, 0, "and costs nothing");
        }
        for task in &job.tasks {
            let name = &task.spec.name;
            let ended = if task.status == TaskStatus::Finished { "task.finished" } else { "task.failed" };
            expected.insert(format!("{ended} {id} {name} 0"));
            match &task.error {
                None => *seen.entry("finished".into()).or_default() += 1,
                Some(error) => {
                    let code = error.code;
                    assert!(
                        matches!(code, ErrorCode::WorkerLost | ErrorCode::InputTaskFailed),
                        "the files are good, so a task fails only with its workers: {error:?}"
                    );
                    *seen.entry(format!("{code:?}")).or_default() += 1;
                }
            }
            if task.status == TaskStatus::Finished && name == "convert" {
                spent += 1;
                let file = &task.result.as_ref().expect("a result").files[0];
                // The object that counts was made by the lease that was valid when it was committed.
                let fence: String = connection.hget(keys::task(shard, id, name), "fence").await.expect("fence");
                assert!(
                    file.key.contains(&format!("/{fence}.")),
                    "{} was committed under the fence {fence}: a zombie's result",
                    file.key
                );
                check_object(storage, file).await;
            }
        }
    }
    let events = t.events().await;
    let distinct: BTreeSet<String> = events.iter().cloned().collect();
    assert_eq!(events.len(), distinct.len(), "no event twice");
    assert_eq!(distinct, expected, "an event for everything that ended, and none besides");
    t.assert_money(account).await;
    let a = patiently(|| t.store.account(account)).await.expect("account");
    assert_eq!((a.held, a.spent), (0, spent), "exactly the finished conversions were paid");
    seen
}

/// A committed object is there, whole, and the picture that was asked for.
async fn check_object(storage: &Storage, file: &FileRef) {
    let key = StorageKey::parse(&file.key).expect("a key");
    let mut object = storage.get(&key, None).await.unwrap_or_else(|e| panic!("{} is missing: {e}", file.key));
    let mut bytes = Vec::new();
    while let Some(chunk) = object.stream.next().await {
        bytes.extend_from_slice(&chunk.expect("readable"));
    }
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(Some(&sha256), file.sha256.as_ref(), "{} is whole", file.key);
    assert_eq!(pictures::png_size(&bytes), Some((40, 30)), "{} is the picture asked for", file.key);
}
