//! QuickTime movies. Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "mov",
    title: "MOV",
    mime: "video/quicktime",
    extensions: &["mov", "qt"],
    aliases: &["quicktime"],
    category: Category::Video,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: media::is_mov,
    decode: None,
    encode: None,
};
