//! Planes of another size are what the definition of the filter makes of libjpeg-turbo's samples.

mod support;

use convertfly_jpeg::{Limits, Picture, Planes, Range, Sampling, Scale, Turn};
use convertfly_jpeg_reference::{self as reference, Settings};
use support::{fixtures, settings};

/// Lanczos' filter in floating point, one axis at a time; a sample of the result covers `ratio` of the source.
fn resample(src: &[f64], width: usize, height: usize, size: (usize, usize), ratio: (f64, f64)) -> Vec<f64> {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
    let kernel = |x: f64| if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 };
    let axis = |length: usize, wanted: usize, ratio: f64, at: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..wanted)
            .map(|position| {
                let centre = ((position as f64 + 0.5) * ratio - 0.5).clamp(0.0, (length - 1) as f64);
                let weights: Vec<f64> = (0..length).map(|x| kernel((x as f64 - centre) / ratio.max(1.0))).collect();
                let sum: f64 = weights.iter().sum();
                weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0).map(|(x, weight)| weight * at(x)).sum::<f64>()
                    / sum
            })
            .collect()
    };
    let columns: Vec<Vec<f64>> = (0..width).map(|x| axis(height, size.1, ratio.1, &|y| src[y * width + x])).collect();
    (0..size.1).flat_map(|y| axis(width, size.0, ratio.0, &|x| columns[x][y])).map(|value| value.clamp(0.0, 255.0)).collect()
}

fn check(name: &str, file: &[u8], size: (u32, u32)) {
    let theirs = reference::pixels(file, 1, false).expect(name);
    let found =
        Planes::resized(file, Scale::Full, size, None, Sampling::Full, Range::Full, &Limits::default()).expect(name).expect(name);
    for (channel, plane) in found.planes.iter().enumerate() {
        let samples: Vec<f64> = theirs.data.iter().skip(channel).step_by(theirs.channels).map(|&v| v.into()).collect();
        let wanted = (plane.width, plane.height);
        let ratio = (theirs.width as f64 / f64::from(size.0), theirs.height as f64 / f64::from(size.1));
        let exact = resample(&samples, theirs.width, theirs.height, wanted, ratio);
        for (at, (&found, exact)) in plane.data.iter().zip(exact).enumerate() {
            assert!((f64::from(found) - exact).abs() < 0.6, "{name} to {size:?}, component {channel}, {at}: {found}, {exact}");
        }
    }
}

#[test]
fn planes_of_one_resolution_are_as_defined() {
    for (name, file) in fixtures().into_iter().filter(|(name, _)| name.starts_with("grey-") || name.starts_with("444")) {
        for size in [(20, 15), (7, 30), (64, 48), (100, 77)] {
            check(&name, &file, size);
        }
    }
}

#[test]
fn colour_lies_where_brightness_lies() {
    // A ramp, whose value says where a sample is, however many there are.
    for (width, height) in [(64, 48), (61, 45), (250, 33)] {
        let pixels: Vec<u8> = (0..width * height).flat_map(|i| [(i % width * 200 / width) as u8 + 20, 60, 60]).collect();
        let sampling = [(2, 2), (1, 1), (1, 1), (1, 1)];
        let plain = Settings { sampling, quality: 100, ..settings(width, height, 3) };
        let file = reference::encode(&pixels, &plain).expect("written");
        let full = reference::pixels(&file, 1, false).expect("decoded");
        for size in [(width as u32 / 2, height as u32 / 2), (31, 23), (32, 24), (width as u32, height as u32)] {
            for turn in [None, Some(Turn::FlipHorizontal), Some(Turn::FlipVertical), Some(Turn::Rotate90), Some(Turn::Rotate270)]
            {
                let found = Planes::resized(&file, Scale::Full, size, turn, Sampling::Half, Range::Full, &Limits::default());
                let found = found.expect("read").expect("it is sound");
                let cr = &found.planes[2];
                let (across, down) = ((size.0 as usize).div_ceil(2), (size.1 as usize).div_ceil(2));
                // The ramp goes down, or backwards.
                let falls = matches!(turn, Some(Turn::Rotate90 | Turn::Rotate270));
                let back = matches!(turn, Some(Turn::FlipHorizontal | Turn::Rotate270));
                assert_eq!((cr.width, cr.height), if falls { (down, across) } else { (across, down) });
                let ramp = cr.data.iter().step_by(if falls { cr.width } else { 1 }).take(across);
                for (x, &value) in ramp.enumerate().skip(4).take(across.saturating_sub(8)) {
                    // Its centre in the picture.
                    let centre = if back { f64::from(size.0) - (2 * x + 1) as f64 } else { (2 * x + 1) as f64 };
                    let centre = centre * width as f64 / f64::from(size.0) - 0.5;
                    let (left, part) = (centre.floor() as usize, centre.fract());
                    let at = |x: usize| f64::from(full.data[3 * (height / 2 * width + x) + 2]);
                    let wanted = at(left) * (1.0 - part) + at(left + 1) * part;
                    // A sample that lay a pixel beside its place would be wrong by as much as a pixel of the ramp.
                    let most = (0.4 * 160.0 / f64::from(size.0)).max(1.2);
                    assert!((f64::from(value) - wanted).abs() < most, "{width} to {size:?}, {turn:?}, {x}: {value}, {wanted}");
                }
            }
        }
    }
}

