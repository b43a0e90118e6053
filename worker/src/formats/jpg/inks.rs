//! Files of four inks (CMYK, YCCK): libjpeg-turbo gives the inks, and the profile, where there is one, their colours.

use ::turbojpeg::{Decompressor, PixelFormat};

use super::segments::Segments;
use super::{MAX_SCANS, TITLE};
use crate::failure::Failure;
use crate::formats::Header;
use crate::formats::support::{cmyk, damaged};
use crate::pixels::{Depth, Image};

/// The picture in sRGB, and the profile where it could not be used.
pub(super) fn decode(
    data: &[u8],
    segments: &Segments<'_>,
    header: &Header,
    icc: Option<Vec<u8>>,
) -> Result<(Image, Option<Vec<u8>>), Failure> {
    let fail = |error| damaged(TITLE, error);
    let mut decoder = Decompressor::new().map_err(Failure::internal)?;
    decoder.set_scan_limit(MAX_SCANS as u32).map_err(Failure::internal)?;
    let found = decoder.read_header(data).map_err(fail)?;
    let (width, height) = (header.width as usize, header.height as usize);
    if (found.width, found.height) != (width, height) {
        return Err(damaged(TITLE, "it has two contradicting headers"));
    }
    let mut inks = vec![0; width * height * 4];
    let target = ::turbojpeg::Image { pixels: inks.as_mut_slice(), width, pitch: width * 4, height, format: PixelFormat::CMYK };
    decoder.decompress(data, target).map_err(fail)?;
    if segments.adobe {
        inks.iter_mut().for_each(|ink| *ink = 255 - *ink);
    }
    let by_profile = icc.as_deref().and_then(|icc| cmyk::bytes_by_profile(&inks, icc));
    let used = by_profile.is_some();
    let rgb = by_profile.unwrap_or_else(|| cmyk::bytes(&inks));
    Ok((Image::new(header.width, header.height, header.channels, Depth::U8, rgb)?, icc.filter(|_| !used)))
}

#[cfg(test)]
mod tests {
    use ::turbojpeg::{Compressor, Subsamp};

    use super::*;
    use crate::formats::Decoded;
    use crate::formats::support::inputs::icc;
    use crate::formats::support::testing;

    /// Inks as files store them: as YCCK with Adobe's segment, where 255 is no ink.
    fn file(inks: [u8; 4], profile: Option<&[u8]>) -> Decoded {
        let pixels = inks.map(|ink| 255 - ink).repeat(256);
        let mut compressor = Compressor::new().expect("a compressor");
        compressor.set_quality(100).expect("a quality");
        compressor.set_subsamp(Subsamp::None).expect("no subsampling");
        let source =
            ::turbojpeg::Image { pixels: pixels.as_slice(), width: 16, pitch: 64, height: 16, format: PixelFormat::CMYK };
        let mut jpeg = compressor.compress_to_vec(source).expect("it is written");
        assert!(jpeg.windows(5).any(|text| text == b"Adobe"), "libjpeg says so itself");
        if let Some(profile) = profile {
            let body = [b"ICC_PROFILE\0\x01\x01", profile].concat();
            jpeg.splice(2..2, [&[0xff, 0xe2][..], &(body.len() as u16 + 2).to_be_bytes(), &body].concat());
        }
        testing::decode("jpg", &jpeg)
    }

    #[test]
    fn inks_become_colours_with_and_without_a_profile() {
        let near = |decoded: &Decoded, wanted: [u8; 3]| {
            let found = &decoded.frames[0].image.data()[..3];
            found.iter().zip(wanted).all(|(&found, wanted): (&u8, u8)| found.abs_diff(wanted) <= 5)
        };
        for (inks, wanted) in
            [([0; 4], [255; 3]), ([255, 0, 0, 0], [0, 255, 255]), ([0, 0, 255, 0], [255, 255, 0]), ([0, 0, 0, 255], [0; 3])]
        {
            assert!(near(&file(inks, None), wanted), "{inks:?}: {:?}", &file(inks, None).frames[0].image.data()[..3]);
        }
        let profile = icc::inks(|inks| match inks.iter().filter(|ink| **ink).count() {
            0 => [255, 128, 128],
            1 => [127, 128, 128],
            _ => [0, 128, 128],
        });
        let decoded = file([255, 0, 0, 0], Some(&profile));
        assert!(near(&decoded, [118; 3]), "{:?}", &decoded.frames[0].image.data()[..3]);
        assert_eq!(decoded.icc, None, "the profile is done with");
        assert_eq!(
            file([0; 4], Some(&profile[..200])).icc.map(|icc| icc.len()),
            Some(200),
            "a broken one is kept for the warning"
        );
    }
}
