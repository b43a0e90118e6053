//! TIFF 6.0: the `tiff` crate both ways, pages included.

mod decode;
mod encode;
mod tags;
mod unpack;

use super::{Category, Decoder, Flags, Format};

const TITLE: &str = "TIFF";

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "tiff",
    title: TITLE,
    mime: "image/tiff",
    extensions: &["tiff", "tif"],
    aliases: &["tif"],
    category: Category::Image,
    flags: Flags { alpha: true, pages: true, deep: true, grey: true, profile: true, tags: true, ..Flags::NONE },
    // Classic and BigTIFF, both byte orders.
    magic: |head| matches!(head, [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..]),
    decode: Some(Decoder { probe: decode::probe, decode: decode::decode, variant: |_, size| size }),
    encode: Some(encode::encode),
};

#[cfg(test)]
mod tests;
