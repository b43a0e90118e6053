//! The throughput harness behind `convertfly bench`.
