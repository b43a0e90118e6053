//! `convertfly`: subcommands only. What they do is in the crates.

mod commands;
mod config;
mod courier;
mod doctor;
mod first_start;
mod logging;
mod retention;
mod routes;
mod webhook_settings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// File conversion for people who convert millions of files.
#[derive(Parser)]
#[command(name = "convertfly", version, about, max_term_width = 110)]
struct Arguments {
    /// Configuration file (TOML); `CONVERTFLY_*` variables go over it.
    #[arg(long, global = true, env = "CONVERTFLY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for the embedded Redis, files and the first API key.
    #[arg(long, global = true, env = "CONVERTFLY_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: API, scheduler, worker and an embedded Redis.
    Serve {
        /// Address to listen on.
        #[arg(long, env = "CONVERTFLY_LISTEN", value_name = "ADDRESS:PORT")]
        listen: Option<std::net::SocketAddr>,
    },
    /// Run the API alone; needs CONVERTFLY_REDIS_URL and shared storage.
    Api {
        /// Address to listen on.
        #[arg(long, env = "CONVERTFLY_LISTEN", value_name = "ADDRESS:PORT")]
        listen: Option<std::net::SocketAddr>,
    },
    /// Run the scheduler alone: reaps lost tasks, expires files.
    Scheduler,
    /// Run a worker node alone.
    Worker,
    /// Convert files here and now, without a server.
    Convert(commands::convert::Arguments),
    /// Show what this machine can do, and what is missing.
    Doctor {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the conversions with their prices and lanes.
    Formats {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Manage accounts, credits, keys and jobs.
    Admin(commands::admin::Arguments),
    /// Measure this machine.
    Bench {
        #[command(subcommand)]
        what: commands::bench::What,
    },
    /// Print the catalogue that is generated from the worker's tables.
    #[command(hide = true)]
    Catalog,
    /// The confined child that touches customers' images.
    #[command(hide = true)]
    ImageExecutor,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("convertfly: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Libraries that do not choose when they run are built for what every processor of the last fifteen years has.
fn check_processor() -> anyhow::Result<()> {
    #[cfg(target_arch = "x86_64")]
    anyhow::ensure!(
        is_x86_feature_detected!("sse4.1"),
        "this processor has no SSE4.1, for which ConvertFly is built: use a machine, or a virtual machine's CPU model, that has (x86-64-v2)"
    );
    Ok(())
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    check_processor()?;
    // Those that hold pixels themselves.
    if matches!(arguments.command, Command::ImageExecutor | Command::Convert(_) | Command::Bench { .. }) {
        convertfly_worker::sandbox::keep_freed_memory();
    }
    // The child starts bare: no configuration, no runtime, no log of its own.
    if let Command::ImageExecutor = arguments.command {
        return Ok(commands::executor::run());
    }
    let load = |listen| config::load(arguments.config.as_deref(), arguments.data.as_deref(), listen);
    match arguments.command {
        Command::Serve { listen } => commands::roles::serve(load(listen)?),
        Command::Api { listen } => commands::roles::api(load(listen)?),
        Command::Scheduler => commands::roles::scheduler(load(None)?),
        Command::Worker => commands::roles::worker(load(None)?),
        Command::Convert(convert) => commands::convert::run(&convert, arguments.data.as_deref()),
        Command::Doctor { json } => {
            let config = load(None)?;
            let settings = doctor::Settings {
                data: &config.data,
                redis_url: config.redis_url.as_deref(),
                cpu: &config.worker.cpu,
                gpu: &config.worker.gpu,
                media: config.worker.media.as_deref(),
                routes: config.worker.routes.as_deref(),
            };
            doctor::run(json, &settings)
        }
        Command::Formats { json } => commands::formats::run(json),
        Command::Admin(arguments) => commands::admin::run(&load(None)?, &arguments),
        Command::Bench { what } => commands::bench::run(&what, arguments.data.as_deref()),
        Command::Catalog => commands::formats::catalog(),
        Command::ImageExecutor => unreachable!("handled above"),
    }
}
