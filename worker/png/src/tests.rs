//! What is written is read by others, the same with every processor's instructions, and no larger than what it replaces.

use std::io::{Read, Write};

use png::{BitDepth, ColorType, Compression};

use crate::filter::{self, Filter};
use crate::simd::Level;
use crate::{Rows, compress_at};

fn stream(level: Level, rows: Rows<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let done: Result<(), std::io::Error> = compress_at(level, rows, &mut |part| {
        out.extend_from_slice(part);
        Ok(())
    });
    done.expect("memory takes everything");
    out
}

/// A picture of one kind, 8 bits.
pub(crate) fn picture(kind: &str, width: usize, height: usize, pixel: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut data = Vec::with_capacity(width * height * pixel);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..pixel {
                data.push(match kind {
                    "flat" => 77,
                    "noise" => random.u8(..),
                    "slope" => (x * 3 + y * 5 + channel * 40) as u8,
                    "photo" => ((x as f32 / 17.0).sin() * 60.0 + (y as f32 / 23.0).cos() * 60.0 + 128.0) as u8 ^ random.u8(..8),
                    "boxes" => ((x / 13 + y / 9) % 5 * 50) as u8,
                    // Every row twice: of two rows, one is zeros once it is filtered.
                    "doubled" => ((x as u32).wrapping_mul(2_654_435_761) >> 24) as u8 ^ ((y / 2) as u8).wrapping_mul(91),
                    _ => unreachable!("{kind}"),
                });
            }
        }
    }
    data
}

pub(crate) const KINDS: [&str; 6] = ["flat", "noise", "slope", "photo", "boxes", "doubled"];
pub(crate) const SIZES: [(usize, usize); 10] =
    [(1, 1), (1, 300), (2, 3), (7, 5), (31, 9), (33, 70), (64, 64), (257, 40), (1000, 400), (70_000, 4)];

/// Reads the stream as the pixels of a PNG, with a decoder of others that holds it against its sum.
fn read(stream: &[u8], (width, height): (usize, usize), color: ColorType, depth: BitDepth) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_chunk(png::chunk::IDAT, stream).expect("a chunk");
    writer.finish().expect("an end");
    let mut decoder = png::Decoder::new(std::io::Cursor::new(&file));
    decoder.ignore_checksums(false);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut pixels).expect("pixels");
    reader.finish().expect("an end");
    pixels
}

#[test]
fn others_read_what_is_written() {
    let mut random = fastrand::Rng::with_seed(1);
    let colors = [
        (ColorType::Grayscale, BitDepth::Eight, 1),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, 2),
        (ColorType::Rgb, BitDepth::Eight, 3),
        (ColorType::Rgba, BitDepth::Eight, 4),
        (ColorType::Rgb, BitDepth::Sixteen, 6),
        (ColorType::Rgba, BitDepth::Sixteen, 8),
    ];
    for kind in KINDS {
        for (width, height) in SIZES {
            for (color, depth, pixel) in colors {
                let data = picture(kind, width, height, pixel, &mut random);
                let rows = Rows::new(&data, width * pixel, pixel).expect("rows");
                let stream = stream(Level::detect(), rows);
                let mut inflated = Vec::new();
                let mut zlib = flate2::read::ZlibDecoder::new(&stream[..]);
                zlib.read_to_end(&mut inflated).expect("a stream of zlib with its sum");
                assert_eq!(zlib.total_in() as usize, stream.len(), "nothing behind the end");
                assert_eq!(inflated.len(), (width * pixel + 1) * height);
                assert!(read(&stream, (width, height), color, depth) == data, "{kind} {width}x{height} {color:?} {depth:?}");
            }
        }
    }
}

#[test]
fn processors_agree() {
    let mut random = fastrand::Rng::with_seed(2);
    for kind in KINDS {
        for (width, height) in SIZES {
            let pixel = random.usize(1..=8);
            let data = picture(kind, width, height, pixel, &mut random);
            let rows = Rows::new(&data, width * pixel, pixel).expect("rows");
            assert!(stream(Level::plain(), rows) == stream(Level::detect(), rows), "{kind} {width}x{height}");
        }
    }
    for _ in 0..500 {
        let (pixel, len) = (random.usize(1..=8), random.usize(1..200));
        let mut line = || std::iter::repeat_with(|| random.u8(..)).take(len).collect::<Vec<_>>();
        let (row, above) = (line(), line());
        assert_eq!(Level::plain().sums(pixel, &row, &above), Level::detect().sums(pixel, &row, &above));
        for how in Filter::ALL {
            let (mut plain, mut fast) = (vec![0; len], vec![0; len]);
            Level::plain().filter(how, pixel, &row, &above, &mut plain);
            Level::detect().filter(how, pixel, &row, &above, &mut fast);
            assert_eq!(plain, fast, "{how:?}");
            let one_by_one: Vec<u8> = (0..len).map(|at| filter::difference(how, pixel, &row, &above, at)).collect();
            assert_eq!(plain, one_by_one, "{how:?}");
        }
    }
}

/// The prediction as the specification has it, in whole numbers with signs.
#[test]
fn paeth_is_that_of_the_specification() {
    for left in 0..=255i32 {
        for above in 0..=255i32 {
            for corner in (0..=255i32).step_by(3) {
                let guess = left + above - corner;
                let (a, b, c) = ((guess - left).abs(), (guess - above).abs(), (guess - corner).abs());
                let expected = if a <= b && a <= c {
                    left
                } else if b <= c {
                    above
                } else {
                    corner
                };
                let got = filter::predicted(Filter::Paeth, left as u8, above as u8, corner as u8);
                assert_eq!(i32::from(got), expected, "{left} {above} {corner}");
            }
        }
    }
}

/// Beside the library's fast way with codes that are the same for every file.
#[test]
fn it_is_smaller_than_with_fixed_codes() {
    let mut random = fastrand::Rng::with_seed(3);
    for (kind, percent) in [("flat", 150), ("slope", 100), ("photo", 98), ("boxes", 100), ("doubled", 100)] {
        let (width, height) = (900, 700);
        let data = picture(kind, width, height, 3, &mut random);
        let ours = stream(Level::detect(), Rows::new(&data, width * 3, 3).expect("rows")).len();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
        encoder.set_color(ColorType::Rgb);
        encoder.set_compression(Compression::Fast);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(&data)).expect("a file");
        assert!(ours * 100 <= file.len() * percent, "{kind}: {ours} bytes beside {}", file.len());
    }
}

#[test]
fn a_sink_ends_it() {
    let data = vec![7; 3_000_000];
    let rows = Rows::new(&data, 3000, 3).expect("rows");
    let mut parts = 0;
    let ended = crate::compress(rows, &mut |_| {
        parts += 1;
        if parts == 3 { Err("full") } else { Ok(()) }
    });
    assert_eq!((ended, parts), (Err("full"), 3));
}

#[test]
fn what_is_no_picture_has_no_rows() {
    for (len, row, pixel) in [(0, 3, 3), (10, 3, 3), (9, 0, 3), (9, 9, 0), (9, 9, 9), (9, 9, 2)] {
        assert!(Rows::new(&vec![0; len], row, pixel).is_none(), "{len} {row} {pixel}");
    }
    let mut none = Vec::new();
    none.write_all(&[1, 2, 3]).expect("memory");
    assert!(Rows::new(&none, 3, 3).is_some());
}
