//! Files that are made of pixels are libjpeg-turbo's, byte for byte.

mod support;

use convertfly_jpeg::{Coding, Coefficients, Limits, Samples, Sampling, Source, WriteOptions, encode, quality_steps};
use convertfly_jpeg_reference::{self as reference, Settings};
use support::settings;

const CODINGS: [Coding; 3] = [Coding::Standard, Coding::Optimized, Coding::Progressive];

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Grey,
    Full,
    Half,
}

const KINDS: [Kind; 3] = [Kind::Grey, Kind::Full, Kind::Half];

/// Smooth parts and noise as in [`support::picture`], and some that is as rough as can be.
fn picture(width: usize, height: usize, channels: usize, seed: u64) -> Vec<u8> {
    let mut pixels = support::picture(width, height, channels, seed);
    let mut random = fastrand::Rng::with_seed(seed);
    for (y, row) in pixels.chunks_exact_mut(width * channels).enumerate() {
        if y / 8 % 3 == 2 {
            row.iter_mut().for_each(|sample| *sample = if random.bool() { 255 } else { 0 });
        }
    }
    pixels
}

fn theirs(pixels: &[u8], kind: Kind, coding: Coding, settings: Settings) -> Vec<u8> {
    let sampling = if kind == Kind::Half { [(2, 2), (1, 1), (1, 1), (1, 1)] } else { [(1, 1); 4] };
    let (progressive, optimize) = (coding == Coding::Progressive, coding != Coding::Standard);
    reference::encode(pixels, &Settings { sampling, progressive, optimize, ..settings }).expect("libjpeg writes it")
}

fn source(pixels: &[u8], kind: Kind, width: usize, height: usize) -> Source<'_> {
    let samples = match kind {
        Kind::Grey => Samples::Grey(pixels),
        Kind::Full => Samples::Rgb(pixels, Sampling::Full),
        Kind::Half => Samples::Rgb(pixels, Sampling::Half),
    };
    Source { width: width as u32, height: height as u32, samples }
}

/// The part of a file behind its quantisation tables and its frame.
fn tail(file: &[u8]) -> &[u8] {
    let at = file.windows(2).position(|pair| pair == [0xff, 0xc4]).expect("a Huffman table");
    &file[at..]
}

