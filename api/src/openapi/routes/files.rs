//! Files by their identifiers, and conversion in one request.

use serde_json::json;

use super::super::doc::{count, reference, string};
use super::super::{Doc, Tag};
use crate::error::Code;

/// `GET /files/:id`.
pub(crate) fn get() -> Doc {
    Doc::new("getFile", Tag::Files, "Get a file's description")
        .text(
            "Imported files, unless imported with `keep: false`, and the files of tasks that no other one takes. Others are intermediate and \
             not found, unless the job says `keep_intermediates`.",
        )
        .data(200, "The file.", reference("FileDetails"))
        .example(json!({ "data": {
            "file_id": "file_Xk9mPm3n", "filename": "photo.png", "size": 48213, "format": "png", "job_id": "job_7kX9mP2qR",
            "task": "to-png", "content_url": "https://api.convertfly.io/api/v1/files/file_Xk9mPm3n/content",
        } }))
        .errors(&[Code::Gone])
}

/// `GET /files/:id/content`.
pub(crate) fn content() -> Doc {
    Doc::new("getFileContent", Tag::Files, "Get a file")
        .text("Its bytes, for the holder of an API key. `export/url` makes links for everyone else.")
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

/// `POST /convert`.
pub(crate) fn convert() -> Doc {
    let text = json!({ "type": "string" });
    Doc::new("convertFile", Tag::Files, "Convert a file in one request")
        .text(
            "The file's bytes in, the converted file's bytes out: a job of its own inside, at the same price and with the same limits. \
             The body is the file itself, or a form (`multipart/form-data`) with a part `file`. Every option of `convert` is a \
             parameter after the question mark or a field of the form. What takes longer than a minute is answered by 202 and goes \
             on as a job.",
        )
        .query("to", "Format to convert to.", text.clone())
        .query("from", "Format of the file, where detection should not decide.", text.clone())
        .query("filename", "The file's name; its extension is a hint to the format.", text.clone())
        .header("Prefer", "`respond-async`: answer at once, by 202. `wait=10`: after so many seconds at the latest (RFC 7240).", text)
        .bytes_body("The file, or a form with it.")
        .media(200, "The converted file.", "*/*")
        .with("Content-Disposition", "The file's name.", string(""))
        .with("X-Job-Id", "The job inside.", string(""))
        .with("X-Credits-Used", "Credits that it has cost.", count(""))
        .data(202, "It goes on as a job.", reference("Job"))
        .with("Location", "Where the job is.", string(""))
        .with("X-Job-Id", "The job.", string(""))
        .with("X-Credits-Used", "Credits reserved for it.", count(""))
        .with("Preference-Applied", "What was honoured of `Prefer`.", string(""))
        .with("Retry-After", "Seconds to wait before asking for the job.", count(""))
        .errors(&[Code::InsufficientCredits, Code::UnsupportedFormat, Code::Conflict])
}
