//! What a bucket's answer comes to, in words for the customer.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::failure::Failure;
use crate::fetch::Outbound;

/// Which way files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Out of the bucket.
    Import,
    /// Into the bucket.
    Export,
}

impl Direction {
    /// A bucket that could not be used. It has been tried often enough: the task is not run again for it.
    pub(super) fn failure(self, message: impl Into<String>) -> Failure {
        let message = message.into();
        match self {
            Self::Import => Failure::Unreachable { message, retry: false },
            Self::Export => Failure::Undelivered { message },
        }
    }

    /// The failure of a request after all its tries. Repeats the server's code, never its message, which may repeat what was
    /// sent to it.
    pub(super) fn of<E>(self, error: &SdkError<E>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        if let Some(Outbound(failure)) = outbound(error) {
            return match failure {
                Failure::Invalid { .. } => failure.clone(),
                other => self.failure(
                    other.to_string().replace("The source", "The bucket's server").replace("The URL's", "The endpoint's"),
                ),
            };
        }
        let Some(status) = error.raw_response().map(|response| response.status().as_u16()) else {
            tracing::debug!(error = %aws_sdk_s3::error::DisplayErrorContext(error), "a bucket could not be asked");
            return self.failure("The bucket's server did not answer in time. Check the endpoint, or try again later");
        };
        let plain = |code: &&str| (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let code = error.code().filter(plain).unwrap_or_default();
        let advice = match (status, code) {
            (_, "NoSuchBucket") => "Check the name of the bucket, its region and the endpoint",
            (_, "NoSuchKey") => "Check the key",
            (_, "InvalidAccessKeyId") => "Check access_key_id",
            (_, "SignatureDoesNotMatch") => "Check secret_access_key and the region",
            (_, "ExpiredToken" | "InvalidToken") => "Check session_token: it may have expired",
            (_, "RequestTimeTooSkewed") => "Its clock and ours differ: the operator of one of the two has to set it",
            (_, "InvalidPart" | "BadDigest") => "It did not store the bytes as they were sent. Try again",
            (301 | 307 | 400, "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed") => {
                "The bucket is elsewhere: check the region and the endpoint"
            }
            (301..=308, _) => "Redirects are not followed: check the region and the endpoint",
            (401 | 403, _) => "Check the credentials and what they permit",
            (404, _) => "Check the bucket, the key and the endpoint",
            (408 | 429 | 500..=599, _) => "It was tried several times. Try again later",
            _ => "Check the options of the task",
        };
        let code = if code.is_empty() { String::new() } else { format!(" {code}") };
        self.failure(format!("The bucket's server answered HTTP {status}{code}. {advice}"))
    }
}

/// Our own client's failure, wherever in the chain of causes it is.
fn outbound<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Outbound> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
