//! The throughput harness behind `convertfly bench`.

pub mod peers;
pub mod scheduler;
pub mod thumbnail;
