//! Who may use a core: work that waits for something else, a GPU or memory, lets other work have its own meanwhile.
//!
//! There are more threads with work than cores, then. What was away goes on before anything new begins, so that what has been begun is finished, and
//! its memory is free again.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::failure::Failure;
use crate::formats::Cancel;

/// How often a wait looks whether the work is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// Cores that are lent to threads.
#[derive(Debug)]
pub(crate) struct Cores {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Threads that were away and want to go on.
    returning: usize,
}

thread_local! {
    /// The cores of which this thread has one.
    static HELD: RefCell<Option<Arc<Cores>>> = const { RefCell::new(None) };
}

impl Cores {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { free: count.max(1), returning: 0 }), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work on a core, once there is one.
    ///
    /// # Errors
    /// [`Failure::Cancelled`] once `cancel` is set before it has begun; and those of the work.
    pub(crate) fn run<T>(self: &Arc<Self>, cancel: &Cancel, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut state = self.lock();
        while state.free == 0 || state.returning > 0 {
            cancel.check()?;
            (state, _) = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= 1;
        drop(state);
        HELD.set(Some(Arc::clone(self)));
        // Also where the work panics.
        let _held = Leaves;
        work()
    }

    fn give_back(&self) {
        self.lock().free += 1;
        self.changed.notify_all();
    }

    /// Whether there was a core again before the work was no longer wanted.
    fn take_back(&self, cancel: &Cancel) -> bool {
        let mut state = self.lock();
        state.returning += 1;
        while state.free == 0 && cancel.check().is_ok() {
            (state, _) = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner);
        }
        state.returning -= 1;
        let is_taken = state.free > 0;
        state.free -= usize::from(is_taken);
        drop(state);
        // Whoever waits for the last one to return.
        self.changed.notify_all();
        is_taken
    }
}

/// Gives back the core that its thread has.
struct Leaves;

impl Drop for Leaves {
    fn drop(&mut self) {
        if let Some(cores) = HELD.take() {
            cores.give_back();
        }
    }
}

/// Waits for something without the core that this thread has, if it has one; work that is cancelled meanwhile comes to its end without one.
pub(crate) fn away<T>(cancel: &Cancel, wait: impl FnOnce() -> T) -> T {
    let Some(cores) = HELD.take() else { return wait() };
    cores.give_back();
    let found = wait();
    if cores.take_back(cancel) {
        HELD.set(Some(cores));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn no_more_threads_work_than_there_are_cores() {
        let (cores, cancel) = (Cores::new(2), Cancel::new());
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let busy = || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let work = || {
                            busy();
                            away(&cancel, std::thread::yield_now);
                            busy();
                            Ok(())
                        };
                        cores.run(&cancel, work).expect("it is done");
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        assert_eq!(cores.lock().free, 2, "every core came back");
    }

    /// Work that is away until it is told to go on; the first channel hears that it is.
    fn waiting(cancel: &Cancel, (away_now, told): (mpsc::Sender<()>, mpsc::Receiver<()>)) {
        away(cancel, || {
            away_now.send(()).expect("someone listens");
            told.recv().expect("someone tells");
        });
    }

    #[test]
    fn what_waits_lets_others_work_and_goes_on_before_what_is_new() {
        let (cores, cancel) = (Cores::new(1), Cancel::new());
        let order = Mutex::new(Vec::new());
        let note = |what| order.lock().expect("the order").push(what);
        let (note, cores, cancel) = (&note, &cores, &cancel);
        let ((heard, is_away), (tell, told)) = (mpsc::channel(), mpsc::channel());
        let returns = || {
            while cores.lock().returning == 0 {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            let first = move || {
                waiting(cancel, (heard, told));
                note("back");
                Ok(())
            };
            let first = scope.spawn(move || cores.run(cancel, first));
            is_away.recv().expect("it is away");
            let meanwhile = || {
                note("meanwhile");
                tell.send(()).expect("someone listens");
                returns();
                let new = || {
                    note("new");
                    Ok(())
                };
                scope.spawn(move || cores.run(cancel, new));
                Ok(())
            };
            cores.run(cancel, meanwhile).expect("it is done");
            first.join().expect("it does not panic").expect("it is done");
        });
        assert_eq!(*order.lock().expect("the order"), ["meanwhile", "back", "new"]);
    }

    #[test]
    fn cancelled_work_waits_for_no_core_and_leaves_none_behind() {
        let (cores, cancel) = (Cores::new(1), Cancel::new());
        let ((heard, is_away), (tell, told)) = (mpsc::channel(), mpsc::channel());
        std::thread::scope(|scope| {
            let (cores, cancel) = (&cores, &cancel);
            let gone = scope.spawn(move || {
                cores.run(cancel, || {
                    waiting(cancel, (heard, told));
                    Ok(HELD.with_borrow(Option::is_none))
                })
            });
            is_away.recv().expect("it is away");
            let others = || {
                cancel.cancel();
                tell.send(()).expect("someone listens");
                assert_eq!(gone.join().expect("no panic"), Ok(true), "it ends without the core that another has");
                let new = scope.spawn(|| cores.run(cancel, || Ok(())));
                assert_eq!(new.join().expect("no panic"), Err(Failure::Cancelled), "it does not begin");
                Ok(())
            };
            cores.run(&Cancel::new(), others).expect("it is done");
        });
        let panics = std::thread::spawn({
            let cores = Arc::clone(&cores);
            move || cores.run(&Cancel::new(), || -> Result<(), Failure> { panic!("on purpose") })
        });
        assert!(panics.join().is_err());
        assert_eq!(cores.lock().free, 1, "every core came back");
    }
}
