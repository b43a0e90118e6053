//! What is rewritten, what is not, and that nobody sees the difference.

use std::fs::File;
use std::io::{Cursor, Read, Seek};

use serde_json::{Value, json};

use super::*;
use crate::engines::Action;
use crate::engines::image::job;
use crate::engines::image::testing::{MAKER, exif as read_exif, file, job as job_of, made, travelled};
use crate::formats::support::testing::{decode, encode, exif, picture, psnr, still};
use crate::formats::{Effort, EncodeOptions, Tags, by_name};
use crate::pixels::{Channels, CpuLevel, Depth, GpuPolicy};

/// The same numbers each time (Knuth's MMIX generator).
fn random(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

/// A JPEG file of a picture with noise on it.
fn jpeg(width: u32, height: u32, channels: Channels, how: &EncodeOptions, icc: Option<Vec<u8>>) -> Vec<u8> {
    let mut image = picture(width, height, channels);
    let mut random = random(7);
    // Grey noise: that of colours is lost on the way through pixels, and with it bytes.
    for pixel in image.data_mut().chunks_exact_mut(channels.count()) {
        let noise = (random() % 24) as u8;
        pixel.iter_mut().for_each(|sample| *sample = sample.saturating_add(noise));
    }
    written(image, how, icc)
}

fn written(image: Image, how: &EncodeOptions, icc: Option<Vec<u8>>) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let encoder = by_name("jpg").and_then(|format| format.encode).expect("it is written");
    encoder(&Decoded { icc, ..still(image) }, how, &mut out).expect("it is written");
    out.into_inner()
}

fn at(quality: u8, full_chroma: bool, effort: Effort) -> EncodeOptions {
    EncodeOptions { quality, full_chroma, effort, ..EncodeOptions::default() }
}

fn oriented(how: EncodeOptions, orientation: u16) -> EncodeOptions {
    EncodeOptions { tags: Tags { exif: Some(exif(orientation, false)[6..].to_vec()), xmp: None }, ..how }
}

fn shown(data: &[u8]) -> Image {
    decode("jpg", data).frames.remove(0).image
}

fn converted(data: &[u8], options: &Value) -> (Vec<u8>, Made) {
    made(&job_of(Action::Convert, "jpg", "jpg", options), data).expect("it is converted")
}

fn is_rewritten(made: &Made) -> bool {
    made.explain.get("way") == Some(&json!("coefficients"))
}

/// By the kernels, as the ordinary way has it.
fn ran(steps: Vec<Step>, layers: Vec<crate::pixels::Layer>, image: Image) -> Image {
    let processor = Processor::new(CpuLevel::Scalar, GpuPolicy::Off).expect("the CPU is always there");
    processor.run(&Recording { steps, layers }, image, &Cancel::new()).expect("it runs").0
}

#[test]
fn pictures_that_keep_their_size_are_never_worse_or_larger() {
    for channels in [Channels::Rgb, Channels::Grey] {
        for (full_chroma, effort) in
            [false, true].into_iter().flat_map(|full| [Effort::Balanced, Effort::Small].map(|effort| (full, effort)))
        {
            for (width, height) in [(160, 96), (171, 83), (9, 5)] {
                let source = jpeg(width, height, channels, &at(94, full_chroma, effort), None);
                let name = format!("{channels:?}, {full_chroma}, {effort:?}, {width} x {height}");
                let (result, made) = converted(&source, &json!({ "quality": 80 }));
                assert!(is_rewritten(&made), "{name}: {:?}", made.explain);
                assert_eq!((made.width, made.height), (Some(width), Some(height)), "{name}");
                assert_eq!(made.explain["blocks_drawn"], 0, "{name}");
                let (before, after) = (shown(&source), shown(&result));
                let theirs = written(before.clone(), &at(80, false, Effort::Balanced), None);
                let (our, their) = (psnr(after.data(), before.data()), psnr(shown(&theirs).data(), before.data()));
                // They are compared with rounded pixels; of few, chance makes that much.
                let (least, most) = if width > 100 { (their - 0.1, 1.01) } else { (their - 1.0, 1.05) };
                assert!(our >= least, "{name}: {our:.2} dB, by pixels {their:.2} dB");
                let bytes = (result.len() as f64, theirs.len() as f64 * most);
                assert!(bytes.0 <= bytes.1, "{name}: {}, by pixels {} bytes", result.len(), theirs.len());
            }
        }
    }
}

