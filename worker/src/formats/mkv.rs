//! Matroska (RFC 9559). Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "mkv",
    title: "Matroska",
    mime: "video/x-matroska",
    extensions: &["mkv", "mka"],
    aliases: &["matroska"],
    category: Category::Video,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: |head| media::doc_type(head) == Some(b"matroska"),
    decode: None,
    encode: None,
};
