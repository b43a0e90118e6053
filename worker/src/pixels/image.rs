//! An image in memory.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Channels of a pixel, in this order in memory. Alpha is straight, never premultiplied, at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// One: luminance.
    Grey,
    /// Two: luminance, alpha.
    GreyAlpha,
    /// Three: red, green, blue.
    Rgb,
    /// Four: red, green, blue, alpha.
    Rgba,
}

impl Channels {
    /// How many samples a pixel has.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Whether the last sample is alpha.
    pub fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }

    /// The same colour without alpha.
    pub fn without_alpha(self) -> Self {
        match self {
            Self::Grey | Self::GreyAlpha => Self::Grey,
            Self::Rgb | Self::Rgba => Self::Rgb,
        }
    }
}

/// Bits of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// 8 bits, 0 to 255.
    U8,
    /// 16 bits, 0 to 65535, native byte order.
    U16,
}

impl Depth {
    /// Bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
        }
    }
}

/// What an image is like, without its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Pixels a row; never 0.
    pub width: u32,
    /// Rows; never 0.
    pub height: u32,
    /// Layout of a pixel.
    pub channels: Channels,
    /// Depth of a sample.
    pub depth: Depth,
}

impl Shape {
    /// Pixels.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Samples, or `None` where that does not fit a `usize`.
    pub fn samples(self) -> Option<usize> {
        usize::try_from(self.pixels()).ok()?.checked_mul(self.channels.count())
    }

    /// Bytes, or `None` where that does not fit a `usize`.
    pub fn bytes(self) -> Option<usize> {
        self.samples()?.checked_mul(self.depth.bytes())
    }
}

/// A packed image: rows top to bottom without padding, samples interleaved, sRGB-encoded, alpha straight.
///
/// A clone has the same pixels in memory until one of them is changed, so that tasks that read one file can have its picture each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    channels: Channels,
    depth: Depth,
    data: Arc<Vec<u8>>,
}

impl Image {
    /// Wraps `data` of exactly `width * height * channels * depth` bytes.
    ///
    /// # Errors
    /// [`Failure::Internal`] when a side is zero or the length does not match: a fault of the caller.
    pub fn new(width: u32, height: u32, channels: Channels, depth: Depth, data: Vec<u8>) -> Result<Self, Failure> {
        let expected = Self::byte_size(width, height, channels, depth);
        if width == 0 || height == 0 || u64::try_from(data.len()).ok() != expected {
            return Err(Failure::internal(format!(
                "an image of {width}x{height} {channels:?} {depth:?} needs {expected:?} bytes, got {}",
                data.len()
            )));
        }
        Ok(Self { width, height, channels, depth, data: Arc::new(data) })
    }

    /// An image of zeros.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] when the memory cannot be had: the request for it fails, the process does not die of it.
    /// [`Failure::Internal`] when a side is zero.
    pub fn zeroed(shape: Shape) -> Result<Self, Failure> {
        let too_large = || {
            Failure::too_large(format!(
                "A result of {}x{} pixels does not fit the memory of a task. Ask for a smaller width or height",
                shape.width, shape.height
            ))
        };
        let bytes = shape.bytes().ok_or_else(too_large)?;
        let mut data = Vec::new();
        data.try_reserve_exact(bytes).map_err(|_| too_large())?;
        data.resize(bytes, 0);
        Self::new(shape.width, shape.height, shape.channels, shape.depth, data)
    }

    /// Size and layout.
    pub fn shape(&self) -> Shape {
        Shape { width: self.width, height: self.height, channels: self.channels, depth: self.depth }
    }

    /// Bytes that such an image takes; `None` where that overflows.
    pub fn byte_size(width: u32, height: u32, channels: Channels, depth: Depth) -> Option<u64> {
        u64::from(width).checked_mul(u64::from(height))?.checked_mul((channels.count() * depth.bytes()) as u64)
    }

    /// Pixels a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Layout of a pixel.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Depth of a sample.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// The bytes, rows top to bottom.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, to change in place; copied before, where a clone has them as well.
    pub fn data_mut(&mut self) -> &mut [u8] {
        Arc::<Vec<u8>>::make_mut(&mut self.data)
    }

    /// Gives the bytes away.
    pub fn into_data(self) -> Vec<u8> {
        Arc::unwrap_or_clone(self.data)
    }

    /// Bytes of a row.
    pub fn stride(&self) -> usize {
        self.width as usize * self.channels.count() * self.depth.bytes()
    }
}
