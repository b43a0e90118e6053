//! Tables against lcms2's figures, each kind of curve against its formula, and what is broken.

use super::curve::Curve;
use super::*;
use crate::formats::support::inputs::icc::{self, formula, gamma, profile, sampled, tables};

/// What lcms2 2.14 gives for colours of [`tables`], shares of 255: `cmsDoTransform` from the profile to `cmsCreate_sRGBProfile`, both
/// in doubles, perceptual, `cmsFLAGS_NOOPTIMIZE`.
const FIGURES: &[(&str, [f64; 4], [f64; 3])] = &[
    ("lut8, Lab", [10.0, 20.0, 30.0, 0.0], [50.42, 52.01, 52.87]),
    ("lut8, Lab", [200.0, 120.0, 90.0, 0.0], [219.70, 154.96, 140.99]),
    ("lut8, Lab", [77.0, 70.0, 80.0, 0.0], [113.28, 111.78, 113.63]),
    ("lut8, Lab", [250.0, 240.0, 230.0, 0.0], [255.00, 243.38, 235.29]),
    ("lut16, Lab, curves all over", [10.0, 20.0, 30.0, 0.0], [85.21, 92.89, 110.14]),
    ("lut16, Lab, curves all over", [200.0, 120.0, 90.0, 0.0], [253.92, 141.59, 183.49]),
    ("lut16, Lab, curves all over", [77.0, 70.0, 80.0, 0.0], [106.87, 118.92, 157.44]),
    ("lut16, Lab, curves all over", [250.0, 240.0, 230.0, 0.0], [255.00, 228.25, 249.73]),
    ("lut16, Lab, version 4", [10.0, 20.0, 30.0, 0.0], [52.36, 60.34, 77.04]),
    ("lut16, Lab, version 4", [200.0, 120.0, 90.0, 0.0], [225.54, 115.06, 157.56]),
    ("lut16, Lab, version 4", [77.0, 70.0, 80.0, 0.0], [73.07, 85.91, 122.99]),
    ("lut16, Lab, version 4", [250.0, 240.0, 230.0, 0.0], [255.00, 221.66, 243.13]),
    ("lut16, XYZ, two points", [10.0, 20.0, 30.0, 0.0], [0.00, 11.95, 24.21]),
    ("lut16, XYZ, two points", [200.0, 120.0, 90.0, 0.0], [223.76, 120.77, 87.87]),
    ("lut16, XYZ, two points", [77.0, 70.0, 80.0, 0.0], [78.50, 68.21, 79.37]),
    ("lut16, XYZ, two points", [250.0, 240.0, 230.0, 0.0], [253.89, 240.46, 230.29]),
    ("lut16, XYZ, 33 points", [10.0, 20.0, 30.0, 0.0], [0.00, 12.54, 24.45]),
    ("lut16, XYZ, 33 points", [200.0, 120.0, 90.0, 0.0], [223.77, 120.80, 87.98]),
    ("lut16, XYZ, 33 points", [77.0, 70.0, 80.0, 0.0], [78.59, 68.33, 79.38]),
    ("lut16, XYZ, 33 points", [250.0, 240.0, 230.0, 0.0], [253.94, 240.47, 230.31]),
    ("lutAToB, Lab, uneven", [10.0, 20.0, 30.0, 0.0], [7.11, 8.49, 9.38]),
    ("lutAToB, Lab, uneven", [200.0, 120.0, 90.0, 0.0], [203.34, 140.26, 127.58]),
    ("lutAToB, Lab, uneven", [77.0, 70.0, 80.0, 0.0], [79.09, 77.84, 79.47]),
    ("lutAToB, Lab, uneven", [250.0, 240.0, 230.0, 0.0], [255.00, 239.74, 229.35]),
    ("lutAToB, XYZ, all parts", [10.0, 20.0, 30.0, 0.0], [0.00, 77.87, 36.12]),
    ("lutAToB, XYZ, all parts", [200.0, 120.0, 90.0, 0.0], [181.83, 176.51, 82.22]),
    ("lutAToB, XYZ, all parts", [77.0, 70.0, 80.0, 0.0], [0.00, 140.40, 71.70]),
    ("lutAToB, XYZ, all parts", [250.0, 240.0, 230.0, 0.0], [251.90, 251.94, 237.23]),
    ("inks, lut16", [10.0, 20.0, 30.0, 40.0], [208.70, 199.07, 193.50]),
    ("inks, lut16", [200.0, 120.0, 90.0, 10.0], [109.20, 156.97, 171.85]),
    ("inks, lut16", [77.0, 70.0, 80.0, 0.0], [192.54, 195.95, 191.80]),
    ("inks, lut16", [250.0, 240.0, 230.0, 60.0], [45.97, 49.79, 51.67]),
    ("inks, lut8, version 4", [10.0, 20.0, 30.0, 40.0], [243.96, 241.53, 239.96]),
    ("inks, lut8, version 4", [200.0, 120.0, 90.0, 10.0], [146.91, 222.23, 241.82]),
    ("inks, lut8, version 4", [77.0, 70.0, 80.0, 0.0], [233.54, 235.97, 232.24]),
    ("inks, lut8, version 4", [250.0, 240.0, 230.0, 60.0], [118.81, 126.29, 129.97]),
];

