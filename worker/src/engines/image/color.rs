//! Embedded colour profiles: what they describe becomes sRGB, which is what every reader takes for granted.
//!
//! A profile is read once and becomes a step of the recording, so that its colours are changed after a resize, on the pixels that
//! are left, by whatever device runs the recording. Profiles of curves and a matrix are moxcms's; what is a table is ours
//! ([`crate::icc`]), since moxcms takes it through a grid of its own, which is up to 12 dE2000 from what the profile says.

mod table;

use std::sync::Arc;

use ::moxcms::{
    ColorProfile, DataColorSpace, Layout, PointeeSizeExpressible, RenderingIntent, TransformExecutor, TransformOptions,
};

use crate::failure::Failure;
use crate::formats::Decoded;
use crate::icc::{Broken, Transform};
use crate::pixels::{Channels, Depth, Image, Layer, Recording, Shape, Step, lut, transfer};

/// How far a profile may be from sRGB, levels of 8 bits, to be taken for it: rounding in its tables, not another colour.
const SAME: u8 = 1;

/// Points a channel of a table that moxcms makes: as many as it has in its own, so that none of its points is lost.
const POINTS: u16 = 33;

/// How the colours of a file become sRGB; the default is that they are sRGB, or said to be nothing else.
#[derive(Clone, Debug, Default)]
pub(super) struct Colors {
    /// The way of each layout without alpha that the file has.
    ways: Vec<(Layered, Way)>,
    /// Why colours are taken for sRGB, where the profile is not good for them.
    pub(super) warning: Option<String>,
}

/// What a way is made for.
type Layered = (Channels, Depth);

/// A way, and what is wrong with a profile that could be used all the same.
type Found = (Way, Option<Broken>);

/// Of what is made as sRGB.
#[cfg(any(test, feature = "documents"))]
pub(super) static SRGB: Colors = Colors { ways: Vec::new(), warning: None };

/// One step, and the tables that it reads.
#[derive(Clone, Debug)]
enum Way {
    /// Nothing is to be done.
    Same,
    /// Grey through one curve.
    Curve(Layer),
    /// Curves, a matrix in linear light, and the curve of sRGB.
    Matrix { curves: Layer, matrix: [f32; 9] },
    /// Curves, and a table over all colours behind them.
    Table { curves: Layer, table: Layer },
}

impl Colors {
    /// Reads the embedded profile for all layouts that the frames have, and lets it go.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] when there is no memory for a table.
    pub(super) fn read(decoded: &mut Decoded) -> Result<Self, Failure> {
        let mut colors = Self::default();
        let Some(icc) = decoded.icc.take() else { return Ok(colors) };
        for frame in &decoded.frames {
            let layout = (frame.image.channels().without_alpha(), frame.image.depth());
            if colors.ways.iter().any(|(known, _)| *known == layout) {
                continue;
            }
            match Way::read(&icc, layout)? {
                Ok((way, fault)) => {
                    let text =
                        |fault| format!("The colour profile is not in order: {fault}. Colours may differ from what was meant");
                    colors.warning = colors.warning.take().or(fault.map(text));
                    colors.ways.push((layout, way));
                }
                Err(cause) => {
                    colors.warning = Some(format!("The colour profile was not applied: {cause}. Colours were taken for sRGB"));
                    colors.ways.push((layout, Way::Same));
                }
            }
        }
        Ok(colors)
    }

