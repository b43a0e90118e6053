//! Colours against the formulas of the profiles that the tests make, and what becomes of broken ones.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::engines::image::options::ConvertOptions;
use crate::engines::image::plan::{Source, plan};
use crate::formats::support::inputs::icc::{gamma, matrix, profile};
use crate::formats::support::testing::{picture, still};
use crate::formats::{Cancel, Frame, by_name};
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
fn every_page_is_converted() {
    let frames = [(Channels::Rgb, 4), (Channels::Grey, 5), (Channels::Rgba, 6)]
        .map(|(channels, side)| Frame { image: picture(side, side, channels), delay_ms: 0 });
    let mut decoded = Decoded { frames: frames.to_vec(), icc: Some(matrix(ADOBE, 1.0)), ..still(picture(1, 1, Channels::Rgb)) };
    assert_eq!(applied(&mut decoded).warning, None, "all layouts");
    for (before, after) in frames.iter().zip(&decoded.frames) {
        assert_ne!(before.image, after.image, "{:?}", before.image.channels());
    }
}

/// Reads a profile and, in lines of three, colours of 8 bits and what became of them; prints how far that is from what lcms2 makes
/// of the profile in double precision, and how far the nearest 8 bits are: the mean and the greatest dE2000 of each.
const LCMS: &str = r"
import ctypes, sys
lcms = ctypes.CDLL('liblcms2.so.2')
for name in ('cmsOpenProfileFromMem', 'cmsCreate_sRGBProfile', 'cmsCreateLab4Profile', 'cmsCreateTransform'):
    getattr(lcms, name).restype = ctypes.c_void_p
lcms.cmsCIE2000DeltaE.restype = ctypes.c_double
icc = bytes.fromhex(sys.stdin.readline())
rows = [[int(value) for value in line.split()] for line in sys.stdin]
RGB, LAB, EXACT = (1 << 22) | (4 << 16) | (3 << 3), (1 << 22) | (10 << 16) | (3 << 3), 0x100
def transform(source, from_type, target, to_type, colors):
    made = lcms.cmsCreateTransform(ctypes.c_void_p(source), from_type, ctypes.c_void_p(target), to_type, 0, EXACT)
    flat = [value for color in colors for value in color]
    out = (ctypes.c_double * len(flat))()
    lcms.cmsDoTransform(ctypes.c_void_p(made), (ctypes.c_double * len(flat))(*flat), out, len(colors))
    return [out[at:at + 3] for at in range(0, len(flat), 3)]
srgb, lab = lcms.cmsCreate_sRGBProfile(), lcms.cmsCreateLab4Profile(None)
profile = lcms.cmsOpenProfileFromMem(icc, len(icc))
wanted = transform(profile, RGB, srgb, RGB, [[value / 255 for value in row[:3]] for row in rows])
wanted = [[min(1, max(0, value)) for value in color] for color in wanted]
seen = lambda colors: transform(srgb, RGB, lab, LAB, colors)
one, Color = ctypes.c_double(1), ctypes.c_double * 3
def differences(colors):
    pairs = zip(seen(colors), seen(wanted))
    found = [lcms.cmsCIE2000DeltaE(Color(*a), Color(*b), one, one, one) for a, b in pairs]
    return sum(found) / len(found), max(found)
ours = [[value / 255 for value in row[3:]] for row in rows]
nearest = [[round(value * 255) / 255 for value in color] for color in wanted]
print(*differences(ours), *differences(nearest))
";

/// The mean and the greatest dE2000 between our 8 bits and lcms2, then between the nearest 8 bits and lcms2.
fn differences(icc: &[u8]) -> [f64; 4] {
    // Closer in the dark, where a level shows most.
    let axis: [u8; 16] = [0, 1, 2, 3, 5, 8, 12, 20, 33, 51, 77, 102, 140, 179, 220, 255];
    let data: Vec<u8> = (0..4096usize).flat_map(|index| [axis[index / 256], axis[index / 16 % 16], axis[index % 16]]).collect();
    let image = Image::new(4096, 1, Channels::Rgb, Depth::U8, data).expect("4096 colours");
    let found = converted(&image, icc);
    let mut text: String = icc.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect();
    for (from, to) in image.data().chunks_exact(3).zip(found.data().chunks_exact(3)) {
        let values: Vec<String> = from.iter().chain(to).map(u8::to_string).collect();
        text += &(values.join(" ") + "\n");
    }
    let mut python = Command::new("python3")
        .args(["-c", LCMS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there (deploy/install-deps.sh test)");
    python.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = printed.split_whitespace().map(|figure| figure.parse().expect("a figure")).collect();
    figures.try_into().unwrap_or_else(|_| panic!("lcms2 (liblcms2-2) compares: {printed}"))
}

#[test]
fn colors_are_those_of_lcms2() {
    // ProPhoto, the widest that cameras write, as in its ICC profile.
    let prophoto = [[0.79767, 0.28804, 0.0], [0.13518, 0.71188, 0.0], [0.03134, 0.00009, 0.82491]];
    for (name, icc) in [("Adobe RGB", matrix(ADOBE, 2.2)), ("ProPhoto", matrix(prophoto, 1.8)), ("linear", matrix(SRGB, 1.0))] {
        let [mean, greatest, least_mean, least] = differences(&icc);
        println!("{name}: dE2000 mean {mean:.3}, at most {greatest:.3}; the nearest 8 bits {least_mean:.3}, {least:.3}");
        assert!(greatest < 1.0, "{name}: dE2000 of {greatest:.3} from lcms2, where rounding takes {least:.3}");
        assert!(mean < least_mean + 0.01, "{name}: dE2000 is {mean:.3} on average, and of rounding {least_mean:.3}");
    }
    // For looking at profiles that are no part of this project.
    for path in std::env::var("CONVERTFLY_PROFILES").unwrap_or_default().split(':').filter(|path| !path.is_empty()) {
        let [mean, greatest, least_mean, least] = differences(&std::fs::read(path).expect("a profile"));
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
