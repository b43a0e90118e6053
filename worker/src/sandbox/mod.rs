//! Children that touch customers' bytes: supervised, confined, and replaceable.
//!
//! The node calls [`Pool`]; the program that it starts calls [`serve`]. Between them is one Unix socket that carries JSON packets and
//! descriptors of open files: a child opens nothing itself, so nothing but those files is within its reach.

mod child;
mod limits;
mod lockdown;
mod pool;
mod process;
mod seccomp;
mod supervisor;
mod wire;

pub use child::{Handler, THREADS_VARIABLE, serve, threads_from_environment};
pub use lockdown::{Confinement, Layer, LockdownError, Report, lock_down};
pub use pool::{Pool, PoolConfig, PoolStats};
pub use wire::{MAX_FILES, MAX_PACKET_BYTES};

#[cfg(test)]
mod tests;
