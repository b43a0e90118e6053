//! Where people look: detail, skin and saturated colours, as J. Wagner's smartcrop.js (2014) weighs them, on a small version.
//!
//! All sums are of whole numbers, so that the same picture gives the same place on every machine.

use crate::failure::Failure;
use crate::formats::Cancel;
use crate::pixels::{Channels, Depth, Filter, Image, Processor, Recording, Step};

/// Longer side of the version that is looked at, pixels.
const SIDE: u32 = 256;

/// Skin of average lightness, as a direction: red, green, blue of length 1. From smartcrop.js.
const SKIN: [f32; 3] = [0.78, 0.57, 0.44];

/// Where a part of `part` pixels of `image` holds most of what people look at: its left and top edge. Among equals the one nearest
/// to the middle.
///
/// # Errors
/// As [`Processor::run`].
pub(in crate::engines::image) fn place(
    image: &Image,
    part: (u32, u32),
    processor: &Processor,
    cancel: &Cancel,
) -> Result<(u32, u32), Failure> {
    let (width, height) = (image.width(), image.height());
    let small = reduce(image, processor, cancel)?;
    let sums = Sums::of(&saliency(&small), small.width(), small.height());
    let window = |part: u32, whole: u32, small: u32| {
        let scaled = (u64::from(part) * u64::from(small) + u64::from(whole) / 2) / u64::from(whole);
        (scaled as u32).clamp(1, small)
    };
    let (wide, high) = (window(part.0, width, small.width()), window(part.1, height, small.height()));
    let free = (small.width() - wide, small.height() - high);
    let mut best = ((0, 0), 0, u32::MAX);
    for y in 0..=free.1 {
        for x in 0..=free.0 {
            // What lies well inside counts twice: it is not to be cut at the edge.
            let inset = (wide / 8, high / 8);
            let score = sums.of_rectangle(x, y, wide, high)
                + sums.of_rectangle(x + inset.0, y + inset.1, wide - 2 * inset.0, high - 2 * inset.1);
            let distance = (2 * x).abs_diff(free.0) + (2 * y).abs_diff(free.1);
            if score > best.1 || (score == best.1 && distance < best.2) {
                best = ((x, y), score, distance);
            }
        }
    }
    let back = |at: u32, free: u32, left: u32| {
        if free == 0 { left / 2 } else { ((u64::from(at) * u64::from(left) + u64::from(free) / 2) / u64::from(free)) as u32 }
    };
    Ok((back(best.0.0, free.0, width - part.0.min(width)), back(best.0.1, free.1, height - part.1.min(height))))
}

/// The version that is looked at, 8-bit RGBA.
fn reduce(image: &Image, processor: &Processor, cancel: &Cancel) -> Result<Image, Failure> {
    let longest = image.width().max(image.height());
    let mut recording = Recording::new();
    if longest > SIDE {
        let side = |side: u32| ((u64::from(side) * u64::from(SIDE) / u64::from(longest)) as u32).max(1);
        recording.push(Step::Resize { width: side(image.width()), height: side(image.height()), filter: Filter::Box });
    }
    recording.push(Step::Convert { channels: Channels::Rgba, depth: Depth::U8 });
    Ok(processor.run(&recording, image.clone(), cancel)?.0)
}

/// How much each pixel is looked at, 0 to about 500,000.
fn saliency(image: &Image) -> Vec<u64> {
    let (pixels, _) = image.data().as_chunks::<4>();
    let (width, height) = (image.width() as usize, image.height() as usize);
    // Levels times 1000, multiplied by alpha: what is not seen is not looked at.
    let luma: Vec<i64> = pixels
        .iter()
        .map(|&[r, g, b, a]| (299 * i64::from(r) + 587 * i64::from(g) + 114 * i64::from(b)) * i64::from(a) / 255)
        .collect();
    let at = |x: usize, y: usize| luma[y.min(height - 1) * width + x.min(width - 1)];
    let mut found = Vec::with_capacity(pixels.len());
    for (index, &[r, g, b, a]) in pixels.iter().enumerate() {
        let (x, y) = (index % width, index / width);
        let around = at(x.saturating_sub(1), y) + at(x + 1, y) + at(x, y.saturating_sub(1)) + at(x, y + 1);
        let detail = ((4 * luma[index] - around).unsigned_abs() / 1000).min(255);
        let (skin, saturation) = (skin(r, g, b), saturation(r, g, b));
        // The weights of smartcrop.js, times 1000: detail 0.2, skin 1.8, saturation 0.1; the last two count more where there is
        // detail.
        let score = 200 * detail + 1800 * skin * (detail + 2) / 255 + 100 * saturation * (detail + 51) / 255;
        found.push(score * u64::from(a) / 255);
    }
    found
}

