//! Colours against the formulas of the profiles that the tests make, and what becomes of broken ones.

use super::*;
use crate::engines::image::options::ConvertOptions;
use crate::engines::image::plan::{Source, plan};
use crate::formats::support::inputs::icc::{Lut, gamma, matrix, profile, tables};
use crate::formats::support::testing::{picture, still};
use crate::formats::{Cancel, Frame, by_name};
use crate::icc::lcms;
use crate::options::Options;
use crate::pixels::{CpuLevel, GpuPolicy, Orientation, Processor};

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

/// The frames in sRGB, by the recordings that the profile asks for, on every level of the CPU alike.
fn applied(decoded: &mut Decoded) -> Colors {
    let colors = Colors::read(decoded).expect("no failure");
    let processors = [CpuLevel::Scalar, CpuLevel::detect()].map(|level| Processor::new(level, GpuPolicy::Off).expect("a CPU"));
    for frame in &mut decoded.frames {
        let mut recording = Recording::new();
        colors.record(&mut recording, frame.image.shape()).expect("a step");
        let run = |cpu: &Processor| cpu.run(&recording, frame.image.clone(), &Cancel::new()).expect("the step fits").0;
        let [reference, fast] = [run(&processors[0]), run(&processors[1])];
        if frame.image.depth() == Depth::U8 {
            let near = reference.data().iter().zip(fast.data()).all(|(a, b)| a.abs_diff(*b) <= 1);
            assert!(near, "both forms agree");
        }
        frame.image = fast;
    }
    colors
}

fn converted(image: &Image, icc: &[u8]) -> Image {
    let mut decoded = Decoded { icc: Some(icc.to_vec()), ..still(image.clone()) };
    let colors = applied(&mut decoded);
    assert_eq!((colors.warning, decoded.icc), (None, None), "the profile is usable, and done with");
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
        let warning = applied(&mut decoded).warning.unwrap_or_default();
        assert!(warning.contains("taken for sRGB"), "{name}: {warning}");
        assert_eq!((&decoded.frames[0].image, decoded.icc), (&image, None), "{name}: the pixels are as they were");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let mut decoded = Decoded { icc: Some(bad), ..still(picture(3, 3, Channels::Rgb)) };
        Colors::read(&mut decoded).expect("no failure");
    }
}

#[test]
fn tables_serve_all_layouts() {
    for (name, icc) in tables().into_iter().filter(|(_, icc)| &icc[16..20] == b"RGB ").take(3) {
        let transform = Transform::read(&icc).expect("a profile in order").expect("a table");
        let exact = |color: [f64; 3]| transform.srgb([color[0], color[1], color[2], 0.0]).map(|value| value.clamp(0.0, 1.0));
        // 16 bits: what 8 bits would round away is there.
        let words: Vec<u16> = (0..600u32).map(|index| (index * 40_503 % 65_536) as u16).collect();
        let data = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let result = converted(&Image::new(200, 1, Channels::Rgb, Depth::U16, data).expect("200 pixels"), &icc);
        let found: Vec<f64> =
            result.data().as_chunks::<2>().0.iter().map(|word| f64::from(u16::from_ne_bytes(*word)) / 65_535.0).collect();
        let off: Vec<f64> = words
            .as_chunks::<3>()
            .0
            .iter()
            .zip(found.as_chunks::<3>().0)
            .flat_map(|(before, after)| {
                let wanted = exact(before.map(|word| f64::from(word) / 65_535.0));
                [0, 1, 2].map(|index| (after[index] - wanted[index]).abs() * 255.0)
            })
            .collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        assert!(mean < 0.1, "{name}: {mean:.3} levels of 8 bits on average, where rounding to them takes 0.25");
        // Grey pixels: the axis of equal channels.
        let grey = Image::new(256, 1, Channels::Grey, Depth::U8, (0..=255).collect()).expect("256 pixels");
        for (level, &found) in converted(&grey, &icc).data().iter().enumerate() {
            let wanted = exact([level as f64 / 255.0; 3])[1] * 255.0;
            assert!((f64::from(found) - wanted).abs() < 0.6, "{name}: grey {level} became {found}, wanted {wanted:.2}");
        }
    }
}

