//! Work that goes well or ends in an orderly way: files, turns, deadlines, cancels, replacement, stopping.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::{BROKEN, Files, LONG, Task, assert_works, config, confinement, handler, kill, pool, run, runs, until};
use crate::Cancel;
use crate::{Confinement, Failure, Growth, Progress};
use crate::{MAX_FILES, Pool, PoolConfig};

#[tokio::test]
async fn ordinary_work_is_not_hindered() {
    let pool = pool(2).await;
    let files = Files::new("ordinary");
    let result = pool.run(handler::job("ordinary"), files.descriptors(), &Cancel::new(), LONG).await;
    let expected = json!({ "seen": 7, "same": true, "sum": 49_995_000_u64, "size": 100, "again": 100, "late": false });
    assert_eq!(result, Ok(expected), "files, threads, memory and clocks work under the filter");
    assert_works(&pool).await;
    let read_only = run(&pool, "write input").await;
    assert_eq!(read_only, Ok(json!(true)), "an input cannot be written to");
    assert_eq!(pool.stats().crashes, 0, "nothing died");
}

#[tokio::test]
async fn progress_is_heard_in_order_while_the_work_goes_on() {
    let pool = pool(1).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let progress = Progress::new(move |share| ears.lock().expect("no panic").push(share));
    let descriptors = Files::new("").descriptors();
    let result = pool.run_with_progress(handler::job("tell"), descriptors, &Cancel::new(), LONG, progress).await;
    assert_eq!(result, Ok(json!(true)), "the work");
    assert_eq!(*heard.lock().expect("no panic"), [0.25, 0.5, 1.0], "shares, and nothing else");
    assert_works(&pool).await;
}

#[tokio::test]
async fn every_attempt_starts_from_rewound_inputs_and_empty_outputs() {
    let pool = pool(1).await;
    let files = Files::new("text");
    for round in 0..2 {
        let result = pool.run(handler::job("echo"), files.descriptors(), &Cancel::new(), LONG).await;
        assert_eq!(result, Ok(json!({ "bytes": 4 })), "round {round}");
        assert_eq!(files.output(), "text", "round {round}: nothing is left of an earlier one");
    }
    let (end, _other) = std::io::pipe().expect("a pipe");
    let refused = pool.run(handler::job("count"), vec![OwnedFd::from(end)], &Cancel::new(), LONG).await;
    assert!(matches!(refused, Err(Failure::Internal { .. })), "a pipe cannot be rewound: {refused:?}");
}

#[tokio::test]
async fn many_files_arrive_or_the_loss_is_told() {
    let mut wide = confinement();
    wide.open_files = 1024;
    let many = |count: usize| -> Vec<OwnedFd> { (0..count).map(|_| tempfile::tempfile().expect("a file").into()).collect() };
    let pool = Pool::start(config(1, &wide)).await.expect("the child starts");
    let all = pool.run(handler::job("count"), many(MAX_FILES), &Cancel::new(), LONG).await;
    assert_eq!(all, Ok(json!(MAX_FILES)), "as many as are allowed arrive");
    let more = pool.run(handler::job("count"), many(MAX_FILES + 1), &Cancel::new(), LONG).await;
    assert!(matches!(more, Err(Failure::TooLarge { .. })), "one more is refused: {more:?}");

    let narrow = super::pool(1).await;
    let lost = narrow.run(handler::job("count"), many(100), &Cancel::new(), LONG).await;
    assert!(
        matches!(&lost, Err(Failure::Internal { cause }) if cause.contains("limit on open files")),
        "64 may be open: {lost:?}"
    );
    assert_works(&narrow).await;
    assert_eq!(narrow.stats().crashes, 0, "the child goes on");
}

#[tokio::test]
async fn what_does_not_fit_in_a_packet_is_refused() {
    let pool = pool(1).await;
    let job = json!({ "do": "echo", "text": "x".repeat(200_000) });
    let long = pool.run(job, Files::new("").descriptors(), &Cancel::new(), LONG).await;
    assert!(matches!(long, Err(Failure::TooLarge { .. })), "a long job: {long:?}");
    let answer = run(&pool, "long answer").await;
    assert!(matches!(&answer, Err(Failure::Internal { cause }) if cause.contains("does not fit")), "a long answer: {answer:?}");
    let unknown = run(&pool, "nonsense").await;
    assert!(matches!(unknown, Err(Failure::Invalid { .. })), "a handler's failure arrives as it is: {unknown:?}");
    assert_eq!(pool.stats().crashes, 0, "nothing died");
}

