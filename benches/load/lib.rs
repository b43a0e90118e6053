//! The throughput harness behind `convertfly bench`.

pub mod node;
pub mod papers;
pub mod peers;
pub mod scheduler;
pub mod thumbnail;
