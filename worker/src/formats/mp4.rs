//! MPEG-4 files (ISO/IEC 14496-14). Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "mp4",
    title: "MP4",
    mime: "video/mp4",
    extensions: &["mp4", "m4v"],
    aliases: &[],
    category: Category::Video,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: media::is_mp4,
    decode: None,
    encode: None,
};
