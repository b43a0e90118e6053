//! Files of lower quality without a way through pixels: near the source, never worse and never larger than by pixels.

mod support;

use convertfly_jpeg::{Coefficients, Error, Limits, Paint, Picture, Rewrite, Rewritten, Turn, quality_steps};
use convertfly_jpeg_reference as reference;
use support::{Outcome, compare, corpus, fixtures, picture, settings};

fn rewritten(file: &[u8], rewrite: Rewrite<'_>) -> Result<Option<Rewritten>, Error> {
    rewrite.run(file, &Limits::default())
}

fn requantised(file: &[u8], quality: u8) -> Option<Vec<u8>> {
    rewritten(file, Rewrite { quality, ..Rewrite::default() }).ok().flatten().map(|made| made.file)
}

/// The mean square difference of two pictures of one size.
fn difference(one: &Picture, other: &Picture) -> f64 {
    assert_eq!((one.width, one.height, one.channels), (other.width, other.height, other.channels));
    let sum: f64 = one.data.iter().zip(&other.data).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    sum / one.data.len() as f64
}

fn pixels(file: &[u8]) -> Picture {
    Picture::decode(file, &Limits::default()).expect("it is decoded")
}

/// Decoded and encoded: what everybody else does.
fn by_pixels(file: &[u8], quality: u8, change: impl FnOnce(&mut Picture)) -> Vec<u8> {
    let mut picture = pixels(file);
    change(&mut picture);
    let sampling = if picture.channels == 3 { [(2, 2), (1, 1), (1, 1), (1, 1)] } else { [(1, 1); 4] };
    let settings =
        reference::Settings { quality, optimize: true, sampling, ..settings(picture.width, picture.height, picture.channels) };
    reference::encode(&picture.data, &settings).expect("libjpeg writes it")
}