#[test]
fn every_orientation_is_turned_without_a_way_through_pixels() {
    for orientation in 1..=8u16 {
        for (width, height, whole) in [(160, 96, true), (150, 83, false)] {
            let source = jpeg(width, height, Channels::Rgb, &oriented(at(94, false, Effort::Balanced), orientation), None);
            let (result, made) = converted(&source, &json!({ "quality": 90 }));
            let turn = Orientation::from_exif(orientation);
            // Nothing comes to lie at the wrong side along the diagonal.
            let fits = whole || matches!(turn, Orientation::Upright | Orientation::Transpose);
            assert_eq!(is_rewritten(&made), fits, "{orientation}, {width} x {height}");
            let wanted = ran(vec![Step::Orient { orientation: turn }], Vec::new(), shown(&source));
            let found = decode("jpg", &result);
            let (found, stands) = (&found.frames[0].image, found.orientation);
            assert_eq!((found.shape(), stands), (wanted.shape(), Orientation::Upright), "{orientation}");
            assert_eq!((made.width, made.height), (Some(wanted.width()), Some(wanted.height())), "{orientation}");
            let near = psnr(found.data(), wanted.data());
            assert!(near > 33.0, "{orientation}, {width} x {height}: {near:.1} dB");
        }
    }
    let source = jpeg(160, 96, Channels::Grey, &oriented(at(94, false, Effort::Balanced), 6), None);
    let (result, made) = converted(&source, &json!({ "rotate": 90, "flip": "horizontal" }));
    assert!(is_rewritten(&made), "what is asked for is turned, too");
    let wanted = ran(vec![Step::Orient { orientation: Orientation::FlipVertical }], Vec::new(), shown(&source));
    assert!(psnr(shown(&result).data(), wanted.data()) > 33.0, "a half and a mirror");
}

#[test]
fn what_needs_pixels_gets_them() {
    let source = jpeg(160, 96, Channels::Rgb, &at(90, false, Effort::Balanced), None);
    for options in [
        json!({ "width": 80 }),
        json!({ "width": 160, "height": 96, "fit": "pad", "blur": 1 }),
        json!({ "sharpen": 1 }),
        json!({ "grayscale": true }),
        json!({ "trim": true }),
        json!({ "width": 200, "height": 100, "fit": "pad" }),
        json!({ "width": 100, "height": 96, "fit": "crop" }),
    ] {
        assert!(!is_rewritten(&converted(&source, &options).1), "{options}");
    }
    for options in [json!({}), json!({ "width": 160 }), json!({ "width": 900, "fit": "max" }), json!({ "linear": true })] {
        assert!(is_rewritten(&converted(&source, &options).1), "{options}: nothing is to be done");
    }
    let test = ImageJob { test: true, ..job_of(Action::Convert, "jpg", "jpg", &json!({})) };
    let (_, made) = made(&test, &source).expect("it is converted");
    assert!(!is_rewritten(&made) && !made.warnings.is_empty(), "a mark is all over it");
}

#[test]
fn colours_of_another_profile_go_through_pixels() {
    let standard = ::moxcms::ColorProfile::new_srgb().encode().expect("a profile");
    let wide = ::moxcms::ColorProfile::new_display_p3().encode().expect("a profile");
    for (profile, options, rewritten, kept) in [
        (&standard, json!({}), true, false),
        (&wide, json!({}), false, false),
        (&wide, json!({ "keep_icc": true }), true, true),
        (&wide, json!({ "strip": false }), true, true),
    ] {
        let source = jpeg(64, 48, Channels::Rgb, &at(92, false, Effort::Balanced), Some(profile.clone()));
        let (result, made) = converted(&source, &options);
        assert_eq!(is_rewritten(&made), rewritten, "{options}");
        assert_eq!(decode("jpg", &result).icc, kept.then(|| profile.clone()), "{options}");
    }
    let broken = jpeg(64, 48, Channels::Rgb, &at(92, false, Effort::Balanced), Some(wide[..200].to_vec()));
    let (result, made) = converted(&broken, &json!({}));
    assert!(is_rewritten(&made) && made.warnings.iter().any(|warning| warning.contains("profile")), "{:?}", made.warnings);
    assert_eq!(decode("jpg", &result).icc, None);
}

#[test]
fn what_is_kept_is_made_right() {
    let tags = Tags { exif: Some(travelled()), xmp: None };
    let source = jpeg(64, 48, Channels::Rgb, &EncodeOptions { tags, ..at(92, false, Effort::Balanced) }, None);
    let (result, made) = converted(&source, &json!({ "strip": false }));
    assert!(is_rewritten(&made), "{:?}", made.explain);
    assert_eq!((made.width, made.height), (Some(48), Some(64)), "held upright");
    let exif = read_exif(&result).expect("EXIF");
    let text = |tag| exif.get_field(tag, ::exif::In::PRIMARY).map(|field| field.display_value().to_string());
    assert!(text(::exif::Tag::Make).is_some_and(|make| make.contains(MAKER)), "{:?}", text(::exif::Tag::Make));
    assert_eq!(text(::exif::Tag::PixelXDimension), Some("48".to_owned()));
    assert_eq!(decode("jpg", &result).orientation, Orientation::Upright);
    let (bare, made) = converted(&source, &json!({}));
    assert!(is_rewritten(&made) && read_exif(&bare).is_none(), "nothing leaks");
}

