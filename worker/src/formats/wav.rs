//! WAVE, of the RIFF family. Read and written by the media engine alone.

use super::support::media;
use super::{Category, Flags, Format};

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "wav",
    title: "WAV",
    mime: "audio/wav",
    extensions: &["wav"],
    aliases: &["wave"],
    category: Category::Audio,
    flags: Flags::NONE,
    magic: media::is_wav,
    decode: None,
    encode: None,
};
