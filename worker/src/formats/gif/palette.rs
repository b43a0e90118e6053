//! A frame with a palette of its own.

use ::gif::Frame as GifFrame;

use super::TITLE;
use crate::failure::Failure;
use crate::formats::support::palette::{self, ENTRIES};

/// A frame with its own palette of at most `colors`, the transparent one included, from RGBA whose alpha is 0 or 255.
pub(super) fn frame(width: u16, height: u16, rgba: &[u8], colors: usize) -> Result<GifFrame<'static>, Failure> {
    let transparent = rgba.chunks_exact(4).any(|pixel| pixel[3] == 0);
    let room = colors.clamp(2, ENTRIES) - usize::from(transparent);
    let (mut colors, mut indices) = palette::of(TITLE, width.into(), height.into(), rgba, room)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_has_an_entry_of_its_own() {
        for (count, holes) in [(1usize, false), (256, false), (255, true), (2, true)] {
            let mut rgba: Vec<u8> = (0..count).flat_map(|index| [index as u8, (index * 7) as u8, 9, 255]).collect();
            if holes {
                rgba.extend([0; 4]);
            }
            let width = (rgba.len() / 4) as u16;
            let frame = frame(width, 1, &rgba, 256).expect("a frame");
            let palette = frame.palette.as_deref().expect("a palette");
            assert_eq!(palette.len() / 3, usize::from(width), "{count}");
            let shown: Vec<u8> =
                frame.buffer.iter().take(count).flat_map(|&index| palette[usize::from(index) * 3..][..3].to_vec()).collect();
            let opaque = rgba.chunks_exact(4).take(count).flat_map(|pixel| pixel[..3].to_vec()).collect::<Vec<u8>>();
            assert_eq!(shown, opaque, "{count}, {holes}");
            assert_eq!(frame.transparent, holes.then_some(count as u8), "{count}");
        }
    }
}
