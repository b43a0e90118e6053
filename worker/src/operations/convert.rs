//! `convert`: each input file to another format (or the same one, at another size).

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use convertfly_scheduler::catalog::{OperationKind, OptionKind};
use convertfly_scheduler::ids;
use convertfly_scheduler::task::{FileRef, TaskResult};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Context, Operation, field, files, input_format_field};
use crate::engines::Work;
use crate::engines::image::options::ConvertOptions;
use crate::failure::Failure;
use crate::formats::{self, Format};
use crate::options::Options;

pub(super) static OPERATION: Operation = Operation {
    name: "convert",
    description: "Convert between formats",
    kind: OperationKind::Process,
    credits: None,
    lane: None,
    fields: || {
        vec![
            field("output_format", OptionKind::Format, true, "Format to convert to."),
            input_format_field(),
            field("filename", OptionKind::String { max_length: 1024 }, false, "Name of the output; default: the input's name."),
        ]
    },
    options: ConvertOptions::entries,
    run: |context, explain| run(context, explain).boxed(),
};

fn run<'a>(context: &'a Context<'a>, explain: &'a mut Map<String, Value>) -> BoxFuture<'a, Result<TaskResult, Failure>> {
    async move {
        let target = context
            .field("output_format")
            .and_then(formats::by_name)
            .ok_or_else(|| Failure::invalid_field("output_format", "Missing required field: output_format"))?;
        convert_all(context, target, context.options(), explain).await
    }
    .boxed()
}

/// Converts every input file to `target`; `options` are those of the engines.
pub(super) async fn convert_all(
    context: &Context<'_>,
    target: &'static Format,
    options: &Map<String, Value>,
    explain: &mut Map<String, Value>,
) -> Result<TaskResult, Failure> {
    let mut result = TaskResult::default();
    let mut steps = Vec::new();
    let count = context.lease.inputs.len();
    for (index, input) in context.lease.inputs.iter().enumerate() {
        let filename = match context.field("filename") {
            Some(name) => files::numbered(name, index, count),
            None => files::output_name(&input.filename, target),
        };
        let (file, step) = convert_one(context, input, target, options, filename, &mut result.warnings).await?;
        result.files.push(file);
        steps.push(Value::Object(step));
    }
    // One file is the common case: its facts stand at the top.
    match steps.pop() {
        Some(Value::Object(step)) if steps.is_empty() => explain.extend(step),
        Some(last) => {
            steps.push(last);
            explain.insert("files".into(), Value::Array(steps));
        }
        None => return Err(Failure::invalid_field("input", "The inputs of this task have no files")),
    }
    Ok(result)
}

/// Converts one file: fetch, recognise, route, store.
async fn convert_one(
    context: &Context<'_>,
    input: &FileRef,
    target: &'static Format,
    options: &Map<String, Value>,
    filename: String,
    warnings: &mut Vec<String>,
) -> Result<(FileRef, Map<String, Value>), Failure> {
    let folder = files::folder(context)?;
    let start = Instant::now();
    let local = files::fetch(context, input, &folder).await?;
    let transfer = start.elapsed();
    let said = context.field("input_format").or(input.format.as_deref());
    let (format, warning) = files::recognise(&files::head(local.path())?, said, &input.filename);
    warnings.extend(warning.clone());
    let Some(format) = format else {
        return Err(Failure::unsupported(format!(
            "The format of `{}` was not recognised. Set input_format if you know it",
            input.filename
        )));
    };
    let path = folder.path().join(ids::new_id("out"));
    let output = File::options().read(true).write(true).create_new(true).open(&path).map_err(Failure::internal)?;
    let work = Work {
        from: format.name.to_owned(),
        to: target.name.to_owned(),
        input: File::open(local.path()).map_err(Failure::internal)?,
        output,
        options: options.clone(),
        test: context.lease.spec.test,
        cancel: context.cancel.clone(),
        deadline: context.deadline,
    };
    let between = || tempfile::tempfile_in(folder.path());
    // Where the customer's word and the content disagree, a failure has most likely come from that.
    let made = context.services.router.convert(work, &between).await.map_err(|failure| failure.explained(warning.as_deref()))?;
    warnings.extend(made.warnings);
    let start = Instant::now();
    let mut file = files::store(context, path, &Arc::clone(&folder), filename, Some(target)).await?;
    (file.width, file.height) = (made.width, made.height);
    let mut explain = made.explain;
    explain.insert("fetch_ms".into(), u64::try_from(transfer.as_millis()).unwrap_or(u64::MAX).into());
    explain.insert("store_ms".into(), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into());
    Ok((file, explain))
}
