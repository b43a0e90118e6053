//! Profiles and their A2B tags: lut8, lut16 and lutAToB (ICC.1:2022, 7 and 10.10 to 10.12).

use super::clut::Clut;
use super::curve::{Curve, fixed, words};
use super::{Broken, bytes};

/// The most tags that a profile is looked through for.
const MOST_TAGS: usize = 256;

/// What a profile says of itself, and where its tags are.
pub(super) struct Profile<'a> {
    /// The first number of the version.
    pub(super) version: u8,
    /// The device's colours.
    pub(super) space: [u8; 4],
    /// Whether colours are Lab between profiles, or XYZ.
    pub(super) is_lab: bool,
    tags: Vec<([u8; 4], &'a [u8])>,
}

impl<'a> Profile<'a> {
    pub(super) fn read(icc: &'a [u8]) -> Result<Self, Broken> {
        let is_lab = match &bytes::<4>(icc, 20)? {
            b"Lab " => true,
            b"XYZ " => false,
            _ => return Err(Broken::Unknown),
        };
        let count = u32::from_be_bytes(bytes(icc, 128)?) as usize;
        if &bytes::<4>(icc, 36)? != b"acsp" || count > MOST_TAGS {
            return Err(Broken::Unknown);
        }
        let mut tags = Vec::with_capacity(count);
        for at in (0..count).map(|index| 132 + index * 12) {
            let (from, length) = (u32::from_be_bytes(bytes(icc, at + 4)?), u32::from_be_bytes(bytes(icc, at + 8)?));
            // One that is cut matters only if it is asked for.
            let data = icc.get(from as usize..).map_or(&[][..], |rest| &rest[..rest.len().min(length as usize)]);
            tags.push((bytes(icc, at)?, data));
        }
        Ok(Self { version: bytes::<1>(icc, 8)?[0], space: bytes(icc, 16)?, is_lab, tags })
    }

    pub(super) fn tag(&self, name: &[u8; 4]) -> Option<&'a [u8]> {
        self.tags.iter().find(|(known, _)| known == name).map(|(_, data)| *data)
    }

    /// Whether the profile has curves and, for colours, a matrix.
    pub(super) fn has_shaper(&self) -> bool {
        match &self.space {
            b"GRAY" => self.tag(b"kTRC").is_some(),
            b"RGB " => [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"].iter().all(|name| self.tag(name).is_some()),
            _ => false,
        }
    }
}

/// One part of the way from a device to what is between profiles. Values are 0 to 1 for what the tag can hold.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// A curve for each channel.
    Curves(Vec<Curve>),
    /// Three rows of a matrix, then what is added.
    Matrix([f64; 12]),
    /// A table over all colours.
    Clut(Clut),
}

/// Reads an A2B tag for a device of so many channels.
pub(super) fn stages(tag: &[u8], channels: usize, is_lab: bool) -> Result<Vec<Stage>, Broken> {
    let [inputs, outputs] = bytes(tag, 8)?;
    if usize::from(inputs) != channels || outputs != 3 {
        return Err(Broken::Unknown);
    }
    match &bytes::<4>(tag, 0)? {
        b"mft1" => simple(tag, channels, false),
        b"mft2" => {
            let mut stages = simple(tag, channels, true)?;
            if is_lab {
                // What of Lab is 100 or 127 there is 0xff00, not 0xffff: 10.10, "legacy".
                let all = 65_535.0 / 65_280.0;
                stages.push(Stage::Matrix([all, 0.0, 0.0, 0.0, all, 0.0, 0.0, 0.0, all, 0.0, 0.0, 0.0]));
            }
            Ok(stages)
        }
        b"mAB " => composed(tag, channels),
        _ => Err(Broken::Unknown),
    }
}

