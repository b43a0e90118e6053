//! The reference: the OpenAPI document and its pages.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::openapi::Fixed;
use crate::state::AppState;

/// `GET /api/v1/openapi.json`.
pub(crate) async fn document(State(state): State<AppState>, headers: HeaderMap) -> Response {
    fixed(state.openapi(), &headers, &[(CONTENT_TYPE, "application/json")])
}

/// A document that never changes while this program runs; browsers keep it, and ask whether it is still the same.
fn fixed(document: &Fixed, request: &HeaderMap, fields: &[(HeaderName, &'static str)]) -> Response {
    let known = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tag = document.etag.to_str().unwrap_or_default();
    let same =
        known.flat_map(|text| text.split(',')).any(|known| known.trim() == "*" || known.trim().trim_start_matches("W/") == tag);
    let mut response = if same { StatusCode::NOT_MODIFIED.into_response() } else { document.bytes.clone().into_response() };
    let headers = response.headers_mut();
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    headers.insert(ETAG, document.etag.clone());
    response
}
