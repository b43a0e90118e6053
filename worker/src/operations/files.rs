//! What operations share: getting inputs onto this node's disk, recognising them, storing outputs.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use convertfly_sandbox::is_settled;
use convertfly_scheduler::ids;
use convertfly_scheduler::storage::{StorageError, StorageKey, names};
use convertfly_scheduler::task::FileRef;
use futures_util::StreamExt;

use super::{Context, remote};
use crate::failure::Failure;
use crate::formats::{self, Format, SNIFF_BYTES};
use crate::node::LocalFile;
use crate::scratch::TaskDir;

/// Bytes of scratch space that one task may take.
pub(super) const SCRATCH_QUOTA: u64 = 12 << 30;

/// Bytes of the largest file that an import takes: 5 GiB.
pub(super) const MAX_FILE: u64 = 5 << 30;

/// The public text of a storage failure is ours; the cause goes to the log.
pub(super) fn storage_failure(error: StorageError) -> Failure {
    match error {
        StorageError::NotFound(_) => Failure::invalid("The file has expired or was deleted. Create a new job"),
        StorageError::TooLarge { limit } => Failure::too_large(format!("The file is larger than {limit} bytes")),
        error => Failure::internal(error),
    }
}

/// A folder for the task's temporary files.
pub(super) fn folder(context: &Context<'_>) -> Result<Arc<TaskDir>, Failure> {
    context.services.scratch.task_dir(SCRATCH_QUOTA).map(Arc::new).map_err(Failure::internal)
}

/// The input on this node's disk: at hand already, or downloaded into `folder`.
pub(super) async fn fetch(context: &Context<'_>, file: &FileRef, folder: &Arc<TaskDir>) -> Result<LocalFile, Failure> {
    // What was left at its source has no key yet.
    let name = if file.remote.is_some() { &file.file_id } else { &file.key };
    if let Some(local) = context.services.cached(name) {
        return Ok(local);
    }
    let turn = context.services.turn(name);
    let _turn = turn.lock().await;
    if let Some(local) = context.services.cached(name) {
        return Ok(local);
    }
    let local = match &file.remote {
        Some(sealed) => remote::whole(context, sealed, folder).await?,
        None => {
            let key =
                StorageKey::parse(&file.key).ok_or_else(|| Failure::internal(format!("unreadable storage key {}", file.key)))?;
            let path = folder.path().join(ids::new_id("in"));
            let size = context.services.storage.download_to(&key, &path, MAX_FILE).await.map_err(storage_failure)?;
            LocalFile::new(path, size, Arc::clone(folder))
        }
    };
    context.services.keep(name.clone(), local.clone());
    Ok(local)
}

/// What a file on disk holds.
pub(super) fn sniff(path: &std::path::Path) -> Result<Option<&'static Format>, Failure> {
    let file = File::open(path).map_err(Failure::internal)?;
    formats::sniff_file(&file).map_err(Failure::internal)
}

/// Bytes of an archive's end that are looked at.
const TAIL: u64 = 256 << 10;

/// What an object of that size holds, by as little of it as that takes.
pub(super) async fn sniff_stored(context: &Context<'_>, key: &StorageKey, size: u64) -> Result<Option<&'static Format>, Failure> {
    let part = async |from: u64, length: u64| -> Result<Vec<u8>, Failure> {
        let last = (from + length).min(size).saturating_sub(1);
        let mut object = context.services.storage.get(key, Some((from, last))).await.map_err(storage_failure)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = object.stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(Failure::internal)?);
        }
        Ok(bytes)
    };
    let head = part(0, SNIFF_BYTES as u64).await?;
    let seen = formats::sniff(&head);
    if seen.is_some() || !head.starts_with(b"PK") {
        return Ok(seen);
    }
    // The list of contents of an archive lies at its end. What it does not hold of it is told when the file is converted.
    let start = size.saturating_sub(TAIL);
    let tail = part(start, TAIL).await?;
    let read = |at: u64, length: usize| {
        let from = usize::try_from(at.checked_sub(start)?).ok()?;
        tail.get(from..tail.len().min(from + length)).map(<[u8]>::to_vec)
    };
    Ok(formats::sniff_parts(&head, size, &read))
}

/// What a file is: by content (what was seen in it) first, then by the customer's word, then by its name. The warning says where they differ.
pub(super) fn recognise(
    seen: Option<&'static Format>,
    said: Option<&str>,
    filename: &str,
) -> (Option<&'static Format>, Option<String>) {
    let by_name = filename.rsplit_once('.').and_then(|(_, extension)| formats::by_name(extension));
    let told = said.and_then(formats::by_name);
    let warning = match (seen, told.or(by_name)) {
        (Some(seen), Some(other)) if seen.name != other.name => {
            let source = if told.is_some() { "input_format says" } else { "its name says" };
            Some(format!("The file is a {}, though {source} {}", seen.name, other.name))
        }
        _ => None,
    };
    // The customer's explicit word wins; the decoder will say what it found instead.
    (told.or(seen).or(by_name), warning)
}

