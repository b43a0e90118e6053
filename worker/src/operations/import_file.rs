//! `import/file`: a file of the account's own, taken from another job. It is copied, so that it lives as long as its new job.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use convertfly_scheduler::ids;
use convertfly_scheduler::storage::{StorageKey, names};
use convertfly_scheduler::task::TaskResult;
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
        let folder = files::folder(context)?;
        let path = folder.path().join(ids::new_id("in"));
        let start = std::time::Instant::now();
        context.services.storage.download_to(&key, &path, files::MAX_FILE).await.map_err(files::storage_failure)?;
        explain.insert("fetch_ms".into(), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into());
        explain.insert("bytes".into(), source.size.into());
        let filename = names::sanitise_filename(context.field("filename").unwrap_or(&source.filename));
        let said = context.field("input_format").or(source.format.as_deref());
        let (format, warning) = files::recognise(files::sniff(&path)?, said, &filename);
        let mut file = files::store(context, path, &folder, filename, format).await?;
        (file.width, file.height) = (source.width, source.height);
        Ok(TaskResult { files: vec![file], warnings: warning.into_iter().collect(), ..TaskResult::default() })
    }
    .boxed()
}