/// Types lut8 and lut16: a matrix where three channels go in, curves, a table, curves.
fn simple(tag: &[u8], channels: usize, is_wide: bool) -> Result<Vec<Stage>, Broken> {
    let side = usize::from(bytes::<1>(tag, 10)?[0]);
    let (width, head) = if is_wide { (2, 52) } else { (1, 48) };
    let lengths =
        if is_wide { [bytes(tag, 48)?, bytes(tag, 50)?].map(|two| usize::from(u16::from_be_bytes(two))) } else { [256; 2] };
    if lengths.iter().any(|&length| length < 2) {
        return Err(Broken::Unknown);
    }
    let sides = vec![side; channels];
    let points = Clut::count(&sides)?;
    let mut end = head;
    let mut part = |count: usize| {
        let from = end;
        end += count * width;
        tag.get(from..end).ok_or(Broken::Cut)
    };
    let (before, table, after) = (part(lengths[0] * channels)?, part(points * 3)?, part(lengths[1] * 3)?);
    let curves = |data: &[u8], length: usize| {
        let values = if is_wide { words(data) } else { data.iter().map(|&byte| f64::from(byte) / 255.0).collect() };
        Stage::Curves(values.chunks_exact(length).map(|curve| Curve::Points(curve.to_vec())).collect())
    };
    let mut stages = Vec::new();
    if channels == 3 {
        let mut matrix = [0.0; 12];
        for (index, value) in matrix.iter_mut().take(9).enumerate() {
            *value = fixed(tag, 12 + index * 4)?;
        }
        stages.push(Stage::Matrix(matrix));
    }
    stages.push(curves(before, lengths[0]));
    stages.push(Stage::Clut(Clut::new(sides, threes(table, is_wide))?));
    stages.push(curves(after, lengths[1]));
    Ok(essential(stages))
}

/// Type lutAToB: curves, a table, curves, a matrix and curves, of which all but the last may be absent.
fn composed(tag: &[u8], channels: usize) -> Result<Vec<Stage>, Broken> {
    let part = |at: usize| -> Result<Option<&[u8]>, Broken> {
        match u32::from_be_bytes(bytes(tag, at)?) {
            0 => Ok(None),
            from => tag.get(from as usize..).map(Some).ok_or(Broken::Cut),
        }
    };
    let curves = |data: &[u8], count: usize| -> Result<Stage, Broken> {
        let (mut at, mut curves) = (0usize, Vec::new());
        for _ in 0..count {
            let (curve, length) = Curve::read(data.get(at..).ok_or(Broken::Cut)?)?;
            at += length.next_multiple_of(4);
            curves.push(curve);
        }
        Ok(Stage::Curves(curves))
    };
    let (b, matrix, m, clut, a) = (part(12)?, part(16)?, part(20)?, part(24)?, part(28)?);
    if clut.is_none() && channels != 3 {
        return Err(Broken::Unknown);
    }
    let mut stages = Vec::new();
    if let Some(data) = a {
        stages.push(curves(data, channels)?);
    }
    if let Some(data) = clut {
        let sides: Vec<usize> = data.get(..channels).ok_or(Broken::Cut)?.iter().map(|&side| usize::from(side)).collect();
        let values = Clut::count(&sides)? * 3;
        let (width, is_wide) = match bytes::<1>(data, 16)?[0] {
            1 => (1, false),
            2 => (2, true),
            _ => return Err(Broken::Unknown),
        };
        let table = data.get(20..20 + values * width).ok_or(Broken::Cut)?;
        stages.push(Stage::Clut(Clut::new(sides, threes(table, is_wide))?));
    }
    if let Some(data) = m {
        stages.push(curves(data, 3)?);
    }
    if let Some(data) = matrix {
        let mut numbers = [0.0; 12];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = fixed(data, index * 4)?;
        }
        stages.push(Stage::Matrix(numbers));
    }
    stages.push(curves(b.ok_or(Broken::Unknown)?, 3)?);
    Ok(essential(stages))
}

/// The points of a table with numbers of 8 or 16 bits.
fn threes(data: &[u8], is_wide: bool) -> Vec<[f32; 3]> {
    if is_wide {
        let share = |high: u8, low: u8| f32::from(u16::from_be_bytes([high, low])) / 65_535.0;
        data.as_chunks::<6>().0.iter().map(|&[a, b, c, d, e, f]| [share(a, b), share(c, d), share(e, f)]).collect()
    } else {
        data.as_chunks::<3>().0.iter().map(|point| point.map(|byte| f32::from(byte) / 255.0)).collect()
    }
}

/// Those stages that change something.
fn essential(mut stages: Vec<Stage>) -> Vec<Stage> {
    const IDENTITY: [f64; 12] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    stages.retain(|stage| match stage {
        Stage::Curves(curves) => !curves.iter().all(Curve::is_identity),
        Stage::Matrix(matrix) => *matrix != IDENTITY,
        Stage::Clut(_) => true,
    });
    stages
}
