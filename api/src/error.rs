//! The public error codes and the only place that knows their HTTP statuses.

use axum::Json;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::storage::StorageError;
use convertfly_scheduler::store::StoreError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// The status that tus has for a checksum that does not match.
const CHECKSUM_MISMATCH: StatusCode = match StatusCode::from_u16(460) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

/// A public error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Code {
    /// The body or a parameter is at fault.
    InvalidData,
    /// No API key, or none that is valid.
    Unauthenticated,
    /// The balance is too low.
    InsufficientCredits,
    /// The key lacks the scope.
    Forbidden,
    /// It does not exist, or no longer.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The request's body did not arrive in time.
    RequestTimeout,
    /// The state does not allow it.
    Conflict,
    /// A signed link has expired.
    Gone,
    /// The body is too large.
    PayloadTooLarge,
    /// The requested bytes lie outside the file.
    RangeNotSatisfiable,
    /// The key of a request was used for another one.
    IdempotencyKeyReused,
    /// Nothing converts from this format to that one.
    UnsupportedFormat,
    /// A version or condition that the request names does not hold.
    PreconditionFailed,
    /// The body is of a kind that this path does not take.
    UnsupportedMediaType,
    /// Another request works on it.
    Locked,
    /// The bytes are not those that the client announced.
    ChecksumMismatch,
    /// Too much at once.
    TooManyRequests,
    /// A fault of ours.
    ServerError,
    /// Some part is away for the moment.
    Unavailable,
}

impl Code {
    /// Every code: its name on the wire, its HTTP status, and what the reference says of it.
    const TABLE: [(Self, &'static str, StatusCode, &'static str); 20] = [
        (Self::InvalidData, "INVALID_DATA", StatusCode::BAD_REQUEST, "Invalid request body or parameters"),
        (Self::Unauthenticated, "UNAUTHENTICATED", StatusCode::UNAUTHORIZED, "Missing or invalid API key"),
        (
            Self::InsufficientCredits,
            "INSUFFICIENT_CREDITS",
            StatusCode::PAYMENT_REQUIRED,
            "Not enough credits to complete the operation",
        ),
        (Self::Forbidden, "FORBIDDEN", StatusCode::FORBIDDEN, "API key lacks the required scope for this operation"),
        (Self::NotFound, "NOT_FOUND", StatusCode::NOT_FOUND, "Resource does not exist or has been deleted"),
        (Self::MethodNotAllowed, "METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED, "The path does not offer this method"),
        (Self::RequestTimeout, "REQUEST_TIMEOUT", StatusCode::REQUEST_TIMEOUT, "The request's body did not arrive in time"),
        (Self::Conflict, "CONFLICT", StatusCode::CONFLICT, "Resource already exists or operation conflicts with current state"),
        (Self::Gone, "GONE", StatusCode::GONE, "The link has expired"),
        (Self::PayloadTooLarge, "PAYLOAD_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE, "Request body exceeds maximum allowed size"),
        (
            Self::RangeNotSatisfiable,
            "RANGE_NOT_SATISFIABLE",
            StatusCode::RANGE_NOT_SATISFIABLE,
            "The range lies outside the file",
        ),
        (
            Self::IdempotencyKeyReused,
            "IDEMPOTENCY_KEY_REUSED",
            StatusCode::UNPROCESSABLE_ENTITY,
            "The Idempotency-Key was used for another request",
        ),
        (
            Self::UnsupportedFormat,
            "UNSUPPORTED_FORMAT",
            StatusCode::UNPROCESSABLE_ENTITY,
            "Requested conversion is not supported",
        ),
        (
            Self::PreconditionFailed,
            "PRECONDITION_FAILED",
            StatusCode::PRECONDITION_FAILED,
            "A version or condition that the request names does not hold",
        ),
        (
            Self::UnsupportedMediaType,
            "UNSUPPORTED_MEDIA_TYPE",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The path does not take a body of this kind",
        ),
        (Self::Locked, "LOCKED", StatusCode::LOCKED, "Another request works on it at the moment"),
        (Self::ChecksumMismatch, "CHECKSUM_MISMATCH", CHECKSUM_MISMATCH, "The bytes are not those that were announced"),
        (
            Self::TooManyRequests,
            "TOO_MANY_REQUESTS",
            StatusCode::TOO_MANY_REQUESTS,
            "Rate limit exceeded, or too many jobs wait already",
        ),
        (Self::ServerError, "SERVER_ERROR", StatusCode::INTERNAL_SERVER_ERROR, "Internal server error: retry or contact support"),
        (
            Self::Unavailable,
            "UNAVAILABLE",
            StatusCode::SERVICE_UNAVAILABLE,
            "Service temporarily unavailable: try again in a moment",
        ),
    ];

    fn row(self) -> (&'static str, StatusCode) {
        let found = Self::TABLE.iter().find(|(code, ..)| *code == self);
        found.map_or(("SERVER_ERROR", StatusCode::INTERNAL_SERVER_ERROR), |&(_, name, status, _)| (name, status))
    }

    /// Every code.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.iter().map(|row| row.0)
    }

    /// What the reference says of it, in a few words.
    pub(crate) fn meaning(self) -> &'static str {
        Self::TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.3)
    }

    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        self.row().1
    }
}

