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