    /// Adds the step that an image of that shape needs, if any.
    ///
    /// # Errors
    /// None that could occur: the curve of sRGB can be made.
    pub(super) fn record(&self, recording: &mut Recording, shape: Shape) -> Result<(), Failure> {
        let layout = (shape.channels.without_alpha(), shape.depth);
        match self.ways.iter().find(|(known, _)| *known == layout).map(|(_, way)| way) {
            None | Some(Way::Same) => {}
            Some(Way::Curve(curve)) => {
                let curve = recording.layer(Arc::clone(curve));
                recording.push(Step::Curve { curve, depth: shape.depth });
            }
            Some(Way::Matrix { curves, matrix }) => {
                let (curves, out) = (recording.layer(Arc::clone(curves)), recording.layer(transfer::to_srgb()?));
                recording.push(Step::Matrix { curves, matrix: *matrix, out });
            }
            Some(Way::Table { curves, table }) => {
                let (curves, table) = (recording.layer(Arc::clone(curves)), recording.layer(Arc::clone(table)));
                recording.push(Step::Lut { curves, table });
            }
        }
        Ok(())
    }
}

/// Whether a profile says what is taken for granted without one. A broken one does not: readers differ in what they make of it.
pub(super) fn is_srgb(icc: &[u8]) -> bool {
    if let Ok(Some(transform)) = Transform::read(icc) {
        return transform.channels() == 3 && table::is_standard(&transform);
    }
    let profile = ColorProfile::new_from_slice(icc).ok().filter(|profile| profile.color_space == DataColorSpace::Rgb);
    profile.is_some_and(|profile| is_standard(&profile, Layout::Rgb) == Ok(true))
}

impl Way {
    /// Reads the profile of pixels of that layout; gives what is wrong with its table, too, where it could be used in another way.
    /// The inner error is a text, for a warning, where the profile is broken, or is one of other colours than the pixels have.
    fn read(icc: &[u8], layout: Layered) -> Result<Result<Found, String>, Failure> {
        let fault = match Transform::read(icc) {
            Ok(None) => None,
            Ok(Some(transform)) => match table::way(icc, &transform, layout)? {
                Some(way) => return Ok(Ok((way, None))),
                None => None,
            },
            Err(fault) => Some(fault),
        };
        let values = match Values::read(icc, layout) {
            Ok(values) => values,
            Err(cause) => return Ok(Err(cause)),
        };
        let way = match values {
            Values::Same => Self::Same,
            Values::Curve(values) => Self::Curve(layer(values.len() as u32, 1, Channels::Grey, &values)?),
            Values::Matrix(values, matrix) => {
                Self::Matrix { curves: layer(values.len() as u32 / 3, 1, Channels::Rgb, &values)?, matrix }
            }
            Values::Table(values) => Self::Table { curves: table::straight()?, table: table::layer(u32::from(POINTS), &values)? },
        };
        Ok(Ok((way, fault)))
    }
}

/// Numbers of 16 bits as a layer.
fn layer(width: u32, height: u32, channels: Channels, values: &[u16]) -> Result<Layer, Failure> {
    let data = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Ok(Arc::new(Image::new(width, height, channels, Depth::U16, data)?))
}

/// The numbers of a [`Way`].
enum Values {
    Same,
    Curve(Vec<u16>),
    Matrix(Vec<u16>, [f32; 9]),
    Table(Vec<u16>),
}

