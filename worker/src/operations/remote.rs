//! Files that are left at their source: the import looks at the beginning and says what it is; the tasks that only look into it read parts, and
//! whoever needs more fetches all of it.

use std::sync::Arc;

use convertfly_scheduler::ids;
use convertfly_scheduler::storage::names;
use convertfly_scheduler::task::{FileRef, TaskResult};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Context, files};
use crate::failure::Failure;
use crate::fetch::{Request, Version};
use crate::formats::{self, Category};
use crate::glance::{Glance, SMALL};
use crate::node::LocalFile;
use crate::scratch::TaskDir;

/// Bytes that tell what a file is.
const BEGINNING: u64 = 64 << 10;

/// Where a file is. The URL and the header fields may be secrets, so that it is sealed wherever it is written down.
#[derive(Serialize, Deserialize)]
struct Remote {
    url: String,
    headers: Vec<(String, String)>,
    version: Version,
}

/// Where it opens.
fn place(context: &Context<'_>) -> String {
    format!("remote:{}", context.lease.job)
}

impl Remote {
    fn seal(&self, context: &Context<'_>) -> Result<String, Failure> {
        let text = serde_json::to_vec(self).map_err(Failure::internal)?;
        context.services.sealer.seal(&place(context), &text).map_err(Failure::internal)
    }

    fn open(context: &Context<'_>, sealed: &str) -> Result<Self, Failure> {
        let text = context.services.sealer.open(&place(context), sealed).map_err(Failure::internal)?;
        serde_json::from_slice(&text).map_err(Failure::internal)
    }
}

/// The result of an import that leaves the file where it is; `None` where it has to be fetched: small files, others than video and audio, and
/// sources that do not give parts or do not say when the file changes. Faults of the source are left to whoever fetches it.
pub(super) async fn leave(
    context: &Context<'_>,
    request: Request<'_>,
    explain: &mut Map<String, Value>,
) -> Result<Option<TaskResult>, Failure> {
    let beginning = tokio::select! {
        () = context.cancel.cancelled() => return Err(Failure::Cancelled),
        beginning = context.services.fetcher.beginning(request, BEGINNING) => beginning,
    };
    let Ok(Some(beginning)) = beginning else { return Ok(None) };
    let size = beginning.version.size;
    let seen = formats::sniff(&beginning.bytes);
    let plays = seen.is_some_and(|format| matches!(format.category, Category::Video | Category::Audio));
    if !plays || !(SMALL..=files::MAX_FILE).contains(&size) {
        return Ok(None);
    }
    let filename = context.field("filename").map(str::to_owned).or(beginning.filename).unwrap_or_default();
    let filename = names::sanitise_filename(&filename);
    let (format, warning) = files::recognise(seen, context.field("input_format"), &filename);
    let remote =
        Remote { url: request.url.to_owned(), headers: request.headers.to_vec(), version: beginning.version }.seal(context)?;
    let file = FileRef {
        file_id: ids::file_id(&context.lease.job),
        filename,
        size,
        format: format.map(|format| format.name.to_owned()),
        remote: Some(remote),
        ..FileRef::default()
    };
    explain.insert("remote".into(), json!({ "bytes": beginning.bytes.len(), "of": size, "requests": 1 }));
    Ok(Some(TaskResult { files: vec![file], warnings: warning.into_iter().collect(), ..TaskResult::default() }))
}

/// A look into a file that was left at its source; `None` for all others, and where no look can be had.
pub(super) async fn glance(
    context: &Context<'_>,
    file: &FileRef,
    folder: &Arc<TaskDir>,
) -> Result<Option<(LocalFile, Arc<Glance>)>, Failure> {
    let Some(sealed) = &file.remote else { return Ok(None) };
    if context.services.cached(&file.file_id).is_some() {
        // Another task has needed all of it.
        return Ok(None);
    }
    let Remote { url, headers, version } = Remote::open(context, sealed)?;
    let size = version.size;
    let parts = context.services.fetcher.parts(&url, &headers, version)?;
    let path = folder.path().join(ids::new_id("in"));
    let opened = tokio::select! {
        () = context.cancel.cancelled() => return Err(Failure::Cancelled),
        opened = Glance::open(parts, &path) => opened,
    };
    match opened {
        Ok(glance) => Ok(Some((LocalFile::new(path, size, Arc::clone(folder)), Arc::new(glance)))),
        Err(failure) => {
            tracing::debug!(%failure, "no parts of a remote file can be had any more");
            Ok(None)
        }
    }
}

/// All of a file that was left at its source, as it is now.
pub(super) async fn whole(context: &Context<'_>, sealed: &str, folder: &Arc<TaskDir>) -> Result<LocalFile, Failure> {
    let Remote { url, headers, .. } = Remote::open(context, sealed)?;
    let path = folder.path().join(ids::new_id("in"));
    let request = Request { url: &url, headers: &headers, max_bytes: files::MAX_FILE, deadline: context.deadline };
    let fetched = context.services.fetcher.download(request, &path, context.cancel, |_, _| {}).await?;
    Ok(LocalFile::new(path, fetched.size, Arc::clone(folder)))
}
