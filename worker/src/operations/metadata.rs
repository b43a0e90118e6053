//! `metadata`: what is known about each input file, inline and as a JSON file.

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use futures_util::FutureExt;

use super::each::Each;
use super::{Operation, field, input_format_field, no_options};
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
    fields: || {
        vec![
            input_format_field(),
            field("filename", OptionKind::String { max_length: 1024 }, false, "Name of the output; default: the input's name."),
        ]
    },
    options: no_options,
    exactly_one: &[],
    run: |context, explain| {
        async move {
            let each = Each { action: Action::Metadata, target: &|_| Ok(&JSON), options: context.options() };
            each.run(context, explain).await
        }
        .boxed()
    },
};