#[test]
fn a_table_that_says_srgb_is_left_alone() {
    let (same, light) =
        (|_: usize, x: f64| x, |_: usize, x: f64| if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) });
    let point =
        |c: &[f64]| [0, 1, 2].map(|row| (0..3).map(|column| SRGB[column][row] * c[column]).sum::<f64>() * 32_768.0 / 65_535.0);
    let lut = Lut { is_wide: true, channels: 3, side: 2, before: &light, point: &point, after: &same };
    let icc = profile(b"mntr", b"RGB ", b"XYZ ", &[(b"A2B0", lut.bytes())]);
    for channels in [Channels::Grey, Channels::Rgba] {
        let image = picture(30, 20, channels);
        assert_eq!(converted(&image, &icc), image, "{channels:?}");
    }
    assert!(is_srgb(&icc), "it needs not be kept");
    assert!(!tables().iter().any(|(_, icc)| is_srgb(icc)), "the others say something else");
}

#[test]
fn broken_tables_are_said_so() {
    let (_, good) = tables().swap_remove(0);
    let mut large = good.clone();
    // The side of the table: 255 points of three channels.
    let tag = good.windows(4).position(|bytes| bytes == b"mft1").expect("a table");
    large[tag + 10] = 255;
    for (name, icc) in [("cut", good[..good.len() - 2000].to_vec()), ("large", large)] {
        let mut decoded = Decoded { icc: Some(icc), ..still(picture(9, 9, Channels::Rgb)) };
        let warning = applied(&mut decoded).warning.unwrap_or_default();
        assert!(warning.contains("profile"), "{name}: {warning}");
    }
    for at in (0..good.len()).step_by(7).chain(100..300) {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let mut decoded = Decoded { icc: Some(bad), ..still(picture(3, 3, Channels::Grey)) };
        Colors::read(&mut decoded).expect("no failure");
    }
}

#[test]
fn every_page_is_converted() {
    let frames = [(Channels::Rgb, 4), (Channels::Grey, 5), (Channels::Rgba, 6)]
        .map(|(channels, side)| Frame { image: picture(side, side, channels), delay_ms: 0 });
    let mut decoded = Decoded { frames: frames.to_vec(), icc: Some(matrix(ADOBE, 1.0)), ..still(picture(1, 1, Channels::Rgb)) };
    assert_eq!(applied(&mut decoded).warning, None, "all layouts");
    for (before, after) in frames.iter().zip(&decoded.frames) {
        assert_ne!(before.image, after.image, "{:?}", before.image.channels());
    }
}

/// The mean and the greatest dE2000 between what becomes of colours of that depth and lcms2, then between the nearest 8 bits and
/// lcms2.
fn differences(icc: &[u8], depth: Depth) -> [f64; 4] {
    // Closer in the dark, where a level shows most.
    let axis: [u8; 16] = [0, 1, 2, 3, 5, 8, 12, 20, 33, 51, 77, 102, 140, 179, 220, 255];
    let levels: Vec<u8> = (0..4096usize).flat_map(|index| [axis[index / 256], axis[index / 16 % 16], axis[index % 16]]).collect();
    let words = |levels: &[u8]| levels.iter().flat_map(|&level| (u16::from(level) * 257).to_ne_bytes()).collect();
    let data = if depth == Depth::U8 { levels.clone() } else { words(&levels) };
    let found = converted(&Image::new(4096, 1, Channels::Rgb, depth, data).expect("4096 colours"), icc);
    let found: Vec<f64> = match depth {
        Depth::U8 => found.data().iter().map(|&level| f64::from(level)).collect(),
        Depth::U16 => found.data().as_chunks::<2>().0.iter().map(|word| f64::from(u16::from_ne_bytes(*word)) / 257.0).collect(),
    };
    lcms::differences(icc, &levels, &found)
}

