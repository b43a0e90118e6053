//! One test binary; one file per route or promise.

mod queue;
mod support;
