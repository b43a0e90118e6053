//! How a component becomes a plane of another size: what the way over the CPU and the one over a GPU have in common.

use super::scaled::{self, Scale};
use super::shrink::has_brightness;
use super::taps::Taps;
use crate::encode::Sampling;
use crate::frame::{Component, Frame};
use crate::transform::Turn;

/// Sizes, and what each row and column of the result is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resampling {
    /// Samples of the component across and down, at its scale.
    pub from: (usize, usize),
    /// Samples of the plane across and down, before it is turned.
    pub to: (usize, usize),
    /// From rows to rows, and from columns to columns; none where nothing changes.
    pub taps: Option<(Taps, Taps)>,
}

/// How many pixels of the picture a sample of a component has, across and down.
pub(super) fn pixels(component: usize, sampling: Sampling) -> (usize, usize) {
    if component > 0 && sampling == Sampling::Half { (2, 2) } else { (1, 1) }
}

/// Which axes of a picture, as it is before the turn, that mirrors.
pub(super) fn mirrored(turn: Option<Turn>) -> (bool, bool) {
    let (transpose, across, down) = turn.map_or((false, false, false), Turn::parts);
    if transpose { (down, across) } else { (across, down) }
}

impl Resampling {
    /// That of a component, as [`super::Planes::resized`] does it; nothing where a side is 0, or the components are not brightness and colour.
    pub fn of(
        frame: &Frame,
        component: usize,
        scale: Scale,
        size: (u32, u32),
        turn: Option<Turn>,
        sampling: Sampling,
    ) -> Option<Self> {
        let c = frame.components.get(component)?;
        if size.0 == 0 || size.1 == 0 || !has_brightness(frame) {
            return None;
        }
        let size = (size.0 as usize, size.1 as usize);
        Some(Self::new(frame, c, scale, size, pixels(component, sampling), mirrored(turn)))
    }

    /// `size` is that of the whole picture that is made, `(across, down)` how many of its pixels a sample of this component has, `mirrored` which
    /// of its axes will be.
    pub(super) fn new(
        frame: &Frame,
        c: &Component,
        scale: Scale,
        size: (usize, usize),
        (across, down): (usize, usize),
        mirrored: (bool, bool),
    ) -> Self {
        let n = scale.size();
        let (width, height) = scaled::size(frame, c, scale);
        let to = (size.0.div_ceil(across), size.1.div_ceil(down));
        // How many samples of the source a sample of the result covers, of which the last ones may lie outside.
        let ratio = |side: usize, factor: usize, most: usize, wanted: usize, times: usize| {
            (side * factor * n * times) as f64 / (8 * most * wanted) as f64
        };
        let ratios = (
            ratio(frame.width as usize, c.h, frame.max_h, size.0, across),
            ratio(frame.height as usize, c.v, frame.max_v, size.1, down),
        );
        // Samples begin at the left and at the top of the result. Of an odd number of pixels that is where half of one lies outside now.
        let before = |mirrored: bool, side: usize, times: usize| {
            let outside = if mirrored { side.next_multiple_of(times) - side } else { 0 };
            outside as f64 / times as f64
        };
        let before = (before(mirrored.0, size.0, across), before(mirrored.1, size.1, down));
        let same = (width, height) == to && ratios == (1.0, 1.0) && before == (0.0, 0.0);
        let taps = |(from, to): (usize, usize), ratio, before| Taps::new(from, to, ratio, before);
        let taps = (!same).then(|| (taps((height, to.1), ratios.1, before.1), taps((width, to.0), ratios.0, before.0)));
        Resampling { from: (width, height), to, taps }
    }

    /// The same, with taps that take each sample as it is where nothing changes.
    pub fn all_taps(self) -> (Taps, Taps) {
        self.taps.unwrap_or_else(|| {
            let same = |length: usize| Taps::new(length, length, 1.0, 0.0);
            (same(self.to.1), same(self.to.0))
        })
    }
}