#[test]
fn coefficients_stay_within_half_a_step() {
    let mut kept = 0;
    for (name, file) in fixtures() {
        for quality in [20, 75, 92] {
            let Some(made) = rewritten(&file, Rewrite { quality, full_chroma: true, ..Rewrite::default() }).expect(&name) else {
                let rare = ["411", "441", "410", "422v", "mixed", "rgb", "cmyk", "ycck"];
                assert!(rare.iter().any(|rare| name.starts_with(rare)) || name.ends_with("q12"), "{name} is an ordinary file");
                continue;
            };
            assert_eq!(compare(&made.file), Ok(Outcome::Equal), "{name}");
            let (old, new) = (Coefficients::read(&file, &Limits::default()), Coefficients::read(&made.file, &Limits::default()));
            let (old, new) = (old.expect("read"), new.expect("read"));
            assert!(new.sound && new.frame.jfif.is_some(), "{name}");
            for index in 0..old.planes.len() {
                let steps = |of: &Coefficients| of.frame.components[index].quant.expect("steps").map(i32::from);
                let (old_steps, steps) = (steps(&old), steps(&new));
                let of_quality = quality_steps(usize::from(index > 0), quality).map(i32::from);
                for (before, after) in old.visible(index).flatten().zip(new.visible(index).flatten()) {
                    for at in 0..64 {
                        let (was, is) = (i32::from(before[at]) * old_steps[at], i32::from(after[at]) * steps[at]);
                        assert!(2 * (was - is).abs() <= steps[at], "{name}: {was} became {is} with steps of {}", steps[at]);
                        let tied = of_quality[at] == 2 * old_steps[at] && steps[at] + 1 == of_quality[at];
                        assert!(tied || steps[at] == of_quality[at].max(old_steps[at]), "{name}");
                        if old_steps[at] >= of_quality[at] {
                            assert_eq!(before[at], after[at], "{name}: nothing is lost where the source is coarser");
                            kept += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(kept > 0);
}

#[test]
fn it_is_never_worse_and_never_larger_than_by_pixels() {
    for (channels, sampling) in [(1, (1, 1)), (3, (1, 1)), (3, (2, 1)), (3, (1, 2)), (3, (2, 2))] {
        for (width, height) in [(320, 208), (203, 149)] {
            for (made_at, quality) in [(95, 85), (90, 50), (60, 85), (85, 85)] {
                for progressive in [false, true] {
                    let settings = reference::Settings {
                        quality: made_at,
                        progressive,
                        restart_blocks: if progressive { 0 } else { 7 },
                        sampling: [sampling, (1, 1), (1, 1), (1, 1)],
                        ..settings(width, height, channels)
                    };
                    let file = reference::encode(&picture(width, height, channels, 9), &settings).expect("it is written");
                    let name = format!("{channels}, {sampling:?}, {width} x {height}, {made_at} to {quality}, {progressive}");
                    let ours = requantised(&file, quality).unwrap_or_else(|| panic!("{name}"));
                    let theirs = by_pixels(&file, quality, |_| ());
                    assert_eq!(compare(&ours), Ok(Outcome::Equal), "{name}");
                    let source = pixels(&file);
                    let (our, their) = (difference(&source, &pixels(&ours)), difference(&source, &pixels(&theirs)));
                    // The pixels that are compared with are rounded ones; of few of them, chance makes that much.
                    assert!(our <= their * 1.002, "{name}: {our} and {their}");
                    // What keeps the noise of colours, which is lost on the way through pixels, takes the bytes of that noise.
                    let most = if our < their * 0.998 { 1.05 } else { 1.002 };
                    assert!(ours.len() as f64 <= theirs.len() as f64 * most, "{name}: {} and {} bytes", ours.len(), theirs.len());
                }
            }
        }
    }
}

#[test]
fn real_files_are_never_worse_than_by_pixels() {
    let mut is_fine = true;
    for (path, file) in corpus() {
        let Some(ours) = requantised(&file, 85) else {
            println!("{}: by pixels", path.display());
            continue;
        };
        let theirs = by_pixels(&file, 85, |_| ());
        assert_eq!(compare(&ours), Ok(Outcome::Equal), "{}", path.display());
        let source = pixels(&file);
        let psnr = |file: &[u8]| 10.0 * (255.0f64.powi(2) / difference(&source, &pixels(file))).log10();
        let (our, their) = (psnr(&ours), psnr(&theirs));
        let worse = if our < their || ours.len() > theirs.len() { " (!)" } else { "" };
        println!("{}: {} and {} bytes, {our:.2} and {their:.2} dB{worse}", path.display(), ours.len(), theirs.len());
        is_fine &= our >= their - 0.02 && ours.len() as f64 <= theirs.len() as f64 * 1.01;
    }
    assert!(is_fine, "see above");
}

#[test]
fn progressive_results_hold_the_same_coefficients() {
    for (name, file) in fixtures().into_iter().filter(|(name, _)| name.contains("-q90") || name.contains("-q75")) {
        let make = |progressive| rewritten(&file, Rewrite { quality: 60, progressive, ..Rewrite::default() });
        let (Some(one), Some(other)) = (make(false).expect(&name), make(true).expect(&name)) else { continue };
        let read = |made: &Rewritten| Coefficients::read(&made.file, &Limits::default()).expect("it is read");
        let (one, other) = (read(&one), read(&other));
        assert!(other.frame.progressive && other.sound && other.complete, "{name}");
        for index in 0..one.planes.len() {
            assert!(one.visible(index).eq(other.visible(index)), "{name}");
        }
    }
}

#[test]
fn turns_are_those_of_coefficients() {
    let turns = [
        Turn::FlipHorizontal,
        Turn::FlipVertical,
        Turn::Transpose,
        Turn::Transverse,
        Turn::Rotate90,
        Turn::Rotate180,
        Turn::Rotate270,
    ];
    for sampling in [(1, 1), (2, 1), (2, 2)] {
        let settings = reference::Settings { quality: 93, sampling: [sampling, (1, 1), (1, 1), (1, 1)], ..settings(96, 64, 3) };
        let file = reference::encode(&picture(96, 64, 3, 4), &settings).expect("it is written");
        for turn in turns {
            let made = rewritten(&file, Rewrite { quality: 80, turn: Some(turn), full_chroma: true, ..Rewrite::default() });
            let made = made.expect("it is read").expect("whole MCUs");
            let swapped = matches!(turn, Turn::Transpose | Turn::Transverse | Turn::Rotate90 | Turn::Rotate270);
            let source = Coefficients::read(&file, &Limits::default()).expect("it is read");
            let turned = source.turned(turn, convertfly_jpeg::Edge::Keep).and_then(|turned| turned.write(&Default::default()));
            let found = pixels(&made.file);
            assert_eq!((found.width, found.height), if swapped { (64, 96) } else { (96, 64) });
            let plain = Rewrite { quality: 80, full_chroma: true, ..Rewrite::default() };
            let wanted = rewritten(&turned.expect("it is turned"), plain).expect("it is read").expect("it is sound");
            assert!(made == wanted, "{sampling:?}, {turn:?}: the same as of a file that was turned before");
        }
        let uneven = reference::Settings { width: 45, height: 29, ..settings.clone() };
        let file = reference::encode(&picture(45, 29, 3, 4), &uneven).expect("it is written");
        let made = rewritten(&file, Rewrite { quality: 80, turn: Some(Turn::Rotate180), ..Rewrite::default() });
        assert_eq!(made, Ok(None), "it does not end on whole MCUs");
    }
}

/// Something with hard edges and something that shines through.
fn drawn(picture: &mut Picture, (left, top): (u32, u32), (x, y, width, height): (u32, u32, u32, u32)) {
    let channels = picture.channels;
    for (at, pixel) in picture.data.chunks_exact_mut(channels).enumerate() {
        let (px, py) = (left + (at % picture.width) as u32, top + (at / picture.width) as u32);
        if (x..x + width).contains(&px) && (y..y + height).contains(&py) {
            for (channel, sample) in pixel.iter_mut().enumerate() {
                *sample = if (px + py) % 23 < 6 { [230, 40, 90][channel] } else { *sample / 2 + 70 };
            }
        }
    }
}

#[test]
fn what_is_drawn_is_what_pixels_would_give() {
    for (channels, sampling) in [(1, (1, 1)), (3, (1, 1)), (3, (2, 1)), (3, (1, 2)), (3, (2, 2))] {
        for (width, height) in [(320, 208), (203, 149)] {
            for (made_at, progressive) in [(94, false), (90, true), (40, false)] {
                let settings = reference::Settings {
                    quality: made_at,
                    progressive,
                    restart_blocks: 5,
                    sampling: [sampling, (1, 1), (1, 1), (1, 1)],
                    ..settings(width, height, channels)
                };
                let file = reference::encode(&picture(width, height, channels, 11), &settings).expect("it is written");
                let (w, h) = (width as u32, height as u32);
                for rect in [(0, 0, 40, 30), (53, 31, 77, 60), (w - 70, h - 41, 70, 41), (0, 0, w, h), (w - 1, h - 1, 1, 1)] {
                    let name = format!("{channels}, {sampling:?}, {width} x {height}, {made_at}, {rect:?}");
                    let mut brush = |picture: &mut Picture, at: (u32, u32)| {
                        drawn(picture, at, rect);
                        true
                    };
                    let (x, y, rw, rh) = rect;
                    let paint = Some(Paint { x, y, width: rw, height: rh, brush: &mut brush });
                    let made = rewritten(&file, Rewrite { quality: 85, paint, ..Rewrite::default() });
                    let made = made.expect("it is read").unwrap_or_else(|| panic!("{name}"));
                    assert!(made.drawn > 0 && made.drawn <= made.blocks, "{name}");
                    let mut wanted = pixels(&file);
                    drawn(&mut wanted, (0, 0), rect);
                    let found = pixels(&made.file);
                    let theirs = pixels(&by_pixels(&file, 85, |picture| drawn(picture, (0, 0), rect)));
                    let part = |picture: &Picture| {
                        let rows = picture.data.chunks_exact(picture.width * channels).skip(y as usize).take(rh as usize);
                        let data =
                            rows.flat_map(|row| &row[x as usize * channels..][..rw as usize * channels]).copied().collect();
                        Picture { width: rw as usize, height: rh as usize, channels, data }
                    };
                    let (our, their) = (difference(&wanted, &found), difference(&wanted, &theirs));
                    assert!(our <= their * 1.002, "{name}, whole: {our} and {their}");
                    let (our, their) = (difference(&part(&wanted), &part(&found)), difference(&part(&wanted), &part(&theirs)));
                    assert!(rw * rh < 9 || our <= their * 1.006, "{name}, what is drawn: {our} and {their}");
                }
            }
        }
    }
}

#[test]
fn blocks_that_are_drawn_on_are_those_of_libjpeg() {
    for (channels, sampling) in [(1, (1, 1)), (3, (1, 1)), (3, (2, 1)), (3, (1, 2)), (3, (2, 2))] {
        let sampling = [sampling, (1, 1), (1, 1), (1, 1)];
        let settings = reference::Settings { quality: 88, sampling, ..settings(320, 208, channels) };
        let file = reference::encode(&picture(320, 208, channels, 14), &settings).expect("it is written");
        let negative = |picture: &mut Picture| picture.data.iter_mut().for_each(|sample| *sample = 255 - *sample);
        let mut brush = |picture: &mut Picture, _: (u32, u32)| {
            negative(picture);
            true
        };
        let paint = Some(Paint { x: 0, y: 0, width: 320, height: 208, brush: &mut brush });
        // Steps of 1, whatever the source's are.
        let made = rewritten(&file, Rewrite { quality: 100, paint, ..Rewrite::default() }).expect("it is read");
        let made = made.expect("it is sound");
        let theirs = Coefficients::read(&by_pixels(&file, 100, negative), &Limits::default()).expect("it is read");
        let ours = Coefficients::read(&made.file, &Limits::default()).expect("it is read");
        assert_eq!(made.drawn, made.blocks, "all of them");
        for index in 0..ours.planes.len() {
            assert!(ours.visible(index).eq(theirs.visible(index)), "{channels}, {sampling:?}, {index}");
        }
    }
}

#[test]
fn what_is_not_drawn_on_is_only_requantised() {
    let settings = reference::Settings { quality: 93, sampling: [(2, 2), (1, 1), (1, 1), (1, 1)], ..settings(320, 208, 3) };
    let file = reference::encode(&picture(320, 208, 3, 12), &settings).expect("it is written");
    let plain = requantised(&file, 85).expect("it is sound");
    let with = |brush: &mut dyn FnMut(&mut Picture, (u32, u32)) -> bool| {
        let paint = Some(Paint { x: 100, y: 90, width: 60, height: 50, brush });
        rewritten(&file, Rewrite { quality: 85, paint, ..Rewrite::default() }).expect("it is read")
    };
    let nothing = with(&mut |_, _| true).expect("it goes on");
    assert_eq!((nothing.drawn, &nothing.file), (0, &plain), "nothing is drawn");
    let dot = with(&mut |picture, _| {
        picture.data[3 * (picture.width * 5 + 5)] ^= 0xff;
        true
    });
    let dot = dot.expect("it goes on");
    assert_eq!(dot.drawn, 3, "one block of each component");
    let (plain, dot) = (pixels(&plain), pixels(&dot.file));
    let far = |at: usize| !(88..136).contains(&(at / 3 % 320)) || !(72..120).contains(&(at / 3 / 320));
    assert!((0..plain.data.len()).filter(|&at| far(at)).all(|at| plain.data[at] == dot.data[at]), "the rest is the same");
    assert_eq!(with(&mut |_, _| false), None, "the brush stops it");
    let outside = Paint { x: 300, y: 0, width: 21, height: 5, brush: &mut |_, _| true };
    assert!(rewritten(&file, Rewrite { quality: 85, paint: Some(outside), ..Rewrite::default() }).is_err());
}

#[test]
fn damaged_files_are_not_taken() {
    let settings = reference::Settings { quality: 90, sampling: [(2, 2), (1, 1), (1, 1), (1, 1)], ..settings(160, 120, 3) };
    let mut random = fastrand::Rng::with_seed(31);
    for settings in [settings.clone(), reference::Settings { progressive: true, ..settings.clone() }] {
        let file = reference::encode(&picture(160, 120, 3, 13), &settings).expect("it is written");
        for length in (file.len() / 3..file.len() - 2).step_by(97) {
            assert_eq!(requantised(&file[..length], 80), None, "cut off at {length}");
        }
        for _ in 0..300 {
            // No panic; and what is taken is whole.
            let broken = support::mutate(&file, &mut random);
            let mut brush = |picture: &mut Picture, _: (u32, u32)| {
                picture.data.fill(7);
                true
            };
            let frame = Coefficients::header(&broken, &Limits::default());
            let paint = frame.ok().map(|frame| Paint { x: 0, y: 0, width: frame.width.min(30), height: 1, brush: &mut brush });
            let small = Limits { pixels: 1 << 20, ..Limits::default() };
            if let Ok(Some(made)) = (Rewrite { quality: 80, paint, ..Rewrite::default() }).run(&broken, &small) {
                assert!(Coefficients::read(&made.file, &Limits::default()).is_ok_and(|read| read.sound));
            }
        }
    }
}
