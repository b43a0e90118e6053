//! `merge`: all input files into one.

use std::fs::File;
use std::sync::Arc;

use convertfly_scheduler::catalog::{FormatsWith, Lane, OperationKind, OptionKind};
use convertfly_scheduler::ids;
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;
use serde_json::{Map, Value};

use super::{Context, Operation, each, field, file_fields, files, video_lanes};
use crate::engines::image::merge::MergeOptions;
use crate::engines::route::reopen;
use crate::engines::{Action, Beside, Progress, Work};
use crate::failure::Failure;
use crate::formats::{self, Category};
use crate::options::Options;
use crate::scratch::TaskDir;

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
    lanes: video_lanes,
    flat: true,
    glances: false,
    fields: || {
        let help = "Format of the result; absent: pdf, or that of the first file where it is video or audio.";
        std::iter::once(field("output_format", OptionKind::Format, false, help)).chain(file_fields("merged")).collect()
    },
    options: MergeOptions::entries,
    exactly_one: &[],
    formats_with,
    run: |context, explain| run(context, explain).boxed(),
};

/// Pages and frames need a format that holds several; clips follow each other in any of theirs.
fn formats_with() -> Vec<FormatsWith> {
    let mut formats: Vec<String> = formats::FORMATS
        .iter()
        .filter(|format| is_clip(format.name) || (format.encode.is_some() && formats::holds_several(format)))
        .map(|format| format.name.to_owned())
        .collect();
    formats.sort();
    let [option, value, field] = ["layout", "pages", "output_format"].map(str::to_owned);
    vec![FormatsWith { option, value, field, formats }]
}

async fn run(context: &Context<'_>, explain: &mut Map<String, Value>) -> Result<TaskResult, Failure> {
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
    let own = opened.first().filter(|file| is_clip(&file.format)).map(|file| file.format.as_str());
    let name = context.field("output_format").or(own).unwrap_or(FORMAT);
    let target = formats::by_name(name)
        .ok_or_else(|| Failure::invalid_field("output_format", format!("The format {name} is not supported")))?;
    // Pages are merged as pages: what is not a picture becomes PDF first, and then so does everything beside it (A54).
    if target.name == FORMAT && opened.iter().any(|file| !is_picture(&file.format)) {
        for (index, file) in opened.iter_mut().enumerate().filter(|(_, file)| file.format != FORMAT) {
            let (warnings, pages) = as_pages(context, file, &folder).await.map_err(|failure| numbered(failure, index))?;
            result.warnings.extend(warnings);
            *file = pages;
        }
    }
    let mut opened = opened.into_iter();
    let first = opened.next().ok_or_else(|| Failure::invalid_field("input", "The inputs of this task have no files"))?;
    let path = folder.path().join(ids::new_id("out"));
    let output = File::options().read(true).write(true).create_new(true).open(&path).map_err(Failure::internal)?;
    let work = Work {
        action: Action::Merge,
        from: first.format,
        to: target.name.to_owned(),
        glance: None,
        input: first.file,
        beside: opened.collect(),
        output,
        options: context.options().clone(),
        test: context.lease.spec.test,
        share: None,
        scratch: folder.path().to_owned(),
        progress: context.progress.part(0.5, 1.0),
        cancel: context.cancel.clone(),
        deadline: context.deadline,
    };
    let mut made = context.services.router.perform(work).await?;
    (context.made)();
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

fn is_clip(format: &str) -> bool {
    formats::by_name(format).is_some_and(|format| matches!(format.category, Category::Video | Category::Audio))
}

fn is_picture(format: &str) -> bool {
    formats::by_name(format).is_some_and(|format| format.decode.is_some())
}

/// A file as PDF, and what its conversion warns of.
async fn as_pages(context: &Context<'_>, file: &Beside, folder: &TaskDir) -> Result<(Vec<String>, Beside), Failure> {
    let output = tempfile::tempfile_in(folder.path()).map_err(Failure::internal)?;
    let work = Work {
        action: Action::Convert,
        from: file.format.clone(),
        to: FORMAT.to_owned(),
        glance: None,
        input: file.file.try_clone().map_err(Failure::internal)?,
        beside: Vec::new(),
        output: output.try_clone().map_err(Failure::internal)?,
        options: Map::new(),
        test: false,
        share: None,
        scratch: folder.path().to_owned(),
        progress: Progress::default(),
        cancel: context.cancel.clone(),
        deadline: context.deadline,
    };
    let made = context.services.router.convert(work).await?;
    // What is open for writing is taken for a result, and emptied.
    let file = reopen(&output).map_err(Failure::internal)?;
    Ok((made.warnings, Beside { format: FORMAT.to_owned(), file }))
}

/// Says which of the inputs is at fault.
fn numbered(failure: Failure, index: usize) -> Failure {
    let number = index + 1;
    match failure {
        Failure::Invalid { message, field } => Failure::Invalid { message: format!("Input {number}: {message}"), field },
        Failure::Unsupported { message } => Failure::unsupported(format!("Input {number}: {message}")),
        Failure::TooLarge { message } => Failure::too_large(format!("Input {number}: {message}")),
        other => other,
    }
}
