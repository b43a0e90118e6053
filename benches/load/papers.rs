//! Documents beside the programs that are used for them elsewhere, in turn, in one run: office files beside `soffice --convert-to`, pages as
//! pictures beside `pdftoppm`, merging beside `qpdf`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use convertfly_worker::engines::image::Runner;
use convertfly_worker::engines::media::{MediaConfig, MediaEngine};
use convertfly_worker::engines::office::Offices;
use convertfly_worker::engines::route::Router;
use convertfly_worker::engines::{self, Action, Beside, Growth, Progress, Work};
use convertfly_worker::formats::Cancel;
use convertfly_worker::pixels::Processor;
use serde_json::{Map, Value, json};

use crate::thumbnail::median;

/// Large documents in a queue.
const QUEUE: usize = 6;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose files.
    pub folder: PathBuf,
    /// Times each pair is run, after one that is not counted.
    pub rounds: usize,
    /// Only rows whose name contains this.
    pub only: Option<String>,
}

/// Medians of one pair.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done, beside whom.
    pub name: String,
    /// Milliseconds.
    pub ours_ms: f64,
    /// Milliseconds.
    pub peer_ms: f64,
    /// The peer's time over ours, round by round: above 1 we are faster.
    pub ratio: f64,
}

/// Every engine, in this process, and a runtime for it.
struct Ours {
    router: Router,
    runtime: tokio::runtime::Runtime,
}

impl Ours {
    fn new() -> anyhow::Result<Self> {
        let processor = Processor::from_env().map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let runner = Runner::InProcess(Arc::new(processor));
        let media = Arc::new(MediaEngine::new(MediaConfig::default(), runner.clone()));
        let growth = Growth::default();
        let router = Router::new(engines::all(&runner, &Offices::new(cores, growth.clone()), growth, media, cores));
        Ok(Self { router, runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()? })
    }

    fn perform(&self, action: Action, sources: &[PathBuf], to: &str, options: Value) -> anyhow::Result<Duration> {
        self.perform_into(action, sources, to, options, tempfile::tempfile()?)
    }

    fn write(&self, source: &Path, to: &str, options: Value, path: &Path) -> anyhow::Result<()> {
        let output = File::options().read(true).write(true).create_new(true).open(path)?;
        self.perform_into(Action::Convert, &[source.to_owned()], to, options, output)?;
        Ok(())
    }

    fn perform_into(
        &self,
        action: Action,
        sources: &[PathBuf],
        to: &str,
        options: Value,
        output: File,
    ) -> anyhow::Result<Duration> {
        let scratch = tempfile::tempdir()?;
        let work = work((action, to, options), sources, output, scratch.path())?;
        let start = Instant::now();
        let done = match action {
            Action::Convert => self.runtime.block_on(self.router.convert(work)),
            _ => self.runtime.block_on(self.router.perform(work)),
        };
        done.map_err(|failure| anyhow::anyhow!("{sources:?}: {failure}"))?;
        Ok(start.elapsed())
    }

    /// Converts all of them, given at once.
    fn queue(&self, sources: &[PathBuf], to: &str) -> anyhow::Result<Duration> {
        let scratch = tempfile::tempdir()?;
        let mut queue = Vec::new();
        for source in sources {
            let what = (Action::Convert, to, json!({}));
            queue.push(work(what, std::slice::from_ref(source), tempfile::tempfile()?, scratch.path())?);
        }
        let start = Instant::now();
        let done: Vec<_> = std::thread::scope(|scope| {
            let convert = |work| scope.spawn(move || self.runtime.block_on(self.router.convert(work)));
            let threads: Vec<_> = queue.into_iter().map(convert).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        for done in done {
            done.map_err(|_| anyhow::anyhow!("a thread panicked"))?.map_err(|failure| anyhow::anyhow!("{failure}"))?;
        }
        Ok(start.elapsed())
    }
}

fn work((action, to, options): (Action, &str, Value), sources: &[PathBuf], output: File, scratch: &Path) -> anyhow::Result<Work> {
    let (first, more) = sources.split_first().ok_or_else(|| anyhow::anyhow!("no source"))?;
    let format = |path: &Path| path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
    let mut beside = Vec::new();
    for path in more {
        beside.push(Beside { format: format(path), file: File::open(path)? });
    }
    Ok(Work {
        action,
        from: format(first),
        to: to.to_owned(),
        glance: None,
        input: File::open(first)?,
        beside,
        output,
        options: if let Value::Object(options) = options { options } else { Map::new() },
        test: false,
        share: None,
        scratch: scratch.to_owned(),
        progress: Progress::default(),
        cancel: Cancel::new(),
        deadline: Duration::from_secs(300),
    })
}

fn peer(program: &str, arguments: &[String]) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let status =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    anyhow::ensure!(status.success(), "{program} {arguments:?}: {status}");
    Ok(start.elapsed())
}

/// Runs both in turn.
fn compare(
    plan: &Plan,
    name: String,
    report: &mut dyn FnMut(&Row),
    ours: impl Fn() -> anyhow::Result<Duration>,
    peer: impl Fn() -> anyhow::Result<Duration>,
) -> anyhow::Result<()> {
    if plan.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
        return Ok(());
    }
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..=plan.rounds {
        let (ours, peer) = (ours()?.as_secs_f64() * 1e3, peer()?.as_secs_f64() * 1e3);
        if round > 0 {
            for (times, time) in times.iter_mut().zip([ours, peer, peer / ours]) {
                times.push(time);
            }
        }
    }
    let [ours_ms, peer_ms, ratio] = times.map(median);
    report(&Row { name, ours_ms, peer_ms, ratio });
    Ok(())
}

