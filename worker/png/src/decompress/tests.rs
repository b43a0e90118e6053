//! What others write is read as they meant it, with every filter in every row, and what is no such picture is left to others.

use std::io::Write;

use super::*;
use crate::filter::difference;
use crate::tests::{KINDS, SIZES, picture};

/// The lines of a picture, each by the filter that `number` gives for it.
fn filtered(data: &[u8], row: usize, pixel: usize, mut number: impl FnMut() -> u8) -> Vec<u8> {
    let nothing = vec![0; row];
    let mut above = &nothing[..];
    let mut lines = Vec::new();
    for line in data.chunks_exact(row) {
        let number = number();
        lines.push(number);
        match Filter::ALL.into_iter().find(|&filter| filter as u8 == number) {
            Some(filter) => lines.extend((0..row).map(|at| difference(filter, pixel, line, above, at))),
            None => lines.extend_from_slice(line),
        }
        above = line;
    }
    lines
}

/// A stream of zlib by another packer.
fn packed(lines: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(lines).and_then(|()| packer.finish()).expect("memory takes everything")
}

#[test]
fn every_filter_is_undone_in_every_order() {
    let mut random = fastrand::Rng::with_seed(4);
    let widths = (1..12).map(|width| (width, 13));
    for (width, height) in SIZES.into_iter().chain(widths) {
        for pixel in 1..=4 {
            let layout = Layout::new(width, height, pixel).expect("a picture");
            for kind in KINDS {
                let data = picture(kind, width, height, pixel, &mut random);
                for mixed in [true, false] {
                    let mut one = random.u8(..5);
                    let lines = filtered(&data, width * pixel, pixel, || {
                        one = if mixed { random.u8(..5) } else { one };
                        one
                    });
                    for level in [Level::plain(), Level::detect()] {
                        let mut undone = lines.clone();
                        unfilter(level, &mut undone, width * pixel, pixel).expect("known filters");
                        let same = undone[..data.len()] == data;
                        assert!(same, "{kind} {width}x{height} of {pixel}, mixed {mixed}, last {one}, {level:?}");
                    }
                    if let Some(whole) = decompress(&packed(&lines), layout) {
                        assert!(whole == data, "{kind} {width}x{height} of {pixel}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_not_exactly_these_rows_is_left_to_others() {
    let layout = Layout::new(5, 3, 2).expect("a picture");
    let line = [1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    let lines = line.repeat(3);
    let sound = packed(&lines);
    assert_eq!(decompress(&sound, layout).is_some(), Level::detect().waves(), "sound");
    let with = |at: usize, byte: u8| {
        let mut stream = sound.clone();
        stream[at] ^= byte;
        stream
    };
    for (what, stream) in [
        ("a row is missing", packed(&line.repeat(2))),
        ("a row too many", packed(&line.repeat(4))),
        ("a byte too many", packed(&[&lines[..], &[0]].concat())),
        ("a filter that does not exist", packed(&[&lines[..22], &[5], &lines[23..]].concat())),
        ("another sum", with(sound.len() - 1, 1)),
        ("another header", with(0, 1)),
        ("an end too early", sound[..sound.len() - 1].to_vec()),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(decompress(&stream, layout), None, "{what}");
    }
}

#[test]
fn layouts_that_are_none() {
    for (width, height, pixel) in
        [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 5), (usize::MAX, 1, 2), (usize::MAX / 4, 8, 4), (usize::MAX, 1, 1)]
    {
        assert!(Layout::new(width, height, pixel).is_none(), "{width} {height} {pixel}");
    }
}