/// An error for the client: `{code, message, details?}`. Its texts are safe to show; causes go to the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    /// Machine-readable.
    pub(crate) code: Code,
    /// For people: what is wrong, and what to do next.
    pub(crate) message: String,
    /// `{field, reason, …}`.
    pub(crate) details: Option<Box<Value>>,
    /// Seconds after which another try makes sense.
    pub(crate) retry_after: Option<u32>,
}

impl ApiError {
    /// An error without details.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let retry_after = (code == Code::Unavailable).then_some(1);
        Self { code, message: message.into(), details: None, retry_after }
    }

    /// A field or parameter that is at fault, and the form it must have.
    pub(crate) fn field(code: Code, field: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::new(code, format!("Invalid value for {field}: {reason}")).with_details(json!({ "field": field, "reason": reason }))
    }

    /// `kind` (a job, say) does not exist; those of other accounts are no different.
    pub(crate) fn not_found(kind: &str) -> Self {
        Self::new(Code::NotFound, format!("This {kind} does not exist or has been deleted"))
    }

    /// A fault of ours; the cause belongs in the log, not here.
    pub(crate) fn server() -> Self {
        Self::new(Code::ServerError, "Internal server error: try again, and contact support with the X-Request-Id if it persists")
    }

    /// Adds details.
    pub(crate) fn with_details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The same error, with a message that names `kind` if it says that something does not exist.
    pub(crate) fn about(self, kind: &str) -> Self {
        if self.code == Code::NotFound { Self::not_found(kind) } else { self }
    }

    /// The body of the reference: `{code, message, details?}`.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({ "code": self.code.name(), "message": self.message });
        if let (Some(details), Some(body)) = (&self.details, body.as_object_mut()) {
            body.insert("details".to_owned(), Value::clone(details));
        }
        body
    }

    /// The body of RFC 9457, for clients that ask for `application/problem+json`.
    fn problem(&self) -> Value {
        let status = self.code.status();
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": self.message,
            "code": self.code.name(),
        });
        if let (Some(details), Some(body)) = (&self.details, body.as_object_mut()) {
            body.insert("details".to_owned(), Value::clone(details));
        }
        body
    }

    /// The response in the form of RFC 9457.
    pub(crate) fn into_problem_response(self) -> Response {
        let body = self.problem();
        let mut response = self.response(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }

    fn response(self, body: Value) -> Response {
        let mut response = (self.code.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The front may have to render it again in another form.
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = self.body();
        self.response(body)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => {
                tracing::warn!(cause, "the store is unavailable");
                Self::new(Code::Unavailable, "Service temporarily unavailable: try again in a moment")
            }
            StoreError::NotFound => Self::not_found("resource"),
            StoreError::Conflict(text) => Self::new(Code::Conflict, text),
            StoreError::Forbidden(text) => Self::new(Code::Forbidden, text),
            StoreError::InsufficientCredits { needed, balance } => Self::new(
                Code::InsufficientCredits,
                format!("This needs {needed} credits and {balance} are left: top up, or ask for less"),
            )
            .with_details(json!({ "needed": needed, "balance": balance })),
            StoreError::Frozen => {
                let text = "Charging is stopped for this account while its balance is checked, and nothing was charged: contact \
                            support, or try again later";
                let mut error = Self::new(Code::Unavailable, text);
                error.retry_after = Some(300);
                error
            }
            StoreError::QueueFull { limit } => {
                let text = format!("{limit} jobs of this account are waiting already: try again when some have been worked off");
                let mut error = Self::new(Code::TooManyRequests, text).with_details(json!({ "limit": limit }));
                error.retry_after = Some(5);
                error
            }
            StoreError::Broken(cause) => {
                tracing::error!(cause, "the store's contents or set-up are at fault");
                Self::server()
            }
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound(_) => Self::not_found("file"),
            StorageError::TooLarge { limit } => Self::new(Code::PayloadTooLarge, format!("The file exceeds {limit} bytes"))
                .with_details(json!({ "field": "body", "reason": format!("must be at most {limit} bytes"), "max_bytes": limit })),
            StorageError::LengthMismatch { expected, received } => {
                let text = format!("{expected} bytes were announced and {received} arrived: send the file again");
                Self::new(Code::InvalidData, text)
            }
            StorageError::Source(cause) if cause.kind() == std::io::ErrorKind::TimedOut => {
                Self::new(Code::RequestTimeout, "The file did not arrive in time: send it again")
            }
            StorageError::Source(_) => Self::new(Code::InvalidData, "The file ended early: send it again"),
            StorageError::RangeNotSatisfiable { size } => {
                Self::new(Code::RangeNotSatisfiable, format!("The range lies outside the file, which has {size} bytes"))
            }
            error if error.is_retryable() => {
                tracing::warn!(%error, "storage is unavailable");
                Self::new(Code::Unavailable, "Storage is temporarily unavailable: try again in a moment")
            }
            error => {
                tracing::error!(%error, "storage failed");
                Self::server()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_row() {
        for (code, name, status, _) in Code::TABLE {
            assert_eq!((code.name(), code.status()), (name, status), "{code:?}");
            assert!(status.is_client_error() || status.is_server_error(), "{name} is an error status");
        }
    }

    #[test]
    fn the_body_is_that_of_the_reference() {
        let error = ApiError::new(Code::InvalidData, "Missing required field: output_format")
            .with_details(json!({ "field": "output_format", "reason": "required" }));
        assert_eq!(
            serde_json::to_string(&error.body()).expect("JSON"),
            r#"{"code":"INVALID_DATA","message":"Missing required field: output_format","details":{"field":"output_format","reason":"required"}}"#,
            "byte for byte"
        );
        assert_eq!(ApiError::not_found("job").body().get("details"), None, "no details, no key");
    }

    #[test]
    fn an_absent_store_is_503_with_a_time_to_try_again() {
        let response = ApiError::from(StoreError::Unavailable("redis:6379 refused".to_owned())).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "never 500");
        assert_eq!(response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()), Some("1"), "Retry-After");
        let shown = response.extensions().get::<ApiError>().expect("the error itself").body().to_string();
        assert!(!shown.contains("6379"), "the cause stays in the log: {shown}");
    }

    #[test]
    fn money_and_queues_have_their_own_codes() {
        let poor = ApiError::from(StoreError::InsufficientCredits { needed: 4, balance: 1 });
        assert_eq!((poor.code.status().as_u16(), poor.code.name()), (402, "INSUFFICIENT_CREDITS"), "credits");
        let full = ApiError::from(StoreError::QueueFull { limit: 10 });
        assert_eq!((full.code.status().as_u16(), full.retry_after), (429, Some(5)), "queue");
        let broken = ApiError::from(StoreError::Broken("a secret cause".to_owned()));
        assert!(broken.code == Code::ServerError && !broken.message.contains("secret"), "{broken:?}");
    }

    #[test]
    fn problem_json_carries_the_same_facts() {
        let response = ApiError::field(Code::InvalidData, "page", "must be 1 or more").into_problem_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json", "media type");
        let body = response.extensions().get::<ApiError>().expect("the error").problem();
        assert_eq!((&body["status"], &body["code"]), (&json!(400), &json!("INVALID_DATA")), "{body}");
        assert_eq!(body["details"]["field"], "page", "{body}");
    }
}
