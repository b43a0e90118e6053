//! `admin`: what operators do to accounts, credits, keys, jobs and webhooks. Every command prints for people, or JSON with `--json`.

mod account;
mod connect;
mod credits;
mod job;
mod key;
mod plan;
mod webhook;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use convertfly_scheduler::store::{Account, Store, StoreError};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::Config;

/// `admin`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make, list and change accounts.
    #[command(subcommand)]
    Account(account::What),
    /// Top accounts up, and read their ledgers.
    #[command(subcommand)]
    Credits(credits::What),
    /// Make, list and revoke API keys.
    #[command(subcommand)]
    Key(key::What),
    /// Look at jobs, cancel and delete them.
    #[command(subcommand)]
    Job(job::What),
    /// Look at webhooks, stop them, and send again.
    #[command(subcommand)]
    Webhook(webhook::What),
    /// Show the plans.
    #[command(subcommand)]
    Plan(plan::What),
}

/// What a command has to say: to people, and to programs.
struct Report {
    text: String,
    json: Value,
}

impl Report {
    fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json }
    }

    /// Rows under their heads, in columns.
    fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]], json: Value) -> Self {
        let mut widths = heads.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: [&str; N]| {
            let cells: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        };
        let lines: Vec<String> =
            std::iter::once(line(heads)).chain(rows.iter().map(|row| line(row.each_ref().map(String::as_str)))).collect();
        Self { text: lines.join("\n"), json }
    }
}

/// Does what is asked against the store of `config`.
pub(crate) fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(async {
        // The plans are the program's own: no store is needed to show them.
        if let What::Plan(what) = &arguments.what {
            return Ok(plan::run(what));
        }
        let connection = connect::open(config).await?;
        let report = carry_out(&connection.store, config, &arguments.what).await;
        connection.close().await;
        report
    })?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report.json)?)?;
    } else {
        writeln!(out, "{}", report.text)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn carry_out(store: &Store, config: &Config, what: &What) -> anyhow::Result<Report> {
    match what {
        What::Account(what) => account::run(store, config, what).await,
        What::Credits(what) => credits::run(store, what).await,
        What::Key(what) => key::run(store, what).await,
        What::Job(what) => job::run(store, config, what).await,
        What::Webhook(what) => webhook::run(store, what).await,
        What::Plan(what) => Ok(plan::run(what)),
    }
}

/// The account of that name or identifier.
async fn account(store: &Store, name: &str) -> anyhow::Result<Account> {
    match store.account_named(name).await {
        Ok(account) => Ok(account),
        Err(StoreError::NotFound) => {
            bail!("there is no account `{name}`; `convertfly admin account list` shows those that there are")
        }
        Err(error) => Err(error).context("the account could not be read"),
    }
}

/// Unix milliseconds as RFC 3339 in UTC, whole seconds.
fn timestamp(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}
