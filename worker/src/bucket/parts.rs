//! Parts of an object that stays in its bucket.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Bucket;
use super::options::check_key;
use crate::failure::Failure;
use crate::fetch::{Beginning, Version, range_of};
use crate::glance::Source;

/// An object where it lies, as long as it is of one version.
pub struct Object {
    bucket: Bucket,
    key: String,
    version: Version,
}

impl Bucket {
    /// Reads the first `length` bytes and finds out whether other parts can be asked for: `None` where they cannot.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub async fn beginning(&self, key: &str, length: u64) -> Result<Option<Beginning>, Failure> {
        check_key("key", key)?;
        let part = self.part(key, (0, length), None).await?;
        Ok(part.map(|(bytes, version)| Beginning { bytes, version, filename: None }))
    }

    /// The object of that key, as long as it is of that version.
    pub fn object(self, key: String, version: Version) -> Object {
        Object { bucket: self, key, version }
    }

    async fn part(
        &self,
        key: &str,
        (first, length): (u64, u64),
        tag: Option<String>,
    ) -> Result<Option<(Bytes, Version)>, Failure> {
        let range = format!("bytes={first}-{}", first.saturating_add(length).saturating_sub(1));
        let request = self.client.get_object().bucket(&self.name).key(key).range(range).set_if_match(tag);
        let answer = request.send().await.map_err(|error| self.direction.of(&error))?;
        let Some((version, expected)) = part_of(&answer, first) else { return Ok(None) };
        if expected > length {
            return Ok(None);
        }
        let body =
            answer.body.collect().await.map_err(|_| self.direction.failure("The bucket's server broke off. Try again later"))?;
        let bytes = body.into_bytes();
        Ok((bytes.len() as u64 == expected).then_some((bytes, version)))
    }
}

/// Of which object an answer is a part that begins there, and how long it is.
fn part_of(answer: &GetObjectOutput, first: u64) -> Option<(Version, u64)> {
    let (begins, size) = range_of(answer.content_range()?)?;
    let length = u64::try_from(answer.content_length()?).ok().filter(|length| *length > 0)?;
    let version = Version::new(size?, answer.e_tag().map(str::to_owned), None)?;
    (begins == first).then_some((version, length))
}

impl Source for Object {
    fn size(&self) -> u64 {
        self.version.size
    }

    fn read(&self, first: u64, length: u64) -> BoxFuture<'_, Result<Bytes, Failure>> {
        async move {
            match self.bucket.part(&self.key, (first, length), self.version.tag()).await? {
                Some((bytes, version)) if version == self.version => Ok(bytes),
                _ => Err(self.bucket.direction.failure("The object changed while parts of it were read")),
            }
        }
        .boxed()
    }
}
