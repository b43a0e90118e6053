//! The guard of one route.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_LENGTH};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::auth::{Access, Caller, Directory, authenticate, authorise};
use super::key_cache::KeyCache;
use crate::error::{ApiError, Code};
use crate::metrics::RouteId;

/// Credits that are left.
pub(crate) const CREDITS_REMAINING: HeaderName = HeaderName::from_static("x-credits-remaining");

/// Credits that this request has cost.
pub(crate) const CREDITS_USED: HeaderName = HeaderName::from_static("x-credits-used");

/// Response headers that scripts of other origins may read.
const EXPOSED: &str = "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Location, Repr-Digest, Retry-After, \
                       Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Defer-Length, Upload-Expires, Upload-Length, \
                       Upload-Metadata, Upload-Offset, X-Request-Id";

/// What the guard of a route knows.
pub(crate) struct Guard<D> {
    /// Where keys are found.
    pub(crate) directory: D,
    /// Keys found a moment ago, shared by all routes.
    pub(crate) cache: Arc<KeyCache>,
    /// The row of the router.
    pub(crate) route: RouteId,
    /// Who may use it.
    pub(crate) access: Access,
    /// Bytes that a body may announce; `None` where the handler knows better.
    pub(crate) max_body: Option<usize>,
}

/// Lets a request through to its handler, or answers in the handler's place; adds what every answer of the route carries.
pub(crate) async fn guard<D: Directory>(State(guard): State<Arc<Guard<D>>>, request: Request, next: Next) -> Response {
    let mut response = match guard.access {
        Access::Public => limited(&guard, request, next).await,
        Access::SignedLink => open_to_browsers(limited(&guard, request, next).await),
        Access::AnyKey | Access::Scope(_) => keyed(&guard, request, next).await,
    };
    response.extensions_mut().insert(guard.route);
    response
}

/// Refuses a body that is announced as too large before a byte of it is read.
async fn limited<D: Directory>(guard: &Guard<D>, request: Request, next: Next) -> Response {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match (guard.max_body, announced) {
        (Some(most), Some(bytes)) if bytes > most as u64 => too_large(most as u64).into_response(),
        _ => next.run(request).await,
    }
}

/// The error for a body over its limit.
pub(crate) fn too_large(limit: u64) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("The request's body exceeds {limit} bytes"))
        .with_details(json!({ "field": "body", "reason": format!("must be at most {limit} bytes"), "max_bytes": limit }))
}

async fn keyed<D: Directory>(guard: &Guard<D>, mut request: Request, next: Next) -> Response {
    let key = match authenticate(&guard.directory, &guard.cache, request.headers()).await {
        Ok(key) => key,
        Err(error) => return error.into_response(),
    };
    let caller = Caller::from(&key);
    let mut response = match authorise(guard.access, &key) {
        Ok(()) => {
            request.extensions_mut().insert(caller.clone());
            limited(guard, request, next).await
        }
        Err(error) => error.into_response(),
    };
    // Read after the handler, so that the header is never older than the body; a handler that knows has set it. While the
    // store is away there is no balance to be had.
    if !response.headers().contains_key(CREDITS_REMAINING)
        && response.status() != StatusCode::SERVICE_UNAVAILABLE
        && let Ok(balance) = guard.directory.balance(&caller.account).await
    {
        response.headers_mut().insert(CREDITS_REMAINING, HeaderValue::from(balance));
    }
    response.extensions_mut().insert(caller);
    response
}

/// Signed links carry their permission with them, so pages of any origin may use them.
fn open_to_browsers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    response
}
