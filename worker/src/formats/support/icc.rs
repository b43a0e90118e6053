//! ICC profiles: passed through, never converted, and only where they describe the pixels that are written.

use crate::pixels::Channels;

/// The profile, if the data colour space in its header (ICC.1:2022, 7.2.6, bytes 16 to 19) is that of `channels`.
///
/// A grey profile on colour pixels, or a CMYK profile on pixels converted to RGB, would make readers show wrong colours.
pub(in crate::formats) fn fitting(icc: Option<&[u8]>, channels: Channels) -> Option<&[u8]> {
    let wanted: &[u8] = match channels {
        Channels::Grey | Channels::GreyAlpha => b"GRAY",
        Channels::Rgb | Channels::Rgba => b"RGB ",
    };
    // 128 bytes of header and a tag count make the smallest profile.
    icc.filter(|profile| profile.len() >= 132 && profile.get(16..20) == Some(wanted))
}
