//! The confined child that converts video and audio: the only program of ConvertFly that links FFmpeg.
//!
//! A node starts it, hands it work as JSON with the files as open descriptors, and gets JSON back. It opens nothing itself and has no
//! network. By hand only `convertfly-media probe` is of use: it says which encoders work on this machine.

mod coder;
mod containers;
mod copier;
mod decoder;
mod encoders;
mod facts;
mod fault;
mod files;
mod filters;
mod geometry;
mod gif;
mod job;
mod log;
mod options;
mod pictures;
mod probe;
mod sink;
mod source;
mod still;
mod transcode;

use std::fs::File;
use std::process::ExitCode;
use std::sync::Arc;

use convertfly_sandbox::{Cancel, Confinement, Failure};
use serde_json::Value;

use crate::job::{Action, Job, Made, Surroundings};

/// Bytes of address space: room for pictures of the largest size in the queues of a decoder and an encoder.
const ADDRESS_SPACE: u64 = 8 << 30;

/// Bytes of the largest result.
const FILE_SIZE: u64 = 5 << 30;

/// Descriptors: two files a task, each duplicated for a reader with a position of its own.
const OPEN_FILES: u64 = 64;

fn main() -> ExitCode {
    // SVT-AV1 describes itself and every task on standard error unless it is told to name errors only.
    // SAFETY: nothing else runs yet, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var("SVT_LOG", "1") };
    if let Err(error) = ffmpeg_next::init() {
        eprintln!("FFmpeg cannot start: {error}");
        return ExitCode::FAILURE;
    }
    log::keep_errors();
    match std::env::args().nth(1).as_deref() {
        None => child(),
        Some("probe") => {
            println!("{:#}", probe::report());
            ExitCode::SUCCESS
        }
        Some(_) => {
            eprintln!("usage: convertfly-media probe\nWithout an argument it is the child of a worker node.");
            ExitCode::FAILURE
        }
    }
}

fn child() -> ExitCode {
    let confinement =
        Confinement { address_space: Some(ADDRESS_SPACE), file_size: FILE_SIZE, open_files: OPEN_FILES, gpu: false };
    let handler = |job: Value, files: Vec<File>, cancel: &Cancel| {
        let job: Job = serde_json::from_value(job).map_err(Failure::internal)?;
        let progress = convertfly_sandbox::progress();
        let made = run(&job, files, cancel, &|share| progress.report(share))?;
        serde_json::to_value(made).map_err(Failure::internal)
    };
    convertfly_sandbox::serve(convertfly_sandbox::threads_from_environment(), &confinement, Arc::new(handler))
}

/// Does a piece of work: the input, then the output.
fn run(job: &Job, files: Vec<File>, cancel: &Cancel, progress: &dyn Fn(f64)) -> Result<Made, Failure> {
    let [input, output] =
        <[File; 2]>::try_from(files).map_err(|files| Failure::internal(format!("{} files, not 2", files.len())))?;
    let mut output = output;
    let from = containers::by_name(&job.from).ok_or_else(|| job::unknown(&job.from))?;
    let around = Surroundings { cancel, progress };
    // Lines of the task before are nobody's business.
    log::take();
    match (job.action, job.to.as_str()) {
        (Action::Metadata, _) => {
            let made = facts::run(from, &input, cancel)?;
            let text = serde_json::to_vec_pretty(&made.metadata).map_err(Failure::internal)?;
            output.set_len(0).map_err(Failure::internal)?;
            std::io::Write::write_all(&mut output, &text).map_err(Failure::internal)?;
            Ok(made)
        }
        (Action::Convert, "png") => still::run(job, from, &input, &mut output, &around),
        (Action::Convert, to) => {
            let to = containers::by_name(to).ok_or_else(|| job::unknown(to))?;
            if to.name == "gif" {
                gif::run(job, (from, to), &input, &output, &around)
            } else {
                transcode::run(job, (from, to), &input, &output, &around)
            }
        }
    }
}
