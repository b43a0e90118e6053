//! JPEG from and to planes of another size: a way that leaves out what colours would cost, and what they would lose.

use ::convertfly_jpeg::{Color, PackedPlane, Planes as Decoded, Samples, Sampling, Source};

pub(in crate::formats) use super::encode::steps;
use super::encode::{bare, how};
use super::segments::Segments;
use super::{TITLE, header, limits as own_limits, plain, reduction, rewrite, scale, shared};
use crate::failure::Failure;
use crate::formats::planes::{Coefficients, Planes, Range};
use crate::formats::support::encoding;
use crate::formats::{Cancel, EncodeOptions, Known, Limits};
use crate::pixels::Orientation;

/// See `PlaneSource`; files of inks, or without their end, are not read.
pub(in crate::formats) fn profile(data: &[u8], limits: &Limits) -> Result<Option<Option<Vec<u8>>>, Failure> {
    let segments = Segments::read(data)?;
    if !matches!(segments.components, 1 | 3) || !segments.is_complete(data) {
        return Ok(None);
    }
    segments.icc(limits).map(Some)
}

/// See `PlaneSource`; files that are not sound, or whose components are red, green and blue, are not read.
pub(in crate::formats) fn decode(
    data: &[u8],
    size: (u32, u32),
    orientation: Orientation,
    range: Range,
    limits: &Limits,
    known: Option<&Known>,
    cancel: &Cancel,
) -> Result<Option<Planes>, Failure> {
    let segments = Segments::read(data)?;
    let header = header(&segments, limits)?;
    cancel.check()?;
    let reduction = reduction(&header, size).unwrap_or(1);
    let (scale, turn) = (scale(reduction), rewrite::turn(orientation));
    // What is broken, or of a kind that is not known there, is for the decoders of pixels to judge.
    let found = match shared::coefficients(data, &header, known, cancel)? {
        Some(coefficients) => Decoded::resized_of(&coefficients, scale, size, turn, Sampling::Half, range),
        None => Decoded::resized(data, scale, size, turn, Sampling::Half, range, &own_limits(&header)).ok().flatten(),
    };
    let Some(Decoded { frame, planes }) = found else { return Ok(None) };
    if (frame.width, frame.height) != (header.width, header.height) {
        return Ok(None);
    }
    let samples = planes.into_iter().map(|plane| plane.data).collect();
    let (width, height) = if orientation.swaps_sides() { (size.1, size.0) } else { size };
    Ok(Some(Planes { width, height, samples, reduction }))
}

/// See `PlaneTarget`.
pub(in crate::formats) fn encode(planes: &Planes, options: &EncodeOptions) -> Result<Option<Vec<u8>>, Failure> {
    options.cancel.check()?;
    let samples = match &planes.samples[..] {
        [grey] => Samples::Grey(grey),
        [y, cb, cr] => Samples::YCbCr([y, cb, cr], Sampling::Half),
        _ => return Err(encoding(TITLE, "planes of other colours")),
    };
    let jpeg = bare(&Source { width: planes.width, height: planes.height, samples }, options)?;
    Ok(Some(tagged(jpeg, options)))
}

fn tagged(jpeg: Vec<u8>, options: &EncodeOptions) -> Vec<u8> {
    if options.tags.is_empty() { jpeg } else { plain::with(&jpeg, None, &options.tags) }
}

/// See `PlaneSource`; of the same files as [`decode`].
pub(in crate::formats) fn read(
    data: &[u8],
    size: (u32, u32),
    orientation: Orientation,
    limits: &Limits,
    known: Option<&Known>,
    cancel: &Cancel,
) -> Result<Option<Coefficients>, Failure> {
    let header = header(&Segments::read(data)?, limits)?;
    cancel.check()?;
    let Some(packed) = shared::packed(data, &header, known, cancel)? else { return Ok(None) };
    let frame = &packed.frame;
    if !matches!(frame.color(), Color::Grey | Color::YCbCr) || (frame.width, frame.height) != (header.width, header.height) {
        return Ok(None);
    }
    let reduction = reduction(&header, size).unwrap_or(1);
    Ok(Some(Coefficients { scale: scale(reduction), reduction, turn: rewrite::turn(orientation), packed }))
}

/// See `CoefficientTarget`.
pub(in crate::formats) fn write(planes: &[PackedPlane], size: (u32, u32), options: &EncodeOptions) -> Result<Vec<u8>, Failure> {
    options.cancel.check()?;
    let jpeg = ::convertfly_jpeg::encode_packed(size, planes, Sampling::Half, &steps(options.quality), &how(options));
    jpeg.map(|jpeg| tagged(jpeg, options)).map_err(|error| encoding(TITLE, error))
}
