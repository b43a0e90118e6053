//! The catalogue.

use serde_json::json;

use super::super::doc::reference;
use super::super::{Doc, Tag};

/// `GET /formats`.
pub(crate) fn formats() -> Doc {
    Doc::new("listFormats", Tag::Catalogue, "List formats")
        .text("Every format, with the formats that it converts to and the price of each.")
        .data(200, "The formats.", json!({ "type": "array", "items": reference("Format") }))
        .example(json!({ "data": [{
            "name": "jpg", "mime": "image/jpeg", "extensions": ["jpg", "jpeg"], "aliases": ["jpeg"], "category": "image",
            "flags": ["lossy"], "outputs": [{ "format": "png", "credits": 1 }, { "format": "webp", "credits": 1 }],
        }] }))
}

/// `GET /operations`.
pub(crate) fn operations() -> Doc {
    Doc::new("listOperations", Tag::Catalogue, "List operations")
        .text("Every operation, with its fields and options, their ranges and defaults.")
        .data(200, "The operations.", json!({ "type": "array", "items": reference("Operation") }))
        .example(json!({ "data": [{
            "name": "convert", "description": "Convert between formats", "kind": "process",
            "fields": [{ "name": "output_format", "type": "format", "required": true, "help": "Format to convert to." }],
            "options": [{
                "name": "quality", "type": "integer", "min": 1, "max": 100, "default": 85,
                "help": "Output quality of lossy formats, 1 to 100.",
            }],
        }] }))
}
