//! Files into a bucket: small ones in one request, large ones in parts that are aborted when something fails.

use std::io;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectCannedAcl, ServerSideEncryption};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, StreamExt};
use serde_json::{Map, Value};

use super::Bucket;
use super::options::{check_key, option};
use crate::failure::Failure;

/// Bytes of a part, and the largest object that is sent in one request. 640 of them make 5 GiB; buckets take 10,000.
pub(super) const PART: usize = 8 << 20;

/// How far the bucket's clock may be behind ours.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

/// Bytes of metadata that buckets take.
const MAX_METADATA: usize = 2048;

/// An object that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The bucket's own tag of it.
    pub etag: Option<String>,
}

/// How an object is stored.
struct Style {
    acl: Option<ObjectCannedAcl>,
    cache_control: Option<String>,
    content_type: String,
    disposition: String,
    metadata: Option<std::collections::HashMap<String, String>>,
    encryption: Option<ServerSideEncryption>,
    tagging: Option<String>,
}

impl Style {
    fn read(given: &Map<String, Value>, content_type: &str, disposition: &str) -> Result<Self, Failure> {
        let metadata = match given.get("metadata").and_then(Value::as_object) {
            None => None,
            Some(map) => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let map: std::collections::HashMap<_, _> = map.iter().map(|(name, value)| (name.clone(), text(value))).collect();
                let bytes: usize = map.iter().map(|(name, value)| name.len() + value.len()).sum();
                let plain = |name: &String| http::HeaderName::try_from(name).is_ok();
                let printable = |value: &String| value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                if bytes > MAX_METADATA || !map.keys().all(plain) || !map.values().all(printable) {
                    let reason =
                        format!("metadata must be names and values of printable ASCII, at most {MAX_METADATA} bytes together");
                    return Err(Failure::invalid_field("metadata", reason));
                }
                Some(map)
            }
        };
        for name in ["cache_control", "content_type", "tagging"] {
            if option(given, name).is_some_and(|text| http::HeaderValue::from_str(text).is_err()) {
                return Err(Failure::invalid_field(name, format!("{name} must not contain line breaks or control characters")));
            }
        }
        Ok(Self {
            acl: option(given, "acl").map(ObjectCannedAcl::from),
            cache_control: option(given, "cache_control").map(str::to_owned),
            content_type: option(given, "content_type").unwrap_or(content_type).to_owned(),
            disposition: disposition.to_owned(),
            metadata,
            encryption: option(given, "server_side_encryption").map(ServerSideEncryption::from),
            tagging: option(given, "tagging").map(str::to_owned),
        })
    }
}

/// Blocks of exactly [`PART`] bytes, the last one shorter.
struct Blocks {
    stream: BoxStream<'static, io::Result<Bytes>>,
    carry: BytesMut,
}

impl Blocks {
    async fn next(&mut self) -> Result<Bytes, Failure> {
        while self.carry.len() < PART {
            match self.stream.next().await {
                Some(chunk) => self.carry.extend_from_slice(&chunk.map_err(Failure::internal)?),
                None => return Ok(self.carry.split().freeze()),
            }
        }
        Ok(self.carry.split_to(PART).freeze())
    }
}

impl Bucket {
    /// Stores `size` bytes under `key`. At most two parts are in memory.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for a key or option, [`Failure::Undelivered`] when the bucket does not take it, after its tries;
    /// then the parts that it has taken are given up. Dropping the future gives them up, too.
    pub async fn put(
        &self,
        key: &str,
        given: &Map<String, Value>,
        stream: BoxStream<'static, io::Result<Bytes>>,
        content_type: &str,
        disposition: &str,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Sent, Failure> {
        check_key("key", key)?;
        let style = Style::read(given, content_type, disposition)?;
        let mut blocks = Blocks { stream, carry: BytesMut::new() };
        let first = blocks.next().await?;
        if first.len() < PART {
            return self.put_small(key, style, first).await;
        }
        let second = blocks.next().await?;
        if second.is_empty() {
            return self.put_small(key, style, first).await;
        }
        let mut upload = self.begin(key, style).await?;
        let outcome = upload.send(blocks, [first, second], progress).await;
        match outcome {
            Ok(etag) => {
                upload.id = None;
                Ok(Sent { etag })
            }
            Err(failure) => {
                upload.abort().await;
                Err(failure)
            }
        }
    }

    async fn put_small(&self, key: &str, style: Style, bytes: Bytes) -> Result<Sent, Failure> {
        let put = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .set_acl(style.acl)
            .set_cache_control(style.cache_control)
            .content_type(style.content_type)
            .content_disposition(style.disposition)
            .set_metadata(style.metadata)
            .set_server_side_encryption(style.encryption)
            .set_tagging(style.tagging)
            .body(ByteStream::from(bytes));
        let done = put.send().await.map_err(|error| self.direction.of(&error))?;
        Ok(Sent { etag: done.e_tag.map(|tag| tag.trim_matches('"').to_owned()) })
    }

    async fn begin(&self, key: &str, style: Style) -> Result<Upload<'_>, Failure> {
        let create = self
            .client
            .create_multipart_upload()
            .bucket(&self.name)
            .key(key)
            .set_acl(style.acl)
            .set_cache_control(style.cache_control)
            .content_type(style.content_type)
            .content_disposition(style.disposition)
            .set_metadata(style.metadata)
            .set_server_side_encryption(style.encryption)
            .set_tagging(style.tagging);
        let created = create.send().await.map_err(|error| self.direction.of(&error))?;
        let id =
            created.upload_id.ok_or_else(|| self.direction.failure("The bucket's server began an upload without naming it"))?;
        Ok(Upload { bucket: self, key: key.to_owned(), id: Some(id), began: SystemTime::now() })
    }
}

