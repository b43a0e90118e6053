//! The pipeline over all pairs of formats, files to files.

use std::io::{Read, Seek, Write};

use serde_json::{Value, json};

use super::*;
use crate::engines::Progress;
use crate::engines::image::job::run;
use crate::engines::image::options::ConvertOptions;
use crate::formats::support::testing::{decode, deep, encode, exif, icc, picture, psnr, still};
use crate::formats::{Decoded, Format, Frame, by_name};
use crate::options::Options;
use crate::pixels::{Channels, CpuLevel, Depth, GpuPolicy, Image, Orientation, Recording, Step};

fn processor() -> Processor {
    Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there")
}

fn file(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("it is written");
    file
}

fn job(from: &str, to: &str, options: Value) -> ImageJob {
    let options = options.as_object().expect("options are an object").clone();
    ImageJob {
        pdf: None,
        share: None,
        action: Action::Convert,
        from: from.to_owned(),
        to: to.to_owned(),
        beside: Vec::new(),
        options,
        limits: Limits::default(),
        test: false,
    }
}

pub(super) fn convert(data: &[u8], from: &str, to: &str, options: Value) -> Result<(Vec<u8>, Made), Failure> {
    let mut output = file(b"what was there before, and longer than nothing");
    let handle = output.try_clone().expect("a second handle");
    let made = run(&job(from, to, options), vec![file(data), handle], &processor(), &Cancel::new())?;
    let mut result = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut result)).expect("it is read back");
    Ok((result, made))
}

/// The formats that can be read.
fn sources() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().copied().filter(|format| format.decode.is_some())
}

/// The formats that can be written.
fn targets() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().copied().filter(|format| format.encode.is_some())
}

fn fixture(format: &Format, width: u32, height: u32) -> Vec<u8> {
    let channels = if format.flags.alpha { Channels::Rgba } else { Channels::Rgb };
    encode(format.name, &still(picture(width, height, channels)))
}

/// 8-bit RGB, blended onto white.
fn shown(image: &Image) -> Vec<u8> {
    let bytes = image.depth().bytes();
    // The high byte of a sample; 16-bit samples are native.
    let high = |sample: &[u8]| if bytes == 1 { sample[0] } else { (u16::from_ne_bytes([sample[0], sample[1]]) >> 8) as u8 };
    let samples: Vec<u8> = image.data().chunks_exact(bytes).map(high).collect();
    let pixel = |p: &[u8]| -> [u8; 3] {
        let over =
            |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + (255 - u32::from(alpha)) * 255 + 127) / 255) as u8;
        match *p {
            [g] => [g; 3],
            [g, a] => [over(g, a); 3],
            [r, g, b] => [r, g, b],
            [r, g, b, a] => [over(r, a), over(g, a), over(b, a)],
            _ => unreachable!("one to four samples"),
        }
    };
    samples.chunks_exact(image.channels().count()).flat_map(pixel).collect()
}

#[test]
fn every_pair_keeps_size_and_picture() {
    for from in sources() {
        let data = fixture(from, 60, 40);
        let before = decode(from.name, &data);
        for to in targets() {
            let pair = format!("{} to {}", from.name, to.name);
            let (result, made) = convert(&data, from.name, to.name, json!({ "quality": 95 })).expect(&pair);
            assert!((to.magic)(&result), "{pair}: the result is of its format and nothing is left from before");
            assert_eq!((made.width, made.height), (Some(60), Some(40)), "{pair}");
            if to.decode.is_none() {
                continue;
            }
            let after = decode(to.name, &result);
            let image = &after.frames[0].image;
            assert_eq!((image.width(), image.height()), (60, 40), "{pair}");
            // GIF has 256 colours and no partial alpha, so only what is opaque is compared there.
            let (mut a, mut b) = (shown(&before.frames[0].image), shown(image));
            if to.name == "gif" {
                let left = |pixels: Vec<u8>| pixels.chunks_exact(180).flat_map(|row| row[..90].to_vec()).collect();
                (a, b) = (left(a), left(b));
            }
            let found = psnr(&a, &b);
            let wanted = if to.flags.lossy {
                33.0
            } else if to.name == "gif" {
                30.0
            } else {
                70.0
            };
            assert!(found > wanted, "{pair}: {found:.1} dB, wanted {wanted}");
            assert_eq!(made.explain["source"]["format"], json!(from.name), "{pair}");
            assert_eq!(made.explain["bytes_out"], json!(result.len()), "{pair}");
            let stages: &[&str] = if made.explain.get("way") == Some(&json!("coefficients")) {
                assert_eq!(pair, "jpg to jpg");
                &["probe", "rewrite"]
            } else {
                &["probe", "decode", "kernel", "upload", "readback", "encode"]
            };
            for stage in stages {
                assert!(made.explain["ms"][stage].is_number(), "{pair}: {stage} is timed");
            }
        }
    }
}

