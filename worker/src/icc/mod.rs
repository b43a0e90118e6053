//! Colour profiles that are tables (A2B tags), worked out as they are written: in double precision, with lcms2's readings where the
//! standard leaves some.
//!
//! A [`Transform`] takes any one colour. Pictures go through what is made of it: a [`Grid`] for the kernels of three channels, and
//! [`Inks`] for four. What is read is perceptual rendering (A2B0), black made black (black point compensation), which is what lcms2
//! does from any profile to its own sRGB. Tags of floating point (D2B) are not read: whoever writes them writes A2B as well.

mod clut;
mod curve;
mod grid;
mod inks;
#[cfg(test)]
pub(crate) mod lcms;
mod read;
mod srgb;
#[cfg(test)]
mod tests;

pub(crate) use grid::Grid;
pub(crate) use inks::Inks;

use read::{Profile, Stage};
use srgb::{Stretch, XYZ_MAX};

/// Why a profile is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// It ends before its table does.
    #[error("its table is cut short")]
    Cut,
    /// It has what profiles have not.
    #[error("its table is of no known kind")]
    Unknown,
    /// It has more points than any device needs.
    #[error("its table is too large")]
    Large,
}

/// A fixed number of bytes of `data`.
fn bytes<const COUNT: usize>(data: &[u8], at: usize) -> Result<[u8; COUNT], Broken> {
    data.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Broken::Cut)
}

/// Colours of a device to sRGB, by a table of its profile.
#[derive(Clone, Debug)]
pub(crate) struct Transform {
    channels: usize,
    stages: Vec<Stage>,
    is_lab: bool,
    stretch: Option<Stretch>,
}

/// What lcms2 and ICC.1:2022 (6.3.4.3) take for black in perceptual tables since version 4.
const PERCEPTUAL_BLACK: [f64; 3] = [0.003_36, 0.003_473_1, 0.002_87];

impl Transform {
    /// Reads a profile of grey, RGB or CMYK. Gives nothing where it has no such table, or one that does not count because it has
    /// curves and a matrix as well.
    pub(crate) fn read(icc: &[u8]) -> Result<Option<Self>, Broken> {
        let profile = Profile::read(icc)?;
        let channels = match &profile.space {
            b"GRAY" => 1,
            b"RGB " => 3,
            b"CMYK" => 4,
            _ => return Ok(None),
        };
        let [perceptual, colorimetric, saturation] = [b"A2B0", b"A2B1", b"A2B2"].map(|name| profile.tag(name));
        let tag = if perceptual.is_some() || profile.has_shaper() { perceptual } else { colorimetric.or(saturation) };
        let Some(tag) = tag else { return Ok(None) };
        let read = |tag| -> Result<Self, Broken> {
            let stages = read::stages(tag, channels, profile.is_lab)?;
            Ok(Self { channels, stages, is_lab: profile.is_lab, stretch: None })
        };
        let mut transform = read(tag)?;
        // Without a perceptual table lcms2 takes black for none.
        if perceptual.is_some() {
            let black = match (profile.version >= 4, profile.has_shaper()) {
                (false, _) => transform.black(),
                (true, true) => read(colorimetric.unwrap_or(tag))?.black(),
                (true, false) => PERCEPTUAL_BLACK,
            };
            transform.stretch = Stretch::from(black);
        }
        Ok(Some(transform))
    }

    /// How many channels the device has: 1, 3 or 4.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// What a colour of the device is in sRGB, by its curve. What a screen cannot show is less than 0, or more than 1.
    pub(crate) fn srgb(&self, device: [f64; 4]) -> [f64; 3] {
        self.after(0, device)
    }

    /// The same from behind so many stages.
    fn after(&self, stages: usize, values: [f64; 4]) -> [f64; 3] {
        let xyz = self.xyz(stages, values);
        srgb::linear(self.stretch.map_or(xyz, |stretch| stretch.at(xyz))).map(srgb::encoded)
    }

    fn xyz(&self, stages: usize, values: [f64; 4]) -> [f64; 3] {
        let values = self.rest(stages, values);
        if self.is_lab { srgb::xyz_of(srgb::lab_from(values)) } else { values.map(|value| value * XYZ_MAX) }
    }

    /// What comes after so many stages.
    fn rest(&self, stages: usize, values: [f64; 4]) -> [f64; 3] {
        let [x, y, z, _] = self.stages[stages..].iter().fold(values, |values, stage| stage.at(values));
        [x, y, z]
    }

    /// The darkest that there is, without its hue: all ink, or no light.
    fn black(&self) -> [f64; 3] {
        let darkest = if self.channels == 4 { [1.0; 4] } else { [0.0; 4] };
        let lightness = match srgb::lab_of(self.xyz(0, darkest))[0] {
            // Of a negative.
            lightness if lightness > 95.0 => 0.0,
            lightness => lightness.clamp(0.0, 50.0),
        };
        srgb::xyz_of([lightness, 0.0, 0.0])
    }
}

impl Stage {
    fn at(&self, mut values: [f64; 4]) -> [f64; 4] {
        match self {
            Self::Curves(curves) => {
                values.iter_mut().zip(curves).for_each(|(value, curve)| *value = curve.at(*value));
                values
            }
            Self::Matrix(m) => {
                let row = |row: usize| (0..3).map(|column| m[row * 3 + column] * values[column]).sum::<f64>() + m[9 + row];
                [row(0), row(1), row(2), 0.0]
            }
            Self::Clut(clut) => {
                let [x, y, z] = clut.at(&values);
                [x, y, z, 0.0]
            }
        }
    }
}
