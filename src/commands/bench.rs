//! `bench`: measures this machine with the harness in `benches/`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use convertfly_benches::machine::Watch;
use convertfly_benches::{calibrate, codecs, gpu as on_gpu, kernels, node, papers, peers, readme, scheduler, thumbnail};
use convertfly_worker::pixels::{CpuLevel, GpuPolicy};

use crate::config::Config;
use crate::routes;

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
        /// Leave out how soon a task starts.
        #[arg(long)]
        no_start: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Each kernel at each level of instructions and on the GPU, beside other crates.
    Kernels {
        /// Only kernels whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// Counted rounds.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Sizes of the pictures.
        #[arg(long, value_name = "WIDTHxHEIGHT", value_delimiter = ',', value_parser = size, default_value = "640x480,4000x3000")]
        sizes: Vec<(u32, u32)>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Decoding and encoding by format, beside other libraries.
    Codecs {
        /// A folder with pictures, those below it too; without it one is generated.
        folder: Option<PathBuf>,
        /// Only this format.
        #[arg(long)]
        only: Option<String>,
        /// Counted rounds.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Size of the picture that is generated.
        #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, default_value = "2048x1536")]
        size: (u32, u32),
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Find out what is worth sending to the GPU of this machine and how much it does best at once, and write the table of it.
    Calibrate {
        /// Where the table goes; default: routes.json in the data folder, where the worker looks for it.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Megapixels of the largest picture.
        #[arg(long, default_value_t = 50)]
        megapixels: u32,
        /// Counted rounds.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the performance section of a README out of the JSON of runs.
    Report {
        /// The folder with peers.json, node.json, scheduler.json, queue.json and thumbnail.json, those that there are.
        folder: PathBuf,
        /// The file that holds the section; without it, it is printed.
        #[arg(long)]
        readme: Option<PathBuf>,
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
        /// The folder with what other benches have written, as for `report`: rows of the targets that are theirs are told out of it.
        #[arg(long)]
        runs: Option<PathBuf>,
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

/// `WIDTHxHEIGHT`.
fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides
        .filter(|&(width, height)| width > 0 && height > 0)
        .ok_or_else(|| "a size is WIDTHxHEIGHT, for example 640x480".to_owned())
}

fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// The policy of the environment; a hardware GPU is used for all of a measurement, where there is one.
fn gpu() -> anyhow::Result<GpuPolicy> {
    GpuPolicy::from_env().map_err(|failure| anyhow!("{failure}"))
}

/// Writes a table so that whoever reads it meanwhile finds the old one or the new one.
fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fail = || format!("{} cannot be written", path.display());
    std::fs::create_dir_all(folder).with_context(fail)?;
    let mut file = tempfile::Builder::new().prefix(".routes").tempfile_in(folder).with_context(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).with_context(fail)?;
    file.persist(path).with_context(fail)?;
    Ok(())
}

/// Rows of the targets that are no pictures one by one: a GPU, measured here where there is one, and what other benches have written.
fn others(photo: &Path, runs: Option<&Path>, rounds: usize) -> anyhow::Result<()> {
    println!();
    let plan = on_gpu::Plan { gpu: gpu()?, photo: Some(std::fs::read(photo)?), photos: 96, rounds: rounds.min(3) };
    on_gpu::run(&plan, |row| println!("{}", on_gpu::line(row)))?;
    let runs = runs.map(readme::Runs::read).transpose()?.unwrap_or_default();
    readme::targets::lines(&runs).iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Measures and prints. `data` is the data folder, where it is not the default one.
pub(crate) fn run(what: &What, data: Option<&Path>) -> anyhow::Result<ExitCode> {
    match what {
        What::Kernels { only, rounds, sizes, json: as_json } => {
            let plan = kernels::Plan { sizes: sizes.clone(), rounds: *rounds, only: only.clone(), gpu: gpu()? };
            let watch = Watch::start();
            let report = kernels::run(&plan, |row| {
                if !as_json {
                    print!("{}", kernels::table(row));
                }
            })?;
            let measured = watch.end(report);
            if *as_json {
                json(&measured)?;
            } else {
                measured.report.batches.iter().for_each(|row| println!("\n{}", on_gpu::line(row)));
                println!("\n{}", measured.run.line());
                if let Some(why) = measured.report.no_gpu {
                    println!("no GPU: {why}");
                }
            }
        }
        What::Codecs { folder, only, rounds, size, json: as_json } => {
            let plan = codecs::Plan { folder: folder.clone(), size: *size, rounds: *rounds, only: only.clone() };
            let watch = Watch::start();
            let rows = codecs::run(&plan, |row| {
                if !as_json {
                    print!("{}", codecs::table(row));
                }
            })?;
            let measured = watch.end(rows);
            if *as_json { json(&measured)? } else { println!("\n{}", measured.run.line()) }
        }
        What::Calibrate { out, megapixels, rounds, json: as_json } => {
            let level = CpuLevel::from_env().map_err(|failure| anyhow!("{failure}"))?;
            let plan = calibrate::Plan { gpu: gpu()?, level, megapixels: *megapixels, rounds: *rounds };
            let calibrated = calibrate::run(plan, |at| eprintln!("{at} …"))?;
            let path = out.clone().unwrap_or_else(|| routes::default_path(data.unwrap_or(&Config::default().data)));
            write_whole(&path, &serde_json::to_string_pretty(&calibrated.routes)?)?;
            if *as_json {
                json(&calibrated.routes)?
            } else {
                print!("{}", calibrate::table(&calibrated))
            }
            eprintln!("written to {}", path.display());
        }
        What::Report { folder, readme: file } => {
            let section = readme::section(&readme::Runs::read(folder)?);
            match file {
                None => println!("{section}"),
                Some(path) => {
                    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
                    let text = readme::replaced(&text, &section).with_context(|| path.display().to_string())?;
                    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
                }
            }
        }
        What::Scheduler { jobs, concurrency, appendfsync, no_start, json: as_json } => {
            let watch = Watch::start();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let mut reports = Vec::new();
            for tasks in [1, 3] {
                let load = scheduler::Load { jobs: *jobs, concurrency: *concurrency, tasks, batch: 32, start: !no_start };
                reports.push(runtime.block_on(scheduler::run(load, appendfsync))?);
            }
            if *as_json {
                json(&watch.end(reports))?;
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
            for start in reports.iter().flat_map(|report| &report.start) {
                let scheduler::Start { appendfsync, rate, p50, p99, max } = start;
                println!(
                    "from submit to start at {rate:.0} jobs/s, appendfsync {appendfsync}: p50 {p50:.2} ms, p99 {p99:.2} ms, at most {max:.1} ms"
                );
            }
        }
        What::Node { corpus, jobs, renditions, in_flight, rate, peer, html, json: as_json } => {
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
            let watch = Watch::start();
            let report = node::run(&plan, |done, _| bar.set_position(done as u64))?;
            bar.finish_and_clear();
            if let Some(path) = html {
                std::fs::write(path, node::report::html(&report))?;
            }
            if *as_json {
                json(&watch.end(report))?;
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
        What::Peers { photo, peers, runs, rounds, only, form } => {
            let plan = peers::Plan { photo: photo.clone(), peers: peers.clone(), rounds: *rounds, only: only.clone() };
            let watch = Watch::start();
            let outcomes = peers::run(&plan, |outcome| match form {
                Form::Table => print!("{}", peers::report::table(outcome)),
                _ => eprintln!("{} is done", outcome.row.name),
            })?;
            match form {
                Form::Table if only.is_none() => others(photo, runs.as_deref(), *rounds)?,
                Form::Table => {}
                Form::Markdown => print!("{}", peers::report::markdown(&outcomes, &peers::report::machine())),
                Form::Json => json(&watch.end(outcomes))?,
            }
        }
        What::Thumbnail { photo, rounds, json: as_json } => {
            let watch = Watch::start();
            let report = thumbnail::run(&std::env::current_exe()?, photo, *rounds)?;
            if *as_json {
                json(&watch.end(report))?;
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
