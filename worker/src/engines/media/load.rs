//! How many threads a piece of work gets: all of them while it is alone, its share of them while others are at work or wait. Work in one thread wastes
//! nothing on threads that wait for each other, so that a queue is done soonest with a core for each piece; alone, a piece is done soonest with all.

use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module.
pub(super) struct Load {
    threads: usize,
    /// Pieces of work that are done at a time at most.
    most: usize,
    /// Pieces of work that are there, those that wait included.
    now: AtomicUsize,
}

/// A piece of work that counts for as long as this lives.
pub(super) struct Share<'a> {
    load: &'a Load,
    /// Threads for it.
    pub(super) threads: usize,
}

impl Load {
    pub(super) fn new(threads: usize, most: usize) -> Self {
        Self { threads: threads.max(1), most: most.max(1), now: AtomicUsize::new(0) }
    }

    /// Counts a piece of work and says what it gets. What runs already keeps what it has.
    pub(super) fn begin(&self) -> Share<'_> {
        let others = self.now.fetch_add(1, Ordering::Relaxed);
        // Rounded up: a core that nobody has costs more than one that two share for a while.
        Share { load: self, threads: self.threads.div_ceil((others + 1).min(self.most)) }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.load.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_is_alone_gets_all_and_a_queue_shares() {
        let load = Load::new(8, 4);
        let first = load.begin();
        assert_eq!(first.threads, 8, "alone");
        let others: Vec<_> = (0..5).map(|_| load.begin()).collect();
        let shares: Vec<_> = others.iter().map(|share| share.threads).collect();
        assert_eq!(shares, [4, 3, 2, 2, 2], "no more than four are done at a time");
        drop((first, others));
        assert_eq!(load.begin().threads, 8, "alone again");
    }
}