#[tokio::test]
async fn work_beyond_the_threads_waits_in_order() {
    let pool = pool(1).await;
    let first = Task::start(&pool, "hold", LONG);
    first.files.started().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut later = Vec::new();
    for index in 0..4 {
        let (pool, order) = (pool.clone(), order.clone());
        let waiting = pool.clone();
        later.push(tokio::spawn(async move {
            let result = run(&pool, "echo").await;
            order.lock().expect("no panic").push(index);
            result
        }));
        until("it waits", || waiting.stats().waiting == index + 1).await;
    }
    let impatient = Task::start(&pool, "echo", LONG);
    until("it waits as well", || pool.stats().waiting == 5).await;
    assert_eq!(pool.stats().in_flight, 1, "one thread, one task");
    impatient.cancel.cancel();
    assert_eq!(impatient.end().await.1, Err(Failure::Cancelled), "work can be cancelled while it waits");
    first.files.release("go");
    assert_eq!(first.end().await.1, Ok(json!({ "bytes": 2 })), "the first one ends");
    for task in later {
        assert!(task.await.expect("no panic").is_ok(), "those that waited are done");
    }
    assert_eq!(*order.lock().expect("no panic"), [0, 1, 2, 3], "first come, first served");
}

#[tokio::test]
async fn a_child_with_a_gpu_takes_what_waits_for_that_beside_what_works() {
    for gpu in [false, true] {
        let mut config = config(1, &Confinement { gpu, ..confinement() });
        config.waiting = 2;
        let pool = Pool::start(config).await.expect("the child starts");
        assert_eq!(pool.report().map(|report| report.gpu), Some(gpu));
        let at_once = if gpu { 3 } else { 1 };
        let tasks: Vec<Task> = (0..4).map(|_| Task::start(&pool, "hold", LONG)).collect();
        until("the others wait", || pool.stats().waiting == 4 - at_once).await;
        assert_eq!(pool.stats().in_flight, at_once, "a GPU: {gpu}");
        tasks.iter().for_each(|task| task.files.release("go"));
        for task in tasks {
            assert!(task.end().await.1.is_ok(), "each is done");
        }
    }
}

#[tokio::test]
async fn cooperative_work_ends_without_a_kill() {
    let mut config = config(2, &confinement());
    config.grace = LONG;
    let pool = Pool::start(config).await.expect("the child starts");
    let pid = pool.stats().pid;
    let cancelled = Task::start(&pool, "hold", LONG);
    cancelled.files.started().await;
    cancelled.cancel.cancel();
    assert_eq!(cancelled.end().await.1, Err(Failure::Cancelled), "a cancel reaches the handler");
    let late = Task::start(&pool, "hold", Duration::from_millis(50));
    assert_eq!(late.end().await.1, Err(Failure::TimedOut), "the deadline as well");
    let abandoned = Task::start(&pool, "hold", LONG);
    abandoned.files.started().await;
    abandoned.result.abort();
    until("the abandoned work has stopped", || pool.stats().in_flight == 0).await;
    let stats = pool.stats();
    assert_eq!((stats.pid, stats.kills, stats.crashes), (pid, 0, 0), "the same child throughout: {stats:?}");
}

#[tokio::test]
async fn a_child_is_replaced_after_its_number_of_tasks_and_no_task_is_lost() {
    let mut config = config(4, &confinement());
    config.restart_after = 5;
    let pool = Pool::start(config).await.expect("the child starts");
    let first = pool.stats().pid.expect("a child");
    let held = Task::start(&pool, "hold", LONG);
    held.files.started().await;
    let others: Vec<_> = (0..40)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { run(&pool, "echo").await })
        })
        .collect();
    for other in others {
        assert_eq!(other.await.expect("no panic"), Ok(json!({ "bytes": 4 })), "all are done");
    }
    until("the child is replaced", || pool.stats().recycled > 0).await;
    assert_ne!(pool.stats().pid, Some(first), "another child has taken over");
    assert!(runs(first), "the old one keeps what it holds");
    held.files.release("go");
    assert_eq!(held.end().await.1, Ok(json!({ "bytes": 2 })), "what the old one held is done in it");
    until("the old one is gone", || !runs(first)).await;
    let stats = pool.stats();
    assert_eq!((stats.crashes, stats.solitary, stats.restarts), (0, 0, 0), "nothing died and nothing ran twice: {stats:?}");
}

