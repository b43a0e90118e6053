//! `import/url`: downloads a file from a public address.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use convertfly_scheduler::storage::names;
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Context, Operation, field, filename_field, files, input_format_field, keep_field, no_options, remote};
use crate::failure::Failure;
use crate::fetch::Request;

pub(super) static OPERATION: Operation = Operation {
    name: "import/url",
    description: "Import a file from a URL",
    kind: OperationKind::Import,
    credits: Some(0),
    lane: Some(Lane::Io),
    lanes: BTreeMap::new,
    flat: false,
    glances: false,
    fields: || {
        vec![
            field("url", OptionKind::Url, true, "Public http or https address of the file."),
            filename_field(false),
            field("headers", OptionKind::Headers, false, "Header fields to send to the source, such as Authorization."),
            input_format_field(),
            keep_field(),
        ]
    },
    options: no_options,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| run(context, explain).boxed(),
};

fn run<'a>(context: &'a Context<'a>, explain: &'a mut Map<String, Value>) -> BoxFuture<'a, Result<TaskResult, Failure>> {
    async move {
        let url = context.field("url").ok_or_else(|| Failure::invalid_field("url", "Missing required field: url"))?;
        let headers: Vec<(String, String)> = match context.lease.spec.fields.get("headers") {
            Some(Value::Object(map)) => {
                map.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
            }
            _ => Vec::new(),
        };
        let request = Request { url, headers: &headers, max_bytes: files::MAX_FILE, deadline: context.deadline };
        if context.lease.spec.glanced {
            let at = remote::Place::Url { url: url.to_owned(), headers: headers.clone() };
            if let Some((file, warning)) = remote::leave(context, at, context.field("filename"), explain).await? {
                return Ok(TaskResult { files: vec![file], warnings: warning.into_iter().collect(), ..TaskResult::default() });
            }
        }
        let folder = files::folder(context)?;
        let path = folder.path().join("download");
        let progress = |done: u64, total: Option<u64>| {
            if let Some(total) = total.filter(|total| *total > 0) {
                #[expect(clippy::cast_precision_loss, reason = "a share for people")]
                context.progress.report(done as f64 / total as f64);
            }
        };
        let start = std::time::Instant::now();
        let fetched = context.services.fetcher.download(request, &path, context.cancel, progress).await?;
        explain.insert("transfer_ms".into(), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into());
        explain.insert("bytes".into(), fetched.size.into());
        let filename = context.field("filename").map(str::to_owned).or(fetched.filename).unwrap_or_default();
        let filename = names::sanitise_filename(&filename);
        let (format, warning) = files::recognise(files::sniff(&path)?, context.field("input_format"), &filename);
        let file = files::store(context, path, &folder, filename, format).await?;
        Ok(TaskResult { files: vec![file], warnings: warning.into_iter().collect(), ..TaskResult::default() })
    }
    .boxed()
}
