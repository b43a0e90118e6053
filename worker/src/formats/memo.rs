//! What tasks on one file find out about it together: each thing is made by one of them, and the others wait for it.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Cancel;
use crate::failure::Failure;

/// How often a task that waits looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// A thing that can be known about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its quantised coefficients, where it is made of such.
    Coefficients,
    /// The same, packed.
    Packed,
    /// Its pixels.
    Pixels {
        /// Every frame, or one.
        all_frames: bool,
        /// Which one, from 0.
        page: u32,
        /// Of which size: [`Decoder::variant`](super::Decoder::variant).
        variant: (u32, u32),
    },
}

/// What holds on to memory until it is dropped.
pub type Held = Box<dyn Send + Sync>;

/// Asks for so many bytes of memory; `None` where there are none to spare.
pub type Reserve = Arc<dyn Fn(u64) -> Option<Held> + Send + Sync>;

/// What is known about one file, of one account.
pub struct Memo {
    cells: Mutex<Vec<(Part, State)>>,
    changed: Condvar,
    reserve: Reserve,
}

enum State {
    /// Some task is at it.
    Making,
    Known(Arc<dyn Any + Send + Sync>, #[expect(dead_code, reason = "held for its memory")] Held),
    /// The file is at fault, whoever reads it.
    Failed(Failure),
}

/// How a task came by a thing.
enum Way {
    /// It is there.
    Found(Arc<dyn Any + Send + Sync>),
    /// This task makes it, for the others, too.
    Make(Held),
    /// There is no memory to keep it: each makes its own.
    Alone,
}

impl Memo {
    /// Nothing is known yet. What will be is kept in memory that `reserve` grants.
    pub fn new(reserve: Reserve) -> Self {
        Self { cells: Mutex::default(), changed: Condvar::new(), reserve }
    }

    /// Adds what is known already; nothing where there is no memory for its `bytes`.
    pub fn put<T: Send + Sync + 'static>(&self, part: Part, bytes: u64, known: T) {
        let Some(held) = (self.reserve)(bytes) else { return };
        let mut cells = self.lock();
        if cells.iter().all(|(other, _)| *other != part) {
            cells.push((part, State::Known(Arc::new(known), held)));
        }
    }

    /// Finds the thing, or waits for it, or makes it (`bytes` of memory): `make` runs outside of all locks. The flag says that another
    /// task made it.
    fn get<T: Send + Sync + 'static>(
        &self,
        part: Part,
        bytes: u64,
        cancel: &Cancel,
        make: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(Arc<T>, bool), Failure> {
        match self.way(part, bytes, cancel)? {
            Way::Found(known) => match known.downcast() {
                Ok(known) => Ok((known, true)),
                Err(_) => Err(Failure::internal(format!("{part:?} is of another type"))),
            },
            Way::Alone => make().map(|made| (Arc::new(made), false)),
            Way::Make(held) => {
                // Whoever waits goes on, however this ends.
                let turn = Turn { memo: self, part };
                let made = make().map(Arc::new);
                match &made {
                    Ok(known) => turn.end(Some(State::Known(Arc::clone(known) as _, held))),
                    Err(failure) if is_of_the_file(failure) => turn.end(Some(State::Failed(failure.clone()))),
                    Err(_) => drop(turn),
                }
                made.map(|made| (made, false))
            }
        }
    }

    fn way(&self, part: Part, bytes: u64, cancel: &Cancel) -> Result<Way, Failure> {
        let mut cells = self.lock();
        loop {
            match cells.iter().find(|(other, _)| *other == part).map(|(_, state)| state) {
                Some(State::Known(known, _)) => return Ok(Way::Found(Arc::clone(known))),
                Some(State::Failed(failure)) => return Err(failure.clone()),
                Some(State::Making) => {
                    cancel.check()?;
                    (cells, _) = self.changed.wait_timeout(cells, LOOK).unwrap_or_else(PoisonError::into_inner);
                }
                None => {
                    cells.push((part, State::Making));
                    drop(cells);
                    // Asked for outside of the lock: it may let go of other files.
                    let Some(held) = (self.reserve)(bytes) else {
                        drop(Turn { memo: self, part });
                        return Ok(Way::Alone);
                    };
                    return Ok(Way::Make(held));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Part, State)>> {
        // Every change is a single call of the vector, so a panicking thread leaves it whole.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(|(part, _)| *part)).finish()
    }
}

/// Whether every task on the file fails like this. A task that is stopped, or a fault of ours, says nothing about the others.
fn is_of_the_file(failure: &Failure) -> bool {
    !matches!(failure, Failure::Cancelled | Failure::TimedOut | Failure::Internal { .. })
}

/// A task makes a thing. If it does not come to an end, by a panic or because it is not wanted any more, another one takes its turn.
struct Turn<'a> {
    memo: &'a Memo,
    part: Part,
}

impl Turn<'_> {
    fn end(self, state: Option<State>) {
        let mut cells = self.memo.lock();
        if let (Some(cell), Some(state)) = (cells.iter_mut().find(|(part, _)| *part == self.part), state) {
            cell.1 = state;
        }
        drop(cells);
        self.memo.changed.notify_all();
        std::mem::forget(self);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.memo.lock().retain(|(part, _)| *part != self.part);
        self.memo.changed.notify_all();
    }
}

/// A task's view of what is known about its file.
#[derive(Debug)]
pub struct Known {
    memo: Arc<Memo>,
    found: AtomicBool,
}

impl Known {
    /// The view of a task that begins.
    pub fn new(memo: Arc<Memo>) -> Self {
        Self { memo, found: AtomicBool::new(false) }
    }

