//! One test binary; one file per route or promise.

mod admin;
mod api_keys;
mod chaos;
mod command_line;
mod conventions;
mod conversions;
mod credits;
mod errors;
mod executor;
mod idempotency;
mod jobs;
mod queue;
mod quick_start;
mod rate_limits;
mod roles;
mod secrets;
mod storage_links;
mod support;
mod tables;
mod webhook_faults;
mod webhooks;
