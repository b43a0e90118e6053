//! Objects that grow over several requests, in whichever process each of them lands: what resumable uploads need.
//!
//! The truth about such an object is its [`Progress`], which the caller keeps and hands back. Bytes that storage holds beyond
//! it were never acknowledged and are written over. Nothing is copied at the end: a folder's temporary file is renamed, a
//! bucket's parts are joined where they are.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::digest::Digests;
use super::local::GrowingFile;
use super::s3::PART;
use super::s3_append::GrowingParts;
use super::{BackEnd, Storage, StorageError, StorageKey, Stored};

/// Bytes that a folder collects before it writes them.
const WRITE: usize = 256 << 10;

/// Bytes that a folder writes before it makes them durable of its own accord.
const SYNC: u64 = 32 << 20;

/// How far an object has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes that are stored durably.
    pub offset: u64,
    /// State of the digests at `offset`; empty at the beginning.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    digests: String,
    /// A bucket's identifier of the upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload: Option<String>,
    /// A bucket's tags of the parts, all of the same size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<String>,
    /// After how many parts a bucket has kept bytes that made no whole part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tails: Vec<usize>,
}

impl Progress {
    fn digests(&self) -> Result<Digests, StorageError> {
        if self.digests.is_empty() {
            return Ok(Digests::default());
        }
        let digests = Digests::restore(&self.digests).filter(|digests| digests.size() == self.offset);
        digests.ok_or_else(unreadable)
    }
}

fn unreadable() -> StorageError {
    StorageError::Protocol("the state of a resumable upload does not read".to_owned())
}

/// An object that is being appended to. Dropping it loses what [`Growing::save`] has not saved.
pub struct Growing {
    place: Place,
    /// What has not been written yet.
    buffer: BytesMut,
    digests: Digests,
    /// What has been made durable.
    saved: Progress,
}

enum Place {
    File(GrowingFile),
    Parts(Box<GrowingParts>),
}

impl Storage {
    /// Goes on with the object that `progress` tells of; `Progress::default()` begins one.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when what was stored is gone; storage's own failures.
    pub async fn grow(&self, key: &StorageKey, progress: &Progress) -> Result<Growing, StorageError> {
        let key = key.checked()?;
        let (mut digests, mut buffer) = (progress.digests()?, BytesMut::new());
        let place = match &self.0 {
            BackEnd::Local(local) => Place::File(local.grow(&key, progress.offset).await?),
            BackEnd::S3(s3) => {
                let (parts, tail) = s3.grow(key, progress).await?;
                // The tail is taken in again with the part that it belongs to.
                if !tail.is_empty() {
                    digests = Digests::restore(&parts.digests_before_tail).ok_or_else(unreadable)?;
                }
                buffer.extend_from_slice(&tail);
                Place::Parts(Box::new(parts))
            }
        };
        Ok(Growing { place, buffer, digests, saved: progress.clone() })
    }

    /// Makes the object that `progress` tells of readable under `key`. Does nothing the second time.
    ///
    /// # Errors
    /// As [`Storage::grow`].
    pub async fn finish_growing(&self, key: &StorageKey, progress: &Progress) -> Result<Stored, StorageError> {
        let stored = progress.digests()?.finish();
        let key = key.checked()?;
        match &self.0 {
            BackEnd::Local(local) => local.finish_growing(&key, progress.offset).await?,
            BackEnd::S3(s3) => s3.finish_growing(&key, progress).await?,
        }
        Ok(stored)
    }

    /// Gives up what `progress` tells of.
    ///
    /// # Errors
    /// Storage's own failures.
    pub async fn stop_growing(&self, key: &StorageKey, progress: &Progress) -> Result<(), StorageError> {
        let key = key.checked()?;
        match &self.0 {
            BackEnd::Local(local) => local.stop_growing(&key).await,
            BackEnd::S3(s3) => s3.stop_growing(&key, progress).await,
        }
    }
}

impl Growing {
    /// Bytes taken in, saved or not.
    pub fn offset(&self) -> u64 {
        self.digests.size() + self.buffer.len() as u64
    }

    /// Takes in the next bytes. Holds at most a part (8 MiB) of them in memory for a bucket, 256 KiB for a folder.
    ///
    /// # Errors
    /// [`StorageError::Full`], [`StorageError::Unavailable`] and storage's other failures.
    pub async fn push(&mut self, chunk: &Bytes) -> Result<(), StorageError> {
        self.buffer.extend_from_slice(chunk);
        let block = if matches!(self.place, Place::File(_)) { WRITE } else { PART };
        while self.buffer.len() >= block {
            let bytes = self.buffer.split_to(block).freeze();
            self.write(bytes).await?;
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        match &mut self.place {
            Place::File(file) => file.write(bytes.clone()).await?,
            Place::Parts(parts) => parts.send(bytes.clone()).await?,
        }
        self.digests = std::mem::take(&mut self.digests).take(bytes).await?;
        Ok(())
    }

    /// What has become durable since the last look, if it is worth noting: a bucket's parts are at once, a folder's bytes
    /// after every 32 MiB.
    ///
    /// # Errors
    /// Storage's own failures.
    pub async fn checkpoint(&mut self) -> Result<Option<Progress>, StorageError> {
        let written = self.digests.size();
        match &mut self.place {
            Place::File(file) if written >= self.saved.offset + SYNC => file.sync().await?,
            Place::Parts(parts) if parts.count() > self.saved.parts.len() => {}
            _ => return Ok(None),
        }
        Ok(Some(self.note(self.digests.save(), written)))
    }

    /// Makes all bytes so far durable.
    ///
    /// # Errors
    /// Storage's own failures.
    pub async fn save(&mut self) -> Result<Progress, StorageError> {
        let rest = self.buffer.clone().freeze();
        let digests = match &mut self.place {
            Place::File(file) => {
                file.write(rest.clone()).await?;
                file.sync().await?;
                self.digests = std::mem::take(&mut self.digests).take(rest).await?;
                self.buffer.clear();
                self.digests.clone()
            }
            Place::Parts(parts) => {
                parts.keep_tail(rest.clone(), &self.digests.save()).await?;
                self.digests.clone().take(rest).await?
            }
        };
        Ok(self.note(digests.save(), digests.size()))
    }

    fn note(&mut self, digests: String, offset: u64) -> Progress {
        self.saved = Progress { offset, digests, ..Progress::default() };
        if let Place::Parts(parts) = &self.place {
            parts.note(&mut self.saved);
        }
        self.saved.clone()
    }
}
