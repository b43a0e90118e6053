//! What becomes of drawings, pages, icons, documents and profiles on their way through the pipeline.

use serde_json::json;

use super::tests::{animation, convert, jpeg_with_exif};
use crate::failure::Failure;
use crate::formats::support::inputs::icc::matrix;
use crate::formats::support::testing::{decode, encode, picture, still};
use crate::formats::{Decoded, EncodeOptions, FORMATS, Frame, Limits, Tags};
use crate::pixels::{Channels, Image, Orientation};

fn first(format: &str, data: &[u8]) -> Image {
    decode(format, data).frames.remove(0).image
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}

#[test]
fn drawings_are_rendered_at_the_size_that_is_wanted() {
    // The left 30 % are blue.
    let svg = br##"<svg xmlns="http://www.w3.org/2000/svg" width="100" height="50"><path fill="#00f" d="M0 0H30V50H0z"/></svg>"##;
    for (options, size) in [
        (json!({}), (100, 50)),
        (json!({ "density": 192 }), (200, 100)),
        (json!({ "density": 48 }), (50, 25)),
        (json!({ "width": 1000 }), (1000, 500)),
        (json!({ "width": 1000, "height": 200 }), (1000, 200)),
        (json!({ "width": 30, "density": 600 }), (30, 15)),
        (json!({ "width": 80, "height": 80, "fit": "pad" }), (80, 80)),
        (json!({ "height": 400, "rotate": 90 }), (200, 400)),
    ] {
        let (png, made) = convert(svg, "svg", "png", options.clone()).expect("it converts");
        assert_eq!((made.width, made.height), (Some(size.0), Some(size.1)), "{options}");
        let image = first("png", &png);
        let pixels: Vec<&[u8]> = image.data().chunks_exact(image.channels().count()).collect();
        // Drawn, not enlarged: no pixel is half blue but at most the one column or row of the edge.
        let mixed = pixels.iter().filter(|pixel| pixel[..3] == [0, 0, 255] && !matches!(pixel[3], 0 | 255)).count();
        assert!(mixed <= size.0.max(size.1) as usize, "{options}: {mixed} pixels are neither blue nor clear");
    }
    // A slice of a long strip: the whole would have 10,000 times the pixels.
    let strip = br#"<svg xmlns="http://www.w3.org/2000/svg" width="10000" height="1"><rect width="10000" height="1"/></svg>"#;
    let (png, _) = convert(strip, "svg", "png", json!({ "width": 90, "height": 90, "fit": "crop" })).expect("it converts");
    assert_eq!(first("png", &png).width(), 90, "within the limits");
    let huge = convert(strip, "svg", "png", json!({ "density": 2400, "width": 10 })).map(|_| ());
    assert!(matches!(huge, Err(Failure::TooLarge { .. })), "250,000 pixels wide: {huge:?}");
}

