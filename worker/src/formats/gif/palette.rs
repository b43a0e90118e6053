//! At most 256 colours a frame: the very ones where there are no more, otherwise Wu's choice in Oklab with error diffusion.

use std::collections::HashMap;

use ::gif::Frame as GifFrame;
use ::quantette::deps::palette::Srgb;
use ::quantette::{ImageRef, PaletteBuf, PaletteSize, Pipeline};

use super::TITLE;
use crate::failure::Failure;
use crate::formats::support::encoding;

/// Entries of a palette.
const ENTRIES: usize = 256;

/// A frame with its own palette, from RGBA whose alpha is 0 or 255.
pub(super) fn frame(width: u16, height: u16, rgba: &[u8]) -> Result<GifFrame<'static>, Failure> {
    let transparent = rgba.chunks_exact(4).any(|pixel| pixel[3] == 0);
    let room = ENTRIES - usize::from(transparent);
    let (mut colors, mut indices) = match exact(rgba, room) {
        Some(found) => found,
        None => chosen(width, height, rgba, room)?,
    };
    let hole = transparent.then_some(colors.len() as u8);
    if let Some(hole) = hole {
        colors.push([0; 3]);
        for (index, pixel) in indices.iter_mut().zip(rgba.chunks_exact(4)) {
            if pixel[3] == 0 {
                *index = hole;
            }
        }
    }
    Ok(GifFrame::from_palette_pixels(width, height, indices, colors.into_flattened(), hole))
}

type Indexed = (Vec<[u8; 3]>, Vec<u8>);

/// The colours themselves, where no more than `room` of them show.
fn exact(rgba: &[u8], room: usize) -> Option<Indexed> {
    let mut numbers: HashMap<[u8; 3], u8> = HashMap::new();
    let mut colors = Vec::new();
    let mut indices = Vec::with_capacity(rgba.len() / 4);
    let mut last = None;
    for pixel in rgba.chunks_exact(4) {
        let color = [pixel[0], pixel[1], pixel[2]];
        let index = match last {
            _ if pixel[3] == 0 => 0,
            Some((color_before, index)) if color_before == color => index,
            _ => match numbers.get(&color) {
                Some(&index) => index,
                None if colors.len() == room => return None,
                None => {
                    let index = colors.len() as u8;
                    colors.push(color);
                    numbers.insert(color, index);
                    index
                }
            },
        };
        if pixel[3] != 0 {
            last = Some((color, index));
        }
        indices.push(index);
    }
    Some((colors, indices))
}

/// `room` colours chosen for what shows, and every pixel by the nearest of them with its error spread to its neighbours.
fn chosen(width: u16, height: u16, rgba: &[u8], room: usize) -> Result<Indexed, Failure> {
    let fail = |error: &dyn std::fmt::Display| encoding(TITLE, error);
    let color = |pixel: &[u8]| Srgb::new(pixel[0], pixel[1], pixel[2]);
    let size = PaletteSize::from_u16_clamped(room as u16);
    let opaque: Vec<Srgb<u8>> = rgba.chunks_exact(4).filter(|pixel| pixel[3] != 0).map(color).collect();
    let palette = Pipeline::new().palette_size(size).input_slice(&opaque).map_err(|error| fail(&error))?.output_srgb8_palette();
    // What does not show takes the colour before it, so that no error comes from there.
    let mut before = opaque.first().copied().unwrap_or_default();
    let all: Vec<Srgb<u8>> = rgba
        .chunks_exact(4)
        .map(|pixel| {
            if pixel[3] != 0 {
                before = color(pixel);
            }
            before
        })
        .collect();
    let image = ImageRef::new(width.into(), height.into(), &all).map_err(|error| fail(&error))?;
    let palette = PaletteBuf::try_from(palette.into_vec()).map_err(|error| fail(&error))?;
    let indexed = Pipeline::new().palette_size(size).quantize_method(palette).input_image(image).output_srgb8_indexed_image();
    let (colors, indices) = indexed.into_parts();
    Ok((colors.into_iter().map(|color| [color.red, color.green, color.blue]).collect(), indices))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{picture, psnr};
    use crate::pixels::Channels;

    fn shown(frame: &GifFrame<'_>) -> Vec<u8> {
        let palette = frame.palette.as_deref().expect("a palette");
        frame.buffer.iter().flat_map(|&index| palette[usize::from(index) * 3..][..3].to_vec()).collect()
    }

    #[test]
    fn few_colours_are_kept_exactly() {
        for (count, holes) in [(1usize, false), (256, false), (255, true), (2, true)] {
            let mut rgba: Vec<u8> = (0..count).flat_map(|index| [index as u8, (index * 7) as u8, 9, 255]).collect();
            if holes {
                rgba.extend([0; 4]);
            }
            let width = (rgba.len() / 4) as u16;
            let frame = frame(width, 1, &rgba).expect("a frame");
            assert_eq!(frame.palette.as_ref().map(|palette| palette.len() / 3), Some(width.into()), "{count}");
            let opaque = rgba.chunks_exact(4).take(count).flat_map(|pixel| pixel[..3].to_vec()).collect::<Vec<u8>>();
            assert_eq!(shown(&frame)[..count * 3], opaque, "{count}, {holes}");
            assert_eq!(frame.transparent, holes.then_some(count as u8), "{count}");
        }
    }

    #[test]
    fn many_colours_are_chosen_well() {
        let image = picture(200, 150, Channels::Rgba);
        let mut rgba = image.data().to_vec();
        rgba.chunks_exact_mut(4).enumerate().for_each(|(index, pixel)| pixel[3] = if index % 200 < 20 { 0 } else { 255 });
        let frame = frame(200, 150, &rgba).expect("a frame");
        let hole = frame.transparent.expect("a hole");
        let all = shown(&frame);
        let (mut wanted, mut found) = (Vec::new(), Vec::new());
        for (index, pixel) in rgba.chunks_exact(4).enumerate() {
            assert_eq!(frame.buffer[index] == hole, pixel[3] == 0, "pixel {index}");
            if pixel[3] != 0 {
                wanted.extend_from_slice(&pixel[..3]);
                found.extend_from_slice(&all[index * 3..][..3]);
            }
        }
        assert!(psnr(&wanted, &found) > 32.0, "{:.1} dB", psnr(&wanted, &found));
    }
}
