//! How a picture looks, in a few numbers: colours, placeholders and a hash that similar pictures share.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::pixels::{Image, samples};
use samples::{Bits8, Samples};

/// Most dominant colours that are told.
const COLOURS: usize = 5;

/// Longest side of the picture that a thumbhash takes, pixels (its reference implementation refuses more).
const THUMB: u32 = 100;

/// Describes a small upright 8-bit RGBA picture.
pub(super) fn describe(image: &Image) -> Map<String, Value> {
    let (pixels, _) = image.data().as_chunks::<4>();
    let mut found = Map::new();
    let (average, colours) = colours(pixels);
    if let Some(average) = average {
        found.insert("average_color".into(), hex(average).into());
    }
    found.insert(
        "dominant_colors".into(),
        colours.into_iter().map(|(color, share)| json!({ "color": hex(color), "share": share })).collect(),
    );
    let (width, height) = (image.width(), image.height());
    // Four by three components for a landscape: what its readme recommends.
    let (across, down) = if width >= height { (4, 3) } else { (3, 4) };
    if let Ok(hash) = ::blurhash::encode(across, down, width, height, image.data()) {
        found.insert("blurhash".into(), hash.into());
    }
    let (small, width, height) = reduced(image, THUMB);
    let hash = ::thumbhash::rgba_to_thumb_hash(width, height, &small);
    found.insert("thumbhash".into(), STANDARD.encode(hash).into());
    found.insert("perceptual_hash".into(), format!("{:016x}", perceptual_hash(image)).into());
    found
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A colour, and its share of the visible area.
type Shared = ([u8; 3], f64);

/// The mean colour, and the most frequent ones with the share of the visible area that each has, two decimals. Colours are
/// counted in cells of 16 levels a side; each cell stands for the mean of its pixels, and near neighbours of a more frequent
/// one are added to it.
fn colours(pixels: &[[u8; 4]]) -> (Option<[u8; 3]>, Vec<Shared>) {
    let mut cells: std::collections::BTreeMap<[u8; 3], [f64; 4]> = std::collections::BTreeMap::new();
    let mut whole = [0.0; 4];
    for [r, g, b, a] in pixels {
        let weight = f64::from(*a) / 255.0;
        let cell = cells.entry([r >> 4, g >> 4, b >> 4]).or_default();
        for (index, value) in [f64::from(*r), f64::from(*g), f64::from(*b), 1.0].into_iter().enumerate() {
            cell[index] += value * weight;
            whole[index] += value * weight;
        }
    }
    if whole[3] <= 0.0 {
        return (None, Vec::new());
    }
    let mean = |sum: &[f64; 4]| [sum[0] / sum[3], sum[1] / sum[3], sum[2] / sum[3]];
    let mut cells: Vec<[f64; 4]> = cells.into_values().filter(|cell| cell[3] > 0.0).collect();
    cells.sort_by(|a, b| b[3].total_cmp(&a[3]));
    let mut groups: Vec<[f64; 4]> = Vec::new();
    for cell in cells {
        let near = |group: &&mut [f64; 4]| {
            let (a, b) = (mean(group), mean(&cell));
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() < 40.0
        };
        match groups.iter_mut().find(near) {
            Some(group) => group.iter_mut().zip(cell).for_each(|(sum, value)| *sum += value),
            None => groups.push(cell),
        }
    }
    groups.sort_by(|a, b| b[3].total_cmp(&a[3]));
    let rounded = |sum: &[f64; 4]| mean(sum).map(|value| value.round() as u8);
    let share = |sum: &[f64; 4]| (sum[3] / whole[3] * 100.0).round() / 100.0;
    let told = groups.iter().take(COLOURS).map(|group| (rounded(group), share(group))).filter(|(_, share)| *share > 0.0);
    (Some(rounded(&whole)), told.collect())
}

/// The picture with no side above `most`: the mean of the pixels under each new one.
fn reduced(image: &Image, most: u32) -> (Vec<u8>, usize, usize) {
    let (width, height) = (image.width(), image.height());
    let longest = width.max(height);
    if longest <= most {
        return (image.data().to_vec(), width as usize, height as usize);
    }
    let side = |side: u32| (side * most / longest).max(1) as usize;
    let (wide, high) = (side(width), side(height));
    let (pixels, _) = image.data().as_chunks::<4>();
    let mut made = Vec::with_capacity(wide * high * 4);
    for y in 0..high {
        for x in 0..wide {
            let at = |index: usize, count: usize, whole: u32| index * whole as usize / count;
            let (left, right) = (at(x, wide, width), at(x + 1, wide, width));
            let (top, bottom) = (at(y, high, height), at(y + 1, high, height));
            let mut sum = [0_u32; 4];
            for row in top..bottom {
                for [r, g, b, a] in &pixels[row * width as usize + left..row * width as usize + right] {
                    let alpha = u32::from(*a);
                    let parts = [u32::from(*r) * alpha, u32::from(*g) * alpha, u32::from(*b) * alpha, alpha];
                    sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
                }
            }
            let count = ((right - left) * (bottom - top)).max(1) as u32;
            let alpha = sum[3].max(1);
            made.extend([sum[0] / alpha, sum[1] / alpha, sum[2] / alpha, sum[3] / count].map(|value| value as u8));
        }
    }
    (made, wide, high)
}

/// 64 bits of which similar pictures share most: the signs of the lowest 8 x 8 frequencies of a 32 x 32 grey version against
/// their median (the "pHash" of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010). The first
/// bit, of the mean, says nothing and is 0.
fn perceptual_hash(image: &Image) -> u64 {
    const SIDE: usize = 32;
    const LOW: usize = 8;
    let mut grey = [[0.0; SIDE]; SIDE];
    for (y, row) in grey.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = mean_luma(image, (x, y), SIDE);
        }
    }
    let wave =
        |frequency: usize, at: usize| (std::f64::consts::PI * frequency as f64 * (2 * at + 1) as f64 / (2 * SIDE) as f64).cos();
    let mut low = [0.0; LOW * LOW];
    for (index, value) in low.iter_mut().enumerate() {
        let (v, u) = (index / LOW, index % LOW);
        for (y, row) in grey.iter().enumerate() {
            *value += row.iter().enumerate().map(|(x, grey)| grey * wave(u, x)).sum::<f64>() * wave(v, y);
        }
    }
    let mut sorted = low[1..].to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    low.iter().enumerate().skip(1).filter(|(_, value)| **value > median).fold(0, |hash, (index, _)| hash | 1 << (63 - index))
}

/// Luma on white of one cell of a grid of `side` x `side`; at least one pixel of the picture lies in it.
fn mean_luma(image: &Image, cell: (usize, usize), side: usize) -> f64 {
    let span = |index: usize, whole: u32| {
        let whole = whole as usize;
        let from = (index * whole / side).min(whole - 1);
        (from, ((index + 1) * whole / side).clamp(from + 1, whole))
    };
    let ((left, right), (top, bottom)) = (span(cell.0, image.width()), span(cell.1, image.height()));
    let mut sum = 0.0;
    for y in top..bottom {
        for x in left..right {
            let at = (y * image.width() as usize + x) * 4;
            let sample = |channel: usize| f64::from(Bits8::get(image.data(), at + channel));
            let alpha = sample(3) / 255.0;
            sum += (0.299 * sample(0) + 0.587 * sample(1) + 0.114 * sample(2)) * alpha + 255.0 * (1.0 - alpha);
        }
    }
    sum / ((right - left) * (bottom - top)) as f64
}
