//! How near a resize is to the exact one, beside libvips, which sharp is made of.
//!
//! The yardstick is libvips in double precision, its numbers made so large that the rounding of its results does not count. What
//! sharp does is libvips in 8 bits: whole samples between the axes, and boxes before the filter where much is taken away. An
//! enlargement of libvips is another filter (bicubic) than was asked for, so those are held against the sums themselves.

use std::path::Path;
use std::process::Command;

use super::weights::Weights;
use super::{Channels, CpuLevel, Depth, Filter, GpuPolicy, Image, Processor, Recording, Step};
use crate::formats::Cancel;

const WIDTH: u32 = 360;
const HEIGHT: u32 = 240;
/// Pixels of a result at its edge that are not compared: as far as the filter reaches, and one.
const EDGE: usize = 4;
/// What samples are multiplied by for libvips, which rounds numbers of double precision to whole ones.
const FINE: f64 = 65_536.0;

/// Every frequency in every direction, edges, and a smooth part, different in each channel.
fn scene() -> Image {
    let mut data = Vec::new();
    for (y, x) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y, x))) {
        let (u, v) = (f64::from(x) / f64::from(WIDTH), f64::from(y) / f64::from(HEIGHT));
        for channel in 0..3 {
            let (du, dv) = ((u - 0.3 - 0.1 * f64::from(channel)) * 360.0, (v - 0.5) * 240.0);
            let rings = 0.5 + 0.4 * ((du * du + dv * dv) * 0.004).cos();
            let edge = if (u * 3.0 + v * 2.0 + f64::from(channel) * 0.1).fract() < 0.5 { 0.75 } else { 0.2 };
            let value = match x * 3 / WIDTH {
                0 => u * 2.0 * v + 0.1,
                1 => rings,
                _ => edge * (0.7 + 0.3 * rings),
            };
            data.push((value.clamp(0.0, 1.0) * 255.0).round() as u8);
        }
    }
    Image::new(WIDTH, HEIGHT, Channels::Rgb, Depth::U8, data).expect("the sizes match")
}

fn vips(arguments: &[&str], folder: &Path) {
    let made = Command::new("vips").args(arguments).current_dir(folder).output();
    let made = made.expect("vips is there (deploy/install-deps.sh test)");
    assert!(made.status.success(), "vips {arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
}

/// Without the pixels whose filter reaches over the edge: libvips repeats the last ones there, and we go without.
fn psnr(exact: &[f64], found: &[u8], width: u32) -> f64 {
    assert_eq!(exact.len(), found.len(), "both have one size");
    let (stride, height) = (width as usize * 3, exact.len() / (width as usize * 3));
    let inside = |index: usize| {
        let (x, y) = (index % stride / 3, index / stride);
        (EDGE..width as usize - EDGE).contains(&x) && (EDGE..height - EDGE).contains(&y)
    };
    let pairs = exact.iter().zip(found).enumerate().filter(|(index, _)| inside(*index));
    let squares: Vec<f64> = pairs.map(|(_, (a, b))| (a.clamp(0.0, 255.0) - f64::from(*b)).powi(2)).collect();
    10.0 * (255.0f64 * 255.0 * squares.len() as f64 / squares.iter().sum::<f64>()).log10()
}

fn ours(level: CpuLevel, image: &Image, width: u32, height: u32) -> Image {
    let resize = Step::Resize { width, height, filter: Filter::Lanczos3 };
    let cpu = Processor::new(level, GpuPolicy::Off).expect("the CPU is always there");
    cpu.run(&Recording { steps: vec![resize], ..Recording::default() }, image.clone(), &Cancel::new()).expect("the step fits").0
}

#[test]
fn smaller_pictures_are_no_farther_from_the_exact_ones_than_those_of_libvips() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = scene();
    std::fs::write(folder.path().join("in.raw"), image.data()).expect("it is written");
    let (w, h) = (WIDTH.to_string(), HEIGHT.to_string());
    vips(&["rawload", "in.raw", "in.v", &w, &h, "3"], folder.path());
    vips(&["linear", "in.v", "large.v", &FINE.to_string(), "0"], folder.path());
    vips(&["cast", "large.v", "double.v", "double"], folder.path());
    for (width, height) in [(270, 180), (240, 160), (180, 120), (120, 80), (72, 48), (36, 24)] {
        let (shrink, scale) = (f64::from(WIDTH) / f64::from(width), f64::from(width) / f64::from(WIDTH));
        let (shrink, scale) = (shrink.to_string(), scale.to_string());
        vips(&["reducev", "double.v", "tall.v", &shrink, "--kernel", "lanczos3"], folder.path());
        vips(&["reduceh", "tall.v", "exact.v", &shrink, "--kernel", "lanczos3"], folder.path());
        vips(&["rawsave", "exact.v", "exact.raw"], folder.path());
        vips(&["resize", "in.v", "own.v", &scale, "--kernel", "lanczos3"], folder.path());
        vips(&["rawsave", "own.v", "own.raw"], folder.path());
        let read = |name: &str| std::fs::read(folder.path().join(name)).expect("vips wrote it");
        let exact: Vec<f64> =
            read("exact.raw").as_chunks::<8>().0.iter().map(|bytes| f64::from_ne_bytes(*bytes) / FINE).collect();
        let theirs = psnr(&exact, &read("own.raw"), width);
        for level in CpuLevel::ALL.into_iter().filter(|level| level.usable() == *level) {
            let found = psnr(&exact, ours(level, &image, width, height).data(), width);
            println!("to {width}x{height}, {}: {found:.2} dB, libvips in 8 bits {theirs:.2} dB", level.as_str());
            assert!(found >= theirs, "to {width}x{height}, {}: {found:.2} dB, libvips {theirs:.2} dB", level.as_str());
        }
    }
}

#[test]
fn larger_pictures_are_what_the_sums_say() {
    let image = scene();
    let (width, height) = (540, 360);
    let (across, down) = (Weights::new(WIDTH, width, Filter::Lanczos3), Weights::new(HEIGHT, height, Filter::Lanczos3));
    let sample = |x: usize, y: usize, channel: usize| f64::from(image.data()[(y * WIDTH as usize + x) * 3 + channel]);
    let mut exact = Vec::new();
    for (y, x) in (0..height as usize).flat_map(|y| (0..width as usize).map(move |x| (y, x))) {
        let ((left, row), (top, column)) = (across.at(x), down.at(y));
        for channel in 0..3 {
            let along = |y: usize| -> f64 {
                row.iter().enumerate().map(|(tap, weight)| f64::from(*weight) * sample(left + tap, y, channel)).sum()
            };
            exact.push(column.iter().enumerate().map(|(tap, weight)| f64::from(*weight) * along(top + tap)).sum());
        }
    }
    for level in CpuLevel::ALL.into_iter().filter(|level| level.usable() == *level) {
        let found = psnr(&exact, ours(level, &image, width, height).data(), width);
        println!("to {width}x{height}, {}: {found:.2} dB", level.as_str());
        // Rounding alone leaves 58.9 dB; whole samples between the axes take two more.
        assert!(found > 55.0, "to {width}x{height}, {}: {found:.2} dB", level.as_str());
    }
}
