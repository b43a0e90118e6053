//! The engines: who converts what. Capabilities are edges, that is data; there is one `convert`.

pub mod browser;
pub mod image;
pub mod markdown;
pub mod media;
pub mod office;
pub mod pdf;
pub mod price;
pub mod route;
pub mod text;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use convertfly_sandbox::{Growth, Progress};
use convertfly_scheduler::catalog::{Lane, OptionEntry};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::formats::{Cancel, Category, FORMATS, Limits};
use crate::glance::Glance;
use crate::options::Options;

/// One conversion that an engine offers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// Source format, canonical name.
    pub from: &'static str,
    /// Target format, canonical name.
    pub to: &'static str,
    /// Relative cost: the route takes the cheapest path. An in-memory image conversion is 1.
    pub cost: u32,
    /// Price of one input file, credits.
    pub credits: u32,
    /// Where it runs.
    pub lane: Lane,
}

/// What is done with a file. Conversions are edges, which a route may chain; the others are done by one engine, in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Another format, or the same one at another size.
    #[default]
    Convert,
    /// Several files into one.
    Merge,
    /// What is known about the file.
    Metadata,
    /// The same, in fewer bytes.
    Optimize,
    /// The same, with a text or a picture on it.
    Watermark,
}

impl Action {
    /// The name, as that of the operation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Convert => "convert",
            Self::Merge => "merge",
            Self::Metadata => "metadata",
            Self::Optimize => "optimize",
            Self::Watermark => "watermark",
        }
    }
}

/// A file that is read beside the input: the picture of a watermark, or what is merged with the first one.
#[derive(Debug)]
pub struct Beside {
    /// Detected format, canonical name; of what html refers to the file's name, which is what it is asked for by.
    pub format: String,
    /// The file, opened for reading, at its start.
    pub file: File,
}

/// Whether an engine can run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can; the text says with what.
    Ready(String),
    /// It cannot: what is missing, and the command that installs it.
    Missing {
        /// What is missing.
        what: String,
        /// What to do about it.
        remedy: String,
    },
}

/// One piece of work for an engine.
pub struct Work {
    /// What is done.
    pub action: Action,
    /// Detected source format, canonical name.
    pub from: String,
    /// Target format, canonical name.
    pub to: String,
    /// The source, opened for reading, at its start.
    pub input: File,
    /// What fetches the parts of the source that are read, where it is not here but at its own source.
    pub glance: Option<Arc<Glance>>,
    /// Files that are read beside it.
    pub beside: Vec<Beside>,
    /// Where the result goes: empty, opened for reading and writing.
    pub output: File,
    /// The task's `options` object, validated.
    pub options: Map<String, Value>,
    /// Whether the result is marked TEST.
    pub test: bool,
    /// Who else reads the input or the output.
    pub share: Option<image::decodes::Share>,
    /// The task's folder: where results beside the first one go ([`Made::more`]), and what passes between two engines.
    pub scratch: PathBuf,
    /// Told the share done.
    pub progress: Progress,
    /// Set when the work is no longer wanted.
    pub cancel: Cancel,
    /// How long it may take.
    pub deadline: Duration,
}

/// A result beside the first one: a page, a frame, a sheet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// The file, in [`Work::scratch`].
    pub path: PathBuf,
    /// Pixels, where it is an image.
    pub width: Option<u32>,
    /// Pixels, where it is an image.
    pub height: Option<u32>,
    /// Which page of the source it shows, from 1.
    pub page: Option<u32>,
    /// What its name says beside that of the source, where that is more than a number: the name of a sheet.
    pub name: Option<String>,
}

/// What an engine made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Pixels of the result, where it is an image.
    pub width: Option<u32>,
    /// Pixels of the result, where it is an image.
    pub height: Option<u32>,
    /// Which page of the source the result shows, from 1, where it shows one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// What the name of the result says beside that of the source; see [`Piece::name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Results beside the first one, in their order.
    #[serde(skip)]
    pub more: Vec<Piece>,
    /// What is known about the input, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// Things the customer should know.
    pub warnings: Vec<String>,
    /// How it was done: device, milliseconds per stage, bytes, pixels. Shown as the task's `explain`.
    pub explain: Map<String, Value>,
}

/// An engine. Implementations: one file or folder each, one row in the table of the node.
pub trait Engine: Send + Sync {
    /// Its name in `explain`, metrics and the catalogue.
    fn id(&self) -> &'static str;

