//! The older pictures of icons: a bitmap without its file header, twice as high as it shows, since a mask follows the colours.

use super::TITLE;
use crate::failure::Failure;
use crate::formats::support::{damaged, unsupported};
use crate::formats::{DecodeOptions, Decoded, Header, Limits, bmp};
use crate::pixels::{Channels, Depth, Image, Orientation};

/// What the header says, of the picture that shows.
struct Shape {
    width: u32,
    height: u32,
    bits: u16,
    /// Where the colours begin: behind header and palette.
    pixels: usize,
}

fn shape(dib: &[u8], limits: &Limits) -> Result<Shape, Failure> {
    let cut = || damaged(TITLE, "its bitmap is cut short");
    let long =
        |at: usize| dib.get(at..at + 4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).ok_or_else(cut);
    let size = long(0)?;
    if size != 40 {
        return Err(unsupported(TITLE, format!("its bitmap has a header of {size} bytes, not 40")));
    }
    let (width, height) = (long(4)?, long(8)? / 2);
    limits.check(TITLE, width, height, 1)?;
    let bits = (long(12)? >> 16) as u16;
    if long(16)? != 0 || !matches!(bits, 1 | 4 | 8 | 24 | 32) {
        return Err(unsupported(TITLE, format!("its bitmap is compressed or has {bits} bits a pixel")));
    }
    let colors = match (bits, long(32)?) {
        (24 | 32, _) => 0,
        (_, 0) => 1 << bits,
        (_, colors) => colors.min(256),
    };
    Ok(Shape { width, height, bits, pixels: 40 + colors as usize * 4 })
}

/// Bytes of a row, which ends at a multiple of four.
fn stride(width: u32, bits: u16) -> usize {
    (width as usize * usize::from(bits)).div_ceil(32) * 4
}

pub(super) fn probe(dib: &[u8], limits: &Limits) -> Result<Header, Failure> {
    let shape = shape(dib, limits)?;
    Ok(Header {
        width: shape.width,
        height: shape.height,
        frames: 1,
        channels: Channels::Rgba,
        depth: Depth::U8,
        orientation: Orientation::Upright,
    })
}

pub(super) fn decode(dib: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let shape = shape(dib, &options.limits)?;
    let (width, height) = (shape.width as usize, shape.height as usize);
    let row = stride(shape.width, shape.bits);
    let cut = || damaged(TITLE, "its pixels are cut short");
    let colors = dib.get(shape.pixels..shape.pixels + row * height).ok_or_else(cut)?;
    let mut rgba = Vec::with_capacity(width * height * 4);
    if shape.bits == 32 {
        // Rows go from the bottom up.
        for line in colors.chunks_exact(row).rev() {
            rgba.extend(line[..width * 4].chunks_exact(4).flat_map(|p| [p[2], p[1], p[0], p[3]]));
        }
    } else {
        let image = opaque(dib, &shape, options)?;
        let count = image.channels().count();
        rgba.extend(image.data().chunks_exact(count).flat_map(|p| [p[0], p[count / 2], p[count - 1], 255]));
    }
    let transparent = rgba.chunks_exact(4).all(|pixel| pixel[3] == 0);
    // 32 bits without any alpha are older than alpha: the mask counts, as it does for fewer bits.
    if shape.bits != 32 || transparent {
        let mask_row = stride(shape.width, 1);
        let mask = dib.get(shape.pixels + row * height..).and_then(|rest| rest.get(..mask_row * height));
        for (y, line) in rgba.chunks_exact_mut(width * 4).enumerate() {
            for (x, pixel) in line.chunks_exact_mut(4).enumerate() {
                // A mask that is missing hides nothing.
                let byte = mask.map_or(0, |mask| mask[(height - 1 - y) * mask_row + x / 8]);
                pixel[3] = if byte >> (7 - x % 8) & 1 == 1 { 0 } else { 255 };
            }
        }
    }
    Ok(Decoded::still(Image::new(shape.width, shape.height, Channels::Rgba, Depth::U8, rgba)?))
}

/// The colours, read as the bitmap file that they would be on their own.
fn opaque(dib: &[u8], shape: &Shape, options: &DecodeOptions) -> Result<Image, Failure> {
    let end = shape.pixels + stride(shape.width, shape.bits) * shape.height as usize;
    let body = dib.get(..end).ok_or_else(|| damaged(TITLE, "its pixels are cut short"))?;
    let mut file = b"BM".to_vec();
    file.extend(((14 + end) as u32).to_le_bytes());
    file.extend([0; 4]);
    file.extend(((14 + shape.pixels) as u32).to_le_bytes());
    file.extend_from_slice(body);
    file[14 + 8..14 + 12].copy_from_slice(&shape.height.to_le_bytes());
    let mut decoded = (bmp::DECODER.decode)(&file, options).map_err(|failure| match failure {
        Failure::Invalid { .. } => damaged(TITLE, "its bitmap is not one"),
        other => other,
    })?;
    let image = decoded.frames.swap_remove(0).image;
    if (image.width(), image.height()) != (shape.width, shape.height) {
        return Err(damaged(TITLE, "its bitmap has two sizes"));
    }
    Ok(image)
}
