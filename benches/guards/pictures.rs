//! Pictures to work on, the same every time.

use std::sync::Arc;

use crate::pixels::{Channels, Depth, Image, Layer};

/// xorshift32, G. Marsaglia 2003.
pub(crate) fn random(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

/// Noise.
pub(crate) fn noise(width: u32, height: u32, channels: Channels) -> Image {
    let mut state = 1;
    let data = (0..width as usize * height as usize * channels.count()).map(|_| random(&mut state) as u8);
    Image::new(width, height, channels, Depth::U8, data.collect()).expect("the length fits the size")
}

/// A curve, three curves, a table of colours with 33 points a channel, and a mark.
pub(crate) fn layers() -> Vec<Layer> {
    let ramp = |width: u32, height: u32, channels: Channels| {
        let count = u64::from(width) * u64::from(height) * channels.count() as u64;
        let data = (0..count).flat_map(|index| ((index * 65_535 / count) as u16).to_ne_bytes()).collect();
        Arc::new(Image::new(width, height, channels, Depth::U16, data).expect("the length fits the size"))
    };
    let mark = Arc::new(noise(128, 64, Channels::Rgba));
    vec![ramp(65_536, 1, Channels::Grey), ramp(65_536, 1, Channels::Rgb), ramp(33 * 33, 33, Channels::Rgb), mark]
}
