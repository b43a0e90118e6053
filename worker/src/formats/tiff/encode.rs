//! Writing TIFF: a page per frame, Deflate with the horizontal predictor, 8 and 16 bits, straight alpha.

use std::io::{BufWriter, Write};

use ::tiff::TiffError;
use ::tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16};
use ::tiff::encoder::{Compression, DeflateLevel, TiffEncoder, TiffValue};
use ::tiff::tags::{ExtraSamples, Predictor, Tag};

use super::TITLE;
use super::tags::{self, Written};
use crate::failure::Failure;
use crate::formats::support::{encoding, icc};
use crate::formats::{Decoded, EncodeOptions, Frame, WriteSeek};
use crate::pixels::{Channels, Depth, Image};

pub(super) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let fail = |error: TiffError| encoding(TITLE, error);
    if decoded.frames.is_empty() {
        return Err(encoding(TITLE, "no frame"));
    }
    let mut out = BufWriter::new(out);
    let mut encoder = TiffEncoder::new(&mut out).map_err(fail)?.with_compression(Compression::Deflate(DeflateLevel::Fast));
    let mut beside = tags::write(&mut encoder, &options.tags).map_err(fail)?;
    for Frame { image, .. } in &decoded.frames {
        options.cancel.check()?;
        // The predictor of the crate knows colour types without extra samples only.
        let predictor = if image.channels().has_alpha() { Predictor::None } else { Predictor::Horizontal };
        encoder = encoder.with_predictor(predictor);
        let profile = icc::fitting(decoded.icc.as_deref(), image.channels());
        let grey = matches!(image.channels(), Channels::Grey | Channels::GreyAlpha);
        match (grey, image.depth()) {
            (true, Depth::U8) => write::<Gray8>(image, profile, &beside, &mut encoder, <[u8]>::to_vec),
            (false, Depth::U8) => write::<RGB8>(image, profile, &beside, &mut encoder, <[u8]>::to_vec),
            (true, Depth::U16) => write::<Gray16>(image, profile, &beside, &mut encoder, words),
            (false, Depth::U16) => write::<RGB16>(image, profile, &beside, &mut encoder, words),
        }?;
        // They speak of the first page, as readers take them.
        beside = Written::default();
    }
    out.flush().map_err(|error| encoding(TITLE, error))
}

/// Native words from native bytes, whatever their alignment.
fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
}

/// Adds a page.
fn write<C: ColorType>(
    image: &Image,
    profile: Option<&[u8]>,
    beside: &Written<'_>,
    encoder: &mut TiffEncoder<&mut BufWriter<&mut dyn WriteSeek>>,
    samples: fn(&[u8]) -> Vec<C::Inner>,
) -> Result<(), Failure>
where
    [C::Inner]: TiffValue,
{
    let fail = |error: TiffError| encoding(TITLE, error);
    let mut page = encoder.new_image::<C>(image.width(), image.height()).map_err(fail)?;
    if image.channels().has_alpha() {
        page.extra_samples(&[ExtraSamples::UnassociatedAlpha]).map_err(fail)?;
    }
    if let Some(profile) = profile {
        page.encoder().write_tag(Tag::IccProfile, profile).map_err(fail)?;
    }
    beside.point(page.encoder()).map_err(fail)?;
    page.write_data(&samples(image.data())).map_err(fail)
}
