//! A WebP without what does not show, and where it is lossless, packed anew.

use std::io::Cursor;

use super::riff::{self, file_chunks};
use super::{TITLE, decode, encode};
use crate::failure::Failure;
use crate::formats::support::encoding;
use crate::formats::{DecodeOptions, Effort, EncodeOptions, Nature, RepackOptions};

/// Pixels beyond which the exact form is packed as well as by default and no better: it takes minutes.
const LARGE: u64 = 4_000_000;

/// Whether the picture, or every frame of it, is lossless.
pub(in crate::formats) fn nature(data: &[u8]) -> Nature {
    let mut exact = true;
    for (name, body) in file_chunks(data).map_while(Result::ok) {
        exact &= match &name {
            b"VP8 " => false,
            b"ANMF" => riff::chunks(body.get(16..).unwrap_or_default()).map_while(Result::ok).all(|(name, _)| &name != b"VP8 "),
            _ => true,
        };
    }
    if exact { Nature::Exact } else { Nature::Lossy }
}

/// Its own coding without what does not show, and where that is lossless, coded anew.
pub(in crate::formats) fn repack(data: &[u8], how: &RepackOptions) -> Result<Vec<Vec<u8>>, Failure> {
    let header = decode::probe(data, &how.limits)?;
    let size = (header.width, header.height);
    let dress = |webp: &[u8]| riff::with(webp, how.icc.as_deref(), &how.tags, size).map_err(|cause| encoding(TITLE, cause));
    let mut found = vec![if how.keep { data.to_vec() } else { dress(data)? }];
    if nature(data) == Nature::Exact && !how.keep {
        let wanted =
            DecodeOptions { limits: how.limits, all_frames: true, cancel: how.cancel.clone(), ..DecodeOptions::default() };
        let mut decoded = decode::decode(data, &wanted)?;
        decoded.icc = None;
        let pixels = u64::from(size.0) * u64::from(size.1) * u64::from(header.frames);
        let effort = if how.smallest && pixels <= LARGE { Effort::Small } else { Effort::Balanced };
        let options = EncodeOptions { exact: true, effort, cancel: how.cancel.clone(), ..EncodeOptions::default() };
        let mut out = Cursor::new(Vec::new());
        encode::encode(&decoded, &options, &mut out)?;
        found.push(dress(out.get_ref())?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{self, exif, icc, picture, still};
    use crate::formats::{Decoded, Frame, Tags};
    use crate::pixels::{Channels, Orientation};

    fn exact(decoded: &Decoded, tags: Tags) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        encode::encode(decoded, &EncodeOptions { exact: true, tags, ..EncodeOptions::default() }, &mut out)
            .expect("it is written");
        out.into_inner()
    }

    #[test]
    fn both_natures_keep_every_pixel() {
        for channels in [Channels::Rgb, Channels::Rgba] {
            let decoded = Decoded { icc: Some(icc(b"RGB ", 300)), ..still(picture(80, 50, channels)) };
            let tags = Tags { exif: Some(exif(6, true)[6..].to_vec()), xmp: Some("<x:xmpmeta/>".to_owned()) };
            let file = exact(&decoded, tags.clone());
            assert_eq!(testing::decode("webp", &file).frames, decoded.frames, "{channels:?}: exact");
            assert_eq!(nature(&file), Nature::Exact, "{channels:?}");
            let mut out = Cursor::new(Vec::new());
            encode::encode(&decoded, &EncodeOptions { tags, ..EncodeOptions::default() }, &mut out).expect("it is written");
            let lossy = out.into_inner();
            assert_eq!(nature(&lossy), Nature::Lossy, "{channels:?}");
            for (file, ways) in [(file, 2), (lossy, 1)] {
                let wanted = testing::decode("webp", &file);
                assert_eq!((wanted.orientation, wanted.icc.is_some()), (Orientation::Rotate90, true), "{channels:?}: as made");
                let bare = repack(&file, &RepackOptions::default()).expect("it is written");
                assert_eq!(bare.len(), ways, "{channels:?}");
                for bare in bare {
                    let found = testing::decode("webp", &bare);
                    assert_eq!((found.orientation, &found.icc), (Orientation::Upright, &None), "{channels:?}: bare");
                    assert_eq!(found.frames, wanted.frames, "{channels:?}: the same pixels");
                    assert!(bare.len() < file.len(), "{channels:?}");
                }
                let options = RepackOptions {
                    icc: wanted.icc.clone(),
                    tags: Tags::only_orientation(wanted.orientation),
                    ..RepackOptions::default()
                };
                for dressed in repack(&file, &options).expect("it is written") {
                    assert_eq!(testing::decode("webp", &dressed), wanted, "{channels:?}: colours and the way up are kept");
                    assert!(!dressed.windows(9).any(|window| window == b"x:xmpmeta"), "{channels:?}: no XMP");
                }
            }
        }
    }

    #[test]
    fn exact_animations_keep_their_frames() {
        let frame = |level: u8, delay_ms| {
            let mut image = picture(30, 20, Channels::Rgb);
            image.data_mut()[60..120].fill(level);
            Frame { image, delay_ms }
        };
        let decoded = Decoded {
            frames: vec![frame(0, 40), frame(90, 70), frame(200, 50)],
            loops: 2,
            ..still(picture(1, 1, Channels::Rgb))
        };
        let file = exact(&decoded, Tags::default());
        assert_eq!(nature(&file), Nature::Exact, "every frame");
        for found in repack(&file, &RepackOptions { smallest: true, ..RepackOptions::default() }).expect("it is written") {
            assert_eq!(testing::decode("webp", &found), decoded, "frames, delays and loops");
        }
    }
}
