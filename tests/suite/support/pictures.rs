//! Pictures that the tests make themselves.

/// A PNG of `width` x `height` RGB pixels: a gradient that differs with `seed`, so that no two files are alike.
pub(crate) fn png(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            pixels.extend([(x * 255 / width) as u8, (y * 255 / height) as u8, (seed % 251) as u8]);
        }
    }
    encode(width, height, png::ColorType::Rgb, &pixels)
}

/// A PNG with alpha: left half transparent, right half opaque red.
pub(crate) fn half_transparent_png(width: u32, height: u32) -> Vec<u8> {
    let mut pixels = Vec::with_capacity((width * height * 4) as usize);
    for _ in 0..height {
        for x in 0..width {
            pixels.extend(if x < width / 2 { [0, 255, 0, 0] } else { [255, 0, 0, 255] });
        }
    }
    encode(width, height, png::ColorType::Rgba, &pixels)
}

fn encode(width: u32, height: u32, color: png::ColorType, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    let mut writer = encoder.write_header().expect("a PNG header");
    writer.write_image_data(pixels).expect("PNG pixels");
    writer.finish().expect("a PNG");
    bytes
}

/// Width and height that a PNG's header states.
pub(crate) fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let word = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some((word(0)?, word(4)?))
}

/// A PNG of one grey.
pub(crate) fn plain_png(width: u32, height: u32, grey: u8) -> Vec<u8> {
    encode(width, height, png::ColorType::Rgb, &vec![grey; (width * height * 3) as usize])
}
