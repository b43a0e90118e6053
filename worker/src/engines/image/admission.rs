//! Memory permits: images wait for room by the bytes that their headers predict, not by their number.
//!
//! The executor runs a task on every core. Two of the largest images allowed may be more than the machine holds where a
//! hundred thumbnails are not, so each task takes a permit for what it will need before it decodes a pixel.

use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::decodes::Decodes;
use crate::cores::away;
use crate::failure::Failure;
use crate::formats::Cancel;

/// How often a waiting task looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Budget where the machine does not say how much memory it has: 2 GiB.
const FALLBACK: u64 = 2 << 30;

/// A budget of bytes that tasks share.
pub struct Memory {
    total: u64,
    free: Mutex<u64>,
    freed: Condvar,
    /// Gives back what is only kept in case somebody asks for it again.
    relief: fn(),
}

/// Bytes that a task may use until this is dropped.
pub struct Permit<'a> {
    memory: &'a Memory,
    bytes: u64,
}

impl Memory {
    /// A budget of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self { total, free: Mutex::new(total), freed: Condvar::new(), relief: || () }
    }

    /// The whole budget, bytes.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// This process' budget: half of what was available when it was first asked for. The executor asks before it locks itself
    /// in, since `/proc` is out of its reach afterwards.
    pub fn of_process() -> &'static Self {
        static MEMORY: OnceLock<Memory> = OnceLock::new();
        MEMORY.get_or_init(|| Self {
            relief: || Decodes::of_process().let_go(),
            ..Self::new(available().map_or(FALLBACK, |bytes| bytes / 2))
        })
    }

    /// The bytes, where they are free right now.
    pub(super) fn try_acquire(&self, bytes: u64) -> Option<Permit<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(bytes)?;
        Some(Permit { memory: self, bytes })
    }

    /// Waits until `bytes` are free. A task that needs more than the whole budget gets all of it, alone.
    ///
    /// # Errors
    /// [`Failure::Cancelled`] once `cancel` is set.
    pub fn acquire(&self, bytes: u64, cancel: &Cancel) -> Result<Permit<'_>, Failure> {
        let bytes = bytes.min(self.total);
        if let Some(permit) = self.try_acquire(bytes) {
            return Ok(permit);
        }
        (self.relief)();
        // Without its core, which those need that have memory and are to give it back.
        away(cancel, || {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            while *free < bytes {
                cancel.check()?;
                (free, _) = self.freed.wait_timeout(free, LOOK).unwrap_or_else(PoisonError::into_inner);
            }
            *free -= bytes;
            Ok(Permit { memory: self, bytes })
        })
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.memory.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.memory.freed.notify_all();
    }
}

/// `MemAvailable` of `/proc/meminfo`, in bytes (the file counts in KiB).
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_budget_is_never_exceeded() {
        let (memory, used, most) = (Memory::new(100), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [60, 60, 30, 30, 250, 10, 60, 40] {
                let (memory, used, most) = (&memory, &used, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let permit = memory.acquire(bytes, &Cancel::new()).expect("not cancelled");
                        most.fetch_max(used.fetch_add(permit.bytes, Ordering::SeqCst) + permit.bytes, Ordering::SeqCst);
                        std::thread::yield_now();
                        used.fetch_sub(permit.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        let most = most.into_inner();
        assert!(most <= 100 && most > 60, "several ran together, never beyond the budget: {most}");
        assert_eq!(*memory.free.lock().expect("free"), 100, "every permit came back");
    }

    #[test]
    fn a_cancelled_wait_ends() {
        let memory = Memory::new(10);
        let _all = memory.acquire(10, &Cancel::new()).expect("all of it");
        let cancel = Cancel::new();
        cancel.cancel();
        assert!(matches!(memory.acquire(1, &cancel), Err(Failure::Cancelled)), "it does not wait for ever");
    }
}
