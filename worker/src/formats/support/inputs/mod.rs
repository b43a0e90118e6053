//! Files of the formats that the program reads and does not write, for tests.

pub(crate) mod heif;
mod hevc;
pub(crate) mod icc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use zune_core::bit_depth::BitDepth;
use zune_core::colorspace::ColorSpace;
use zune_core::options::EncoderOptions;

use super::testing;
use crate::formats::Decoded;
use crate::pixels::{Channels, Depth};

/// A file of that format with the first picture of `decoded`.
pub(crate) fn encode(name: &str, decoded: &Decoded) -> Vec<u8> {
    match name {
        "heic" => {
            let icc = decoded.icc.clone();
            heif::heic(&decoded.frames[0].image, &heif::Heic { icc, ..heif::Heic::default() })
        }
        "jxl" => jxl(decoded),
        "svg" => svg(decoded),
        other => panic!("no way to make a {other}"),
    }
}

/// A drawing that consists of the picture, each of its pixels one CSS pixel.
fn svg(decoded: &Decoded) -> Vec<u8> {
    let image = &decoded.frames[0].image;
    let (width, height) = (image.width(), image.height());
    let data = STANDARD.encode(testing::encode("png", &testing::still(image.clone())));
    let size = format!(r#"width="{width}" height="{height}""#);
    let image = format!(r#"<image {size} image-rendering="optimizeSpeed" href="data:image/png;base64,{data}"/>"#);
    format!(r#"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" {size}>{image}</svg>"#).into_bytes()
}

/// JPEG XL without loss.
fn jxl(decoded: &Decoded) -> Vec<u8> {
    let image = &decoded.frames[0].image;
    let color = match image.channels() {
        Channels::Grey => ColorSpace::Luma,
        Channels::GreyAlpha => ColorSpace::LumaA,
        Channels::Rgb => ColorSpace::RGB,
        Channels::Rgba => ColorSpace::RGBA,
    };
    let depth = if image.depth() == Depth::U16 { BitDepth::Sixteen } else { BitDepth::Eight };
    let options = EncoderOptions::new(image.width() as usize, image.height() as usize, color, depth);
    let mut out = Vec::new();
    zune_jpegxl::JxlSimpleEncoder::new(image.data(), options).encode(&mut out).expect("it encodes");
    out
}
