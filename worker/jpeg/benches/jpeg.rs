//! Our codec beside libjpeg-turbo on the same file: first the ratios, measured in turns, then criterion's statistics of ours.
//!
//! `CONVERTFLY_JPEG_BENCH` names a file; without it the picture is generated. `CONVERTFLY_JPEG_ROUNDS` is how often each is measured for the
//! ratios, and `CONVERTFLY_JPEG_ONLY` the only one; `-- --test` skips criterion's statistics.

use std::hint::black_box;
use std::time::{Duration, Instant};

use convertfly_jpeg::{
    Coding, Coefficients, Limits, Paint, Picture, Planes, Range, Rewrite, Samples, Sampling, Scale, Source, Turn, WriteOptions,
    encode, quality_steps,
};
use convertfly_jpeg_reference as reference;
use criterion::Criterion;

/// A photo's size, its smooth parts and its noise.
fn generated() -> Vec<u8> {
    let (width, height) = (4032, 3024);
    let mut random = fastrand::Rng::with_seed(1);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let wave = ((x * (channel + 2)) as f32 / 90.0).sin() * 60.0 + (y as f32 / 130.0).cos() * 50.0;
                let noise = if (x / 500 + y / 400) % 2 == 0 { random.f32() * 24.0 - 12.0 } else { 0.0 };
                pixels.push((120.0 + wave + noise) as u8);
            }
        }
    }
    reference::encode(&pixels, &settings(width, height, 92)).expect("libjpeg writes it")
}

/// 4:2:0, with the tables of the standard.
fn settings(width: usize, height: usize, quality: u8) -> reference::Settings {
    reference::Settings {
        width,
        height,
        channels: 3,
        quality,
        progressive: false,
        optimize: false,
        restart_blocks: 0,
        separate_scans: false,
        keep_rgb: false,
        ycck: false,
        sampling: [(2, 2), (1, 1), (1, 1), (1, 1)],
    }
}

type Work<'a> = Box<dyn FnMut() + 'a>;

