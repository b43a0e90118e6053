//! Claims on an Idempotency-Key: who holds one, what is bound to it, and that a request which was too slow does nothing.

use std::collections::HashMap;

use convertfly_scheduler::store::{Claim, Claimed, StoreError, keys};

use crate::support::redis::{TestStore, chain, redis_client};

fn claim(account: &str, owner: &str) -> Claim {
    Claim { account: account.into(), digest: "d".into(), owner: owner.into() }
}

/// Lets the lease of a claim end, as ten seconds without its process would.
async fn let_it_end(t: &TestStore, account: &str) {
    let mut connection = redis_client(&t.redis.url()).get_multiplexed_async_connection().await.expect("connect");
    let key = keys::claim(keys::shard_of(account, 16), account, "d");
    let _: () = redis::cmd("HSET").arg(key).arg("until").arg(1).query_async(&mut connection).await.expect("ended");
}

#[tokio::test]
async fn f6_a_claim_is_held_lost_and_resumed() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let (slow, next) = (claim(&account, "slow"), claim(&account, "next"));
    let take = async |claim: &Claim, print: &str| t.store.claim(claim, print).await.expect("an answer");
    assert_eq!(take(&slow, "p").await, Claimed::Fresh, "free");
    assert_eq!(take(&next, "p").await, Claimed::Busy, "held");
    assert_eq!(take(&next, "other").await, Claimed::Reused, "for that request alone");
    assert!(t.store.renew_claim(&slow).await.expect("an answer"), "renewed by its holder");
    let_it_end(&t, &account).await;
    assert_eq!(take(&next, "p").await, Claimed::Fresh, "given up by a holder that seems dead");

    // The slow one comes back, and may not do what the next one is doing.
    let mut job = chain(&account);
    job.claim = Some(slow.clone());
    let refused = t.store.submit(&job, &HashMap::new()).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(t.store.jobs(&account, 1, 20, None, None).await.expect("jobs").total, 0, "nothing was made");
    for outcome in
        [t.store.renew_claim(&slow).await, t.store.answer_claim(&slow, "x").await, t.store.drop_claim(&slow, false).await]
    {
        assert!(!outcome.expect("an answer"), "it is no longer its claim");
    }

    // The next one does it, and dies before it can say so.
    job.claim = Some(next.clone());
    t.submit(&job).await;
    assert!(t.store.drop_claim(&next, false).await.expect("an answer"), "even a claim that is dropped keeps what was done");
    let last = claim(&account, "last");
    assert_eq!(take(&last, "p").await, Claimed::Resumed(job.id.clone()), "the job is known");
    assert!(t.store.answer_claim(&last, "answer").await.expect("an answer"), "now it is answered");
    assert_eq!(take(&claim(&account, "again"), "p").await, Claimed::Answered("answer".into()), "for everybody after");
    assert_eq!(t.store.jobs(&account, 1, 20, None, None).await.expect("jobs").total, 1, "one job");
    t.assert_money(&account).await;
}

#[tokio::test]
async fn a_retry_is_bound_with_its_price() {
    let t = TestStore::start().await;
    let account = t.account("a", 10, 10).await;
    let job = chain(&account);
    t.submit(&job).await;
    t.store.cancel_task(&account, &job.id, "import").await.expect("cancelled");
    let retry = claim(&account, "one");
    assert_eq!(t.store.claim(&retry, "p").await.expect("an answer"), Claimed::Fresh, "free");
    let (_, credits) = t.store.retry_task_once(&account, &job.id, "import", Some(&retry)).await.expect("retried");
    assert_eq!(credits, 1, "reserved again");
    let_it_end(&t, &account).await;
    let resumed = t.store.claim(&claim(&account, "two"), "p").await.expect("an answer");
    assert_eq!(resumed, Claimed::Resumed("1".into()), "a request after a crash learns what it cost");
    t.assert_money(&account).await;
}
