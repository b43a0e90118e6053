//! The PDF engine: pages as pictures, as documents that can be edited, and files of pages, in the image executor's processes.

pub mod options;

use std::fs::File;
use std::path::PathBuf;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::ids;
use convertfly_scheduler::pages::Pages;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use serde_json::Value;

use self::options::PdfOptions;
use super::image::job::ImageJob;
use super::image::pdf::PdfTask;
use super::image::{Runner, run_job};
use super::{Action, Availability, Edge, Engine, Made, Piece, Work, price};
use crate::failure::Failure;
use crate::formats::{FORMATS, Limits};
use crate::options::Options;

/// The name of the engine.
pub(crate) const ID: &str = "pdf";

/// The option of `merge` by which another engine has so many pages of each of two files in turn; no customer's task can have it.
pub(super) const STRIPE: &str = "stripe";

/// The option beside it that tells the levels of the headings of both, a hexadecimal digit each.
pub(super) const LEVELS: &str = "levels";

/// Pages that become files of their own in one task, at most.
const MAX_FILES: usize = 2_000;

/// Pages that one piece of work of the executor draws, at most: progress is told, and a cancelled task ends, between two of them.
const MAX_CHUNK: usize = 16;

/// See the module.
pub struct PdfEngine {
    runner: Runner,
    limits: Limits,
    /// Pieces of work at a time.
    threads: usize,
}

impl PdfEngine {
    /// An engine that runs its jobs by `runner` within `limits`, `threads` at a time.
    pub fn new(runner: Runner, limits: Limits, threads: usize) -> Self {
        Self { runner, limits, threads: threads.max(1) }
    }

    async fn run(&self, work: Work) -> Result<Made, Failure> {
        let options = PdfOptions::read(&work.options)?;
        let pages = self.pages(&work, &options).await?;
        if work.to == "pdf" {
            return self.job(&work, PdfTask::Select(pages), vec![clone(&work.output)?]).await;
        }
        if work.to == "docx" {
            return self.job(&work, PdfTask::Rebuild(pages), vec![clone(&work.output)?]).await;
        }
        let many = FORMATS.iter().any(|format| format.name == work.to && format.flags.pages);
        if options.multipage && many {
            let made = self.job(&work, PdfTask::DrawAll(pages), vec![clone(&work.output)?]).await?;
            return Ok(Made { metadata: None, ..made });
        }
        self.draw(&work, pages).await
    }

    /// Which pages are wanted: all of them where nothing is said.
    async fn pages(&self, work: &Work, options: &PdfOptions) -> Result<Vec<u32>, Failure> {
        let Some(text) = options.pages.as_deref().or(options.page.is_none().then_some("all")) else {
            // The job says whether there is such a page.
            return Ok(vec![options.page.unwrap_or(1)]);
        };
        let pages: Pages = text.parse().map_err(|error| Failure::invalid_field("pages", format!("pages {error}")))?;
        let counted = self.job(work, PdfTask::Count, Vec::new()).await?.metadata;
        let count = counted.as_ref().and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        let count = count.ok_or_else(|| Failure::internal("the pages were not counted"))?;
        pages.of(count).map_err(|error| Failure::invalid_field("pages", error.to_string()))
    }

