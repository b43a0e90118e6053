//! A customer's bucket on an S3-compatible server: reached with the credentials of the task alone, through the guarded client.
//!
//! The SDK's default chain of credential providers and `aws-config`, which would read `AWS_` variables, profiles or a metadata
//! service, are not part of the program.

mod download;
mod failure;
mod options;
mod parts;
mod upload;

#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::fetch::Fetcher;

pub use failure::Direction;
pub use options::{connection_entries, storage_entries};
pub use parts::Object;
pub use upload::Sent;

/// How long and how often a bucket is tried.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Tries of one request, the first included.
    pub tries: u32,
    /// Wait before the second try, at most; it doubles, up to 20 s, and each wait is a random part of it.
    pub first_backoff: Duration,
    /// Time for one try.
    pub attempt: Duration,
    /// Time for a request with all its tries.
    pub operation: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            tries: 5,
            first_backoff: Duration::from_secs(1),
            attempt: Duration::from_secs(90),
            operation: Duration::from_secs(600),
        }
    }
}

/// A bucket.
pub struct Bucket {
    client: Client,
    name: String,
    direction: Direction,
}

impl Bucket {
    /// The bucket that a task's options name. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Failure::Invalid`] naming the option.
    pub fn open(fetcher: &Fetcher, given: &Map<String, Value>, direction: Direction, tuning: Tuning) -> Result<Self, Failure> {
        let options = options::Connection::read(given)?;
        let credentials = Credentials::new(
            options.access_key_id,
            options.secret_access_key.expose(),
            options.session_token.map(|token| token.expose().clone()),
            None,
            "task",
        );
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(tuning.attempt)
            .read_timeout(tuning.attempt)
            .operation_timeout(tuning.operation)
            .build();
        // A bucket that fails must not use up the retries of another customer's.
        let partition = RetryPartition::custom("task").token_bucket(TokenBucket::unlimited()).build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(fetcher.sdk_client(tuning.attempt))
            .region(Region::new(options.region))
            .credentials_provider(credentials)
            .force_path_style(options.endpoint.is_some())
            .disable_s3_express_session_auth(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(20)).build())
            .timeout_config(timeouts)
            .retry_partition(partition)
            .retry_config(
                RetryConfig::standard().with_max_attempts(tuning.tries.max(1)).with_initial_backoff(tuning.first_backoff),
            );
        if let Some(endpoint) = &options.endpoint {
            let checked = fetcher.check_url(endpoint);
            let checked = checked.map_err(|failure| Failure::invalid_field("endpoint", failure.to_string()))?;
            // As the client will send it: the signature covers the host, without a port that is the scheme's own.
            config = config.endpoint_url(checked.as_str().trim_end_matches('/'));
        }
        Ok(Self { client: Client::from_conf(config.build()), name: options.bucket, direction })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