    /// What another task has found out, or what `make` gives, which others get then; it takes `bytes`.
    ///
    /// # Errors
    /// Those of `make`, of another task's too where the file is at fault; [`Failure::Cancelled`] once `cancel` is set.
    pub fn get<T: Send + Sync + 'static>(
        &self,
        part: Part,
        bytes: u64,
        cancel: &Cancel,
        make: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<Arc<T>, Failure> {
        let (known, found) = self.memo.get(part, bytes, cancel, make)?;
        self.found.fetch_or(found, Ordering::Relaxed);
        Ok(known)
    }

    /// Whether anything came from another task.
    pub fn has_found(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    const PART: Part = Part::Coefficients;

    fn memo() -> Arc<Memo> {
        Arc::new(Memo::new(Arc::new(|_| Some(Box::new(())))))
    }

    fn get(memo: &Arc<Memo>, make: impl FnOnce() -> Result<u32, Failure>) -> Result<(u32, bool), Failure> {
        memo.get(PART, 4, &Cancel::new(), make).map(|(known, found)| (*known, found))
    }

    #[test]
    fn one_makes_it_and_all_have_it() {
        let (memo, made) = (memo(), AtomicU32::new(0));
        let found: u32 = std::thread::scope(|scope| {
            let task = || {
                let (known, found) = get(&memo, || {
                    std::thread::sleep(Duration::from_millis(20));
                    Ok(made.fetch_add(1, Ordering::SeqCst) + 7)
                })
                .expect("made");
                assert_eq!(known, 7, "the one that was made");
                u32::from(found)
            };
            let tasks: Vec<_> = (0..8).map(|_| scope.spawn(task)).collect();
            tasks.into_iter().map(|task| task.join().expect("a task")).sum()
        });
        assert_eq!((made.into_inner(), found), (1, 7), "one makes it, seven find it");
    }

    #[test]
    fn a_fault_of_the_file_is_everyones_and_others_are_not() {
        let one = memo();
        assert_eq!(get(&one, || Err(Failure::invalid("damaged"))), Err(Failure::invalid("damaged")), "its own");
        assert_eq!(get(&one, || Ok(1)), Err(Failure::invalid("damaged")), "the file stays damaged");
        for failure in [Failure::Cancelled, Failure::TimedOut, Failure::internal("no descriptor")] {
            let other = memo();
            assert_eq!(get(&other, || Err(failure.clone())), Err(failure.clone()), "its own");
            assert_eq!(get(&other, || Ok(1)), Ok((1, false)), "{failure} is not the next one's");
        }
    }

    #[test]
    fn who_waits_takes_over_from_one_that_is_stopped_or_panics() {
        for panics in [false, true] {
            let memo = memo();
            let (begun, begins) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                let first = scope.spawn(|| {
                    get(&memo, || {
                        begun.send(()).expect("heard");
                        std::thread::sleep(Duration::from_millis(30));
                        assert!(!panics, "a decoder panics");
                        Err(Failure::Cancelled)
                    })
                });
                begins.recv().expect("it has begun");
                assert_eq!(get(&memo, || Ok(5)), Ok((5, false)), "the second one makes it");
                assert_eq!(first.join().ok(), (!panics).then_some(Err(Failure::Cancelled)), "the first one ends as it did");
            });
        }
    }

    #[test]
    fn a_task_that_is_not_wanted_stops_waiting() {
        let memo = memo();
        let (begun, begins) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let memo = &memo;
            let first = scope.spawn(move || {
                get(memo, || {
                    begun.send(()).expect("heard");
                    ends.recv().expect("told to end");
                    Ok(3)
                })
            });
            begins.recv().expect("it has begun");
            let cancel = Cancel::new();
            cancel.cancel();
            let stopped = memo.get(PART, 4, &cancel, || Ok(4_u32));
            assert!(matches!(stopped, Err(Failure::Cancelled)), "it does not wait for the first: {stopped:?}");
            end.send(()).expect("heard");
            assert_eq!(first.join().expect("no panic"), Ok((3, false)), "which goes on");
        });
    }

    #[test]
    fn without_memory_each_makes_its_own() {
        let memo = Arc::new(Memo::new(Arc::new(|bytes| (bytes <= 3).then(|| Box::new(()) as Held))));
        for _ in 0..2 {
            assert_eq!(get(&memo, || Ok(9)), Ok((9, false)), "nothing is kept");
        }
        memo.put(PART, 4, 1_u32);
        assert_eq!(get(&memo, || Ok(9)), Ok((9, false)), "nor by whoever has it");
        memo.put(PART, 3, 1_u32);
        assert_eq!(get(&memo, || Ok(9)), Ok((1, true)), "what fits is");
    }
}
