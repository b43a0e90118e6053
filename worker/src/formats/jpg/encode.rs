//! Writing JPEG by our own encoder, whose files are libjpeg-turbo's byte for byte: baseline or progressive, 4:2:0 or 4:4:4, optimised
//! Huffman tables.

use ::convertfly_jpeg::{Coding, Samples, Sampling, Source, WriteOptions, quality_steps};

use super::{TITLE, plain};
use crate::failure::Failure;
use crate::formats::support::{encoding, icc};
use crate::formats::{Decoded, Effort, EncodeOptions, WriteSeek};
use crate::pixels::{Channels, Depth};

pub(in crate::formats) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let image = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    options.cancel.check()?;
    let sampling = if options.full_chroma { Sampling::Full } else { Sampling::Half };
    let samples = match (image.channels(), image.depth()) {
        (Channels::Grey, Depth::U8) => Samples::Grey(image.data()),
        (Channels::Rgb, Depth::U8) => Samples::Rgb(image.data(), sampling),
        (channels, depth) => return Err(encoding(TITLE, format!("cannot write {channels:?} {depth:?}"))),
    };
    let source = Source { width: image.width(), height: image.height(), samples };
    let jpeg = bare(&source, options)?;
    let profile = icc::fitting(decoded.icc.as_deref(), image.channels());
    if profile.is_none() && options.tags.is_empty() {
        return out.write_all(&jpeg).map_err(|error| encoding(TITLE, error));
    }
    out.write_all(&plain::with(&jpeg, profile, &options.tags)).map_err(|error| encoding(TITLE, error))
}

/// The file of a picture alone.
pub(super) fn bare(source: &Source<'_>, options: &EncodeOptions) -> Result<Vec<u8>, Failure> {
    ::convertfly_jpeg::encode(source, &steps(options.quality), &how(options)).map_err(|error| encoding(TITLE, error))
}

/// The steps of quantisation at a quality.
pub(in crate::formats) fn steps(quality: u8) -> [[u16; 64]; 2] {
    [0, 1].map(|kind| quality_steps(kind, quality.clamp(1, 100)))
}

/// How coefficients are coded. Scans of growing fineness are smaller by some percent, and slower both ways; tables that are those of the standard make
/// files larger by 1 to 4 percent.
pub(super) fn how(options: &EncodeOptions) -> WriteOptions<'static> {
    let coding = match options.effort {
        Effort::Fast => Coding::Standard,
        Effort::Balanced => Coding::Optimized,
        Effort::Small => Coding::Progressive,
    };
    WriteOptions { coding, ..WriteOptions::default() }
}

#[cfg(test)]
mod tests {
    use ::turbojpeg::{Compressor, PixelFormat, Subsamp};

    use super::*;
    use crate::formats::support::testing::{picture, still};
    use crate::pixels::Image;

    fn theirs(image: &Image, options: &EncodeOptions) -> Vec<u8> {
        let (format, subsamp) = match image.channels() {
            Channels::Grey => (PixelFormat::GRAY, Subsamp::Gray),
            _ if options.full_chroma => (PixelFormat::RGB, Subsamp::None),
            _ => (PixelFormat::RGB, Subsamp::Sub2x2),
        };
        let mut compressor = Compressor::new().expect("a compressor");
        compressor.set_quality(options.quality.into()).expect("a quality");
        compressor.set_subsamp(subsamp).expect("a sampling");
        compressor.set_optimize(options.effort != Effort::Fast).expect("its own tables");
        compressor.set_progressive(options.effort == Effort::Small).expect("a coding");
        let (width, height, pitch) = (image.width() as usize, image.height() as usize, image.stride());
        let source = ::turbojpeg::Image { pixels: image.data(), width, pitch, height, format };
        compressor.compress_to_vec(source).expect("it is written")
    }

    #[test]
    fn files_are_those_of_libjpeg() {
        for channels in [Channels::Grey, Channels::Rgb] {
            let image = picture(211, 99, channels);
            let efforts = [Effort::Fast, Effort::Balanced, Effort::Small];
            for (full_chroma, effort) in [false, true].into_iter().flat_map(|full| efforts.map(|effort| (full, effort))) {
                // At 1 and at 100 both tables of quantisation are the same; we write it once.
                for quality in [5, 12, 50, 85, 99] {
                    let options = EncodeOptions { quality, full_chroma, effort, ..EncodeOptions::default() };
                    let mut ours = std::io::Cursor::new(Vec::new());
                    encode(&still(image.clone()), &options, &mut ours).expect("it is written");
                    let same = ours.into_inner() == theirs(&image, &options);
                    assert!(same, "{channels:?}, quality {quality}, full chroma {full_chroma}, {effort:?}");
                }
            }
        }
    }
}
