//! The transfer function of sRGB as curves, for what is right in linear light alone.

use std::sync::{Arc, OnceLock};

use super::image::{Channels, Depth, Image};
use super::recording::Layer;
use crate::failure::Failure;

/// Points of a curve: one for each level of 16 bits.
const POINTS: u32 = 65_536;

/// Linear light of an encoded value, both 0 to 1 (IEC 61966-2-1:1999, 5.2).
fn decode(value: f64) -> f64 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// The inverse of [`decode`].
fn encode(value: f64) -> f64 {
    if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 }
}

/// Made once, shared by all recordings.
fn shared(once: &OnceLock<Layer>, function: fn(f64) -> f64) -> Result<Layer, Failure> {
    if let Some(layer) = once.get() {
        return Ok(Arc::clone(layer));
    }
    let point = |index: u32| (function(f64::from(index) / f64::from(POINTS - 1)) * 65_535.0).round() as u16;
    let data = (0..POINTS).flat_map(|index| point(index).to_ne_bytes()).collect();
    let layer = Arc::new(Image::new(POINTS, 1, Channels::Grey, Depth::U16, data)?);
    Ok(Arc::clone(once.get_or_init(|| layer)))
}

/// The curve from sRGB to linear light.
///
/// # Errors
/// None that could occur: the size of the curve is right.
pub(crate) fn to_linear() -> Result<Layer, Failure> {
    static CURVE: OnceLock<Layer> = OnceLock::new();
    shared(&CURVE, decode)
}

/// The curve from linear light to sRGB.
///
/// # Errors
/// None that could occur: the size of the curve is right.
pub(crate) fn to_srgb() -> Result<Layer, Failure> {
    static CURVE: OnceLock<Layer> = OnceLock::new();
    shared(&CURVE, encode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Cancel;
    use crate::pixels::{CpuLevel, GpuPolicy, Processor, Recording, Step};

    #[test]
    fn every_level_of_eight_bits_comes_back() {
        let image = Image::new(256, 1, Channels::Grey, Depth::U8, (0..=255).collect()).expect("the sizes match");
        let mut recording = Recording::new();
        let (there, back) = (recording.layer(to_linear().expect("a curve")), recording.layer(to_srgb().expect("a curve")));
        recording.push(Step::Curve { curve: there, depth: Depth::U16 });
        recording.push(Step::Curve { curve: back, depth: Depth::U8 });
        for level in CpuLevel::ALL {
            let cpu = Processor::new(level, GpuPolicy::Off).expect("the CPU is always there");
            let (found, _) = cpu.run(&recording, image.clone(), &Cancel::new()).expect("the steps fit");
            assert_eq!(found, image, "{level:?}");
        }
    }

    #[test]
    fn middle_grey_is_a_fifth_of_the_light() {
        let light = decode(128.0 / 255.0);
        assert!((light - 0.2158).abs() < 1e-4, "128 of 255 is {light} of the light");
        for value in [0.0, 0.001, 0.0031308, 0.2, 0.9, 1.0] {
            assert!((decode(encode(value)) - value).abs() < 1e-7, "{value} comes back");
        }
    }
}
