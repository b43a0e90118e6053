//! One test binary; one file per route or promise.

mod admin;
mod api_keys;
mod chaos;
mod command_line;
mod contract_coverage;
mod conversions;
mod credits;
mod error_codes;
mod errors;
mod executor;
mod golden;
mod hostile_json;
mod idor;
mod jobs;
mod openapi;
mod queue;
mod quick_start;
mod roles;
mod secrets;
mod storage_links;
mod support;
mod tables;
