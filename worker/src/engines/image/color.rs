//! Embedded colour profiles: what they describe becomes sRGB, which is what every reader takes for granted.

use std::sync::Arc;

use ::moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformExecutor, TransformOptions};

use crate::failure::Failure;
use crate::formats::{Cancel, Decoded};
use crate::pixels::{Channels, Depth, Image};

/// How far a profile may be from sRGB, levels of 8 bits, to be taken for it: rounding in its tables, not another colour.
const SAME: u8 = 1;

/// Samples that are transformed at a time.
const CHUNK: usize = 1 << 18;

/// What became of the colours of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    /// They were sRGB already, or said to be nothing else.
    Same,
    /// They have become sRGB.
    Converted,
    /// Their profile is not good for them, so they are taken for sRGB; the text says why, for a warning.
    Guessed(String),
}

/// Makes sRGB of what the embedded profile describes, in every frame, and lets the profile go.
///
/// # Errors
/// [`Failure::Cancelled`] once `cancel` is set.
pub(super) fn to_srgb(decoded: &mut Decoded, cancel: &Cancel) -> Result<Colors, Failure> {
    let Some(icc) = decoded.icc.take() else { return Ok(Colors::Same) };
    let mut known: Option<(Channels, Depth, ToSrgb)> = None;
    let mut outcome = Colors::Same;
    for frame in &mut decoded.frames {
        let (channels, depth) = (frame.image.channels(), frame.image.depth());
        let transform = match known.take().filter(|known| (known.0, known.1) == (channels, depth)) {
            Some((_, _, transform)) => transform,
            None => match ToSrgb::read(&icc, channels, depth) {
                Ok(transform) => transform,
                Err(cause) => {
                    let text = format!("The colour profile was not applied: {cause}. Colours were taken for sRGB");
                    return Ok(Colors::Guessed(text));
                }
            },
        };
        transform.apply(&mut frame.image, cancel)?;
        if !matches!(transform, ToSrgb::Same) {
            outcome = Colors::Converted;
        }
        known = Some((channels, depth, transform));
    }
    Ok(outcome)
}

/// Whether a profile says what is taken for granted without one. A broken one does not: readers differ in what they make of it.
pub(super) fn is_srgb(icc: &[u8]) -> bool {
    let profile = ColorProfile::new_from_slice(icc).ok().filter(|profile| profile.color_space == DataColorSpace::Rgb);
    profile.is_some_and(|profile| is_standard(&profile, Layout::Rgb) == Ok(true))
}

/// A way from a profile's colours to sRGB, for one layout of pixels.
enum ToSrgb {
    /// The colours are sRGB already.
    Same,
    /// Colour, 8 bits a sample.
    Bytes(Arc<dyn TransformExecutor<u8> + Send + Sync>),
    /// Colour, 16 bits a sample.
    Words(Arc<dyn TransformExecutor<u16> + Send + Sync>),
    /// Grey of either depth: a value for each of 65,536.
    Grey(Vec<u16>),
}

impl ToSrgb {
    /// Reads the profile of pixels of that layout.
    ///
    /// # Errors
    /// A text, for a warning, where the profile is broken, or is one of other colours than the pixels have.
    fn read(icc: &[u8], channels: Channels, depth: Depth) -> Result<Self, String> {
        let profile = ColorProfile::new_from_slice(icc).map_err(|_| "it is damaged".to_owned())?;
        let space = match profile.color_space {
            DataColorSpace::Rgb => Layout::Rgb,
            DataColorSpace::Gray if channels.without_alpha() == Channels::Grey => Layout::Gray,
            DataColorSpace::Gray => return Err("it describes grey, not colours".to_owned()),
            DataColorSpace::Cmyk => return Err("the CMYK colours could not be read by it".to_owned()),
            other => return Err(format!("it describes {other:?} colours")),
        };
        if is_standard(&profile, space)? {
            return Ok(Self::Same);
        }
        if channels.without_alpha() == Channels::Grey {
            let steps: Vec<u16> = (0..=u16::MAX).collect();
            let source = if space == Layout::Rgb { steps.iter().flat_map(|&level| [level; 3]).collect() } else { steps };
            let mut colors = vec![0; 65_536 * 3];
            words(&profile, space, Layout::Rgb)?.transform(&source, &mut colors).map_err(|error| error.to_string())?;
            return Ok(Self::Grey(colors.chunks_exact(3).map(|color| color[1]).collect()));
        }
        let layout = if channels.has_alpha() { Layout::Rgba } else { Layout::Rgb };
        Ok(match depth {
            Depth::U8 => Self::Bytes(bytes(&profile, layout, layout)?),
            Depth::U16 => Self::Words(words(&profile, layout, layout)?),
        })
    }

