//! `admin plan`.

use clap::Subcommand;
use convertfly_scheduler::plans::PLANS;
use serde_json::{Value, json};

use super::Report;

#[derive(Subcommand)]
pub(super) enum What {
    /// Show the plans with their limits.
    List,
}

pub(super) fn run(what: &What) -> Report {
    let What::List = what;
    let rows: Vec<[String; 4]> = PLANS
        .iter()
        .map(|plan| {
            [
                plan.name.to_owned(),
                plan.requests_per_minute.to_string(),
                plan.concurrent_jobs.to_string(),
                plan.waiting_jobs.to_string(),
            ]
        })
        .collect();
    let json: Value = PLANS
        .iter()
        .map(|plan| {
            json!({
                "name": plan.name,
                "requests_per_minute": plan.requests_per_minute,
                "concurrent_jobs": plan.concurrent_jobs,
                "waiting_jobs": plan.waiting_jobs,
                "custom": plan.custom,
            })
        })
        .collect();
    Report::table(["plan", "requests/min", "concurrent jobs", "waiting jobs"], &rows, json)
}
