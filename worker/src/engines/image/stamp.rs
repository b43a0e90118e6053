//! The word TEST all over a picture: what a test key makes is free, and of no use but for tests.

use crate::pixels::{Depth, Image, samples};
use samples::{Bits8, Bits16, Samples};

/// The letters of the word, seven rows of five dots each, the leftmost dot in the highest of five bits.
const LETTERS: [[u8; 7]; 4] = [T, E, S, T];
const T: [u8; 7] = [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100];
const E: [u8; 7] = [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111];
const S: [u8; 7] = [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110];

/// Dots from one word to the next, across and down: the word is 23 by 7, and some room.
const ACROSS: u32 = 29;
const DOWN: u32 = 13;

/// Writes the word over the whole picture, at least twice across where there is room. The first dot lies in the first pixel, so
/// that the smallest picture is marked, too. Each pixel is drawn towards white where it is dark and towards black where it is
/// light, whatever its alpha: the word shows on every ground.
pub(super) fn mark(image: &mut Image) {
    match image.depth() {
        Depth::U8 => mark_samples::<Bits8>(image),
        Depth::U16 => mark_samples::<Bits16>(image),
    }
}

/// Whether the dot at this place belongs to a letter. Every second row of words is shifted by half a word.
fn is_inked(across: u32, down: u32) -> bool {
    let (row, y) = (down / DOWN, down % DOWN);
    let x = (across + (row % 2) * (ACROSS / 2)) % ACROSS;
    let (letter, column) = ((x / 6) as usize, x % 6);
    let Some(letter) = LETTERS.get(letter) else { return false };
    column < 5 && letter.get(y as usize).is_some_and(|dots| dots >> (4 - column) & 1 == 1)
}

fn mark_samples<S: Samples>(image: &mut Image) {
    let (width, height, channels) = (image.width(), image.height(), image.channels());
    let (count, colours) = (channels.count(), channels.without_alpha().count());
    let dot = (width / (2 * ACROSS)).min(height / (2 * DOWN)).max(1);
    let data = image.data_mut();
    for y in 0..height {
        for x in (0..width).filter(|x| is_inked(x / dot, y / dot)) {
            let at = (y as usize * width as usize + x as usize) * count;
            let alpha = if channels.has_alpha() { S::get(data, at + colours) } else { S::MAX };
            ink::<S>(data, at, colours, alpha);
            if channels.has_alpha() {
                S::set(data, at + colours, (4 * S::MAX + alpha) / 5);
            }
        }
    }
}

/// Four fifths of ink over what is there.
fn ink<S: Samples>(data: &mut [u8], at: usize, colours: usize, alpha: u32) {
    let (max, alpha) = (u64::from(S::MAX), u64::from(alpha));
    // What the eye sees of the pixel on white paper.
    let sum: u64 = (0..colours).map(|c| u64::from(S::get(data, at + c)) * alpha + (max - alpha) * max).sum();
    let ink = if sum * 2 < max * max * colours as u64 { max } else { 0 };
    for c in 0..colours {
        let there = u64::from(S::get(data, at + c));
        let blended = (4 * max * ink + alpha * there) / (4 * max + alpha);
        S::set(data, at + c, u32::try_from(blended).unwrap_or(S::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Channels;

    fn plain(width: u32, height: u32, channels: Channels, depth: Depth, byte: u8) -> Image {
        let bytes = width as usize * height as usize * channels.count() * depth.bytes();
        Image::new(width, height, channels, depth, vec![byte; bytes]).expect("an image")
    }

    /// The word as it stands in the first pixels of a marked picture.
    fn drawn(image: &Image) -> String {
        let row = |y: u32| -> String {
            (0..23).map(|x| if image.data()[(y * image.width() + x) as usize] > 99 { '#' } else { ' ' }).collect()
        };
        (0..7).map(|y| row(y).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_word_can_be_read() {
        let mut image = plain(40, 10, Channels::Grey, Depth::U8, 0);
        mark(&mut image);
        let word = "##### #####  #### #####\n  #   #     #       #\n  #   #     #       #\n  #   ####   ###    #\n  #   #         #   #\n  #   #         #   #\n  #   ##### ####    #";
        assert_eq!(drawn(&image), word, "dot for dot");
    }

    #[test]
    fn it_shows_on_every_ground_in_every_layout_down_to_one_pixel() {
        for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba] {
            for depth in [Depth::U8, Depth::U16] {
                for byte in [0, 1, 127, 128, 254, 255] {
                    for (width, height) in [(1, 1), (3, 2), (64, 64), (300, 200)] {
                        let ground = plain(width, height, channels, depth, byte);
                        let mut marked = ground.clone();
                        mark(&mut marked);
                        let first = |image: &Image| -> Vec<u8> { image.data()[..channels.count() * depth.bytes()].to_vec() };
                        assert_ne!(first(&marked), first(&ground), "{channels:?} {depth:?} {byte} {width}x{height}");
                        let mut again = ground.clone();
                        mark(&mut again);
                        assert_eq!(marked, again, "the same each time");
                    }
                }
            }
        }
    }

    #[test]
    fn a_transparent_picture_shows_it_too() {
        let mut image = plain(1, 1, Channels::Rgba, Depth::U8, 0);
        mark(&mut image);
        assert_eq!(image.data(), [0, 0, 0, 204], "black ink, four fifths of it");
    }

    #[test]
    fn about_a_sixth_of_a_large_picture_is_covered() {
        let mut image = plain(1000, 800, Channels::Grey, Depth::U8, 255);
        mark(&mut image);
        let inked = image.data().iter().filter(|&&sample| sample < 128).count();
        assert!((80_000..240_000).contains(&inked), "of 800,000 pixels {inked} are inked");
    }
}
