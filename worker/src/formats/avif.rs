//! AVIF: libheif with dav1d reads, rav1e (through ravif) writes.

use ::ravif::{AlphaColorMode, BitDepth, Encoder, Img, RGB8, RGBA8};

use super::support::{brands, encoding};
use super::{Category, Decoded, Effort, EncodeOptions, Flags, Format, WriteSeek};
use crate::failure::Failure;
use crate::pixels::{Channels, Depth};

const TITLE: &str = "AVIF";

/// rav1e's speed, 1 (best) to 10 (fastest): a megapixel takes about a second of one core.
const SPEED: u8 = 8;
const FASTEST: u8 = 10;
const PATIENT: u8 = 6;

/// The longest side that AV1 has: 16 bits.
const MAX_SIDE: u32 = 65_535;

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "avif",
    title: TITLE,
    mime: "image/avif",
    extensions: &["avif"],
    aliases: &[],
    category: Category::Image,
    flags: Flags { alpha: true, lossy: true, ..Flags::NONE },
    magic: brands::is_avif,
    #[cfg(feature = "heif")]
    decode: Some(super::Decoder::whole(
        |data, limits| super::heic::decode::probe(TITLE, data, limits),
        |data, options| super::heic::decode::decode(TITLE, data, options),
    )),
    #[cfg(not(feature = "heif"))]
    decode: None,
    encode: Some(encode),
};

fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let image = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    let (width, height) = (image.width(), image.height());
    if width.max(height) > MAX_SIDE {
        return Err(encoding(TITLE, "a side is too long"));
    }
    options.cancel.check()?;
    let quality = f32::from(options.quality.clamp(1, 100));
    let speed = match options.effort {
        Effort::Fast => FASTEST,
        Effort::Balanced => SPEED,
        Effort::Small => PATIENT,
    };
    let encoder = Encoder::new()
        .with_quality(quality)
        .with_alpha_quality((quality + 10.0).min(100.0))
        .with_speed(speed)
        .with_bit_depth(BitDepth::Eight)
        .with_alpha_color_mode(AlphaColorMode::UnassociatedClean)
        .with_num_threads(Some(1));
    let (width, height) = (width as usize, height as usize);
    let file = match (image.channels(), image.depth()) {
        (Channels::Rgb, Depth::U8) => {
            let pixels: Vec<RGB8> = image.data().chunks_exact(3).map(|p| RGB8::new(p[0], p[1], p[2])).collect();
            encoder.encode_rgb(Img::new(&pixels, width, height))
        }
        (Channels::Rgba, Depth::U8) => {
            let pixels: Vec<RGBA8> = image.data().chunks_exact(4).map(|p| RGBA8::new(p[0], p[1], p[2], p[3])).collect();
            encoder.encode_rgba(Img::new(&pixels, width, height))
        }
        (channels, depth) => return Err(encoding(TITLE, format!("cannot write {channels:?} {depth:?}"))),
    };
    options.cancel.check()?;
    let file = file.map_err(|error| encoding(TITLE, error))?.avif_file;
    out.write_all(&file).map_err(|error| encoding(TITLE, error))
}