#[test]
fn transparency_is_flattened_on_white_or_the_background() {
    let clear = Image::new(8, 8, Channels::Rgba, Depth::U8, [10, 20, 30, 0].repeat(64)).expect("the sizes match");
    let png = encode("png", &still(clear));
    for (background, expected) in [(json!({}), [255, 255, 255]), (json!({ "background": "#0000ff" }), [0, 0, 255])] {
        for to in ["jpg", "bmp"] {
            let (result, _) = convert(&png, "png", to, background.clone()).expect("it converts");
            let pixels = shown(&decode(to, &result).frames[0].image);
            let near = pixels.chunks_exact(3).all(|p| p.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2));
            assert!(near, "{to} on {background}: {:?}", &pixels[..3]);
        }
    }
    for to in ["png", "webp", "tiff", "gif"] {
        let (result, _) = convert(&png, "png", to, json!({})).expect("it converts");
        let image = decode(to, &result).frames.remove(0).image;
        assert!(image.channels().has_alpha() && image.data().chunks_exact(4).all(|p| p[3] == 0), "{to} keeps it");
    }
}

/// Stores an upright picture so that `orientation` shows it upright again.
fn stored(upright: &Image, orientation: Orientation) -> Image {
    let (w, h) = (upright.width() as usize, upright.height() as usize);
    let (sw, sh) = if orientation.swaps_sides() { (h, w) } else { (w, h) };
    let mut data = Vec::new();
    for y in 0..sh {
        for x in 0..sw {
            // Where the stored pixel shows: EXIF 2.32, figure of tag 0x0112.
            let (ux, uy) = match orientation {
                Orientation::Upright => (x, y),
                Orientation::FlipHorizontal => (w - 1 - x, y),
                Orientation::Rotate180 => (w - 1 - x, h - 1 - y),
                Orientation::FlipVertical => (x, h - 1 - y),
                Orientation::Transpose => (y, x),
                Orientation::Rotate90 => (w - 1 - y, x),
                Orientation::Transverse => (w - 1 - y, h - 1 - x),
                Orientation::Rotate270 => (y, h - 1 - x),
            };
            data.extend_from_slice(&upright.data()[(uy * w + ux) * 3..][..3]);
        }
    }
    Image::new(sw as u32, sh as u32, upright.channels(), upright.depth(), data).expect("the sizes match")
}

/// A JPEG with an EXIF segment behind its first one.
pub(super) fn jpeg_with_exif(image: Image, value: u16) -> Vec<u8> {
    let jpeg = encode("jpg", &still(image));
    let exif = exif(value, value.is_multiple_of(2));
    let mut data = jpeg[..2].to_vec();
    data.extend([0xff, 0xe1]);
    data.extend(((exif.len() + 2) as u16).to_be_bytes());
    data.extend(exif);
    data.extend(&jpeg[2..]);
    data
}

