//! Signed links.

use serde_json::json;

use super::super::doc::{count, reference, string};
use super::super::{Doc, Tag};
use crate::error::Code;

/// `PUT /storage/upload/:token`.
pub(crate) fn upload() -> Doc {
    Doc::new("uploadFile", Tag::Storage, "Upload a file")
        .text(
            "The link is `result.url` of an `import/upload` task. Send the file's bytes with any Content-Type; the job goes on by \
             itself once they have arrived. One upload can succeed.",
        )
        .bytes_body("The file's bytes.")
        .data(200, "The file has arrived.", reference("UploadedFile"))
        .example(json!({ "data": {
            "file_id": "file_Xk9m", "filename": "photo.jpg", "size": 90112,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        } }))
        .errors(&[Code::Conflict, Code::Gone])
}

/// `GET /storage/dl/:token`.
pub(crate) fn download() -> Doc {
    Doc::new("downloadFile", Tag::Storage, "Download a file")
        .text("The link is `result.url` of an `export/url` task. It expires after 24 hours.")
        .header("Range", "Part of the file, `bytes=0-1023`.", json!({ "type": "string" }))
        .header("If-Range", "The ETag that the range belongs to.", json!({ "type": "string" }))
        .header("If-None-Match", "The ETag of what you have.", json!({ "type": "string" }))
        .media(200, "The file.", "*/*")
        .with("ETag", "SHA-256 of the file.", string(""))
        .with("Content-Disposition", "The file's name.", string(""))
        .media(206, "Part of the file.", "*/*")
        .with("Content-Range", "Which part, and the file's size.", string(""))
        .with("Content-Length", "Bytes of the part.", count(""))
        .empty(304, "You have it already.")
        .errors(&[Code::Gone, Code::RangeNotSatisfiable])
}
