//! Changes without loss are the changes of the pixels.

mod support;

use convertfly_jpeg::{Coefficients, Edge, Limits, Turn, WriteOptions, quality_steps};
use convertfly_jpeg_reference::{self as reference, Pixels};
use support::{picture, settings};

const TURNS: [Turn; 7] = [
    Turn::FlipHorizontal,
    Turn::FlipVertical,
    Turn::Transpose,
    Turn::Transverse,
    Turn::Rotate90,
    Turn::Rotate180,
    Turn::Rotate270,
];

/// The pixel of a turned picture, as it is defined.
fn turned(pixels: &Pixels, turn: Turn) -> Pixels {
    let (w, h) = (pixels.width, pixels.height);
    let swap = matches!(turn, Turn::Transpose | Turn::Transverse | Turn::Rotate90 | Turn::Rotate270);
    let (width, height) = if swap { (h, w) } else { (w, h) };
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = match turn {
                Turn::FlipHorizontal => (w - 1 - x, y),
                Turn::FlipVertical => (x, h - 1 - y),
                Turn::Rotate180 => (w - 1 - x, h - 1 - y),
                Turn::Transpose => (y, x),
                Turn::Transverse => (w - 1 - y, h - 1 - x),
                Turn::Rotate90 => (y, h - 1 - x),
                Turn::Rotate270 => (w - 1 - y, x),
            };
            data.extend(&pixels.data[(from_y * w + from_x) * pixels.channels..][..pixels.channels]);
        }
    }
    Pixels { width, height, data, ..*pixels }
}

/// The integer IDCT goes first down, then across, so a transposed picture may round otherwise.
fn near(one: &Pixels, other: &Pixels, most: u8, name: &str) {
    assert_eq!((one.width, one.height, one.channels), (other.width, other.height, other.channels), "{name}");
    let worst = one.data.iter().zip(&other.data).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(most), "{name}: {worst:?}");
}

#[test]
fn turning_coefficients_turns_pixels() {
    for (channels, sampling) in [(1, (1, 1)), (3, (1, 1)), (3, (2, 1)), (3, (1, 2)), (3, (2, 2)), (4, (1, 1))] {
        let (width, height) = (96, 64);
        let pixels = picture(width, height, channels, 4);
        let settings = reference::Settings {
            sampling: [sampling, (1, 1), (1, 1), (1, 1)],
            progressive: channels == 3 && sampling == (2, 2),
            ..settings(width, height, channels)
        };
        let file = reference::encode(&pixels, &settings).expect("written");
        let source = Coefficients::read(&file, &Limits::default()).expect("read");
        // Without conversion, so that rounding is one at most; colour is filtered the same way from both sides but for rounding.
        let before = reference::pixels(&file, 1, false).expect("decoded");
        for turn in TURNS {
            let name = format!("{channels} channels, {sampling:?}, {turn:?}");
            let out = source.turned(turn, Edge::Keep).expect("whole MCUs").write(&WriteOptions::default()).expect("written");
            let after = reference::pixels(&out, 1, false).expect("decoded");
            near(&after, &turned(&before, turn), 2, &name);
        }
        let back = source.turned(Turn::Rotate90, Edge::Keep).and_then(|turned| turned.turned(Turn::Rotate270, Edge::Keep));
        assert_eq!(back.expect("whole MCUs"), source, "there and back");
    }
}

#[test]
fn what_is_not_whole_is_cut_or_refused() {
    let file = reference::encode(
        &picture(45, 29, 3, 5),
        &reference::Settings { sampling: [(2, 2), (1, 1), (1, 1), (1, 1)], ..settings(45, 29, 3) },
    );
    let source = Coefficients::read(&file.expect("written"), &Limits::default()).expect("read");
    let size = |turn, edge| source.turned(turn, edge).map(|turned| (turned.frame.width, turned.frame.height));
    assert_eq!(size(Turn::Transpose, Edge::Keep), Ok((29, 45)), "nothing is mirrored");
    assert!(size(Turn::FlipHorizontal, Edge::Keep).is_err());
    assert_eq!(size(Turn::FlipHorizontal, Edge::Trim), Ok((32, 29)));
    assert_eq!(size(Turn::FlipVertical, Edge::Trim), Ok((45, 16)));
    // Clockwise, the bottom comes to lie on the left.
    assert_eq!(size(Turn::Rotate90, Edge::Trim), Ok((16, 45)));
    assert_eq!(size(Turn::Rotate270, Edge::Trim), Ok((29, 32)));
    assert_eq!(size(Turn::Transverse, Edge::Trim), Ok((16, 32)));
    for turn in TURNS {
        let trimmed = source.turned(turn, Edge::Trim).expect("trimmed");
        let out = trimmed.write(&WriteOptions::default()).expect("written");
        assert_eq!(support::compare(&out), Ok(support::Outcome::Equal), "{turn:?}");
    }
}

#[test]
fn a_part_is_the_part_of_the_pixels() {
    let (width, height) = (150, 90);
    for sampling in [(1, 1), (2, 1), (2, 2)] {
        let settings = reference::Settings { sampling: [sampling, (1, 1), (1, 1), (1, 1)], ..settings(width, height, 3) };
        let file = reference::encode(&picture(width, height, 3, 6), &settings).expect("written");
        let source = Coefficients::read(&file, &Limits::default()).expect("read");
        let full = convertfly_jpeg::Planes::decode(&file, convertfly_jpeg::Scale::Half, &Limits::default()).expect("decoded");
        for (x, y, w, h) in [(0, 0, 150, 90), (32, 16, 64, 48), (37, 21, 50, 33), (149, 89, 1, 1)] {
            let (part, (before, above)) = source.cropped(x, y, w, h).expect("it fits");
            assert_eq!((part.frame.width, part.frame.height), (w + before, h + above));
            assert!(before < 16 && above < 16 && (x - before).is_multiple_of(8) && (y - above).is_multiple_of(8));
            let out = part.write(&WriteOptions::default()).expect("written");
            let cut = convertfly_jpeg::Planes::decode(&out, convertfly_jpeg::Scale::Half, &Limits::default()).expect("decoded");
            let (left, top) = ((x - before) as usize / 2, (y - above) as usize / 2);
            for (y, row) in cut.planes[0].data.chunks_exact(cut.planes[0].width).enumerate() {
                assert_eq!(
                    row,
                    &full.planes[0].data[(top + y) * full.planes[0].width + left..][..row.len()],
                    "{sampling:?}, {y}"
                );
            }
        }
        assert!(
            source.cropped(1, 0, 150, 90).is_err()
                && source.cropped(0, 0, 0, 9).is_err()
                && source.cropped(u32::MAX, 0, 9, 9).is_err()
        );
    }
}

#[test]
fn steps_are_libjpegs() {
    for quality in [1, 10, 49, 50, 75, 85, 95, 100] {
        let file =
            reference::encode(&picture(16, 16, 3, 7), &reference::Settings { quality, ..settings(16, 16, 3) }).expect("written");
        let wanted = reference::coefficients(&file).expect("read");
        for kind in [0, 1] {
            // The fixtures let steps grow beyond 8 bits.
            assert_eq!(quality_steps(kind, quality), wanted.components[kind].quant.map(|step| step.min(255)), "{quality}");
        }
    }
}
