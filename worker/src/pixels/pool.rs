//! A pool of idle buffers by kind and size.
//!
//! What lies in the pool is clean: whoever puts a buffer back has overwritten it with zeros, so that no byte of one customer's
//! image is ever read while another's is worked on. A buffer whose cleaning is not certain is dropped instead.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle buffers of type `B` and kind `K`.
#[derive(Debug)]
pub(crate) struct Pool<K, B> {
    idle: Mutex<VecDeque<Idle<K, B>>>,
    /// Bytes that are kept: at least, at most, and at the moment.
    least: u64,
    most: u64,
    limit: AtomicU64,
}

#[derive(Debug)]
struct Idle<K, B> {
    kind: K,
    size: u64,
    buffer: B,
}

impl<K: PartialEq, B> Pool<K, B> {
    /// A pool that keeps at most `least` bytes, or up to `most` where work that takes more comes again and again ([`Pool::expect`]).
    pub(crate) fn new(least: u64, most: u64) -> Self {
        Self { idle: Mutex::new(VecDeque::new()), least, most: most.max(least), limit: AtomicU64::new(least) }
    }

    /// Work comes that takes so many bytes at once: they are worth keeping, within limits.
    pub(crate) fn expect(&self, bytes: u64) {
        self.limit.fetch_max(bytes.min(self.most), Ordering::Relaxed);
    }

    /// Memory is short: drops every idle buffer, and keeps no more than the least from now on.
    pub(crate) fn shrink(&self) {
        self.limit.store(self.least, Ordering::Relaxed);
        drop(self.drain());
    }

    /// A buffer of that kind with at least `size` bytes and less than twice as many, so that small images do not hold large ones'
    /// memory.
    pub(crate) fn take(&self, kind: &K, size: u64) -> Option<B> {
        let mut idle = self.lock();
        let fitting = idle
            .iter()
            .enumerate()
            .filter(|(_, idle)| idle.kind == *kind && idle.size >= size && idle.size < size.saturating_mul(2));
        let (index, _) = fitting.min_by_key(|(_, idle)| idle.size)?;
        idle.remove(index).map(|idle| idle.buffer)
    }

    /// Puts a clean buffer back; the ones that have lain longest go where the limit is passed.
    pub(crate) fn put(&self, kind: K, size: u64, buffer: B) {
        let mut idle = self.lock();
        idle.push_back(Idle { kind, size, buffer });
        while idle.iter().map(|idle| idle.size).sum::<u64>() > self.limit.load(Ordering::Relaxed) {
            idle.pop_front();
        }
    }

    /// Hands out every idle buffer.
    pub(crate) fn drain(&self) -> Vec<(u64, B)> {
        self.lock().drain(..).map(|idle| (idle.size, idle.buffer)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Idle<K, B>>> {
        // Every change is a single call of the deque, so a panicking thread leaves it whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The size to allocate for `size` bytes: one of four steps between powers of two, so that buffers are used again for images of
/// about the same size; at least 256.
pub(crate) fn size_class(size: u64) -> u64 {
    let step = (size.max(256).next_power_of_two() / 8).max(256);
    size.max(256).next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_taken_by_kind_and_the_closest_size() {
        let pool = Pool::new(10_000, 10_000);
        pool.put("storage", 1000, 'a');
        pool.put("storage", 700, 'b');
        pool.put("staging", 600, 'c');
        assert_eq!(pool.take(&"storage", 600), Some('b'), "the smallest that is large enough");
        assert_eq!(pool.take(&"storage", 300), None, "1000 bytes are too many for 300");
        assert_eq!(pool.take(&"storage", 1001), None, "1000 bytes are too few for 1001");
        assert_eq!(pool.take(&"storage", 1000), Some('a'), "exactly as large");
        assert_eq!(pool.take(&"storage", 1000), None, "taken is gone");
    }

    #[test]
    fn the_oldest_go_when_the_limit_is_passed() {
        let pool = Pool::new(250, 250);
        for (index, size) in [100, 100, 100].into_iter().enumerate() {
            pool.put((), size, index);
        }
        let left: Vec<_> = pool.drain().into_iter().map(|(_, buffer)| buffer).collect();
        assert_eq!(left, [1, 2], "the first one was dropped");
    }

    #[test]
    fn what_comes_again_is_kept_within_limits_until_memory_is_short() {
        let pool = Pool::new(250, 450);
        pool.expect(600);
        let fill = || (0..6).for_each(|index| pool.put((), 100, index));
        fill();
        assert_eq!(pool.lock().len(), 4, "as much as there may be at most");
        pool.expect(100);
        fill();
        assert_eq!(pool.lock().len(), 4, "less work does not take it away");
        pool.shrink();
        assert_eq!(pool.lock().len(), 0, "memory is short");
        fill();
        assert_eq!(pool.lock().len(), 2, "as at first");
    }

    #[test]
    fn size_classes_waste_at_most_a_quarter_and_are_aligned() {
        for size in (1..200_000).step_by(7).chain([1 << 30, (1 << 30) + 1]) {
            let class = size_class(size);
            assert!(class >= size && class.is_multiple_of(256), "{size} -> {class}");
            assert!(size < 2048 || class <= size + size / 4, "{size} -> {class} wastes too much");
            assert_eq!(size_class(class), class, "a class is its own class");
        }
    }
}
