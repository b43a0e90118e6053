//! Pictures as brightness and colour, each a plane of its own: between formats that hold them so, nothing needs to become red, green and blue.

use std::sync::Arc;

pub(crate) use ::convertfly_jpeg::Range;
use ::convertfly_jpeg::{Packed, PackedPlane, Scale, Turn};

use super::{EncodeOptions, Format, Known, Limits, jpg, webp};
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::pixels::Orientation;

/// Brightness, and both colours at half the resolution, rounded up, where there are any. Of BT.601 in the range that was asked for, each sample of colour in the
/// middle of its four pixels, as JFIF has it; rows without padding.
pub(crate) struct Planes {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// One or three.
    pub(crate) samples: Vec<Vec<u8>>,
    /// By how much the decoder shrank the picture before it was resampled.
    pub(crate) reduction: u32,
}

/// What finds the colour profile in a file, or that there is none; nothing for files of other colours.
type Profile = fn(&[u8], &Limits) -> Result<Option<Option<Vec<u8>>>, Failure>;

/// What gives the picture at a size, resampled by Lanczos' filter and then turned; nothing for a file that has to go through its pixels after all.
/// What other tasks on the file know of it serves here as well.
type Decode = fn(&[u8], (u32, u32), Orientation, Range, &Limits, Option<&Known>, &Cancel) -> Result<Option<Planes>, Failure>;

/// A picture as its coefficients, from which a GPU can make the planes of a size: the same as [`Decode`] does.
pub(crate) struct Coefficients {
    pub(crate) packed: Arc<Packed>,
    /// At which scale of the transform.
    pub(crate) scale: Scale,
    /// What that shrinks the picture by.
    pub(crate) reduction: u32,
    pub(crate) turn: Option<Turn>,
}

/// What gives the coefficients of a picture that is wanted at a size, and then turned; nothing for a file that has to go through its pixels.
type Read = fn(&[u8], (u32, u32), Orientation, &Limits, Option<&Known>, &Cancel) -> Result<Option<Coefficients>, Failure>;

/// What makes a file of the coefficients of planes of that size: the same as [`Encode`] does of those planes.
type Write = fn(&[PackedPlane], (u32, u32), &EncodeOptions) -> Result<Vec<u8>, Failure>;

/// What makes a file; nothing where it needs colours, and there are none.
type Encode = fn(&Planes, &EncodeOptions) -> Result<Option<Vec<u8>>, Failure>;

/// A format whose pictures can be had as planes.
pub(crate) struct PlaneSource {
    pub(crate) format: &'static Format,
    pub(crate) profile: Profile,
    pub(crate) decode: Decode,
    pub(crate) read: Read,
}

/// A format whose files can be made of planes.
pub(crate) struct PlaneTarget {
    pub(crate) format: &'static Format,
    /// Of the planes that it takes.
    pub(crate) range: Range,
    pub(crate) encode: Encode,
    pub(crate) coefficients: Option<CoefficientTarget>,
}

/// A format whose files can be made of coefficients.
#[derive(Clone, Copy)]
pub(crate) struct CoefficientTarget {
    /// The steps by which they are divided at a quality, of brightness and of colour.
    pub(crate) steps: fn(u8) -> [[u16; 64]; 2],
    pub(crate) write: Write,
}

/// Every format whose pictures can be had as planes.
pub(crate) static PLANE_SOURCES: &[PlaneSource] =
    &[PlaneSource { format: &jpg::FORMAT, profile: jpg::planes::profile, decode: jpg::planes::decode, read: jpg::planes::read }];

/// Every format whose files can be made of them.
pub(crate) static PLANE_TARGETS: &[PlaneTarget] = &[
    PlaneTarget {
        format: &jpg::FORMAT,
        range: Range::Full,
        encode: jpg::planes::encode,
        coefficients: Some(CoefficientTarget { steps: jpg::planes::steps, write: jpg::planes::write }),
    },
    PlaneTarget { format: &webp::FORMAT, range: Range::Video, encode: webp::encode_planes, coefficients: None },
];
