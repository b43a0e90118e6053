//! A piece of work on a thread with a stack for the deepest files.

use std::fs::File;

use serde_json::json;

use super::{PdfTask, flow, merge, metadata, optimize, raster, select, watermark};
use crate::engines::image::job::ImageJob;
use crate::engines::image::pipeline;
use crate::engines::{Beside, Made};
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::pixels::Processor;

/// Pixels an inch at which pages are drawn where nothing is said.
pub(super) const DENSITY: u32 = 150;

/// Stack of the thread that reads a file, bytes: what it is made of may lie deep in one another.
const STACK_BYTES: usize = 64 << 20;

/// Does `task`; `files` are the input and the outputs.
///
/// # Errors
/// As [`crate::engines::image::job::run`].
pub(in crate::engines::image) fn run(
    task: &PdfTask,
    job: &ImageJob,
    files: Vec<File>,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<Made, Failure> {
    let mut files = files.into_iter();
    let input = files.next().ok_or_else(|| Failure::internal("a job without its input"))?;
    let beside: Vec<Beside> =
        job.beside.iter().zip(files.by_ref()).map(|(format, file)| Beside { format: format.clone(), file }).collect();
    let outputs: Vec<File> = files.collect();
    let data = pipeline::read(input)?;
    let password = job.options.get("password").and_then(serde_json::Value::as_str).unwrap_or_default();
    let work = || match task {
        PdfTask::Count => {
            let count = raster::open(data, password)?.pages().len();
            Ok(Made { metadata: Some(json!(count)), ..Made::default() })
        }
        PdfTask::Draw(pages) => raster::each(job, &raster::open(data, password)?, pages, outputs, processor, cancel),
        PdfTask::DrawAll(pages) => raster::all(job, &raster::open(data, password)?, pages, outputs, processor, cancel),
        PdfTask::Rebuild(pages) => flow::run(job, &raster::open(data, password)?, pages, outputs, cancel),
        PdfTask::Merge | PdfTask::Interleave(..) => {
            let mut all = vec![data];
            for part in beside {
                all.push(pipeline::read(part.file)?);
            }
            let stripe =
                if let PdfTask::Interleave(stripe, levels) = task { Some((*stripe as usize, levels.as_str())) } else { None };
            merge::run(all, password, stripe, outputs, cancel)
        }
        PdfTask::Metadata => metadata::run(&data, password, outputs),
        PdfTask::Optimize => optimize::run(job, (&data, password), outputs, processor, cancel),
        PdfTask::Watermark => watermark::run(job, (&data, password), beside, outputs, processor, cancel),
        PdfTask::Select(pages) => select::run(&data, password, (pages, job.test), outputs, cancel),
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("pdf".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || pipeline::guarded(work)).map_err(Failure::internal)?;
        thread.join().unwrap_or_else(|_| Err(Failure::Crashed { cause: "the thread that reads PDF panicked".to_owned() }))
    })
}

/// The one output of a job.
pub(super) fn only(outputs: Vec<File>) -> Result<File, Failure> {
    let [output] = <[File; 1]>::try_from(outputs).map_err(|files| Failure::internal(format!("{} outputs", files.len())))?;
    Ok(output)
}

/// What a file is answered that cannot be opened without its password.
pub(super) fn protected(password: &str) -> Failure {
    Failure::invalid_field(
        "password",
        if password.is_empty() {
            "The PDF file is protected by a password. Give it in options.password"
        } else {
            "The PDF file is protected by another password than the one in options.password"
        },
    )
}

pub(super) fn damaged(what: &dyn std::fmt::Display) -> Failure {
    Failure::invalid(format!("The PDF file is damaged: {what}. Open it elsewhere and save it again"))
}