    /// Transforms the colours of `image` in place; alpha stays.
    ///
    /// # Errors
    /// [`Failure::Cancelled`] once `cancel` is set, [`Failure::Internal`] where the layout is not the one that was read for.
    fn apply(&self, image: &mut Image, cancel: &Cancel) -> Result<(), Failure> {
        let (channels, depth) = (image.channels().count(), image.depth());
        let data = image.data_mut();
        // Whole pixels of any layout: 12 is a multiple of 1, 2, 3 and 4.
        let chunk = CHUNK / 12 * 12;
        match (self, depth) {
            (Self::Same, _) => {}
            (Self::Bytes(transform), Depth::U8) => {
                let mut source = vec![0; chunk];
                for target in data.chunks_mut(chunk) {
                    cancel.check()?;
                    let source = &mut source[..target.len()];
                    source.copy_from_slice(target);
                    transform.transform(source, target).map_err(Failure::internal)?;
                }
            }
            (Self::Words(transform), Depth::U16) => {
                for piece in data.chunks_mut(chunk * 2) {
                    cancel.check()?;
                    let source: Vec<u16> = ::bytemuck::pod_collect_to_vec(piece);
                    let mut target = vec![0u16; source.len()];
                    transform.transform(&source, &mut target).map_err(Failure::internal)?;
                    piece.copy_from_slice(::bytemuck::cast_slice(&target));
                }
            }
            (Self::Grey(levels), Depth::U8) => {
                for pixel in data.chunks_exact_mut(channels) {
                    let level = u32::from(levels[usize::from(pixel[0]) * 257]);
                    pixel[0] = ((level * 255 + 32_767) / 65_535) as u8;
                }
            }
            (Self::Grey(levels), Depth::U16) => {
                for pixel in data.chunks_exact_mut(channels * 2) {
                    let level = levels[usize::from(u16::from_ne_bytes([pixel[0], pixel[1]]))];
                    pixel[..2].copy_from_slice(&level.to_ne_bytes());
                }
            }
            _ => return Err(Failure::internal("a colour transform met another depth than it was made for")),
        }
        Ok(())
    }
}

fn options() -> TransformOptions {
    TransformOptions { rendering_intent: RenderingIntent::Perceptual, ..TransformOptions::default() }
}

fn bytes(profile: &ColorProfile, from: Layout, to: Layout) -> Result<Arc<dyn TransformExecutor<u8> + Send + Sync>, String> {
    profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, options()).map_err(|error| error.to_string())
}

fn words(profile: &ColorProfile, from: Layout, to: Layout) -> Result<Arc<dyn TransformExecutor<u16> + Send + Sync>, String> {
    profile.create_transform_16bit(from, &ColorProfile::new_srgb(), to, options()).map_err(|error| error.to_string())
}

/// Whether the profile leaves colours as sRGB has them: tried out, since names say little and tables differ in their last digits.
fn is_standard(profile: &ColorProfile, space: Layout) -> Result<bool, String> {
    let greys = (0..=255u8).map(|level| [level; 3]);
    let axis = || (0..=5u8).map(|step| step * 51);
    let cube = axis().flat_map(move |r| axis().flat_map(move |g| axis().map(move |b| [r, g, b])));
    let colors: Vec<[u8; 3]> = if space == Layout::Gray { greys.collect() } else { greys.chain(cube).collect() };
    let source: Vec<u8> = match space {
        Layout::Gray => colors.iter().map(|color| color[0]).collect(),
        _ => colors.iter().flatten().copied().collect(),
    };
    let mut found = vec![0; colors.len() * 3];
    bytes(profile, space, Layout::Rgb)?.transform(&source, &mut found).map_err(|error| error.to_string())?;
    Ok(colors.iter().flatten().zip(&found).all(|(wanted, found)| wanted.abs_diff(*found) <= SAME))
}

#[cfg(test)]
#[path = "color_tests.rs"]
mod tests;
