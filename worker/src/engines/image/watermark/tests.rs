//! Watermarks through the engine's door: files in, a file out.

use std::fs::File;
use std::io::{Read, Seek, Write};

use serde_json::{Value, json};

use crate::engines::image::job::{ImageJob, run};
use crate::engines::{Action, Made};
use crate::failure::Failure;
use crate::formats::support::testing::{decode, encode, still};
use crate::formats::{Cancel, EncodeOptions, Limits, Tags, by_name};
use crate::pixels::{Channels, CpuLevel, Depth, GpuPolicy, Image, Orientation, Processor};

fn file(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("it is written");
    file
}

fn plain(width: u32, height: u32, channels: Channels, pixel: &[u8]) -> Image {
    Image::new(width, height, channels, Depth::U8, pixel.repeat((width * height) as usize)).expect("an image")
}

fn mark(data: &[u8], format: &str, picture: Option<&[u8]>, options: Value) -> Result<(Image, Made), Failure> {
    let job = ImageJob {
        pdf: None,
        share: None,
        action: Action::Watermark,
        from: format.to_owned(),
        to: format.to_owned(),
        beside: picture.map(|_| "png".to_owned()).into_iter().collect(),
        options: options.as_object().expect("an object").clone(),
        limits: Limits::default(),
        test: false,
    };
    let mut output = file(b"");
    let handle = output.try_clone().expect("a second handle");
    let files = [file(data)].into_iter().chain(picture.map(file)).chain([handle]).collect();
    let processor = Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there");
    let made = run(&job, files, &processor, &Cancel::new())?;
    let mut result = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut result)).expect("it is read back");
    let decoded = decode(format, &result);
    Ok((decoded.frames.into_iter().next().expect("a frame").image, made))
}

fn png(image: &Image) -> Vec<u8> {
    encode("png", &still(image.clone()))
}

/// The pixels that differ from a plain one: left, top, right, bottom of their box, and how many.
fn changed(image: &Image, plain: &[u8]) -> (u32, u32, u32, u32, usize) {
    let count = image.channels().count();
    let (mut left, mut top, mut right, mut bottom, mut changed) = (u32::MAX, u32::MAX, 0, 0, 0);
    for (index, pixel) in image.data().chunks_exact(count).enumerate() {
        if pixel != plain {
            let (x, y) = (index as u32 % image.width(), index as u32 / image.width());
            (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1));
            changed += 1;
        }
    }
    (left, top, right, bottom, changed)
}

const WHITE: [u8; 3] = [255; 3];

#[test]
fn a_picture_lies_where_it_is_wanted() {
    let ground = png(&plain(100, 80, Channels::Rgb, &WHITE));
    let logo = png(&plain(20, 10, Channels::Rgb, &[255, 0, 0]));
    let at = |options: Value| {
        let (image, _) = mark(&ground, "png", Some(&logo), options).expect("it is marked");
        assert_eq!((image.width(), image.height()), (100, 80), "the picture keeps its size");
        changed(&image, &WHITE)
    };
    assert_eq!(at(json!({ "image": "logo" })), (40, 35, 60, 45, 200), "in the middle");
    let corner = json!({ "image": "logo", "position_horizontal": "right", "position_vertical": "bottom", "margin_horizontal": 3, "margin_vertical": 4 });
    assert_eq!(at(corner), (77, 66, 97, 76, 200), "off the corner by the margins");
    let corner = json!({ "image": "logo", "position_horizontal": "left", "position_vertical": "top" });
    assert_eq!(at(corner), (25, 25, 45, 35, 200), "25 pixels where nothing is said");
    assert_eq!(at(json!({ "image": "logo", "rotation": 90 })), (45, 30, 55, 50, 200), "turned");
    let scaled = json!({ "image": "logo", "scale": 50, "margin_horizontal": 0, "margin_vertical": 0 });
    assert_eq!(at(scaled), (25, 27, 75, 52, 1250), "half as wide as the picture");
    assert_eq!(at(json!({ "image": "logo", "opacity": 0 })).4, 0, "nothing of it is seen");
}