#[test]
fn pixels_are_rounded_once() {
    let (width, height) = (83, 61);
    let mut random = fastrand::Rng::with_seed(16);
    // Smooth, so that nothing lies outside of the range before or behind the filter.
    let pixels: Vec<u8> = (0..width * height)
        .flat_map(|i| {
            let (x, y) = (i % width, i / width);
            [60 + x + random.usize(..4), 70 + y * 2, 190 - x].map(|value| value as u8)
        })
        .collect();
    let plain = Settings { sampling: [(1, 1); 4], quality: 92, ..settings(width, height, 3) };
    let file = reference::encode(&pixels, &plain).expect("written");
    let limits = Limits::default();
    let whole = Planes::decode(&file, Scale::Full, &limits).expect("read").planes;
    for size in [(40, 30), (20, 43), (83, 30)] {
        let ratio = (width as f64 / f64::from(size.0), height as f64 / f64::from(size.1));
        let exact: Vec<Vec<f64>> = (whole.iter())
            .map(|plane| {
                let samples: Vec<f64> = plane.data.iter().map(|&value| value.into()).collect();
                resample(&samples, width, height, (size.0 as usize, size.1 as usize), ratio)
            })
            .collect();
        let picture = Picture::resized(&file, Scale::Full, size, &limits).expect("read").expect("it is sound");
        for (at, pixel) in picture.data.chunks_exact(3).enumerate() {
            let (y, cb, cr) = (exact[0][at], exact[1][at] - 128.0, exact[2][at] - 128.0);
            let wanted = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
            for (&found, wanted) in pixel.iter().zip(wanted) {
                // Half by rounding, and what weights and fractions have.
                assert!((f64::from(found) - wanted).abs() < 0.68, "{size:?} at {at}: {found}, {wanted}");
            }
        }
    }
}

#[test]
fn pixels_are_those_of_the_planes() {
    for (name, file) in fixtures() {
        let limits = Limits::default();
        let Ok(Some(planes)) = Planes::resized(&file, Scale::Full, (21, 17), None, Sampling::Full, Range::Full, &limits) else {
            continue;
        };
        let picture = Picture::resized(&file, Scale::Full, (21, 17), &limits).expect("read").expect("it is sound");
        assert_eq!((picture.width, picture.height, picture.channels), (21, 17, planes.planes.len()), "{name}");
        let sample = |plane: usize, at: usize| f64::from(planes.planes[plane].data[at]);
        for (at, pixel) in picture.data.chunks_exact(picture.channels).enumerate() {
            let green = match picture.channels {
                1 => sample(0, at),
                _ => sample(0, at) - 0.344_136 * (sample(1, at) - 128.0) - 0.714_136 * (sample(2, at) - 128.0),
            };
            let found = f64::from(pixel[pixel.len() / 2]);
            // Those of the planes have been rounded, each by half at most.
            let most = if picture.channels == 1 { 0.0 } else { 1.6 };
            assert!((found - green.clamp(0.0, 255.0)).abs() <= most, "{name} at {at}: {found}, {green}");
        }
        let kept = convertfly_jpeg::Coefficients::read(&file, &limits).expect("read");
        assert_eq!(Picture::resized_of(&kept, Scale::Full, (21, 17)), Some(picture), "{name}: of coefficients");
    }
}

