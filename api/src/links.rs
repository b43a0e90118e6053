//! Signed links to files: made anew whenever a job is shown, from what its record says.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use convertfly_scheduler::storage::StorageKey;
use convertfly_scheduler::storage::names::content_disposition;
use convertfly_scheduler::storage::sign::{Grant, Method, sign};
use convertfly_scheduler::task::{FileRef, TaskRecord, TaskStatus};

use crate::state::AppState;

/// Media type of a file whose format is not known.
const BYTES: &str = "application/octet-stream";

/// The links of some tasks, by task name.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// One link per file of the task's result.
    pub(crate) downloads: HashMap<String, Vec<String>>,
    /// Where the awaited upload goes.
    pub(crate) uploads: HashMap<String, String>,
}

/// Unix milliseconds now.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Makes the links of `tasks`, which belong to `job` of `account`.
pub(crate) async fn links(state: &AppState, account: &str, job: &str, tasks: &[TaskRecord]) -> Links {
    let mut links = Links::default();
    for task in tasks {
        let name = &task.spec.name;
        if let Some(slot) = task.upload.as_ref().filter(|_| task.status == TaskStatus::Waiting) {
            let key = StorageKey::Upload { account: account.to_owned(), job: job.to_owned(), slot: slot.id.clone() };
            let filename = task.spec.fields.get("filename").and_then(|name| name.as_str()).map(str::to_owned);
            links.uploads.insert(name.clone(), upload(state, key, slot.expires_at, filename));
        }
        if let Some((result, expires_at)) = task.result.as_ref().and_then(|result| Some((result, result.expires_at?))) {
            let mut urls = Vec::with_capacity(result.files.len());
            for file in &result.files {
                urls.push(download(state, file, expires_at).await);
            }
            links.downloads.insert(name.clone(), urls);
        }
    }
    links
}

/// The media type of a file.
pub(crate) fn media_type(state: &AppState, file: &FileRef) -> String {
    let format = file.format.as_deref().and_then(|format| state.catalog().format(format));
    format.map_or(BYTES, |format| format.mime.as_str()).to_owned()
}

fn upload(state: &AppState, key: StorageKey, expires_at_ms: u64, filename: Option<String>) -> String {
    let grant = Grant {
        method: Method::Put,
        key,
        expires_at_ms,
        max_bytes: Some(state.limits().upload),
        filename,
        content_type: None,
        inline: false,
        sha256: None,
    };
    format!("{}/storage/upload/{}", state.public_url(), sign(state.link_secret(), &grant))
}

/// The bucket's own link where there is a bucket, or one to this server.
async fn download(state: &AppState, file: &FileRef, expires_at_ms: u64) -> String {
    // A key that does not parse was never made by us; its link must not point anywhere.
    let Some(key) = StorageKey::parse(&file.key) else { return String::new() };
    let content_type = media_type(state, file);
    let left = Duration::from_millis(expires_at_ms.saturating_sub(now_ms()));
    if !left.is_zero() {
        let disposition = content_disposition(&file.filename, false);
        if let Some(url) = state.storage().presign_get(&key, left, &disposition, &content_type).await {
            return url;
        }
    }
    let grant = Grant {
        method: Method::Get,
        key,
        expires_at_ms,
        max_bytes: None,
        filename: Some(file.filename.clone()),
        content_type: Some(content_type),
        inline: false,
        sha256: file.sha256.clone(),
    };
    format!("{}/storage/dl/{}", state.public_url(), sign(state.link_secret(), &grant))
}
