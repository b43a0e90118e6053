//! One test binary; one file per route or promise.
fn main() {}
