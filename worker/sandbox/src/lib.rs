//! Children that touch customers' bytes: supervised, confined, and replaceable; how work in them fails and how it is stopped.
//!
//! A crate of its own, without pixels or network, so that the program of a child links what it needs and nothing else.
//!
//! The node calls [`Pool`]; the program that it starts calls [`serve`]. Between them is one Unix socket that carries JSON packets and
//! descriptors of open files: a child opens nothing itself, so nothing but those files is within its reach.

mod cancel;
mod child;
mod failure;
mod growth;
mod limits;
mod lockdown;
mod memory;
pub mod parts;
mod pool;
mod process;
mod progress;
mod seccomp;
mod settled;
mod singles;
mod supervisor;
mod wire;

pub use cancel::Cancel;
pub use child::{Handler, THREADS_VARIABLE, is_child, progress, serve, serve_in_jail, threads_from_environment};
pub use failure::Failure;
pub use growth::Growth;
pub use lockdown::{Confinement, Layer, LockdownError, Report, lock_down};
pub use memory::keep_freed_memory;
pub use pool::{Pool, PoolConfig, PoolStats};
pub use process::spawn;
pub use progress::Progress;
pub use settled::is_settled;
pub use singles::{Singles, Turn};
pub use wire::{MAX_FILES, MAX_PACKET_BYTES};

#[cfg(test)]
mod tests;