#[test]
fn all_eight_orientations_come_out_upright() {
    let upright = picture(96, 64, Channels::Rgb);
    // In the order of EXIF, written down here: the table of the program is what is tested.
    let order = [
        Orientation::Upright,
        Orientation::FlipHorizontal,
        Orientation::Rotate180,
        Orientation::FlipVertical,
        Orientation::Transpose,
        Orientation::Rotate90,
        Orientation::Transverse,
        Orientation::Rotate270,
    ];
    for (orientation, value) in order.into_iter().zip(1..) {
        let jpeg = jpeg_with_exif(stored(&upright, orientation), value);
        let (png, made) = convert(&jpeg, "jpg", "png", json!({})).expect("it converts");
        let decoded = decode("png", &png);
        assert_eq!(decoded.orientation, Orientation::Upright, "{value}: the tag is gone");
        assert_eq!((made.width, made.height), (Some(96), Some(64)), "{value}");
        let found = psnr(shown(&decoded.frames[0].image).as_slice(), upright.data());
        assert!(found > 33.0, "{value}: {found:.1} dB against the upright picture");
        // The size counts upright, whatever way the pixels are stored.
        let (small, made) = convert(&jpeg, "jpg", "jpg", json!({ "width": 48 })).expect("it converts");
        assert_eq!((made.width, made.height), (Some(48), Some(32)), "{value}: width is the upright one");
        assert_eq!(decode("jpg", &small).orientation, Orientation::Upright, "{value}: the tag is gone");
    }
}

#[test]
fn sixteen_bits_survive_where_the_target_has_them() {
    for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba] {
        let before = deep(30, 20, channels);
        let png = encode("png", &still(before.clone()));
        let (tiff, _) = convert(&png, "png", "tiff", json!({})).expect("it converts");
        assert_eq!(decode("tiff", &tiff).frames[0].image, before, "{channels:?} to tiff");
        let (back, _) = convert(&tiff, "tiff", "png", json!({})).expect("it converts");
        assert_eq!(decode("png", &back).frames[0].image, before, "{channels:?} and back");
        let (webp, _) = convert(&png, "png", "webp", json!({})).expect("it converts");
        assert_eq!(decode("webp", &webp).frames[0].image.depth(), Depth::U8, "{channels:?} to webp");
    }
}

pub(super) fn animation() -> Decoded {
    let frame = |index: u8| {
        let mut data = [200, 30, 40, 255].repeat(16 * 12);
        // A square that moves over a field that stays, and a hole that opens in the last frame.
        for y in 2..6 {
            for x in 0..4 {
                let at = (y * 16 + x + usize::from(index) * 4) * 4;
                let color = if index == 3 { [0; 4] } else { [20, 30, 60 * (index + 1), 255] };
                data[at..at + 4].copy_from_slice(&color);
            }
        }
        let image = Image::new(16, 12, Channels::Rgba, Depth::U8, data).expect("the sizes match");
        Frame { image, delay_ms: 50 + 30 * u32::from(index) }
    };
    Decoded { frames: (0..4).map(frame).collect(), orientation: Orientation::Upright, icc: None, loops: 3 }
}

#[test]
fn animations_keep_frames_timing_and_loops() {
    let before = animation();
    let gif = encode("gif", &before);
    assert_eq!(decode("gif", &gif), before, "GIF itself");
    for to in ["gif", "png", "webp"] {
        let (result, made) = convert(&gif, "gif", to, json!({ "quality": 100 })).expect("it converts");
        let after = decode(to, &result);
        assert_eq!(after.loops, 3, "{to}");
        assert_eq!(made.explain["source"]["frames"], json!(4), "{to}");
        let delays = |decoded: &Decoded| decoded.frames.iter().map(|frame| frame.delay_ms).collect::<Vec<_>>();
        assert_eq!(delays(&after), delays(&before), "{to}");
        for (index, (a, b)) in after.frames.iter().zip(&before.frames).enumerate() {
            let found = psnr(&shown(&a.image), &shown(&b.image));
            assert!(found > 25.0, "{to} frame {index}: {found:.1} dB");
            let alpha = |image: &Image| image.data().chunks_exact(4).map(|p| p[3]).collect::<Vec<_>>();
            assert_eq!(alpha(&a.image), alpha(&b.image), "{to} frame {index}: the hole is where it was");
        }
    }
    let webp = encode("webp", &before);
    let (back, _) = convert(&webp, "webp", "gif", json!({ "width": 8 })).expect("it converts");
    let back = decode("gif", &back);
    assert_eq!((back.frames.len(), back.loops, back.frames[1].image.height()), (4, 3, 6), "WebP to GIF, smaller");
    let (tiff, made) = convert(&gif, "gif", "tiff", json!({})).expect("it converts");
    let first = &decode("tiff", &tiff).frames[0].image;
    assert_eq!(shown(first), shown(&before.frames[0].image), "the first frame where one fits");
    assert_eq!(made.warnings.len(), 1, "the customer is told: {:?}", made.warnings);
}

