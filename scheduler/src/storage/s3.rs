//! Objects in an S3-compatible bucket.
//!
//! The client is built by hand from our own settings. `aws-config`, the only crate that reads `AWS_` variables, profiles or
//! the instance's metadata service for keys, regions and endpoints, is not part of the program.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::digest::Digests;
use super::intake::Intake;
use super::{Listed, Meta, Page, StorageConfig, StorageError, StorageKey, Stored};

/// Bytes of a part, and the largest object sent in one request. Buckets take parts from 5 MiB on and 10,000 of them.
pub(super) const PART: usize = 8 * 1024 * 1024;

/// Deletions under way at once. Objects are deleted one by one: not every compatible server knows the bulk request.
const DELETIONS: usize = 16;

/// Longest validity of a presigned address that the protocol allows.
const LONGEST_PRESIGN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Media type of objects whose own is not known: no browser runs it.
const OPAQUE: &str = "application/octet-stream";

/// The object that [`S3Storage::check`] writes, again and again.
const CHECK_KEY: &str = "check";

/// How long and how often the bucket is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning {
    /// Tries of one request, the first included.
    pub(super) tries: u32,
    /// Wait before the second try, at most; it doubles, up to 20 s, and each wait is a random part of it.
    pub(super) first_backoff: Duration,
    /// Time to connect.
    pub(super) connect: Duration,
    /// Time for one try of a request: 8 MiB in 90 s is 93 kB/s.
    pub(super) attempt: Duration,
    /// Time for a request with all its tries.
    pub(super) operation: Duration,
    /// How long a body may stand still.
    pub(super) stall: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            tries: 5,
            first_backoff: Duration::from_secs(1),
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(90),
            operation: Duration::from_secs(600),
            stall: Duration::from_secs(20),
        }
    }
}

impl Tuning {
    /// The limits on time, with `attempt` for one try.
    pub(super) fn timeouts(&self, attempt: Duration) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .read_timeout(attempt)
            .operation_attempt_timeout(attempt)
            .operation_timeout(self.operation)
            .build()
    }
}

/// A bucket, and what every key in it starts with.
#[derive(Clone, Debug)]
pub(super) struct S3Storage {
    pub(super) client: Client,
    pub(super) bucket: Arc<str>,
    prefix: Arc<str>,
    pub(super) tuning: Tuning,
}

