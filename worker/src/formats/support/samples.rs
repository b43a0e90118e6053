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
