//! What is found in pictures whose every property is known.

use std::fs::File;
use std::io::{Read, Seek, Write};

use serde_json::{Map, Value};

use crate::engines::Action;
use crate::engines::image::job::{ImageJob, run};
use crate::formats::support::testing::{encode, exif, picture, still};
use crate::formats::{Cancel, FORMATS, Limits};
use crate::pixels::{Channels, CpuLevel, Depth, GpuPolicy, Image, Processor};

fn file(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("it is written");
    file
}

fn found(data: &[u8], format: &str) -> Map<String, Value> {
    let job = ImageJob {
        pdf: None,
        action: Action::Metadata,
        from: format.to_owned(),
        to: "json".to_owned(),
        beside: Vec::new(),
        options: Map::new(),
        limits: Limits::default(),
        test: false,
    };
    let mut output = file(b"something longer than what comes");
    let handle = output.try_clone().expect("a second handle");
    let processor = Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there");
    let made = run(&job, vec![file(data), handle], &processor, &Cancel::new()).unwrap_or_else(|f| panic!("{format}: {f}"));
    let mut text = String::new();
    output.rewind().and_then(|()| output.read_to_string(&mut text)).expect("it is read back");
    let Some(Value::Object(found)) = made.metadata else { panic!("no metadata") };
    assert_eq!(serde_json::from_str::<Map<String, Value>>(&text).expect("JSON"), found, "the file says the same");
    found
}

#[test]
fn every_format_tells_its_size_and_looks() {
    let image = still(picture(64, 40, Channels::Rgb));
    for format in FORMATS.iter().filter(|format| format.decode.is_some() && format.encode.is_some()) {
        let data = encode(format.name, &image);
        let found = found(&data, format.name);
        assert_eq!(found["format"], format.name, "{found:?}");
        assert_eq!((&found["width"], &found["height"], &found["frames"]), (&64.into(), &40.into(), &1.into()), "{found:?}");
        assert_eq!(found["size"], data.len(), "{found:?}");
        for name in ["mime", "blurhash", "thumbhash", "perceptual_hash", "average_color"] {
            assert!(found[name].as_str().is_some_and(|text| !text.is_empty()), "{}: {name} of {found:?}", format.name);
        }
    }
}

#[test]
fn colours_are_those_of_the_picture() {
    let mut data = [255, 0, 0, 255].repeat(75);
    data.extend([0, 0, 255, 255].repeat(25));
    data.extend([9, 99, 199, 0].repeat(900));
    let image = Image::new(10, 100, Channels::Rgba, Depth::U8, data).expect("an image");
    let found = found(&encode("png", &still(image)), "png");
    assert_eq!(found["alpha"], true, "{found:?}");
    let colours = found["dominant_colors"].as_array().expect("a list");
    let told: Vec<_> =
        colours.iter().map(|color| (color["color"].as_str().expect("a colour"), color["share"].as_f64())).collect();
    // Rows of colour meet transparent ones; what shows is red and blue alone, three to one.
    assert_eq!(told.iter().map(|(color, _)| *color).collect::<Vec<_>>(), ["#ff0000", "#0000ff"], "{told:?}");
    assert!(told[0].1.is_some_and(|share| (0.7..0.8).contains(&share)), "{told:?}");
}

#[test]
fn orientation_and_tags_are_told_and_the_size_is_the_upright_one() {
    let mut data = encode("jpg", &still(picture(40, 20, Channels::Rgb)));
    let tags = exif(6, true);
    let segment = [&[0xff, 0xe1][..], &((tags.len() + 2) as u16).to_be_bytes(), &tags].concat();
    data.splice(2..2, segment);
    let found = found(&data, "jpg");
    assert_eq!((&found["orientation"], &found["width"], &found["height"]), (&6.into(), &20.into(), &40.into()), "{found:?}");
    assert_eq!(found["exif"]["Orientation"], 6, "{found:?}");
}

#[test]
fn a_smaller_or_worse_copy_has_nearly_the_same_hash() {
    let hash = |image: Image, format: &str| {
        let found = found(&encode(format, &still(image)), format);
        u64::from_str_radix(found["perceptual_hash"].as_str().expect("a hash"), 16).expect("hexadecimal")
    };
    let original = hash(picture(200, 120, Channels::Rgb), "png");
    let copy = hash(picture(200, 120, Channels::Rgb), "jpg");
    assert!((original ^ copy).count_ones() <= 4, "{original:016x} {copy:016x}");
    let mirrored = {
        let image = picture(200, 120, Channels::Rgb);
        let (pixels, _) = image.data().as_chunks::<3>();
        let data = pixels.chunks(200).flat_map(|row| row.iter().rev().flatten().copied()).collect();
        hash(Image::new(200, 120, Channels::Rgb, Depth::U8, data).expect("an image"), "png")
    };
    assert!((original ^ mirrored).count_ones() > 8, "another picture has another one: {original:016x} {mirrored:016x}");
}
