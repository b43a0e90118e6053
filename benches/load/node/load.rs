//! The two loops.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::mix::Work;
use super::server::{Made, Server};

/// Threads that wait for answers in the open loop: more jobs than that are never in flight at once on a node that keeps up.
const WAITERS: usize = 256;

/// A job that is over.
pub(super) struct Ended {
    /// What came of it.
    pub(super) result: Result<Made, String>,
    /// How long it took.
    pub(super) latency: Duration,
    /// When it ended, since the beginning.
    pub(super) at: Duration,
}

type Jobs<'a> = &'a [(usize, &'static Work)];

/// Keeps `in_flight` jobs running until all are done.
pub(super) fn closed(
    server: &Server,
    ids: &[&str],
    jobs: Jobs<'_>,
    in_flight: usize,
    tell: &mut impl FnMut(usize, usize),
) -> (Vec<Ended>, Duration) {
    drive(server, ids, jobs, in_flight, tell, |_, _| Instant::now())
}

/// Submits a job each `1 / rate` seconds.
pub(super) fn open(
    server: &Server,
    ids: &[&str],
    jobs: Jobs<'_>,
    rate: f64,
    tell: &mut impl FnMut(usize, usize),
) -> (Vec<Ended>, Duration) {
    drive(server, ids, jobs, WAITERS, tell, |start, i| {
        let due = start + Duration::from_secs_f64(i as f64 / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due
    })
}

/// `begin` waits until job `i` may begin, and says from when on its time counts.
fn drive(
    server: &Server,
    ids: &[&str],
    jobs: Jobs<'_>,
    threads: usize,
    tell: &mut impl FnMut(usize, usize),
    begin: impl Fn(Instant, usize) -> Instant + Sync,
) -> (Vec<Ended>, Duration) {
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let (done, ended) = channel();
    let all = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (next, done, begin) = (&next, done.clone(), &begin);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some((file, work)) = jobs.get(i) else { return };
                    let from = begin(start, i);
                    let result = server.convert(ids[*file], work).map_err(|error| format!("{error:#}"));
                    let now = Instant::now();
                    let (latency, at) = (now.duration_since(from), now.duration_since(start));
                    if done.send(Ended { result, latency, at }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut all = Vec::with_capacity(jobs.len());
        for job in ended {
            all.push(job);
            tell(all.len(), jobs.len());
        }
        all
    });
    (all, start.elapsed())
}
