//! Packed coefficients hold what dense ones hold, and make the same files.

mod support;

use convertfly_jpeg::{
    Coding, Coefficients, Limits, Packed, PackedPlane, Planes, Range, Samples, Sampling, Scale, Source, WriteOptions, encode,
    encode_packed, quality_steps,
};
use support::fixtures;

fn limits() -> Limits {
    Limits { pixels: 1 << 24, ..Limits::default() }
}

/// Both read the same out of a file, or both refuse it.
fn check(name: &str, file: &[u8]) -> bool {
    match (Coefficients::read(file, &limits()), Packed::read(file, &limits())) {
        (Ok(dense), Ok(packed)) => {
            assert_eq!(packed.sound, dense.is_sound(), "{name}: soundness");
            assert_eq!(packed.frame, dense.frame, "{name}: header");
            assert_eq!(packed.coefficients().planes, dense.planes, "{name}: coefficients");
            assert_eq!(Packed::of(&dense).planes, packed.planes, "{name}: the dense ones packed");
            true
        }
        (Err(dense), Err(packed)) => {
            assert_eq!(packed, dense, "{name}");
            false
        }
        // Rows, too, are read without a look at what stands behind the last one.
        (Err(_), Ok(packed)) => {
            let rows = Planes::decode(file, Scale::Full, &limits()).expect(name);
            assert_eq!(Planes::of(&packed.coefficients(), Scale::Full), rows, "{name}: samples");
            false
        }
        (dense, packed) => panic!("{name}: dense {:?}, packed {:?}", dense.map(|_| ()), packed.map(|_| ())),
    }
}

#[test]
fn every_file_that_is_read_is_read_packed() {
    for (name, file) in fixtures() {
        assert!(check(&name, &file), "{name} is read");
    }
}

#[test]
fn broken_files_are_read_alike() {
    let mut random = fastrand::Rng::with_seed(31);
    let mut read = 0;
    for (name, file) in fixtures() {
        for round in 0..4 {
            let mut file = file.clone();
            for _ in 0..=random.usize(..3) {
                let at = random.usize(file.len() / 4..file.len());
                file[at] = random.u8(..);
            }
            if round == 3 {
                file.truncate(random.usize(file.len() / 2..file.len()));
            }
            read += usize::from(check(&name, &file));
        }
    }
    assert!(read > 50, "most are read in spite of it: {read}");
}

/// The blocks of a file that show.
fn shown(file: &[u8]) -> Vec<PackedPlane> {
    let read = Coefficients::read(file, &limits()).expect("it is read");
    let plane = |index: usize| PackedPlane::of(read.frame.components[index].width_in_blocks, read.visible(index));
    (0..read.planes.len()).map(plane).collect()
}

#[test]
fn files_of_packed_coefficients_are_those_of_their_samples() {
    let mut random = fastrand::Rng::with_seed(32);
    for (width, height) in [(1u32, 1u32), (8, 8), (9, 17), (31, 33), (64, 40), (145, 66)] {
        let mut plane = |width: u32, height: u32| -> Vec<u8> {
            let noise = random.u8(1..=255);
            (0..width * height).map(|at| (at % width * 3 + at / width * 2) as u8 ^ (random.u8(..) & noise)).collect()
        };
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let y = plane(width, height);
        let full = [plane(width, height), plane(width, height)];
        let half = [plane(half_width, half_height), plane(half_width, half_height)];
        for samples in [
            Samples::Grey(&y),
            Samples::YCbCr([&y, &full[0], &full[1]], Sampling::Full),
            Samples::YCbCr([&y, &half[0], &half[1]], Sampling::Half),
        ] {
            let sampling = if let Samples::YCbCr(_, sampling) = samples { sampling } else { Sampling::Half };
            for quality in [3, 50, 92, 100] {
                let steps = [0, 1].map(|kind| quality_steps(kind, quality));
                for (coding, restart_interval) in
                    [(Coding::Standard, 0), (Coding::Optimized, 0), (Coding::Optimized, 3), (Coding::Progressive, 0)]
                {
                    let options = WriteOptions { coding, restart_interval, ..WriteOptions::default() };
                    let wanted = encode(&Source { width, height, samples }, &steps, &options).expect("written");
                    let found = encode_packed((width, height), &shown(&wanted), sampling, &steps, &options).expect("written");
                    assert!(found == wanted, "{width} x {height}, quality {quality}, {coding:?}, {sampling:?}");
                }
            }
        }
    }
    let steps = [0, 1].map(|kind| quality_steps(kind, 80));
    let one = PackedPlane::of(1, [&[[0; 64]][..]]);
    assert!(encode_packed((9, 8), &[one], Sampling::Half, &steps, &WriteOptions::default()).is_err(), "a block too few");
}

#[test]
fn a_photo_takes_a_fifth_of_its_dense_coefficients() {
    // As much detail as a photo has at the quality of a camera.
    let (width, height) = (640u32, 480u32);
    let mut random = fastrand::Rng::with_seed(33);
    let rgb: Vec<u8> = (0..width * height)
        .flat_map(|at| {
            let (x, y) = (f64::from(at % width), f64::from(at / width));
            let value = 120.0 + 60.0 * (x / 19.0).sin() * (y / 13.0).cos() + f64::from(random.u8(..12));
            [value as u8, (value * 0.8) as u8, (value * 0.6) as u8]
        })
        .collect();
    let steps = [0, 1].map(|kind| quality_steps(kind, 90));
    let source = Source { width, height, samples: Samples::Rgb(&rgb, Sampling::Half) };
    let file = encode(&source, &steps, &WriteOptions::default()).expect("written");
    let packed = Packed::read(&file, &limits()).expect("read");
    let dense: usize = packed.coefficients().planes.iter().map(|plane| size_of_val(&plane[..])).sum();
    assert!(packed.bytes() * 4 < dense, "{} of {dense} bytes", packed.bytes());
    // What is resampled of one is what is resampled of the other.
    let wanted = Planes::resized(&file, Scale::Full, (100, 75), None, Sampling::Half, Range::Full, &limits())
        .expect("read")
        .expect("sound");
    assert_eq!(
        Planes::resized_of(&packed.coefficients(), Scale::Full, (100, 75), None, Sampling::Half, Range::Full),
        Some(wanted)
    );
}
