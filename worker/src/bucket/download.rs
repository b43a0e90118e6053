//! Files out of a bucket.

use std::path::Path;

use tokio::io::AsyncWriteExt;

use super::Bucket;
use super::options::check_key;
use crate::failure::Failure;

/// How often one download is taken up again where it broke off.
const RESUMES: u32 = 3;

/// Keys that a prefix may stand for.
pub(super) const MAX_KEYS: usize = 1000;

impl Bucket {
    /// The keys under a prefix, sorted; folders (keys that end in a slash) are left out.
    ///
    /// # Errors
    /// As [`Bucket::get`]; [`Failure::Invalid`] for `key_prefix` with no key under it, or more than 1,000.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let mut keys = Vec::new();
        let mut pages = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.direction.of(&error))?;
            let found = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
            // A server that ignores the prefix must not hand out everything it has.
            keys.extend(found.filter(|key| key.starts_with(prefix) && !key.ends_with('/')));
            if keys.len() > MAX_KEYS {
                let reason = format!("More than {MAX_KEYS} keys begin with key_prefix. Give a longer one");
                return Err(Failure::invalid_field("key_prefix", reason));
            }
        }
        if keys.is_empty() {
            return Err(Failure::invalid_field("key_prefix", "No key of the bucket begins with key_prefix"));
        }
        keys.sort();
        Ok(keys)
    }

    /// Reads an object into the file `path`; returns its size. A connection that breaks is taken up again where it stopped.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for a key, [`Failure::Unreachable`] when the bucket does not give it, [`Failure::TooLarge`] over
    /// `max_bytes`, [`Failure::Internal`] if the file cannot be written.
    pub async fn get(
        &self,
        key: &str,
        path: &Path,
        max_bytes: u64,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<u64, Failure> {
        check_key("key", key)?;
        let too_large = || Failure::too_large(format!("The object is larger than the limit of {max_bytes} bytes"));
        let mut file = tokio::fs::File::create_new(path).await.map_err(Failure::internal)?;
        let (mut written, mut total, mut tag, mut resumes) = (0u64, None, None::<String>, 0);
        loop {
            let request = self.client.get_object().bucket(&self.name).key(key);
            let request = request.set_range((written > 0).then(|| format!("bytes={written}-"))).set_if_match(tag.clone());
            let mut answer = request.send().await.map_err(|error| self.direction.of(&error))?;
            let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
            match total {
                None => {
                    total = length;
                    tag = answer.e_tag.clone();
                    if length.is_some_and(|length| length > max_bytes) {
                        return Err(too_large());
                    }
                }
                // The rest of the same object, and nothing else.
                Some(total) if answer.e_tag == tag && length == Some(total - written) => {}
                Some(_) => return Err(self.direction.failure("The object changed while it was read. Try again")),
            }
            let broken = loop {
                match answer.body.next().await {
                    None => break None,
                    Some(Err(error)) => break Some(error.to_string()),
                    Some(Ok(chunk)) => {
                        if written + chunk.len() as u64 > max_bytes {
                            return Err(too_large());
                        }
                        file.write_all(&chunk).await.map_err(Failure::internal)?;
                        written += chunk.len() as u64;
                        progress(written, total.unwrap_or(written));
                    }
                }
            };
            if broken.is_none() && total.is_none_or(|total| total == written) {
                file.flush().await.map_err(Failure::internal)?;
                return Ok(written);
            }
            tracing::debug!(written, broken, "a read from a bucket broke off");
            if resumes == RESUMES || total.is_none_or(|total| written > total) {
                return Err(self
                    .direction
                    .failure(format!("The bucket's server broke off after {written} bytes. Try again later")));
            }
            resumes += 1;
        }
    }
}
