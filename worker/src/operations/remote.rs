//! Files that are left at their source: the import looks at the beginning and says what it is; the tasks that only look into it read parts, and
//! whoever needs more fetches all of it.

use std::sync::Arc;

use convertfly_scheduler::ids;
use convertfly_scheduler::storage::names;
use convertfly_scheduler::task::FileRef;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Context, files};
use crate::bucket::{Bucket, Direction, Tuning};
use crate::failure::Failure;
use crate::fetch::{Beginning, Request, Version};
use crate::formats::{self, Category};
use crate::glance::{Glance, SMALL, Source};
use crate::node::LocalFile;
use crate::scratch::TaskDir;

/// Bytes that tell what a file is.
const BEGINNING: u64 = 64 << 10;

/// Where a file is. Nearly all of it may be secret, so that it is sealed wherever it is written down.
#[derive(Serialize, Deserialize)]
struct Remote {
    #[serde(flatten)]
    at: Place,
    version: Version,
}

/// What leads to it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    /// An address.
    Url {
        /// Its text.
        url: String,
        /// The customer's header fields.
        headers: Vec<(String, String)>,
    },
    /// An object in a customer's bucket.
    Object {
        /// Those of the import, which name the bucket and hold the credentials.
        options: Map<String, Value>,
        /// The object's.
        key: String,
    },
}

impl Place {
    /// The beginning of the file, if parts of it can be had; without further tries.
    async fn beginning(&self, context: &Context<'_>) -> Result<Option<Beginning>, Failure> {
        let fetcher = &context.services.fetcher;
        match self {
            Self::Url { url, headers } => {
                let request = Request { url, headers, max_bytes: files::MAX_FILE, deadline: context.deadline };
                fetcher.beginning(request, BEGINNING).await
            }
            Self::Object { options, key } => bucket(context, options)?.beginning(key, BEGINNING).await,
        }
    }

    /// What gives parts of the file.
    fn source(self, context: &Context<'_>, version: Version) -> Result<Box<dyn Source>, Failure> {
        Ok(match self {
            Self::Url { url, headers } => Box::new(context.services.fetcher.parts(&url, &headers, version)?),
            Self::Object { options, key } => Box::new(bucket(context, &options)?.object(key, version)),
        })
    }
}

fn bucket(context: &Context<'_>, options: &Map<String, Value>) -> Result<Bucket, Failure> {
    Bucket::open(&context.services.fetcher, options, Direction::Import, Tuning::default())
}

/// Where it opens.
fn opens(context: &Context<'_>) -> String {
    format!("remote:{}", context.lease.job)
}

impl Remote {
    fn seal(&self, context: &Context<'_>) -> Result<String, Failure> {
        let text = serde_json::to_vec(self).map_err(Failure::internal)?;
        context.services.sealer.seal(&opens(context), &text).map_err(Failure::internal)
    }

    fn open(context: &Context<'_>, sealed: &str) -> Result<Self, Failure> {
        let text = context.services.sealer.open(&opens(context), sealed).map_err(Failure::internal)?;
        serde_json::from_slice(&text).map_err(Failure::internal)
    }
}

/// The file of an import that leaves it where it is, with a warning if it is not what it is called; `None` where it has to be fetched: small
/// files, others than video and audio, and sources that do not give parts or do not say when the file changes. Faults of the source are left to
/// whoever fetches it.
pub(super) async fn leave(
    context: &Context<'_>,
    at: Place,
    named: Option<&str>,
    explain: &mut Map<String, Value>,
) -> Result<Option<(FileRef, Option<String>)>, Failure> {
    let beginning = tokio::select! {
        () = context.cancel.cancelled() => return Err(Failure::Cancelled),
        beginning = at.beginning(context) => beginning,
    };
    let Ok(Some(beginning)) = beginning else { return Ok(None) };
    let size = beginning.version.size;
    let seen = formats::sniff(&beginning.bytes);
    let plays = seen.is_some_and(|format| matches!(format.category, Category::Video | Category::Audio));
    if !plays || !(SMALL..=files::MAX_FILE).contains(&size) {
        return Ok(None);
    }
    let filename = names::sanitise_filename(named.or(beginning.filename.as_deref()).unwrap_or_default());
    let (format, warning) = files::recognise(seen, context.field("input_format"), &filename);
    let remote = Remote { at, version: beginning.version }.seal(context)?;
    let file = FileRef {
        file_id: ids::file_id(&context.lease.job),
        filename,
        size,
        format: format.map(|format| format.name.to_owned()),
        remote: Some(remote),
        ..FileRef::default()
    };
    explain.insert("remote".into(), json!({ "bytes": beginning.bytes.len(), "of": size, "requests": 1 }));
    Ok(Some((file, warning)))
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
    let Remote { at, version } = Remote::open(context, sealed)?;
    let size = version.size;
    let source = at.source(context, version)?;
    let path = folder.path().join(ids::new_id("in"));
    let opened = tokio::select! {
        () = context.cancel.cancelled() => return Err(Failure::Cancelled),
        opened = Glance::open(source, &path) => opened,
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
    let path = folder.path().join(ids::new_id("in"));
    let size = match Remote::open(context, sealed)?.at {
        Place::Url { url, headers } => {
            let request = Request { url: &url, headers: &headers, max_bytes: files::MAX_FILE, deadline: context.deadline };
            context.services.fetcher.download(request, &path, context.cancel, |_, _| {}).await?.size
        }
        Place::Object { options, key } => {
            let bucket = bucket(context, &options)?;
            tokio::select! {
                () = context.cancel.cancelled() => return Err(Failure::Cancelled),
                size = bucket.get(&key, &path, files::MAX_FILE, &|_, _| {}) => size?,
            }
        }
    };
    Ok(LocalFile::new(path, size, Arc::clone(folder)))
}
