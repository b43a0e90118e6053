//! Samples of a part of the picture: fewer of them, and their quantised coefficients, by the kernels of the encoder.

use crate::encode::dct::Divisors;
use crate::scan::Block;
use crate::simd::Level;

/// Samples of one component, rows without padding.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<u8>,
}

impl Samples {
    /// A row of blocks whose first samples those of row `y` are, quantised; beyond the edges the last samples go on. `strip` is room for them.
    pub(super) fn blocks(&self, level: Level, y: usize, divisors: &Divisors, strip: &mut Vec<u8>, blocks: &mut [Block]) {
        // Room for an even number of blocks.
        let stride = (blocks.len() * 8).next_multiple_of(16);
        strip.resize(8 * stride, 0);
        for (row, out) in strip.chunks_exact_mut(stride).enumerate() {
            let row = &self.data[(y + row).min(self.height - 1) * self.width..][..self.width];
            let (samples, rest) = out.split_at_mut(self.width);
            samples.copy_from_slice(row);
            rest.fill(row[self.width - 1]);
        }
        level.forward(strip, stride, divisors, blocks);
    }

    /// Half as wide and half as high, or only one of them.
    pub(super) fn halved(&self, level: Level, across: bool, down: bool) -> Samples {
        let (width, height) = (self.width.div_ceil(1 + usize::from(across)), self.height.div_ceil(1 + usize::from(down)));
        let mut data = vec![0; width * height];
        for (y, out) in data.chunks_exact_mut(width).enumerate() {
            let row = |y: usize| &self.data[y.min(self.height - 1) * self.width..][..self.width];
            let (upper, lower) = if down { (row(2 * y), row(2 * y + 1)) } else { (row(y), row(y)) };
            if across {
                let pairs = self.width / 2;
                level.halve(upper, lower, &mut out[..pairs]);
                // The last column of an odd number goes on.
                if let Some(out) = out.get_mut(pairs) {
                    let sum = 2 * (u16::from(upper[2 * pairs]) + u16::from(lower[2 * pairs]));
                    *out = ((sum + 1 + (pairs as u16 & 1)) >> 2) as u8;
                }
            } else if down {
                level.run(|| mean(upper, lower, out));
            } else {
                out.copy_from_slice(upper);
            }
        }
        Samples { width, height, data }
    }
}

/// Means of two rows. The rounding alternates, so that nothing drifts.
#[inline(always)]
fn mean(upper: &[u8], lower: &[u8], out: &mut [u8]) {
    for (x, ((&upper, &lower), out)) in upper.iter().zip(lower).zip(out).enumerate() {
        *out = ((u16::from(upper) + u16::from(lower) + (x as u16 & 1)) >> 1) as u8;
    }
}

/// Brightness and colour of red, green and blue.
pub(super) fn ycc(level: Level, pixels: &[u8], width: usize) -> [Samples; 3] {
    let of = || Samples { width, height: pixels.len() / 3 / width, data: vec![0; pixels.len() / 3] };
    let [mut y, mut cb, mut cr] = [of(), of(), of()];
    level.ycc(pixels, &mut y.data, &mut cb.data, &mut cr.data);
    [y, cb, cr]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::idct::islow;

    #[test]
    fn there_and_back_is_the_same_within_one() {
        let mut random = fastrand::Rng::with_seed(3);
        let divisors = Divisors::new(&[1; 64]).expect("steps");
        for width in [8, 21, 40] {
            let data: Vec<u8> = (0..width * 8).map(|_| random.u8(..)).collect();
            let samples = Samples { width, height: 8, data };
            let mut blocks = vec![[0; 64]; width.div_ceil(8)];
            samples.blocks(Level::detect(), 0, &divisors, &mut vec![7; 3000], &mut blocks);
            for (number, block) in blocks.iter().enumerate() {
                let back = islow(block, &[1; 64]);
                for (at, &found) in back.as_flattened().iter().enumerate() {
                    let wanted = samples.data[at / 8 * width + (8 * number + at % 8).min(width - 1)];
                    assert!(wanted.abs_diff(found) <= 1, "{width}: {wanted} became {found}");
                }
            }
        }
    }

    #[test]
    fn below_the_last_row_it_goes_on() {
        let divisors = Divisors::new(&[1; 64]).expect("steps");
        let flat = |height: usize| Samples { width: 8, height, data: [vec![9; 8 * (height - 1)], vec![200; 8]].concat() };
        let mut blocks = [[[0; 64]; 1], [[0; 64]; 1]];
        flat(1).blocks(Level::detect(), 0, &divisors, &mut Vec::new(), &mut blocks[0]);
        flat(9).blocks(Level::detect(), 8, &divisors, &mut Vec::new(), &mut blocks[1]);
        assert_eq!(blocks[0], blocks[1], "of one row");
        assert_eq!(blocks[0][0][0], (200 - 128) * 8);
    }

    #[test]
    fn halves_are_means_and_edges_go_on() {
        let level = Level::detect();
        let samples = Samples { width: 3, height: 3, data: vec![0, 2, 9, 2, 4, 9, 7, 7, 7] };
        let both = samples.halved(level, true, true);
        assert_eq!((both.width, both.height, &both.data[..]), (2, 2, &[2, 9, 7, 7][..]));
        assert_eq!(samples.halved(level, true, false).data, [1, 9, 3, 9, 7, 7]);
        assert_eq!(samples.halved(level, false, true).data, [1, 3, 9, 7, 7, 7]);
        assert_eq!(samples.halved(level, false, false).data, samples.data);
        let odd = Samples { width: 3, height: 2, data: vec![0, 0, 4, 0, 0, 5] };
        assert_eq!(odd.halved(level, true, true).data, [0, 5], "rounded up in the second column");
    }
}
