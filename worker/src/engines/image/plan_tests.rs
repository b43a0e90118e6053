//! Cases for the plan: sizes per fit, orientation, limits, layouts.

use super::*;
use crate::engines::image::options::{Color, Flip};
use crate::formats::by_name;
use crate::pixels::Gravity;

const ALL: [Orientation; 8] = [
    Orientation::Upright,
    Orientation::FlipHorizontal,
    Orientation::Rotate180,
    Orientation::FlipVertical,
    Orientation::Transpose,
    Orientation::Rotate90,
    Orientation::Transverse,
    Orientation::Rotate270,
];

fn source(width: u32, height: u32, channels: Channels) -> Source {
    let decoded = Shape { width, height, channels, depth: Depth::U8 };
    Source { decoded, stored: (width, height), orientation: Orientation::Upright, frames: 1, focus: None }
}

fn options(width: Option<u32>, height: Option<u32>, fit: Fit) -> ConvertOptions {
    ConvertOptions { width, height, fit, ..ConvertOptions::default() }
}

fn flags(name: &str) -> Flags {
    by_name(name).expect("a known format").flags
}

fn steps(source: &Source, options: &ConvertOptions, target: &str) -> Vec<Step> {
    plan(source, options, flags(target), &Colors::default()).expect("within the limits").steps
}

/// Follows the sizes through the steps.
fn size(source: &Source, steps: &[Step]) -> (u32, u32) {
    steps.iter().fold((source.decoded.width, source.decoded.height), |(w, h), step| match *step {
        Step::Orient { orientation } => swap_if((w, h), orientation.swaps_sides()),
        Step::Resize { width, height, .. } | Step::Pad { width, height, .. } => (width, height),
        Step::Crop { x, y, width, height } => {
            assert!(x + width <= w && y + height <= h, "the crop lies within {w} x {h}");
            (width, height)
        }
        Step::Blur { .. }
        | Step::Sharpen { .. }
        | Step::Curve { .. }
        | Step::Lut { .. }
        | Step::Matrix { .. }
        | Step::Flatten { .. }
        | Step::Convert { .. }
        | Step::Overlay { .. } => (w, h),
    })
}

#[test]
fn each_fit_gives_its_size() {
    let cases = [
        // source, width, height, fit, result
        ((400, 300), None, None, Fit::Scale, (400, 300)),
        ((400, 300), Some(200), None, Fit::Scale, (200, 150)),
        ((400, 300), None, Some(600), Fit::Scale, (800, 600)),
        ((400, 300), Some(100), Some(100), Fit::Scale, (100, 100)),
        ((400, 300), Some(101), None, Fit::Crop, (101, 76)),
        ((400, 300), None, Some(101), Fit::Pad, (135, 101)),
        ((400, 300), Some(800), None, Fit::Max, (400, 300)),
        ((400, 300), None, Some(150), Fit::Max, (200, 150)),
        ((400, 300), Some(800), Some(150), Fit::Max, (200, 150)),
        ((400, 300), Some(100), Some(800), Fit::Max, (100, 75)),
        ((400, 300), Some(500), Some(500), Fit::Max, (400, 300)),
        ((400, 300), Some(800), Some(800), Fit::Pad, (800, 800)),
        ((400, 300), Some(10), Some(90), Fit::Pad, (10, 90)),
        ((400, 300), Some(10), Some(90), Fit::Crop, (10, 90)),
        ((400, 300), Some(900), Some(10), Fit::Crop, (900, 10)),
        ((16_384, 1), Some(100), Some(100), Fit::Crop, (100, 100)),
        ((10_000, 1), Some(100), None, Fit::Scale, (100, 1)),
        ((1, 10_000), Some(3), Some(3), Fit::Max, (1, 3)),
    ];
    for ((w, h), width, height, fit, expected) in cases {
        let options = options(width, height, fit);
        for orientation in ALL {
            // The same upright picture, stored in each of the eight ways.
            let (stored_w, stored_h) = swap_if((w, h), orientation.swaps_sides());
            let source = Source { orientation, ..source(stored_w, stored_h, Channels::Rgb) };
            let steps = steps(&source, &options, "png");
            let case = format!("{w} x {h} to {width:?} x {height:?} {fit:?} stored as {orientation:?}");
            assert_eq!(size(&source, &steps), expected, "{case}");
            let turned = steps.iter().any(|step| matches!(step, Step::Orient { .. }));
            assert_eq!(turned, orientation != Orientation::Upright, "{case}");
        }
    }
}