#[test]
fn below_the_picture_it_shows_through_what_is_transparent() {
    let mut half = plain(40, 20, Channels::Rgba, &[0, 0, 255, 255]);
    half.data_mut().chunks_exact_mut(4).enumerate().filter(|(index, _)| index % 40 < 20).for_each(|(_, pixel)| pixel[3] = 0);
    let logo = png(&plain(20, 10, Channels::Rgb, &[255, 0, 0]));
    let options = json!({ "image": "logo", "layer": "below", "margin_horizontal": 0, "margin_vertical": 0 });
    let (image, _) = mark(&png(&half), "png", Some(&logo), options.clone()).expect("it is marked");
    let at = |x: usize, y: usize| &image.data()[(y * 40 + x) * 4..][..4];
    assert_eq!((at(15, 10), at(25, 10)), (&[255, 0, 0, 255][..], &[0, 0, 255, 255][..]), "in the gap, and not on the picture");
    assert_eq!(at(5, 10)[3], 0, "beside the logo nothing shows");
    let opaque = png(&plain(40, 20, Channels::Rgb, &WHITE));
    let (image, _) = mark(&opaque, "png", Some(&logo), options).expect("it is marked");
    assert_eq!(changed(&image, &WHITE).4, 0, "nothing is seen under an opaque picture");
}

#[test]
fn only_the_pages_that_are_meant_get_it() {
    use crate::formats::{Decoded, Frame};
    let frames = (0..4).map(|_| Frame { image: plain(60, 40, Channels::Grey, &[200]), delay_ms: 50 }).collect();
    let data = encode("tiff", &Decoded { frames, ..still(plain(1, 1, Channels::Grey, &[0])) });
    let logo = png(&plain(8, 8, Channels::Rgb, &[255, 0, 0]));
    let marked = |pages: &str| {
        let options = json!({ "image": "logo", "pages": pages }).as_object().expect("an object").clone();
        let job = ImageJob {
            pdf: None,
            share: None,
            action: Action::Watermark,
            from: "tiff".to_owned(),
            to: "tiff".to_owned(),
            beside: vec!["png".to_owned()],
            options,
            limits: Limits::default(),
            test: false,
        };
        let mut output = file(b"");
        let handle = output.try_clone().expect("a second handle");
        let processor = Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there");
        run(&job, vec![file(&data), file(&logo), handle], &processor, &Cancel::new())?;
        let mut result = Vec::new();
        output.rewind().and_then(|()| output.read_to_end(&mut result)).expect("it is read back");
        Ok(decode("tiff", &result).frames.iter().map(|frame| changed(&frame.image, &[200; 3]).4).collect::<Vec<_>>())
    };
    assert_eq!(marked("all"), Ok(vec![64; 4]), "every page");
    assert_eq!(marked("2,4"), Ok(vec![0, 64, 0, 64]), "two of them, all with colours");
    assert_eq!(marked("1-2"), Ok(vec![64, 64, 0, 0]), "a range");
    let Err(Failure::Invalid { field, message }) = marked("5") else { panic!("there is no fifth page") };
    assert!(field.as_deref() == Some("pages") && message.contains('4'), "{message}");
}

#[test]
fn tiles_are_all_over() {
    let ground = png(&plain(100, 80, Channels::Rgb, &WHITE));
    let logo = png(&plain(20, 10, Channels::Rgb, &[255, 0, 0]));
    let options = json!({ "image": "logo", "tile": true, "margin_horizontal": 5, "margin_vertical": 10 });
    let (image, _) = mark(&ground, "png", Some(&logo), options).expect("it is marked");
    let (.., count) = changed(&image, &WHITE);
    assert_eq!(count, 100 * 80 * (20 * 10) / (25 * 20), "a share of the area: logos of 20 x 10 every 25 x 20");
}

#[test]
fn a_large_mark_is_made_to_fit_and_half_opacity_is_half() {
    let ground = png(&plain(100, 80, Channels::Rgb, &WHITE));
    let logo = png(&plain(400, 100, Channels::Rgb, &[0, 0, 255]));
    let (image, _) = mark(&ground, "png", Some(&logo), json!({ "image": "logo", "opacity": 50 })).expect("it is marked");
    assert_eq!(changed(&image, &WHITE), (25, 33, 75, 46, 650), "inside the margins, with its own aspect ratio");
    let middle = (40 * 100 + 50) * 3;
    assert_eq!(&image.data()[middle..middle + 3], [127, 127, 255], "half of white and blue");
}

#[test]
fn a_grey_picture_takes_colour_where_the_mark_has_one() {
    let ground = png(&plain(60, 60, Channels::Grey, &[200]));
    let red = png(&plain(8, 8, Channels::Rgb, &[255, 0, 0]));
    let grey = png(&plain(8, 8, Channels::Grey, &[9]));
    let (image, _) = mark(&ground, "png", Some(&red), json!({ "image": "logo" })).expect("it is marked");
    assert_eq!((image.channels(), changed(&image, &[200; 3]).4), (Channels::Rgb, 64), "with colours");
    let (image, _) = mark(&ground, "png", Some(&grey), json!({ "image": "logo" })).expect("it is marked");
    assert_eq!((image.channels(), changed(&image, &[200]).4), (Channels::Grey, 64), "without");
}