#[test]
fn profiles_go_where_they_fit() {
    // Larger than one JPEG segment.
    let profile = icc(b"RGB ", 150_000);
    let with = |image, icc: &[u8]| Decoded { icc: Some(icc.to_vec()), ..still(image) };
    let png = encode("png", &with(picture(20, 10, Channels::Rgb), &profile));
    for to in targets().filter(|to| to.decode.is_some()) {
        let holds = to.flags.profile;
        let to = to.name;
        let (result, made) = convert(&png, "png", to, json!({ "keep_icc": true })).expect("it converts");
        assert_eq!(decode(to, &result).icc.as_deref() == Some(profile.as_slice()), holds, "{to}");
        assert_eq!(made.warnings.is_empty(), holds, "{to} says what is lost");
    }
    let grey = encode("png", &with(picture(20, 10, Channels::Grey), &icc(b"GRAY", 400)));
    let (webp, _) = convert(&grey, "png", "webp", json!({ "keep_icc": true })).expect("it converts");
    assert_eq!(decode("webp", &webp).icc, None, "a grey profile does not describe colour");
    let alpha = encode("webp", &with(picture(20, 10, Channels::Rgba), &profile));
    assert!(decode("webp", &alpha).frames[0].image.channels().has_alpha(), "WebP with profile keeps its alpha");
}

#[test]
fn mislabelled_files_are_called_what_they_are() {
    for is in sources() {
        let data = fixture(is, 9, 9);
        for says in sources().filter(|says| says.name != is.name) {
            let expected = format!("The file is a {}, not a {}", is.title, says.title);
            let got = convert(&data, says.name, "png", json!({})).map(|_| ());
            assert_eq!(got, Err(Failure::invalid(expected)), "{} named {}", is.name, says.name);
        }
    }
    assert_eq!(convert(b"", "png", "jpg", json!({})).map(|_| ()), Err(Failure::invalid("The file is empty")), "no bytes");
    let text = convert(b"Dear Sir or Madam", "png", "jpg", json!({})).map(|_| ());
    assert!(matches!(text, Err(Failure::Invalid { .. })), "text gave {text:?}");
}

#[test]
fn cut_files_are_refused_with_their_name() {
    for format in sources() {
        let data = fixture(format, 64, 48);
        for part in [1, 2, 5, 8, 9] {
            let cut = &data[..data.len() * part / 10];
            match convert(cut, format.name, "png", json!({})).map(|_| ()) {
                Err(Failure::Invalid { message, .. }) => {
                    assert!(message.contains(format.title), "{} cut to {part}/10: {message}", format.name);
                }
                other => panic!("{} cut to {part}/10 gave {other:?}", format.name),
            }
        }
    }
}

#[test]
fn wrong_options_name_their_field() {
    let png = fixture(by_name("png").expect("PNG"), 30, 10);
    for (options, expected) in [(json!({ "quality": 0 }), "quality"), (json!({ "height": 16_384 }), "height")] {
        match convert(&png, "png", "webp", options.clone()).map(|_| ()) {
            Err(Failure::Invalid { field: Some(field), .. }) => assert_eq!(field, expected, "{options}"),
            other => panic!("{options} gave {other:?}"),
        }
    }
    match convert(&png, "png", "webp", json!({ "width": 16_384 })).map(|_| ()) {
        Err(Failure::Invalid { field: Some(field), .. }) => assert_eq!(field, "width", "one more than WebP holds"),
        other => panic!("a side of 16,384 in WebP gave {other:?}"),
    }
}

