//! What is in the file, found as a reader finds it: from its end.

use std::io::{Cursor, Read};
use std::sync::Arc;

use ::flate2::read::ZlibDecoder;

use super::*;
use crate::formats::Frame;
use crate::formats::support::testing::{encode as encoded, picture, psnr, still};
use crate::pixels::{Channels, Depth, Image, Orientation};

fn written(decoded: &Decoded, options: &EncodeOptions) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    encode(decoded, options, &mut out).expect("it is written");
    out.into_inner()
}

fn lossless() -> EncodeOptions {
    EncodeOptions { lossless: true, ..EncodeOptions::default() }
}

fn find(data: &[u8], needle: &[u8]) -> usize {
    data.windows(needle.len()).position(|window| window == needle).expect("it is in there")
}

/// The objects by the table at the end, which has to lead to each of them.
fn objects(pdf: &[u8]) -> Vec<&[u8]> {
    let tail = String::from_utf8_lossy(&pdf[pdf.len() - 40..]).into_owned();
    let start: usize = tail
        .split("startxref\n")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .and_then(|line| line.parse().ok())
        .expect("an offset");
    let table = String::from_utf8_lossy(&pdf[start..]).into_owned();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("xref"), "the table is where the end says");
    let count: usize =
        lines.next().and_then(|line| line.strip_prefix("0 ")).and_then(|count| count.parse().ok()).expect("a count");
    let rows: Vec<&str> = lines.take(count).collect();
    assert!(rows.iter().all(|row| row.len() == 19), "rows of 20 bytes with their line ends");
    let offsets = rows[1..].iter().map(|row| row[..10].parse::<usize>().expect("an offset"));
    offsets
        .enumerate()
        .map(|(index, at)| {
            let object = &pdf[at..];
            assert!(
                object.starts_with(format!("{} 0 obj", index + 1).as_bytes()),
                "object {} is where the table says",
                index + 1
            );
            &object[..find(object, b"endobj")]
        })
        .collect()
}

fn stream(object: &[u8]) -> &[u8] {
    let start = find(object, b"stream\n") + 7;
    let text = String::from_utf8_lossy(&object[..start]).into_owned();
    let length: usize =
        text.split("/Length ").nth(1).and_then(|rest| rest.split('>').next()).and_then(|n| n.parse().ok()).expect("a length");
    assert_eq!(&object[start + length..start + length + 10], b"\nendstream", "the length is right");
    &object[start..start + length]
}

/// Undoes deflate and the predictor.
fn samples(object: &[u8], stride: usize) -> Vec<u8> {
    let mut rows = Vec::new();
    ZlibDecoder::new(stream(object)).read_to_end(&mut rows).expect("deflated");
    let mut above = vec![0u8; stride];
    rows.chunks_exact(stride + 1)
        .flat_map(|row| {
            assert_eq!(row[0], 2, "the filter is the difference to the row above");
            above.iter_mut().zip(&row[1..]).for_each(|(above, &sample)| *above = above.wrapping_add(sample));
            above.clone()
        })
        .collect()
}

#[test]
fn lossless_pictures_are_kept_exactly() {
    for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba] {
        let image = picture(23, 17, channels);
        let pdf = written(&still(image.clone()), &lossless());
        assert!((FORMAT.magic)(&pdf), "its first bytes");
        let objects = objects(&pdf);
        let (count, colors) = (channels.count(), channels.without_alpha().count());
        let pictures: Vec<&[u8]> =
            objects.iter().copied().filter(|object| object.windows(14).any(|text| text == b"/Subtype/Image")).collect();
        assert_eq!(pictures.len(), if channels.has_alpha() { 2 } else { 1 }, "{channels:?}: a mask where there is alpha");
        let found = samples(pictures[pictures.len() - 1], 23 * colors);
        let expected: Vec<u8> = image.data().chunks_exact(count).flat_map(|pixel| &pixel[..colors]).copied().collect();
        assert_eq!(found, expected, "{channels:?}");
        if channels.has_alpha() {
            let alpha: Vec<u8> = image.data().chunks_exact(count).map(|pixel| pixel[count - 1]).collect();
            assert_eq!(samples(pictures[0], 23), alpha, "{channels:?}: the mask");
        }
    }
}

#[test]
fn pages_have_the_size_of_their_density() {
    let image = Image::new(300, 150, Channels::Grey, Depth::U8, vec![7; 45_000]).expect("the sizes match");
    for (density, page) in [(96, "[0 0 225 112.5]"), (300, "[0 0 72 36]"), (1, "[0 0 14400 7200]")] {
        let pdf = written(&still(image.clone()), &EncodeOptions { density, ..lossless() });
        assert!(pdf.windows(page.len()).any(|text| text == page.as_bytes()), "{density}: {page}");
    }
}

#[test]
fn every_frame_is_a_page_of_its_own_size() {
    let frames = [(20, 10), (10, 30), (5, 5)].map(|(w, h)| Frame { image: picture(w, h, Channels::Rgb), delay_ms: 40 });
    let decoded = Decoded { frames: frames.to_vec(), orientation: Orientation::Upright, icc: None, loops: 0 };
    let pdf = written(&decoded, &EncodeOptions { density: 72, ..lossless() });
    let objects = objects(&pdf);
    assert!(String::from_utf8_lossy(objects[1]).contains("/Count 3"), "three pages");
    for page in ["[0 0 20 10]", "[0 0 10 30]", "[0 0 5 5]"] {
        assert!(pdf.windows(page.len()).any(|text| text == page.as_bytes()), "{page}");
    }
}

#[test]
fn lossy_pictures_become_jpegs_and_jpegs_stay_what_they_are() {
    let image = picture(64, 48, Channels::Rgb);
    let jpeg_in = |pdf: &[u8]| {
        let objects = objects(pdf);
        let picture = objects.iter().copied().find(|object| object.windows(9).any(|text| text == b"DCTDecode")).expect("a JPEG");
        stream(picture).to_vec()
    };
    let made = jpeg_in(&written(&still(image.clone()), &EncodeOptions { quality: 90, ..EncodeOptions::default() }));
    let back = crate::formats::support::testing::decode("jpg", &made);
    assert!(psnr(back.frames[0].image.data(), image.data()) > 35.0, "the picture is in there");
    let file = encoded("jpg", &still(image.clone()));
    let options = EncodeOptions { jpeg: Some(Arc::new(file.clone())), ..EncodeOptions::default() };
    assert_eq!(jpeg_in(&written(&still(image), &options)), file, "byte by byte");
}
