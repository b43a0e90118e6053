//! `watermark`: a text or a picture on each input file.

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use futures_util::FutureExt;

use super::each::{Each, same_or_writable};
use super::{Operation, field, input_format_field};
use crate::engines::Action;
use crate::engines::image::watermark::options::WatermarkOptions;
use crate::options::Options;

pub(super) static OPERATION: Operation = Operation {
    name: "watermark",
    description: "Put a text or a picture on a file",
    kind: OperationKind::Process,
    credits: Some(1),
    lane: Some(Lane::Cpu),
    fields: || {
        vec![
            input_format_field(),
            field("filename", OptionKind::String { max_length: 1024 }, false, "Name of the output; default: the input's name."),
        ]
    },
    options: WatermarkOptions::entries,
    exactly_one: &[&["text", "image"]],
    run: |context, explain| {
        async move {
            let each = Each { action: Action::Watermark, target: &same_or_writable, options: context.options() };
            each.run(context, explain).await
        }
        .boxed()
    },
};
