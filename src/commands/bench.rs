//! `bench`: measures this machine with the harness in `benches/`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use convertfly_benches::{node, papers, peers, scheduler, thumbnail};

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum What {
    /// Redis round trips, commands and microseconds per job.
    Scheduler {
        /// Jobs per round.
        #[arg(long, default_value_t = 5000)]
        jobs: usize,
        /// Calls in flight at once.
        #[arg(long, default_value_t = 64)]
        concurrency: usize,
        /// How Redis writes its file: always, everysec or no.
        #[arg(long, default_value = "always")]
        appendfsync: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// A whole node under load: a folder of pictures, a mix of work, closed or open loop.
    Node {
        /// A folder with pictures; those below it, too.
        corpus: PathBuf,
        /// Jobs.
        #[arg(long, default_value_t = 1000)]
        jobs: usize,
        /// Five sizes of each picture in one job, instead of the mix.
        #[arg(long)]
        renditions: bool,
        /// Jobs in flight at once (closed loop).
        #[arg(long, default_value_t = 16)]
        in_flight: usize,
        /// Jobs a second, whatever the node does (open loop).
        #[arg(long, conflicts_with = "in_flight")]
        rate: Option<f64>,
        /// The folder with sharp and BullMQ, to do the same work afterwards: benches/peers/queue, after `npm ci` there.
        #[arg(long)]
        peer: Option<PathBuf>,
        /// Write a page with plots here.
        #[arg(long)]
        html: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Documents beside soffice, pdftoppm and qpdf: every file of a folder, and two large ones that are made here.
    Papers {
        /// A folder with documents.
        folder: PathBuf,
        /// Counted rounds.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Only rows whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// Print the table of a README.
        #[arg(long)]
        markdown: bool,
    },
    /// Pictures beside sharp, pyvips and Pillow, every row of the targets (benches/peers/images/setup.sh installs them).
    Peers {
        /// A JPEG of a camera.
        photo: PathBuf,
        /// The folder with the peers.
        #[arg(long, default_value = "benches/peers/images")]
        peers: PathBuf,
        /// Counted rounds.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Only rows whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Form::Table)]
        form: Form,
    },
    /// One photo to an 800 px WebP against vipsthumbnail, as whole processes in turn.
    Thumbnail {
        /// A JPEG of a camera.
        photo: PathBuf,
        /// Counted rounds.
        #[arg(long, default_value_t = 9)]
        rounds: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// For the terminal, row by row as they are done.
    Table,
    /// For a README.
    Markdown,
    /// For programs.
    Json,
}

/// Measures and prints.
pub(crate) fn run(what: &What) -> anyhow::Result<ExitCode> {
    match what {
        What::Scheduler { jobs, concurrency, appendfsync, json } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let mut reports = Vec::new();
            for tasks in [1, 3] {
                let load = scheduler::Load { jobs: *jobs, concurrency: *concurrency, tasks, batch: 32 };
                reports.push(runtime.block_on(scheduler::run(load, appendfsync))?);
            }
            if *json {
                println!("{}", serde_json::to_string_pretty(&reports)?);
                return Ok(ExitCode::SUCCESS);
            }
            println!("appendfsync {appendfsync}, {jobs} jobs, {concurrency} calls in flight; per job:");
            println!("{:<22} {:>10} {:>12} {:>12} {:>10}", "", "jobs/s", "Redis µs", "round trips", "commands");
            for report in &reports {
                for (name, phase) in [("submit", report.submit), ("work", report.work)] {
                    let label = format!("{} task(s), {name}", report.tasks);
                    let (us, trips) = (phase.redis_us, phase.round_trips);
                    println!("{label:<22} {:>10.0} {us:>12.1} {trips:>12.2} {:>10.1}", phase.jobs_per_second, phase.commands);
                }
            }
        }
        What::Node { corpus, jobs, renditions, in_flight, rate, peer, html, json } => {
            let plan = node::Plan {
                program: std::env::current_exe()?,
                corpus: corpus.clone(),
                mix: if *renditions { node::RENDITIONS } else { node::MIX },
                jobs: *jobs,
                in_flight: *in_flight,
                rate: *rate,
                peer: peer.clone(),
            };
            let bar = indicatif::ProgressBar::new(*jobs as u64);
            let report = node::run(&plan, |done, _| bar.set_position(done as u64))?;
            bar.finish_and_clear();
            if let Some(path) = html {
                std::fs::write(path, node::report::html(&report))?;
            }
            if *json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print!("{}", node::report::table(&report));
            }
        }
        What::Papers { folder, rounds, only, markdown } => {
            let plan = papers::Plan { folder: folder.clone(), rounds: *rounds, only: only.clone() };
            if *markdown {
                println!("| | ours | peer | peer / ours |\n|---|---|---|---|");
            }
            papers::run(&plan, |row| {
                let papers::Row { name, ours_ms, peer_ms, ratio } = row;
                if *markdown {
                    println!("| {name} | {ours_ms:.0} ms | {peer_ms:.0} ms | {ratio:.1} |");
                } else {
                    println!("{name:44} ours {ours_ms:9.1} ms   peer {peer_ms:9.1} ms   ratio {ratio:6.2}");
                }
            })?;
        }
        What::Peers { photo, peers, rounds, only, form } => {
            let plan = peers::Plan { photo: photo.clone(), peers: peers.clone(), rounds: *rounds, only: only.clone() };
            let outcomes = peers::run(&plan, |outcome| match form {
                Form::Table => print!("{}", peers::report::table(outcome)),
                _ => eprintln!("{} is done", outcome.row.name),
            })?;
            match form {
                Form::Table => {}
                Form::Markdown => print!("{}", peers::report::markdown(&outcomes, &peers::report::machine())),
                Form::Json => println!("{}", serde_json::to_string_pretty(&outcomes)?),
            }
        }
        What::Thumbnail { photo, rounds, json } => {
            let report = thumbnail::run(&std::env::current_exe()?, photo, *rounds)?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&report)?);
                return Ok(ExitCode::SUCCESS);
            }
            for (name, side) in [("convertfly", &report.ours), ("vipsthumbnail", &report.peer)] {
                let (wall, cpu) = (thumbnail::median(side.wall_ms.clone()), thumbnail::median(side.cpu_ms.clone()));
                println!("{name:<14} wall {wall:>7.1} ms   processor {cpu:>7.1} ms   {:>8} bytes", side.bytes);
            }
            println!(
                "vipsthumbnail / convertfly: wall {:.2}, processor {:.2} (above 1: we are faster)",
                report.wall_ratio, report.cpu_ratio
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
