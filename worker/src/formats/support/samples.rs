//! Sample plumbing: byte order, and dropping an alpha that says nothing.

use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Image};

/// Turns big-endian 16-bit samples into native ones, in place.
pub(in crate::formats) fn from_big_endian(data: &mut [u8]) {
    if cfg!(target_endian = "little") {
        for pair in data.chunks_exact_mut(2) {
            pair.swap(0, 1);
        }
    }
}

/// A copy of native 16-bit samples in big-endian order.
pub(in crate::formats) fn to_big_endian(data: &[u8]) -> Vec<u8> {
    let mut copy = data.to_vec();
    from_big_endian(&mut copy);
    copy
}

/// Whether every pixel of an 8-bit RGBA buffer is opaque.
pub(in crate::formats) fn is_opaque(rgba: &[u8]) -> bool {
    rgba.chunks_exact(4).all(|pixel| pixel[3] == 255)
}

/// 8-bit RGB from 8-bit RGBA, alpha left out.
pub(in crate::formats) fn without_alpha(rgba: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.chunks_exact(4) {
        rgb.extend_from_slice(&pixel[..3]);
    }
    rgb
}

/// 8-bit RGBA from 8-bit RGB.
pub(in crate::formats) fn with_alpha(rgb: &[u8]) -> Vec<u8> {
    let mut rgba = Vec::with_capacity(rgb.len() / 3 * 4);
    for pixel in rgb.chunks_exact(3) {
        rgba.extend_from_slice(&[pixel[0], pixel[1], pixel[2], 255]);
    }
    rgba
}

/// Wraps 8-bit RGBA pixels as an image; RGB where `opaque`.
///
/// # Errors
/// [`Failure::Internal`] when the length does not match.
pub(in crate::formats) fn image_of_rgba(width: u32, height: u32, rgba: Vec<u8>, opaque: bool) -> Result<Image, Failure> {
    if opaque {
        Image::new(width, height, Channels::Rgb, Depth::U8, without_alpha(&rgba))
    } else {
        Image::new(width, height, Channels::Rgba, Depth::U8, rgba)
    }
}

/// Divides the colours of an image with alpha by their alpha, in place; colours without any become black.
pub(in crate::formats) fn straighten(image: &mut Image) {
    if !image.channels().has_alpha() {
        return;
    }
    let (count, depth) = (image.channels().count(), image.depth());
    let divide = |value: u32, alpha: u32, max: u32| {
        // u64: 65,535 squared and the half do not fit into 32 bits.
        let scaled = (u64::from(value) * u64::from(max) + u64::from(alpha) / 2).checked_div(alpha.into());
        scaled.map_or(0, |scaled| scaled.min(max.into()) as u32)
    };
    for pixel in image.data_mut().chunks_exact_mut(count * depth.bytes()) {
        match depth {
            Depth::U8 => {
                let alpha = pixel[count - 1];
                pixel[..count - 1].iter_mut().for_each(|value| *value = divide((*value).into(), alpha.into(), 255) as u8);
            }
            Depth::U16 => {
                let (colors, alpha) = pixel.split_at_mut((count - 1) * 2);
                let alpha = u16::from_ne_bytes([alpha[0], alpha[1]]);
                for value in colors.chunks_exact_mut(2) {
                    let sample = u16::from_ne_bytes([value[0], value[1]]);
                    value.copy_from_slice(&(divide(sample.into(), alpha.into(), 65_535) as u16).to_ne_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_divided_by_alpha() {
        let mut image =
            Image::new(3, 1, Channels::Rgba, Depth::U8, vec![50, 60, 128, 128, 9, 9, 9, 0, 7, 8, 255, 255]).expect("3 pixels");
        straighten(&mut image);
        assert_eq!(image.data(), [100, 120, 255, 128, 0, 0, 0, 0, 7, 8, 255, 255], "8 bits");
        let words = |values: [u16; 4]| values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<u8>>();
        let mut image = Image::new(2, 1, Channels::GreyAlpha, Depth::U16, words([16_384, 32_768, 5, 65_535])).expect("2 pixels");
        straighten(&mut image);
        assert_eq!(image.data(), words([32_768, 32_768, 5, 65_535]), "16 bits");
    }
}
