//! `metadata`: what is known about each input file, inline and as a JSON file.

use convertfly_scheduler::catalog::{Lane, OperationKind};
use futures_util::FutureExt;

use super::each::Each;
use super::{Operation, file_fields, no_options};
use crate::engines::Action;
use crate::formats::{Category, Flags, Format};

/// What is written. In the catalogue for its media type, but no row of the table of formats: nothing reads it or converts to it.
pub(crate) static JSON: Format = Format {
    name: "json",
    title: "JSON",
    mime: "application/json",
    extensions: &["json"],
    aliases: &[],
    category: Category::Data,
    flags: Flags::NONE,
    magic: |_| false,
    decode: None,
    encode: None,
};

pub(super) static OPERATION: Operation = Operation {
    name: "metadata",
    description: "Tell what is known about a file",
    kind: OperationKind::Process,
    credits: Some(1),
    lane: Some(Lane::Cpu),
    flat: false,
    fields: || file_fields("the input's name"),
    options: no_options,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| {
        async move {
            let each = Each { action: Action::Metadata, target: &|_| Ok(&JSON), options: context.options(), more: None };
            each.run(context, explain).await
        }
        .boxed()
    },
};