#[test]
fn what_is_missing_or_broken_is_named() {
    let ground = png(&plain(60, 60, Channels::Grey, &[200]));
    for (picture, options) in [
        (None, json!({})),
        (None, json!({ "image": "logo" })),
        (Some(&b"no picture at all"[..]), json!({ "image": "logo" })),
        (None, json!({ "text": "a", "image": "logo" })),
        (None, json!({ "text": "  \n" })),
    ] {
        match mark(&ground, "png", picture, options.clone()) {
            Err(Failure::Invalid { field: Some(_), message }) => assert!(message.len() > 20, "{options}: {message}"),
            other => panic!("{options} gave {other:?}"),
        }
    }
}

#[test]
fn a_text_is_written_in_its_size_and_colour() {
    let ground = png(&plain(400, 200, Channels::Rgb, &WHITE));
    let written = |options: Value| {
        let (image, _) = mark(&ground, "png", None, options).expect("it is marked");
        (changed(&image, &WHITE), image)
    };
    let ((left, top, right, bottom, _), image) = written(json!({ "text": "HHH", "font_color": "#ff0000", "font_size": 60 }));
    // Capitals of Liberation Sans are 0.729 of the font size high (its OS/2 table: 1409 of 2048 units is the capital height).
    let (width, height) = (right - left, bottom - top);
    assert!((40..=44).contains(&height), "60 pixels of font make capitals of 41: {height}");
    assert!((115..=135).contains(&width), "three letters of 0.722: {width}");
    assert!(
        (left + right).abs_diff(400) <= 3 && (top + bottom).abs_diff(200) <= 3,
        "in the middle: {left} {right} {top} {bottom}"
    );
    let (pixels, _) = image.data().as_chunks::<3>();
    assert!(pixels.contains(&[255, 0, 0]), "solid red somewhere");
    assert!(pixels.iter().all(|[r, g, b]| *r == 255 && g == b), "and nothing but red on white");
    let ((.., plain), _) = written(json!({ "text": "HHH" }));
    assert!(plain > 0, "white letters show on white by their outline");
    let ((_, top, _, bottom, _), _) = written(json!({ "text": "one\ntwo\nthree", "font_color": "#000" }));
    assert!((100..150).contains(&(bottom - top)), "three lines of 48 pixels: {top} {bottom}");
    let ((left, _, right, _, _), _) = written(json!({ "text": "W".repeat(300), "font_color": "#000" }));
    assert!(left >= 25 && right <= 375, "a long text is made to fit the margins: {left} {right}");
}

#[test]
fn any_characters_are_text_and_never_markup() {
    let ground = png(&plain(300, 100, Channels::Rgb, &WHITE));
    for text in ["<b>&amp;</b>", "]]>", "\u{0}\u{8}ok\u{ffff}", "Grüße, Ελλάδα, Россия", "שלום عالم", "</text></g></svg>"]
    {
        let (image, _) =
            mark(&ground, "png", None, json!({ "text": text, "font_color": "#000" })).unwrap_or_else(|f| panic!("{text}: {f}"));
        assert!(changed(&image, &WHITE).4 > 50, "{text} is seen");
    }
    let failed = mark(&ground, "png", None, json!({ "text": "\u{1}" }));
    assert!(matches!(&failed, Err(Failure::Invalid { field: Some(field), .. }) if field == "text"), "{failed:?}");
}

#[test]
fn a_mark_stands_as_its_own_file_says() {
    // Stored lying, red on its left; the file says that it is to be turned: red is above then.
    let row = [[255, 0, 0].repeat(10), [0, 0, 255].repeat(10)].concat();
    let stored = Image::new(20, 8, Channels::Rgb, Depth::U8, row.repeat(8)).expect("an image");
    let how = EncodeOptions { tags: Tags::only_orientation(Orientation::Rotate90), ..EncodeOptions::default() };
    let mut logo = std::io::Cursor::new(Vec::new());
    by_name("png").and_then(|format| format.encode).expect("it is written")(&still(stored), &how, &mut logo).expect("it is");
    let ground = png(&plain(60, 60, Channels::Rgb, &WHITE));
    let options = json!({ "image": "logo", "position_horizontal": "left", "position_vertical": "top", "margin_horizontal": 0,
        "margin_vertical": 0, "opacity": 100 });
    let (image, _) = mark(&ground, "png", Some(&logo.into_inner()), options).expect("it is marked");
    assert_eq!(changed(&image, &WHITE), (0, 0, 8, 20, 160), "eight pixels wide and twenty high");
    assert_eq!((&image.data()[..3], &image.data()[19 * 180..][..3]), (&[255, 0, 0][..], &[0, 0, 255][..]), "red above");
}
