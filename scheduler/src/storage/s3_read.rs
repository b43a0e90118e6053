//! Objects out of a bucket; a connection that breaks is taken up again where it stopped.

use std::io;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};

use super::s3::{S3Storage, failed, system_time, unquoted};
use super::{Meta, Object, StorageError};

/// How often one read is taken up again after a break.
const RESUMES: u32 = 5;

/// A read under way.
struct Reading {
    storage: S3Storage,
    key: String,
    etag: Option<String>,
    body: ByteStream,
    /// Position of the next byte in the object.
    at: u64,
    /// Position after the last byte wanted.
    end: u64,
    resumes: u32,
}

impl S3Storage {
    pub(super) async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Object, StorageError> {
        if range.is_some_and(|(first, last)| first > last) {
            return Err(StorageError::RangeNotSatisfiable { size: self.head(key).await?.size });
        }
        let answer = self.open_read(key, range, None).await?;
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let length = length.ok_or_else(|| StorageError::Protocol("an object without a length".to_owned()))?;
        let (offset, size) = match (range, answer.content_range().map(parse_content_range)) {
            (None, _) => (0, length),
            (Some((first, last)), Some(Some((at, size)))) if at == first && length == last.min(size - 1) - first + 1 => {
                (first, size)
            }
            (Some(_), _) => return Err(StorageError::Protocol("another range than asked for".to_owned())),
        };
        let etag = answer.e_tag().map(str::to_owned);
        let meta = Meta { size, etag: etag.as_deref().map(unquoted), modified: answer.last_modified().and_then(system_time) };
        let reading = Reading {
            storage: self.clone(),
            key: key.to_owned(),
            etag,
            body: answer.body,
            at: offset,
            end: offset + length,
            resumes: 0,
        };
        Ok(Object { meta, offset, length, stream: reading.into_stream() })
    }

    async fn open_read(&self, key: &str, range: Option<(u64, u64)>, etag: Option<&str>) -> Result<GetObjectOutput, StorageError> {
        let request = self.client.get_object().bucket(&*self.bucket).key(self.full(key));
        let request = request.set_range(range.map(|(first, last)| format!("bytes={first}-{last}")));
        match request.set_if_match(etag.map(str::to_owned)).send().await {
            Ok(answer) => Ok(answer),
            Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 416) => {
                Err(StorageError::RangeNotSatisfiable { size: self.head(key).await?.size })
            }
            Err(error) => Err(failed(&error, key)),
        }
    }
}

impl Reading {
    fn into_stream(self) -> BoxStream<'static, io::Result<Bytes>> {
        stream::try_unfold(self, |mut reading| async move { Ok(reading.chunk().await?.map(|chunk| (chunk, reading))) }).boxed()
    }

    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        while self.at < self.end {
            let broken = match self.body.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) if chunk.len() as u64 <= self.end - self.at => {
                    self.at += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Some(Ok(_)) => return Err(io::Error::other("the bucket sent more bytes than it announced")),
                Some(Err(error)) => io::Error::other(error),
                None => io::ErrorKind::UnexpectedEof.into(),
            };
            if self.resumes == RESUMES {
                return Err(broken);
            }
            self.resumes += 1;
            self.resume(broken).await?;
        }
        Ok(None)
    }

    /// Asks for the rest, of the same object and no other. The request has its own tries and waits.
    async fn resume(&mut self, broken: io::Error) -> io::Result<()> {
        tracing::debug!(key = self.key, at = self.at, error = %broken, "a read from the bucket broke and is taken up again");
        let rest = (self.at, self.end - 1);
        let answer = self.storage.open_read(&self.key, Some(rest), self.etag.as_deref()).await.map_err(io::Error::other)?;
        // Not every server heeds the condition, so the answer's own tag is compared too.
        let same = answer.e_tag() == self.etag.as_deref();
        match answer.content_range().map(parse_content_range) {
            Some(Some((at, _))) if at == self.at && same => {
                self.body = answer.body;
                Ok(())
            }
            _ => Err(io::Error::other("the bucket sent another object or range than asked for")),
        }
    }
}

/// Reads `bytes <first>-<last>/<size>`; `None` for anything else. `size` is at least 1.
fn parse_content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then_some((first, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        assert_eq!(parse_content_range("bytes 2-4/10"), Some((2, 10)), "the form of RFC 9110");
        for bad in ["", "bytes */10", "bytes 2-4/*", "bytes 4-2/10", "bytes 0-10/10", "2-4/10", "bytes 2-4"] {
            assert_eq!(parse_content_range(bad), None, "{bad:?} must not be taken");
        }
    }
}