fn same(kind: Kind, coding: Coding, settings: &Settings) {
    let (width, height, quality) = (settings.width, settings.height, settings.quality);
    let name = format!("{kind:?} {coding:?} {width}x{height} q{quality}");
    let channels = if kind == Kind::Grey { 1 } else { 3 };
    let pixels = picture(width, height, channels, (width * height) as u64 + u64::from(quality));
    let wanted = theirs(&pixels, kind, coding, Settings { channels, ..settings.clone() });
    // Below a quality of 25 the reference takes steps that are above 255.
    let read = Coefficients::read(&wanted, &Limits::default()).expect("read");
    let of = |component: usize| read.frame.components.get(component).and_then(|c| c.quant);
    let luma = of(0).expect("steps");
    let steps = [luma, of(1).unwrap_or(luma)];
    if quality >= 25 {
        assert_eq!(steps[0], quality_steps(0, quality), "{name}");
        assert!(kind == Kind::Grey || steps[1] == quality_steps(1, quality), "{name}");
    }
    let options = WriteOptions { coding, restart_interval: settings.restart_blocks as u16, ..WriteOptions::default() };
    let ours = encode(&source(&pixels, kind, width, height), &steps, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
    if kind != Kind::Grey && steps[0] == steps[1] {
        // We write the same table once.
        assert!(tail(&ours) == tail(&wanted), "{name}: another scan");
        assert_eq!(ours.len() + 69, wanted.len(), "{name}");
    } else if ours != wanted {
        let at = ours.iter().zip(&wanted).position(|(a, b)| a != b).unwrap_or(0);
        panic!("{name}: {} bytes and not {}, different from {at} on", ours.len(), wanted.len());
    }
}

#[test]
fn every_quality_gives_the_same_file() {
    for quality in 1..=100 {
        for kind in KINDS {
            for coding in CODINGS {
                same(kind, coding, &Settings { quality, ..settings(61, 45, 1) });
            }
        }
    }
}

#[test]
fn every_size_gives_the_same_file() {
    for (width, height) in
        (1..36).flat_map(|side| [(side, 37), (37, side), (side, side)]).chain([(1000, 3), (3, 700), (515, 130)])
    {
        for kind in KINDS {
            for coding in CODINGS {
                same(kind, coding, &settings(width, height, 1));
            }
        }
    }
}

#[test]
fn restarts_come_at_the_same_places() {
    for interval in [1, 3, 40] {
        for kind in KINDS {
            for coding in [Coding::Standard, Coding::Optimized] {
                same(kind, coding, &Settings { restart_blocks: interval, ..settings(150, 70, 1) });
            }
        }
    }
}

/// Of pixels, as the standard has it, in floating point.
fn planes(pixels: &[u8], width: usize, height: usize, sampling: Sampling) -> [Vec<u8>; 3] {
    let channel = |factors: [f64; 3], add: f64| -> Vec<u8> {
        let sum = |p: &[u8]| factors.iter().zip(p).map(|(factor, &value)| factor * f64::from(value)).sum::<f64>() + add;
        pixels.chunks_exact(3).map(|p| sum(p).round().clamp(0.0, 255.0) as u8).collect()
    };
    let y = channel([0.299, 0.587, 0.114], 0.0);
    let colors = [channel([-0.16874, -0.33126, 0.5], 128.0), channel([0.5, -0.41869, -0.08131], 128.0)];
    let [cb, cr] = colors.map(|plane| {
        if sampling == Sampling::Full {
            return plane;
        }
        let at = |x: usize, y: usize| u16::from(plane[y.min(height - 1) * width + x.min(width - 1)]);
        let mean = |x: usize, y: usize| at(2 * x, 2 * y) + at(2 * x + 1, 2 * y) + at(2 * x, 2 * y + 1) + at(2 * x + 1, 2 * y + 1);
        let (across, down) = (width.div_ceil(2), height.div_ceil(2));
        (0..across * down).map(|i| ((mean(i % across, i / across) + 1 + (i % across % 2) as u16) >> 2) as u8).collect()
    });
    [y, cb, cr]
}

#[test]
fn planes_give_the_same_file_as_their_pixels() {
    for (width, height) in [(64, 48), (80, 33), (16, 1), (320, 50)] {
        for sampling in [Sampling::Half, Sampling::Full] {
            // Smooth enough that rounding falls to the same side.
            let pixels: Vec<u8> = (0..width * height).flat_map(|i| [(i % width) as u8 / 4 * 4; 3]).collect();
            let planes = planes(&pixels, width, height, sampling);
            let steps = [quality_steps(0, 90), quality_steps(1, 90)];
            let [one, other] = [Samples::Rgb(&pixels, sampling), Samples::YCbCr([&planes[0], &planes[1], &planes[2]], sampling)]
                .map(|samples| {
                    let source = Source { width: width as u32, height: height as u32, samples };
                    encode(&source, &steps, &WriteOptions::default()).expect("written")
                });
            assert!(one == other, "{width}x{height} {sampling:?}");
        }
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let (pixels, steps) = (vec![7; 300], [[16; 64]; 2]);
    let write = |width, height, samples, steps| encode(&Source { width, height, samples }, steps, &WriteOptions::default());
    assert!(write(10, 10, Samples::Rgb(&pixels, Sampling::Half), &steps).is_ok());
    assert!(write(10, 10, Samples::Grey(&pixels), &steps).is_err(), "too many");
    assert!(write(20, 10, Samples::Rgb(&pixels, Sampling::Half), &steps).is_err(), "too few");
    assert!(write(0, 10, Samples::Grey(&[]), &steps).is_err(), "nothing");
    assert!(write(65_501, 1, Samples::Grey(&[1; 65_501]), &steps).is_err(), "longer than decoders take");
    assert!(write(10, 10, Samples::Rgb(&pixels, Sampling::Half), &[[0; 64]; 2]).is_err(), "no step");
    let planes = [&pixels[..100], &pixels[..25], &pixels[..25]];
    assert!(write(10, 10, Samples::YCbCr(planes, Sampling::Half), &steps).is_ok());
    assert!(write(10, 10, Samples::YCbCr(planes, Sampling::Full), &steps).is_err(), "colour of another size");
}
