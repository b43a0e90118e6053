//! WebP (RFC 9649): image-webp reads (memory-safe), libwebp writes.

mod decode;
mod encode;
mod ffi;
mod repack;
mod riff;

use super::{Category, Decoder, Flags, Format};

const TITLE: &str = "WebP";

/// The longest side that the format has: 14 bits.
const MAX_SIDE: u32 = 16_383;

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "webp",
    title: TITLE,
    mime: "image/webp",
    extensions: &["webp"],
    aliases: &[],
    category: Category::Image,
    flags: Flags { alpha: true, lossy: true, animated: true, profile: true, tags: true, ..Flags::NONE },
    magic: |head| head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP"),
    decode: Some(Decoder::whole(decode::probe, decode::decode)),
    encode: Some(encode::encode),
};

pub(super) use encode::encode_planes;
pub(super) use repack::{nature, repack};
