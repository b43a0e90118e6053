//! Planes turned and mirrored, once they are as small as they will be.

use super::scaled::Plane;

/// Samples of a tile in each direction.
const TILE: usize = 8;

impl Plane {
    /// Transposed, if so, and then mirrored across and down.
    pub(super) fn turned(mut self, (transpose, across, down): (bool, bool, bool)) -> Self {
        if transpose {
            return self.transposed(across, down);
        }
        match (across, down) {
            (false, false) => {}
            (true, true) => self.data.reverse(),
            (true, false) => self.data.chunks_exact_mut(self.width).for_each(<[u8]>::reverse),
            (false, true) => {
                let (upper, lower) = self.data.split_at_mut(self.height / 2 * self.width);
                // The one in the middle stays where it is.
                let lower = lower.chunks_exact_mut(self.width).rev();
                upper.chunks_exact_mut(self.width).zip(lower).for_each(|(upper, lower)| upper.swap_with_slice(lower));
            }
        }
        self
    }

    fn transposed(self, across: bool, down: bool) -> Self {
        let (width, height) = (self.height, self.width);
        let mut data = vec![0; self.data.len()];
        let column = |y: usize| if across { width - 1 - y } else { y };
        let row = |x: usize| if down { height - 1 - x } else { x };
        let (whole_x, whole_y) = (self.width / TILE * TILE, self.height / TILE * TILE);
        for x in (0..whole_x).step_by(TILE) {
            for y in (0..whole_y).step_by(TILE) {
                let source = |row: usize| {
                    let row = if across { TILE - 1 - row } else { row };
                    let samples = &self.data[(y + row) * self.width + x..];
                    samples.first_chunk().map_or(0, |samples| u64::from_le_bytes(*samples))
                };
                let left = if across { column(y + TILE - 1) } else { y };
                for (number, samples) in transposed(std::array::from_fn(source)).iter().enumerate() {
                    data[row(x + number) * width + left..][..TILE].copy_from_slice(&samples.to_le_bytes());
                }
            }
        }
        for y in 0..self.height {
            // What is not within a tile.
            for x in (if y < whole_y { whole_x } else { 0 })..self.width {
                data[row(x) * width + column(y)] = self.data[y * self.width + x];
            }
        }
        Plane { width, height, data }
    }
}

/// Eight rows of eight samples, the first one lowest, to columns (H. S. Warren, "Hacker's Delight", 7-3): halves of ever smaller squares change
/// places.
#[inline(always)]
fn transposed(mut rows: [u64; TILE]) -> [u64; TILE] {
    for (distance, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)] {
        let shift = distance * 8;
        for upper in (0..TILE).filter(|row| row & distance == 0) {
            let (one, other) = (rows[upper], rows[upper + distance]);
            let differ = ((one >> shift) ^ other) & mask;
            rows[upper] = one ^ differ << shift;
            rows[upper + distance] = other ^ differ;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_goes_where_it_belongs() {
        let mut random = fastrand::Rng::with_seed(5);
        for (width, height) in [(1, 1), (8, 8), (16, 24), (5, 3), (19, 9), (9, 33), (1, 40), (40, 1)] {
            let data: Vec<u8> = (0..width * height).map(|_| random.u8(..)).collect();
            for parts in 0..8 {
                let (transpose, across, down) = (parts & 1 != 0, parts & 2 != 0, parts & 4 != 0);
                let turned = Plane { width, height, data: data.clone() }.turned((transpose, across, down));
                let size = if transpose { (height, width) } else { (width, height) };
                assert_eq!((turned.width, turned.height), size);
                for y in 0..size.1 {
                    for x in 0..size.0 {
                        let (from_x, from_y) = (if across { size.0 - 1 - x } else { x }, if down { size.1 - 1 - y } else { y });
                        let (from_x, from_y) = if transpose { (from_y, from_x) } else { (from_x, from_y) };
                        let (found, wanted) = (turned.data[y * size.0 + x], data[from_y * width + from_x]);
                        assert_eq!(found, wanted, "{width} x {height}, {parts} at {x}, {y}");
                    }
                }
            }
        }
    }
}
