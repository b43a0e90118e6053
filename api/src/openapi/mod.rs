//! The OpenAPI 3.1 document, made at start from the router's rows ([`Doc`] of each), the catalogue and the limits, and the
//! pages that are made from it.

mod catalogue;
#[cfg(test)]
pub(crate) mod check;
pub(crate) mod doc;
mod page;
mod parts;
pub(crate) mod routes;
mod schemas;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use convertfly_scheduler::catalog::Catalog;
use http::HeaderValue;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::limits::Limits;
use crate::router::Route;
pub(crate) use doc::{Doc, Tag};

/// A document that is the same for every request, with its entity tag.
#[derive(Clone)]
pub(crate) struct Fixed {
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// Strong entity tag.
    pub(crate) etag: HeaderValue,
}

impl Fixed {
    /// Keeps `bytes` for serving.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let tag = format!("\"{}\"", &crate::keys::hex(&Sha256::digest(&bytes))[..32]);
        let etag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes: bytes.into(), etag }
    }
}

/// Everything that is made from the routes: the document, and the page that shows it.
pub(crate) struct Reference {
    /// OpenAPI 3.1, JSON.
    pub(crate) document: Fixed,
    /// The page, HTML.
    pub(crate) page: Fixed,
    /// The page's Content-Security-Policy.
    pub(crate) policy: HeaderValue,
}

impl Reference {
    /// Makes it all.
    pub(crate) fn new<S>(rows: &[Route<S>], about: &About<'_>) -> Self {
        let document = document(rows, about);
        let policy = HeaderValue::try_from(page::policy()).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        let page = Fixed::new(page::render(&document, about).into_bytes());
        Self { document: Fixed::new(document.to_string().into_bytes()), page, policy }
    }
}

/// What the document is about beside the routes.
pub(crate) struct About<'a> {
    /// Formats and operations.
    pub(crate) catalog: &'a Catalog,
    /// Caps.
    pub(crate) limits: &'a Limits,
    /// Where clients reach this server.
    pub(crate) public_url: &'a str,
}

/// The document of `rows`.
pub(crate) fn document<S>(rows: &[Route<S>], about: &About<'_>) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for row in rows {
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        path[row.method.as_str().to_ascii_lowercase()] = parts::operation(row);
    }
    let mut schemas = schemas::table(about.limits);
    schemas.extend(catalogue::schemas(about.catalog));
    let used = |tag: &Tag| rows.iter().any(|row| row.doc.tag == *tag);
    let tags = Tag::TABLE.iter().filter(|(tag, ..)| used(tag));
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "ConvertFly API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Convert, optimize and transform files.",
            "description": parts::INTRODUCTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": about.public_url }],
        "tags": tags.map(|(_, title, text)| json!({ "name": title, "description": text })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer cvfly_sk_live_…`" },
            },
            "headers": parts::headers(),
            "parameters": parts::shared_parameters(),
            "responses": parts::responses(rows),
            "schemas": schemas,
        },
        "x-limits": parts::limits(about.limits),
    })
}
