//! Profiles that are tables, as steps.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Layered, SAME, Way};
use crate::failure::Failure;
use crate::icc::{Grid, Transform};
use crate::pixels::{Channels, Depth, Layer};

/// Grids that are kept: photos of one customer tend to have one profile, and a grid takes longer than a thumbnail.
const KEPT: usize = 4;

/// The largest profile whose grid is kept, bytes.
const KEPT_BYTES: usize = 1 << 20;

/// A profile, the levels of its curves, and what was made of it.
struct Made {
    icc: Vec<u8>,
    levels: usize,
    curves: Layer,
    table: Layer,
}

/// The latest last.
static MADE: Mutex<Vec<Made>> = Mutex::new(Vec::new());

/// The way of pixels of that layout; nothing where the profile is for others.
pub(super) fn way(icc: &[u8], transform: &Transform, (channels, depth): Layered) -> Result<Option<Way>, Failure> {
    let levels = match depth {
        Depth::U8 => 256,
        Depth::U16 => 65_536,
    };
    match (channels, transform.channels()) {
        _ if transform.channels() == 4 => Ok(None),
        (Channels::Grey, _) => {
            // A point for each level that there can be. A colour profile's greys are those of equal channels.
            let curve: Vec<u16> = (0..levels).map(|level| word(transform.srgb([share(level, levels); 4])[1])).collect();
            let same = curve
                .iter()
                .enumerate()
                .all(|(level, &word)| (f64::from(word) / 257.0 - share(level, levels) * 255.0).abs() < f64::from(SAME) + 0.5);
            Ok(Some(if same { Way::Same } else { Way::Curve(super::layer(levels as u32, 1, Channels::Grey, &curve)?) }))
        }
        (_, 3) if is_standard(transform) => Ok(Some(Way::Same)),
        (_, 3) => grid(icc, transform, levels).map(|(curves, table)| Some(Way::Table { curves, table })),
        _ => Ok(None),
    }
}

fn share(level: usize, levels: usize) -> f64 {
    level as f64 / (levels - 1) as f64
}

fn word(value: f64) -> u16 {
    (value.clamp(0.0, 1.0) * 65_535.0).round() as u16
}

/// Curves and the table behind them, made once for the profiles that come again.
fn grid(icc: &[u8], transform: &Transform, levels: usize) -> Result<(Layer, Layer), Failure> {
    let known = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
    {
        let mut made = known();
        if let Some(at) = made.iter().position(|made| made.levels == levels && made.icc == icc) {
            let found = made.remove(at);
            let layers = (Arc::clone(&found.curves), Arc::clone(&found.table));
            made.push(found);
            return Ok(layers);
        }
    }
    let grid = Grid::of(transform, levels);
    let curves = super::layer(levels as u32, 1, Channels::Rgb, &grid.curves)?;
    let table = layer(grid.side as u32, &grid.points)?;
    if icc.len() <= KEPT_BYTES {
        let mut made = known();
        if made.len() >= KEPT {
            made.remove(0);
        }
        made.push(Made { icc: icc.to_vec(), levels, curves: Arc::clone(&curves), table: Arc::clone(&table) });
    }
    Ok((curves, table))
}

/// A table with so many points a channel.
pub(super) fn layer(side: u32, points: &[u16]) -> Result<Layer, Failure> {
    super::layer(side * side, side, Channels::Rgb, points)
}

/// Curves that change nothing.
pub(super) fn straight() -> Result<Layer, Failure> {
    super::layer(2, 1, Channels::Rgb, &[0, 0, 0, 65_535, 65_535, 65_535])
}

/// Whether colours are as sRGB has them: tried out, as for other profiles.
pub(super) fn is_standard(transform: &Transform) -> bool {
    let greys = (0..=255u8).map(|level| [level; 3]);
    let axis = || (0..=5u8).map(|step| step * 51);
    let cube = axis().flat_map(|r| axis().flat_map(move |g| axis().map(move |b| [r, g, b])));
    greys.chain(cube).all(|color| {
        let [r, g, b] = color.map(|level| f64::from(level) / 255.0);
        let found = transform.srgb([r, g, b, 0.0]).map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8);
        found.iter().zip(color).all(|(found, wanted)| found.abs_diff(wanted) <= SAME)
    })
}