#[test]
fn colours_are_those_of_lcms2() {
    let profiles = tables();
    for (name, device, wanted) in FIGURES {
        let (_, icc) = profiles.iter().find(|(known, _)| known == name).expect("a table of that name");
        let transform = Transform::read(icc).expect("it is in order").expect("it has a table");
        let found = transform.srgb(device.map(|value| value / 255.0)).map(|value| value.clamp(0.0, 1.0) * 255.0);
        for (found, wanted) in found.iter().zip(wanted) {
            // lcms2 has 16 bits between the parts of a table, which is most in the dark of XYZ.
            assert!((found - wanted).abs() < 0.3, "{name}: {device:?} became {found:?}, in lcms2 {wanted:?}");
        }
    }
    assert!(
        profiles.iter().all(|(name, _)| FIGURES.iter().filter(|(known, ..)| known == name).count() >= 3),
        "each is looked at"
    );
}

#[test]
fn curves_follow_their_formulas() {
    let read = |data: &[u8]| Curve::read(data).expect("a curve");
    for (data, points) in [
        (gamma(2.0), [(0.5, 0.25), (0.1, 0.01)]),
        (b"curv\0\0\0\0\0\0\0\0".to_vec(), [(0.5, 0.5), (1.0, 1.0)]),
        (sampled(3, |x| x * x), [(0.5, 0.25), (0.75, 0.625)]),
        (formula(0, &[3.0]), [(0.5, 0.125), (1.0, 1.0)]),
        (formula(1, &[2.0, 1.0, -0.25]), [(0.2, 0.0), (0.75, 0.25)]),
        (formula(2, &[2.0, 1.0, -0.25, 0.5]), [(0.2, 0.5), (0.75, 0.75)]),
        (formula(3, &[2.0, 1.0, 0.0, 0.5, 0.25]), [(0.125, 0.0625), (0.5, 0.25)]),
        (formula(4, &[2.0, 1.0, 0.0, 0.5, 0.25, 0.125, 0.0625]), [(0.125, 0.125), (0.5, 0.375)]),
    ] {
        let (curve, length) = read(&data);
        assert_eq!(length, if &data[..4] == b"curv" { 12 + 2 * usize::from(data[11]) } else { data.len() }, "{curve:?}");
        for (x, wanted) in points {
            assert!((curve.at(x) - wanted).abs() < 1e-4, "{curve:?} at {x} is {}, not {wanted}", curve.at(x));
        }
    }
    assert!(read(&gamma(1.0)).0.is_identity() && read(&sampled(9, |x| x)).0.is_identity(), "nothing to do");
    assert!(!read(&gamma(1.1)).0.is_identity() && !read(&sampled(9, |x| x * x)).0.is_identity(), "something to do");
}

