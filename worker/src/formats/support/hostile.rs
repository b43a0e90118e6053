//! Files that lie: each must be refused, quickly and with little memory, and none may panic.

use proptest::prelude::*;

use crate::failure::Failure;
use crate::formats::support::testing::{decode, encode, icc, picture, still};
use crate::formats::{DecodeOptions, Decoded, FORMATS, Format, Frame, Limits, by_name, sniff};
use crate::pixels::{Channels, Image, Orientation};

fn format(name: &str) -> &'static Format {
    by_name(name).expect("a known format")
}

/// The formats that are read.
fn readable() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().copied().filter(|format| format.decode.is_some())
}

fn probe(name: &str, data: &[u8]) -> Result<crate::formats::Header, Failure> {
    (format(name).decode.expect("a decoder").probe)(data, &Limits::default())
}

/// A file that claims `width` x `height`: the header of a small real one, changed in place.
fn claiming(name: &str, width: u32, height: u32) -> Vec<u8> {
    let mut data = encode(name, &still(picture(16, 16, Channels::Rgb)));
    let original = data.clone();
    let find = |needle: &[u8]| original.windows(needle.len()).position(|window| window == needle).expect("it is in there");
    match name {
        "png" => {
            data[16..20].copy_from_slice(&width.to_be_bytes());
            data[20..24].copy_from_slice(&height.to_be_bytes());
            let mut crc = !0u32;
            for byte in &data[12..29] {
                crc ^= u32::from(*byte);
                for _ in 0..8 {
                    crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
                }
            }
            data[29..33].copy_from_slice(&(!crc).to_be_bytes());
        }
        "bmp" => {
            data[18..22].copy_from_slice(&width.to_le_bytes());
            data[22..26].copy_from_slice(&height.to_le_bytes());
        }
        "gif" => {
            data[6..8].copy_from_slice(&(width as u16).to_le_bytes());
            data[8..10].copy_from_slice(&(height as u16).to_le_bytes());
        }
        "jpg" => {
            let at = find(&[0xff, 0xc0]);
            data[at + 5..at + 7].copy_from_slice(&(height as u16).to_be_bytes());
            data[at + 7..at + 9].copy_from_slice(&(width as u16).to_be_bytes());
        }
        "tiff" => {
            for (tag, value) in [(256u16, width), (257, height)] {
                let at = find(&[tag.to_le_bytes(), 4u16.to_le_bytes()].concat());
                data[at + 8..at + 12].copy_from_slice(&value.to_le_bytes());
            }
        }
        "webp" => {
            let size = (width.min(16_383) as u16, height.min(16_383) as u16);
            let at = find(&[0x9d, 0x01, 0x2a]);
            data[at + 3..at + 5].copy_from_slice(&size.0.to_le_bytes());
            data[at + 5..at + 7].copy_from_slice(&size.1.to_le_bytes());
        }
        "svg" => {
            let text = String::from_utf8(data).expect("a text");
            let size = format!("width=\"{width}\" height=\"{height}\"");
            data = text.replace("width=\"16\" height=\"16\"", &size).into_bytes();
        }
        "avif" | "heic" => {
            // Every size that a box states, the alpha's and the tiles' included.
            let places = original.windows(8).enumerate().filter(|(_, window)| window == b"ispe\0\0\0\0").map(|(at, _)| at + 8);
            for at in places {
                data[at..at + 4].copy_from_slice(&width.to_be_bytes());
                data[at + 4..at + 8].copy_from_slice(&height.to_be_bytes());
            }
        }
        // An icon of a PNG lies where that does; 22 bytes lie before it.
        "ico" => {
            let png = claiming("png", width, height);
            data.splice(22.., png);
            let length = ((data.len() - 22) as u32).to_le_bytes();
            data[14..18].copy_from_slice(&length);
        }
        "jxl" => {
            // Sides of 30 bits behind the signature: not in eighths, height, no ratio, width (ISO/IEC 18181-1, SizeHeader).
            let bits = 0b110 | u128::from(height.wrapping_sub(1)) << 3 | 0b11 << 36 | u128::from(width.wrapping_sub(1)) << 38;
            data.truncate(2);
            data.extend(bits.to_le_bytes());
        }
        other => panic!("no way to make a {other} lie"),
    }
    data
}

