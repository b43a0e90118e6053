//! Accounts take turns: a long queue of one does not delay another.

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::store::keys::shard_of;

use crate::support::redis::{TTL, TestStore, job, task};

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