#[test]
fn grids_and_inks_are_near_the_transform() {
    for (name, icc) in tables() {
        let transform = Transform::read(&icc).expect("it is in order").expect("it has a table");
        if transform.channels() == 3 {
            let grid = Grid::of(&transform, 256);
            println!("{name}: {} points a channel, {:.3} from the transform", grid.side, grid.farthest);
            assert!(grid.farthest < 1.0, "{name}: {:.3} in CIE Lab with {} points a channel", grid.farthest, grid.side);
            assert_eq!((grid.curves.len(), grid.points.len()), (256 * 3, grid.side.pow(3) * 3), "{name}");
            assert!(Inks::of(&transform, 255).is_none(), "{name} is not for inks");
        } else {
            let inks = Inks::of(&transform, 255).expect("for inks");
            for index in 0..1000 {
                let levels = [index * 7 % 256, index * 31 % 256, index * 101 % 256, index * 13 % 256];
                let wanted = transform.srgb(levels.map(|level| level as f64 / 255.0)).map(|value| value.clamp(0.0, 1.0) * 255.0);
                let found = inks.at(levels);
                let near = found.iter().zip(wanted).all(|(&found, wanted)| (f64::from(found) - wanted).abs() < 0.02);
                assert!(near, "{name}: {levels:?} became {found:?}, wanted {wanted:?}");
            }
        }
    }
}

#[test]
fn the_table_that_counts_is_read() {
    let (_, narrow) = tables().swap_remove(0);
    let at = narrow.windows(4).position(|bytes| bytes == b"A2B0").expect("a tag");
    let mut colorimetric = narrow.clone();
    colorimetric[at + 3] = b'1';
    let (one, other) = (Transform::read(&narrow), Transform::read(&colorimetric));
    let (one, other) = (one.expect("in order").expect("perceptual"), other.expect("in order").expect("for want of another"));
    assert_eq!(one.srgb([0.3; 4]), other.srgb([0.3; 4]), "both have a black of none");
    let shaper = icc::matrix([[0.4; 3]; 3], 2.2);
    assert!(Transform::read(&shaper).is_ok_and(|found| found.is_none()), "curves and a matrix are for others");
    let lab = profile(b"abst", b"Lab ", b"Lab ", &[]);
    assert!(Transform::read(&lab).is_ok_and(|found| found.is_none()), "no device");
}

#[test]
fn what_is_broken_is_refused() {
    let fault = |icc: &[u8]| Transform::read(icc).map(|_| ()).unwrap_err();
    for (name, whole) in tables() {
        let tag = whole.windows(4).position(|bytes| matches!(bytes, b"mft1" | b"mft2" | b"mAB ")).expect("a table");
        let mut other = whole.clone();
        other[tag] = b'x';
        assert_eq!(fault(&other), Broken::Unknown, "{name}: another type");
        other = whole.clone();
        other[tag + 9] = 4;
        assert_eq!(fault(&other), Broken::Unknown, "{name}: four channels between profiles");
        other = whole.clone();
        other[tag + 8] = 2;
        assert_eq!(fault(&other), Broken::Unknown, "{name}: other channels than the device has");
        if &whole[tag..tag + 3] == b"mft" {
            other = whole.clone();
            other[tag + 10] = 255;
            assert_eq!(fault(&other), Broken::Large, "{name}: points");
            other[tag + 10] = 1;
            assert_eq!(fault(&other), Broken::Unknown, "{name}: no cell");
        }
        for end in [0, 100, 131, 140, tag + 3, tag + 11, tag + 60, whole.len() - whole.len() / 3] {
            assert!(matches!(fault(&whole[..end]), Broken::Cut | Broken::Unknown), "{name}: {end} bytes of it");
        }
        // Whatever is read gives numbers.
        for at in (0..400).chain((400..whole.len()).step_by(whole.len() / 50)) {
            let mut bad = whole.clone();
            bad[at] ^= 0xff;
            if let Ok(Some(transform)) = Transform::read(&bad) {
                for value in [0.0, 0.3, 1.0] {
                    transform.srgb([value; 4]);
                    if let Some(inks) = Inks::of(&transform, 255) {
                        let found = inks.at([(value * 255.0) as usize; 4]);
                        assert!(found.iter().all(|value| (0.0..=255.0).contains(value)), "{name}, {at}: {found:?}");
                    }
                }
            }
        }
    }
}
