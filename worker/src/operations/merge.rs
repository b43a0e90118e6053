//! `merge`: all input files into one.

use std::fs::File;
use std::sync::Arc;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionEntry, OptionKind};
use convertfly_scheduler::ids;
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;
use serde_json::{Map, Value};

use super::{Context, Operation, each, field, file_fields, files};
use crate::engines::image::merge::MergeOptions;
use crate::engines::{Action, Beside, Work};
use crate::failure::Failure;
use crate::formats;
use crate::options::Options;

/// Format of the result where none is asked for.
const FORMAT: &str = "pdf";

/// Most files of one merge: each is an open file in the process that does the work.
const MAX_FILES: usize = 200;

pub(super) static OPERATION: Operation = Operation {
    name: "merge",
    description: "Combine several files into one",
    kind: OperationKind::Process,
    credits: Some(1),
    lane: Some(Lane::Cpu),
    flat: true,
    fields: || {
        let format = field("output_format", OptionKind::Format, false, "Format of the result.");
        [OptionEntry { default: FORMAT.into(), ..format }].into_iter().chain(file_fields("merged")).collect()
    },
    options: MergeOptions::entries,
    exactly_one: &[],
    run: |context, explain| run(context, explain).boxed(),
};

async fn run(context: &Context<'_>, explain: &mut Map<String, Value>) -> Result<TaskResult, Failure> {
    let name = context.field("output_format").unwrap_or(FORMAT);
    let target = formats::by_name(name)
        .ok_or_else(|| Failure::invalid_field("output_format", format!("The format {name} is not supported")))?;
    let inputs = &context.lease.inputs;
    if inputs.len() > MAX_FILES {
        let reason = format!("There are {} files; at most {MAX_FILES} are merged at once. Merge them in groups", inputs.len());
        return Err(Failure::invalid_field("input", reason));
    }
    let folder = files::folder(context)?;
    let mut result = TaskResult::default();
    let mut opened = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let fetched = each::fetch(context, input, &folder).await?;
        result.warnings.extend(fetched.warning);
        let file = File::open(fetched.local.path()).map_err(Failure::internal)?;
        opened.push(Beside { format: fetched.format.name.to_owned(), file });
        context.progress.report((index + 1) as f64 / inputs.len() as f64 / 2.0);
    }
    let mut opened = opened.into_iter();
    let first = opened.next().ok_or_else(|| Failure::invalid_field("input", "The inputs of this task have no files"))?;
    let path = folder.path().join(ids::new_id("out"));
    let output = File::options().read(true).write(true).create_new(true).open(&path).map_err(Failure::internal)?;
    let work = Work {
        action: Action::Merge,
        from: first.format,
        to: target.name.to_owned(),
        input: first.file,
        beside: opened.collect(),
        output,
        options: context.options().clone(),
        test: context.lease.spec.test,
        scratch: folder.path().to_owned(),
        progress: context.progress.part(0.5, 1.0),
        cancel: context.cancel.clone(),
        deadline: context.deadline,
    };
    let mut made = context.services.router.perform(work).await?;
    result.warnings.append(&mut made.warnings);
    let filename = match context.field("filename") {
        Some(name) => name.to_owned(),
        None => files::output_name("merged", target),
    };
    let mut file = files::store(context, path, &Arc::clone(&folder), filename, Some(target)).await?;
    (file.width, file.height) = (made.width, made.height);
    result.files.push(file);
    explain.append(&mut made.explain);
    Ok(result)
}
