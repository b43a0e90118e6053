//! A recording: the list of kernels that turns a decoded image into the one to encode.
//!
//! A recording holds no pixels and no device; the scalar, SIMD and GPU interpreters run the same list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::image::{Channels, Depth, Image, Shape};
use crate::failure::Failure;

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

    /// The value of the EXIF tag, 1 to 8.
    pub fn to_exif(self) -> u16 {
        match self {
            Self::Upright => 1,
            Self::FlipHorizontal => 2,
            Self::Rotate180 => 3,
            Self::FlipVertical => 4,
            Self::Transpose => 5,
            Self::Rotate90 => 6,
            Self::Transverse => 7,
            Self::Rotate270 => 8,
        }
    }

    /// Whether width and height trade places.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }

    /// All eight.
    const ALL: [Self; 8] = [
        Self::Upright,
        Self::FlipHorizontal,
        Self::Rotate180,
        Self::FlipVertical,
        Self::Transpose,
        Self::Rotate90,
        Self::Transverse,
        Self::Rotate270,
    ];

    /// Where it takes the unit vectors (x to the right, y down): the columns of an orthogonal matrix.
    fn axes(self) -> [(i8, i8); 2] {
        match self {
            Self::Upright => [(1, 0), (0, 1)],
            Self::FlipHorizontal => [(-1, 0), (0, 1)],
            Self::Rotate180 => [(-1, 0), (0, -1)],
            Self::FlipVertical => [(1, 0), (0, -1)],
            Self::Transpose => [(0, 1), (1, 0)],
            Self::Rotate90 => [(0, 1), (-1, 0)],
            Self::Transverse => [(0, -1), (-1, 0)],
            Self::Rotate270 => [(0, -1), (1, 0)],
        }
    }

    /// The one turn that does the same as this one and `next` after it.
    pub fn then(self, next: Self) -> Self {
        let [right, down] = next.axes();
        let turned = self.axes().map(|(x, y)| (x * right.0 + y * down.0, x * right.1 + y * down.1));
        // The eight are closed under composition (the dihedral group of the square), so one of them matches.
        Self::ALL.into_iter().find(|one| one.axes() == turned).unwrap_or(Self::Upright)
    }
}

/// Which part of an image stays when it is cropped, or where it lies when it is padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// The middle.
    #[default]
    Center,
    /// The middle of the top edge.
    North,
    /// The top right corner.
    Northeast,
    /// The middle of the right edge.
    East,
    /// The bottom right corner.
    Southeast,
    /// The middle of the bottom edge.
    South,
    /// The bottom left corner.
    Southwest,
    /// The middle of the left edge.
    West,
    /// The top left corner.
    Northwest,
    /// What people look at, found in the pixels; the middle where nothing is to be cut.
    Smart,
}