#[test]
fn cancelled_work_stops() {
    let cancel = Cancel::new();
    cancel.cancel();
    let png = fixture(by_name("png").expect("PNG"), 30, 10);
    let got = run(&job("png", "webp", json!({})), vec![file(&png), file(b"")], &processor(), &cancel);
    assert_eq!(got, Err(Failure::Cancelled), "before it begins");
}

#[tokio::test]
async fn the_engine_offers_all_pairs_and_runs_them_anywhere() {
    let remote: Remote = Arc::new(|job, _, _, _| {
        Box::pin(async move { Err(Failure::unsupported(format!("{} to {} elsewhere", job.from, job.to))) })
    });
    let limits = Limits::default();
    let here = ImageEngine::new(Runner::InProcess(Arc::new(processor())), limits);
    let there = ImageEngine::new(Runner::Remote(remote), limits);
    assert_eq!(here.edges().len(), sources().count() * targets().count(), "every format to every one that is written");
    let output = file(b"");
    let work = |deadline| Work {
        action: Action::Convert,
        beside: Vec::new(),
        from: "png".to_owned(),
        to: "gif".to_owned(),
        glance: None,
        input: file(&fixture(by_name("png").expect("PNG"), 6, 5)),
        output: output.try_clone().expect("a second handle"),
        options: serde_json::Map::new(),
        test: false,
        share: None,
        scratch: std::env::temp_dir(),
        progress: Progress::default(),
        cancel: Cancel::new(),
        deadline,
    };
    let made = here.convert(work(Duration::from_secs(60))).await.expect("it converts");
    assert_eq!((made.width, made.height), (Some(6), Some(5)), "in this process");
    let made = there.convert(work(Duration::from_secs(60))).await;
    assert_eq!(made, Err(Failure::unsupported("png to gif elsewhere")), "where the runner says");
    let late = here.convert(work(Duration::ZERO)).await;
    assert!(matches!(late, Err(Failure::TimedOut | Failure::Cancelled) | Ok(_)), "no time at all is no panic: {late:?}");
}

#[test]
fn two_turns_are_one() {
    let all: Vec<Orientation> = (1..=8).map(Orientation::from_exif).collect();
    let start = picture(3, 2, Channels::Rgb);
    let turn = |image: Image, orientation| {
        let recording = Recording { steps: vec![Step::Orient { orientation }], ..Recording::default() };
        processor().run(&recording, image, &Cancel::new()).expect("it turns").0
    };
    for &first in &all {
        for &second in &all {
            let one_by_one = turn(turn(start.clone(), first), second);
            assert_eq!(turn(start.clone(), first.then(second)), one_by_one, "{first:?}, then {second:?}");
        }
    }
}

#[test]
fn a_linear_resize_keeps_the_light_of_a_fine_pattern() {
    // Black and white in turn reflect half the light, which is 188 of 255 in sRGB; without linear light it becomes 128.
    let mut data = Vec::new();
    for index in 0..64 * 64u32 {
        data.extend([if (index + index / 64) % 2 == 0 { 255 } else { 0 }; 3]);
    }
    let board = encode("png", &still(Image::new(64, 64, Channels::Rgb, Depth::U8, data).expect("the sizes match")));
    for (linear, expected) in [(true, 188), (false, 128)] {
        let (result, _) = convert(&board, "png", "png", json!({ "width": 8, "linear": linear })).expect("it converts");
        let image = decode("png", &result).frames.remove(0).image;
        let middle = image.data()[(3 * 8 + 3) * 3];
        assert!(middle.abs_diff(expected) <= 2, "linear {linear}: {middle}, expected about {expected}");
    }
}

