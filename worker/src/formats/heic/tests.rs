//! Files that the tests code themselves, without loss, so that every sample has to come back.

use super::*;
use crate::failure::Failure;
use crate::formats::support::inputs::heif::{Heic, heic};
use crate::formats::support::testing::{deep, exif, icc, picture};
use crate::formats::{DecodeOptions, Decoded, Limits};
use crate::pixels::{Channels, Depth, Image, Orientation, Recording, Step};

fn read(data: &[u8]) -> Result<Decoded, Failure> {
    let decoded = decode::decode(TITLE, data, &DecodeOptions::default())?;
    let header = decode::probe(TITLE, data, &Limits::default())?;
    let image = &decoded.frames[0].image;
    assert_eq!((image.width(), image.height()), (header.width, header.height), "the header tells the size that shows");
    assert_eq!((image.channels(), image.depth()), (header.channels, header.depth), "and the layout");
    Ok(decoded)
}

fn shown(image: &Image, wanted: &Heic) -> Image {
    let mut decoded = read(&heic(image, wanted)).expect("it decodes");
    assert_eq!(decoded.orientation, Orientation::Upright, "nothing is left to be done");
    decoded.frames.remove(0).image
}

#[test]
fn samples_come_back_with_and_without_alpha() {
    for channels in [Channels::Rgb, Channels::Rgba] {
        for (width, height) in [(1, 1), (16, 16), (17, 15), (70, 41)] {
            let image = picture(width, height, channels);
            assert_eq!(shown(&image, &Heic::default()), image, "{channels:?} {width} x {height}");
        }
    }
}

#[test]
fn ten_and_twelve_bits_become_sixteen() {
    for bits in [10u8, 12] {
        for channels in [Channels::Rgb, Channels::Rgba] {
            let image = deep(33, 20, channels);
            let found = shown(&image, &Heic { bits, ..Heic::default() });
            assert_eq!(found.depth(), Depth::U16, "{bits} bits");
            let max = (1u32 << bits) - 1;
            let words = |image: &Image| -> Vec<u32> {
                image.data().chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]]).into()).collect()
            };
            for (found, stored) in words(&found).into_iter().zip(words(&image)) {
                let coded = stored >> (16 - bits);
                assert_eq!(found, (coded * 65_535 + max / 2) / max, "{bits} bits, sample {coded}");
            }
        }
    }
}

#[test]
fn rotation_and_mirroring_are_applied_once() {
    let image = picture(40, 24, Channels::Rgb);
    let turned = |orientation: Orientation| {
        let recording = Recording { steps: vec![Step::Orient { orientation }], ..Recording::new() };
        let processor = crate::pixels::Processor::new(crate::pixels::CpuLevel::detect(), crate::pixels::GpuPolicy::Off);
        processor.expect("a CPU").run(&recording, image.clone(), &crate::formats::Cancel::new()).expect("it turns").0
    };
    // `irot` turns anti-clockwise; `imir` mirrors top and bottom (0) or left and right (1), ISO/IEC 23008-12, 6.5.10 and 6.5.12.
    for (turns, mirror, expected) in [
        (None, None, Orientation::Upright),
        (Some(1), None, Orientation::Rotate270),
        (Some(2), None, Orientation::Rotate180),
        (Some(3), None, Orientation::Rotate90),
        (None, Some(0), Orientation::FlipVertical),
        (None, Some(1), Orientation::FlipHorizontal),
    ] {
        let found = shown(&image, &Heic { turns, mirror, ..Heic::default() });
        assert_eq!(found, turned(expected), "irot {turns:?}, imir {mirror:?}");
    }
}

#[test]
fn grids_are_put_together() {
    for channels in [Channels::Rgb, Channels::Rgba] {
        let image = picture(100, 70, channels);
        let wanted = Heic { tile: Some((64, 64)), turns: Some(1), ..Heic::default() };
        assert_eq!((shown(&image, &wanted).width(), shown(&image, &wanted).height()), (70, 100), "turned as a whole");
        assert_eq!(shown(&image, &Heic { turns: None, ..wanted }), image, "{channels:?}: four tiles, cut at the right and below");
    }
}

#[test]
fn premultiplied_colours_are_straightened() {
    let image = Image::new(2, 1, Channels::Rgba, Depth::U8, vec![50, 60, 128, 128, 10, 20, 30, 255]).expect("2 pixels");
    let found = shown(&image, &Heic { premultiplied: true, ..Heic::default() });
    assert_eq!(found.data(), [100, 120, 255, 128, 10, 20, 30, 255], "divided by alpha");
}

#[test]
fn the_profile_is_the_embedded_one_or_made_of_the_numbers() {
    let image = picture(20, 10, Channels::Rgb);
    let profile = |wanted: &Heic| read(&heic(&image, wanted)).expect("it decodes").icc;
    assert_eq!(profile(&Heic::default()), None, "sRGB needs none");
    let own = icc(b"RGB ", 700);
    assert_eq!(profile(&Heic { icc: Some(own.clone()), ..Heic::default() }), Some(own), "as it is");
    // ITU-T H.273: 12 is Display P3, 9 is BT.2020.
    for primaries in [12, 9] {
        let made = profile(&Heic { primaries, ..Heic::default() }).expect("a profile");
        assert_eq!(&made[16..20], b"RGB ", "{primaries}: one of colours");
    }
}

#[test]
fn limits_are_checked_at_the_boxes() {
    let data = heic(&picture(64, 64, Channels::Rgba), &Heic { tile: Some((16, 16)), ..Heic::default() });
    let small = Limits { pixels: 4_000, ..Limits::default() };
    assert!(matches!(decode::probe(TITLE, &data, &small), Err(Failure::TooLarge { .. })), "4,096 pixels");
    let own = Heic { icc: Some(icc(b"RGB ", 100_000)), ..Heic::default() };
    let tight = Limits { metadata_bytes: 10_000, ..Limits::default() };
    let refused = decode::probe(TITLE, &heic(&picture(9, 9, Channels::Rgb), &own), &tight);
    assert!(matches!(refused, Err(Failure::TooLarge { .. })), "{refused:?}");
}

#[test]
fn what_exif_says_of_orientation_does_not_count() {
    // The orientation tag would turn the picture once more; libheif is never asked for it.
    let mut data = heic(&picture(40, 24, Channels::Rgb), &Heic { turns: Some(1), ..Heic::default() });
    data.extend(exif(6, true));
    assert_eq!(read(&data).expect("it decodes").orientation, Orientation::Upright, "upright already");
}
