//! Parts of a component, and a component of its parts: for what a GPU cannot take as a whole.

use std::ops::Range;

use super::plane::{PackedPlane, RUN, WORD};

impl PackedPlane {
    /// The blocks of these rows in these runs of each of them.
    pub fn part(&self, runs: Range<usize>, rows: Range<usize>) -> Self {
        let in_row = self.across.div_ceil(RUN);
        let (runs, rows) = (runs.start..runs.end.min(in_row), rows.start..rows.end.min(self.down));
        let across = (runs.end * RUN).min(self.across).saturating_sub(runs.start * RUN);
        let mut part = Self::new(across, rows.len(), 0);
        part.down = rows.len();
        for row in rows {
            let (first, end) = (row * in_row + runs.start, row * in_row + runs.end);
            let start_of = |run: usize| self.starts.get(run).map_or(self.values.len(), |&start| start as usize * WORD);
            let (from, to) = (start_of(first), start_of(end));
            let before = (from / WORD).wrapping_sub(part.values.len() / WORD) as u32;
            part.masks.extend_from_slice(&self.masks[first * RUN..end * RUN]);
            part.dcs.extend_from_slice(&self.dcs[first * RUN..end * RUN]);
            part.starts.extend(self.starts[first..end].iter().map(|start| start.wrapping_sub(before)));
            part.values.extend_from_slice(&self.values[from..to]);
        }
        part
    }

    /// Adds the rows of another one of the same width below; one without any blocks yet takes its width.
    pub fn append(&mut self, below: &Self) {
        if self.down == 0 {
            self.across = below.across;
        }
        debug_assert_eq!(self.across, below.across, "parts are of one width");
        let before = (self.values.len() / WORD) as u32;
        self.down += below.down;
        self.masks.extend_from_slice(&below.masks);
        self.dcs.extend_from_slice(&below.dcs);
        self.starts.extend(below.starts.iter().map(|start| start + before));
        self.values.extend_from_slice(&below.values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Block;

    fn random(across: usize, down: usize) -> (Vec<Block>, PackedPlane) {
        let mut rng = fastrand::Rng::with_seed((across * 100 + down) as u64);
        let mut blocks = vec![[0; 64]; across * down];
        for value in blocks.iter_mut().flatten() {
            if rng.u8(..4) == 0 {
                *value = rng.i16(-300..300);
            }
        }
        let plane = PackedPlane::of(across, blocks.chunks_exact(across));
        (blocks, plane)
    }

    fn dense(plane: &PackedPlane) -> Vec<Block> {
        let mut blocks = vec![[0; 64]; plane.across() * plane.down()];
        let mut reader = plane.blocks();
        blocks.iter_mut().for_each(|block| reader.next(block));
        blocks
    }

    #[test]
    fn a_part_has_the_blocks_of_its_place() {
        let (blocks, plane) = random(21, 6);
        for (runs, rows) in [(0..3, 0..6), (1..2, 2..5), (2..3, 0..1), (0..1, 5..6), (1..3, 3..6), (0..9, 4..9)] {
            let part = plane.part(runs.clone(), rows.clone());
            let columns = runs.start * RUN..(runs.end * RUN).min(21);
            let wanted: Vec<Block> =
                (rows.start..rows.end.min(6)).flat_map(|y| blocks[y * 21..][columns.clone()].to_vec()).collect();
            assert_eq!((part.across(), part.down()), (columns.len(), rows.end.min(6) - rows.start));
            assert_eq!(dense(&part), wanted, "{runs:?} of {rows:?}");
            let PackedPlane { across, down, masks, dcs, starts, values } = part.clone();
            assert_eq!(PackedPlane::from_parts((across, down), masks, dcs, starts, values), Ok(part), "{runs:?} of {rows:?}");
        }
    }

    #[test]
    fn parts_below_each_other_are_the_whole() {
        let (_, plane) = random(21, 6);
        let mut made = PackedPlane::default();
        for rows in [0..1, 1..4, 4..6] {
            made.append(&plane.part(0..3, rows));
        }
        assert_eq!(made, plane);
    }
}
