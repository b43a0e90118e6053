//! Ogg (RFC 3533), for sound. Read and written by the media engine alone.

use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "ogg",
    title: "Ogg",
    mime: "audio/ogg",
    extensions: &["ogg", "oga", "opus"],
    aliases: &[],
    category: Category::Audio,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: |head| head.starts_with(b"OggS"),
    decode: None,
    encode: None,
};
