//! Children that die: what else they were doing is done, and the one at fault is found.

use std::time::Duration;

use super::{LONG, Task, assert_works, kill, pool, run, until};
use crate::Failure;

/// The innocent in flight beside a task that ends the child.
async fn holds(pool: &crate::Pool, count: usize) -> Vec<Task> {
    let tasks: Vec<_> = (0..count).map(|_| Task::start(pool, "hold", LONG)).collect();
    for task in &tasks {
        task.files.started().await;
    }
    tasks
}

async fn assert_done(tasks: Vec<Task>) {
    for task in &tasks {
        task.files.release("go");
    }
    for task in tasks {
        let (files, result) = task.end().await;
        assert_eq!(result, Ok(serde_json::json!({ "bytes": 2 })), "an innocent task is done");
        assert_eq!(files.output(), "started go", "its output is that of one run");
    }
}

#[tokio::test]
async fn tasks_of_a_killed_child_are_run_again() {
    let pool = pool(4).await;
    let tasks = holds(&pool, 4).await;
    let pid = pool.stats().pid.expect("a child");
    kill(pid);
    assert_done(tasks).await;
    until("the pool is back", || pool.stats().restarts == 1 && pool.stats().alive).await;
    let stats = pool.stats();
    assert_ne!(stats.pid, Some(pid), "another child");
    assert_eq!((stats.crashes, stats.solitary, stats.kills), (1, 4, 0), "one death, four runs alone: {stats:?}");
    assert_works(&pool).await;
}

#[tokio::test]
async fn every_way_to_die_is_contained() {
    let pool = pool(4).await;
    let deaths = [
        ("abort", "signal 6"),
        ("bad pointer", "signal 11"),
        ("stack overflow", "signal 6"),
        ("all memory", "signal 6"),
        ("exit", "exit code 3"),
        ("garbage", "its socket"),
        ("answer for another", "nobody asked"),
    ];
    for (index, (poison, expected)) in deaths.into_iter().enumerate() {
        let innocent = holds(&pool, 3).await;
        let result = run(&pool, poison).await;
        assert!(matches!(&result, Err(Failure::Crashed { cause }) if cause.contains(expected)), "{poison}: {result:?}");
        assert_done(innocent).await;
        let round = index as u64 + 1;
        until("the pool is back", || pool.stats().restarts == round && pool.stats().alive).await;
        let stats = pool.stats();
        assert_eq!((stats.crashes, stats.solitary), (2 * round, 4 * round), "{poison}: it died shared and alone: {stats:?}");
        assert_works(&pool).await;
    }
}

#[tokio::test]
async fn a_panic_ends_its_task_alone_and_tells_no_data() {
    let pool = pool(1).await;
    let pid = pool.stats().pid;
    for _ in 0..3 {
        let result = run(&pool, "panic").await;
        let Err(Failure::Internal { cause }) = &result else { panic!("a panic is a fault of ours: {result:?}") };
        assert!(cause.contains("handler.rs"), "the place is named: {cause}");
        assert!(!cause.contains("secret"), "the message is not: {cause}");
    }
    assert_works(&pool).await;
    assert_eq!(pool.stats().pid, pid, "the same child goes on");
}

#[tokio::test]
async fn a_hung_task_is_cleared_and_the_others_are_done() {
    let pool = pool(3).await;
    let innocent = holds(&pool, 2).await;
    let hung = Task::start(&pool, "spin", Duration::from_secs(3));
    assert_eq!(hung.end().await.1, Err(Failure::TimedOut), "the deadline ends it");
    assert_done(innocent).await;
    until("the pool is back", || pool.stats().restarts == 1 && pool.stats().alive).await;
    let stats = pool.stats();
    assert_eq!((stats.kills, stats.crashes, stats.solitary), (1, 0, 2), "killed once, on purpose: {stats:?}");

    let cancelled = Task::start(&pool, "spin", LONG);
    cancelled.files.started().await;
    cancelled.cancel.cancel();
    assert_eq!(cancelled.end().await.1, Err(Failure::Cancelled), "so does a cancel");
    until("the pool is back again", || pool.stats().restarts == 2 && pool.stats().alive).await;

    let abandoned = Task::start(&pool, "spin", LONG);
    abandoned.files.started().await;
    abandoned.result.abort();
    until("and a caller that went away", || pool.stats().restarts == 3 && pool.stats().alive).await;
    assert_works(&pool).await;
}

#[tokio::test]
async fn work_alone_can_be_late_or_cancelled_too() {
    let pool = pool(2).await;
    let late = Task::start(&pool, "hold", Duration::from_secs(5));
    late.files.started().await;
    let unwanted = Task::start(&pool, "spin", LONG);
    unwanted.files.started().await;
    kill(pool.stats().pid.expect("a child"));
    until("both run alone", || pool.stats().solitary == 2).await;
    unwanted.cancel.cancel();
    assert_eq!(unwanted.end().await.1, Err(Failure::Cancelled), "cancelled while alone");
    assert_eq!(late.end().await.1, Err(Failure::TimedOut), "late while alone");
    until("nothing is left in flight", || pool.stats().in_flight == 0).await;
    assert_eq!(pool.stats().crashes, 1, "only the kill from outside was unasked");
    assert_works(&pool).await;
}
