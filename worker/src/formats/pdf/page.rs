//! The data of a page's picture: a JPEG, or samples deflated with PNG's predictor, and alpha as a mask beside it.

use std::borrow::Cow;
use std::io::{Cursor, Write};

use ::flate2::Compression;
use ::flate2::write::ZlibEncoder;

use super::TITLE;
use crate::failure::Failure;
use crate::formats::support::encoding;
use crate::formats::{Decoded, EncodeOptions, jpg};
use crate::pixels::{Channels, Depth, Image};

/// A coded plane.
pub(super) enum Data<'a> {
    Jpeg(Cow<'a, [u8]>),
    /// Deflated, with the numbers of samples a pixel and pixels a row that undo the predictor.
    Flate {
        bytes: Vec<u8>,
        colors: usize,
        columns: u32,
    },
}

impl Data<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Jpeg(bytes) => bytes,
            Self::Flate { bytes, .. } => bytes,
        }
    }

    /// The entries that say how to decode it.
    pub(super) fn filter(&self) -> String {
        match self {
            Self::Jpeg(_) => "/Filter/DCTDecode".to_owned(),
            Self::Flate { colors, columns, .. } => {
                format!("/Filter/FlateDecode/DecodeParms<</Predictor 15/Colors {colors}/Columns {columns}>>")
            }
        }
    }
}

/// The picture of a page.
pub(super) struct Page<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) space: &'static str,
    pub(super) colors: Data<'a>,
    pub(super) mask: Option<Data<'static>>,
}

impl<'a> Page<'a> {
    /// Codes `image`; `jpeg` is a file of the very same picture, which is taken as it is.
    pub(super) fn of(image: &Image, jpeg: Option<&'a Vec<u8>>, options: &EncodeOptions) -> Result<Self, Failure> {
        if image.depth() != Depth::U8 {
            return Err(encoding(TITLE, "cannot write 16 bits a sample"));
        }
        let (width, height) = (image.width(), image.height());
        let channels = image.channels();
        let space = if channels.without_alpha() == Channels::Grey { "/DeviceGray" } else { "/DeviceRGB" };
        let count = channels.count();
        let (opaque, mask) = if channels.has_alpha() {
            let colors = image.data().chunks_exact(count).flat_map(|pixel| &pixel[..count - 1]).copied().collect();
            let opaque = Image::new(width, height, channels.without_alpha(), Depth::U8, colors)?;
            let alpha: Vec<u8> = image.data().chunks_exact(count).map(|pixel| pixel[count - 1]).collect();
            let says_something = alpha.iter().any(|&alpha| alpha != 255);
            (Cow::Owned(opaque), if says_something { Some(flate(&alpha, 1, width)?) } else { None })
        } else {
            (Cow::Borrowed(image), None)
        };
        let colors = match jpeg {
            Some(file) => Data::Jpeg(Cow::Borrowed(file.as_slice())),
            None if options.lossless => flate(opaque.data(), opaque.channels().count(), width)?,
            None => {
                let mut file = Cursor::new(Vec::new());
                jpg::encode(&Decoded::still(opaque.into_owned()), options, &mut file)?;
                Data::Jpeg(Cow::Owned(file.into_inner()))
            }
        };
        Ok(Self { width, height, space, colors, mask })
    }

    /// The dictionary of a picture of this size.
    pub(super) fn dictionary(&self, space: &str, filter: String) -> String {
        let (width, height) = (self.width, self.height);
        format!("/Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace{space}/BitsPerComponent 8{filter}")
    }
}

/// Deflates rows, each behind the difference to the one above (PNG's filter 2): cheap, and most of what a choice would gain.
fn flate(samples: &[u8], colors: usize, columns: u32) -> Result<Data<'static>, Failure> {
    let stride = colors * columns as usize;
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::new(6));
    let mut above = vec![0; stride];
    let mut row = vec![2; stride + 1];
    for line in samples.chunks_exact(stride) {
        for (target, (&sample, &before)) in row[1..].iter_mut().zip(line.iter().zip(&above)) {
            *target = sample.wrapping_sub(before);
        }
        above.copy_from_slice(line);
        packer.write_all(&row).map_err(|error| encoding(TITLE, error))?;
    }
    let bytes = packer.finish().map_err(|error| encoding(TITLE, error))?;
    Ok(Data::Flate { bytes, colors, columns })
}
