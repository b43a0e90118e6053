//! `import/upload`: the customer has sent the bytes to a signed URL; here they are recognised.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind};
use convertfly_scheduler::storage::{StorageKey, names};
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Context, Operation, filename_field, files, input_format_field, no_options};
use crate::failure::Failure;

pub(super) static OPERATION: Operation = Operation {
    name: "import/upload",
    description: "Import a file via presigned URL",
    kind: OperationKind::Import,
    credits: Some(0),
    lane: Some(Lane::Io),
    lanes: BTreeMap::new,
    flat: false,
    glances: false,
    fields: || vec![filename_field(false), input_format_field()],
    options: no_options,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| run(context, explain).boxed(),
};

/// Recognises the bytes where they are; nothing is copied.
pub(super) fn run<'a>(
    context: &'a Context<'a>,
    explain: &'a mut Map<String, Value>,
) -> BoxFuture<'a, Result<TaskResult, Failure>> {
    async move {
        let mut file = context.lease.upload.clone().ok_or_else(|| Failure::internal("an upload without its object"))?;
        if file.size == 0 {
            return Err(Failure::invalid("The uploaded file is empty. Send its bytes as the request's body"));
        }
        let key = StorageKey::parse(&file.key).ok_or_else(|| Failure::internal(format!("unreadable key {}", file.key)))?;
        let seen = files::sniff_stored(context, &key, file.size).await?;
        file.filename = names::sanitise_filename(context.field("filename").unwrap_or(&file.filename));
        let (format, warning) = files::recognise(seen, context.field("input_format"), &file.filename);
        file.format = format.map(|format| format.name.to_owned());
        explain.insert("bytes".into(), file.size.into());
        Ok(TaskResult { files: vec![file], warnings: warning.into_iter().collect(), ..TaskResult::default() })
    }
    .boxed()
}
