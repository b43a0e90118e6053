//! Where files live: one enum of keys over a local folder or an S3-compatible bucket.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use tokio::io::AsyncWriteExt;

mod append;
mod config;
mod digest;
mod error;
mod intake;
mod key;
mod local;
pub mod names;
mod s3;
mod s3_append;
mod s3_multipart;
mod s3_read;
pub mod sign;
pub mod sign_archive;

#[cfg(test)]
mod append_test;
#[cfg(test)]
#[expect(dead_code, reason = "shared with the tests of the worker and of the program, which use the rest")]
mod s3_server_test;
#[cfg(test)]
mod s3_test;
#[cfg(test)]
mod suite_test;

pub use append::{Growing, Progress};
pub use config::StorageConfig;
pub use error::StorageError;
pub use key::StorageKey;

use crate::space::Space;
use config::Location;
use local::LocalStorage;
use s3::{S3Storage, Tuning};

/// Most bytes that one object may hold: 5 GiB, which is also what a bucket takes in one request.
pub const MAX_OBJECT_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// CRC-32 of the bytes, as zip archives have it.
    pub crc32: u32,
}

/// How much a stream may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutLimit {
    /// Most bytes; one more ends in [`StorageError::TooLarge`].
    pub max_bytes: u64,
    /// The exact number of bytes when it was announced; any other ends in [`StorageError::LengthMismatch`].
    pub exact: Option<u64>,
}

/// What is known about an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes.
    pub size: u64,
    /// Changes when the bytes do; without quotes. The job's record holds the SHA-256, which is the better `ETag` for people.
    pub etag: Option<String>,
    /// When the object was stored.
    pub modified: Option<SystemTime>,
}

/// An object, or a range of it, on its way out.
pub struct Object {
    /// The whole object's facts; `size` is not the length of a range.
    pub meta: Meta,
    /// Position of the stream's first byte in the object.
    pub offset: u64,
    /// Bytes that the stream brings. It ends in an error rather than early.
    pub length: u64,
    /// The bytes, in chunks of at most a few hundred KiB.
    pub stream: BoxStream<'static, io::Result<Bytes>>,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: StorageKey,
    /// Bytes.
    pub size: u64,
    /// When it was stored.
    pub modified: Option<SystemTime>,
}

/// A page of a listing, in the order of the keys' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects; a page may be empty and still have a successor.
    pub objects: Vec<Listed>,
    /// Pass it as `after` for the next page; `None` after the last.
    pub next: Option<String>,
}

/// A place for objects. Cheap to clone; every method may be called from many tasks at once.
///
/// A put is all or nothing: until it returns `Ok` nothing can be read under its key, and after an error or when its future
/// is dropped no part of it stays (a dropped put may still have been completed in full at that very moment). Keys carry a
/// fence, so two writers never share one; a second put under the same key replaces the first.
#[derive(Clone, Debug)]
pub struct Storage(BackEnd);

#[derive(Clone, Debug)]
enum BackEnd {
    Local(LocalStorage),
    S3(S3Storage),
}

impl Storage {
    /// Opens the storage that `config` names. A folder is made if missing (mode 0700); a bucket is not asked anything yet:
    /// see [`Storage::check`].
    ///
    /// # Errors
    /// [`StorageError::Config`] with all that [`StorageConfig::validate`] found; [`StorageError::Io`] or
    /// [`StorageError::Full`] when the folder cannot be made.
    pub async fn open(config: &StorageConfig) -> Result<Self, StorageError> {
        Self::open_tuned(config, Tuning::default()).await
    }

    async fn open_tuned(config: &StorageConfig, tuning: Tuning) -> Result<Self, StorageError> {
        let problems = config.validate();
        if !problems.is_empty() {
            return Err(StorageError::Config(problems.join("; ")));
        }
        match config.parse_location().map_err(StorageError::Config)? {
            Location::Local(root) => LocalStorage::open(root).await.map(BackEnd::Local).map(Self),
            Location::S3 { bucket, prefix } => S3Storage::open(config, bucket, prefix, tuning).map(BackEnd::S3).map(Self),
        }
    }

