//! A piece of work for the image engine, and the way to what does it.

use std::fs::File;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::decodes::Share;
use super::{bundle, merge, metadata, optimize, pipeline, watermark};
use crate::engines::{Action, Beside, Made};
use crate::failure::Failure;
use crate::formats::{Cancel, Limits};
use crate::options::Options;
use crate::pixels::{Processor, Ran};

/// What to do with a file; crosses the executor's process boundary as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageJob {
    /// What is done.
    #[serde(default)]
    pub action: Action,
    /// Source format, canonical name.
    pub from: String,
    /// Target format, canonical name.
    pub to: String,
    /// Formats of the files beside the input, in their order.
    #[serde(default)]
    pub beside: Vec<String>,
    /// The task's `options` object.
    pub options: Map<String, Value>,
    /// What is refused before decoding.
    #[serde(default)]
    pub limits: Limits,
    /// Whether the result is marked TEST.
    #[serde(default)]
    pub test: bool,
    /// What is done with a PDF file, where the input is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdf: Option<super::pdf::PdfTask>,
    /// Who else reads the input or the output, where what they have in common is done once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// The files of a job, opened.
pub(super) struct Files {
    pub(super) input: File,
    pub(super) beside: Vec<Beside>,
    pub(super) output: File,
}

/// Does `job`; `files` are its input, those beside it, and its output, which becomes exactly the result.
///
/// # Errors
/// [`Failure::Invalid`], [`Failure::Unsupported`] and [`Failure::TooLarge`] for faults of a file or of an option,
/// [`Failure::Crashed`] when a decoder panicked, [`Failure::Cancelled`] once `cancel` is set, [`Failure::Internal`] when a file
/// cannot be read or written, or is missing.
pub fn run(job: &ImageJob, files: Vec<File>, processor: &Processor, cancel: &Cancel) -> Result<Made, Failure> {
    if let Some(task) = &job.pdf {
        return super::pdf::run(task, job, files, processor, cancel);
    }
    #[cfg(feature = "documents")]
    if job.from == "md" {
        return super::markdown::run(files);
    }
    if job.from == bundle::FORMAT {
        return bundle::run(files);
    }
    let files = split(job, files)?;
    match job.action {
        Action::Convert => {
            let options = super::options::ConvertOptions::read(&job.options)?;
            pipeline::run(job, &options, files, processor, cancel, &|_, _, _, _| Ok(()), &|_, _| Ok(true))
        }
        Action::Watermark => watermark::run(job, files, processor, cancel),
        Action::Metadata if super::papers::is_known(&job.from) => super::papers::run(job, files),
        Action::Metadata => metadata::run(job, files, processor, cancel),
        Action::Merge => merge::run(job, files, processor, cancel),
        Action::Optimize => optimize::run(job, files, cancel),
    }
}

fn split(job: &ImageJob, files: Vec<File>) -> Result<Files, Failure> {
    let count = files.len();
    let mut files = files.into_iter();
    match (files.next(), files.next_back()) {
        (Some(input), Some(output)) if count == job.beside.len() + 2 => {
            let beside = job.beside.iter().zip(files).map(|(format, file)| Beside { format: format.clone(), file }).collect();
            Ok(Files { input, beside, output })
        }
        _ => Err(Failure::internal(format!("a job of {} files beside its input came with {count} files", job.beside.len()))),
    }
}

/// Milliseconds per stage, for `explain`.
#[derive(Default)]
pub(super) struct Clock {
    pub(super) stages: Map<String, Value>,
}

impl Clock {
    pub(super) fn set(&mut self, stage: &str, micros: u128) {
        // Two decimals: below that is noise.
        self.stages.insert(stage.to_owned(), json!((micros as f64 / 10.0).round() / 100.0));
    }

    pub(super) fn time<T>(&mut self, stage: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let made = work();
        self.set(stage, start.elapsed().as_micros());
        made
    }

    pub(super) fn ran(&mut self, ran: &Ran) {
        for (stage, micros) in [("kernel", ran.kernel_us), ("upload", ran.upload_us), ("readback", ran.readback_us)] {
            self.set(stage, micros.into());
        }
    }
}
