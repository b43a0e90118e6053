//! One test binary; one file per route or promise.

mod chaos;
mod command_line;
mod conversions;
mod errors;
mod executor;
mod jobs;
mod queue;
mod quick_start;
mod roles;
mod storage_links;
mod support;
mod tables;
