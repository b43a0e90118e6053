//! Pictures into one file, by the engine's door.

use std::fs::File;
use std::io::{Read, Seek, Write};

use super::*;
use crate::engines::Action;
use crate::engines::image::job::run;
use crate::formats::Limits;
use crate::formats::support::testing::{decode, encode, still};
use crate::pixels::{CpuLevel, GpuPolicy};

fn file(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("it is written");
    file
}

fn plain(width: u32, height: u32, color: [u8; 3]) -> Vec<u8> {
    let image = Image::new(width, height, Channels::Rgb, Depth::U8, color.repeat((width * height) as usize)).expect("an image");
    encode("png", &still(image))
}

fn merge(pictures: &[Vec<u8>], to: &str, options: Value) -> Result<Vec<u8>, Failure> {
    let job = ImageJob {
        pdf: None,
        share: None,
        action: Action::Merge,
        from: "png".to_owned(),
        to: to.to_owned(),
        beside: vec!["png".to_owned(); pictures.len() - 1],
        options: options.as_object().expect("an object").clone(),
        limits: Limits::default(),
        test: false,
    };
    let mut output = file(b"");
    let handle = output.try_clone().expect("a second handle");
    let files = pictures.iter().map(|data| file(data)).chain([handle]).collect();
    let processor = Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there");
    run(&job, files, &processor, &Cancel::new())?;
    let mut result = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut result)).expect("it is read back");
    Ok(result)
}

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

#[test]
fn pages_keep_their_sizes_and_order() {
    let pictures = [plain(30, 20, RED), plain(10, 40, BLUE), plain(5, 5, RED)];
    let decoded = decode("tiff", &merge(&pictures, "tiff", json!({})).expect("it merges"));
    let sizes: Vec<_> = decoded.frames.iter().map(|frame| (frame.image.width(), frame.image.height())).collect();
    assert_eq!(sizes, [(30, 20), (10, 40), (5, 5)], "three pages");
    assert_eq!(decoded.frames[1].image.data()[..3], BLUE, "in order");
    let pdf = merge(&pictures, "pdf", json!({})).expect("it merges");
    let pages = pdf.windows(11).filter(|window| *window == b"/Type/Page/" || *window == b"/Type /Page").count();
    assert!(pdf.starts_with(b"%PDF-") && (pages == 3 || String::from_utf8_lossy(&pdf).contains("/Count 3")), "three pages");
}

#[test]
fn frames_have_one_size_and_their_time() {
    let pictures = [plain(30, 20, RED), plain(10, 40, BLUE)];
    for to in ["gif", "webp", "png"] {
        let decoded = decode(to, &merge(&pictures, to, json!({ "delay": 250, "loops": 3 })).expect("it merges"));
        let frames: Vec<_> =
            decoded.frames.iter().map(|frame| (frame.image.width(), frame.image.height(), frame.delay_ms)).collect();
        assert_eq!(frames, [(30, 40, 250); 2], "{to}: the widest by the highest");
        assert_eq!(decoded.loops, 3, "{to}");
    }
}

#[test]
fn a_sheet_has_all_of_them_in_rows() {
    let pictures = [plain(30, 20, RED), plain(10, 40, BLUE), plain(30, 40, RED)];
    let options = json!({ "layout": "sheet", "columns": 2, "gap": 4, "width": 100, "height": 100, "background": "#00ff00" });
    let sheet = decode("png", &merge(&pictures, "png", options).expect("it merges"));
    let image = &sheet.frames[0].image;
    assert_eq!((image.width(), image.height(), sheet.frames.len()), (4 + 30 + 4 + 30 + 4, 4 + 40 + 4 + 40 + 4, 1), "two by two");
    let at = |x: usize, y: usize| {
        let at = (y * image.width() as usize + x) * image.channels().count();
        [image.data()[at], image.data()[at + 1], image.data()[at + 2]]
    };
    assert_eq!((at(4, 14), at(48, 4), at(4, 48)), (RED, BLUE, RED), "each in the middle of its cell");
    assert_eq!((at(0, 0), at(50, 60), at(4, 13)), ([0, 255, 0], [0, 255, 0], [0, 255, 0]), "and the ground elsewhere");
}

