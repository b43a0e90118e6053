//! One test binary; one file per route or promise.

mod admin;
mod api_keys;
mod chaos;
mod command_line;
mod conversions;
mod credits;
mod errors;
mod events;
mod executor;
mod expiry;
mod files;
mod job_contract;
mod jobs;
mod lists;
mod queue;
mod quick_start;
mod roles;
mod secrets;
mod storage_links;
mod support;
mod sync_convert;
mod tables;
mod tasks;
mod waiters;
