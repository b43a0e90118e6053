//! Files to read, and the comparison with libjpeg-turbo.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;

use convertfly_jpeg::{Coefficients, Error, Limits};
use convertfly_jpeg_reference::{self as reference, Refusal, Settings};

/// How a comparison ended, if not in a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// The same coefficients.
    Equal,
    /// Both say that it is broken.
    BothRefuse,
    /// A coding or a size that is not read here.
    Unsupported,
    /// libjpeg reads it, we do not.
    OursRefuses,
}

/// Reads with both.
pub(crate) fn compare(file: &[u8]) -> Result<Outcome, String> {
    // No more than libjpeg, but for time: mutated headers make huge pictures.
    let limits = Limits { pixels: 1 << 24, ..Limits::default() };
    if let Err(Error::Unsupported(_) | Error::TooMuch(_)) = Coefficients::header(file, &limits) {
        return Ok(Outcome::Unsupported);
    }
    let (ours, theirs) = (Coefficients::read(file, &limits), reference::coefficients(file));
    let (ours, theirs) = match (ours, theirs) {
        (Err(Error::Unsupported(_) | Error::TooMuch(_)), _) | (_, Err(Refusal::Other)) => return Ok(Outcome::Unsupported),
        (Err(_), Err(_)) => return Ok(Outcome::BothRefuse),
        (Err(_), Ok(_)) => return Ok(Outcome::OursRefuses),
        (Ok(_), Err(code)) => return Err(format!("libjpeg refuses it with {code:?}")),
        (Ok(ours), Ok(theirs)) => (ours, theirs),
    };
    if (ours.frame.width as usize, ours.frame.height as usize, ours.planes.len())
        != (theirs.width, theirs.height, theirs.components.len())
    {
        return Err("another size".to_owned());
    }
    for (index, wanted) in theirs.components.iter().enumerate() {
        let component = &ours.frame.components[index];
        if component.quant.unwrap_or([0; 64]) != wanted.quant {
            return Err(format!("component {index}: another quantisation"));
        }
        if (component.width_in_blocks, component.height_in_blocks) != (wanted.width_in_blocks, wanted.height_in_blocks) {
            return Err(format!("component {index}: other blocks"));
        }
        for (y, (row, wanted_row)) in ours.visible(index).zip(wanted.blocks.chunks_exact(64 * wanted.width_in_blocks)).enumerate()
        {
            if row.as_flattened() != wanted_row {
                let at = row.as_flattened().iter().zip(wanted_row).position(|(a, b)| a != b).unwrap_or(0);
                let (got, want) = (row.as_flattened()[at], wanted_row[at]);
                return Err(format!("component {index}, row {y}, block {}, place {}: {got}, not {want}", at / 64, at % 64));
            }
        }
    }
    Ok(Outcome::Equal)
}

/// Plain settings, every component as large as the others.
pub(crate) fn settings(width: usize, height: usize, channels: usize) -> Settings {
    Settings {
        width,
        height,
        channels,
        quality: 80,
        progressive: false,
        optimize: false,
        restart_blocks: 0,
        separate_scans: false,
        keep_rgb: false,
        ycck: false,
        sampling: [(1, 1); 4],
    }
}

/// A picture with smooth parts, edges and noise.
pub(crate) fn picture(width: usize, height: usize, channels: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut pixels = Vec::with_capacity(width * height * channels);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                let wave = ((x * (channel + 2)) as f32 / 9.0).sin() * 60.0 + (y as f32 / 13.0).cos() * 50.0;
                let edge = if (x / 17 + y / 11) % 3 == channel % 3 { 50.0 } else { 0.0 };
                let noise = if x > width / 2 { random.f32() * 60.0 - 30.0 } else { 0.0 };
                pixels.push((110.0 + wave + edge + noise) as u8);
            }
        }
    }
    pixels
}

/// Horizontal and vertical factors of each component.
type Sampling = [(u8, u8); 4];