#[tokio::test]
async fn a_child_that_has_grown_is_replaced_and_counted() {
    let mut config = config(1, &confinement());
    let growth = Growth::new(100 << 20);
    config.growth = Some(growth.clone());
    let pool = Pool::start(config).await.expect("the child starts");
    let first = pool.stats().pid.expect("a child");
    assert_eq!(run(&pool, "echo").await, Ok(json!({ "bytes": 4 })), "work that leaves nothing");
    assert_eq!((pool.stats().pid, pool.stats().recycled), (Some(first), 0), "a child that is small goes on");
    let mut counted = growth.counted();
    assert_eq!(run(&pool, "grow").await, Ok(serde_json::Value::Null), "work that leaves 128 MiB");
    until("the child is replaced", || pool.stats().recycled > 0).await;
    counted.wait_for(|count| *count == 1).await.expect("it is counted");
    until("the old one is gone", || !runs(first)).await;
    assert_eq!(run(&pool, "echo").await, Ok(json!({ "bytes": 4 })), "another one goes on");
    let stats = pool.stats();
    assert_ne!(stats.pid, Some(first), "and is small: {stats:?}");
    assert_eq!((stats.recycled, stats.crashes, stats.restarts), (1, 0, 0), "nothing died: {stats:?}");
}

#[tokio::test]
async fn a_pool_that_cannot_start_says_why() {
    let relative = Pool::start(PoolConfig::new("convertfly".into())).await.err();
    assert!(matches!(&relative, Some(Failure::Internal { cause }) if cause.contains("absolute")), "{relative:?}");
    let missing = Pool::start(PoolConfig::new("/nowhere/convertfly".into())).await.err();
    assert!(matches!(&missing, Some(Failure::Internal { cause }) if cause.contains("cannot be started")), "{missing:?}");
    let ends = Pool::start(PoolConfig::new("/bin/false".into())).await.err();
    assert!(matches!(&ends, Some(Failure::Internal { cause }) if cause.contains("exit code 1")), "{ends:?}");
    let mut sleeper = PoolConfig::new("/bin/sleep".into());
    sleeper.args = vec!["1000".into()];
    sleeper.start_timeout = Duration::from_millis(50);
    let late = Pool::start(sleeper).await.err();
    assert!(matches!(&late, Some(Failure::Internal { cause }) if cause.contains("not ready")), "{late:?}");
}

#[tokio::test]
async fn a_pool_comes_back_when_its_program_starts_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let broken = directory.path().join("broken");
    let mut config = config(1, &confinement());
    config.envs.push((BROKEN.to_owned(), broken.display().to_string()));
    let pool = Pool::start(config).await.expect("the child starts");
    std::fs::write(&broken, "").expect("the program is broken");
    kill(pool.stats().pid.expect("a child"));
    until("it has failed to start twice", || pool.stats().crashes >= 3).await;
    let waiting = Task::start(&pool, "hold", LONG);
    waiting.files.release("go");
    std::fs::remove_file(&broken).expect("the program is repaired");
    assert_eq!(waiting.end().await.1, Ok(json!({ "bytes": 2 })), "work waits for the child to be back");
    assert_eq!(pool.stats().restarts, 1, "one came up");
}

#[tokio::test]
async fn stopping_leaves_nothing() {
    let pool = pool(2).await;
    let pid = pool.stats().pid.expect("a child");
    let hung = Task::start(&pool, "spin", LONG);
    hung.files.started().await;
    pool.stop().await;
    assert!(!runs(pid), "the child is gone when stop returns");
    assert!(matches!(hung.end().await.1, Err(Failure::Internal { .. })), "work in flight may be run again elsewhere");
    assert!(matches!(run(&pool, "echo").await, Err(Failure::Internal { .. })), "there is no more work");
    let dropped = super::pool(1).await;
    let pid = dropped.stats().pid.expect("a child");
    drop(dropped);
    until("the child of a pool that nobody holds is gone", || !runs(pid)).await;
}
