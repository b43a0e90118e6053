//! Inks to sRGB: by the profile that the file embeds, or, without one, each ink taking its share of light away.

use ::moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformOptions};

/// Pixels that are transformed at a time.
const CHUNK: usize = 1 << 16;

/// sRGB from four inks a pixel, 0 for none and 255 for all of it, by `icc`; `None` where that is no usable CMYK profile.
pub(in crate::formats) fn bytes_by_profile(inks: &[u8], icc: &[u8]) -> Option<Vec<u8>> {
    let profile = profile(icc)?;
    let transform = profile.create_transform_8bit(Layout::Rgba, &ColorProfile::new_srgb(), Layout::Rgb, options()).ok()?;
    let mut rgb = vec![0; inks.len() / 4 * 3];
    for (source, target) in inks.chunks(CHUNK * 4).zip(rgb.chunks_mut(CHUNK * 3)) {
        transform.transform(source, target).ok()?;
    }
    Some(rgb)
}

/// The same with 16 bits an ink.
pub(in crate::formats) fn words_by_profile(inks: &[u16], icc: &[u8]) -> Option<Vec<u16>> {
    let profile = profile(icc)?;
    let transform = profile.create_transform_16bit(Layout::Rgba, &ColorProfile::new_srgb(), Layout::Rgb, options()).ok()?;
    let mut rgb = vec![0; inks.len() / 4 * 3];
    for (source, target) in inks.chunks(CHUNK * 4).zip(rgb.chunks_mut(CHUNK * 3)) {
        transform.transform(source, target).ok()?;
    }
    Some(rgb)
}

/// sRGB from four inks a pixel, without a profile.
pub(in crate::formats) fn bytes(inks: &[u8]) -> Vec<u8> {
    let light = |ink: u8, key: u8| ((255 - u32::from(ink)) * (255 - u32::from(key)) + 127) / 255;
    inks.chunks_exact(4).flat_map(|pixel| [0, 1, 2].map(|ink| light(pixel[ink], pixel[3]) as u8)).collect()
}

fn profile(icc: &[u8]) -> Option<ColorProfile> {
    ColorProfile::new_from_slice(icc).ok().filter(|profile| profile.color_space == DataColorSpace::Cmyk)
}

fn options() -> TransformOptions {
    TransformOptions { rendering_intent: RenderingIntent::Perceptual, ..TransformOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::inputs::icc;

    /// Paper is white, all ink black, each ink alone a colour of its own.
    fn press() -> Vec<u8> {
        icc::inks(|[c, m, y, k]| match (c, m, y, k) {
            (false, false, false, false) => [255, 128, 128],
            (_, _, _, true) | (true, true, true, _) => [0, 128, 128],
            // Lab (54, 80, 70) and the like, in 8 bits: lightness over 255 steps, the others from 128.
            (false, true, true, _) => [137, 208, 198],
            _ => [127, 128, 128],
        })
    }

    #[test]
    fn the_profile_decides_what_inks_look_like() {
        let pixels = [[0, 0, 0, 0], [0, 0, 0, 255], [255, 255, 255, 0], [0, 255, 255, 0], [255, 0, 0, 0]];
        let rgb = bytes_by_profile(pixels.as_flattened(), &press()).expect("a usable profile");
        // CIE Lab of D50 to sRGB (ISO 11664-4, IEC 61966-2-1): L 53.7, a 80, b 70 is a full red; L 49.8 is a middle grey.
        let wanted = [[255, 255, 255], [0, 0, 0], [0, 0, 0], [254, 0, 0], [118, 118, 118]];
        for (index, (found, wanted)) in rgb.chunks_exact(3).zip(wanted).enumerate() {
            let near = found.iter().zip(wanted).all(|(&found, wanted): (&u8, u8)| found.abs_diff(wanted) <= 6);
            assert!(near, "{index}: {found:?}, wanted {wanted:?}");
        }
        let words: Vec<u16> = pixels.as_flattened().iter().map(|&ink| u16::from(ink) * 257).collect();
        let deep = words_by_profile(&words, &press()).expect("a usable profile");
        for (&deep, &shallow) in deep.iter().zip(&rgb) {
            assert!((deep / 257).abs_diff(u16::from(shallow)) <= 1, "both depths agree: {deep} and {shallow}");
        }
    }

    #[test]
    fn other_profiles_are_not_used() {
        assert_eq!(bytes_by_profile(&[0; 4], &icc::matrix([[0.4; 3]; 3], 2.2)), None, "one of colours");
        assert_eq!(bytes_by_profile(&[0; 4], &press()[..500]), None, "one that is cut short");
        assert_eq!(bytes(&[0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]), [255, 255, 255, 0, 255, 255, 0, 0, 0], "without any");
    }
}
