//! A PNG with other filters and better packing (oxipng): fewer bits and channels where no pixel changes by it.

use std::time::Duration;

use ::oxipng::{BitDepth, ColorType, Deflater, IndexSet, Options, RGBA8, RawImage, StripChunks};

use super::{TITLE, chunks};
use crate::failure::Failure;
use crate::formats::support::{encoding, palette, samples, veiled};
use crate::formats::{Effort, EncodeOptions, RepackOptions, Tags};
use crate::pixels::{Channels, Depth, Image};

/// Time after which no further way is tried.
const TIME: Duration = Duration::from_secs(10);
const MORE_TIME: Duration = Duration::from_secs(60);

/// Bytes of pixels from which on fewer ways are tried, and far fewer.
const LARGE: u64 = 16 << 20;
const HUGE: u64 = 128 << 20;

/// How much is tried on `bytes` of pixels.
fn options(bytes: u64, smallest: bool) -> Options {
    let level = match (bytes, smallest) {
        (HUGE.., _) => 0,
        (LARGE.., false) => 1,
        (_, false) => 2,
        (LARGE.., true) => 3,
        (_, true) => 4,
    };
    let mut options = Options::from_preset(level);
    if level == 1 {
        options.deflater = Deflater::Libdeflater { compression: 9 };
    }
    // Files in rows of growing fineness are larger.
    options.interlace = Some(false);
    options.timeout = Some(if smallest { MORE_TIME } else { TIME });
    options
}

/// The file without what does not show, and that packed anew.
pub(in crate::formats) fn repack(data: &[u8], how: &RepackOptions) -> Result<Vec<Vec<u8>>, Failure> {
    let header = super::probe(data, &how.limits)?;
    let bare = if how.keep { data.to_vec() } else { dressed(chunks::bare(data), how) };
    let mut options = options(header.predicted_bytes(header.frames), how.smallest);
    options.strip = if how.keep { StripChunks::None } else { StripChunks::Keep(kept()) };
    options.max_decompressed_size = usize::try_from(header.predicted_bytes(1).saturating_mul(2).saturating_add(1 << 20)).ok();
    how.cancel.check()?;
    match ::oxipng::optimize_from_memory(&bare, &options) {
        Ok(packed) => Ok(vec![bare, packed]),
        // A file that it does not take (oxipng knows fewer faults to forgive) is at least bare.
        Err(_) => Ok(vec![bare]),
    }
}

fn kept() -> IndexSet<[u8; 4]> {
    chunks::SHOWN.into_iter().chain([*b"eXIf", *b"iTXt"]).collect()
}

/// What belongs to the picture and was taken out with the rest.
fn dressed(mut png: Vec<u8>, how: &RepackOptions) -> Vec<u8> {
    if how.icc.is_none() {
        // The colours are sRGB, or the profile is none.
        png = chunks::without(&png, b"iCCP");
    }
    with_tags(png, &how.tags)
}

