//! A lease that was lost can change nothing: the fence decides.

use convertfly_scheduler::store::{Failed, Finished, Pulse};
use convertfly_scheduler::task::{ErrorCode, TaskError, TaskStatus};
use serde_json::Value;

use crate::support::redis::{TTL, TestStore, chain, job, result, task};

#[tokio::test]
async fn a_zombie_changes_nothing() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = job(&account, vec![task("in", &[])]);
    t.submit(&new).await;
    let zombie = t.lease(1).await;
    t.reap_until(1).await;
    let heir = t.lease(TTL).await;
    assert_ne!(zombie.fence, heir.fence, "a new lease has a new fence");
    assert_eq!(heir.losses, 1, "the loss is counted apart from attempts");
    assert_eq!(heir.attempts, 0, "a lost worker is not the task's fault");

    let error = TaskError::new(ErrorCode::ServerError, "x");
    let stale = t.store.finish("z", &zombie, &result(&zombie), &Value::Null, &[], TTL).await.expect("finish");
    assert!(matches!(stale, Finished::Stale), "finish by the zombie: {stale:?}");
    assert_eq!(t.store.fail(&zombie, &error, &Value::Null, false).await.expect("fail"), Failed::Stale, "fail by the zombie");
    assert_eq!(t.store.heartbeat(&[(&zombie, None)], TTL).await.expect("beat"), [Pulse::Lost], "heartbeat by the zombie");
    t.store.release(&zombie).await.expect("release");
    let record = t.store.job(&account, &new.id).await.expect("job");
    assert_eq!(record.tasks[0].status, TaskStatus::Processing, "the heir's lease stands");
    assert_eq!(t.store.heartbeat(&[(&heir, Some(0.5))], TTL).await.expect("beat"), [Pulse::Held], "the heir holds");

    let made = result(&heir);
    t.store.finish("h", &heir, &made, &Value::Null, &[], TTL).await.expect("finish");
    let record = t.store.job(&account, &new.id).await.expect("job");
    assert_eq!(record.tasks[0].result.as_ref(), Some(&made), "the heir's object is the one that counts");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a_repeated_commit_counts_once() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = chain(&account);
    t.submit(&new).await;
    let mut lease = t.lease(TTL).await;
    for _ in 0..3 {
        let lanes = convertfly_scheduler::catalog::Lane::ALL;
        let first = t.store.finish("w", &lease, &result(&lease), &Value::Null, &lanes, TTL).await.expect("finish");
        let again = t.store.finish("w", &lease, &result(&lease), &Value::Null, &lanes, TTL).await.expect("finish");
        let (Finished::Committed { next }, Finished::Already { next: next_again }) = (first, again) else {
            panic!("the second call is answered `already`")
        };
        assert_eq!(next.len(), next_again.len(), "the continuation is handed out again");
        match next_again.into_iter().next() {
            Some(next) => lease = next,
            None => break,
        }
    }
    assert_eq!(t.events().await.len(), 4, "each event once: {:?}", t.events().await);
    let a = t.store.account(&account).await.expect("account");
    assert_eq!((a.balance, a.held, a.spent), (9, 0, 1), "charged once");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn three_lost_workers_end_a_task() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let new = chain(&account);
    t.submit(&new).await;
    for _ in 0..3 {
        let _ = t.lease(1).await;
        t.reap_until(1).await;
    }
    let record = t.store.job(&account, &new.id).await.expect("job");
    let codes: Vec<_> = record.tasks.iter().filter_map(|task| task.error.as_ref()).map(|error| error.code).collect();
    assert_eq!(
        codes,
        [ErrorCode::WorkerLost, ErrorCode::InputTaskFailed, ErrorCode::InputTaskFailed],
        "the poisonous one and its heirs"
    );
    let a = t.store.account(&account).await.expect("account");
    assert_eq!((a.balance, a.held, a.active_jobs), (10, 0, 0), "everything came back");
}

#[tokio::test]
async fn a_drained_lease_counts_as_nothing() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    t.submit(&job(&account, vec![task("in", &[])])).await;
    let lease = t.lease(TTL).await;
    t.store.release(&lease).await.expect("release");
    let again = t.lease(TTL).await;
    assert_eq!((again.attempts, again.losses), (0, 0), "ready at once, nothing counted");
}

#[tokio::test]
async fn a_restarted_redis_starts_an_epoch_and_keeps_leases() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    t.submit(&chain(&account)).await;
    let lease = t.lease(TTL).await;
    let pid = t.redis.pid();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid.cast_signed()).expect("pid"), rustix::process::Signal::KILL)
        .expect("kill -9");
    // The supervisor brings it back; commands are repeated until it answers.
    let finished = loop {
        match t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await {
            Ok(finished) => break finished,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert!(matches!(finished, Finished::Committed { .. }), "the lease outlived the restart: {finished:?}");
    assert_ne!(t.redis.pid(), pid, "it is another process");
    t.store.check_epoch().await.expect("epoch");
    let next = t.lease(TTL).await;
    let epoch = |fence: &str| fence.split('-').next().and_then(|epoch| epoch.parse::<u64>().ok()).expect("an epoch");
    assert!(
        epoch(&next.fence) > epoch(&lease.fence),
        "fences of the new process carry a new epoch: {} {}",
        lease.fence,
        next.fence
    );
}