impl Gravity {
    /// Names in requests.
    pub const NAMES: [&str; 10] =
        ["center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "smart"];

    /// How the space that is over is divided: halves of it to the left and above, 0 to 2 each.
    pub fn halves(self) -> (u32, u32) {
        match self {
            Self::Center | Self::Smart => (1, 1),
            Self::North => (1, 0),
            Self::Northeast => (2, 0),
            Self::East => (2, 1),
            Self::Southeast => (2, 2),
            Self::South => (1, 2),
            Self::Southwest => (0, 2),
            Self::West => (0, 1),
            Self::Northwest => (0, 0),
        }
    }

    /// The same division in the stored pixels of an image that `orientation` turns upright.
    pub fn stored_halves(self, orientation: Orientation) -> (u32, u32) {
        let (x, y) = self.halves();
        match orientation {
            Orientation::Upright => (x, y),
            Orientation::FlipHorizontal => (2 - x, y),
            Orientation::Rotate180 => (2 - x, 2 - y),
            Orientation::FlipVertical => (x, 2 - y),
            Orientation::Transpose => (y, x),
            Orientation::Rotate90 => (y, 2 - x),
            Orientation::Transverse => (2 - y, 2 - x),
            Orientation::Rotate270 => (2 - y, x),
        }
    }
}

/// How `width` and `height` together are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Exactly that size; the aspect ratio gives way.
    #[default]
    Scale,
    /// The largest size of the same aspect ratio that fits inside; does not enlarge unless told to.
    Max,
    /// Exactly that size; what overlaps is cut off, the part at the gravity stays.
    Crop,
    /// Exactly that size; the whole image, at the gravity on the background.
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
    /// Blur by a Gaussian, alpha premultiplied meanwhile.
    Blur {
        /// Its standard deviation in pixels.
        sigma: f32,
    },
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
    /// Strengthen what differs from its surroundings: an unsharp mask on the luma, so that hues stay and no edge gets a colour.
    Sharpen {
        /// Standard deviation of the Gaussian that tells the surroundings, in pixels.
        sigma: f32,
        /// How much of the difference is added: 1 doubles it.
        amount: f32,
        /// How much of a difference does not count, in levels of 255.
        threshold: f32,
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
    /// Take colours through a curve; alpha only changes its depth.
    Curve {
        /// The layer that holds the curve: one row of 16-bit grey, or of 16-bit RGB for a curve each; straight between its values.
        curve: u32,
        /// Wanted depth.
        depth: Depth,
    },
    /// Take each colour channel through its curve, and what that gives through a table over all colours.
    Lut {
        /// The layer that holds the curves: one row of 16-bit RGB, straight between its values, which are places in the table.
        curves: u32,
        /// The layer that holds the table: n rows of n x n pixels of 16-bit RGB; red runs along n pixels, green along the next n, blue
        /// down. Its words are those of [`crate::pixels::lut`].
        table: u32,
    },
    /// Take each colour channel through its curve, all three through a matrix, and each through the curve of the result.
    Matrix {
        /// The layer that holds the curves: one row of 16-bit RGB, straight between its values.
        curves: u32,
        /// Rows of the matrix: red, green and blue of the result.
        matrix: [f32; 9],
        /// The layer that holds the curve of the result: one row of 16-bit grey.
        out: u32,
    },
    /// Blend onto one opaque colour and drop alpha. Without alpha: nothing.
    Flatten {
        /// 8-bit sRGB.
        color: [u8; 3],
    },
    /// Place a layer over or under the image; what reaches beyond the image is cut off.
    Overlay {
        /// Position among the recording's layers. Its channels and depth may differ from the image's.
        layer: u32,
        /// Left edge of the layer on the image; may be negative.
        x: i32,
        /// Top edge of the layer on the image; may be negative.
        y: i32,
        /// What the layer's alpha is multiplied by, of 255.
        opacity: u8,
        /// Pixels from one copy to the next, across and down, at least the layer's size; `None` is a single copy.
        every: Option<(u32, u32)>,
        /// Under the image: it shows where the image is transparent.
        below: bool,
    },
    /// Convert channels and depth. Colour to grey by ITU-R BT.601 luma weights as JFIF uses; dropping alpha here discards it.
    Convert {
        /// Wanted channels.
        channels: Channels,
        /// Wanted depth.
        depth: Depth,
    },
}

/// Pixels that a step reads beside the image that it changes: what is overlaid, or a table of colours in the form of an image.
pub type Layer = Arc<Image>;

/// The list of kernels, run first to last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The kernels.
    pub steps: Vec<Step>,
    /// What steps refer to by position. One picture or table can serve many steps and many frames.
    pub layers: Vec<Layer>,
}

impl Recording {
    /// An empty recording: the image as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the steps make of an image like `src`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when a step does not fit.
    pub fn output(&self, src: Shape) -> Result<Shape, Failure> {
        self.steps.iter().try_fold(src, |shape, step| crate::kernels::of(step).output(step, shape))
    }

    /// Keeps a layer; gives the position by which steps name it.
    pub fn layer(&mut self, layer: Layer) -> u32 {
        self.layers.push(layer);
        u32::try_from(self.layers.len() - 1).unwrap_or(u32::MAX)
    }

    /// Adds a step.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }
}
