//! Health, metrics and the reference itself.

use serde_json::json;

use super::super::doc::{object, reference, string};
use super::super::{Doc, Tag};

/// `GET /healthz`.
pub(crate) fn live() -> Doc {
    Doc::new("getHealth", Tag::Service, "Whether the process lives")
        .json(200, "It does.", object("", &["status"], json!({ "status": string("`ok`.") })))
        .example(json!({ "status": "ok" }))
}

/// `GET /readyz`.
pub(crate) fn ready() -> Doc {
    Doc::new("getReadiness", Tag::Service, "Whether it can work")
        .text("For load balancers: 503 while the store or the storage does not answer, or the server goes down. `space` is `low` while less than a tenth of the storage's file \
             system is free, and less than 8 GiB: then nothing new is taken.")
        .json(200, "It can.", reference("Readiness"))
        .example(json!({ "status": "ok", "store": "ok", "storage": "ok", "space": "ok" }))
        .json(503, "It cannot; the part that failed is named.", reference("Readiness"))
        .example(json!({ "status": "failed", "store": "failed", "storage": "ok", "space": "ok" }))
}

/// `GET /metrics`.
pub(crate) fn metrics() -> Doc {
    Doc::new("getMetrics", Tag::Service, "Counters").text("In Prometheus' text form.").media(200, "The counters.", "text/plain")
}

/// `GET /api/v1/openapi.json`.
pub(crate) fn document() -> Doc {
    Doc::new("getOpenApi", Tag::Service, "This document")
        .text("OpenAPI 3.1, made from the routes and the catalogue of this very server.")
        .json(
            200,
            "The document.",
            json!({ "type": "object", "required": ["openapi", "info", "paths"], "additionalProperties": true }),
        )
        .with("ETag", "Changes when the document does.", string(""))
        .empty(304, "You have it already.")
}

/// `GET /docs` and `GET /api/v1/docs`.
pub(crate) fn page(id: &'static str) -> Doc {
    let title = if id == "getDocsPage" { "This reference, for people" } else { "This reference, beside the API" };
    Doc::new(id, Tag::Service, title)
        .text("One page that needs nothing from outside.")
        .media(200, "The page.", "text/html")
        .with("ETag", "Changes when the page does.", string(""))
        .empty(304, "You have it already.")
}