#[test]
fn pages_stay_pages_where_the_target_has_them() {
    let images = [picture(20, 10, Channels::Rgb), picture(9, 14, Channels::Grey), picture(12, 12, Channels::Rgba)];
    let frames = images.iter().map(|image| Frame { image: image.clone(), delay_ms: 0 }).collect();
    let tiff = encode("tiff", &Decoded { frames, ..still(images[0].clone()) });
    let (same, made) = convert(&tiff, "tiff", "tiff", json!({})).expect("it converts");
    assert_eq!(
        decode("tiff", &same).frames.iter().map(|frame| &frame.image).collect::<Vec<_>>(),
        images.iter().collect::<Vec<_>>(),
        "all"
    );
    assert_eq!(made.warnings, Vec::<String>::new(), "nothing is lost");
    let (half, _) = convert(&tiff, "tiff", "tiff", json!({ "width": 6 })).expect("it converts");
    let sizes: Vec<(u32, u32)> =
        decode("tiff", &half).frames.iter().map(|frame| (frame.image.width(), frame.image.height())).collect();
    assert_eq!(sizes, [(6, 3), (6, 9), (6, 6)], "each by its own shape");
    for page in 1..=3u32 {
        let (png, made) = convert(&tiff, "tiff", "png", json!({ "page": page })).expect("it converts");
        assert_eq!(first("png", &png), images[page as usize - 1], "page {page}");
        assert!(made.warnings[0].contains("of 3 pages"), "{:?}", made.warnings);
    }
    match convert(&tiff, "tiff", "png", json!({ "page": 4 })).map(|_| ()) {
        Err(Failure::Invalid { field: Some(field), .. }) => assert_eq!(field, "page", "beyond the end"),
        other => panic!("page 4 of 3 gave {other:?}"),
    }
    let (pdf, _) = convert(&tiff, "tiff", "pdf", json!({ "density": 72 })).expect("it converts");
    for page in ["[0 0 20 10]", "[0 0 9 14]", "[0 0 12 12]"] {
        assert_eq!(count(&pdf, page.as_bytes()), 1, "{page}");
    }
    let (pdf, _) = convert(&encode("gif", &animation()), "gif", "pdf", json!({})).expect("it converts");
    assert_eq!(count(&pdf, b"/Type/Page/"), 4, "a page for each frame");
}

#[test]
fn large_pictures_become_small_icons() {
    let png = encode("png", &still(picture(400, 300, Channels::Rgba)));
    let (ico, made) = convert(&png, "png", "ico", json!({})).expect("it converts");
    assert_eq!((made.width, made.height), (Some(256), Some(192)), "as large as an icon can be");
    assert_eq!(first("ico", &ico).channels(), Channels::Rgba, "with its alpha");
    match convert(&png, "png", "ico", json!({ "width": 300 })).map(|_| ()) {
        Err(Failure::Invalid { field: Some(field), .. }) => assert_eq!(field, "width", "what is asked for is refused"),
        other => panic!("300 pixels gave {other:?}"),
    }
}

#[test]
fn a_jpeg_lies_in_the_document_as_it_is_but_for_its_metadata() {
    let bare = encode("jpg", &still(picture(64, 48, Channels::Rgb)));
    let tagged = jpeg_with_exif(picture(64, 48, Channels::Rgb), 1);
    let (pdf, _) = convert(&tagged, "jpg", "pdf", json!({})).expect("it converts");
    assert_eq!(count(&pdf, &bare), 1, "byte by byte");
    assert_eq!(count(&pdf, b"Exif"), 0, "nobody's position is in there");
    for (name, jpeg, options) in [
        ("turned", jpeg_with_exif(picture(64, 48, Channels::Rgb), 6), json!({})),
        ("resized", bare.clone(), json!({ "width": 32 })),
        ("grey", bare.clone(), json!({ "grayscale": true })),
    ] {
        let (pdf, _) = convert(&jpeg, "jpg", "pdf", options).expect("it converts");
        assert_eq!((count(&pdf, &bare), count(&pdf, b"DCTDecode")), (0, 1), "{name}: made anew");
    }
    let (pdf, _) = convert(&encode("png", &still(picture(9, 9, Channels::Rgb))), "png", "pdf", json!({})).expect("it converts");
    assert_eq!((count(&pdf, b"DCTDecode"), count(&pdf, b"FlateDecode")), (0, 1), "what is lossless stays so");
}

