//! A JPEG file with other entropy coding: its coefficients stay, and with them every pixel.

use ::convertfly_jpeg::{self as jpeg, Coding, Coefficients, WriteOptions};

use super::segments::{self, Segments};
use super::{MAX_SCANS, TITLE, plain};
use crate::failure::Failure;
use crate::formats::support::encoding;
use crate::formats::{Nature, RepackOptions};

/// Inks have no encoder here.
pub(in crate::formats) fn nature(data: &[u8]) -> Nature {
    match Segments::read(data) {
        Ok(segments) if segments.components != 4 => Nature::Lossy,
        _ => Nature::Fixed,
    }
}

/// Its own coding without metadata, and the two others that readers know: progressive, and sequential with tables of its own.
pub(in crate::formats) fn repack(data: &[u8], options: &RepackOptions) -> Result<Vec<Vec<u8>>, Failure> {
    let bare = if options.keep { None } else { plain::bare(data) };
    if bare.is_none() && !options.keep {
        return Err(encoding(TITLE, "the file is not made of segments"));
    }
    let source = bare.as_deref().unwrap_or(data);
    // Of inks, whose colours the profile decides, decoding gives none.
    let inks = Segments::read(data).ok().filter(|segments| segments.components == 4);
    let icc = match inks {
        Some(segments) => segments.icc(&options.limits)?,
        None => options.icc.clone(),
    };
    let dress = |jpeg: &[u8]| if options.keep { jpeg.to_vec() } else { plain::with(jpeg, icc.as_deref(), &options.tags) };
    let mut found = vec![dress(source)];
    let limits = jpeg::Limits { side: options.limits.side, pixels: options.limits.pixels, scans: MAX_SCANS as u32 };
    // A file in which something had to be guessed stays as it is.
    let sound = |read: &Coefficients| read.sound && read.complete;
    let Some(read) = Coefficients::read(source, &limits).ok().filter(sound) else { return Ok(found) };
    let beside = if options.keep { segments::beside(source) } else { Vec::new() };
    for coding in [Coding::Progressive, Coding::Optimized] {
        options.cancel.check()?;
        let how = WriteOptions { coding, segments: &beside, ..WriteOptions::default() };
        let Ok(jpeg) = read.write(&how) else { continue };
        found.push(dress(&jpeg));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use ::turbojpeg::{PixelFormat, Subsamp};

    use super::*;
    use crate::formats::Tags;
    use crate::formats::support::testing::{decode, encode, exif, picture, still};
    use crate::pixels::{Channels, Orientation};

    #[test]
    fn other_coding_leaves_every_pixel_and_takes_fewer_bytes() {
        for channels in [Channels::Rgb, Channels::Grey] {
            // With the tables of the standard, as cameras write them.
            let image = picture(123, 77, channels);
            let (format, subsamp) =
                if channels == Channels::Rgb { (PixelFormat::RGB, Subsamp::Sub2x2) } else { (PixelFormat::GRAY, Subsamp::Gray) };
            let (width, height, pitch) = (123, 77, image.stride());
            let source = ::turbojpeg::Image { pixels: image.data(), width, pitch, height, format };
            let jpeg = ::turbojpeg::compress(source, 90, subsamp).expect("it is written").to_vec();
            let tagged = plain::with(&jpeg, None, &Tags { exif: Some(exif(6, true)[6..].to_vec()), xmp: None });
            let wanted = decode("jpg", &tagged);
            assert_eq!(wanted.orientation, Orientation::Rotate90, "as made");
            let options = RepackOptions { tags: Tags::only_orientation(wanted.orientation), ..RepackOptions::default() };
            let found = repack(&tagged, &options).expect("it is written");
            assert_eq!(found.len(), 3, "bare, progressive, sequential");
            for file in &found {
                assert_eq!(decode("jpg", file), wanted, "{channels:?}: the same picture the same way up");
            }
            let sizes: Vec<usize> = found.iter().map(Vec::len).collect();
            assert!(sizes[2] < sizes[0], "{channels:?}: {sizes:?}");
        }
    }

    #[test]
    fn what_is_to_be_kept_is_kept() {
        let jpeg = encode("jpg", &still(picture(60, 40, Channels::Rgb)));
        let tags = Tags { exif: Some(exif(3, false)[6..].to_vec()), xmp: Some("<x:xmpmeta>here</x:xmpmeta>".to_owned()) };
        let tagged = plain::with(&jpeg, None, &tags);
        let options = RepackOptions { keep: true, ..RepackOptions::default() };
        for file in repack(&tagged, &options).expect("it is written") {
            let segments = Segments::read(&file).expect("segments");
            assert_eq!(segments.exif, Some(&exif(3, false)[..]), "EXIF");
            assert!(file.windows(10).any(|window| window == b"<x:xmpmeta"), "XMP");
        }
    }
}