/// An upload in parts that is aborted unless it is completed.
struct Upload<'a> {
    bucket: &'a Bucket,
    key: String,
    /// `None` once it is completed or being aborted.
    id: Option<String>,
    began: SystemTime,
}

impl Upload<'_> {
    async fn send(
        &self,
        mut blocks: Blocks,
        [first, second]: [Bytes; 2],
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<String>, Failure> {
        let id = self.id.clone().unwrap_or_default();
        let Bucket { client, name, direction } = self.bucket;
        let (mut parts, mut done) = (Vec::new(), 0u64);
        let mut next = Some(first);
        let mut after = Some(second);
        while let Some(block) = next {
            let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
            let length = block.len() as u64;
            let part = client.upload_part().bucket(name).key(&self.key).upload_id(&id).part_number(number);
            let sending = async { part.body(ByteStream::from(block)).send().await.map_err(|error| direction.of(&error)) };
            // One part is sent while the next one is read.
            let reading = async {
                match after.take() {
                    Some(block) => Ok(block),
                    None => blocks.next().await,
                }
            };
            let (sent, read) = tokio::try_join!(sending, reading)?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
            done += length;
            progress(done);
            next = (!read.is_empty()).then_some(read);
        }
        let count = parts.len();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let join = client.complete_multipart_upload().bucket(name).key(&self.key).upload_id(&id).multipart_upload(parts);
        match join.send().await {
            Ok(joined) => Ok(joined.e_tag.map(|tag| tag.trim_matches('"').to_owned())),
            Err(error) => self.joined_all_the_same(&error, done, count).await,
        }
    }

    /// When the answer to a try that worked was lost, the next try finds no such upload. Then the object decides: it is ours if it
    /// is of this upload's time, size and number of parts. The key is the customer's, so one from before may lie there.
    async fn joined_all_the_same<E>(&self, error: &SdkError<E>, size: u64, parts: usize) -> Result<Option<String>, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if matches!(error.code(), Some("NoSuchUpload" | "AccessDenied"))
            && let Ok(head) = self.bucket.client.head_object().bucket(&self.bucket.name).key(&self.key).send().await
        {
            let tag = head.e_tag().map(|tag| tag.trim_matches('"').to_owned());
            let of_size = head.content_length().and_then(|length| u64::try_from(length).ok()) == Some(size);
            let of_parts = tag.as_deref().is_some_and(|tag| tag.ends_with(&format!("-{parts}")));
            let stored = head.last_modified().and_then(|at| SystemTime::try_from(*at).ok());
            if of_size && of_parts && stored.is_some_and(|at| at + CLOCKS_DIFFER >= self.began) {
                return Ok(tag);
            }
        }
        Err(self.bucket.direction.of(error))
    }

    /// Starts to give the parts up; goes on by itself.
    fn start_abort(&mut self) -> Option<tokio::task::JoinHandle<()>> {
        let id = self.id.take()?;
        let abort = self.bucket.client.abort_multipart_upload().bucket(&self.bucket.name).key(&self.key).upload_id(id);
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        Some(runtime.spawn(async move {
            if let Err(error) = abort.send().await {
                tracing::warn!(
                    code = error.code(),
                    "an unfinished upload could not be aborted; the bucket's lifecycle rules may"
                );
            }
        }))
    }

    async fn abort(&mut self) {
        if let Some(abort) = self.start_abort() {
            let _ = abort.await;
        }
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        self.start_abort();
    }
}
