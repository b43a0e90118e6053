//! Documents beside the programs that are used for them elsewhere, in turn, in one run: office files beside `soffice --convert-to`, pages as
//! pictures beside `pdftoppm`, merging beside `qpdf`. `CONVERTFLY_DOCUMENTS` names a folder with the files; without it nothing is measured.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use convertfly_benches::thumbnail::median;
use convertfly_worker::engines::image::Runner;
use convertfly_worker::engines::media::{MediaConfig, MediaEngine};
use convertfly_worker::engines::office::Offices;
use convertfly_worker::engines::route::Router;
use convertfly_worker::engines::{self, Action, Beside, Progress, Work};
use convertfly_worker::formats::Cancel;
use convertfly_worker::pixels::Processor;
use serde_json::{Map, Value, json};

/// Times each pair is run, after one that is not counted.
const ROUNDS: usize = 5;

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
        let router = Router::new(engines::all(&runner, &Offices::new(cores), media, cores));
        Ok(Self { router, runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()? })
    }

    fn perform(&self, action: Action, sources: &[PathBuf], to: &str, options: Value) -> anyhow::Result<Duration> {
        let scratch = tempfile::tempdir()?;
        let (first, more) = sources.split_first().ok_or_else(|| anyhow::anyhow!("no source"))?;
        let format = |path: &Path| path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
        let mut beside = Vec::new();
        for path in more {
            beside.push(Beside { format: format(path), file: File::open(path)? });
        }
        let work = Work {
            action,
            from: format(first),
            to: to.to_owned(),
            input: File::open(first)?,
            beside,
            output: tempfile::tempfile()?,
            options: if let Value::Object(options) = options { options } else { Map::new() },
            test: false,
            scratch: scratch.path().to_owned(),
            progress: Progress::default(),
            cancel: Cancel::new(),
            deadline: Duration::from_secs(300),
        };
        let start = Instant::now();
        let done = match action {
            Action::Convert => self.runtime.block_on(self.router.convert(work)),
            _ => self.runtime.block_on(self.router.perform(work)),
        };
        done.map_err(|failure| anyhow::anyhow!("{}: {failure}", first.display()))?;
        Ok(start.elapsed())
    }
}

fn peer(program: &str, arguments: &[String]) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let status =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    anyhow::ensure!(status.success(), "{program} {arguments:?}: {status}");
    Ok(start.elapsed())
}

/// Prints both medians and the peer's time over ours: above 1 we are faster.
fn compare(
    name: &str,
    ours: impl Fn() -> anyhow::Result<Duration>,
    peer: impl Fn() -> anyhow::Result<Duration>,
) -> anyhow::Result<()> {
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        let (ours, peer) = (ours()?.as_secs_f64() * 1e3, peer()?.as_secs_f64() * 1e3);
        if round > 0 {
            for (times, time) in times.iter_mut().zip([ours, peer, peer / ours]) {
                times.push(time);
            }
        }
    }
    let [ours, peer, ratio] = times.map(median);
    println!("{name:40} ours {ours:9.1} ms   peer {peer:9.1} ms   ratio {ratio:6.2}");
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let Ok(folder) = std::env::var("CONVERTFLY_DOCUMENTS").map(PathBuf::from) else {
        println!("CONVERTFLY_DOCUMENTS names no folder with documents: nothing is measured");
        return Ok(());
    };
    let ours = Ours::new()?;
    let out = tempfile::tempdir()?;
    let text = |path: &Path| path.display().to_string();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let kind = |path: &PathBuf, kinds: &[&str]| path.extension().is_some_and(|found| kinds.iter().any(|kind| found == *kind));
    for path in files.iter().filter(|path| kind(path, &["doc", "docx", "odt", "xlsx", "ods", "pptx", "ppt", "odp"])) {
        // A protected one has nothing to compare.
        if ours.perform(Action::Convert, std::slice::from_ref(path), "pdf", json!({})).is_err() {
            continue;
        }
        let profile = format!("-env:UserInstallation=file://{}", out.path().join("profile").display());
        let arguments =
            [&profile, "--headless", "--convert-to", "pdf", "--outdir", &text(out.path()), &text(path)].map(str::to_owned);
        let name = format!("{} to pdf / soffice", path.file_name().unwrap_or_default().display());
        compare(
            &name,
            || ours.perform(Action::Convert, std::slice::from_ref(path), "pdf", json!({})),
            || peer("soffice", &arguments),
        )?;
    }
    let pdfs: Vec<PathBuf> = files.iter().filter(|path| kind(path, &["pdf"])).cloned().collect();
    for path in &pdfs {
        let arguments = ["-r", "150", "-png", &text(path), &text(&out.path().join("page"))].map(str::to_owned);
        let options = json!({ "density": 150 });
        let name = format!("{} to png / pdftoppm", path.file_name().unwrap_or_default().display());
        compare(
            &name,
            || ours.perform(Action::Convert, std::slice::from_ref(path), "png", options.clone()),
            || peer("pdftoppm", &arguments),
        )?;
    }
    let mut arguments = vec!["--empty".to_owned(), "--pages".to_owned()];
    arguments.extend(pdfs.iter().map(|path| text(path)));
    arguments.extend(["--".to_owned(), text(&out.path().join("merged.pdf"))]);
    compare("merge / qpdf", || ours.perform(Action::Merge, &pdfs, "pdf", json!({})), || peer("qpdf", &arguments))
}
