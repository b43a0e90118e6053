//! `export/s3`: files into a customer's bucket.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use convertfly_scheduler::storage::StorageKey;
use convertfly_scheduler::storage::names::{content_disposition, sanitise_filename, unique};
use convertfly_scheduler::task::{ExportedObject, FileRef, TaskResult};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Context, Operation, field, files};
use crate::bucket::{Bucket, Direction, Tuning, connection_entries, storage_entries};
use crate::failure::Failure;
use crate::formats;

pub(super) static OPERATION: Operation = Operation {
    name: "export/s3",
    description: "Export files to an S3-compatible bucket",
    kind: OperationKind::Export,
    credits: Some(0),
    lane: Some(Lane::Io),
    lanes: BTreeMap::new,
    flat: false,
    glances: false,
    fields: || vec![field("filename", OptionKind::String { max_length: 1024 }, false, "Name of the file, for a single one.")],
    options: || {
        let mut entries = connection_entries();
        let help = "Key of the object, for a single file; default: key_prefix and the file's name.";
        entries.push(field("key", OptionKind::String { max_length: 1024 }, false, help));
        entries.push(field(
            "key_prefix",
            OptionKind::String { max_length: 900 },
            false,
            "What the keys begin with, such as photos/.",
        ));
        entries.extend(storage_entries());
        entries
    },
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| run(context, explain).boxed(),
};

fn run<'a>(context: &'a Context<'a>, explain: &'a mut Map<String, Value>) -> BoxFuture<'a, Result<TaskResult, Failure>> {
    async move {
        let work = export(context, explain);
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(Failure::Cancelled),
            done = tokio::time::timeout(context.deadline, work) => done.unwrap_or(Err(Failure::TimedOut)),
        }
    }
    .boxed()
}

async fn export(context: &Context<'_>, explain: &mut Map<String, Value>) -> Result<TaskResult, Failure> {
    let options = context.options();
    let bucket = Bucket::open(&context.services.fetcher, options, Direction::Export, Tuning::default())?;
    let mut inputs = context.lease.inputs.clone();
    if let ([file], Some(name)) = (&mut inputs[..], context.field("filename")) {
        file.filename = sanitise_filename(name);
    }
    let keys = keys(&inputs, context.option("key"), context.option("key_prefix"))?;
    let total: u64 = inputs.iter().map(|file| file.size).sum();
    let (mut done, mut objects) = (0, Vec::with_capacity(inputs.len()));
    for (file, key) in inputs.iter().zip(keys) {
        let stored = StorageKey::parse(&file.key).ok_or_else(|| Failure::internal(format!("unreadable key {}", file.key)))?;
        let object = context.services.storage.get(&stored, None).await.map_err(files::storage_failure)?;
        let mime = file.format.as_deref().and_then(formats::by_name).map_or("application/octet-stream", |format| format.mime);
        let progress = |bytes: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a share for people")]
            context.progress.report((done + bytes) as f64 / total.max(1) as f64);
        };
        let disposition = content_disposition(&file.filename, false);
        let sent = bucket.put(&key, options, object.stream, mime, &disposition, &progress).await?;
        done += file.size;
        objects.push(ExportedObject { bucket: bucket.name().to_owned(), key, etag: sent.etag });
    }
    explain.insert("bytes".into(), total.into());
    Ok(TaskResult { files: inputs, objects, ..TaskResult::default() })
}

/// The key of each file: no two alike, or one would overwrite the other.
fn keys(files: &[FileRef], key: Option<&str>, prefix: Option<&str>) -> Result<Vec<String>, Failure> {
    match (files, key) {
        ([_], Some(key)) => Ok(vec![key.to_owned()]),
        (_, Some(_)) => Err(Failure::invalid_field("key", "key names one object, and there are several files: use key_prefix")),
        (files, None) => {
            let names = unique(files.iter().map(|file| file.filename.as_str()));
            Ok(names.into_iter().map(|name| format!("{}{name}", prefix.unwrap_or_default())).collect())
        }
    }
}
