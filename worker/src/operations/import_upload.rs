//! `import/upload`: the customer has sent the bytes to a signed URL; here they are recognised.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind};
use convertfly_scheduler::storage::{StorageKey, names};
use convertfly_scheduler::task::TaskResult;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde_json::{Map, Value};

use super::{Context, Operation, filename_field, files, input_format_field, no_options};
use crate::failure::Failure;
use crate::formats::{self, SNIFF_BYTES};

pub(super) static OPERATION: Operation = Operation {
    name: "import/upload",
    description: "Import a file via presigned URL",
    kind: OperationKind::Import,
    credits: Some(0),
    lane: Some(Lane::Io),
    lanes: BTreeMap::new,
    flat: false,
    fields: || vec![filename_field(false), input_format_field()],
    options: no_options,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| run(context, explain).boxed(),
};

/// Bytes of an archive's end that are looked at.
const TAIL: u64 = 256 << 10;

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
        let part = async |from: u64, length: u64| -> Result<Vec<u8>, Failure> {
            let last = (from + length).min(file.size) - 1;
            let mut object = context.services.storage.get(&key, Some((from, last))).await.map_err(files::storage_failure)?;
            let mut bytes = Vec::new();
            while let Some(chunk) = object.stream.next().await {
                bytes.extend_from_slice(&chunk.map_err(Failure::internal)?);
            }
            Ok(bytes)
        };
        let head = part(0, SNIFF_BYTES as u64).await?;
        let mut seen = formats::sniff(&head);
        if seen.is_none() && head.starts_with(b"PK") {
            // The list of contents of an archive lies at its end. What it does not hold of it is told when the file is converted.
            let start = file.size.saturating_sub(TAIL);
            let tail = part(start, TAIL).await?;
            let read = |at: u64, length: usize| {
                let from = usize::try_from(at.checked_sub(start)?).ok()?;
                tail.get(from..tail.len().min(from + length)).map(<[u8]>::to_vec)
            };
            seen = formats::sniff_parts(&head, file.size, &read);
        }
        file.filename = names::sanitise_filename(context.field("filename").unwrap_or(&file.filename));
        let (format, warning) = files::recognise(seen, context.field("input_format"), &file.filename);
        file.format = format.map(|format| format.name.to_owned());
        explain.insert("bytes".into(), file.size.into());
        Ok(TaskResult { files: vec![file], warnings: warning.into_iter().collect(), ..TaskResult::default() })
    }
    .boxed()
}