    /// Stores the file at `path`. `content_type` is what a bucket records; a folder records none, the caller does.
    ///
    /// # Errors
    /// [`StorageError::Source`] when the file cannot be read or changes meanwhile; else as [`Storage::put_stream`].
    pub async fn put_file(&self, key: &StorageKey, path: &Path, content_type: &str) -> Result<Stored, StorageError> {
        let (stream, size) = local::file_stream(path).await.map_err(StorageError::Source)?;
        self.put(key, stream, PutLimit { max_bytes: MAX_OBJECT_BYTES, exact: Some(size) }, Some(content_type)).await
    }

    /// As [`Storage::put_file`], of a file that nobody can change any more: where storage is a folder of the same file system, the object is a second
    /// name of it rather than a copy, and its mode becomes 0600.
    ///
    /// # Errors
    /// As those of [`Storage::put_file`].
    pub async fn put_settled_file(&self, key: &StorageKey, path: &Path, content_type: &str) -> Result<Stored, StorageError> {
        if let BackEnd::Local(local) = &self.0
            && let Some(stored) = local.adopt(&key.checked()?, path, MAX_OBJECT_BYTES).await?
        {
            return Ok(stored);
        }
        self.put_file(key, path, content_type).await
    }

    /// Stores a stream. Memory: under 1 MiB for a folder, under 24 MiB for a bucket, and one chunk of the stream.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] and [`StorageError::LengthMismatch`] by `limit`, as soon as they are certain;
    /// [`StorageError::Source`] when the stream fails; [`StorageError::Full`] and [`StorageError::Unavailable`] when
    /// storage does, after its own retries.
    pub async fn put_stream<S>(&self, key: &StorageKey, stream: S, limit: PutLimit) -> Result<Stored, StorageError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        self.put(key, stream, limit, None).await
    }

    async fn put<S>(
        &self,
        key: &StorageKey,
        stream: S,
        limit: PutLimit,
        content_type: Option<&str>,
    ) -> Result<Stored, StorageError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let key = key.checked()?;
        let intake = intake::Intake::new(stream, limit)?;
        match &self.0 {
            BackEnd::Local(local) => local.put(&key, intake).await,
            BackEnd::S3(s3) => s3.put(&key, intake, content_type).await,
        }
    }

    /// Reads an object, or the bytes `first..=last` of it; a `last` after the end means the end.
    ///
    /// # Errors
    /// [`StorageError::NotFound`]; [`StorageError::RangeNotSatisfiable`] when `first` is after the end or after `last`. The
    /// stream itself ends in an `io::Error` when bytes are missing; a bucket's connection is first taken up again 5 times.
    pub async fn get(&self, key: &StorageKey, range: Option<(u64, u64)>) -> Result<Object, StorageError> {
        let key = key.checked()?;
        match &self.0 {
            BackEnd::Local(local) => local.get(&key, range).await,
            BackEnd::S3(s3) => s3.get(&key, range).await,
        }
    }

    /// Reads a whole object into the file `path` (made or replaced) and returns its size. On any error, or when the future
    /// is dropped, the file is removed. It may be the object itself under a second name: it is there to be read, and must not be changed.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] over `limit` bytes, before anything is written; else as [`Storage::get`];
    /// [`StorageError::Unavailable`] when the bytes stop half-way.
    pub async fn download_to(&self, key: &StorageKey, path: &Path, limit: u64) -> Result<u64, StorageError> {
        if let BackEnd::Local(local) = &self.0 {
            return local.bring_to(&key.checked()?, path, limit).await;
        }
        let mut object = self.get(key, None).await?;
        if object.length > limit {
            return Err(StorageError::TooLarge { limit });
        }
        let mut file = tokio::fs::File::create(path).await.map_err(StorageError::io("create the file to download to"))?;
        let guard = local::RemoveOnDrop::new(path.to_owned());
        let failed = StorageError::io("write the downloaded file");
        while let Some(chunk) = object.stream.next().await {
            let chunk = chunk.map_err(|error| StorageError::Unavailable(error.to_string()))?;
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        guard.keep();
        Ok(object.length)
    }

    /// Stores an object under another key as well, where that takes no copy of its bytes: each lives until it is deleted. False where it
    /// cannot be done like that.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] and storage's own failures.
    pub async fn link(&self, from: &StorageKey, to: &StorageKey) -> Result<bool, StorageError> {
        match &self.0 {
            BackEnd::Local(local) => local.link(&from.checked()?, &to.checked()?).await,
            BackEnd::S3(_) => Ok(false),
        }
    }

    /// Asks for an object's size without reading it.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] and storage's own failures.
    pub async fn head(&self, key: &StorageKey) -> Result<Meta, StorageError> {
        let key = key.checked()?;
        match &self.0 {
            BackEnd::Local(local) => local.head(&key).await,
            BackEnd::S3(s3) => s3.head(&key).await,
        }
    }

    /// Removes an object; true if the folder held it. A bucket does not say, so there it is always true.
    ///
    /// # Errors
    /// Storage's own failures; a missing object is none.
    pub async fn delete(&self, key: &StorageKey) -> Result<bool, StorageError> {
        let key = key.checked()?;
        match &self.0 {
            BackEnd::Local(local) => local.delete(&key).await,
            BackEnd::S3(s3) => s3.delete(&key).await.map(|()| true),
        }
    }

    /// Removes every object whose key starts with `prefix` (a job's or an account's folder, ending in a slash), temporary
    /// files and unfinished uploads too, and returns how many objects there were.
    ///
    /// # Errors
    /// [`StorageError::InvalidKey`] unless the prefix names at least an account; storage's own failures, after which some
    /// objects may be gone: call it again.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<u64, StorageError> {
        let prefix = key::checked_prefix(prefix, 1)?;
        match &self.0 {
            BackEnd::Local(local) => local.delete_prefix(prefix).await,
            BackEnd::S3(s3) => s3.delete_prefix(prefix).await,
        }
    }

    /// Lists up to `limit` objects whose keys start with `prefix` (`jobs/` or a folder below, ending in a slash) and follow
    /// `after`, which is the previous page's [`Page::next`].
    ///
    /// # Errors
    /// [`StorageError::InvalidKey`] for another prefix; storage's own failures.
    pub async fn list_prefix(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StorageError> {
        let prefix = key::checked_prefix(prefix, 0)?;
        match &self.0 {
            BackEnd::Local(local) => local.list_prefix(prefix, after, limit.max(1)).await,
            BackEnd::S3(s3) => s3.list_prefix(prefix, after, limit.max(1)).await,
        }
    }

    /// Removes what crashed writers left: temporary files, or a bucket's unfinished uploads, older than `older_than`, and
    /// returns how many. Takes a walk through all of storage; run it at start-up, beside the work, with some hours.
    ///
    /// # Errors
    /// Storage's own failures.
    pub async fn sweep(&self, older_than: Duration) -> Result<u64, StorageError> {
        match &self.0 {
            BackEnd::Local(local) => local.sweep(older_than).await,
            BackEnd::S3(s3) => s3.abort_uploads("jobs/", Some(older_than)).await,
        }
    }

    /// Proves that storage can be written to now, with one small object. For a readiness probe; a bucket charges for it, so
    /// the caller remembers the answer for some seconds.
    ///
    /// # Errors
    /// What a put would meet: [`StorageError::Full`], [`StorageError::Unavailable`], [`StorageError::Denied`] …
    pub async fn check(&self) -> Result<(), StorageError> {
        match &self.0 {
            BackEnd::Local(local) => local.check().await,
            BackEnd::S3(s3) => s3.check().await,
        }
    }

    /// How full the file system behind it is; `None` for a bucket, and where that cannot be told.
    pub fn space(&self) -> Option<Space> {
        match &self.0 {
            BackEnd::Local(local) => local.space().ok(),
            BackEnd::S3(_) => None,
        }
    }

    /// The bucket's own link to download an object, valid for `expires` (at most 7 days, the protocol's limit), answering
    /// with the given `Content-Disposition` and `Content-Type`. `None` for a folder: the API serves it by a
    /// [`sign::Grant`].
    pub async fn presign_get(
        &self,
        key: &StorageKey,
        expires: Duration,
        disposition: &str,
        content_type: &str,
    ) -> Option<String> {
        match &self.0 {
            BackEnd::Local(_) => None,
            BackEnd::S3(s3) => s3.presign_get(&key.checked().ok()?, expires, disposition, content_type).await,
        }
    }
}