impl S3Storage {
    /// Builds the client; `config` has been validated.
    pub(super) fn open(config: &StorageConfig, bucket: String, prefix: String, tuning: Tuning) -> Result<Self, StorageError> {
        let (Some(key), Some(secret)) = (&config.s3_access_key_id, &config.s3_secret_access_key) else {
            return Err(StorageError::Config("the bucket's access key is missing".to_owned()));
        };
        let retries = RetryConfig::standard().with_max_attempts(tuning.tries.max(1)).with_initial_backoff(tuning.first_backoff);
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.s3_region.clone()))
            .credentials_provider(Credentials::new(key, secret.expose(), None, None, "convertfly"))
            .force_path_style(config.path_style())
            .disable_s3_express_session_auth(true)
            // Checksums in trailers, the default, are refused by many compatible servers. Our bodies lie in memory, so
            // their SHA-256 is part of the signature and the server checks it all the same.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(tuning.stall).build())
            .timeout_config(tuning.timeouts(tuning.attempt))
            .retry_config(retries);
        if let Some(endpoint) = &config.s3_endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Ok(Self { client: Client::from_conf(builder.build()), bucket: bucket.into(), prefix: prefix.into(), tuning })
    }

    /// A key of ours as the bucket knows it.
    pub(super) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Stores what `intake` brings: in one request with its SHA-256 in the metadata up to [`PART`] bytes, in parts above.
    pub(super) async fn put<S>(
        &self,
        key: &str,
        mut intake: Intake<S>,
        content_type: Option<&str>,
    ) -> Result<Stored, StorageError>
    where
        S: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        let full = self.full(key);
        let content_type = content_type.unwrap_or(OPAQUE);
        let first = intake.block(PART).await?.unwrap_or_default();
        if first.len() == PART
            && let Some(second) = intake.block(PART).await?
        {
            return self.put_parts(&full, intake, [first, second], content_type).await;
        }
        let stored = Digests::default().take(first.clone()).await?.finish();
        self.client
            .put_object()
            .bucket(&*self.bucket)
            .key(&full)
            .content_type(content_type)
            .metadata("sha256", &stored.sha256)
            .body(ByteStream::from(first))
            .send()
            .await
            .map_err(|error| failed(&error, &full))?;
        Ok(stored)
    }

    pub(super) async fn head(&self, key: &str) -> Result<Meta, StorageError> {
        let full = self.full(key);
        let head = self.client.head_object().bucket(&*self.bucket).key(&full).send().await;
        let head = head.map_err(|error| failed(&error, key))?;
        let size = head.content_length().and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| StorageError::Protocol("an object without a length".to_owned()))?;
        Ok(Meta { size, etag: head.e_tag().map(unquoted), modified: head.last_modified().and_then(system_time) })
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.delete_full(self.full(key)).await
    }

    async fn delete_full(&self, full: String) -> Result<(), StorageError> {
        match self.client.delete_object().bucket(&*self.bucket).key(&full).send().await {
            Ok(_) => Ok(()),
            Err(error) => match failed(&error, &full) {
                StorageError::NotFound(_) => Ok(()),
                error => Err(error),
            },
        }
    }

    pub(super) async fn delete_prefix(&self, prefix: &str) -> Result<u64, StorageError> {
        self.abort_uploads(prefix, None).await?;
        let (mut deleted, folder) = (0, self.full(prefix));
        let mut pages = self.client.list_objects_v2().bucket(&*self.bucket).prefix(&folder).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(&error, prefix))?;
            let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
            // A server that ignores the prefix must not cost other jobs their objects.
            let keys = keys.filter(|key| key.starts_with(&folder));
            deleted += stream::iter(keys)
                .map(|key| self.delete_full(key))
                .buffer_unordered(DELETIONS)
                .try_fold(0, async |count: u64, ()| Ok(count + 1))
                .await?;
        }
        Ok(deleted)
    }

    pub(super) async fn list_prefix(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StorageError> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&*self.bucket)
            .prefix(self.full(prefix))
            .set_start_after(after.map(|after| self.full(after)))
            .max_keys(i32::try_from(limit.min(1000)).unwrap_or(1000))
            .send()
            .await
            .map_err(|error| failed(&error, prefix))?;
        let ours = |full: Option<&str>| full.and_then(|full| full.strip_prefix(&*self.prefix)).map(str::to_owned);
        let mut page = Page::default();
        if listed.is_truncated().unwrap_or_default() {
            page.next = listed.contents().last().and_then(|object| ours(object.key()));
        }
        page.objects = listed
            .contents()
            .iter()
            .filter_map(|object| {
                let key = StorageKey::parse(&ours(object.key())?)?;
                let size = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                Some(Listed { key, size, modified: object.last_modified().and_then(system_time) })
            })
            .collect();
        Ok(page)
    }

    pub(super) async fn check(&self) -> Result<(), StorageError> {
        let body = ByteStream::from_static(b"ok");
        let put = self.client.put_object().bucket(&*self.bucket).key(self.full(CHECK_KEY)).content_type(OPAQUE).body(body);
        put.send().await.map(drop).map_err(|error| failed(&error, CHECK_KEY))
    }

    pub(super) async fn presign_get(
        &self,
        key: &str,
        expires: Duration,
        disposition: &str,
        content_type: &str,
    ) -> Option<String> {
        let expires = expires.clamp(Duration::from_secs(1), LONGEST_PRESIGN);
        let request = self
            .client
            .get_object()
            .bucket(&*self.bucket)
            .key(self.full(key))
            .response_content_disposition(disposition)
            .response_content_type(content_type);
        match request.presigned(PresigningConfig::expires_in(expires).ok()?).await {
            Ok(request) => Some(request.uri().to_owned()),
            Err(error) => {
                tracing::warn!(key, error = %DisplayErrorContext(&error), "no presigned address; the API serves the object itself");
                None
            }
        }
    }
}

/// Turns an answer of the bucket, after all tries, into ours. Texts hold the server's code and message, never our key.
pub(super) fn failed<E>(error: &SdkError<E>, key: &str) -> StorageError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Some(status) = error.raw_response().map(|response| response.status().as_u16()) else {
        return StorageError::Unavailable(DisplayErrorContext(error).to_string());
    };
    let code = error.code().unwrap_or_default();
    let text = format!("status {status} {code} {}", error.message().unwrap_or_default()).trim_end().to_owned();
    match (status, code) {
        (_, "NoSuchBucket") | (401 | 403, _) => StorageError::Denied(text),
        (404, _) => StorageError::NotFound(key.to_owned()),
        (507, _) => StorageError::Full,
        (408 | 429 | 500..=599, _) => StorageError::Unavailable(text),
        // A status of success: the answer was cut off, or is not one of S3's.
        (200..=299, _) => StorageError::Unavailable(DisplayErrorContext(error).to_string()),
        _ => StorageError::Protocol(text),
    }
}

/// An entity tag without its quotes.
pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// The SDK's time as the standard library's.
pub(super) fn system_time(at: &DateTime) -> Option<SystemTime> {
    SystemTime::try_from(*at).ok()
}