    /// Draws each page into a file of its own, several at a time.
    async fn draw(&self, work: &Work, pages: Vec<u32>) -> Result<Made, Failure> {
        if pages.len() > MAX_FILES {
            let reason = format!("{} pages are wanted; one task makes at most {MAX_FILES} files. Name fewer pages", pages.len());
            return Err(Failure::invalid_field("pages", reason));
        }
        let mut outputs = vec![(None, clone(&work.output)?)];
        for _ in 1..pages.len() {
            let path = work.scratch.join(ids::new_id("page"));
            let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(Failure::internal)?;
            outputs.push((Some(path), file));
        }
        let chunk = pages.len().div_ceil(self.threads).clamp(1, MAX_CHUNK);
        let (total, done) = (pages.len(), std::sync::atomic::AtomicUsize::new(0));
        let (paths, files): (Vec<Option<PathBuf>>, Vec<File>) = outputs.into_iter().unzip();
        let mut files = files.into_iter();
        let pieces: Vec<(Vec<u32>, Vec<File>)> =
            pages.chunks(chunk).map(|some| (some.to_vec(), files.by_ref().take(some.len()).collect())).collect();
        let done = &done;
        let drawn: Vec<Made> = stream::iter(pieces)
            .map(|(some, outputs)| async move {
                let count = some.len();
                let made = self.job(work, PdfTask::Draw(some), outputs).await?;
                let so_far = done.fetch_add(count, std::sync::atomic::Ordering::Relaxed) + count;
                work.progress.report(so_far as f64 / total as f64);
                Ok::<_, Failure>(made)
            })
            .buffered(self.threads)
            .try_collect()
            .await?;
        gather(drawn, &pages, paths)
    }

    /// What is not a conversion: one piece of work, with the files beside the input.
    async fn act(&self, work: Work, task: PdfTask) -> Result<Made, Failure> {
        let foreign = |beside: &&super::Beside| task == PdfTask::Merge && beside.format != "pdf";
        if let Some(other) = work.beside.iter().find(foreign) {
            return Err(Failure::unsupported(format!("{} files are not merged with PDF files", other.format)));
        }
        let beside = work.beside.iter().map(|beside| clone(&beside.file)).collect::<Result<Vec<_>, _>>()?;
        let files = beside.into_iter().chain([clone(&work.output)?]).collect();
        self.job(&work, task, files).await
    }

    /// What is known about an office document, which the executor reads as well.
    async fn facts(&self, work: Work) -> Result<Made, Failure> {
        let job = ImageJob {
            action: work.action,
            from: work.from.clone(),
            to: work.to.clone(),
            beside: Vec::new(),
            options: work.options.clone(),
            limits: self.limits,
            test: work.test,
            pdf: None,
            share: None,
        };
        let files = vec![reopened(&work.input)?, clone(&work.output)?];
        run_job(&self.runner, job, files, work.cancel.clone(), work.deadline).await
    }

    /// Runs a piece of work of the executor; `files` are those beside the input, and the outputs.
    async fn job(&self, work: &Work, task: PdfTask, files: Vec<File>) -> Result<Made, Failure> {
        let reads = matches!(task, PdfTask::Merge | PdfTask::Interleave(..) | PdfTask::Watermark);
        let beside = if reads { work.beside.iter().map(|beside| beside.format.clone()).collect() } else { Vec::new() };
        let job = ImageJob {
            action: work.action,
            from: work.from.clone(),
            to: work.to.clone(),
            beside,
            options: work.options.clone(),
            limits: self.limits,
            test: work.test,
            pdf: Some(task),
            share: None,
        };
        let input = reopened(&work.input)?;
        let files = [input].into_iter().chain(files).collect();
        run_job(&self.runner, job, files, work.cancel.clone(), work.deadline).await
    }
}

fn clone(file: &File) -> Result<File, Failure> {
    file.try_clone().map_err(Failure::internal)
}

/// The file with a position of its own: pieces of work read it at the same time.
fn reopened(file: &File) -> Result<File, Failure> {
    use std::os::fd::AsRawFd;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(Failure::internal)
}