fn main() {
    let file = match std::env::var_os("CONVERTFLY_JPEG_BENCH") {
        Some(path) => std::fs::read(path).expect("the file is there"),
        None => generated(),
    };
    let limits = Limits::default();
    let frame = Coefficients::header(&file, &limits).expect("a JPEG");
    println!("{} x {}, {} bytes, {} components", frame.width, frame.height, file.len(), frame.components.len());
    let coefficients = Coefficients::read(&file, &limits).expect("it is read");
    let write = |coding| coefficients.write(&WriteOptions { coding, ..WriteOptions::default() }).expect("it is written");
    let progressive = write(Coding::Progressive);
    let recode = |coding| {
        let read = Coefficients::read(&file, &limits).expect("it is read");
        black_box(read.write(&WriteOptions { coding, ..WriteOptions::default() }).expect("it is written"));
    };
    let rewrite = |rewrite: Rewrite<'_>| {
        let rewrite = Rewrite { quality: 85, ..rewrite };
        black_box(rewrite.run(&file, &limits).expect("it is read").expect("it is sound"));
    };
    let scaled = |scale| drop(black_box(Planes::decode(&file, scale, &limits)));
    let size = frame.width as usize * frame.height as usize * frame.components.len();
    let picture = Picture::decode(&file, &limits).expect("it is decoded");
    assert_eq!(picture.channels, 3, "in colour");
    let from_pixels = |coding| {
        let samples = Samples::Rgb(&picture.data, Sampling::Half);
        let source = Source { width: frame.width, height: frame.height, samples };
        let steps = [quality_steps(0, 85), quality_steps(1, 85)];
        drop(black_box(encode(&source, &steps, &WriteOptions { coding, ..WriteOptions::default() })));
    };
    let theirs_from_pixels = |progressive, optimize| {
        let (width, height) = (picture.width, picture.height);
        let settings = reference::Settings { progressive, optimize, ..settings(width, height, 85) };
        drop(black_box(reference::encode(&picture.data, &settings)));
    };
    let (mut room, mut small) = (vec![0; size], vec![0; size]);
    let mut eighth = small.clone();
    let mut half = small.clone();
    let (mut full, mut quarter) = (small.clone(), small.clone());
    let (mut turned, mut pixels) = (small.clone(), small.clone());
    let resized = |scale, width: u32| {
        let size = (width, width * frame.height / frame.width);
        drop(black_box(Planes::resized(&file, scale, size, None, Sampling::Half, Range::Full, &limits)));
    };
    let mut work: Vec<(&str, Work<'_>, Work<'_>)> = vec![
        (
            "coefficients",
            Box::new(|| drop(black_box(Coefficients::read(&file, &limits)))),
            Box::new(|| assert!(reference::read(&file))),
        ),
        (
            "coefficients, progressive",
            Box::new(|| drop(black_box(Coefficients::read(&progressive, &limits)))),
            Box::new(|| assert!(reference::read(&progressive))),
        ),
        (
            "pixels",
            Box::new(|| drop(black_box(Picture::decode(&file, &limits)))),
            Box::new(|| assert!(reference::pixels_into(&file, 1, true, &mut room))),
        ),
        (
            "thumbnail 1/8",
            Box::new(|| scaled(Scale::Eighth)),
            Box::new(|| assert!(reference::pixels_into(&file, 8, false, &mut eighth))),
        ),
        (
            "thumbnail 1/4",
            Box::new(|| scaled(Scale::Quarter)),
            Box::new(|| assert!(reference::pixels_into(&file, 4, false, &mut small))),
        ),
        (
            "thumbnail 1/2",
            Box::new(|| scaled(Scale::Half)),
            Box::new(|| assert!(reference::pixels_into(&file, 2, false, &mut half))),
        ),
        (
            "planes at 1600 px",
            Box::new(|| resized(Scale::Full, 1600)),
            Box::new(|| assert!(reference::pixels_into(&file, 1, true, &mut full))),
        ),
        (
            "planes at 320 px, 1/4",
            Box::new(|| resized(Scale::Quarter, 320)),
            Box::new(|| assert!(reference::pixels_into(&file, 4, true, &mut quarter))),
        ),
        (
            "planes at 1600 px, turned",
            Box::new(|| {
                let size = (1600, 1600 * frame.height / frame.width);
                drop(black_box(Planes::resized(
                    &file,
                    Scale::Full,
                    size,
                    Some(Turn::Rotate90),
                    Sampling::Half,
                    Range::Full,
                    &limits,
                )));
            }),
            Box::new(|| assert!(reference::pixels_into(&file, 1, true, &mut turned))),
        ),
        (
            "pixels at 1600 px",
            Box::new(|| {
                let size = (1600, 1600 * frame.height / frame.width);
                drop(black_box(Picture::resized(&file, Scale::Full, size, &limits)));
            }),
            Box::new(|| assert!(reference::pixels_into(&file, 1, true, &mut pixels))),
        ),
        (
            "recode, standard tables",
            Box::new(|| recode(Coding::Standard)),
            Box::new(|| drop(reference::recode(&file, false, false))),
        ),
        ("requantise to 85", Box::new(|| rewrite(Rewrite::default())), Box::new(|| drop(reference::recode(&file, false, true)))),
        (
            "requantise to 85, turned",
            Box::new(|| rewrite(Rewrite { turn: Some(Turn::Rotate180), ..Rewrite::default() })),
            Box::new(|| drop(reference::recode(&file, false, true))),
        ),
        (
            "requantise to 85, a mark over it",
            Box::new(|| {
                let mut brush = |picture: &mut Picture, _: (u32, u32)| {
                    picture.data.iter_mut().for_each(|sample| *sample = *sample / 2 + 60);
                    true
                };
                let (x, y) = (frame.width / 2, frame.height / 2);
                rewrite(Rewrite {
                    paint: Some(Paint { x, y, width: frame.width / 5, height: frame.height / 10, brush: &mut brush }),
                    ..Rewrite::default()
                });
            }),
            Box::new(|| drop(reference::recode(&file, false, true))),
        ),
        ("recode, optimized", Box::new(|| recode(Coding::Optimized)), Box::new(|| drop(reference::recode(&file, false, true)))),
        (
            "recode, progressive",
            Box::new(|| recode(Coding::Progressive)),
            Box::new(|| drop(reference::recode(&file, true, true))),
        ),
        ("encode, standard tables", Box::new(|| from_pixels(Coding::Standard)), Box::new(|| theirs_from_pixels(false, false))),
        ("encode, optimized", Box::new(|| from_pixels(Coding::Optimized)), Box::new(|| theirs_from_pixels(false, true))),
        ("encode, progressive", Box::new(|| from_pixels(Coding::Progressive)), Box::new(|| theirs_from_pixels(true, true))),
    ];
    let rounds = std::env::var("CONVERTFLY_JPEG_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(7);
    if let Some(only) = std::env::var_os("CONVERTFLY_JPEG_ONLY") {
        work.retain(|(name, ..)| *name == only);
    }
    println!("{:28} {:>9} {:>9}  times as fast: median of pairs, of the least", "", "ours", "libjpeg");
    for (name, ours, theirs) in &mut work {
        let pairs: Vec<(Duration, Duration)> = (0..rounds).map(|_| (timed(ours), timed(theirs))).collect();
        let (Some(one), Some(other)) = (pairs.iter().map(|p| p.0).min(), pairs.iter().map(|p| p.1).min()) else { continue };
        let mut ratios: Vec<f64> = pairs.iter().map(|(one, other)| other.as_secs_f64() / one.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        let (median, least) = (ratios[rounds / 2], other.as_secs_f64() / one.as_secs_f64());
        println!("{name:28} {:6.1} ms {:6.1} ms  {median:.2} {least:.2}", one.as_secs_f64() * 1e3, other.as_secs_f64() * 1e3);
    }
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    for (name, ours, _) in &mut work {
        criterion.bench_function(name, |bencher| bencher.iter(&mut *ours));
    }
    criterion.final_summary();
}

fn timed(work: &mut Work<'_>) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
