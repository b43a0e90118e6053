//! Pictures to measure with, the same every time.

use std::sync::Arc;

use convertfly_worker::pixels::{Channels, Depth, Image, Layer};

/// xorshift32, G. Marsaglia 2003.
fn random(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

/// Noise, since no kernel's time depends on what a picture shows.
pub fn noise(width: u32, height: u32, channels: Channels) -> Image {
    let mut state = 1u32;
    let data = (0..width as usize * height as usize * channels.count()).map(|_| random(&mut state) as u8);
    Image::new(width, height, channels, Depth::U8, data.collect()).expect("the length fits the size")
}

/// Smooth parts, edges and the noise of a sensor: what codecs meet in photos.
pub fn scene(width: u32, height: u32) -> Image {
    let mut state = 7u32;
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let noisy = (x / 500 + y / 400) % 2 == 0;
            let edge = if (x / 160 + y / 120) % 7 == 0 { 40.0 } else { 0.0 };
            for channel in 0..3u32 {
                let wave = (f64::from(x * (channel + 2)) / 90.0).sin() * 50.0 + (f64::from(y) / 130.0).cos() * 45.0;
                let grain = if noisy { f64::from(random(&mut state) % 24) - 12.0 } else { 0.0 };
                data.push((115.0 + wave + edge + grain) as u8);
            }
        }
    }
    Image::new(width, height, Channels::Rgb, Depth::U8, data).expect("the length fits the size")
}

/// A curve, three curves, a table of colours with 33 points a channel, and a mark; as with photos, no time depends on the values.
pub fn layers() -> Vec<Layer> {
    let ramp = |width: u32, height: u32, channels: Channels| {
        let count = u64::from(width) * u64::from(height) * channels.count() as u64;
        let data = (0..count).flat_map(|index| ((index * 65_535 / count) as u16).to_ne_bytes()).collect();
        Arc::new(Image::new(width, height, channels, Depth::U16, data).expect("the length fits the size"))
    };
    let mark = Arc::new(noise(256, 128, Channels::Rgba));
    vec![ramp(65_536, 1, Channels::Grey), ramp(65_536, 1, Channels::Rgb), ramp(33 * 33, 33, Channels::Rgb), mark]
}
