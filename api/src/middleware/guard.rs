//! The guard of one route.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::admission::{Visit, Visitor};
use super::auth::{Access, Caller, Directory, authorise};
use super::idempotency;
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

/// Marks an answer before which time has passed, so that the balance may be another than when the request came in.
#[derive(Clone, Copy)]
pub(crate) struct Moved;

/// What the guard of a route knows.
pub(crate) struct Guard<D> {
    /// Where keys are found.
    pub(crate) directory: D,
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
    match announced_too_large(guard, request.headers()) {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    }
}

fn announced_too_large<D>(guard: &Guard<D>, headers: &HeaderMap) -> Option<ApiError> {
    let announced = headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    guard.max_body.map(|most| most as u64).filter(|&most| announced > most).map(too_large)
}

/// The error for a body over its limit.
pub(crate) fn too_large(limit: u64) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("The request's body exceeds {limit} bytes"))
        .with_details(json!({ "field": "body", "reason": format!("must be at most {limit} bytes"), "max_bytes": limit }))
}

async fn keyed<D: Directory>(guard: &Guard<D>, mut request: Request, next: Next) -> Response {
    let (visit, visitor) = (request.extensions().get::<Visit>().cloned(), request.extensions_mut().remove::<Visitor>());
    let (key, suspended) = match visitor {
        Some(Visitor { key: Ok(key), suspended }) => (key, suspended),
        Some(Visitor { key: Err(error), .. }) => return error.into_response(),
        None => return ApiError::server().into_response(),
    };
    let caller = Caller::from(&key);
    let reads = request.method().is_safe();
    let mut response = match authorise(guard.access, &key, suspended) {
        Ok(()) => {
            request.extensions_mut().insert(caller.clone());
            match (announced_too_large(guard, request.headers()), guard.directory.state()) {
                (Some(error), _) => error.into_response(),
                (None, Some(state)) if idempotency::wanted(&request) => {
                    idempotency::once(state, &caller, guard.max_body, request, next).await
                }
                (None, _) => next.run(request).await,
            }
        }
        Err(error) => error.into_response(),
    };
    // The balance came with the admission. After a change, or a wait, it is asked again, so that the header is never older than
    // the body; a handler that knows it has set it. While the store is away there is none to be had.
    if let Some(visit) = visit
        && (!reads || response.extensions().get::<Moved>().is_some())
        && !response.headers().contains_key(CREDITS_REMAINING)
    {
        let away = response.status() == StatusCode::SERVICE_UNAVAILABLE;
        visit.set_balance(if away { None } else { guard.directory.balance(&caller.account).await.ok() });
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
