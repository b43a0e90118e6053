//! A fuzz target for every decoder: real files, changed at random, have to end in pixels or in a failure that names the file.
//!
//! Each target runs a few hundred changed files in a test run. `CONVERTFLY_FUZZ=200000 cargo test --release --lib -- fuzz` runs that
//! many for each decoder and prints what came of them; `CONVERTFLY_FUZZ_SEED` (a number) makes another sequence. Where one fails, the
//! file is kept, and its path printed.

use std::time::{Duration, Instant};

use super::hostile::fixtures;
use super::testing::{encode, picture, still};
use crate::failure::Failure;
use crate::formats::{DecodeOptions, Limits, by_name};
use crate::pixels::Channels;

/// Files a decoder in an ordinary test run.
const FEW: u64 = 250;

/// A decoder that takes longer than this for a small file hangs.
const HANG: Duration = Duration::from_secs(60);

/// xorshift64* (Vigna, 2016): the same sequence everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end.max(1)
    }
}

/// Numbers that sizes and counts go wrong at.
const NUMBERS: [u32; 10] = [0, 1, 2, 0x7f, 0xff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/// Changes `data` in one way; pieces of `other` may be put into it.
fn change(data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if data.is_empty() {
        return data.push(random.next() as u8);
    }
    let length = data.len();
    // Half of the changes hit the first bytes, where the headers are.
    let at = if random.below(2) == 0 { random.below(length.min(96)) } else { random.below(length) };
    match random.below(10) {
        0 | 1 => data[at] = random.next() as u8,
        2 | 3 => data[at] ^= 1 << random.below(8),
        4 => data.truncate(at),
        5 => {
            let piece = data[at..length.min(at + 1 + random.below(64))].to_vec();
            data.splice(at..at, piece);
        }
        6 => drop(data.drain(at..length.min(at + 1 + random.below(32)))),
        7 => {
            let from = random.below(other.len());
            let piece = &other[from..other.len().min(from + 1 + random.below(64))];
            let end = length.min(at + piece.len());
            data.splice(at..end, piece.iter().copied());
        }
        _ => {
            let number = NUMBERS[random.below(NUMBERS.len())];
            let bytes = if random.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
            let width = [1, 2, 4][random.below(3)];
            let end = length.min(at + width);
            data[at..end].copy_from_slice(&bytes[..end - at]);
        }
    }
}

/// Makes the checksums of a PNG's chunks right again, which otherwise stop all that is changed; an icon's PNG lies behind 22 bytes.
fn mend(data: &mut [u8]) {
    let start = [0, 22].into_iter().find(|&at| data.get(at..at + 8) == Some(b"\x89PNG\r\n\x1a\n"));
    let Some(mut at) = start.map(|at| at + 8) else { return };
    while let Some(length) = data.get(at..at + 4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) {
        let Some(end) = at.checked_add(8 + length as usize).filter(|end| end + 4 <= data.len()) else { return };
        let sum = ::crc32fast::hash(&data[at + 4..end]);
        data[end..end + 4].copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
}

/// Looks at the file with both steps of the decoder; an error says what is wrong with the decoder.
fn attempt(name: &str, data: &[u8]) -> Result<bool, String> {
    let decoder = by_name(name).and_then(|format| format.decode).expect("a decoder");
    let limits = Limits { pixels: 1_000_000, side: 4_000, metadata_bytes: 1 << 20 };
    let run = || {
        let start = Instant::now();
        let header = (decoder.probe)(data, &limits);
        let decoded = (decoder.decode)(data, &DecodeOptions { limits, all_frames: true, ..DecodeOptions::default() });
        (header, decoded, start.elapsed())
    };
    let (header, decoded, elapsed) =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(|_| "it panics".to_owned())?;
    if elapsed > HANG {
        return Err(format!("it takes {elapsed:?}"));
    }
    for failure in [header.as_ref().err(), decoded.as_ref().err()].into_iter().flatten() {
        if matches!(failure, Failure::Internal { .. } | Failure::Cancelled | Failure::TimedOut | Failure::Crashed { .. }) {
            return Err(format!("the failure is {failure:?}"));
        }
    }
    let Ok(decoded) = decoded else { return Ok(false) };
    let Ok(header) = header else { return Err("what cannot be probed is decoded".to_owned()) };
    let first = decoded.frames.first().ok_or("there is no frame")?;
    if (first.image.width(), first.image.height()) != (header.width, header.height) {
        return Err(format!("the picture is {} x {}, the header {header:?}", first.image.width(), first.image.height()));
    }
    Ok(true)
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn fuzz(name: &str) {
    let seeds: Vec<Vec<u8>> = fixtures().into_iter().filter(|(format, _)| *format == name).map(|(_, data)| data).collect();
    let others = [encode("png", &still(picture(9, 9, Channels::Rgb))), encode("jpg", &still(picture(9, 9, Channels::Rgb)))];
    let mut random = Random(number("CONVERTFLY_FUZZ_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (count, start) = (number("CONVERTFLY_FUZZ", FEW), Instant::now());
    let (mut accepted, mut slowest) = (0u64, Duration::ZERO);
    for index in 0..count {
        let mut data = seeds[random.below(seeds.len())].clone();
        for _ in 0..1 + random.below(6) {
            let other = if random.below(4) == 0 { &others[random.below(2)] } else { &seeds[random.below(seeds.len())] };
            change(&mut data, other, &mut random);
        }
        if random.below(2) == 0 {
            mend(&mut data);
        }
        let began = Instant::now();
        match attempt(name, &data) {
            Ok(decoded) => accepted += u64::from(decoded),
            Err(fault) => {
                let path = std::env::temp_dir().join(format!("convertfly-fuzz-{name}-{index}"));
                std::fs::write(&path, &data).expect("the file is kept");
                panic!("{name}: {fault}; the file is {}", path.display());
            }
        }
        slowest = slowest.max(began.elapsed());
    }
    println!("{name}: {count} files, {accepted} decoded, {:.0} s, the slowest {slowest:.1?}", start.elapsed().as_secs_f64());
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                fuzz(stringify!($name));
            }
        )*

        /// A decoder without a target would not be fuzzed.
        #[test]
        fn every_decoder_has_a_target() {
            let named = [$(stringify!($name)),*];
            for format in crate::formats::FORMATS.iter().filter(|format| format.decode.is_some()) {
                assert!(named.contains(&format.name), "{} has no target", format.name);
            }
        }
    };
}

targets! { avif bmp gif heic ico jpg jxl png svg tiff webp }

/// The check itself: what a broken decoder would do is noticed.
#[test]
fn faults_are_noticed() {
    let good = encode("png", &still(picture(9, 9, Channels::Rgb)));
    assert_eq!(attempt("png", &good), Ok(true), "a good file");
    assert_eq!(attempt("png", b"no PNG"), Ok(false), "a bad one");
}