/// One result of the pieces, in the order of the pages.
fn gather(drawn: Vec<Made>, pages: &[u32], paths: Vec<Option<PathBuf>>) -> Result<Made, Failure> {
    let sizes: Vec<(u32, u32)> = drawn
        .iter()
        .filter_map(|made| made.metadata.clone())
        .flat_map(|sizes| serde_json::from_value::<Vec<(u32, u32)>>(sizes).unwrap_or_default())
        .collect();
    if sizes.len() != pages.len() {
        return Err(Failure::internal(format!("{} pages of {} were drawn", sizes.len(), pages.len())));
    }
    let mut drawn = drawn.into_iter();
    let mut made = drawn.next().ok_or_else(|| Failure::internal("no page was drawn"))?;
    for other in drawn {
        add(&mut made.explain, &other.explain);
    }
    (made.metadata, made.page) = (None, pages.first().copied());
    let pieces = paths.into_iter().zip(pages).zip(sizes);
    made.more = pieces
        .filter_map(|((path, page), (width, height))| {
            Some(Piece { path: path?, width: Some(width), height: Some(height), page: Some(*page), name: None })
        })
        .collect();
    Ok(made)
}

/// Adds the numbers of one explanation to those of another.
fn add(sum: &mut serde_json::Map<String, Value>, other: &serde_json::Map<String, Value>) {
    for (name, value) in other {
        match (sum.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(other)) => add(inner, other),
            (Some(_), _) if name == "density" => {}
            (Some(Value::Number(number)), Value::Number(more)) => {
                if let (Some(a), Some(b)) = (number.as_u64(), more.as_u64()) {
                    *number = (a + b).into();
                } else if let Some(whole) = number.as_f64().zip(more.as_f64()).map(|(a, b)| ((a + b) * 100.0).round() / 100.0) {
                    *number = serde_json::Number::from_f64(whole).unwrap_or_else(|| 0.into());
                }
            }
            _ => {}
        }
    }
}

/// Relative cost of rebuilding what can be edited from what is only drawn: less than that of the text, so that no document is made by way of HTML
/// without its layout; and, with that of printing HTML, more than LibreOffice takes for a document from HTML.
const REBUILD: u32 = 8;

/// From PDF to every kind of picture that is written, to PDF, and to DOCX.
pub(crate) fn edges() -> Vec<Edge> {
    let edge = |to, cost| Edge { from: "pdf", to, cost, credits: price::of("pdf", to), lane: Lane::Cpu };
    let pictures = FORMATS.iter().filter(|format| format.encode.is_some()).map(|to| edge(to.name, 5));
    pictures.chain([edge("docx", REBUILD)]).collect()
}

impl Engine for PdfEngine {
    fn id(&self) -> &'static str {
        ID
    }

    fn edges(&self) -> Vec<Edge> {
        edges()
    }

    fn offers(&self) -> Vec<(Action, &'static str)> {
        let papers = super::image::papers::KNOWN.iter().map(|name| (Action::Metadata, *name));
        let own = [Action::Merge, Action::Metadata, Action::Optimize, Action::Watermark].map(|action| (action, "pdf"));
        own.into_iter().chain(papers).collect()
    }

    fn source_options(&self) -> &'static [&'static str] {
        &["password", "pages", "page"]
    }

    fn probe(&self) -> Availability {
        Availability::Ready(match self.runner {
            Runner::InProcess(_) => "in this process".to_owned(),
            Runner::Remote(_) => "in sandboxed processes".to_owned(),
        })
    }

    fn convert(&self, work: Work) -> BoxFuture<'_, Result<Made, Failure>> {
        match work.action {
            Action::Convert => self.run(work).boxed(),
            Action::Merge => {
                let stripe = work.options.get(STRIPE).and_then(Value::as_u64).and_then(|stripe| u32::try_from(stripe).ok());
                let levels = work.options.get(LEVELS).and_then(Value::as_str).unwrap_or_default().to_owned();
                self.act(work, stripe.map_or(PdfTask::Merge, |stripe| PdfTask::Interleave(stripe, levels))).boxed()
            }
            Action::Metadata if work.from != "pdf" => self.facts(work).boxed(),
            Action::Metadata => self.act(work, PdfTask::Metadata).boxed(),
            Action::Optimize => self.act(work, PdfTask::Optimize).boxed(),
            Action::Watermark => self.act(work, PdfTask::Watermark).boxed(),
        }
    }
}
