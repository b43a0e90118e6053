//! All files of a task as one zip archive, made while it is downloaded.

use axum::body::Body;
use axum::response::Response;
use convertfly_scheduler::storage::StorageKey;
use convertfly_scheduler::storage::sign_archive::verify;
use convertfly_scheduler::task::FileRef;
use futures_util::StreamExt;
use time::OffsetDateTime;

use super::download::{Asked, Facts, respond};
use super::refused;
use crate::error::{ApiError, Code};
use crate::links::archive_name;
use crate::state::AppState;
use crate::zip::{Entry, Layout, stream};

/// The archive that a link leads to.
pub(super) async fn download(state: &AppState, token: &str, asked: &Asked) -> Result<Response, ApiError> {
    let grant = verify(state.link_secret(), token, asked.now).map_err(refused)?;
    let task = state.store().task(&grant.account, &grant.job, &grant.task).await;
    let task = task.map_err(|error| ApiError::from(error).about("file"))?;
    // The task may be running again, after a retry: then its files are not there yet.
    let result = task.result.as_ref().ok_or_else(|| ApiError::not_found("file"))?;
    if let Some(until) = result.expires_at.filter(|until| asked.now >= *until) {
        tracing::debug!(until, "a link outlived its files");
        return Err(ApiError::new(Code::Gone, "These files have expired: create a new job"));
    }
    let mut keys = Vec::with_capacity(result.files.len());
    let mut entries = Vec::with_capacity(result.files.len());
    for file in &result.files {
        let key = StorageKey::parse(&file.key).ok_or_else(ApiError::server)?;
        entries.push(Entry { name: file.filename.clone(), size: file.size, crc32: crc32(state, file, &key).await? });
        keys.push(key);
    }
    let changed = i64::try_from(task.ended_at.unwrap_or(0) / 1_000).unwrap_or(0);
    let layout = Layout::new(&entries, OffsetDateTime::from_unix_timestamp(changed).unwrap_or(OffsetDateTime::UNIX_EPOCH));
    let tag = layout.tag(result.files.iter().map(|file| file.sha256.clone().unwrap_or_default()));
    let filename = archive_name(&task.spec);
    let facts = Facts {
        size: layout.size(),
        tag: Some(&tag),
        filename: &filename,
        content_type: "application/zip",
        inline: false,
        sha256: None,
        expires_at_ms: grant.expires_at_ms,
    };
    respond(asked, &facts, async |range| {
        let range = range.unwrap_or((0, layout.size().saturating_sub(1)));
        Ok(Body::from_stream(stream(state.storage().clone(), &layout, keys, range)))
    })
    .await
}

/// A file's CRC: noted when it was stored; read from its bytes where an older version of this program stored it.
async fn crc32(state: &AppState, file: &FileRef, key: &StorageKey) -> Result<u32, ApiError> {
    if let Some(crc32) = file.crc32 {
        return Ok(crc32);
    }
    let (mut object, mut hasher) = (state.storage().get(key, None).await?, crc32fast::Hasher::new());
    while let Some(chunk) = object.stream.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::warn!(%error, "a file of an archive could not be read");
            ApiError::new(Code::Unavailable, "Storage is temporarily unavailable: try again in a moment")
        })?;
        hasher.update(&chunk);
    }
    Ok(hasher.finalize())
}
