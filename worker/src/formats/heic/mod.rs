//! HEIC and HEIF (ISO/IEC 23008-12) with HEVC: libheif and libde265 read; nothing writes.

pub(super) mod decode;
mod nclx;

use super::support::brands;
use super::{Category, Decoder, Flags, Format};

pub(super) const TITLE: &str = "HEIC";

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "heic",
    title: TITLE,
    mime: "image/heic",
    extensions: &["heic", "heif", "hif"],
    aliases: &["heif"],
    category: Category::Image,
    flags: Flags { alpha: true, lossy: true, ..Flags::NONE },
    magic: brands::is_heic,
    decode: Some(Decoder::whole(
        |data, limits| decode::probe(TITLE, data, limits),
        |data, options| decode::decode(TITLE, data, options),
    )),
    encode: None,
};

#[cfg(test)]
mod tests;
