//! WebM: Matroska for the web. Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "webm",
    title: "WebM",
    mime: "video/webm",
    extensions: &["webm"],
    aliases: &[],
    category: Category::Video,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: |head| media::doc_type(head) == Some(b"webm"),
    decode: None,
    encode: None,
};
