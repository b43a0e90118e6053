//! AAC in ADTS frames. Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "aac",
    title: "AAC",
    mime: "audio/aac",
    extensions: &["aac", "adts"],
    aliases: &[],
    category: Category::Audio,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: media::is_adts,
    decode: None,
    encode: None,
};