#[test]
fn colors_are_those_of_lcms2() {
    // ProPhoto, the widest that cameras write, as in its ICC profile.
    let prophoto = [[0.79767, 0.28804, 0.0], [0.13518, 0.71188, 0.0], [0.03134, 0.00009, 0.82491]];
    for (name, icc) in [("Adobe RGB", matrix(ADOBE, 2.2)), ("ProPhoto", matrix(prophoto, 1.8)), ("linear", matrix(SRGB, 1.0))] {
        let [mean, greatest, least_mean, least] = differences(&icc, Depth::U8);
        println!("{name}: dE2000 mean {mean:.3}, at most {greatest:.3}; the nearest 8 bits {least_mean:.3}, {least:.3}");
        assert!(greatest < 1.0, "{name}: dE2000 of {greatest:.3} from lcms2, where rounding takes {least:.3}");
        assert!(mean < least_mean + 0.01, "{name}: dE2000 is {mean:.3} on average, and of rounding {least_mean:.3}");
    }
    let tables = tables().into_iter().filter(|(_, icc)| &icc[16..20] == b"RGB ");
    assert_eq!(tables.clone().count(), 7, "every kind of table");
    for (name, icc) in tables {
        let [mean, greatest, least_mean, least] = differences(&icc, Depth::U8);
        println!("{name}: dE2000 mean {mean:.3}, at most {greatest:.3}; the nearest 8 bits {least_mean:.3}, {least:.3}");
        assert!(greatest < least.max(0.9) + 0.1, "{name}: dE2000 of {greatest:.3} from lcms2, where rounding takes {least:.3}");
        assert!(mean < least_mean + 0.02, "{name}: dE2000 is {mean:.3} on average, and of rounding {least_mean:.3}");
        let [mean, greatest, ..] = differences(&icc, Depth::U16);
        println!("{name}, 16 bits: dE2000 mean {mean:.3}, at most {greatest:.3}");
        assert!(greatest < 0.7 && mean < 0.05, "{name}: with 16 bits dE2000 of {greatest:.3} from lcms2, on average {mean:.3}");
    }
    // For looking at profiles that are no part of this project.
    for path in std::env::var("CONVERTFLY_PROFILES").unwrap_or_default().split(':').filter(|path| !path.is_empty()) {
        let [mean, greatest, least_mean, least] = differences(&std::fs::read(path).expect("a profile"), Depth::U8);
        println!("{path}: dE2000 mean {mean:.3}, at most {greatest:.3}; the nearest 8 bits {least_mean:.3}, {least:.3}");
    }
}

#[test]
fn colors_change_on_the_pixels_that_are_left() {
    let mut decoded = Decoded { icc: Some(matrix(ADOBE, 2.2)), ..still(picture(40, 30, Channels::Rgb)) };
    let colors = Colors::read(&mut decoded).expect("no failure");
    let shape = decoded.frames[0].image.shape();
    let source = Source { decoded: shape, stored: (40, 30), orientation: Orientation::Upright, frames: 1, focus: None };
    let steps = |options: serde_json::Value| {
        let options = <ConvertOptions as Options>::read(options.as_object().expect("an object")).expect("options");
        let recording = plan(&source, &options, by_name("png").expect("a format").flags, &colors).expect("a plan");
        recording.output(shape).expect("the steps fit");
        recording.steps
    };
    use serde_json::json;
    assert!(matches!(steps(json!({}))[..], [Step::Matrix { .. }]), "without a resize");
    assert!(matches!(steps(json!({ "width": 10 }))[..], [Step::Resize { .. }, Step::Matrix { .. }]), "after a resize");
    let linear = steps(json!({ "width": 10, "linear": true }));
    // Light is that of sRGB, so it has to be sRGB by then.
    let wanted = matches!(linear[..], [Step::Matrix { .. }, Step::Curve { .. }, Step::Resize { .. }, Step::Curve { .. }]);
    assert!(wanted, "before linear light: {linear:?}");
    let flat = steps(json!({ "width": 10, "height": 10, "fit": "pad" }));
    assert!(
        matches!(flat[..], [Step::Resize { .. }, Step::Matrix { .. }, Step::Pad { .. }]),
        "before what is given in sRGB: {flat:?}"
    );
}