#[test]
fn damaged_files_are_left_to_the_decoders() {
    let source = jpeg(160, 96, Channels::Rgb, &at(90, false, Effort::Balanced), None);
    for cut in [source.len() / 2, source.len() - 40, source.len() - 1] {
        match made(&job_of(Action::Convert, "jpg", "jpg", &json!({})), &source[..cut]) {
            Ok((_, made)) => assert!(!is_rewritten(&made), "cut off at {cut}"),
            Err(failure) => assert!(matches!(failure, Failure::Invalid { .. }), "{failure:?}"),
        }
    }
    let mut random = random(5);
    for _ in 0..60 {
        let mut broken = source.clone();
        for _ in 0..3 {
            let at = 2 + random() as usize % (broken.len() - 2);
            broken[at] = random() as u8;
        }
        match made(&job_of(Action::Convert, "jpg", "jpg", &json!({})), &broken) {
            Ok((result, _)) => assert!(!decode("jpg", &result).frames.is_empty()),
            Err(failure) => assert!(!matches!(failure, Failure::Crashed { .. } | Failure::Internal { .. }), "{failure:?}"),
        }
    }
}

/// Marks a file with a picture.
fn marked(data: &[u8], logo: &Image, options: &Value) -> (Image, Made) {
    let mut options = options.clone();
    options["image"] = json!("logo");
    let job = ImageJob { beside: vec!["png".to_owned()], ..job_of(Action::Watermark, "jpg", "jpg", &options) };
    let mut output = file(b"");
    let handle: File = output.try_clone().expect("a second handle");
    let processor = Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there");
    let files = vec![file(data), file(&encode("png", &still(logo.clone()))), handle];
    let made = job::run(&job, files, &processor, &Cancel::new()).expect("it is marked");
    let mut result = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut result)).expect("it is read back");
    (shown(&result), made)
}

#[test]
fn a_mark_is_drawn_on_the_blocks_that_it_touches_alone() {
    let logo = picture(40, 24, Channels::Rgba);
    for (channels, full_chroma) in [(Channels::Rgb, false), (Channels::Rgb, true)] {
        for (width, height, orientation) in [(320, 192, 1), (307, 189, 1), (320, 192, 6), (307, 189, 5)] {
            let how = oriented(at(93, full_chroma, Effort::Balanced), orientation);
            let source = jpeg(width, height, channels, &how, None);
            let options = json!({ "position_horizontal": "right", "position_vertical": "bottom", "opacity": 70, "margin_horizontal": 5, "margin_vertical": 0 });
            let name = format!("{channels:?}, {full_chroma}, {width} x {height}, {orientation}");
            let (found, made) = marked(&source, &logo, &options);
            assert!(is_rewritten(&made), "{name}: {:?}", made.explain);
            let drawn = made.explain["blocks_drawn"].as_u64().expect("a number");
            assert!((20..60).contains(&drawn), "{name}: {drawn} blocks of 40 by 24 pixels");
            let turn = Orientation::from_exif(orientation);
            let upright = ran(vec![Step::Orient { orientation: turn }], Vec::new(), shown(&source));
            let (x, y) = (upright.width() - 45, upright.height() - 24);
            let (left, top) = (i32::try_from(x).expect("small"), i32::try_from(y).expect("small"));
            let over = Step::Overlay { layer: 0, x: left, y: top, opacity: 179, every: None, below: false };
            let wanted = ran(vec![over], vec![logo.clone().into()], upright);
            let theirs = shown(&written(wanted.clone(), &at(85, false, Effort::Balanced), None));
            let part = |image: &Image| ran(vec![Step::Crop { x, y, width: 40, height: 24 }], Vec::new(), image.clone());
            let near = |image: &Image| psnr(image.data(), wanted.data());
            assert!(near(&found) >= near(&theirs) - 0.15, "{name}: {:.2} dB, by pixels {:.2}", near(&found), near(&theirs));
            let near = |image: &Image| psnr(part(image).data(), part(&wanted).data());
            assert!(near(&found) >= near(&theirs) - 0.15, "{name}: {:.2} dB, by pixels {:.2}", near(&found), near(&theirs));
        }
    }
}

#[test]
fn marks_that_do_not_touch_a_part_alone_go_through_pixels() {
    let source = jpeg(320, 192, Channels::Rgb, &at(93, false, Effort::Balanced), None);
    let logo = picture(40, 24, Channels::Rgba);
    assert!(!is_rewritten(&marked(&source, &logo, &json!({ "tile": true })).1), "it is everywhere");
    let whole = Image::new(320, 192, Channels::Rgba, Depth::U8, [9, 9, 9, 99].repeat(320 * 192)).expect("an image");
    let options = json!({ "margin_horizontal": 0, "margin_vertical": 0 });
    assert!(!is_rewritten(&marked(&source, &whole, &options).1), "it is as large as the picture");
    let grey = jpeg(320, 192, Channels::Grey, &at(93, false, Effort::Balanced), None);
    assert!(!is_rewritten(&marked(&grey, &logo, &json!({})).1), "the picture becomes coloured");
    let plain = Image::new(40, 24, Channels::Grey, Depth::U8, vec![200; 960]).expect("an image");
    assert!(is_rewritten(&marked(&grey, &plain, &json!({})).1), "a grey mark does not colour it");
    let (found, made) = marked(&source, &logo, &json!({ "layer": "below" }));
    assert!(is_rewritten(&made) && made.explain["blocks_drawn"] == 0, "nothing is seen under it");
    assert!(psnr(found.data(), shown(&source).data()) > 30.0);
}
