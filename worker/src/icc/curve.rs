//! Curves of one channel (ICC.1:2022, 10.6 and 10.18).

use super::{Broken, bytes};

/// The most points of a curve: one for each level of 16 bits.
const MOST_POINTS: usize = 1 << 16;

/// What becomes of one channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Curve {
    /// Points at equal steps, straight in between.
    Points(Vec<f64>),
    /// One of the formulas, with g, a, b, c, d, e and f.
    Formula(u16, [f64; 7]),
}

impl Curve {
    pub(super) fn at(&self, x: f64) -> f64 {
        match self {
            Self::Points(points) => between(points, x),
            Self::Formula(kind, [g, a, b, c, d, e, f]) => {
                // Where a power has no value lcms2 has none either, and goes on with 0.
                let power = |base: f64| if base > 0.0 { base.powf(*g) } else { 0.0 };
                match kind {
                    0 if *g == 1.0 => x,
                    0 => power(x),
                    1 | 2 => {
                        let bend = if *a == 0.0 { 0.0 } else { -b / a };
                        let rest = if *kind == 2 { *c } else { 0.0 };
                        if x >= bend { power(a * x + b) + rest } else { rest }
                    }
                    3 if x >= *d => power(a * x + b),
                    3 => c * x,
                    _ if x >= *d => power(a * x + b) + e,
                    _ => c * x + f,
                }
            }
        }
    }

    /// Reads a curve at the start of `tag`; gives how long it is, too.
    pub(super) fn read(tag: &[u8]) -> Result<(Self, usize), Broken> {
        match &bytes::<4>(tag, 0)? {
            b"curv" => {
                let count = u32::from_be_bytes(bytes(tag, 8)?) as usize;
                if count > MOST_POINTS {
                    return Err(Broken::Large);
                }
                let end = 12 + count * 2;
                let points = tag.get(12..end).ok_or(Broken::Cut)?;
                let curve = match count {
                    0 => Self::Formula(0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
                    1 => {
                        Self::Formula(0, [f64::from(u16::from_be_bytes(bytes(points, 0)?)) / 256.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
                    }
                    _ => Self::Points(words(points)),
                };
                Ok((curve, end))
            }
            b"para" => {
                let kind = u16::from_be_bytes(bytes(tag, 8)?);
                let count = *[1, 3, 4, 5, 7].get(usize::from(kind)).ok_or(Broken::Unknown)?;
                let mut numbers = [0.0; 7];
                for (index, number) in numbers.iter_mut().take(count).enumerate() {
                    *number = fixed(tag, 12 + index * 4)?;
                }
                Ok((Self::Formula(kind, numbers), 12 + count * 4))
            }
            _ => Err(Broken::Unknown),
        }
    }

    /// Whether nothing is changed from 0 to 1.
    pub(super) fn is_identity(&self) -> bool {
        match self {
            Self::Points(points) => {
                let last = (points.len() - 1) as f64;
                points.iter().enumerate().all(|(index, point)| (index as f64 / last - point).abs() < 1.0 / 131_000.0)
            }
            Self::Formula(0, [g, ..]) => *g == 1.0,
            Self::Formula(..) => false,
        }
    }
}

/// The value of points at equal steps from 0 to 1.
fn between(points: &[f64], x: f64) -> f64 {
    let along = clamped(x) * (points.len() - 1) as f64;
    let index = (along as usize).min(points.len() - 2);
    points[index] + (points[index + 1] - points[index]) * (along - index as f64)
}

/// From 0 to 1; what is no number is 0.
pub(super) fn clamped(x: f64) -> f64 {
    if x > 0.0 { x.min(1.0) } else { 0.0 }
}

/// A number of type s15Fixed16.
pub(super) fn fixed(tag: &[u8], at: usize) -> Result<f64, Broken> {
    Ok(f64::from(i32::from_be_bytes(bytes(tag, at)?)) / 65_536.0)
}

/// 16-bit numbers, as shares of the greatest.
pub(super) fn words(data: &[u8]) -> Vec<f64> {
    data.as_chunks::<2>().0.iter().map(|pair| f64::from(u16::from_be_bytes(*pair)) / 65_535.0).collect()
}
