//! The script of the rate limit against a model, and under a crowd.

use std::collections::HashMap;
use std::time::Duration;

use convertfly_scheduler::store::{ApiKey, StoreError};

use crate::support::redis::{TestStore, redis_client};

/// A small generator (SplitMix64); a seed that fails is printed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

#[tokio::test]
async fn r323_the_script_agrees_with_a_model() {
    let t = TestStore::start().await;
    let account = t.account("a", 7, 1).await;
    for key in ["key_0", "key_1", "key_2"] {
        let record = ApiKey { id: key.into(), account: account.clone(), ..ApiKey::default() };
        t.store.put_key(&key.repeat(13)[..64], &record).await.expect("a key");
    }
    let mut seed = [0u8; 8];
    getrandom::fill(&mut seed).expect("random bytes");
    let seed = u64::from_le_bytes(seed);
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut model: HashMap<(String, u64, u64), u64> = HashMap::new();
    let (mut refused, mut windows) = (0, 0);
    for _ in 0..4_000 {
        let window = [20, 50, 1_000][usize::try_from(random.below(3)).expect("small")];
        let requests = u32::try_from(random.below(4)).expect("small");
        let (bucket, limit, admission) = if random.below(2) == 0 {
            let key = format!("key_{}", random.below(3));
            (key.clone(), 6_000, t.store.admit_key(&account, &key, Duration::from_millis(window), requests).await)
        } else {
            let (network, limit) = (format!("192.0.2.{}", random.below(3)), 3 + random.below(6));
            let found = t.store.admit_stranger(&network, limit, Duration::from_millis(window), requests).await;
            (network, limit, found)
        };
        let found = admission.expect("an answer");
        assert_eq!(found.ends_at, (found.now / window + 1) * window, "aligned to the clock, seed {seed}");
        let used = model.entry((bucket.clone(), window, found.ends_at)).or_insert_with(|| {
            windows += 1;
            0
        });
        let fits = *used + u64::from(requests) <= limit;
        assert_eq!(found.allowed, fits, "{used} used of {limit}, {requests} more, seed {seed}");
        if fits {
            *used += u64::from(requests);
        } else {
            refused += 1;
        }
        assert_eq!((found.used, found.limit), (*used, limit), "bucket {bucket}, seed {seed}");
        assert_eq!(found.balance, bucket.starts_with("key").then_some(7), "the balance comes with it");
    }
    assert!(refused > 50 && windows > 50, "both happened: {refused} refusals, {windows} windows");
    for suspended in [true, false] {
        t.store.set_suspended(&account, suspended).await.expect("set");
        let found = t.store.admit_key(&account, "key_0", Duration::from_secs(1), 0).await.expect("an answer");
        assert_eq!(found.suspended, suspended, "the very next request knows");
    }
    let revoked = t.store.admit_key(&account, "key_9", Duration::from_secs(1), 1).await;
    assert!(matches!(revoked, Err(StoreError::NotFound)), "a key that is not there: {revoked:?}");
    let unknown = t.store.admit_key("acct_nobody", "key_0", Duration::from_secs(1), 1).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t19_a_crowd_never_exceeds_a_window() {
    let t = TestStore::start().await;
    let crowd = (0..32).map(|_| {
        let store = t.store.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..150 {
                let found = store.admit_stranger("192.0.2.1", 40, Duration::from_millis(200), 1).await.expect("an answer");
                seen.push((found.ends_at, found.allowed));
            }
            seen
        })
    });
    let mut accepted: HashMap<u64, u64> = HashMap::new();
    for one in crowd.collect::<Vec<_>>() {
        for (window, allowed) in one.await.expect("no panic") {
            *accepted.entry(window).or_default() += u64::from(allowed);
        }
    }
    assert!(accepted.values().all(|count| *count <= 40), "{accepted:?}");
    assert!(accepted.values().any(|count| *count == 40), "a crowd uses a window up: {accepted:?}");
}

/// Counting must not make every read wait for the disk: the counter is not in the append-only file, and expires by itself.
#[tokio::test]
async fn the_counter_is_not_written_to_disk_and_goes_by_itself() {
    let t = TestStore::start().await;
    let mut connection = redis_client(&t.redis.url()).get_multiplexed_async_connection().await.expect("connect");
    let offset = async |connection: &mut redis::aio::MultiplexedConnection| -> u64 {
        let info: String = redis::cmd("INFO").arg("persistence").query_async(connection).await.expect("info");
        let size = info.lines().find_map(|line| line.strip_prefix("aof_current_size:")).expect("a size");
        size.trim().parse().expect("a number")
    };
    let before = offset(&mut connection).await;
    for _ in 0..100 {
        t.store.admit_stranger("192.0.2.1", 1_000, Duration::from_secs(3_600), 1).await.expect("an answer");
    }
    assert_eq!(offset(&mut connection).await, before, "nothing was appended");
    let found: Vec<String> = redis::cmd("KEYS").arg("*:rate:*").query_async(&mut connection).await.expect("keys");
    assert_eq!(found.len(), 1, "one counter: {found:?}");
    let ttl: i64 = redis::cmd("PTTL").arg(&found[0]).query_async(&mut connection).await.expect("a time");
    assert!((1..=3_600_000).contains(&ttl), "it ends with its window: {ttl} ms");
}