#[test]
fn rows_are_as_long_as_asked_and_a_gap_apart() {
    let pictures: Vec<_> = (0..5).map(|index| plain(10, 6, if index == 3 { BLUE } else { RED })).collect();
    let sheet = |options: Value| decode("png", &merge(&pictures, "png", options).expect("it merges")).frames.swap_remove(0).image;
    let image = sheet(json!({ "layout": "sheet", "columns": 4, "gap": 3, "width": 10, "height": 6 }));
    assert_eq!((image.width(), image.height()), (3 + 4 * 13, 3 + 2 * 9), "four in a row, three pixels apart");
    let at = |x: usize| &image.data()[(3 * image.width() as usize + x) * image.channels().count()..][..3];
    assert_eq!((at(3 + 3 * 13), at(3 + 3 * 13 - 1), at(3 + 2 * 13 + 9)), (&BLUE[..], &[255; 3][..], &RED[..]), "the fourth one");
}

#[test]
fn an_animation_among_them_keeps_its_own_times() {
    let frame = |color: [u8; 3], delay_ms| {
        let data = color.repeat(64);
        Frame { image: Image::new(8, 8, Channels::Rgb, Depth::U8, data).expect("an image"), delay_ms }
    };
    let moving = Decoded { frames: vec![frame(RED, 120), frame(BLUE, 340)], ..still(frame(RED, 0).image) };
    let pictures = [encode("png", &moving), plain(8, 8, RED)];
    let decoded = decode("gif", &merge(&pictures, "gif", json!({ "delay": 700 })).expect("it merges"));
    let delays: Vec<_> = decoded.frames.iter().map(|frame| frame.delay_ms).collect();
    assert_eq!(delays, [120, 340, 700], "the delay is for pictures that have none");
}

#[test]
fn pictures_stand_upright_in_srgb_before_they_are_merged() {
    // Linear light: 64 of 255 shows as 137.
    let primaries = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]];
    let image = Image::new(40, 10, Channels::Rgb, Depth::U8, vec![64; 1_200]).expect("an image");
    let linear = Decoded { icc: Some(crate::formats::support::inputs::icc::matrix(primaries, 1.0)), ..still(image) };
    let how = EncodeOptions { tags: crate::formats::Tags::only_orientation(Orientation::Rotate90), ..EncodeOptions::default() };
    let mut out = std::io::Cursor::new(Vec::new());
    let png = crate::formats::by_name("png").and_then(|format| format.encode).expect("it is written");
    png(&linear, &how, &mut out).expect("it is written");
    let decoded = decode("gif", &merge(&[out.into_inner(), plain(5, 5, RED)], "gif", json!({})).expect("it merges"));
    let first = &decoded.frames[0].image;
    assert_eq!((first.width(), first.height()), (10, 40), "frames are as large as the upright pictures");
    assert!(first.data()[..3].iter().all(|level| level.abs_diff(137) <= 1), "in sRGB: {:?}", &first.data()[..3]);
}

#[test]
fn quality_and_density_are_taken_at_their_word() {
    let noise = (0..64 * 64 * 3u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let picture = encode("png", &still(Image::new(64, 64, Channels::Rgb, Depth::U8, noise).expect("an image")));
    let size = |quality: u32| {
        let options = json!({ "layout": "sheet", "gap": 0, "width": 64, "height": 64, "quality": quality });
        merge(&[picture.clone(), picture.clone()], "jpg", options).expect("it merges").len()
    };
    let (worse, better) = (size(20), size(95));
    assert!(worse * 2 < better, "quality 20 has {worse} bytes, 95 has {better}");
    let page = |density: u32| {
        let pdf = merge(&[picture.clone(), picture.clone()], "pdf", json!({ "density": density })).expect("it merges");
        let text = String::from_utf8_lossy(&pdf).into_owned();
        let sides = text.split("/MediaBox").nth(1).and_then(|rest| rest.split(['[', ']']).nth(1)).expect("the size of a page");
        sides.split_whitespace().nth(2).and_then(|side| side.parse::<f64>().ok()).expect("a number")
    };
    assert!((page(96) - 48.0).abs() < 0.1, "64 pixels of a 96th inch are 48 points: {}", page(96));
    assert!((page(288) - 16.0).abs() < 0.1, "and of a 288th 16: {}", page(288));
}

#[test]
fn what_cannot_be_merged_is_said_with_its_number() {
    let broken = [plain(3, 2, RED), b"\x89PNG\r\n\x1a\nno more".to_vec()];
    match merge(&broken, "pdf", json!({})) {
        Err(Failure::Invalid { message, .. }) => assert!(message.starts_with("Input 2: "), "{message}"),
        other => panic!("{other:?}"),
    }
    let two = [plain(3, 2, RED), plain(3, 2, RED)];
    match merge(&two, "jpg", json!({})) {
        Err(Failure::Invalid { field: Some(field), message }) => {
            assert_eq!(field, "output_format", "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(merge(&two, "jpg", json!({ "layout": "sheet" })).is_ok(), "as a sheet it can");
}
