//! What a ConvertFly job is and who does what next.
//!
//! This crate holds the records, the task graph, the Redis store with its scripts, credits, storage and the embedded
//! Redis. It knows operations and formats only by name, through the generated [`catalog`]; it contains no HTTP and no
//! pixel code.

pub mod catalog;
pub mod embedded;
pub mod graph;
pub mod guard;
pub mod ids;
pub mod job;
pub mod pages;
pub mod plans;
pub mod seal;
pub mod sealed;
pub mod secret;
pub mod space;
pub mod storage;
pub mod store;
pub mod task;
pub mod upkeep;
pub mod view;
pub mod webhooks;
