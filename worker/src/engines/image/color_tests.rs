//! Colours against the formulas of the profiles that the tests make, and what becomes of broken ones.

use super::*;
use crate::formats::Frame;
use crate::formats::support::inputs::icc::{gamma, matrix, profile};
use crate::formats::support::testing::{picture, still};

/// Columns of red, green and blue in XYZ, adapted to D50: Adobe RGB (1998), and sRGB (IEC 61966-2-1, as in its ICC profile).
const ADOBE: [[f64; 3]; 3] = [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]];
const SRGB: [[f64; 3]; 3] = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]];

/// The inverse of a matrix of columns, by Cramer's rule, applied to a vector.
fn solve(columns: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    let det = |a: [f64; 3], b: [f64; 3], c: [f64; 3]| {
        a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1])
    };
    let [a, b, c] = columns;
    let whole = det(a, b, c);
    [det(v, b, c) / whole, det(a, v, c) / whole, det(a, b, v) / whole]
}

/// sRGB's curve (IEC 61966-2-1).
fn encoded(linear: f64) -> f64 {
    let linear = linear.clamp(0.0, 1.0);
    if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

/// What a colour of the profile is in sRGB.
fn expected(color: [f64; 3], columns: [[f64; 3]; 3], power: f64) -> [f64; 3] {
    let linear = color.map(|value| value.powf(power));
    let xyz = [0, 1, 2].map(|row| (0..3).map(|column| columns[column][row] * linear[column]).sum());
    solve(SRGB, xyz).map(encoded)
}

fn converted(image: &Image, icc: &[u8]) -> Image {
    let mut decoded = Decoded { icc: Some(icc.to_vec()), ..still(image.clone()) };
    let outcome = to_srgb(&mut decoded, &Cancel::new());
    assert!(matches!(outcome, Ok(Colors::Same | Colors::Converted)), "the profile is usable: {outcome:?}");
    let same = decoded.frames[0].image == *image;
    assert_eq!(outcome == Ok(Colors::Same), same, "it tells whether anything changed");
    assert_eq!(decoded.icc, None, "it is done with");
    decoded.frames.swap_remove(0).image
}

#[test]
fn matrix_profiles_follow_their_formula() {
    let icc = matrix(ADOBE, 2.2);
    for channels in [Channels::Rgb, Channels::Rgba] {
        let image = picture(40, 30, channels);
        let count = channels.count();
        let result = converted(&image, &icc);
        for (before, after) in image.data().chunks_exact(count).zip(result.data().chunks_exact(count)) {
            let wanted = expected([0, 1, 2].map(|index| f64::from(before[index]) / 255.0), ADOBE, 2.2);
            for index in 0..3 {
                let found = f64::from(after[index]);
                assert!((found - wanted[index] * 255.0).abs() < 1.1, "{before:?} became {after:?}, wanted {wanted:?}");
            }
            assert_eq!(before.get(3), after.get(3), "alpha stays");
        }
        assert_ne!(image, result, "Adobe RGB is not sRGB");
    }
    // 16 bits: finer than 8 could be.
    let words = [[60_000u16, 20_000, 9_000], [1_000, 2_000, 3_000]];
    let data = words.iter().flatten().flat_map(|word| word.to_ne_bytes()).collect();
    let result = converted(&Image::new(2, 1, Channels::Rgb, Depth::U16, data).expect("2 pixels"), &icc);
    let found: Vec<u16> = result.data().chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
    for (before, after) in words.iter().zip(found.chunks_exact(3)) {
        let wanted = expected(before.map(|word| f64::from(word) / 65_535.0), ADOBE, 2.2);
        for index in 0..3 {
            assert!(
                (f64::from(after[index]) - wanted[index] * 65_535.0).abs() < 60.0,
                "{before:?} became {after:?}, wanted {wanted:?}"
            );
        }
    }
}

#[test]
fn grey_follows_its_curve() {
    let icc = profile(b"mntr", b"GRAY", b"XYZ ", &[(b"kTRC", gamma(1.0))]);
    let image = Image::new(256, 1, Channels::Grey, Depth::U8, (0..=255).collect()).expect("256 pixels");
    let result = converted(&image, &icc);
    for (level, &found) in result.data().iter().enumerate() {
        let wanted = encoded(level as f64 / 255.0) * 255.0;
        assert!((f64::from(found) - wanted).abs() < 1.1, "{level} became {found}, wanted {wanted:.1}");
    }
    // A colour profile on grey pixels: its grey axis.
    let result = converted(&image, &matrix(SRGB, 1.0));
    assert!(result.data()[64].abs_diff(137) <= 1, "linear 64 shows as 137, found {}", result.data()[64]);
}

#[test]
fn what_is_srgb_already_is_left_alone() {
    let srgb = ColorProfile::new_srgb().encode().expect("it is written");
    for channels in [Channels::Grey, Channels::Rgb, Channels::Rgba] {
        let image = picture(30, 20, channels);
        assert_eq!(converted(&image, &srgb), image, "{channels:?}");
    }
}

#[test]
fn broken_profiles_are_taken_for_srgb_and_said_so() {
    let good = matrix(ADOBE, 2.2);
    let grey = profile(b"mntr", b"GRAY", b"XYZ ", &[(b"kTRC", gamma(2.2))]);
    let inks = profile(b"prtr", b"CMYK", b"Lab ", &[]);
    for (name, icc) in [("cut", good[..200].to_vec()), ("text", b"no profile".repeat(20)), ("grey", grey), ("CMYK", inks)] {
        let image = picture(9, 9, Channels::Rgb);
        let mut decoded = Decoded { icc: Some(icc), ..still(image.clone()) };
        let outcome = to_srgb(&mut decoded, &Cancel::new()).expect("no failure");
        assert!(matches!(outcome, Colors::Guessed(text) if text.contains("taken for sRGB")), "{name}");
        assert_eq!((&decoded.frames[0].image, decoded.icc), (&image, None), "{name}: the pixels are as they were");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let mut decoded = Decoded { icc: Some(bad), ..still(picture(3, 3, Channels::Rgb)) };
        to_srgb(&mut decoded, &Cancel::new()).expect("no failure");
    }
}

#[test]
fn every_page_is_converted() {
    let frames = [(Channels::Rgb, 4), (Channels::Grey, 5), (Channels::Rgba, 6)]
        .map(|(channels, side)| Frame { image: picture(side, side, channels), delay_ms: 0 });
    let mut decoded = Decoded { frames: frames.to_vec(), icc: Some(matrix(ADOBE, 1.0)), ..still(picture(1, 1, Channels::Rgb)) };
    assert_eq!(to_srgb(&mut decoded, &Cancel::new()), Ok(Colors::Converted), "all layouts");
    for (before, after) in frames.iter().zip(&decoded.frames) {
        assert_ne!(before.image, after.image, "{:?}", before.image.channels());
    }
}
