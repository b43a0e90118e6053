//! The border of one colour around a picture.

use super::Rectangle;
use crate::pixels::samples::{Bits8, Bits16, Samples};
use crate::pixels::{Depth, Image};

/// The smallest rectangle that holds every pixel, of any frame, that differs from the top left pixel of the first one by more than
/// `threshold` levels of 255 in some channel, colours multiplied by alpha. `None` where none does: a picture of one colour has no
/// border.
pub(in crate::engines::image) fn inside_of_border<'a>(
    frames: impl IntoIterator<Item = &'a Image>,
    threshold: f32,
) -> Option<Rectangle> {
    let mut frames = frames.into_iter().peekable();
    let border = shown(frames.peek()?, 0);
    let mut found: Option<[u32; 4]> = None;
    for frame in frames {
        let differs = |index: u32| {
            let pixel = shown(frame, index);
            pixel.iter().zip(&border).any(|(a, b)| (a - b).abs() > threshold)
        };
        let (width, height) = (frame.width(), frame.height());
        for y in 0..height {
            let row = |x: u32| differs(y * width + x);
            // Between the outermost columns found so far nothing can move them any more.
            let (left, right) = found.map_or((width, 0), |[left, _, right, _]| (left, right));
            let first = (0..left).find(|&x| row(x));
            let last = (right.max(first.unwrap_or(0))..width).rev().find(|&x| row(x));
            let middle = || (left..right).any(row);
            if first.is_some() || last.is_some() || middle() {
                let [l, t, r, b] = found.unwrap_or([width, y, 0, y]);
                let (l, r) = (first.map_or(l, |x| x.min(l)), last.map_or(r, |x| r.max(x + 1)));
                found = Some([l, t.min(y), r, b.max(y + 1)]);
            }
        }
    }
    found.map(|[left, top, right, bottom]| Rectangle { x: left, y: top, width: right - left, height: bottom - top })
}

/// A pixel as red, green, blue and alpha, levels of 255, colours multiplied by alpha.
fn shown(image: &Image, pixel: u32) -> [f32; 4] {
    let count = image.channels().count();
    let sample = |channel: usize| {
        let index = pixel as usize * count + channel;
        match image.depth() {
            Depth::U8 => Bits8::get(image.data(), index) as f32,
            Depth::U16 => Bits16::get(image.data(), index) as f32 / 257.0,
        }
    };
    let alpha = if image.channels().has_alpha() { sample(count - 1) } else { 255.0 };
    let color = |channel: usize| sample(channel) * alpha / 255.0;
    if count <= 2 { [color(0), color(0), color(0), alpha] } else { [color(0), color(1), color(2), alpha] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Channels;

    fn grey(width: u32, height: u32, data: Vec<u8>) -> Image {
        Image::new(width, height, Channels::Grey, Depth::U8, data).expect("the sizes match")
    }

    fn brute(images: &[Image], threshold: f32) -> Option<Rectangle> {
        let first = f32::from(images[0].data()[0]);
        let mut places = Vec::new();
        for image in images {
            for (index, sample) in image.data().iter().enumerate() {
                if (f32::from(*sample) - first).abs() > threshold {
                    places.push((index as u32 % image.width(), index as u32 / image.width()));
                }
            }
        }
        let (left, top) = (places.iter().map(|p| p.0).min()?, places.iter().map(|p| p.1).min()?);
        let (right, bottom) = (places.iter().map(|p| p.0).max()?, places.iter().map(|p| p.1).max()?);
        Some(Rectangle { x: left, y: top, width: right - left + 1, height: bottom - top + 1 })
    }

    #[test]
    fn the_rectangle_is_the_smallest_one() {
        let mut state = 7u32;
        for round in 0..400 {
            let (width, height) = (1 + round % 9, 1 + round / 3 % 7);
            let frames: Vec<Image> = (0..1 + round % 2)
                .map(|_| {
                    let data = (0..width * height).map(|index| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        if index > 0 && state >> 29 == 0 { (state >> 20) as u8 } else { 100 }
                    });
                    grey(width, height, data.collect())
                })
                .collect();
            for threshold in [0.0, 30.0] {
                assert_eq!(inside_of_border(&frames, threshold), brute(&frames, threshold), "{frames:?} at {threshold}");
            }
        }
    }

    #[test]
    fn what_differs_by_the_threshold_alone_is_border() {
        let image = grey(3, 1, vec![100, 110, 111]);
        let found = inside_of_border([&image], 10.0);
        assert_eq!(found, Some(Rectangle { x: 2, y: 0, width: 1, height: 1 }), "10 is border, 11 is not");
    }

    #[test]
    fn color_hidden_under_transparency_is_border() {
        let data = vec![1, 2, 3, 0, 200, 9, 50, 0, 1, 2, 3, 255];
        let image = Image::new(3, 1, Channels::Rgba, Depth::U8, data).expect("the sizes match");
        let found = inside_of_border([&image], 10.0);
        assert_eq!(found, Some(Rectangle { x: 2, y: 0, width: 1, height: 1 }), "nothing shows of the second pixel");
        let deep: Vec<u8> = [0u16, 257 * 10, 257 * 11].iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        let image = Image::new(3, 1, Channels::Grey, Depth::U16, deep).expect("the sizes match");
        let found = inside_of_border([&image], 10.0);
        assert_eq!(found, Some(Rectangle { x: 2, y: 0, width: 1, height: 1 }), "16 bits in levels of 255");
    }
}
