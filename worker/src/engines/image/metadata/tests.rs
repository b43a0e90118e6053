//! What is found in pictures whose every property is known.

use std::fs::File;
use std::io::{Cursor, Read, Seek, Write};

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use ::exif::experimental::Writer;
use ::exif::{Field, In, Rational, Tag, Value as ExifValue};
use serde_json::{Map, Value, json};

use crate::engines::Action;
use crate::engines::image::job::{ImageJob, run};
use crate::formats::support::testing::{deep, encode, exif, picture, still};
use crate::formats::{Cancel, EncodeOptions, FORMATS, Limits, Tags, by_name};
use crate::pixels::{Channels, CpuLevel, Depth, GpuPolicy, Image, Orientation, Processor};

fn file(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("it is written");
    file
}

fn found(data: &[u8], format: &str) -> Map<String, Value> {
    let job = ImageJob {
        pdf: None,
        share: None,
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

#[test]
fn what_is_seen_is_described_upright() {
    // Dark on the left as stored, and so above when it is turned; a portrait then.
    let row: Vec<u8> = (0..60u32).flat_map(|x| [if x < 20 { 10 } else { 240 }; 3]).collect();
    let image = Image::new(60, 30, Channels::Rgb, Depth::U8, row.repeat(30)).expect("an image");
    let turned: Vec<u8> = (0..60u32).flat_map(|y| [if y < 20 { 10 } else { 240 }; 90]).collect();
    let turned = Image::new(30, 60, Channels::Rgb, Depth::U8, turned).expect("an image");
    let how = EncodeOptions { tags: Tags::only_orientation(Orientation::Rotate90), ..EncodeOptions::default() };
    let mut out = Cursor::new(Vec::new());
    by_name("png").and_then(|format| format.encode).expect("it is written")(&still(image), &how, &mut out).expect("it is");
    let (found, wanted) = (found(&out.into_inner(), "png"), found(&encode("png", &still(turned)), "png"));
    for name in ["blurhash", "thumbhash", "perceptual_hash"] {
        assert_eq!(found[name], wanted[name], "{name} is that of the upright picture");
    }
    // The first digit holds the components: across less one, and nine times those down less one (blurhash's format).
    let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let size = digits.find(&wanted["blurhash"].as_str().expect("a text")[..1]).expect("a digit");
    assert_eq!((size % 9 + 1, size / 9 + 1), (3, 4), "a portrait has more of them down");
}

#[test]
fn a_thumbhash_has_the_mean_colour_of_the_picture() {
    // Larger than what is hashed, so that it is made smaller first.
    let image = Image::new(128, 128, Channels::Rgb, Depth::U8, [200, 120, 40].repeat(128 * 128)).expect("an image");
    let found = found(&encode("png", &still(image)), "png");
    let hash = STANDARD.decode(found["thumbhash"].as_str().expect("a text")).expect("base64");
    let (r, g, b, a) = ::thumbhash::thumb_hash_to_average_rgba(&hash).expect("a hash");
    for (found, wanted) in [(r, 200.0), (g, 120.0), (b, 40.0), (a, 255.0)] {
        assert!((found * 255.0 - wanted).abs() < 12.0, "{:?} for 200, 120, 40", (r * 255.0, g * 255.0, b * 255.0, a * 255.0));
    }
}

#[test]
fn half_of_the_bits_of_a_hash_are_set() {
    // Signs against the median: as many frequencies lie above it as below.
    let found = found(&encode("png", &still(picture(150, 90, Channels::Rgb))), "png");
    let hash = u64::from_str_radix(found["perceptual_hash"].as_str().expect("a hash"), 16).expect("hexadecimal");
    assert_eq!((hash.count_ones(), hash >> 63), (31, 0), "{hash:016x}");
}

#[test]
fn sixteen_bits_are_told() {
    let found = found(&encode("png", &still(deep(20, 10, Channels::Rgb))), "png");
    assert_eq!((&found["bits_per_sample"], &found["alpha"]), (&16.into(), &false.into()), "{found:?}");
}

#[test]
fn places_south_west_and_below_the_sea_are_negative() {
    let rational = |values: &[u32]| ExifValue::Rational(values.iter().map(|&num| Rational { num, denom: 1 }).collect());
    let place = |ns: &[u8], ew: &[u8], below: u8| {
        let fields = [
            (Tag::GPSLatitudeRef, ExifValue::Ascii(vec![ns.to_vec()])),
            (Tag::GPSLatitude, rational(&[33, 30, 0])),
            (Tag::GPSLongitudeRef, ExifValue::Ascii(vec![ew.to_vec()])),
            (Tag::GPSLongitude, rational(&[70, 15, 0])),
            (Tag::GPSAltitudeRef, ExifValue::Byte(vec![below])),
            (Tag::GPSAltitude, rational(&[12])),
        ]
        .map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value });
        let mut writer = Writer::new();
        fields.iter().for_each(|field| writer.push_field(field));
        let mut exif = Cursor::new(Vec::new());
        writer.write(&mut exif, false).expect("EXIF");
        let how = EncodeOptions { tags: Tags { exif: Some(exif.into_inner()), xmp: None }, ..EncodeOptions::default() };
        let mut out = Cursor::new(Vec::new());
        let encoder = by_name("png").and_then(|format| format.encode).expect("it is written");
        encoder(&still(picture(9, 9, Channels::Rgb)), &how, &mut out).expect("it is written");
        found(&out.into_inner(), "png")["gps"].clone()
    };
    let told = |latitude: f64, longitude: f64, altitude: f64| json!({ "latitude": latitude, "longitude": longitude, "altitude": altitude });
    assert_eq!(place(b"S", b"W", 1), told(-33.5, -70.25, -12.0), "EXIF 2.32, section 4.6.6");
    assert_eq!(place(b"N", b"E", 0), told(33.5, 70.25, 12.0), "and positive otherwise");
}
