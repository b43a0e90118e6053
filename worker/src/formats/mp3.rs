//! MPEG audio, layer III. Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "mp3",
    title: "MP3",
    mime: "audio/mpeg",
    extensions: &["mp3"],
    aliases: &[],
    category: Category::Audio,
    flags: Flags { lossy: true, ..Flags::NONE },
    magic: media::is_mp3,
    decode: None,
    encode: None,
};