#[test]
fn nothing_to_do_is_an_empty_recording() {
    for (channels, target) in [(Channels::Rgb, "jpg"), (Channels::Rgba, "png"), (Channels::GreyAlpha, "tiff")] {
        let none = steps(&source(10, 10, channels), &ConvertOptions::default(), target);
        assert_eq!(none, [], "{channels:?} to {target}");
    }
}

#[test]
fn cropping_takes_the_centre_and_nothing_is_distorted() {
    let wide = steps(&source(1000, 500, Channels::Rgb), &options(Some(100), Some(100), Fit::Crop), "png");
    let resize = Step::Resize { width: 100, height: 100, filter: Filter::Lanczos3 };
    assert_eq!(wide, [Step::Crop { x: 250, y: 0, width: 500, height: 500 }, resize], "wide");
    let tall = steps(&source(500, 1000, Channels::Rgb), &options(Some(100), Some(100), Fit::Crop), "png");
    assert_eq!(tall, [Step::Crop { x: 0, y: 250, width: 500, height: 500 }, resize], "tall");
}

#[test]
fn gravity_is_meant_as_the_result_stands() {
    // The top left 500 x 500 of an upright 1000 x 500 picture, wherever that part is stored.
    let options = ConvertOptions { gravity: Gravity::Northwest, ..options(Some(100), Some(100), Fit::Crop) };
    for (orientation, stored, corner) in [
        (Orientation::Upright, (1000, 500), (0, 0)),
        (Orientation::FlipHorizontal, (1000, 500), (500, 0)),
        (Orientation::Rotate180, (1000, 500), (500, 0)),
        (Orientation::FlipVertical, (1000, 500), (0, 0)),
        (Orientation::Transpose, (500, 1000), (0, 0)),
        (Orientation::Rotate90, (500, 1000), (0, 500)),
        (Orientation::Transverse, (500, 1000), (0, 500)),
        (Orientation::Rotate270, (500, 1000), (0, 0)),
    ] {
        let source = Source { orientation, ..source(stored.0, stored.1, Channels::Rgb) };
        let crop = steps(&source, &options, "png")[0];
        assert_eq!(crop, Step::Crop { x: corner.0, y: corner.1, width: 500, height: 500 }, "{orientation:?}");
    }
    let padded = ConvertOptions { fit: Fit::Pad, gravity: Gravity::Southeast, ..options };
    let pad = steps(&source(200, 100, Channels::Rgb), &padded, "png")[1];
    assert_eq!(pad, Step::Pad { x: 0, y: 50, width: 100, height: 100, color: [255; 4] }, "at the bottom");
}

#[test]
fn nothing_is_enlarged_against_ones_will() {
    let cases = [
        // source, width, height, fit, result
        ((400, 300), Some(800), None, Fit::Scale, (400, 300)),
        ((400, 300), Some(800), Some(100), Fit::Scale, (400, 100)),
        ((400, 300), Some(800), Some(800), Fit::Max, (400, 300)),
        ((400, 300), Some(200), Some(800), Fit::Max, (200, 150)),
        ((400, 300), Some(800), Some(200), Fit::Crop, (400, 200)),
        ((400, 300), Some(100), Some(100), Fit::Crop, (100, 100)),
        ((400, 300), Some(800), Some(600), Fit::Pad, (800, 600)),
    ];
    for ((w, h), width, height, fit, expected) in cases {
        let options = ConvertOptions { enlarge: Some(false), ..options(width, height, fit) };
        let source = source(w, h, Channels::Rgb);
        let steps = steps(&source, &options, "png");
        let case = format!("{w} x {h} to {width:?} x {height:?} {fit:?}");
        assert_eq!(size(&source, &steps), expected, "{case}");
        let larger = |step: &Step| matches!(*step, Step::Resize { width, height, .. } if width > w || height > h);
        assert!(!steps.iter().any(larger), "{case}: {steps:?}");
    }
    let enlarged = ConvertOptions { enlarge: Some(true), ..options(Some(800), Some(800), Fit::Max) };
    let picture = source(400, 300, Channels::Rgb);
    assert_eq!(size(&picture, &steps(&picture, &enlarged, "png")), (800, 600), "max enlarges when told to");
}

#[test]
fn a_turn_comes_after_the_image_stands_upright() {
    let turned = ConvertOptions { rotate: 90, ..options(Some(100), None, Fit::Scale) };
    // Stored 400 x 300, shown 300 x 400, turned again 400 x 300.
    let photo = Source { orientation: Orientation::Rotate90, ..source(400, 300, Channels::Rgb) };
    let steps = steps(&photo, &turned, "png");
    assert_eq!(size(&photo, &steps), (100, 75), "the width asked for is that of the result");
    assert_eq!(steps[1], Step::Orient { orientation: Orientation::Rotate180 }, "both turns in one");
    let mirrored = ConvertOptions { rotate: 90, flip: Flip::Horizontal, ..ConvertOptions::default() };
    assert_eq!(mirrored.turn(), Orientation::Transpose, "turned, then mirrored");
}

