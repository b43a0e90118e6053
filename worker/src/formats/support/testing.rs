//! Pictures and metadata that tests make for themselves.

use std::io::Cursor;

use crate::formats::{DecodeOptions, Decoded, EncodeOptions, by_name};
use crate::pixels::{Channels, Depth, Image};

/// EXIF data with an orientation, `Exif\0\0` first.
pub(crate) fn exif(orientation: u16, big: bool) -> Vec<u8> {
    let u16s = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let u32s = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut data = b"Exif\0\0".to_vec();
    data.extend(if big { b"MM" } else { b"II" });
    data.extend(u16s(42));
    data.extend(u32s(8));
    data.extend(u16s(2));
    // Another tag first (ImageWidth), so that the search has something to pass.
    for (tag, value) in [(0x0100, 7), (0x0112, orientation)] {
        data.extend(u16s(tag));
        data.extend(u16s(3));
        data.extend(u32s(1));
        data.extend(u16s(value));
        data.extend([0, 0]);
    }
    data.extend(u32s(0));
    data
}

/// A smooth picture that tells its corners apart: 8-bit samples of a gradient with a bright spot near the top left.
pub(crate) fn picture(width: u32, height: u32, channels: Channels) -> Image {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let spot = 120.0 * (-((u - 0.25).powi(2) + (v - 0.2).powi(2)) * 20.0).exp();
            let rgb = [u * 130.0 + spot, v * 130.0 + spot, (1.0 - u) * 60.0 + v * 60.0 + spot].map(|value| value as u8);
            let alpha = if x * 2 < width { 255 } else { 64 };
            match channels {
                Channels::Grey => data.push(rgb[0]),
                Channels::GreyAlpha => data.extend([rgb[0], alpha]),
                Channels::Rgb => data.extend(rgb),
                Channels::Rgba => data.extend([rgb[0], rgb[1], rgb[2], alpha]),
            }
        }
    }
    Image::new(width, height, channels, Depth::U8, data).expect("the sizes match")
}

/// The same with 16-bit samples whose low bytes are not their high bytes.
pub(crate) fn deep(width: u32, height: u32, channels: Channels) -> Image {
    let shallow = picture(width, height, channels);
    let samples = shallow.data().iter().enumerate();
    let data =
        samples.flat_map(|(index, &value)| ((u16::from(value) << 8) | ((index as u16 * 7) & 0xff)).to_ne_bytes()).collect();
    Image::new(width, height, channels, Depth::U16, data).expect("the sizes match")
}

/// One frame, upright, without a profile.
pub(crate) fn still(image: Image) -> Decoded {
    Decoded::still(image)
}

/// Encodes with the codec of that name at quality 90, or as `inputs` does where we only read it.
pub(crate) fn encode(name: &str, decoded: &Decoded) -> Vec<u8> {
    let Some(encoder) = by_name(name).expect("a format of that name").encode else {
        return super::inputs::encode(name, decoded);
    };
    let mut out = Cursor::new(Vec::new());
    encoder(decoded, &EncodeOptions { quality: 90, ..EncodeOptions::default() }, &mut out).expect("it encodes");
    out.into_inner()
}

/// Decodes all frames with the codec of that name.
pub(crate) fn decode(name: &str, data: &[u8]) -> Decoded {
    let decoder = by_name(name).and_then(|format| format.decode).expect("a decoder of that name");
    (decoder.decode)(data, &DecodeOptions { all_frames: true, ..DecodeOptions::default() }).expect("it decodes")
}

/// A profile that is none but has the header of one, for the data colour space `space`.
pub(crate) fn icc(space: &[u8; 4], len: usize) -> Vec<u8> {
    let mut profile: Vec<u8> = (0..len).map(|index| (index % 251) as u8).collect();
    profile[16..20].copy_from_slice(space);
    profile
}

/// Peak signal-to-noise ratio of two buffers of 8-bit samples, dB; infinite where they are equal.
pub(crate) fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "PSNR compares images of one size");
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    10.0 * (255.0f64.powi(2) * a.len() as f64 / sum).log10()
}
