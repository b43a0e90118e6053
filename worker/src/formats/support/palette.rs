//! At most 256 colours: the very ones where there are no more, otherwise Wu's choice in Oklab.

use std::collections::HashMap;

use ::quantette::deps::palette::Srgb;
use ::quantette::{ImageRef, PaletteBuf, PaletteSize, Pipeline};

use super::encoding;
use crate::failure::Failure;

/// Most entries of a palette.
pub(in crate::formats) const ENTRIES: usize = 256;

/// Pixels that colours are chosen from, at most: more of them change no colour.
const SEEN: usize = 1 << 20;

/// A palette of `room` colours at most, and the number of each pixel's. The alpha of `rgba` is 0 or 255; what does not show has the
/// number of any colour. Pixels whose colour is not in the palette have the nearest, with the error spread to their neighbours.
///
/// # Errors
/// [`Failure::Internal`] where the pixels do not fit their size.
pub(in crate::formats) fn of(title: &str, width: u32, height: u32, rgba: &[u8], room: usize) -> Result<Indexed, Failure> {
    match exact(rgba, room) {
        Some(found) => Ok(found),
        None => spread(title, width, height, rgba, choose(title, [rgba], room)?),
    }
}

/// A palette, and numbers of its entries.
pub(in crate::formats) type Indexed = (Vec<[u8; 3]>, Vec<u8>);

/// The colours themselves, where no more than `room` of them show.
pub(in crate::formats) fn exact(rgba: &[u8], room: usize) -> Option<Indexed> {
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

/// `room` colours chosen for what shows of several pictures.
pub(in crate::formats) fn choose<'a>(
    title: &str,
    pictures: impl IntoIterator<Item = &'a [u8]> + Clone,
    room: usize,
) -> Result<Vec<[u8; 3]>, Failure> {
    let all: usize = pictures.clone().into_iter().map(|rgba| rgba.len() / 4).sum();
    let step = all.div_ceil(SEEN).max(1);
    let pixels = pictures.into_iter().flat_map(|rgba| rgba.chunks_exact(4)).filter(|pixel| pixel[3] != 0).step_by(step);
    let opaque: Vec<Srgb<u8>> = pixels.map(color).collect();
    let size = PaletteSize::from_u16_clamped(room.min(ENTRIES) as u16);
    let chosen = Pipeline::new().palette_size(size).input_slice(&opaque).map_err(|error| encoding(title, error))?;
    Ok(chosen.output_srgb8_palette().into_vec().into_iter().map(|color| [color.red, color.green, color.blue]).collect())
}

fn color(pixel: &[u8]) -> Srgb<u8> {
    Srgb::new(pixel[0], pixel[1], pixel[2])
}

/// Every pixel by the nearest colour of the palette with its error spread to its neighbours.
fn spread(title: &str, width: u32, height: u32, rgba: &[u8], palette: Vec<[u8; 3]>) -> Result<Indexed, Failure> {
    // What does not show takes the colour before it, so that no error comes from there.
    let mut before = rgba.chunks_exact(4).find(|pixel| pixel[3] != 0).map(color).unwrap_or_default();
    let all: Vec<Srgb<u8>> = rgba
        .chunks_exact(4)
        .map(|pixel| {
            if pixel[3] != 0 {
                before = color(pixel);
            }
            before
        })
        .collect();
    let image = ImageRef::new(width, height, &all).map_err(|error| encoding(title, error))?;
    let size = PaletteSize::from_u16_clamped(palette.len() as u16);
    let palette: Vec<Srgb<u8>> = palette.iter().map(|color| Srgb::new(color[0], color[1], color[2])).collect();
    let palette = PaletteBuf::try_from(palette).map_err(|error| encoding(title, error))?;
    let indexed = Pipeline::new().palette_size(size).quantize_method(palette).input_image(image).output_srgb8_indexed_image();
    let (colors, indices) = indexed.into_parts();
    Ok((colors.into_iter().map(|color| [color.red, color.green, color.blue]).collect(), indices))
}

/// The pixels with the nearest colour of the palette each: the same colour always becomes the same one, so that nothing flickers
/// between frames.
pub(in crate::formats) fn nearest(rgba: &[u8], palette: &[[u8; 3]]) -> Vec<u8> {
    let mut known: HashMap<[u8; 3], [u8; 3]> = HashMap::new();
    let distance = |a: [u8; 3], b: [u8; 3]| -> u32 {
        // Green counts most and blue least, roughly as eyes have it.
        a.iter().zip(b).zip([3, 6, 1]).map(|((a, b), weight)| weight * u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let mut made = rgba.to_vec();
    for pixel in made.chunks_exact_mut(4).filter(|pixel| pixel[3] != 0) {
        let own = [pixel[0], pixel[1], pixel[2]];
        let near =
            *known.entry(own).or_insert_with(|| palette.iter().copied().min_by_key(|&entry| distance(own, entry)).unwrap_or(own));
        pixel[..3].copy_from_slice(&near);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{picture, psnr};
    use crate::pixels::Channels;

    fn shown((colors, indices): &Indexed) -> Vec<u8> {
        indices.iter().flat_map(|&index| colors[usize::from(index)]).collect()
    }

    #[test]
    fn few_colours_are_kept_exactly() {
        for count in [1usize, 2, 255, 256] {
            let rgba: Vec<u8> = (0..count).flat_map(|index| [index as u8, (index * 7) as u8, 9, 255]).collect();
            let found = of("GIF", count as u32, 1, &rgba, 256).expect("a palette");
            assert_eq!(found.0.len(), count, "each once");
            let wanted: Vec<u8> = rgba.chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
            assert_eq!(shown(&found), wanted, "{count}");
        }
    }

    #[test]
    fn many_colours_are_chosen_well() {
        let image = picture(200, 150, Channels::Rgba);
        let mut rgba = image.data().to_vec();
        rgba.chunks_exact_mut(4).enumerate().for_each(|(index, pixel)| pixel[3] = if index % 200 < 20 { 0 } else { 255 });
        let compare = |all: &[u8]| {
            let (mut wanted, mut found) = (Vec::new(), Vec::new());
            for (index, pixel) in rgba.chunks_exact(4).enumerate().filter(|(_, pixel)| pixel[3] != 0) {
                wanted.extend_from_slice(&pixel[..3]);
                found.extend_from_slice(&all[index * 3..][..3]);
            }
            psnr(&wanted, &found)
        };
        let found = of("GIF", 200, 150, &rgba, 255).expect("a palette");
        assert!(found.0.len() <= 255, "{} colours", found.0.len());
        assert!(compare(&shown(&found)) > 32.0, "{:.1} dB with errors spread", compare(&shown(&found)));
        let plain = nearest(&rgba, &choose("GIF", [&rgba[..]], 255).expect("colours"));
        let plain: Vec<u8> = plain.chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
        assert!(compare(&plain) > 36.0, "{:.1} dB by the nearest", compare(&plain));
    }
}
