//! Objects that grow in a bucket: whole parts of a multipart upload, and an object of its own for the bytes after them.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::append::Progress;
use super::s3::{PART, S3Storage, failed};
use super::{StorageError, StorageKey};

/// Media type of objects whose own is not known.
const OPAQUE: &str = "application/octet-stream";

/// Metadata of a tail: the digests of the bytes before it.
const BEFORE: &str = "digests-before";

/// An object of a bucket that is being appended to.
pub(super) struct GrowingParts {
    storage: S3Storage,
    key: String,
    upload: Option<String>,
    parts: Vec<String>,
    tails: Vec<usize>,
    /// The digests at the beginning of the tail that was read back; empty without a tail.
    pub(super) digests_before_tail: String,
}

/// Where the bytes after that many whole parts are. Whatever is kept under one such key begins alike, so that one whose
/// keeping was never acknowledged does no harm to the one before it.
fn tail_key(key: &str, parts: usize) -> String {
    match StorageKey::parse(key) {
        Some(StorageKey::Upload { account, job, slot }) => {
            StorageKey::Upload { account, job, slot: format!("{slot}.tail{parts}") }.to_string()
        }
        _ => format!("{key}.tail{parts}"),
    }
}

fn completed(parts: &[String]) -> Vec<CompletedPart> {
    (1..).zip(parts).map(|(number, tag)| CompletedPart::builder().part_number(number).e_tag(tag).build()).collect()
}

impl S3Storage {
    /// Opens what `progress` tells of, and reads back the bytes after its last whole part.
    pub(super) async fn grow(&self, key: String, progress: &Progress) -> Result<(GrowingParts, Bytes), StorageError> {
        let (tail, before) = self.tail(&key, progress).await?;
        let parts = GrowingParts {
            storage: self.clone(),
            key,
            upload: progress.upload.clone(),
            parts: progress.parts.clone(),
            tails: progress.tails.clone(),
            digests_before_tail: before,
        };
        Ok((parts, tail))
    }

    async fn tail(&self, key: &str, progress: &Progress) -> Result<(Bytes, String), StorageError> {
        let whole = (progress.parts.len() * PART) as u64;
        let length = progress.offset.checked_sub(whole).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| StorageError::Protocol("a resumable upload with more parts than bytes".to_owned()))?;
        if length == 0 {
            return Ok((Bytes::new(), String::new()));
        }
        let tail = tail_key(key, progress.parts.len());
        let head = self.client.head_object().bucket(&*self.bucket).key(self.full(&tail)).send().await;
        let head = head.map_err(|error| failed(&error, &tail))?;
        let before = head.metadata().and_then(|metadata| metadata.get(BEFORE)).cloned().unwrap_or_default();
        let object = self.get(&tail, None).await?;
        let bytes: Vec<Bytes> =
            object.stream.try_collect().await.map_err(|error| StorageError::Unavailable(error.to_string()))?;
        let mut bytes = Bytes::from(bytes.concat());
        if bytes.len() < length || before.is_empty() {
            return Err(StorageError::Protocol("the end of a resumable upload is not what was stored".to_owned()));
        }
        bytes.truncate(length);
        Ok((bytes, before))
    }

    /// Joins the parts; a short object is stored in one request.
    pub(super) async fn finish_growing(&self, key: &str, progress: &Progress) -> Result<(), StorageError> {
        match self.head(key).await {
            Ok(meta) if meta.size == progress.offset => return Ok(()),
            Ok(_) | Err(StorageError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        let (mut parts, tail) = self.grow(key.to_owned(), progress).await?;
        if parts.parts.is_empty() {
            self.put_small(&self.full(key), tail.clone()).await?;
        } else {
            if !tail.is_empty() {
                parts.send(tail.clone()).await?;
            }
            let upload = parts.upload.clone().unwrap_or_default();
            self.join_parts(&self.full(key), &upload, completed(&parts.parts), progress.offset).await?;
        }
        self.delete_tails(key, progress).await
    }

    pub(super) async fn stop_growing(&self, key: &str, progress: &Progress) -> Result<(), StorageError> {
        if let Some(upload) = &progress.upload {
            self.abort(&self.full(key), upload).await?;
        }
        self.delete_tails(key, progress).await
    }

    async fn delete_tails(&self, key: &str, progress: &Progress) -> Result<(), StorageError> {
        for &parts in &progress.tails {
            self.delete(&tail_key(key, parts)).await?;
        }
        Ok(())
    }

    async fn put_small(&self, full: &str, bytes: Bytes) -> Result<(), StorageError> {
        let put = self.client.put_object().bucket(&*self.bucket).key(full).content_type(OPAQUE).body(ByteStream::from(bytes));
        put.send().await.map(drop).map_err(|error| failed(&error, full))
    }
}

impl GrowingParts {
    /// Whole parts so far.
    pub(super) fn count(&self) -> usize {
        self.parts.len()
    }

    /// Writes down what another process has to know.
    pub(super) fn note(&self, progress: &mut Progress) {
        (progress.upload, progress.parts, progress.tails) = (self.upload.clone(), self.parts.clone(), self.tails.clone());
    }

    /// Sends the next part; the first one begins the upload.
    pub(super) async fn send(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let full = self.storage.full(&self.key);
        let upload = match &self.upload {
            Some(upload) => upload.clone(),
            None => {
                let storage = &self.storage;
                let create = storage.client.create_multipart_upload().bucket(&*storage.bucket).key(&full).content_type(OPAQUE);
                let created = create.send().await.map_err(|error| failed(&error, &full))?;
                created.upload_id.ok_or_else(|| StorageError::Protocol("an upload without an identifier".to_owned()))?
            }
        };
        self.upload = Some(upload.clone());
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let part = self.storage.send_part(&full, &upload, number, bytes).await?;
        self.parts.push(part.e_tag.unwrap_or_default());
        Ok(())
    }

    /// Keeps the bytes after the last whole part, and the digests of all before them.
    pub(super) async fn keep_tail(&mut self, bytes: Bytes, before: &str) -> Result<(), StorageError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let parts = self.parts.len();
        if !self.tails.contains(&parts) {
            self.tails.push(parts);
        }
        let full = self.storage.full(&tail_key(&self.key, parts));
        let put = self.storage.client.put_object().bucket(&*self.storage.bucket).key(&full);
        let put = put.content_type(OPAQUE).metadata(BEFORE, before).body(ByteStream::from(bytes));
        put.send().await.map(drop).map_err(|error| failed(&error, &full))
    }
}
