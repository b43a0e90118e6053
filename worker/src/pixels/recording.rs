//! A recording: the list of kernels that turns a decoded image into the one to encode.
//!
//! A recording holds no pixels and no device; the scalar, SIMD and GPU interpreters run the same list.

use serde::{Deserialize, Serialize};

use super::image::{Channels, Depth};

/// EXIF orientation: what has to be done to the stored pixels to show them upright (EXIF 2.32, tag 0x0112).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Orientation {
    /// 1: nothing.
    #[default]
    Upright,
    /// 2: mirror left-right.
    FlipHorizontal,
    /// 3: turn by 180 degrees.
    Rotate180,
    /// 4: mirror top-bottom.
    FlipVertical,
    /// 5: mirror along the main diagonal.
    Transpose,
    /// 6: turn by 90 degrees clockwise.
    Rotate90,
    /// 7: mirror along the other diagonal.
    Transverse,
    /// 8: turn by 270 degrees clockwise.
    Rotate270,
}

impl Orientation {
    /// From the value of the EXIF tag, 1 to 8; anything else is upright.
    pub fn from_exif(value: u16) -> Self {
        match value {
            2 => Self::FlipHorizontal,
            3 => Self::Rotate180,
            4 => Self::FlipVertical,
            5 => Self::Transpose,
            6 => Self::Rotate90,
            7 => Self::Transverse,
            8 => Self::Rotate270,
            _ => Self::Upright,
        }
    }

    /// Whether width and height trade places.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }
}

/// How `width` and `height` together are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Exactly that size; the aspect ratio gives way.
    #[default]
    Scale,
    /// The largest size of the same aspect ratio that fits inside; never enlarges.
    Max,
    /// Exactly that size; what overlaps is cut off around the centre.
    Crop,
    /// Exactly that size; the whole image, centred on the background.
    Pad,
}

/// Resampling filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Lanczos windowed sinc with three lobes.
    #[default]
    Lanczos3,
    /// Box: the mean of the covered area.
    Box,
}

/// One kernel with its parameters. Rectangles and sizes are in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Turn or mirror.
    Orient {
        /// What to do.
        orientation: Orientation,
    },
    /// Resample to `width` x `height`, alpha premultiplied meanwhile.
    Resize {
        /// New pixels a row.
        width: u32,
        /// New rows.
        height: u32,
        /// Resampling filter.
        filter: Filter,
    },
    /// Cut out a rectangle that lies within the image.
    Crop {
        /// Left edge.
        x: u32,
        /// Top edge.
        y: u32,
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Place on a larger canvas of one colour.
    Pad {
        /// Left edge of the image on the canvas.
        x: u32,
        /// Top edge of the image on the canvas.
        y: u32,
        /// Canvas pixels a row.
        width: u32,
        /// Canvas rows.
        height: u32,
        /// Canvas colour, 8-bit sRGB with alpha.
        color: [u8; 4],
    },
    /// Blend onto one opaque colour and drop alpha. Without alpha: nothing.
    Flatten {
        /// 8-bit sRGB.
        color: [u8; 3],
    },
    /// Convert channels and depth. Colour to grey by ITU-R BT.601 luma weights as JFIF uses; dropping alpha here discards it.
    Convert {
        /// Wanted channels.
        channels: Channels,
        /// Wanted depth.
        depth: Depth,
    },
}

/// The list of kernels, run first to last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The kernels.
    pub steps: Vec<Step>,
}

impl Recording {
    /// An empty recording: the image as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }
}