#[test]
fn profiled_colours_become_srgb_or_keep_their_profile() {
    // Swaps red and green: columns of sRGB's matrix in another order.
    let [r, g, b] = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]];
    let profile = matrix([g, r, b], 2.2);
    let red = Image::new(8, 8, Channels::Rgb, crate::pixels::Depth::U8, [255, 0, 0].repeat(64)).expect("the sizes match");
    let png = encode("png", &Decoded { icc: Some(profile.clone()), ..still(red) });
    for to in ["png", "tiff", "webp", "bmp"] {
        let (result, made) = convert(&png, "png", to, json!({ "quality": 100 })).expect("it converts");
        let found = first(to, &result).data()[..3].to_vec();
        assert!(found[0] < 6 && found[1] > 249 && found[2] < 6, "{to}: what the profile calls red is green, found {found:?}");
        assert_eq!((decode(to, &result).icc, made.warnings.len()), (None, 0), "{to}: sRGB needs no profile");
    }
    let (kept, _) = convert(&png, "png", "png", json!({ "keep_icc": true })).expect("it converts");
    assert_eq!(first("png", &kept).data()[..3], [255, 0, 0], "the numbers stay");
    assert_eq!(decode("png", &kept).icc, Some(profile.clone()), "with what they mean");
    let broken = encode("png", &Decoded { icc: Some(profile[..180].to_vec()), ..still(picture(8, 8, Channels::Rgb)) });
    let (_, made) = convert(&broken, "png", "jpg", json!({})).expect("it converts all the same");
    assert!(made.warnings.iter().any(|text| text.contains("colour profile was not applied")), "{:?}", made.warnings);
}

#[test]
fn a_gif_goes_back_to_what_was_before_a_frame() {
    let mut data = Vec::new();
    let mut encoder = ::gif::Encoder::new(&mut data, 2, 1, &[255, 0, 0, 0, 0, 255, 0, 255, 0]).expect("a file");
    for (left, pixels, dispose) in [
        (0, vec![0, 0], ::gif::DisposalMethod::Keep),
        (1, vec![1], ::gif::DisposalMethod::Previous),
        (0, vec![2], ::gif::DisposalMethod::Keep),
    ] {
        let (width, height) = (pixels.len() as u16, 1);
        let frame = ::gif::Frame { left, width, height, dispose, buffer: pixels.into(), ..::gif::Frame::default() };
        encoder.write_frame(&frame).expect("a frame");
    }
    drop(encoder);
    let shown: Vec<_> = decode("gif", &data).frames.into_iter().map(|frame| frame.image.data().to_vec()).collect();
    let wanted = [[255, 0, 0, 255, 0, 0], [255, 0, 0, 0, 0, 255], [0, 255, 0, 255, 0, 0]];
    assert_eq!(shown, wanted, "the blue pixel is red again under the third frame (GIF89a, section 23)");
}

#[test]
fn a_gif_is_as_long_as_what_it_was_made_of() {
    // Hundredths of a second: fourteen thousandths are one or two of them.
    let frame = |index: usize| Frame { image: picture(8 + index as u32, 8, Channels::Rgb), delay_ms: 14 };
    let frames = (0..10).map(|index| Frame { image: crop(&frame(index).image), ..frame(index) }).collect();
    let made = decode("gif", &encode("gif", &Decoded { frames, ..still(picture(8, 8, Channels::Rgb)) }));
    assert_eq!(made.frames.iter().map(|frame| frame.delay_ms).sum::<u32>(), 140, "rounding does not add up");
}

#[test]
fn the_header_knows_which_way_up_the_picture_is() {
    for format in FORMATS.iter().filter(|format| format.flags.tags) {
        let how = EncodeOptions { tags: Tags::only_orientation(Orientation::Rotate90), ..EncodeOptions::default() };
        let mut out = std::io::Cursor::new(Vec::new());
        let encoder = format.encode.expect("it is written");
        encoder(&still(picture(20, 10, Channels::Rgb)), &how, &mut out).expect("it is written");
        let data = out.into_inner();
        let header = (format.decode.expect("it is read").probe)(&data, &Limits::default()).expect("a header");
        let found = (header.orientation, decode(format.name, &data).orientation);
        assert_eq!(found, (Orientation::Rotate90, Orientation::Rotate90), "{}", format.name);
    }
}

/// Eight columns of a picture.
fn crop(image: &Image) -> Image {
    let data = image.data().chunks_exact(image.stride()).flat_map(|row| row[..24].to_vec()).collect();
    Image::new(8, image.height(), image.channels(), image.depth(), data).expect("the sizes match")
}