#[test]
fn grayscale_takes_the_colours_out() {
    let grey = ConvertOptions { grayscale: true, ..ConvertOptions::default() };
    let to = |channels| Step::Convert { channels, depth: Depth::U8 };
    let cases = [
        (Channels::Rgb, "jpg", vec![to(Channels::Grey)]),
        (Channels::Rgba, "png", vec![to(Channels::GreyAlpha)]),
        (Channels::Rgba, "jpg", vec![to(Channels::GreyAlpha), Step::Flatten { color: [255; 3] }]),
        (Channels::Rgb, "webp", vec![to(Channels::Grey), to(Channels::Rgb)]),
        (Channels::Grey, "png", vec![]),
    ];
    for (channels, target, expected) in cases {
        assert_eq!(steps(&source(8, 8, channels), &grey, target), expected, "{channels:?} to {target}");
    }
}

#[test]
fn padding_centres_on_the_background() {
    let options = ConvertOptions { background: Color([1, 2, 3, 255]), ..options(Some(100), Some(100), Fit::Pad) };
    let expected = [
        Step::Resize { width: 100, height: 50, filter: Filter::Lanczos3 },
        Step::Pad { x: 0, y: 25, width: 100, height: 100, color: [1, 2, 3, 255] },
    ];
    assert_eq!(steps(&source(200, 100, Channels::Rgb), &options, "png"), expected, "colour on colour");
    let grey = steps(&source(200, 100, Channels::Grey), &options, "png");
    assert_eq!(grey[1], Step::Convert { channels: Channels::Rgb, depth: Depth::U8 }, "a coloured border needs colour");
    let clear = ConvertOptions { background: Color([0; 4]), ..options };
    let clear = steps(&source(200, 100, Channels::Rgb), &clear, "webp");
    assert_eq!(clear[1], Step::Convert { channels: Channels::Rgba, depth: Depth::U8 }, "a transparent border needs alpha");
}

#[test]
fn layouts_become_what_the_target_holds() {
    let none = ConvertOptions::default();
    let flatten = Step::Flatten { color: [255; 3] };
    let to = |channels, depth| Step::Convert { channels, depth };
    let cases = [
        (Channels::Rgba, Depth::U8, "jpg", vec![flatten]),
        (Channels::GreyAlpha, Depth::U8, "bmp", vec![flatten]),
        (Channels::Grey, Depth::U8, "jpg", vec![]),
        (Channels::Grey, Depth::U8, "webp", vec![to(Channels::Rgb, Depth::U8)]),
        (Channels::GreyAlpha, Depth::U8, "gif", vec![to(Channels::Rgba, Depth::U8)]),
        (Channels::Rgb, Depth::U16, "png", vec![]),
        (Channels::Rgba, Depth::U16, "tiff", vec![]),
        (Channels::Rgb, Depth::U16, "webp", vec![to(Channels::Rgb, Depth::U8)]),
        (Channels::Rgba, Depth::U16, "jpg", vec![flatten, to(Channels::Rgb, Depth::U8)]),
    ];
    for (channels, depth, target, expected) in cases {
        let mut source = source(8, 8, channels);
        source.decoded.depth = depth;
        assert_eq!(steps(&source, &none, target), expected, "{channels:?} {depth:?} to {target}");
    }
    let red = ConvertOptions { background: Color([255, 0, 0, 255]), ..none };
    let grey = steps(&source(8, 8, Channels::GreyAlpha), &red, "jpg");
    assert_eq!(grey, [to(Channels::Rgba, Depth::U8), Step::Flatten { color: [255, 0, 0] }], "red shows through");
}

#[test]
fn results_beyond_the_limits_name_the_field() {
    let cases = [
        ((100, 300), Some(16_384), None, 1, "width"),
        ((300, 100), None, Some(16_384), 1, "height"),
        ((100, 100), Some(10_000), Some(10_000), 3, "width"),
        ((100, 100), None, Some(10_000), 3, "height"),
    ];
    for ((w, h), width, height, frames, expected) in cases {
        let source = Source { frames, ..source(w, h, Channels::Rgb) };
        match plan(&source, &options(width, height, Fit::Scale), flags("webp"), &Colors::default()) {
            Err(Failure::Invalid { field: Some(field), message }) => {
                assert_eq!(field, expected, "{w} x {h} to {width:?} x {height:?}");
                assert!(message.contains("limit"), "{message}");
            }
            other => panic!("{w} x {h} to {width:?} x {height:?} gave {other:?}"),
        }
    }
    let huge = options(Some(16_384), Some(16_384), Fit::Scale);
    assert!(
        plan(&source(9, 9, Channels::Rgb), &huge, flags("png"), &Colors::default()).is_ok(),
        "the limits themselves are allowed"
    );
}

