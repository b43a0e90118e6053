//! Pages, and colours of four inks.

use std::io::Cursor;

use ::tiff::encoder::TiffEncoder;
use ::tiff::encoder::colortype::{CMYK8, Gray8};
use ::tiff::tags::Tag;

use crate::failure::Failure;
use crate::formats::support::inputs::icc;
use crate::formats::support::testing::{decode, deep, encode, picture};
use crate::formats::{DecodeOptions, Decoded, Frame, Limits};
use crate::pixels::{Channels, Image, Orientation};

fn pages() -> Decoded {
    let images = [picture(20, 10, Channels::Rgb), picture(9, 14, Channels::GreyAlpha), deep(12, 12, Channels::Rgba)];
    let frames = images.into_iter().map(|image| Frame { image, delay_ms: 0 }).collect();
    Decoded { frames, orientation: Orientation::Upright, icc: None, loops: 0 }
}

fn page(data: &[u8], page: u32) -> Result<Image, Failure> {
    let options = DecodeOptions { page, ..DecodeOptions::default() };
    super::decode::decode(data, &options).map(|mut decoded| decoded.frames.remove(0).image)
}

#[test]
fn every_page_keeps_its_size_and_layout() {
    let before = pages();
    let data = encode("tiff", &before);
    assert_eq!(decode("tiff", &data), before, "all of them");
    assert_eq!(super::decode::probe(&data, &Limits::default()).map(|header| header.frames), Ok(3), "known from the header");
    for (index, frame) in before.frames.iter().enumerate() {
        assert_eq!(page(&data, index as u32), Ok(frame.image.clone()), "page {index} alone");
    }
    match page(&data, 3) {
        Err(Failure::Invalid { field, message }) => {
            assert_eq!((field.as_deref(), message.contains("has 3")), (Some("page"), true), "{message}");
        }
        other => panic!("a page beyond the end gave {other:?}"),
    }
    let few = Limits { pixels: 3_000, ..Limits::default() };
    let options = DecodeOptions { limits: few, all_frames: true, ..DecodeOptions::default() };
    assert!(matches!(super::decode::decode(&data, &options), Err(Failure::TooLarge { .. })), "pages count together");
}

/// A file of grey pages with an orientation each; the second is called a smaller copy of the first.
#[test]
fn orientations_differ_and_smaller_copies_are_no_pages() {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).expect("a file");
    for (orientation, kind) in [(1u16, 0u32), (1, 1), (6, 2)] {
        let mut image = encoder.new_image::<Gray8>(3, 2).expect("a page");
        image.encoder().write_tag(Tag::Orientation, orientation).expect("a tag");
        image.encoder().write_tag(Tag::NewSubfileType, kind).expect("a tag");
        image.write_data(&[1, 2, 3, 4, 5, 6]).expect("pixels");
    }
    let decoded = decode("tiff", &file.into_inner());
    assert_eq!(decoded.frames.len(), 2, "the copy is left out");
    assert_eq!(decoded.frames[0].image.data(), [1, 2, 3, 4, 5, 6], "upright as it is");
    let turned = &decoded.frames[1].image;
    assert_eq!((turned.width(), turned.height(), turned.data()), (2, 3, &[4, 1, 5, 2, 6, 3][..]), "turned clockwise");
    assert_eq!(decoded.orientation, Orientation::Upright, "nothing is left to be done");
}

#[test]
fn inks_are_seen_through_their_profile() {
    // Paper is white, any one ink a middle grey, and more of them black: unlike what the inks do on their own.
    let profile = icc::inks(|inks| match inks.iter().filter(|ink| **ink).count() {
        0 => [255, 128, 128],
        1 => [127, 128, 128],
        _ => [0, 128, 128],
    });
    let file = |profile: Option<&[u8]>| {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file).expect("a file");
        let mut image = encoder.new_image::<CMYK8>(2, 1).expect("a page");
        if let Some(profile) = profile {
            image.encoder().write_tag(Tag::IccProfile, profile).expect("a tag");
        }
        image.write_data(&[0, 0, 0, 0, 0, 255, 0, 0]).expect("pixels");
        decode("tiff", &file.into_inner())
    };
    let decoded = file(Some(&profile));
    let found = decoded.frames[0].image.data();
    assert!(found[..3] == [255; 3] && found[3..].iter().all(|&level| level.abs_diff(118) <= 4), "{found:?}");
    assert_eq!(decoded.icc, None, "the profile is done with");
    assert_eq!(file(None).frames[0].image.data(), [255, 255, 255, 255, 0, 255], "without one: magenta takes green away");
    let broken = file(Some(&profile[..300]));
    assert!(broken.icc.is_some() && broken.frames[0].image.data()[3..] == [255, 0, 255], "a broken one is kept for the warning");
}

#[test]
fn palettes_hold_sixteen_bits_or_eight() {
    // All reds, all greens, all blues (TIFF 6.0, section 5); some writers store them as 8 bits.
    let map = |scale: u16| -> Vec<u16> {
        let mut map = vec![0; 768];
        (map[1], map[256 + 2], map[512 + 3], map[3]) = (200 * scale, 100 * scale, 50 * scale, 25 * scale);
        map
    };
    for scale in [256, 1] {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file).expect("a file");
        let mut image = encoder.new_image::<Gray8>(4, 1).expect("a page");
        image.encoder().write_tag(Tag::PhotometricInterpretation, 3u16).expect("a tag");
        image.encoder().write_tag(Tag::ColorMap, &map(scale)[..]).expect("a tag");
        image.write_data(&[0, 1, 2, 3]).expect("pixels");
        let decoded = decode("tiff", &file.into_inner());
        let wanted = [0, 0, 0, 200, 0, 0, 0, 100, 0, 25, 0, 50];
        assert_eq!(decoded.frames[0].image.data(), wanted, "values times {scale}");
    }
}