#[test]
fn low_coefficients_are_as_good_as_what_libjpeg_makes_of_more() {
    let (width, height) = (480, 384);
    let pixels = support::picture(width, height, 1, 9);
    let samples: Vec<f64> = pixels.iter().map(|&value| value.into()).collect();
    for progressive in [false, true] {
        let settings = Settings { progressive, quality: 92, ..settings(width, height, 1) };
        let file = reference::encode(&pixels, &settings).expect("written");
        // The least that is left to the filter in production.
        for (scale, by, margin) in [(Scale::Half, 2, 2), (Scale::Quarter, 4, 3), (Scale::Eighth, 8, 5)] {
            let size = (width / by / margin, height / by / margin);
            let ratio = |of: usize| (width as f64 / of as f64 / size.0 as f64, height as f64 / of as f64 / size.1 as f64);
            let wanted = resample(&samples, width, height, size, ratio(1));
            let found = Planes::resized(
                &file,
                scale,
                (size.0 as u32, size.1 as u32),
                None,
                Sampling::Half,
                Range::Full,
                &Limits::default(),
            );
            let ours: Vec<f64> = found.expect("read").expect("sound").planes[0].data.iter().map(|&value| value.into()).collect();
            let theirs = reference::pixels(&file, by as u8, false).expect("decoded");
            let reduced: Vec<f64> = theirs.data.iter().map(|&value| value.into()).collect();
            let theirs = resample(&reduced, theirs.width, theirs.height, size, ratio(by));
            let error = |found: &[f64]| {
                let squares: f64 = found.iter().zip(&wanted).map(|(a, b)| (a - b).powi(2)).sum();
                (squares / wanted.len() as f64).sqrt()
            };
            let (ours, theirs) = (error(&ours), error(&theirs));
            // Rounding to whole levels is ours alone.
            assert!(ours < theirs + 0.3, "{scale:?}, progressive {progressive}: {ours:.2} and {theirs:.2}");
        }
    }
}

#[test]
fn what_is_not_sound_is_left_to_others() {
    for (name, file) in fixtures().into_iter().filter(|(name, _)| name.starts_with("420")) {
        let resized = |file: &[u8]| {
            Planes::resized(file, Scale::Full, (20, 20), None, Sampling::Half, Range::Full, &Limits::default())
                .unwrap_or_default()
                .is_some()
        };
        assert!(resized(&file), "{name}");
        let short = [&file[..file.len() - 5], &[0xff, 0xd9]].concat();
        assert!(!resized(&short), "{name}: bytes are missing");
    }
    for (name, file) in fixtures().into_iter().filter(|(name, _)| name.starts_with("rgb") || name.starts_with("cmyk")) {
        let found = Planes::resized(&file, Scale::Full, (20, 20), None, Sampling::Half, Range::Full, &Limits::default());
        assert_eq!(found, Ok(None), "{name}: no brightness");
    }
}

#[test]
fn planes_of_video_are_those_of_jfif_in_its_range() {
    let file = fixtures().into_iter().find(|(name, _)| name.starts_with("420")).expect("a photo's sampling").1;
    let own = Picture::decode(&file, &Limits::default()).expect("read");
    let own = (own.width as u32, own.height as u32);
    for (scale, size) in [(Scale::Full, own), (Scale::Full, (20, 15)), (Scale::Half, own), (Scale::Full, (own.0 + 9, own.1))] {
        let of = |range| {
            Planes::resized(&file, scale, size, None, Sampling::Half, range, &Limits::default()).expect("read").expect("sound")
        };
        let (full, video) = (of(Range::Full), of(Range::Video));
        for (index, (full, video)) in full.planes.iter().zip(&video.planes).enumerate() {
            for (&full, &video) in full.data.iter().zip(&video.data) {
                let part = if index == 0 {
                    16.0 + f64::from(full) * 219.0 / 255.0
                } else {
                    128.0 + (f64::from(full) - 128.0) * 224.0 / 255.0
                };
                // Both were rounded.
                assert!((f64::from(video) - part).abs() <= 1.0, "{size:?}, component {index}: {full} as {video}");
            }
        }
    }
}