/// The name of an output: the input's stem with the new extension.
pub(super) fn output_name(input: &str, format: &Format) -> String {
    let stem = input.rsplit_once('.').map_or(input, |(stem, _)| stem);
    let extension = format.extensions.first().copied().unwrap_or(format.name);
    names::sanitise_filename(&format!("{}.{extension}", if stem.is_empty() { "file" } else { stem }))
}

/// The name of output `index` of `count` (from 0) by the customer's pattern: `%d` or `%03d` is its number from 1; where several
/// outputs share a name without one, the number goes before the extension.
pub(super) fn numbered(pattern: &str, index: usize, count: usize) -> String {
    let number = index + 1;
    let mut name = String::with_capacity(pattern.len() + 4);
    let (mut rest, mut found) = (pattern, false);
    while let Some((before, after)) = rest.split_once('%') {
        name.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match (after[..digits].parse::<usize>(), after[digits..].strip_prefix('d')) {
            (width, Some(tail)) if !found && digits <= 2 => {
                name.push_str(&format!("{number:0width$}", width = width.unwrap_or(0).min(20)));
                (rest, found) = (tail, true);
            }
            _ => {
                name.push('%');
                rest = after;
            }
        }
    }
    name.push_str(rest);
    if count > 1 && !found { suffixed(&name, &number.to_string()) } else { names::sanitise_filename(&name) }
}

/// A name with something before its extension: `a.csv` and `Sheet1` are `a-Sheet1.csv`.
pub(super) fn suffixed(name: &str, suffix: &str) -> String {
    names::sanitise_filename(&match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}-{suffix}.{extension}"),
        _ => format!("{name}-{suffix}"),
    })
}

/// The key of the next object that the task stores.
pub(super) fn next_key(context: &Context<'_>) -> StorageKey {
    let lease = context.lease;
    let index = (context.next_index)();
    StorageKey::Output { account: lease.account.clone(), job: lease.job.clone(), fence: lease.fence.clone(), index }
}

/// Stores a file that the task has made, keeps it at hand for what follows, and describes it.
pub(super) async fn store(
    context: &Context<'_>,
    path: PathBuf,
    folder: &Arc<TaskDir>,
    filename: String,
    format: Option<&Format>,
) -> Result<FileRef, Failure> {
    let lease = context.lease;
    let key = next_key(context);
    let mime = format.map_or("application/octet-stream", |format| format.mime);
    let storage = &context.services.storage;
    // What a child may still write to is copied.
    let settled = File::open(&path).is_ok_and(|file| is_settled(&file));
    let stored =
        if settled { storage.put_settled_file(&key, &path, mime).await } else { storage.put_file(&key, &path, mime).await };
    let stored = stored.map_err(storage_failure)?;
    context.services.keep(key.to_string(), LocalFile::new(path, stored.size, Arc::clone(folder)));
    Ok(FileRef {
        file_id: ids::file_id(&lease.job),
        key: key.to_string(),
        filename,
        size: stored.size,
        format: format.map(|format| format.name.to_owned()),
        sha256: Some(stored.sha256),
        crc32: Some(stored.crc32),
        width: None,
        height: None,
        page: None,
        remote: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn content_decides_over_the_name() {
        let (format, warning) = recognise(formats::sniff(PNG), None, "photo.jpg");
        assert_eq!(format.map(|format| format.name), Some("png"), "magic bytes first");
        assert!(warning.is_some_and(|text| text.contains("jpg")), "the mismatch is said");
    }

    #[test]
    fn the_customers_word_wins_over_content() {
        let (format, warning) = recognise(formats::sniff(PNG), Some("JPEG"), "photo.png");
        assert_eq!(format.map(|format| format.name), Some("jpg"), "input_format is explicit");
        assert!(warning.is_some(), "but the mismatch is said");
    }

    #[test]
    fn a22_several_outputs_are_numbered() {
        assert_eq!(numbered("a.png", 0, 1), "a.png", "one needs no number");
        assert_eq!(numbered("a.png", 1, 3), "a-2.png", "several do");
        assert_eq!(numbered("page-%d.png", 9, 12), "page-10.png", "where the pattern says");
        assert_eq!(numbered("%03d %d 100%.png", 0, 12), "001 %d 100%.png", "once, as wide as asked");
        assert_eq!(numbered("%d", 0, 1), "1", "also for one");
        assert_eq!(numbered("../%99d", 0, 1).len(), 20, "no width without bounds");
    }

    #[test]
    fn outputs_are_named_after_their_input() {
        let png = formats::by_name("png").expect("png is known");
        assert_eq!(output_name("a.b.jpg", png), "a.b.png", "only the last extension is replaced");
        assert_eq!(output_name("", png), "file.png", "never empty");
    }
}