/// How much a colour is like skin, 0 to 255.
fn skin(r: u8, g: u8, b: u8) -> u64 {
    let color = [r, g, b].map(f32::from);
    let length = (color[0] * color[0] + color[1] * color[1] + color[2] * color[2]).sqrt();
    let lightness = (299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1000;
    if length == 0.0 || lightness < 51 {
        return 0;
    }
    let difference = color.iter().zip(SKIN).map(|(value, skin)| (value / length - skin).powi(2)).sum::<f32>().sqrt();
    // From 0.2 on it is none.
    ((1.0 - difference / 0.2).max(0.0) * 255.0) as u64
}

/// How saturated a colour is beyond two fifths, 0 to 255; neither very dark nor very light ones.
fn saturation(r: u8, g: u8, b: u8) -> u64 {
    let (most, least) = (u32::from(r.max(g).max(b)), u32::from(r.min(g).min(b)));
    let lightness = (most + least) / 2;
    if most == least || !(13..=229).contains(&lightness) {
        return 0;
    }
    // Saturation of HSL.
    let all = if most + least > 255 { 510 - most - least } else { most + least };
    let saturation = (most - least) * 255 / all.max(1);
    u64::from(saturation.saturating_sub(102) * 255 / 153)
}

/// Sums over all rectangles (F. C. Crow, "Summed-area tables for texture mapping", 1984).
struct Sums {
    width: usize,
    sums: Vec<u64>,
}

impl Sums {
    fn of(values: &[u64], width: u32, height: u32) -> Self {
        let width = width as usize + 1;
        let mut sums = vec![0; width * (height as usize + 1)];
        for (index, value) in values.iter().enumerate() {
            let (x, y) = (index % (width - 1) + 1, index / (width - 1) + 1);
            sums[y * width + x] = value + sums[y * width + x - 1] + sums[(y - 1) * width + x] - sums[(y - 1) * width + x - 1];
        }
        Self { width, sums }
    }

    fn of_rectangle(&self, x: u32, y: u32, width: u32, height: u32) -> u64 {
        let at = |x: u32, y: u32| self.sums[y as usize * self.width + x as usize];
        at(x + width, y + height) + at(x, y) - at(x, y + height) - at(x + width, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{CpuLevel, GpuPolicy};

    fn cpu() -> Processor {
        Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there")
    }

    /// A grey ground with a square of `color` whose middle is at `at`.
    fn scene(size: (u32, u32), at: (u32, u32), color: [u8; 3]) -> Image {
        let inside = |x: u32, y: u32| x.abs_diff(at.0) < 20 && y.abs_diff(at.1) < 20;
        let data = (0..size.0 * size.1).flat_map(|index| {
            let (x, y) = (index % size.0, index / size.0);
            if inside(x, y) { color } else { [120, 122, 121] }
        });
        Image::new(size.0, size.1, Channels::Rgb, Depth::U8, data.collect()).expect("the sizes match")
    }

    #[test]
    fn the_part_that_stays_holds_what_stands_out() {
        for color in [[255, 255, 255], [220, 30, 30], [214, 157, 121]] {
            for at in [(50, 150), (300, 150), (560, 150)] {
                let (x, y) = place(&scene((600, 300), at, color), (300, 300), &cpu(), &Cancel::new()).expect("it is found");
                assert_eq!(y, 0, "there is no other way down");
                assert!(
                    x <= at.0.saturating_sub(20) && at.0 + 20 <= x + 300 + 1,
                    "{color:?} at {at:?} is whole in {x}..{}",
                    x + 300
                );
            }
        }
    }

    #[test]
    fn skin_counts_more_than_a_hard_edge_of_the_same_size() {
        let mut image = scene((600, 300), (80, 150), [214, 157, 121]);
        let other = scene((600, 300), (520, 150), [150, 150, 150]);
        let right = 300 * 3;
        for (row, from) in image.data_mut().chunks_exact_mut(1800).zip(other.data().chunks_exact(1800)) {
            row[right..].copy_from_slice(&from[right..]);
        }
        let (x, _) = place(&image, (200, 300), &cpu(), &Cancel::new()).expect("it is found");
        assert!(x < 100, "the face is on the left, the part starts at {x}");
    }

    #[test]
    fn a_picture_of_one_color_is_cut_in_the_middle_and_transparency_is_not_looked_at() {
        let plain = Image::new(90, 30, Channels::Grey, Depth::U8, vec![9; 2700]).expect("the sizes match");
        assert_eq!(place(&plain, (30, 30), &cpu(), &Cancel::new()), Ok((30, 0)), "the middle");
        // Noise on the left that is not seen at all, a spot on the right that is.
        let data = (0..2700u32).flat_map(|index| match (index % 90, index / 90) {
            (x, _) if x < 45 => [(index.wrapping_mul(2_654_435_761) >> 24) as u8, 0],
            (80, 15) => [255, 255],
            _ => [9, 255],
        });
        let image = Image::new(90, 30, Channels::GreyAlpha, Depth::U8, data.collect()).expect("the sizes match");
        let (x, _) = place(&image, (30, 30), &cpu(), &Cancel::new()).expect("it is found");
        assert!((51..=60).contains(&x), "the spot at 80 stays: {x}");
    }

    #[test]
    fn every_part_lies_within_the_picture() {
        for (width, height, part) in
            [(1, 1, (1, 1)), (1000, 3, (1, 3)), (16_000, 2, (15_999, 2)), (3, 700, (3, 699)), (700, 500, (100, 100))]
        {
            let image = Image::zeroed(crate::pixels::Shape { width, height, channels: Channels::Rgb, depth: Depth::U8 })
                .expect("it fits");
            let (x, y) = place(&image, part, &cpu(), &Cancel::new()).expect("it is found");
            assert!(x + part.0 <= width && y + part.1 <= height, "{width}x{height}: {x},{y} of {part:?}");
        }
    }
}
