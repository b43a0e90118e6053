//! The reference: the OpenAPI document and its pages.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::openapi::Fixed;
use crate::state::AppState;

/// `GET /api/v1/openapi.json`.
pub(crate) async fn document(State(state): State<AppState>, headers: HeaderMap) -> Response {
    fixed(&state.reference().document, &headers, &[(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// `GET /docs` and `GET /api/v1/docs`.
pub(crate) async fn page(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let reference = state.reference();
    let fields = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, reference.policy.clone()),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    fixed(&reference.page, &headers, &fields)
}

/// A document that never changes while this program runs; browsers keep it, and ask whether it is still the same.
fn fixed(document: &Fixed, request: &HeaderMap, fields: &[(HeaderName, HeaderValue)]) -> Response {
    let known = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tag = document.etag.to_str().unwrap_or_default();
    let same =
        known.flat_map(|text| text.split(',')).any(|known| known.trim() == "*" || known.trim().trim_start_matches("W/") == tag);
    let mut response = if same { StatusCode::NOT_MODIFIED.into_response() } else { document.bytes.clone().into_response() };
    let headers = response.headers_mut();
    for (name, value) in fields {
        headers.insert(name, value.clone());
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    headers.insert(ETAG, document.etag.clone());
    response
}
