//! Signed links to files: made anew whenever a job is shown, from what its record says.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::catalog::Catalog;
use crate::storage::names::{content_disposition, sanitise_filename};
use crate::storage::sign::{Grant, LinkSecret, Method, sign};
use crate::storage::sign_archive::{self, ArchiveGrant};
use crate::storage::{Storage, StorageKey};
use crate::task::{FileRef, TaskRecord, TaskSpec, TaskStatus};

/// Media type of a file whose format is not known.
const BYTES: &str = "application/octet-stream";

/// The links of some tasks, by task name.
#[derive(Debug, Default)]
pub struct Links {
    /// One link per file of the task's result.
    pub downloads: HashMap<String, Vec<String>>,
    /// Where all files of the task's result are to be had as one archive.
    pub archives: HashMap<String, String>,
    /// Where the awaited upload goes.
    pub uploads: HashMap<String, String>,
}

/// Unix milliseconds now.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Signs links; the same in every process that shows jobs.
#[derive(Clone)]
pub struct Linker {
    /// Files.
    pub storage: Storage,
    /// Signs links to the storage routes.
    pub secret: LinkSecret,
    /// Where clients reach the API, without a slash at the end.
    pub public_url: String,
    /// Knows the media types of formats.
    pub catalog: &'static Catalog,
    /// Bytes that an upload may have.
    pub max_upload: u64,
}

impl Linker {
    /// Makes the links of `tasks`, which belong to `job` of `account`.
    pub async fn links(&self, account: &str, job: &str, tasks: &[TaskRecord]) -> Links {
        let mut links = Links::default();
        for task in tasks {
            let name = &task.spec.name;
            if let Some(slot) = task.upload.as_ref().filter(|_| task.status == TaskStatus::Waiting) {
                let key = StorageKey::Upload { account: account.to_owned(), job: job.to_owned(), slot: slot.id.clone() };
                let filename = task.spec.fields.get("filename").and_then(|name| name.as_str()).map(str::to_owned);
                links.uploads.insert(name.clone(), self.upload(key, slot.expires_at, filename));
            }
            if let Some((result, expires_at)) = task.result.as_ref().and_then(|result| Some((result, result.expires_at?))) {
                let mut urls = Vec::with_capacity(result.files.len());
                for file in &result.files {
                    urls.push(self.download(file, expires_at, option(&task.spec, "inline") == Some(true)).await);
                }
                if archived(&task.spec, urls.len()) {
                    let grant =
                        ArchiveGrant { account: account.into(), job: job.into(), task: name.clone(), expires_at_ms: expires_at };
                    let token = sign_archive::sign(&self.secret, &grant);
                    links.archives.insert(name.clone(), format!("{}/storage/dl/{token}", self.public_url));
                }
                links.downloads.insert(name.clone(), urls);
            }
        }
        links
    }

    fn upload(&self, key: StorageKey, expires_at_ms: u64, filename: Option<String>) -> String {
        let grant = Grant {
            method: Method::Put,
            key,
            expires_at_ms,
            max_bytes: Some(self.max_upload),
            filename,
            content_type: None,
            inline: false,
            sha256: None,
        };
        format!("{}/storage/upload/{}", self.public_url, sign(&self.secret, &grant))
    }

    /// A link to one file: the bucket's own where there is a bucket, or one to this server.
    async fn download(&self, file: &FileRef, expires_at_ms: u64, inline: bool) -> String {
        // A key that does not parse was never made by us; its link must not point anywhere.
        let Some(key) = StorageKey::parse(&file.key) else { return String::new() };
        let format = file.format.as_deref().and_then(|format| self.catalog.format(format));
        let content_type = format.map_or(BYTES, |format| format.mime.as_str()).to_owned();
        let left = Duration::from_millis(expires_at_ms.saturating_sub(now_ms()));
        if !left.is_zero() {
            let disposition = content_disposition(&file.filename, inline);
            if let Some(url) = self.storage.presign_get(&key, left, &disposition, &content_type).await {
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
            inline,
            sha256: file.sha256.clone(),
        };
        format!("{}/storage/dl/{}", self.public_url, sign(&self.secret, &grant))
    }
}

/// A switch among the options of a task.
fn option(spec: &TaskSpec, name: &str) -> Option<bool> {
    spec.fields.get("options")?.get(name)?.as_bool()
}

/// Whether a task's `url` leads to an archive of its files: with several, unless the customer wants it otherwise.
fn archived(spec: &TaskSpec, files: usize) -> bool {
    files > 0 && option(spec, "archive_multiple_files").unwrap_or(files > 1)
}

/// What the archive of a task's files is called.
pub fn archive_name(spec: &TaskSpec) -> String {
    let name = spec.fields.get("filename").and_then(Value::as_str).unwrap_or(&spec.name);
    let name = if name.to_ascii_lowercase().ends_with(".zip") { name.to_owned() } else { format!("{name}.zip") };
    sanitise_filename(&name)
}
