//! Icons of every age.

use super::*;
use crate::formats::support::testing::{encode as encoded, picture, still};
use crate::pixels::{Channels, Image};

/// A file of these pictures, as (side, bits, data).
fn icon(pictures: &[(u8, u16, Vec<u8>)]) -> Vec<u8> {
    let mut head = vec![0, 0, 1, 0];
    head.extend((pictures.len() as u16).to_le_bytes());
    let mut at = HEADER + ENTRY * pictures.len();
    let mut body = Vec::new();
    for (side, bits, data) in pictures {
        head.extend([*side, *side, 0, 0, 1, 0]);
        head.extend(bits.to_le_bytes());
        head.extend((data.len() as u32).to_le_bytes());
        head.extend((at as u32).to_le_bytes());
        at += data.len();
        body.extend_from_slice(data);
    }
    [head, body].concat()
}

/// A bitmap header of `side` pixels.
fn header(side: u32, bits: u16, colors: u32) -> Vec<u8> {
    let mut dib = 40u32.to_le_bytes().to_vec();
    dib.extend(side.to_le_bytes());
    dib.extend((side * 2).to_le_bytes());
    dib.extend([1, 0]);
    dib.extend(bits.to_le_bytes());
    dib.extend([0; 16]);
    dib.extend(colors.to_le_bytes());
    dib.extend([0; 4]);
    dib
}

fn read(data: &[u8]) -> Image {
    decode(data, &DecodeOptions::default()).expect("it decodes").frames.remove(0).image
}

#[test]
fn the_largest_picture_is_read() {
    let png = |side| encoded("png", &still(picture(side, side, Channels::Rgba)));
    let file = icon(&[(16, 32, png(16)), (0, 32, png(256)), (48, 32, png(48))]);
    assert_eq!(read(&file), picture(256, 256, Channels::Rgba), "0 means 256");
    let file = icon(&[(16, 4, png(16)), (16, 32, encoded("png", &still(picture(16, 16, Channels::Rgb))))]);
    assert_eq!(read(&file).channels(), Channels::Rgb, "of equal sizes the one with more colours");
}

#[test]
fn bitmaps_have_masks() {
    // Two colours: index 0 blue, 1 red; a row of two pixels, padded to four bytes, from the bottom up.
    let two = |bits: u16, rows: [[u8; 4]; 2]| {
        let mut dib = header(2, bits, 2);
        dib.extend([255, 0, 0, 0, 0, 0, 255, 0]);
        dib.extend(rows.concat());
        // The mask hides the right pixel of the upper row.
        dib.extend([0, 0, 0, 0, 0b0100_0000, 0, 0, 0]);
        icon(&[(2, bits, dib)])
    };
    let (blue, red) = ([0, 0, 255, 255], [255, 0, 0, 255]);
    let hidden = [0, 0, 255, 0];
    let expected = [red, hidden, blue, red].concat();
    for (bits, rows) in [
        (1, [[0b0100_0000, 0, 0, 0], [0b1000_0000, 0, 0, 0]]),
        (4, [[0x01, 0, 0, 0], [0x10, 0, 0, 0]]),
        (8, [[0, 1, 0, 0], [1, 0, 0, 0]]),
    ] {
        assert_eq!(read(&two(bits, rows)).data(), expected, "{bits} bits");
    }
    let mut deep = header(1, 24, 0);
    deep.extend([10, 20, 30, 0, 0, 0, 0, 0]);
    assert_eq!(read(&icon(&[(1, 24, deep)])).data(), [30, 20, 10, 255], "24 bits");
    let alpha = |value: u8, mask: u8| {
        let mut dib = header(1, 32, 0);
        dib.extend([10, 20, 30, value, mask, 0, 0, 0]);
        read(&icon(&[(1, 32, dib)])).data().to_vec()
    };
    assert_eq!(alpha(99, 0x80), [30, 20, 10, 99], "alpha is stronger than the mask");
    assert_eq!(alpha(0, 0), [30, 20, 10, 255], "no alpha at all: the mask shows it");
    assert_eq!(alpha(0, 0x80), [30, 20, 10, 0], "no alpha at all: the mask hides it");
}

#[test]
fn icons_have_256_pixels_at_most() {
    let mut out = Cursor::new(Vec::new());
    let options = EncodeOptions::default();
    let wide = encode(&still(picture(257, 9, Channels::Rgb)), &options, &mut out);
    assert!(matches!(wide, Err(Failure::Invalid { field: Some(field), .. }) if field == "width"), "257 pixels");
    encode(&still(picture(256, 9, Channels::Rgba)), &options, &mut out).expect("256 fit");
    let file = out.into_inner();
    assert!(is_ico(&file) && file[6] == 0, "256 is written as 0");
    assert_eq!(read(&file), picture(256, 9, Channels::Rgba), "and read back");
}