impl Values {
    fn read(icc: &[u8], (channels, depth): Layered) -> Result<Self, String> {
        let profile = ColorProfile::new_from_slice(icc).map_err(|_| "it is damaged".to_owned())?;
        let space = match profile.color_space {
            DataColorSpace::Rgb => Layout::Rgb,
            DataColorSpace::Gray if channels == Channels::Grey => Layout::Gray,
            DataColorSpace::Gray => return Err("it describes grey, not colours".to_owned()),
            DataColorSpace::Cmyk => return Err("the CMYK colours could not be read by it".to_owned()),
            other => return Err(format!("it describes {other:?} colours")),
        };
        if is_standard(&profile, space)? {
            return Ok(Self::Same);
        }
        if channels == Channels::Grey {
            // A point for each level that there can be.
            let steps: Vec<u16> = match depth {
                Depth::U8 => (0..=255).map(|level| level * 257).collect(),
                Depth::U16 => (0..=u16::MAX).collect(),
            };
            let source = if space == Layout::Rgb { steps.iter().flat_map(|&level| [level; 3]).collect() } else { steps };
            return Ok(Self::Curve(words(&profile, space, &source)?.chunks_exact(3).map(|color| color[1]).collect()));
        }
        let has_table = [&profile.lut_a_to_b_perceptual, &profile.lut_a_to_b_colorimetric, &profile.lut_a_to_b_saturation]
            .iter()
            .any(|table| table.is_some());
        if profile.is_matrix_shaper() && profile.pcs == DataColorSpace::Xyz && !has_table {
            return Self::matrix(&profile, depth).map_err(|error| error.to_string());
        }
        // Points are 16-bit words as near to equal steps as those can be.
        let at = |step: u16| ((u32::from(step) * 65_535 + u32::from(POINTS - 1) / 2) / u32::from(POINTS - 1)) as u16;
        let axis = || (0..POINTS).map(at);
        let source: Vec<u16> = axis().flat_map(|b| axis().flat_map(move |g| axis().flat_map(move |r| [r, g, b]))).collect();
        let found = words(&profile, Layout::Rgb, &source)?;
        Ok(Self::Table(found.into_iter().map(|value| lut::word(f64::from(value) / 65_535.0)).collect()))
    }

    fn matrix(profile: &ColorProfile, depth: Depth) -> Result<Self, ::moxcms::CmsError> {
        let curves = match depth {
            Depth::U8 => curves::<u8, 256, 8>(profile)?,
            Depth::U16 => curves::<u16, 65_536, 16>(profile)?,
        };
        let point = |value: f32| (value.clamp(0.0, 1.0) * 65_535.0).round() as u16;
        let values = (0..curves[0].len()).flat_map(|index| [0, 1, 2].map(|channel| point(curves[channel][index]))).collect();
        let rows = profile.transform_matrix(&ColorProfile::new_srgb()).v;
        let matrix = rows.as_flattened().iter().map(|&value| value as f32).collect::<Vec<_>>();
        let matrix = <[f32; 9]>::try_from(matrix).unwrap_or_default();
        // Colorants without an inverse.
        if matrix.iter().any(|value| !value.is_finite()) {
            return Err(::moxcms::CmsError::InvalidProfile);
        }
        Ok(Self::Matrix(values, matrix))
    }
}

/// The curves to linear light, a point for each level of so many bits.
fn curves<T: PointeeSizeExpressible, const LEVELS: usize, const BITS: usize>(
    profile: &ColorProfile,
) -> Result<[Vec<f32>; 3], ::moxcms::CmsError> {
    Ok([
        profile.build_r_linearize_table::<T, LEVELS, BITS>(true)?.to_vec(),
        profile.build_g_linearize_table::<T, LEVELS, BITS>(true)?.to_vec(),
        profile.build_b_linearize_table::<T, LEVELS, BITS>(true)?.to_vec(),
    ])
}

fn options() -> TransformOptions {
    // Whole numbers of moxcms have 13 bits for linear light: in the dark that is up to a level of 8 bits, which shows.
    TransformOptions { rendering_intent: RenderingIntent::Perceptual, prefer_fixed_point: false, ..TransformOptions::default() }
}

fn bytes(profile: &ColorProfile, from: Layout, to: Layout) -> Result<Arc<dyn TransformExecutor<u8> + Send + Sync>, String> {
    profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, options()).map_err(|error| error.to_string())
}

/// What becomes of those values, in sRGB of 16 bits.
fn words(profile: &ColorProfile, from: Layout, source: &[u16]) -> Result<Vec<u16>, String> {
    let transform = profile.create_transform_16bit(from, &ColorProfile::new_srgb(), Layout::Rgb, options());
    let mut colors = vec![0; if from == Layout::Gray { source.len() * 3 } else { source.len() }];
    transform.and_then(|transform| transform.transform(source, &mut colors)).map_err(|error| error.to_string())?;
    Ok(colors)
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
