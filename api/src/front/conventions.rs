//! What every answer carries by convention: version, security headers, and the permission for pages of other origins.

use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::policy::Policy;

/// The program's version.
const VERSION: HeaderName = HeaderName::from_static("x-convertfly-version");

/// The caller's place in a trace (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Request headers that pages may send to the API.
const ASKED: &str = "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Traceparent, \
                     X-Request-Id";

/// Response headers that pages may read.
const EXPOSED: &str = "Content-Disposition, ETag, Idempotency-Replayed, Link, Location, Preference-Applied, RateLimit, \
                       RateLimit-Policy, Retry-After, X-ConvertFly-Version, X-Credits-Remaining, X-Credits-Used, X-Job-Id, \
                       X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id";

/// A page that asks.
pub(super) struct Page {
    /// The permission for its origin.
    allowed: HeaderValue,
    /// Whether its browser only asks what it may.
    preflight: bool,
}

impl Page {
    /// The page of another origin that a request comes from, if the settings let it.
    pub(super) fn of(policy: &Policy, method: &Method, headers: &HeaderMap) -> Option<Self> {
        let allowed = policy.allowed_origin(headers.get(ORIGIN)?)?;
        Some(Self { allowed, preflight: *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) })
    }
}

/// Adds to an answer what all have. `secure`: clients reach this server by https, and shall never try without.
pub(super) fn describe(response: &mut Response, policy: &Policy, page: Option<Page>, secure: bool) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    if secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if policy.cors_origins.is_empty() || headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(page) = page else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page.allowed);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if page.preflight
        && let Some(methods) = headers.get(ALLOW).cloned()
    {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ASKED));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    }
}

/// The trace that a request belongs to, as 32 hexadecimal digits; what is not valid is ignored, as the standard says.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let mut parts = value.to_str().ok()?.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex =
        |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let fit = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    // Version 00 has exactly four parts; later ones may have more.
    let ends = version != "00" || parts.next().is_none();
    (fit && ends && !zero(trace) && !zero(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_str(value).expect("a header value"));
            trace_id(&headers).map(str::to_owned)
        };
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(of(&format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(), Some(trace), "the example of the standard");
        assert_eq!(of(&format!("cc-{trace}-00f067aa0ba902b7-01-what")).as_deref(), Some(trace), "a later version");
        for bad in [
            "".to_owned(),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-00f067aa0ba902b7-01-what"),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{trace}-0000000000000000-01"),
        ] {
            assert_eq!(of(&bad), None, "{bad}");
        }
    }
}
