//! Pixels are libjpeg-turbo's, and thumbnails are like it.

mod support;

use convertfly_jpeg::{Coefficients, Limits, Picture, Planes, Range, Sampling, Scale};
use convertfly_jpeg_reference as reference;
use support::{corpus, fixtures, settings};

fn same(name: &str, file: &[u8]) {
    let ours = Picture::decode(file, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let theirs = reference::pixels(file, 1, true).unwrap_or_else(|| panic!("{name}: libjpeg refuses it"));
    assert_eq!((ours.width, ours.height, ours.channels), (theirs.width, theirs.height, theirs.channels), "{name}");
    if ours.data != theirs.data {
        let at = ours.data.iter().zip(&theirs.data).position(|(a, b)| a != b).unwrap_or(0);
        let differ = ours.data.iter().zip(&theirs.data).filter(|(a, b)| a != b).count();
        let (x, y) = (at / ours.channels % ours.width, at / ours.channels / ours.width);
        panic!("{name}: {differ} bytes differ, first at {x},{y}: {} and {}", ours.data[at], theirs.data[at]);
    }
}

#[test]
fn every_coding_gives_the_same_pixels() {
    for (name, file) in fixtures() {
        same(&name, &file);
    }
}

#[test]
fn what_needs_no_guess_is_sound_and_nothing_else_is() {
    for (name, file) in fixtures() {
        let sound = |file: &[u8]| Picture::decode_sound(file, &Limits::default()).unwrap_or(None);
        let whole = sound(&file).unwrap_or_else(|| panic!("{name}: it is sound"));
        assert_eq!(whole, Picture::decode(&file, &Limits::default()).expect("decoded"), "{name}: the same pixels");
        let end = file.len() - 2;
        let short = [&file[..end - 3], &[0xff, 0xd9]].concat();
        assert_eq!(sound(&short), None, "{name}: bytes are missing");
        let long = [&file[..end], &[0x12, 0x34, 0xff, 0xd9]].concat();
        assert_eq!(sound(&long), None, "{name}: there are bytes that nobody reads");
        if let Some(at) = file.windows(2).position(|pair| pair == [0xff, 0xd1]) {
            let mut other = file.clone();
            other[at + 1] = 0xd4;
            assert_eq!(sound(&other), None, "{name}: another restart than the one that is due");
        }
    }
}

#[test]
fn kept_coefficients_give_the_same_pixels_as_their_file() {
    for (name, file) in fixtures() {
        let kept = Coefficients::read(&file, &Limits::default()).expect("read");
        assert!(kept.is_sound(), "{name}: nothing was guessed");
        assert_eq!(Picture::of(&kept), Picture::decode(&file, &Limits::default()), "{name}: the whole picture");
        for scale in [Scale::Eighth, Scale::Quarter, Scale::Half] {
            let planes = Planes::decode(&file, scale, &Limits::default());
            assert_eq!(Ok(Planes::of(&kept, scale)), planes, "{name}: {scale:?}");
            let reduced = Picture::reduced(&file, scale, &Limits::default());
            assert_eq!(Ok(Picture::reduced_of(&kept, scale)), reduced, "{name}: {scale:?} in colour");
            let resized = Planes::resized(&file, scale, (9, 7), None, Sampling::Half, Range::Full, &Limits::default());
            assert_eq!(
                Ok(Planes::resized_of(&kept, scale, (9, 7), None, Sampling::Half, Range::Full)),
                resized,
                "{name}: {scale:?} of another size"
            );
        }
    }
}

#[test]
fn real_files_give_the_same_pixels() {
    for (path, file) in corpus() {
        let whole = Coefficients::read(&file, &Limits::default()).expect("read").complete;
        // libjpeg smooths progressive files that stop early.
        if whole {
            same(&path.display().to_string(), &file);
        }
    }
}

#[test]
fn the_mean_of_each_block_is_libjpegs() {
    for (name, file) in fixtures().into_iter().filter(|(name, _)| name.starts_with("grey") || name.starts_with("444")) {
        let ours = Planes::decode(&file, Scale::Eighth, &Limits::default()).expect("decoded");
        let theirs = reference::pixels(&file, 8, false).expect("decoded");
        assert_eq!((ours.planes[0].width, ours.planes[0].height), (theirs.width, theirs.height), "{name}");
        for (channel, plane) in ours.planes.iter().enumerate() {
            let wanted: Vec<u8> = theirs.data.iter().skip(channel).step_by(theirs.channels).copied().collect();
            assert_eq!(plane.data, wanted, "{name}: component {channel}");
        }
    }
}

/// The mean error of a scaled picture against the means of the full one.
fn error(full: &reference::Pixels, plane: &convertfly_jpeg::Plane, by: usize) -> f64 {
    let mut sum = 0.0;
    for y in 0..plane.height {
        for x in 0..plane.width {
            let mut mean = 0.0;
            for v in 0..by {
                for u in 0..by {
                    mean += f64::from(full.data[(y * by + v) * full.width + x * by + u]);
                }
            }
            sum += (f64::from(plane.data[y * plane.width + x]) - mean / (by * by) as f64).powi(2);
        }
    }
    (sum / (plane.width * plane.height) as f64).sqrt()
}

#[test]
fn low_coefficients_are_as_good_as_the_means_of_the_pixels() {
    let pixels = support::picture(256, 192, 1, 9);
    for progressive in [false, true] {
        let settings = reference::Settings { progressive, quality: 92, ..settings(256, 192, 1) };
        let file = reference::encode(&pixels, &settings).expect("written");
        let full = reference::pixels(&file, 1, false).expect("decoded");
        for (scale, by, most) in [(Scale::Eighth, 8, 1.0), (Scale::Quarter, 4, 6.0), (Scale::Half, 2, 6.0)] {
            let planes = Planes::decode(&file, scale, &Limits::default()).expect("decoded");
            let error = error(&full, &planes.planes[0], by);
            assert!(error < most, "{scale:?}: {error}");
        }
    }
}

#[test]
fn fewer_pixels_show_the_same_as_libjpegs() {
    let (width, height) = (509, 381);
    let wave = |x: usize, y: usize, c: usize| (x as f32 / (19 + 5 * c) as f32).sin() * 60.0 + (y as f32 / 23.0).cos() * 50.0;
    let pixels: Vec<u8> = (0..3 * width * height).map(|i| (120.0 + wave(i / 3 % width, i / 3 / width, i % 3)) as u8).collect();
    for sampling in [[(1, 1); 4], [(2, 2), (1, 1), (1, 1), (1, 1)]] {
        for progressive in [false, true] {
            let settings = reference::Settings { progressive, sampling, quality: 92, ..settings(width, height, 3) };
            let file = reference::encode(&pixels, &settings).expect("written");
            for (scale, by) in [(Scale::Half, 2), (Scale::Quarter, 4), (Scale::Eighth, 8)] {
                let ours = Picture::reduced(&file, scale, &Limits::default()).expect("decoded").expect("it is sound");
                let theirs = reference::pixels(&file, by, true).expect("decoded");
                assert_eq!((ours.width, ours.height, ours.channels), (theirs.width, theirs.height, 3), "{scale:?}");
                let squares: f64 = ours.data.iter().zip(&theirs.data).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
                let difference = (squares / ours.data.len() as f64).sqrt();
                assert!(difference < 3.0, "{scale:?} {sampling:?} progressive {progressive}: {difference:.2}");
            }
        }
    }
}

#[test]
fn kinds_that_need_upsampling_are_left_to_others() {
    for (name, file) in fixtures() {
        let found = Picture::reduced(&file, Scale::Quarter, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let wanted =
            ["grey", "444", "420"].iter().any(|kind| name.starts_with(&format!("{kind}-"))) || name.starts_with("grey22");
        assert_eq!(found.is_some(), wanted, "{name}");
    }
}