#[test]
fn blur_and_sharpen_reach_the_result() {
    let mut data = vec![40u8; 32 * 32 * 3];
    data.chunks_exact_mut(96).for_each(|row| row[48..].fill(200));
    let edge = encode("png", &still(Image::new(32, 32, Channels::Rgb, Depth::U8, data).expect("the sizes match")));
    let row = |options: Value| -> Vec<u8> {
        let (result, _) = convert(&edge, "png", "png", options).expect("it converts");
        shown(&decode("png", &result).frames[0].image)[16 * 96..17 * 96].iter().copied().step_by(3).collect()
    };
    let blurred = row(json!({ "blur": 2 }));
    // The integral of the Gaussian, half a pixel to either side of the edge: 0.401 and 0.599 of the step.
    assert_eq!((blurred[15], blurred[16]), (104, 136), "{blurred:?}");
    assert_eq!((blurred[0], blurred[31]), (40, 200), "far from the edge nothing changes");
    let sharpened = row(json!({ "sharpen": 1, "sharpen_amount": 0.5 }));
    assert!(sharpened[15] < 40 && sharpened[16] > 200, "darker and lighter at the edge: {sharpened:?}");
    let left = row(json!({ "sharpen": 1, "sharpen_threshold": 255 }));
    assert_eq!((left[15], left[16]), (40, 200), "below the threshold nothing changes");
}

#[test]
fn trim_cuts_the_border_off_before_anything_is_measured() {
    let mut framed = Image::new(60, 40, Channels::Rgb, Depth::U8, vec![250; 60 * 40 * 3]).expect("the sizes match");
    let inner = picture(20, 10, Channels::Rgb);
    for (y, row) in inner.data().chunks_exact(60).enumerate() {
        let at = ((y + 5) * 60 + 30) * 3;
        framed.data_mut()[at..at + 60].copy_from_slice(row);
    }
    let png = encode("png", &still(framed));
    let (result, made) = convert(&png, "png", "png", json!({ "trim": true })).expect("it converts");
    assert_eq!((made.width, made.height), (Some(20), Some(10)), "the picture in the frame");
    assert_eq!(decode("png", &result).frames[0].image, inner, "to the pixel");
    let (_, made) = convert(&png, "png", "jpg", json!({ "trim": true, "width": 40, "rotate": 90 })).expect("it converts");
    assert_eq!((made.width, made.height), (Some(40), Some(80)), "what is left is turned and resized");
    let (_, made) = convert(&png, "png", "png", json!({ "trim": true, "trim_threshold": 255 })).expect("it converts");
    assert_eq!((made.width, made.height), (Some(60), Some(40)), "a picture of one colour has no border");
}

#[test]
fn a_smart_crop_keeps_what_stands_out_in_every_orientation() {
    let mut image = Image::new(300, 100, Channels::Rgb, Depth::U8, vec![128; 90_000]).expect("the sizes match");
    for row in image.data_mut().chunks_exact_mut(900).skip(30).take(40) {
        row[240 * 3..280 * 3].copy_from_slice(&[230, 20, 40].repeat(40));
    }
    for orientation in [Orientation::Upright, Orientation::Rotate90, Orientation::Rotate180, Orientation::Transverse] {
        let decoded = Decoded { orientation, ..still(image.clone()) };
        let size = json!({ "width": 100, "height": 100, "fit": "crop", "gravity": "smart" });
        let options = <ConvertOptions as Options>::read(size.as_object().expect("an object")).expect("options");
        let header =
            crate::formats::Header { width: 300, height: 100, frames: 1, channels: Channels::Rgb, depth: Depth::U8, orientation };
        let png = by_name("png").expect("a format");
        let (cpu, cancel) = (processor(), Cancel::new());
        let runner = pipeline::Runner {
            processor: &cpu,
            cancel: &cancel,
            colors: &color::SRGB,
            finish: &|_, _, _, _| Ok(()),
            meant: &|_, _| Ok(true),
        };
        let (made, _) = pipeline::process(decoded, &header, &options, png, &runner).expect("it runs");
        let red = made.frames[0].image.data().chunks_exact(3).filter(|pixel| pixel[0] > 200 && pixel[1] < 60).count();
        assert_eq!(red, 1600, "{orientation:?}: the whole of the square is in the result");
    }
}