#[test]
fn pixel_floods_are_refused_at_the_header() {
    for format in readable() {
        for (width, height) in [(30_000, 30_000), (16_000, 16_000), (65_000, 1)] {
            // WebP has no room for longer sides than the limit.
            if format.name == "webp" && height == 1 {
                continue;
            }
            let data = claiming(format.name, width, height);
            match probe(format.name, &data) {
                Err(Failure::TooLarge { message }) => {
                    assert!(message.contains("the limit is") && message.contains(" x "), "{}: {message}", format.name);
                }
                other => panic!("{} of {width} x {height} gave {other:?}", format.name),
            }
        }
        // These have no room for a side of zero.
        if !matches!(format.name, "webp" | "jxl") {
            let empty = probe(format.name, &claiming(format.name, 0, 16));
            assert!(matches!(empty, Err(Failure::Invalid { .. } | Failure::Unsupported { .. })), "{}: {empty:?}", format.name);
        }
    }
    let message = match probe("png", &claiming("png", 10_001, 10_000)) {
        Err(failure) => failure.to_string(),
        Ok(header) => panic!("just over the limit gave {header:?}"),
    };
    assert_eq!(message, "The image is 10001 x 10000 pixels (100 MP); the limit is 100 MP. Resize it first", "the numbers");
    assert!(probe("png", &claiming("png", 10_000, 10_000)).is_ok(), "the limit itself is allowed");
}

#[test]
fn floods_of_frames_are_refused() {
    let frame = |index: u8| {
        let mut image = picture(100, 100, Channels::Rgb);
        // Unlike enough that no encoder takes two frames for one.
        image.data_mut().iter_mut().for_each(|sample| *sample = sample.wrapping_add(index * 20));
        Frame { image, delay_ms: 20 }
    };
    let frames = (0..12).map(frame).collect();
    let animation = Decoded { frames, orientation: Orientation::Upright, icc: None, loops: 0 };
    let limits = Limits { pixels: 100_000, ..Limits::default() };
    for name in ["gif", "png", "webp"] {
        let data = encode(name, &animation);
        let decoder = format(name).decode.expect("a decoder");
        let header = (decoder.probe)(&data, &limits).expect("one frame is within the limit");
        assert_eq!(header.frames, 12, "{name}");
        assert!(matches!(limits.check(name, 100, 100, 12), Err(Failure::TooLarge { .. })), "{name}: known before decoding");
        let options = DecodeOptions { limits, all_frames: true, ..DecodeOptions::default() };
        let all = (decoder.decode)(&data, &options);
        assert!(matches!(all, Err(Failure::TooLarge { .. })), "{name}: refused by the decoder as well");
        let first = (decoder.decode)(&data, &DecodeOptions { limits, ..DecodeOptions::default() });
        assert_eq!(first.map(|decoded| decoded.frames.len()), Ok(1), "{name}: the first one is fine");
    }
    assert!(Limits::default().check("GIF", 1, 1, 200_000).is_err(), "tiny frames are not free");
}

#[test]
fn metadata_floods_are_refused() {
    let limits = Limits { metadata_bytes: 10_000, ..Limits::default() };
    let decoded = Decoded { icc: Some(icc(b"RGB ", 400_000)), ..still(picture(8, 8, Channels::Rgb)) };
    for name in ["jpg", "png", "webp"] {
        let data = encode(name, &decoded);
        let options = DecodeOptions { limits, ..DecodeOptions::default() };
        let got = (format(name).decode.expect("a decoder").decode)(&data, &options);
        // The PNG reader keeps room for rows in the same budget.
        let refused = matches!(got, Err(Failure::TooLarge { .. }));
        assert!(refused, "{name}: {:?}", got.map(|decoded| decoded.icc.map(|icc| icc.len())));
    }
}

#[test]
fn formats_are_known_by_content_and_by_any_name() {
    // Those of other engines have tests of their own.
    for format in FORMATS.iter().filter(|format| format.decode.is_some() || format.encode.is_some()) {
        let data = encode(format.name, &still(picture(5, 5, Channels::Rgb)));
        assert_eq!(sniff(&data).map(|found| found.name), Some(format.name), "{}", format.name);
        assert_eq!(
            sniff(&data[..4.min(data.len())]).filter(|found| found.name != format.name).map(|f| f.name),
            None,
            "a few bytes"
        );
    }
    for (name, expected) in
        [(".PNG", "png"), ("JPEG", "jpg"), (" jpg", "jpg"), ("Tif", "tiff"), ("tiff", "tiff"), (".webp", "webp"), ("dib", "bmp")]
    {
        assert_eq!(by_name(name).map(|format| format.name), Some(expected), "{name:?}");
    }
    assert!(by_name("").is_none() && by_name("exe").is_none(), "unknown names");
    let sorted = FORMATS.windows(2).all(|pair| pair[0].name < pair[1].name);
    assert!(sorted, "the table is sorted by name");
    assert!(sniff(b"BM is how this text begins, and it is no bitmap").is_none(), "two letters are not enough");
}