/// Files of every sampling, coding and number of components, named after them.
pub(crate) fn fixtures() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let kinds: [(&str, usize, Sampling); 14] = [
        ("grey", 1, [(1, 1); 4]),
        ("grey22", 1, [(2, 2), (1, 1), (1, 1), (1, 1)]),
        ("444", 3, [(1, 1); 4]),
        ("422", 3, [(2, 1), (1, 1), (1, 1), (1, 1)]),
        ("440", 3, [(1, 2), (1, 1), (1, 1), (1, 1)]),
        ("420", 3, [(2, 2), (1, 1), (1, 1), (1, 1)]),
        ("411", 3, [(4, 1), (1, 1), (1, 1), (1, 1)]),
        ("441", 3, [(1, 4), (1, 1), (1, 1), (1, 1)]),
        ("410", 3, [(4, 2), (1, 1), (1, 1), (1, 1)]),
        ("422v", 3, [(2, 2), (2, 1), (2, 1), (1, 1)]),
        ("mixed", 3, [(2, 2), (1, 2), (2, 1), (1, 1)]),
        ("rgb", 3, [(1, 1); 4]),
        ("cmyk", 4, [(1, 1); 4]),
        ("ycck", 4, [(2, 2), (1, 1), (1, 1), (2, 2)]),
    ];
    for (width, height, quality) in [(64, 48, 90), (37, 51, 75), (1, 1, 50), (17, 3, 100), (130, 9, 12)] {
        for (name, channels, sampling) in &kinds {
            let pixels = picture(width, height, *channels, 1 + files.len() as u64);
            let plain = Settings {
                quality,
                sampling: *sampling,
                keep_rgb: *name == "rgb",
                ycck: *name == "ycck",
                ..settings(width, height, *channels)
            };
            let codings = [
                ("baseline", plain.clone()),
                ("optimized", Settings { optimize: true, ..plain.clone() }),
                ("progressive", Settings { progressive: true, ..plain.clone() }),
                ("restart", Settings { restart_blocks: 3, ..plain.clone() }),
                ("progressive-restart", Settings { progressive: true, restart_blocks: 5, ..plain.clone() }),
                ("separate", Settings { separate_scans: true, ..plain.clone() }),
            ];
            for (coding, settings) in codings {
                if let Some(file) = reference::encode(&pixels, &settings) {
                    files.push((format!("{name}-{coding}-{width}x{height}-q{quality}"), file));
                }
            }
        }
    }
    files
}

/// The JPEG files below `CONVERTFLY_CORPUS`.
pub(crate) fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = std::env::var_os("CONVERTFLY_CORPUS").map(PathBuf::from).into_iter().collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("jpg") || end.eq_ignore_ascii_case("jpeg")) {
                files.push((path.clone(), std::fs::read(&path).expect("a file")));
            }
        }
    }
    files.sort();
    files
}

/// A file with some bytes changed, lost, added or exchanged, most of them behind its header.
pub(crate) fn mutate(file: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut file = file.to_vec();
    let scan = file.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap_or(0);
    for _ in 0..random.usize(1..4) {
        let from = if random.u8(..4) == 0 { 0 } else { scan };
        if file.len() <= from + 8 {
            break;
        }
        let at = random.usize(from..file.len());
        match random.u8(..9) {
            0..=2 => file[at] ^= 1 << random.u8(..8),
            3 => file[at] = random.u8(..),
            4 => file.truncate(at),
            5 => drop(file.drain(at..(at + random.usize(1..9)).min(file.len()))),
            6 => {
                let added: Vec<u8> = (0..random.usize(1..9)).map(|_| random.u8(..)).collect();
                file.splice(at..at, added);
            }
            7 => {
                // Markers where none belong.
                let marker = *random.choice(&[0xd0, 0xd1, 0xd3, 0xd7, 0xd9, 0xda, 0xc4, 0x01, 0xff, 0xe1]).unwrap_or(&0xd9);
                file.splice(at..at, [0xff, marker]);
            }
            _ => {
                let length = random.usize(1..40).min(file.len() - at);
                let part = file[at..at + length].to_vec();
                let to = random.usize(from..file.len());
                file.splice(to..to, part);
            }
        }
    }
    file
}
