//! Signed links.

use serde_json::{Value, json};

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
        .header("Content-MD5", "MD5 of the bytes, base64. Other bytes are refused.", text())
        .header("Repr-Digest", "Digest of the bytes, `sha-256=:…:`. Other bytes are refused.", text())
        .header("Content-Digest", "The same.", text())
        .bytes_body("The file's bytes.")
        .data(200, "The file has arrived.", reference("UploadedFile"))
        .example(json!({ "data": {
            "file_id": "file_Xk9m", "filename": "photo.jpg", "size": 90112,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        } }))
        .errors(&[Code::Conflict, Code::Gone])
}

/// `POST /storage/upload/:token`.
pub(crate) fn create() -> Doc {
    tus("createUpload", "Begin a resumable upload")
        .text(
            "The link of an `import/upload` task is the endpoint of a [tus 1.0.0](https://tus.io) client, too: send the file piece by \
             piece and go on after a break. `POST` begins, `PATCH` sends bytes, `HEAD` tells how many have arrived, `DELETE` gives up. \
             An upload expires an hour after its last byte, and a day after its job was created.",
        )
        .header("Upload-Length", "Bytes of the file.", number())
        .header("Upload-Defer-Length", "`1`: the length is told with a later `PATCH`.", text())
        .header("Upload-Metadata", "`filename` and its base64 value.", text())
        .empty(201, "The upload has begun; go on at `Location`.")
        .with("Location", "Where the bytes go.", string(""))
        .with("Upload-Offset", "Bytes that have arrived.", count(""))
        .errors(&[Code::Conflict, Code::Gone, Code::Locked, Code::PreconditionFailed, Code::ChecksumMismatch])
}

/// `HEAD /storage/upload/:token`.
pub(crate) fn status() -> Doc {
    Doc::new("getUploadStatus", Tag::Storage, "Ask how much of an upload has arrived")
        .empty(200, "How it stands.")
        .with("Upload-Offset", "Bytes that have arrived.", count(""))
        .with("Upload-Length", "Bytes of the file, where they are known.", count(""))
        .errors(&[Code::Conflict, Code::Gone, Code::Locked])
}

/// `PATCH /storage/upload/:token`.
pub(crate) fn patch() -> Doc {
    tus("sendUploadBytes", "Send bytes of a resumable upload")
        .header("Upload-Offset", "Bytes that have arrived.", number())
        .header("Upload-Length", "Bytes of the file, where that was not told before.", number())
        .header("Upload-Checksum", "An algorithm and the base64 digest of the bytes sent: `sha1 …`.", text())
        .bytes_body("The next bytes, as `application/offset+octet-stream`.")
        .empty(204, "They have arrived.")
        .with("Upload-Offset", "Bytes that have arrived.", count(""))
        .errors(&[
            Code::Conflict,
            Code::Gone,
            Code::Locked,
            Code::PreconditionFailed,
            Code::UnsupportedMediaType,
            Code::ChecksumMismatch,
        ])
}

/// `DELETE /storage/upload/:token`.
pub(crate) fn terminate() -> Doc {
    tus("terminateUpload", "Give up a resumable upload")
        .empty(204, "What had arrived is gone; the link takes another upload.")
        .errors(&[Code::Conflict, Code::Gone, Code::Locked, Code::PreconditionFailed])
}

fn tus(id: &'static str, title: &'static str) -> Doc {
    let version = json!({ "type": "string", "const": "1.0.0" });
    Doc::new(id, Tag::Storage, title).required_header("Tus-Resumable", "`1.0.0`.", version)
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// `GET /storage/dl/:token`.
pub(crate) fn download() -> Doc {
    Doc::new("downloadFile", Tag::Storage, "Download a file")
        .text(
            "The link is `result.url` of an `export/url` task. It expires after 24 hours. Of several files it is a zip archive that is \
             made while you download it; ranges of it work, too.",
        )
        .header("Range", "Part of the file, `bytes=0-1023`.", json!({ "type": "string" }))
        .header("If-Range", "The ETag that the range belongs to.", json!({ "type": "string" }))
        .header("If-None-Match", "The ETag of what you have.", json!({ "type": "string" }))
        .media(200, "The file.", "*/*")
        .with("ETag", "SHA-256 of the file.", string(""))
        .with("Repr-Digest", "SHA-256 of the file, base64.", string(""))
        .with("Content-Disposition", "The file's name.", string(""))
        .media(206, "Part of the file.", "*/*")
        .with("Content-Range", "Which part, and the file's size.", string(""))
        .with("Content-Length", "Bytes of the part.", count(""))
        .empty(304, "You have it already.")
        .errors(&[Code::Gone, Code::RangeNotSatisfiable])
}
