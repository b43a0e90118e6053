//! The other libraries.

use std::hint::black_box;
use std::io::Cursor;

use anyhow::{Context, anyhow};
use convertfly_worker::formats::Decoded;
use convertfly_worker::pixels::Channels;

/// Reads a file, or writes a picture; gives the bytes that it wrote.
pub(super) type Peer = fn(&[u8], &Decoded) -> anyhow::Result<usize>;

/// Who else reads the format. Where we use that very library, it is left out: PNG by `png`, TIFF by `tiff`, BMP by `image`.
pub(super) fn decoders(format: &str) -> Vec<(&'static str, Peer)> {
    match format {
        "jpg" => vec![("turbojpeg", turbojpeg_read), ("zune-jpeg", zune_jpeg_read)],
        "webp" => vec![("image-webp", image_webp_read)],
        _ => Vec::new(),
    }
}

/// Who else writes it.
pub(super) fn encoders(format: &str) -> Vec<(&'static str, Peer)> {
    match format {
        "jpg" => vec![("turbojpeg", turbojpeg_write)],
        "png" => vec![("png", png_write)],
        _ => Vec::new(),
    }
}

fn turbojpeg_read(data: &[u8], _: &Decoded) -> anyhow::Result<usize> {
    black_box(turbojpeg::decompress(data, turbojpeg::PixelFormat::RGB)?);
    Ok(0)
}

fn zune_jpeg_read(data: &[u8], _: &Decoded) -> anyhow::Result<usize> {
    let decoded = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(data)).decode();
    black_box(decoded.map_err(|error| anyhow!("{error:?}"))?);
    Ok(0)
}

fn image_webp_read(data: &[u8], _: &Decoded) -> anyhow::Result<usize> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(data))?;
    let mut out = vec![0; decoder.output_buffer_size().context("it fits")?];
    decoder.read_image(&mut out)?;
    black_box(out);
    Ok(0)
}

fn turbojpeg_write(_: &[u8], picture: &Decoded) -> anyhow::Result<usize> {
    let image = &picture.frames.first().context("a frame")?.image;
    let (format, count) = match image.channels() {
        Channels::Rgba => (turbojpeg::PixelFormat::RGBA, 4),
        _ => (turbojpeg::PixelFormat::RGB, 3),
    };
    let (width, height) = (image.width() as usize, image.height() as usize);
    let source = turbojpeg::Image { pixels: image.data(), width, pitch: width * count, height, format };
    Ok(turbojpeg::compress(source, 85, turbojpeg::Subsamp::Sub2x2)?.len())
}

/// At the settings that the crate has by default.
fn png_write(_: &[u8], picture: &Decoded) -> anyhow::Result<usize> {
    let image = &picture.frames.first().context("a frame")?.image;
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, image.width(), image.height());
    encoder.set_color(if image.channels() == Channels::Rgba { png::ColorType::Rgba } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(image.data())?;
    Ok(out.len())
}
