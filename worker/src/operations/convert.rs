//! `convert`: each input file to another format (or the same one, at another size).

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{OperationKind, OptionKind};
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::each::Each;
use super::{Context, Operation, field, input_format_field};
use crate::engines::{self, Action};
use crate::failure::Failure;
use crate::formats;

pub(super) static OPERATION: Operation = Operation {
    name: "convert",
    description: "Convert between formats",
    kind: OperationKind::Process,
    credits: None,
    lane: None,
    lanes: BTreeMap::new,
    flat: false,
    glances: false,
    fields: || {
        vec![
            field("output_format", OptionKind::Format, true, "Format to convert to."),
            input_format_field(),
            field("filename", OptionKind::String { max_length: 1024 }, false, "Name of the output; default: the input's name."),
        ]
    },
    options: engines::convert_options,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| run(context, explain).boxed(),
};

fn run<'a>(context: &'a Context<'a>, explain: &'a mut Map<String, Value>) -> BoxFuture<'a, Result<TaskResult, Failure>> {
    async move {
        let target = context
            .field("output_format")
            .and_then(formats::by_name)
            .ok_or_else(|| Failure::invalid_field("output_format", "Missing required field: output_format"))?;
        Each { action: Action::Convert, target: &|_| Ok(target), options: context.options(), more: None }
            .run(context, explain)
            .await
    }
    .boxed()
}