/// A long report as HTML and a large sheet as csv, from which the large documents are made.
fn large() -> [(&'static str, &'static str, String); 2] {
    let sentence = "The quick brown fox jumps over the lazy dog while it rains in the valley and the river rises. ";
    let row = |number: usize| format!("<tr><td>{number}</td><td>Town {number}</td><td>{}</td></tr>", number * 37 % 1_000);
    let chapter = |number: usize| {
        let prose: String = (0..12).map(|_| format!("<p>{}</p>", sentence.repeat(6))).collect();
        let rows: String = (0..20).map(row).collect();
        format!("<h2>Chapter {number}</h2>{prose}<table border=\"1\">{rows}</table>")
    };
    let report = format!("<!DOCTYPE html><meta charset=\"utf-8\"><title>t</title>{}", (1..=60).map(chapter).collect::<String>());
    let cells = |row: usize| (0..12).map(|column| format!("{}", row * 31 + column * 7)).collect::<Vec<_>>().join(",") + "\n";
    [("html", "docx", report), ("csv", "xlsx", (0..10_000).map(cells).collect())]
}

/// Measures all of it and tells each row when it is done.
///
/// # Errors
/// A program that is missing or fails, and what the engines fail with.
pub fn run(plan: &Plan, mut report: impl FnMut(&Row)) -> anyhow::Result<()> {
    let ours = Ours::new()?;
    let out = tempfile::tempdir()?;
    let text = |path: &Path| path.display().to_string();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&plan.folder)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let kind = |path: &PathBuf, kinds: &[&str]| path.extension().is_some_and(|found| kinds.iter().any(|kind| found == *kind));
    for (from, to, content) in large() {
        let (source, result) = (out.path().join(format!("large.{from}")), out.path().join(format!("large.{to}")));
        std::fs::write(&source, content)?;
        ours.write(&source, to, json!({ "detect_numbers": true }), &result)?;
        files.push(result);
    }
    for path in files.iter().filter(|path| kind(path, &["doc", "docx", "odt", "xlsx", "ods", "pptx", "ppt", "odp"])) {
        let name = format!("{} to pdf / soffice", path.file_name().unwrap_or_default().display());
        // A protected one has nothing to compare.
        if ours.perform(Action::Convert, std::slice::from_ref(path), "pdf", json!({})).is_err() {
            continue;
        }
        let profile = format!("-env:UserInstallation=file://{}", out.path().join("profile").display());
        let arguments =
            [&profile, "--headless", "--convert-to", "pdf", "--outdir", &text(out.path()), &text(path)].map(str::to_owned);
        let convert = || ours.perform(Action::Convert, std::slice::from_ref(path), "pdf", json!({}));
        compare(plan, name, &mut report, convert, || peer("soffice", &arguments))?;
    }
    for path in files.iter().filter(|path| path.starts_with(out.path())) {
        let name = format!("{QUEUE} x {} to pdf / soffice one by one", path.file_name().unwrap_or_default().display());
        let profile = format!("-env:UserInstallation=file://{}", out.path().join("profile").display());
        let arguments =
            [&profile, "--headless", "--convert-to", "pdf", "--outdir", &text(out.path()), &text(path)].map(str::to_owned);
        let one_by_one = || (0..QUEUE).map(|_| peer("soffice", &arguments)).sum();
        compare(plan, name, &mut report, || ours.queue(&vec![path.clone(); QUEUE], "pdf"), one_by_one)?;
    }
    let pdfs: Vec<PathBuf> = files.iter().filter(|path| kind(path, &["pdf"])).cloned().collect();
    for path in &pdfs {
        for (to, flag) in [("png", "-png"), ("jpg", "-jpeg")] {
            let arguments = ["-r", "150", flag, &text(path), &text(&out.path().join("page"))].map(str::to_owned);
            let name = format!("{} to {to} / pdftoppm", path.file_name().unwrap_or_default().display());
            let draw = || ours.perform(Action::Convert, std::slice::from_ref(path), to, json!({ "density": 150 }));
            compare(plan, name, &mut report, draw, || peer("pdftoppm", &arguments))?;
        }
    }
    let mut arguments = vec!["--empty".to_owned(), "--pages".to_owned()];
    arguments.extend(pdfs.iter().map(|path| text(path)));
    arguments.extend(["--".to_owned(), text(&out.path().join("merged.pdf"))]);
    let merge = || ours.perform(Action::Merge, &pdfs, "pdf", json!({}));
    compare(plan, "merge / qpdf".to_owned(), &mut report, merge, || peer("qpdf", &arguments))
}
