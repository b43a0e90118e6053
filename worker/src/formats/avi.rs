//! AVI, of the RIFF family. Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "avi",
    title: "AVI",
    mime: "video/x-msvideo",
    extensions: &["avi"],
    aliases: &[],
    category: Category::Video,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: media::is_avi,
    decode: None,
    encode: None,
};
