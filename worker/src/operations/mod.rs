//! The operations: a row each; data for the API, a function for the node.
//!
//! A new operation is its own file, one `mod` line and one row.

mod bundle;
mod convert;
mod each;
mod export_s3;
mod export_url;
mod files;
mod import_base64;
mod import_file;
mod import_s3;
mod import_upload;
mod import_url;
mod merge;
pub(crate) mod metadata;
mod optimize;
mod remote;
mod thumbnail;
mod watermark;

use std::collections::BTreeMap;
use std::time::Duration;

use convertfly_scheduler::catalog::{FormatsWith, Lane, OperationEntry, OperationKind, OptionEntry, OptionKind};
use convertfly_scheduler::store::Lease;
use convertfly_scheduler::task::TaskResult;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::engines::Progress;
use crate::failure::Failure;
use crate::formats::{Cancel, Category, FORMATS};
use crate::node::Services;

/// What an operation works with.
pub struct Context<'a> {
    /// The node's parts.
    pub services: &'a Services,
    /// The task.
    pub lease: &'a Lease,
    /// Set when the work is no longer wanted.
    pub cancel: &'a Cancel,
    /// Tells the share done, 0 to 1.
    pub progress: &'a Progress,
    /// The position of the next object to store.
    pub next_index: &'a (dyn Fn() -> u32 + Send + Sync),
    /// To be called when all is made that takes a core or a device, and what follows is storing it.
    pub made: &'a (dyn Fn() + Send + Sync),
    /// How long it may take.
    pub deadline: Duration,
}

/// Options of a task that has none.
static NO_OPTIONS: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl Context<'_> {
    /// The task's options.
    pub fn options(&self) -> &Map<String, Value> {
        self.lease.spec.fields.get("options").and_then(Value::as_object).unwrap_or(&NO_OPTIONS)
    }

    /// A text among the task's options; an empty one counts as absent.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options().get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A text field of the task.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.lease.spec.fields.get(name).and_then(Value::as_str)
    }
}

/// What an operation does: works, and notes in the map how it was done.
type Run = for<'a> fn(&'a Context<'a>, &'a mut Map<String, Value>) -> BoxFuture<'a, Result<TaskResult, Failure>>;

/// A row.
pub struct Operation {
    /// Name in requests.
    pub name: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// Part of the pipeline.
    pub kind: OperationKind,
    /// Fixed price per direct input, or `None` where the pair decides.
    pub credits: Option<u32>,
    /// Where it runs, or `None` where the pair decides.
    pub lane: Option<Lane>,
    /// Formats of inputs that make it run elsewhere.
    pub lanes: fn() -> BTreeMap<String, Lane>,
    /// Whether the price is for the task, however many inputs it has.
    pub flat: bool,
    /// Whether parts of a large video or audio file are enough for it, read where it lies.
    pub glances: bool,
    /// Fields beside `operation` and `input`.
    pub fields: fn() -> Vec<OptionEntry>,
    /// Keys of `options`.
    pub options: fn() -> Vec<OptionEntry>,
    /// Groups of options; of each exactly one has to be given.
    pub exactly_one: &'static [&'static [&'static str]],
    /// Values of options that only some formats can be made with.
    pub formats_with: fn() -> Vec<FormatsWith>,
    /// Does it.
    pub run: Run,
}

/// Every operation, sorted by name.
pub static OPERATIONS: &[&Operation] = &[
    &convert::OPERATION,
    &export_s3::OPERATION,
    &export_url::OPERATION,
    &import_base64::OPERATION,
    &import_file::OPERATION,
    &import_s3::OPERATION,
    &import_upload::OPERATION,
    &import_url::OPERATION,
    &merge::OPERATION,
    &metadata::OPERATION,
    &optimize::OPERATION,
    &thumbnail::OPERATION,
    &watermark::OPERATION,
];

/// The operation of that name.
pub fn by_name(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().copied().find(|operation| operation.name == name)
}

impl Operation {
    /// Its entry in the catalogue.
    pub fn entry(&self) -> OperationEntry {
        OperationEntry {
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            kind: self.kind,
            credits: self.credits,
            lane: self.lane,
            lanes: (self.lanes)(),
            fields: (self.fields)(),
            options: (self.options)(),
            flat: self.flat,
            glances: self.glances,
            exactly_one: self.exactly_one.iter().map(|group| group.iter().map(|&name| name.to_owned()).collect()).collect(),
            formats_with: (self.formats_with)(),
        }
    }
}

/// A field's entry.
fn field(name: &str, kind: OptionKind, required: bool, help: &str) -> OptionEntry {
    OptionEntry { name: name.to_owned(), kind, required, default: Value::Null, help: help.to_owned() }
}

/// The `filename` field that every import has.
fn filename_field(required: bool) -> OptionEntry {
    field(
        "filename",
        OptionKind::String { max_length: 1024 },
        required,
        "Name of the file; its extension is a hint to the format.",
    )
}

/// The `input_format` field of imports and conversions.
fn input_format_field() -> OptionEntry {
    field("input_format", OptionKind::Format, false, "Format of the file, where detection should not decide.")
}

/// The `keep` field of imports from elsewhere.
fn keep_field() -> OptionEntry {
    let help = "Whether the file can be read or used again by its identifier. Without that, of a large video or audio file that only \
                goes to thumbnail and metadata no more is fetched than these need.";
    OptionEntry { default: true.into(), ..field("keep", OptionKind::Boolean, false, help) }
}

/// The fields of an operation that makes a file of each input file, or one of all: `named` is the name where none is given.
fn file_fields(named: &str) -> Vec<OptionEntry> {
    let help = format!("Name of the output; default: {named}.");
    vec![input_format_field(), field("filename", OptionKind::String { max_length: 1024 }, false, &help)]
}

/// Video is encoded anew by whatever changes its pictures, so that it waits where other videos do and does not take the cores of images.
fn video_lanes() -> BTreeMap<String, Lane> {
    let videos = FORMATS.iter().filter(|format| format.category == Category::Video);
    videos.map(|format| (format.name.to_owned(), Lane::Video)).collect()
}

/// An operation without options.
fn no_options() -> Vec<OptionEntry> {
    Vec::new()
}
