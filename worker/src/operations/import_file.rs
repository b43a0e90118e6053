//! `import/file`: a file of the account's own, taken from another job. It is stored for its new job as well, so that it lives as long.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use convertfly_scheduler::ids;
use convertfly_scheduler::storage::{StorageKey, names};
use convertfly_scheduler::task::{FileRef, TaskResult};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Context, Operation, field, filename_field, files, input_format_field, no_options};
use crate::failure::Failure;

pub(super) static OPERATION: Operation = Operation {
    name: "import/file",
    description: "Reuse a file of another job without a second upload",
    kind: OperationKind::Import,
    credits: Some(0),
    lane: Some(Lane::Io),
    lanes: BTreeMap::new,
    flat: false,
    glances: false,
    fields: || {
        vec![
            field(
                "file_id",
                OptionKind::String { max_length: 80 },
                true,
                "Identifier of a file that was imported or made before.",
            ),
            filename_field(false),
            input_format_field(),
        ]
    },
    options: no_options,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| run(context, explain).boxed(),
};

fn run<'a>(context: &'a Context<'a>, explain: &'a mut Map<String, Value>) -> BoxFuture<'a, Result<TaskResult, Failure>> {
    async move {
        let source = context.lease.upload.clone().ok_or_else(|| Failure::internal("a reused file without its object"))?;
        let key = StorageKey::parse(&source.key).ok_or_else(|| Failure::internal(format!("unreadable key {}", source.key)))?;
        let start = std::time::Instant::now();
        let filename = names::sanitise_filename(context.field("filename").unwrap_or(&source.filename));
        let said = context.field("input_format").or(source.format.as_deref());
        let (mut file, warning) = match linked(context, &source, &key).await? {
            Some(own) => {
                let (format, warning) = files::recognise(files::sniff_stored(context, &own, source.size).await?, said, &filename);
                let format = format.map(|format| format.name.to_owned());
                let file_id = ids::file_id(&context.lease.job);
                (FileRef { file_id, key: own.to_string(), filename, format, page: None, ..source.clone() }, warning)
            }
            None => {
                let folder = files::folder(context)?;
                let path = folder.path().join(ids::new_id("in"));
                let storage = &context.services.storage;
                storage.download_to(&key, &path, files::MAX_FILE).await.map_err(files::storage_failure)?;
                let (format, warning) = files::recognise(files::sniff(&path)?, said, &filename);
                (files::store(context, path, &folder, filename, format).await?, warning)
            }
        };
        explain.insert("fetch_ms".into(), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into());
        explain.insert("bytes".into(), source.size.into());
        (file.width, file.height) = (source.width, source.height);
        Ok(TaskResult { files: vec![file], warnings: warning.into_iter().collect(), ..TaskResult::default() })
    }
    .boxed()
}

/// The object under a key of this task as well, where storage can do that without a copy and all is known about it that an import finds out.
async fn linked(context: &Context<'_>, source: &FileRef, from: &StorageKey) -> Result<Option<StorageKey>, Failure> {
    if source.size == 0 || source.sha256.is_none() || source.crc32.is_none() {
        return Ok(None);
    }
    let own = files::next_key(context);
    let linked = context.services.storage.link(from, &own).await.map_err(files::storage_failure)?;
    Ok(linked.then_some(own))
}
