//! Inks to sRGB: by the profile that the file embeds, or, without one, each ink taking its share of light away.
//!
//! Profiles are worked out by [`crate::icc`]; what it finds not to be in order is left to moxcms, which takes more, and makes less of
//! it: on a press's profile it is 3 dE2000 from lcms2 on average, mostly for want of black point compensation.

use ::moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformOptions};

use crate::icc::{Inks, Transform};

/// Pixels that are transformed at a time.
const CHUNK: usize = 1 << 16;

/// sRGB from four inks a pixel, 0 for none and 255 for all of it, by `icc`; `None` where that is no usable CMYK profile.
pub(in crate::formats) fn bytes_by_profile(inks: &[u8], icc: &[u8]) -> Option<Vec<u8>> {
    if let Some(rgb) = by_table(inks, icc, u8::MAX.into(), |value| value as u8) {
        return Some(rgb);
    }
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
    if let Some(rgb) = by_table(inks, icc, u16::MAX, |value| value as u16) {
        return Some(rgb);
    }
    let profile = profile(icc)?;
    let transform = profile.create_transform_16bit(Layout::Rgba, &ColorProfile::new_srgb(), Layout::Rgb, options()).ok()?;
    let mut rgb = vec![0; inks.len() / 4 * 3];
    for (source, target) in inks.chunks(CHUNK * 4).zip(rgb.chunks_mut(CHUNK * 3)) {
        transform.transform(source, target).ok()?;
    }
    Some(rgb)
}

/// By the profile's table, if it is in order.
fn by_table<T: Copy + Default + PartialEq + Into<usize>>(inks: &[T], icc: &[u8], max: u16, put: fn(f32) -> T) -> Option<Vec<T>> {
    let transform = Transform::read(icc).ok().flatten()?;
    let way = Inks::of(&transform, max)?;
    let mut rgb = Vec::with_capacity(inks.len() / 4 * 3);
    // Pages have areas of one colour.
    let mut last = ([T::default(); 4], way.at([0; 4]));
    for &pixel in inks.as_chunks::<4>().0 {
        if pixel != last.0 {
            last = (pixel, way.at(pixel.map(Into::into)));
        }
        rgb.extend(last.1.map(|value| put(value + 0.5)));
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
    use crate::icc::lcms;

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
    fn inks_are_those_of_lcms2() {
        // Closer where there is little of an ink.
        let axis: [u8; 7] = [0, 3, 20, 77, 140, 200, 255];
        let inks: Vec<u8> =
            (0..2401usize).flat_map(|at| [axis[at / 343], axis[at / 49 % 7], axis[at / 7 % 7], axis[at % 7]]).collect();
        let words: Vec<u16> = inks.iter().map(|&ink| u16::from(ink) * 257).collect();
        let tables = icc::tables().into_iter().filter(|(_, icc)| &icc[16..20] == b"CMYK");
        assert_eq!(tables.clone().count(), 2, "both kinds");
        for (name, icc) in tables {
            let found = bytes_by_profile(&inks, &icc).expect("a usable profile");
            let levels: Vec<f64> = found.iter().map(|&level| f64::from(level)).collect();
            let [mean, greatest, least_mean, least] = lcms::differences(&icc, &inks, &levels);
            println!("{name}: dE2000 mean {mean:.3}, at most {greatest:.3}; the nearest 8 bits {least_mean:.3}, {least:.3}");
            // Halves of a level, which go up or down, are as much as that in the dark.
            assert!(
                greatest < least.max(0.9) + 0.2,
                "{name}: dE2000 of {greatest:.3} from lcms2, where rounding takes {least:.3}"
            );
            assert!(mean < least_mean + 0.01, "{name}: dE2000 is {mean:.3} on average, and of rounding {least_mean:.3}");
            let deep = words_by_profile(&words, &icc).expect("a usable profile");
            let levels: Vec<f64> = deep.iter().map(|&word| f64::from(word) / 257.0).collect();
            let [mean, greatest, ..] = lcms::differences(&icc, &inks, &levels);
            println!("{name}, 16 bits: dE2000 mean {mean:.3}, at most {greatest:.3}");
            assert!(greatest < 0.05, "{name}: with 16 bits dE2000 of {greatest:.3} from lcms2");
        }
    }

    #[test]
    fn a_table_that_is_cut_short_is_not_used() {
        let whole = press();
        // Its last table would still be there for a reader that does not count.
        assert_eq!(by_table(&[0u8; 4], &whole[..whole.len() - 300], 255, |value| value as u8), None);
        assert!(by_table(&[0u8; 4], &whole, 255, |value| value as u8).is_some(), "whole");
    }

    #[test]
    fn other_profiles_are_not_used() {
        assert_eq!(bytes_by_profile(&[0; 4], &icc::matrix([[0.4; 3]; 3], 2.2)), None, "one of colours");
        assert_eq!(bytes_by_profile(&[0; 4], &press()[..500]), None, "one that is cut short");
        assert_eq!(bytes(&[0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]), [255, 255, 255, 0, 255, 255, 0, 0, 0], "without any");
    }
}