/// Real files of each format, in several layouts, to be changed.
pub(super) fn fixtures() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    for format in readable() {
        let layouts = [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba];
        for channels in layouts {
            let flags = format.flags;
            let grey = matches!(channels, Channels::Grey | Channels::GreyAlpha);
            if (grey && !flags.grey) || (channels.has_alpha() && !flags.alpha) {
                continue;
            }
            let frame = |seed: u8| {
                let mut image: Image = picture(19, 13, channels);
                image.data_mut().iter_mut().take(60).for_each(|sample| *sample ^= seed);
                Frame { image, delay_ms: 40 }
            };
            let count = if flags.animated { 3 } else { 1 };
            let space: &[u8; 4] = if grey { b"GRAY" } else { b"RGB " };
            let decoded = Decoded {
                frames: (0..count).map(frame).collect(),
                orientation: Orientation::Upright,
                icc: Some(icc(space, 200)),
                loops: 2,
            };
            all.push((format.name, encode(format.name, &decoded)));
        }
    }
    all
}

/// A way to spoil a file.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, u8),
    Word(prop::sample::Index, u32),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        4 => (index(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => index().prop_map(Change::Cut),
        1 => (index(), 1u8..40).prop_map(|(at, length)| Change::Repeat(at, length)),
        2 => (index(), prop_oneof![Just(0u32), Just(1), Just(u32::MAX), Just(0x7fff_ffff), any::<u32>()])
            .prop_map(|(at, value)| Change::Word(at, value)),
    ]
}

fn apply(data: &mut Vec<u8>, change: &Change) {
    // Half of the changes hit the first 64 bytes, where the headers are.
    let place = |at: &prop::sample::Index, length: usize| {
        let raw = at.index(length * 2);
        if raw < length { raw } else { raw % length.min(64) }
    };
    if data.is_empty() {
        return;
    }
    let length = data.len();
    match change {
        Change::Set(at, value) => data[place(at, length)] = *value,
        Change::Flip(at, bit) => data[place(at, length)] ^= 1 << bit,
        Change::Cut(at) => data.truncate(at.index(length)),
        Change::Repeat(at, count) => {
            let from = place(at, length);
            let piece = data[from..length.min(from + usize::from(*count))].to_vec();
            data.splice(from..from, piece);
        }
        Change::Word(at, value) => {
            let from = place(at, length);
            let end = length.min(from + 4);
            data[from..end].copy_from_slice(&value.to_le_bytes()[..end - from]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spoiled_files_end_in_pixels_or_a_failure(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        static FIXTURES: std::sync::OnceLock<Vec<(&'static str, Vec<u8>)>> = std::sync::OnceLock::new();
        let (name, data) = which.get(FIXTURES.get_or_init(fixtures));
        let mut data = data.clone();
        for change in &changes {
            apply(&mut data, change);
        }
        let decoder = format(name).decode.expect("a decoder");
        let limits = Limits { pixels: 1_000_000, side: 4_000, metadata_bytes: 1 << 20 };
        let header = (decoder.probe)(&data, &limits);
        let decoded = (decoder.decode)(&data, &DecodeOptions { limits, all_frames: true, ..DecodeOptions::default() });
        if let Err(failure) = &decoded {
            prop_assert!(!matches!(failure, Failure::Internal { .. }), "{}: {}", name, failure);
        }
        if let Ok(decoded) = decoded {
            let header = header.clone().map_err(|failure| TestCaseError::fail(format!("{name}: decoded, but not probed: {failure}")))?;
            prop_assert!(!decoded.frames.is_empty(), "{} has a frame", name);
            for frame in &decoded.frames {
                let size = (frame.image.width(), frame.image.height());
                prop_assert_eq!(size, (header.width, header.height), "{}: the header's size is the picture's", name);
            }
        }
        if let Err(failure) = header {
            prop_assert!(!matches!(failure, Failure::Internal { .. }), "{}: {}", name, failure);
        }
    }
}

#[test]
fn unspoiled_fixtures_decode() {
    for (name, data) in fixtures() {
        assert!(!decode(name, &data).frames.is_empty(), "{name}");
    }
}
