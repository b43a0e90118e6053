//! `import/s3`: files out of a customer's bucket.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use convertfly_scheduler::storage::names;
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Context, Operation, field, filename_field, files, input_format_field, keep_field, remote};
use crate::bucket::{Bucket, Direction, Tuning, connection_entries};
use crate::failure::Failure;

pub(super) static OPERATION: Operation = Operation {
    name: "import/s3",
    description: "Import files from an S3-compatible bucket",
    kind: OperationKind::Import,
    credits: Some(0),
    lane: Some(Lane::Io),
    lanes: BTreeMap::new,
    flat: false,
    glances: false,
    fields: || vec![filename_field(false), input_format_field(), keep_field()],
    options: || {
        let mut entries = connection_entries();
        entries.push(field("key", OptionKind::String { max_length: 1024 }, false, "Key of the object."));
        let help = "Import every object whose key begins so, 1,000 at most, in place of one key.";
        entries.push(field("key_prefix", OptionKind::String { max_length: 1024 }, false, help));
        entries
    },
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| run(context, explain).boxed(),
};

fn run<'a>(context: &'a Context<'a>, explain: &'a mut Map<String, Value>) -> BoxFuture<'a, Result<TaskResult, Failure>> {
    async move {
        let work = import(context, explain);
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(Failure::Cancelled),
            done = tokio::time::timeout(context.deadline, work) => done.unwrap_or(Err(Failure::TimedOut)),
        }
    }
    .boxed()
}

async fn import(context: &Context<'_>, explain: &mut Map<String, Value>) -> Result<TaskResult, Failure> {
    let bucket = Bucket::open(&context.services.fetcher, context.options(), Direction::Import, Tuning::default())?;
    let keys = match (context.option("key"), context.option("key_prefix")) {
        (Some(key), None) => vec![key.to_owned()],
        (None, Some(prefix)) => bucket.list(prefix).await?,
        (Some(_), Some(_)) => return Err(Failure::invalid_field("key", "Give either key or key_prefix")),
        (None, None) => {
            return Err(Failure::invalid_field("key", "Missing required field: key, or key_prefix for several objects"));
        }
    };
    let mut result = TaskResult::default();
    let (mut bytes, count) = (0, keys.len());
    for (index, key) in keys.iter().enumerate() {
        // Several objects keep their own names.
        let name = context.field("filename").filter(|_| count == 1).unwrap_or(key);
        if context.lease.spec.glanced {
            let at = remote::Place::Object { options: context.options().clone(), key: key.clone() };
            if let Some((file, warning)) = remote::leave(context, at, Some(name), explain).await? {
                result.files.push(file);
                result.warnings.extend(warning);
                continue;
            }
        }
        let folder = files::folder(context)?;
        let path = folder.path().join("object");
        let progress = |done: u64, total: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a share for people")]
            context.progress.report((index as f64 + done as f64 / total.max(1) as f64) / count as f64);
        };
        bytes += bucket.get(key, &path, files::MAX_FILE, &progress).await?;
        let filename = names::sanitise_filename(name);
        let (format, warning) = files::recognise(files::sniff(&path)?, context.field("input_format"), &filename);
        result.files.push(files::store(context, path, &folder, filename, format).await?);
        result.warnings.extend(warning);
    }
    explain.insert("bytes".into(), bytes.into());
    Ok(result)
}
