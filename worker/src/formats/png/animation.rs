//! Animated PNG (PNG third edition, 11.3.6.2): which frames there are, and composing them.

use std::io::{BufRead, Seek};

use ::png::{BlendOp, ColorType, DisposeOp, Reader};

use super::{TITLE, failure};
use crate::failure::Failure;
use crate::formats::support::canvas::{Area, Canvas, Disposal};
use crate::formats::support::{damaged, samples};
use crate::formats::{DecodeOptions, Frame};

/// Frames of the animation, where the file has one: what its `acTL` chunk says, which comes before the pixels.
pub(super) fn frames(data: &[u8]) -> Option<u32> {
    let mut rest = data.get(8..)?;
    loop {
        let (head, body) = rest.split_at_checked(8)?;
        let length = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        match &head[4..] {
            b"acTL" => return body.get(..4)?.try_into().ok().map(u32::from_be_bytes).filter(|&count| count > 0),
            b"IDAT" | b"IEND" => return None,
            _ => rest = body.get(length.checked_add(4)?..)?,
        }
    }
}

/// Decodes every frame onto full canvases; tells how often the animation plays, 0 for ever.
pub(super) fn decode<R: BufRead + Seek>(reader: &mut Reader<R>, options: &DecodeOptions) -> Result<(Vec<Frame>, u32), Failure> {
    let limits = &options.limits;
    let info = reader.info();
    let (width, height, interlaced) = (info.width, info.height, info.interlaced);
    let control = info.animation_control.ok_or_else(|| damaged(TITLE, "its animation has no header"))?;
    limits.check(TITLE, width, height, control.num_frames)?;
    let fail = |error| failure(error, limits);
    let (color, bits) = reader.output_color_type();
    let bytes = color.samples() * bits as usize / 8;
    let size = reader.output_buffer_size().ok_or_else(|| damaged(TITLE, "its size overflows"))?;
    let mut buffer = vec![0; size];
    if reader.info().frame_control.is_none() {
        // The picture for readers that know no animations is not a frame of it.
        reader.next_frame(&mut buffer).map_err(fail)?;
    }
    let mut canvas = Canvas::new(width, height);
    let mut shown: Vec<(Vec<u8>, u32)> = Vec::new();
    let mut opaque = true;
    for index in 0..control.num_frames {
        options.cancel.check()?;
        let output = reader.next_frame(&mut buffer).map_err(fail)?;
        let frame = *reader.info().frame_control().ok_or_else(|| damaged(TITLE, "a frame has no header"))?;
        let area = Area { x: frame.x_offset, y: frame.y_offset, width: output.width, height: output.height };
        // Interlaced frames are spread over rows as long as the canvas's.
        let stride = if interlaced { width as usize * bytes } else { output.line_size };
        let rows = buffer.chunks_exact(stride).take(output.height as usize);
        let pixels = rows.flat_map(|row| &row[..output.width as usize * bytes]).copied().collect::<Vec<u8>>();
        let disposal = match frame.dispose_op {
            DisposeOp::None => Disposal::Keep,
            DisposeOp::Background => Disposal::Clear,
            // There is nothing before the first frame to go back to.
            DisposeOp::Previous if index == 0 => Disposal::Clear,
            DisposeOp::Previous => Disposal::Restore,
        };
        canvas.draw(area, &rgba(&pixels, color, bytes), frame.blend_op == BlendOp::Over, disposal);
        opaque &= samples::is_opaque(canvas.pixels());
        shown.push((canvas.pixels().to_vec(), delay(frame.delay_num, frame.delay_den)));
    }
    let frames = shown.into_iter().map(|(pixels, delay_ms)| {
        let image = samples::image_of_rgba(width, height, pixels, opaque)?;
        Ok(Frame { image, delay_ms })
    });
    Ok((frames.collect::<Result<_, Failure>>()?, control.num_plays))
}

/// Milliseconds of a fraction of seconds, whose denominator 0 means 100.
fn delay(numerator: u16, denominator: u16) -> u32 {
    let denominator = if denominator == 0 { 100 } else { u32::from(denominator) };
    (u32::from(numerator) * 1000 + denominator / 2) / denominator
}

/// 8-bit RGBA; of 16-bit samples, which are big-endian, the high byte.
fn rgba(pixels: &[u8], color: ColorType, bytes: usize) -> Vec<u8> {
    let step = bytes / color.samples().max(1);
    let pixel = |p: &[u8]| match color {
        ColorType::Grayscale => [p[0], p[0], p[0], 255],
        ColorType::GrayscaleAlpha => [p[0], p[0], p[0], p[step]],
        ColorType::Rgb => [p[0], p[step], p[2 * step], 255],
        ColorType::Rgba | ColorType::Indexed => [p[0], p[step], p[2 * step], p[3 * step]],
    };
    pixels.chunks_exact(bytes).flat_map(pixel).collect()
}
