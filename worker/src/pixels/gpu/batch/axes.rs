//! How a component of a rendition is resampled: all of it, or what a band of the result is made of.

use std::ops::Range;
use std::sync::Arc;

use convertfly_jpeg::{Packed, RUN, Resampling, Taps, Turn};

use crate::pixels::coefficients::Rendition;
use crate::pixels::gpu::Fault;

/// Samples of a component to samples of the result, before it is turned.
pub(super) struct Axes {
    /// Columns of the source that count.
    pub(super) columns: usize,
    /// Columns and rows that are made.
    pub(super) to: (usize, usize),
    pub(super) down: Taps,
    pub(super) across: Taps,
}

/// What a band is made of: a picture with those of its blocks alone that the band needs, and how its components are resampled.
pub(super) struct Band {
    pub(super) source: Arc<Packed>,
    pub(super) axes: Vec<Axes>,
}

impl Axes {
    /// Of each component of a whole rendition.
    ///
    /// # Errors
    /// [`Fault::Unfit`] for sources that are not brightness and colour.
    pub(super) fn all(rendition: &Rendition) -> Result<Vec<Self>, Fault> {
        let frame = &rendition.source.frame;
        let of = |index: usize| {
            Resampling::of(frame, index, rendition.scale, rendition.size, rendition.turn, rendition.sampling())
                .ok_or_else(|| Fault::Unfit("its components are not brightness and colour".to_owned()))
        };
        let axes = |resampling: Resampling| {
            let ((columns, _), to) = (resampling.from, resampling.to);
            let (down, across) = resampling.all_taps();
            Self { columns, to, down, across }
        };
        (0..frame.components.len()).map(|index| of(index).map(axes)).collect()
    }
}

/// Rows of MCUs of a rendition, as it is written.
pub(super) fn mcu_rows(rendition: &Rendition) -> usize {
    (rendition.turned_size().1 as usize).div_ceil(mcu_height(rendition))
}

fn mcu_height(rendition: &Rendition) -> usize {
    if rendition.source.planes.len() > 1 { 16 } else { 8 }
}

impl Band {
    /// What those rows of MCUs of the result are made of.
    ///
    /// # Errors
    /// As [`Axes::all`].
    pub(super) fn new(rendition: &Rendition, rows: Range<usize>) -> Result<Self, Fault> {
        let source = &rendition.source;
        let high = mcu_height(rendition);
        let mut band = Packed { frame: source.frame.clone(), planes: Vec::new(), sound: source.sound };
        let mut axes = Vec::new();
        for (index, (plane, whole)) in source.planes.iter().zip(Axes::all(rendition)?).enumerate() {
            // Of colour there is half as much.
            let high = if index > 0 { high / 2 } else { high };
            let (runs, blocks, axis) = whole.cut(rows.start * high..rows.end * high, rendition.turn, rendition.scale.size());
            band.planes.push(plane.part(runs, blocks));
            axes.push(axis);
        }
        Ok(Self { source: Arc::new(band), axes })
    }
}

impl Axes {
    /// Those of some rows of the turned result; and which runs of which rows of blocks, of `n` samples across, they are made of.
    fn cut(self, rows: Range<usize>, turn: Option<Turn>, n: usize) -> (Range<usize>, Range<usize>, Self) {
        let (transpose, _, mirrors_down) = turn.map_or((false, false, false), Turn::parts);
        let height = if transpose { self.to.0 } else { self.to.1 };
        let rows = rows.start.min(height)..rows.end.min(height);
        // The same before the turn, of which columns became rows where it transposes.
        let positions = if mirrors_down { height - rows.end..height - rows.start } else { rows };
        let count = positions.len();
        if transpose {
            let reach = self.across.reach(positions.clone());
            let runs = reach.start / (n * RUN)..reach.end.div_ceil(n * RUN);
            let before = runs.start * n * RUN;
            let columns = self.columns.min(runs.end * n * RUN) - before;
            let across = self.across.part(positions, before);
            (runs, 0..usize::MAX, Self { columns, to: (count, self.to.1), across, ..self })
        } else {
            let reach = self.down.reach(positions.clone());
            let blocks = reach.start / n..reach.end.div_ceil(n);
            let down = self.down.part(positions, blocks.start * n);
            (0..usize::MAX / RUN, blocks, Self { to: (self.to.0, count), down, ..self })
        }
    }
}