/// EXIF and XMP as chunks (PNG third edition, 11.3.4.5; XMP specification, part 3, 1.1.5).
pub(super) fn with_tags(mut png: Vec<u8>, tags: &Tags) -> Vec<u8> {
    if let Some(exif) = &tags.exif {
        png = chunks::with(&png, b"eXIf", exif);
    }
    if let Some(xmp) = &tags.xmp {
        png = chunks::with(&png, b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", xmp.as_bytes()].concat());
    }
    png
}

/// A still of 8 bits in at most `colors` colours; `None` where there are more bits.
pub(super) fn few_colors(
    image: &Image,
    colors: u16,
    icc: Option<&[u8]>,
    how: &EncodeOptions,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(rgba) = eight_bits(image) else { return Ok(None) };
    let room = usize::from(colors).clamp(2, palette::ENTRIES);
    let hides_or_shows = rgba.chunks_exact(4).all(|pixel| matches!(pixel[3], 0 | 255));
    let (entries, indices) = if hides_or_shows { with_hole(image, &rgba, room)? } else { veiled::of(&rgba, room) };
    let palette = entries.into_iter().map(|[r, g, b, a]| RGBA8::new(r, g, b, a)).collect();
    let fail = |error| encoding(TITLE, error);
    let bytes = indices.len() as u64;
    let mut raw =
        RawImage::new(image.width(), image.height(), ColorType::Indexed { palette }, BitDepth::Eight, indices).map_err(fail)?;
    if let Some(icc) = icc {
        raw.add_icc_profile(icc);
    }
    how.cancel.check()?;
    let png = raw.create_optimized_png(&options(bytes, how.effort == Effort::Small)).map_err(fail)?;
    Ok(Some(with_tags(png, &how.tags)))
}

/// Opaque colours, and one entry for what does not show, if something does not.
fn with_hole(image: &Image, rgba: &[u8], room: usize) -> Result<(Vec<[u8; 4]>, Vec<u8>), Failure> {
    let hole = rgba.chunks_exact(4).any(|pixel| pixel[3] == 0);
    let (entries, mut indices) = palette::of(TITLE, image.width(), image.height(), rgba, room - usize::from(hole))?;
    let mut entries: Vec<[u8; 4]> = entries.into_iter().map(|[r, g, b]| [r, g, b, 255]).collect();
    if hole {
        let number = entries.len() as u8;
        entries.push([0; 4]);
        indices.iter_mut().zip(rgba.chunks_exact(4)).filter(|(_, pixel)| pixel[3] == 0).for_each(|(index, _)| *index = number);
    }
    Ok((entries, indices))
}

/// RGBA of 8 bits, where the image has no more.
fn eight_bits(image: &Image) -> Option<Vec<u8>> {
    if image.depth() != Depth::U8 {
        return None;
    }
    let grey = |pixel: &[u8], alpha: u8| [pixel[0], pixel[0], pixel[0], alpha];
    Some(match image.channels() {
        Channels::Grey => image.data().iter().flat_map(|&level| grey(&[level], 255)).collect(),
        Channels::GreyAlpha => image.data().chunks_exact(2).flat_map(|pixel| grey(pixel, pixel[1])).collect(),
        Channels::Rgb => samples::with_alpha(image.data()),
        Channels::Rgba => image.data().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{decode, encode, icc, picture, psnr, still};
    use crate::formats::{Decoded, by_name};
    use crate::pixels::Orientation;

    #[test]
    fn packing_anew_leaves_every_pixel_and_takes_fewer_bytes() {
        for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba] {
            let decoded = Decoded { icc: Some(icc(b"RGB ", 400)), ..still(picture(120, 80, channels)) };
            let png = chunks::with(&encode("png", &decoded), b"eXIf", &crate::formats::support::testing::exif(8, true)[6..]);
            let options = RepackOptions {
                icc: decode("png", &png).icc,
                tags: Tags::only_orientation(Orientation::Rotate270),
                ..RepackOptions::default()
            };
            let found = repack(&png, &options).expect("it is written");
            for file in &found {
                assert_eq!(
                    decode("png", file).frames[0].image.data().len(),
                    decoded.frames[0].image.data().len(),
                    "{channels:?}"
                );
                assert_eq!(decode("png", file), decode("png", &png), "{channels:?}");
            }
            assert!(found[1].len() < found[0].len(), "{channels:?}: {} of {}", found[1].len(), found[0].len());
        }
    }

    #[test]
    fn half_transparent_pixels_are_in_the_palette() {
        let encoder = by_name("png").and_then(|format| format.encode).expect("it is written");
        for channels in [Channels::GreyAlpha, Channels::Rgba] {
            let mut image = picture(120, 80, channels);
            let count = channels.count();
            image.data_mut().chunks_exact_mut(count).enumerate().for_each(|(at, pixel)| pixel[count - 1] = (at % 120 * 2) as u8);
            let mut out = std::io::Cursor::new(Vec::new());
            let options = EncodeOptions { colors: Some(256), ..EncodeOptions::default() };
            encoder(&still(image.clone()), &options, &mut out).expect("it is written");
            let data = out.into_inner();
            let found = decode("png", &data).frames.remove(0).image;
            let unlike: std::collections::HashSet<&[u8]> = found.data().chunks_exact(found.channels().count()).collect();
            assert!((128..=256).contains(&unlike.len()), "{channels:?}: {} colours", unlike.len());
            let seen = |image: &Image, count: usize| -> Vec<u8> {
                let pixels = image.data().chunks_exact(count);
                pixels
                    .flat_map(|pixel| [(u16::from(pixel[0]) * u16::from(pixel[count - 1]) / 255) as u8, pixel[count - 1]])
                    .collect()
            };
            let near = psnr(&seen(&found, found.channels().count()), &seen(&image, count));
            assert!(near > 30.0, "{channels:?}: {near:.1} dB");
        }
    }

    #[test]
    fn few_colours_are_a_palette() {
        let encoder = by_name("png").and_then(|format| format.encode).expect("it is written");
        let image = picture(120, 80, Channels::Rgb);
        let sizes = [256, 64, 16].map(|colors| {
            let mut out = std::io::Cursor::new(Vec::new());
            let options = EncodeOptions { colors: Some(colors), ..EncodeOptions::default() };
            encoder(&still(image.clone()), &options, &mut out).expect("it is written");
            let data = out.into_inner();
            assert_eq!(data[25], 3, "a palette");
            let found = decode("png", &data).frames.remove(0).image;
            let near = psnr(found.data(), image.data());
            assert!(near > if colors > 60 { 30.0 } else { 23.0 }, "{colors} colours: {near:.1} dB");
            data.len()
        });
        assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
    }
}
