//! The confined child that converts video and audio: the only program of ConvertFly that links FFmpeg.
//!
//! A node starts it, hands it work as JSON with the files as open descriptors, and gets JSON back. It opens nothing itself and has no
//! network. By hand only `convertfly-media probe` is of use: it says which encoders work on this machine.

mod coder;
mod containers;
mod copier;
mod decoder;
mod drivers;
mod encoders;
mod encoding;
mod facts;
mod fault;
mod files;
mod filters;
mod geometry;
mod gif;
mod job;
mod log;
mod loudness;
mod mark;
mod measure;
mod merge;
#[cfg(feature = "nvenc")]
mod nvenc;
mod optimize;
mod options;
mod pictures;
mod probe;
mod sink;
mod source;
mod still;
mod subtitles;
mod tags;
mod transcode;

use std::cell::Cell;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use convertfly_sandbox::{Cancel, Confinement, Failure};
use serde_json::Value;

use crate::job::{Action, Job, Made, Surroundings};

/// Bytes of address space: room for pictures of the largest size in the queues of a decoder and an encoder.
const ADDRESS_SPACE: u64 = 8 << 30;

/// Bytes of the largest result.
const FILE_SIZE: u64 = 5 << 30;

/// Descriptors: the files of a task, of which a merge has many, some of them duplicated for a reader with a position of its own.
const OPEN_FILES: u64 = 64 + convertfly_sandbox::MAX_FILES as u64;

fn main() -> ExitCode {
    // SVT-AV1 describes itself and every task on standard error unless it is told to name errors only.
    // SAFETY: nothing else runs yet, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var("SVT_LOG", "1") };
    if let Err(error) = ffmpeg_next::init() {
        eprintln!("FFmpeg cannot start: {error}");
        return ExitCode::FAILURE;
    }
    log::keep_errors();
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => child(Vec::new()),
        ["devices", encoders @ ..] => {
            // What a driver is made of is loaded while files are within reach. One that does not open now is refused again when it is asked for.
            for encoder in encoders::VIDEO.iter().filter(|encoder| encoders.contains(&encoder.name)) {
                let _ = probe::attempt_and_keep(encoder);
            }
            child(probe::devices())
        }
        ["probe"] => report(&probe::report(|_| true)),
        ["probe", "hardware"] => report(&probe::report(|encoder| encoder.hardware)),
        _ => {
            eprintln!(
                "usage: convertfly-media probe [hardware]\nA worker node starts it without an argument, or with `devices`."
            );
            ExitCode::FAILURE
        }
    }
}

fn report(report: &Value) -> ExitCode {
    println!("{report:#}");
    ExitCode::SUCCESS
}

/// The devices are all that it can open, and none for most.
fn child(devices: Vec<PathBuf>) -> ExitCode {
    let confinement = Confinement {
        address_space: Some(ADDRESS_SPACE),
        file_size: FILE_SIZE,
        open_files: OPEN_FILES,
        gpu: !devices.is_empty(),
        devices,
    };
    let handler = |job: Value, files: Vec<File>, cancel: &Cancel| {
        let job: Job = serde_json::from_value(job).map_err(Failure::internal)?;
        let progress = convertfly_sandbox::progress();
        let made = run(&job, files, cancel, &|share| progress.report(share))?;
        serde_json::to_value(made).map_err(Failure::internal)
    };
    convertfly_sandbox::serve(convertfly_sandbox::threads_from_environment(), &confinement, Arc::new(handler))
}

/// Does a piece of work. Its files are the input, the socket on which parts of it are asked for if it is not all there, those beside it, and the
/// output.
fn run(job: &Job, mut files: Vec<File>, cancel: &Cancel, progress: &dyn Fn(f64)) -> Result<Made, Failure> {
    let missing = || Failure::internal("a job without its files");
    let mut output = files.pop().ok_or_else(missing)?;
    let socket = if job.parts && files.len() > 1 { Some(files.remove(1)) } else { None };
    if files.len() != job.beside.len() + 1 {
        return Err(Failure::internal(format!("{} files beside the input, not {}", files.len(), job.beside.len())));
    }
    let mut beside = files.split_off(1);
    let input = files.pop().ok_or_else(missing)?;
    let partial = socket.map(|socket| files::Partial::begin(&input, socket)).transpose();
    let _partial = partial.map_err(Failure::internal)?;
    let container = |name: &str| containers::by_name(name).ok_or_else(|| job::unknown(name));
    let from = container(&job.from)?;
    // What is tried several times is told once.
    let told = Cell::new(0.0);
    let forward = |share: f64| {
        if share > told.replace(share.max(told.get())) {
            progress(share);
        }
    };
    let around = Surroundings { cancel, progress: &forward };
    filters::use_threads(job.threads());
    // Lines of the task before are nobody's business.
    log::take();
    match (job.action, job.to.as_str()) {
        (Action::Metadata, _) => {
            let made = facts::run(from, &input, job.measures_loudness, cancel)?;
            let text = serde_json::to_vec_pretty(&made.metadata).map_err(Failure::internal)?;
            output.set_len(0).map_err(Failure::internal)?;
            std::io::Write::write_all(&mut output, &text).map_err(Failure::internal)?;
            Ok(made)
        }
        (Action::Measure, _) => measure::run(from, &input, cancel),
        (Action::Convert, "png") => still::run(job, from, &input, &mut output, &around),
        (Action::Convert, to @ ("gif" | "webp")) => gif::run(job, (from, container(to)?), &input, &output, &around),
        (Action::Convert, to) => transcode::run(job, (from, container(to)?), &input, &output, &around),
        (Action::Watermark, to) => {
            let mut drawing = beside.pop().ok_or_else(missing)?;
            let mark = mark::Mark::read(&mut drawing)?.map(Rc::new);
            let job = Job { mark, ..job.clone() };
            transcode::run(&job, (from, container(to)?), &input, &output, &around)
        }
        (Action::Merge, to) => {
            let formats = std::iter::once(&job.from).chain(&job.beside);
            let clips = formats.zip(std::iter::once(input).chain(beside));
            let clips = clips.map(|(format, file)| Ok((container(format)?, file))).collect::<Result<Vec<_>, Failure>>()?;
            merge::run(job, clips, container(to)?, &output, &around)
        }
        (Action::Optimize, _) => optimize::run(job, from, &input, &output, &around),
    }
}
