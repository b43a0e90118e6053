//! The scripts against a model (T20, T23, F16, F23): random calls in any order, repeated, late and in races, on a real Redis.
//! After each call the reply is what the model says; a refusal changes no key; and in the end every record, index, ledger entry
//! and event is the model's.
//!
//! `CONVERTFLY_MODEL_SEQUENCES` sets how many sequences (3,000 here; 100,000 and more for the long form),
//! `CONVERTFLY_MODEL_SEED` runs one alone, with every record compared after every call.

mod book;
mod records;
mod walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use crate::support::redis::{TestStore, connect};

/// Sequences at once: each has a shard of its own.
const AT_ONCE: u16 = 8;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_f16_f23_the_scripts_do_what_the_model_says() {
    let t = TestStore::start().await;
    let mut connection = connect(&t.redis.url()).await.expect("connect");
    // Not what this test is about, and it would write gigabytes.
    let () = redis::cmd("CONFIG").arg("SET").arg("appendonly").arg("no").query_async(&mut connection).await.expect("set");
    let alone = variable("CONVERTFLY_MODEL_SEED");
    let sequences = if alone.is_some() { 1 } else { variable("CONVERTFLY_MODEL_SEQUENCES").unwrap_or(3000) };
    let (start, next, calls) = (Instant::now(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut walkers = JoinSet::new();
    for shard in 0..AT_ONCE {
        let (store, mut connection) = (t.store.clone(), connection.clone());
        let (next, calls) = (Arc::clone(&next), Arc::clone(&calls));
        walkers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= sequences {
                    return;
                }
                let done = walk::walk(&store, &mut connection, shard, alone.unwrap_or(n), alone.is_some()).await;
                calls.fetch_add(done, Ordering::Relaxed);
            }
        });
    }
    // The first difference ends the run.
    while let Some(walker) = walkers.join_next().await {
        walker.expect("the store does what the model says");
    }
    let (calls, seconds) = (calls.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
    println!("model: {sequences} sequences, {calls} calls in {seconds:.0} s; 0 differences");
    assert!(calls >= sequences, "every sequence made calls");
}
