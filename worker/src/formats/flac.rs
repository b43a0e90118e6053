//! FLAC (RFC 9639). Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "flac",
    title: "FLAC",
    mime: "audio/flac",
    extensions: &["flac"],
    aliases: &[],
    category: Category::Audio,
    flags: Flags::NONE,
    magic: |head| media::after_tag(head).starts_with(b"fLaC"),
    decode: None,
    encode: None,
};