    /// What it converts.
    fn edges(&self) -> Vec<Edge>;

    /// What it does with files of a format beside converting them; the result's format is that of [`Work::to`].
    fn offers(&self) -> Vec<(Action, &'static str)> {
        Vec::new()
    }

    /// The options that say how the source is read, or what of it is taken. They are for the engine that reads it, also where a route goes on from
    /// there; all others speak of the result.
    fn source_options(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether it can read a source of which only parts are here; see [`Work::glance`].
    fn glances(&self) -> bool {
        false
    }

    /// Pairs of its edges that it leaves to others in a task with those options.
    fn leaves(&self, _options: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// Whether it can run here.
    fn probe(&self) -> Availability;

    /// Does one piece of work.
    fn convert(&self, work: Work) -> BoxFuture<'_, Result<Made, Failure>>;
}

/// The options of `convert`: those of every engine, a name that several share once. Each engine reads its own and leaves the others alone.
pub fn convert_options() -> Vec<OptionEntry> {
    let mut all: Vec<OptionEntry> = Vec::new();
    let sets = [
        image::options::ConvertOptions::entries(),
        media::options::MediaOptions::entries(),
        pdf::options::PdfOptions::entries(),
        office::options::OfficeOptions::entries(),
        browser::options::PrintOptions::entries(),
    ];
    for entry in sets.into_iter().flatten() {
        if all.iter().all(|known| known.name != entry.name) {
            all.push(entry);
        }
    }
    all
}

/// Conversions that take several steps and are offered: pictures of every document's pages, what Markdown becomes beside HTML, and what PDF
/// becomes beside DOCX. The name
/// is that of the engine of the first step.
pub fn chains() -> Vec<(&'static str, Edge)> {
    let is_paged = |category| matches!(category, Category::Document | Category::Spreadsheet | Category::Presentation);
    let documents = FORMATS.iter().filter(|format| is_paged(format.category) && format.name != "pdf");
    let pictures = || FORMATS.iter().filter(|format| format.category == Category::Image && format.encode.is_some());
    let pages = documents.flat_map(|from| pictures().map(|to| (from.name, to.name)));
    let markdown = ["docx", "odt", "pdf", "rtf", "txt"].map(|to| ("md", to));
    let rebuilt = ["odt", "rtf"].map(|to| ("pdf", to));
    let edge = |(from, to)| {
        let first = match from {
            "md" => markdown::ID,
            "pdf" => pdf::ID,
            _ => office::ID,
        };
        (first, Edge { from, to, cost: 0, credits: price::of(from, to), lane: Lane::Office })
    };
    pages.chain(markdown).chain(rebuilt).map(edge).collect()
}

/// What every engine of this release offers, with its name, whether or not it can run on this machine, and the pairs that routes over several of
/// them make: the catalogue's source.
pub fn edges() -> Vec<(&'static str, Edge)> {
    let sets = [
        (image::ID, image::edges()),
        (pdf::ID, pdf::edges()),
        (text::ID, text::edges()),
        (markdown::ID, markdown::edges()),
        (browser::ID, browser::edges()),
        (office::ID, office::edges()),
        (media::ID, media::edges()),
        (media::ID, media::chained()),
    ];
    sets.into_iter().flat_map(|(engine, edges)| edges.into_iter().map(move |edge| (engine, edge))).collect()
}

/// Every engine, those that cannot run here included: pixels and PDF by `runner`, office documents by `offices`, HTML by processes that are
/// replaced as `browsers` says, video and audio by `media`, `threads` pieces of work at a time.
pub fn all(
    runner: &image::Runner,
    offices: &office::Offices,
    browsers: Growth,
    media: Arc<media::MediaEngine>,
    threads: usize,
) -> Vec<Arc<dyn Engine>> {
    let limits = Limits::default();
    let pdf: Arc<dyn Engine> = Arc::new(pdf::PdfEngine::new(runner.clone(), limits, threads));
    vec![
        Arc::new(image::ImageEngine::new(runner.clone(), limits)),
        Arc::clone(&pdf),
        Arc::new(text::TextEngine::new(Arc::clone(&pdf))),
        Arc::new(markdown::MarkdownEngine::new(runner.clone())),
        Arc::new(browser::BrowserEngine::new(threads.min(2), browsers, Arc::clone(&pdf))),
        Arc::new(office::OfficeEngine::new(offices.clone(), pdf)),
        media,
    ]
}
