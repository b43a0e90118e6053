//! Samples of an image by index, whatever their depth.

use super::image::{Depth, Image};
use crate::failure::Failure;

/// The sample at `index`, counted over the whole image. A depth in the type lets loops over it compile to straight code.
pub(crate) trait Samples {
    /// Greatest value of a sample.
    const MAX: u32;
    /// Bytes of a sample.
    const BYTES: usize;
    /// Reads; `index` lies within `data`.
    fn get(data: &[u8], index: usize) -> u32;
    /// Writes the low bits of `value`; `index` lies within `data`.
    fn set(data: &mut [u8], index: usize, value: u32);
}

/// Samples of 8 bits.
pub(crate) struct Bits8;
/// Samples of 16 bits, native byte order.
pub(crate) struct Bits16;

impl Samples for Bits8 {
    const MAX: u32 = 0xff;
    const BYTES: usize = 1;

    #[inline(always)]
    fn get(data: &[u8], index: usize) -> u32 {
        u32::from(data[index])
    }

    #[inline(always)]
    fn set(data: &mut [u8], index: usize, value: u32) {
        data[index] = value as u8;
    }
}

impl Samples for Bits16 {
    const MAX: u32 = 0xffff;
    const BYTES: usize = 2;

    #[inline(always)]
    fn get(data: &[u8], index: usize) -> u32 {
        u32::from(u16::from_ne_bytes([data[index * 2], data[index * 2 + 1]]))
    }

    #[inline(always)]
    fn set(data: &mut [u8], index: usize, value: u32) {
        data[index * 2..index * 2 + 2].copy_from_slice(&(value as u16).to_ne_bytes());
    }
}

/// The 8-bit `value` at `depth`: 255 becomes the greatest value.
pub(crate) fn widen(value: u8, depth: Depth) -> u32 {
    match depth {
        Depth::U8 => u32::from(value),
        Depth::U16 => u32::from(value) * 257,
    }
}

/// Checks that `dst` is what the kernel said that it would make.
pub(crate) fn expect_shape(dst: &Image, shape: super::image::Shape) -> Result<(), Failure> {
    if dst.shape() == shape {
        return Ok(());
    }
    Err(Failure::internal(format!("a kernel that makes {shape:?} was given {:?} to write to", dst.shape())))
}
