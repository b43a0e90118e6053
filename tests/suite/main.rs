//! One test binary; one file per route or promise.

mod admin;
mod api_keys;
mod chaos;
mod command_line;
mod conversions;
mod credits;
mod errors;
mod executor;
mod exports;
mod imports;
mod jobs;
mod queue;
mod quick_start;
mod roles;
mod s3;
mod secrets;
mod ssrf;
mod storage_links;
mod support;
mod tables;
mod tus;
mod uploads;