#[test]
fn a_reduced_decode_gives_the_same_sizes() {
    for orientation in ALL {
        for (fit, height) in [(Fit::Scale, None), (Fit::Crop, Some(100)), (Fit::Pad, Some(300)), (Fit::Max, Some(70))] {
            let options = options(Some(100), height, fit);
            let full = Source { orientation, ..source(4000, 3000, Channels::Rgb) };
            let reduced = Source { decoded: Shape { width: 1000, height: 750, ..full.decoded }, ..full };
            let expected = size(&full, &steps(&full, &options, "jpg"));
            assert_eq!(size(&reduced, &steps(&reduced, &options, "jpg")), expected, "{fit:?} {orientation:?}");
        }
    }
    let crop = options(Some(100), Some(100), Fit::Crop);
    assert_eq!(reduced_size((4000, 3000), Orientation::Upright, &crop), (133, 100), "all of it, where a part shows");
    let narrow = options(Some(100), None, Fit::Scale);
    assert_eq!(reduced_size((4000, 3000), Orientation::Rotate90, &narrow), (133, 100), "as stored, not upright");
}

#[test]
fn blur_and_sharpen_follow_the_resize_and_leave_the_canvas_alone() {
    let wanted =
        ConvertOptions { blur: Some(2.5), sharpen: Some(1.0), sharpen_threshold: 4.0, ..options(Some(100), Some(100), Fit::Pad) };
    let found = steps(&source(400, 300, Channels::Rgb), &wanted, "png");
    let expected = [
        Step::Resize { width: 100, height: 75, filter: Filter::Lanczos3 },
        Step::Blur { sigma: 2.5 },
        Step::Sharpen { sigma: 1.0, amount: 1.0, threshold: 4.0 },
        Step::Pad { x: 0, y: 12, width: 100, height: 100, color: [255; 4] },
    ];
    assert_eq!(found, expected, "on the pixels of the result, before anything is put around them");
}

#[test]
fn a_linear_resize_stands_between_two_curves_and_is_one_only_where_something_is_resized() {
    let wanted = ConvertOptions { linear: true, ..options(Some(200), None, Fit::Scale) };
    let recording = plan(&source(400, 300, Channels::Rgb), &wanted, flags("png"), &Colors::default()).expect("within the limits");
    let expected = [
        Step::Curve { curve: 0, depth: Depth::U16 },
        Step::Resize { width: 200, height: 150, filter: Filter::Lanczos3 },
        Step::Curve { curve: 1, depth: Depth::U8 },
    ];
    assert_eq!((recording.steps.as_slice(), recording.layers.len()), (expected.as_slice(), 2), "there and back");
    let same = plan(&source(200, 150, Channels::Rgb), &wanted, flags("png"), &Colors::default()).expect("within the limits");
    assert_eq!((same.steps.len(), same.layers.len()), (0, 0), "nothing to resize, nothing to convert");
}

#[test]
fn a_focus_says_what_stays_where_something_is_cut() {
    let wanted = ConvertOptions { gravity: Gravity::Smart, ..options(Some(100), Some(100), Fit::Crop) };
    let photo = source(400, 300, Channels::Rgb);
    assert_eq!(cut(&photo, &wanted), Some((300, 300)), "a square of it shows");
    let crop = |source: &Source| steps(source, &wanted, "png")[0];
    assert_eq!(crop(&photo), Step::Crop { x: 50, y: 0, width: 300, height: 300 }, "the middle, as long as nobody has looked");
    let seen = Source { focus: Some((97, 0)), ..photo };
    assert_eq!(crop(&seen), Step::Crop { x: 97, y: 0, width: 300, height: 300 }, "what was found");
    let turned = Source { orientation: Orientation::Rotate90, ..source(400, 300, Channels::Rgb) };
    let upright = ConvertOptions { gravity: Gravity::Smart, ..options(Some(300), Some(100), Fit::Crop) };
    assert_eq!(cut(&turned, &upright), Some((100, 300)), "in stored pixels");
    assert_eq!(cut(&photo, &options(Some(100), Some(100), Fit::Max)), None, "nothing is cut");
}
