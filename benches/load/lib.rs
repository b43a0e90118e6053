//! The throughput harness behind `convertfly bench`.

pub mod scheduler;
pub mod thumbnail;
