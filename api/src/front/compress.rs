//! gzip for JSON that is worth it. Files that customers made are never touched: their formats are compressed already, and their
//! ranges and checksums are about the bytes as they are.

use std::io::Write;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;

use crate::error::ApiError;

/// Bodies up to this size fit into a packet as they are.
const SMALLEST: u64 = 1 << 10;

/// Bodies over this size are compressed on a thread of their own.
const LARGE: u64 = 128 << 10;

/// What is worth it.
const MEDIA: [&str; 4] = ["application/json", "application/problem+json", "text/html", "text/css"];

/// Whether the client takes gzip.
pub(super) fn accepted(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut any = false;
    for part in lines.flat_map(|line| line.split(',')) {
        let mut pieces = part.split(';').map(str::trim);
        let coding = pieces.next().unwrap_or_default();
        let weight = pieces.find_map(|piece| piece.strip_prefix("q=")).and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0);
        if coding.eq_ignore_ascii_case("gzip") {
            return weight > 0.0;
        }
        any |= coding == "*" && weight > 0.0;
    }
    any
}

/// Compresses an answer, if it is of a kind and size for which that makes sense.
pub(super) async fn gzip(accepted: bool, response: Response) -> Response {
    let Some(size) = worthwhile(&response) else { return response };
    let (mut parts, body) = response.into_parts();
    parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if !accepted {
        return Response::from_parts(parts, body);
    }
    let Ok(plain) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return ApiError::server().into_response();
    };
    let given = plain.clone();
    let packed = if size > LARGE { tokio::task::spawn_blocking(move || pack(&given)).await.ok().flatten() } else { pack(&given) };
    match packed {
        Some(packed) => {
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(packed.len()));
            // The same document, but no longer the same bytes.
            let weak = parts.headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
            if let Some(weak) = weak.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()) {
                parts.headers.insert(ETAG, weak);
            }
            Response::from_parts(parts, Body::from(packed))
        }
        None => Response::from_parts(parts, Body::from(plain)),
    }
}

fn pack(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 3), Compression::new(4));
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

/// The size of a body in memory that is worth it.
fn worthwhile(response: &Response) -> Option<u64> {
    let headers = response.headers();
    let media = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
    let a_file = headers.contains_key(CONTENT_DISPOSITION) || headers.contains_key(ACCEPT_RANGES);
    if a_file || headers.contains_key(CONTENT_ENCODING) || !MEDIA.contains(&media.as_str()) {
        return None;
    }
    http_body::Body::size_hint(response.body()).exact().filter(|&bytes| bytes > SMALLEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_where_it_is_accepted() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            accepted(&headers)
        };
        assert!(with("gzip") && with("br, GZIP;q=0.5") && with("*") && with("deflate, *;q=0.1"), "accepted");
        assert!(!with("br") && !with("gzip;q=0") && !with("gzip;q=0, *") && !with("*;q=0") && !with("identity"), "not accepted");
        assert!(!accepted(&HeaderMap::new()), "nor without the header");
    }
}
