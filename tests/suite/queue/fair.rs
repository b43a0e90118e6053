//! Accounts take turns: a long queue of one does not delay another.

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::store::Finished;
use convertfly_scheduler::store::keys::shard_of;
use convertfly_scheduler::task::TaskSpec;

use crate::support::redis::{TTL, TestStore, job, result, task};

/// Two accounts that share a shard, so that they compete in one lane.
async fn two_accounts(t: &TestStore) -> (String, String) {
    let big = t.account("big", 0, 10_000).await;
    let shard = shard_of(&big, 16);
    let name = (0..).map(|i| format!("small{i}")).find(|name| shard_of(&format!("acct_{name}"), 16) == shard).expect("one in 16");
    let small = t.account(&name, 0, 10_000).await;
    (big, small)
}

#[tokio::test]
async fn a_long_queue_delays_nobody_else() {
    let t = TestStore::start().await;
    let (big, small) = two_accounts(&t).await;
    for _ in 0..300 {
        t.submit(&job(&big, vec![task("in", &[])])).await;
    }
    let shard = shard_of(&big, 16);
    // The big one has been served for a while when the small one comes.
    for _ in 0..50 {
        t.store.lease_from(shard, "w", &[(Lane::Io, 1)], TTL).await.expect("lease");
    }
    t.submit(&job(&small, vec![task("in", &[])])).await;
    let next = t.store.lease_from(shard, "w", &[(Lane::Io, 2)], TTL).await.expect("lease");
    assert!(
        next.iter().any(|lease| lease.account == small),
        "served within its turn: {:?}",
        next.iter().map(|l| &l.account).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn coming_back_again_and_again_is_no_advantage() {
    let t = TestStore::start().await;
    let (big, small) = two_accounts(&t).await;
    for _ in 0..100 {
        t.submit(&job(&big, vec![task("in", &[])])).await;
    }
    let shard = shard_of(&big, 16);
    let mut served = [0, 0];
    for _ in 0..40 {
        t.submit(&job(&small, vec![task("in", &[])])).await;
        for lease in t.store.lease_from(shard, "w", &[(Lane::Io, 1)], TTL).await.expect("lease") {
            served[usize::from(lease.account == small)] += 1;
        }
    }
    assert!((18..=22).contains(&served[0]), "turns are shared evenly between the two: {served:?}");
}

/// Of the jobs that have begun, the oldest goes on first: with the newest first, the oldest would wait for as long as others begin.
#[tokio::test]
async fn what_has_begun_goes_on_in_order_and_before_what_has_not() {
    let t = TestStore::start().await;
    let account = t.account("one", 100, 10_000).await;
    let shard = shard_of(&account, 16);
    let jobs: Vec<_> =
        (0..4).map(|_| job(&account, vec![task("in", &[]), TaskSpec { lane: Lane::Io, ..task("out", &["in"]) }])).collect();
    for job in &jobs {
        t.submit(job).await;
    }
    let lease = async |slots| t.store.lease_from(shard, "w", &[(Lane::Io, slots)], TTL).await.expect("lease");
    let begun = lease(3).await;
    for lease in &begun {
        let done = t.store.finish("w", lease, &result(lease), &serde_json::json!({}), &[], TTL).await;
        assert!(matches!(done, Ok(Finished::Committed { .. })), "{done:?}");
    }
    let order: Vec<_> = lease(10).await.iter().map(|lease| (lease.job.clone(), lease.spec.name.clone())).collect();
    let want =
        [(0, "out"), (1, "out"), (2, "out"), (3, "in")].map(|(at, name): (usize, &str)| (jobs[at].id.clone(), name.to_owned()));
    assert_eq!(order, want, "successors by age, then what has not begun");
}
