//! M4A: MPEG-4 with sound only. Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "m4a",
    title: "M4A",
    mime: "audio/mp4",
    extensions: &["m4a", "m4b"],
    aliases: &[],
    category: Category::Audio,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: media::is_m4a,
    decode: None,
    encode: None,
};
