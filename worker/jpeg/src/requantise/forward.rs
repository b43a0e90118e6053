//! From samples to quantised coefficients, with the arithmetic of libjpeg's compressor (`jccolor.c`, `jcsample.c`, `jfdctint.c`).

use crate::pixels::idct::{F0298, F0390, F0541, F0765, F0899, F1175, F1501, F1847, F1961, F2053, F2562, F3072};
use crate::scan::Block;

/// Samples of one component, rows without padding.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<u8>,
}

impl Samples {
    /// The block whose first sample that is, quantised; beyond the edges the last samples go on.
    #[inline(always)]
    pub(super) fn block(&self, x: usize, y: usize, steps: &Steps) -> Block {
        let rows = std::array::from_fn(|row| {
            let row = &self.data[(y + row).min(self.height - 1) * self.width..][..self.width];
            match row.get(x..x + 8) {
                Some(samples) => std::array::from_fn(|column| i32::from(samples[column]) - 128),
                None => std::array::from_fn(|column| i32::from(row[(x + column).min(self.width - 1)]) - 128),
            }
        });
        quantised(&transformed(rows), steps)
    }

    /// Half as wide and half as high, or only one of them.
    #[inline(always)]
    pub(super) fn halved(&self, across: bool, down: bool) -> Samples {
        let (width, height) = (self.width.div_ceil(1 + usize::from(across)), self.height.div_ceil(1 + usize::from(down)));
        let mut data = vec![0; width * height];
        for (y, out) in data.chunks_exact_mut(width).enumerate() {
            let row = |y: usize| &self.data[y.min(self.height - 1) * self.width..][..self.width];
            let (upper, lower) = if down { (row(2 * y), row(2 * y + 1)) } else { (row(y), row(y)) };
            if across {
                halve_both(upper, lower, out);
            } else {
                // The rounding alternates, so that nothing drifts.
                for (x, ((&upper, &lower), out)) in upper.iter().zip(lower).zip(out).enumerate() {
                    *out = ((u16::from(upper) + u16::from(lower) + (x as u16 & u16::from(down))) >> 1) as u8;
                }
            }
        }
        Samples { width, height, data }
    }
}

/// Means of two by two samples; of one row, that is twice the same, of two.
#[inline(always)]
fn halve_both(upper: &[u8], lower: &[u8], out: &mut [u8]) {
    let ((upper, upper_rest), (lower, lower_rest)) = (upper.as_chunks::<2>(), lower.as_chunks::<2>());
    let mean = |upper: [u8; 2], lower: [u8; 2], x: usize| {
        let sum = upper.iter().chain(&lower).map(|&sample| u16::from(sample)).sum::<u16>();
        ((sum + 1 + (x as u16 & 1)) >> 2) as u8
    };
    for (x, ((upper, lower), out)) in upper.iter().zip(lower).zip(&mut *out).enumerate() {
        *out = mean(*upper, *lower, x);
    }
    // The last column of an odd number goes on.
    let pairs = upper.len();
    if let (&[upper], &[lower], Some(out)) = (upper_rest, lower_rest, out.last_mut()) {
        *out = mean([upper; 2], [lower; 2], pairs);
    }
}

/// Brightness and colour of red, green and blue (ITU-R BT.601, full range).
#[inline(always)]
pub(super) fn ycc(pixels: &[u8], width: usize) -> [Samples; 3] {
    const HALF: i32 = 1 << 15;
    const CENTER: i32 = (128 << 16) + HALF - 1;
    let (pixels, _) = pixels.as_chunks::<3>();
    let plane = |factors: [i32; 3], offset: i32| {
        let value = |pixel: &[u8; 3]| pixel.iter().zip(factors).map(|(&sample, factor)| i32::from(sample) * factor).sum::<i32>();
        let data = pixels.iter().map(|pixel| ((value(pixel) + offset) >> 16) as u8).collect();
        Samples { width, height: pixels.len() / width, data }
    };
    [plane([19_595, 38_470, 7_471], HALF), plane([-11_059, -21_709, 32_768], CENTER), plane([32_768, -27_439, -5_329], CENTER)]
}

/// The transform, scaled by 8: across first, then down.
#[inline(always)]
fn transformed(rows: [[i32; 8]; 8]) -> [[i32; 8]; 8] {
    let rows = rows.map(|row| eight(row, 11, |sum| sum << 2));
    let columns: [[i32; 8]; 8] = std::array::from_fn(|x| eight(std::array::from_fn(|y| rows[y][x]), 15, |sum| (sum + 2) >> 2));
    std::array::from_fn(|y| std::array::from_fn(|x| columns[x][y]))
}

/// One dimension; sums of products are shifted down by `shift`, plain sums changed by `plain`.
#[inline(always)]
fn eight(d: [i32; 8], shift: u32, plain: impl Fn(i32) -> i32) -> [i32; 8] {
    let down = |value: i32| (value + (1 << (shift - 1))) >> shift;
    let sums: [i32; 4] = std::array::from_fn(|at| d[at] + d[7 - at]);
    let [t7, t6, t5, t4] = std::array::from_fn(|at| d[at] - d[7 - at]);
    let (t10, t13, t11, t12) = (sums[0] + sums[3], sums[0] - sums[3], sums[1] + sums[2], sums[1] - sums[2]);
    let even = (t12 + t13) * F0541;
    let (z1, z2, z3, z4) = (t4 + t7, t5 + t6, t4 + t6, t5 + t7);
    let z5 = (z3 + z4) * F1175;
    let (z1, z2, z3, z4) = (-z1 * F0899, -z2 * F2562, z5 - z3 * F1961, z5 - z4 * F0390);
    [
        plain(t10 + t11),
        down(t7 * F1501 + z1 + z4),
        down(even + t13 * F0765),
        down(t6 * F3072 + z2 + z3),
        plain(t10 - t11),
        down(t5 * F2053 + z2 + z4),
        down(even - t12 * F1847),
        down(t4 * F0298 + z1 + z3),
    ]
}

/// Steps of quantisation, and what divides by eight of each.
pub(super) struct Steps {
    halves: [u32; 64],
    reciprocals: [u32; 64],
}

impl Steps {
    pub(super) fn new(steps: &[u16; 64]) -> Self {
        let eightfold = steps.map(|step| 8 * u32::from(step.max(1)));
        // Rounded up: exact for values and steps whose product has less than 32 bits.
        Steps { halves: eightfold.map(|step| step / 2), reciprocals: eightfold.map(|step| u32::MAX / step + 1) }
    }
}

/// To the nearest multiple of each step, halves away from 0.
#[inline(always)]
fn quantised(coefficients: &[[i32; 8]; 8], steps: &Steps) -> Block {
    let coefficients = coefficients.as_flattened();
    let mut block = [0; 64];
    for (((out, &value), &half), &reciprocal) in block.iter_mut().zip(coefficients).zip(&steps.halves).zip(&steps.reciprocals) {
        let size = ((u64::from(value.unsigned_abs() + half) * u64::from(reciprocal)) >> 32) as i16;
        *out = if value < 0 { -size } else { size };
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::idct::islow;

    #[test]
    fn there_and_back_is_the_same_within_one() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let data: Vec<u8> = (0..64).map(|_| random.u8(..)).collect();
            let samples = Samples { width: 8, height: 8, data };
            let back = islow(&samples.block(0, 0, &Steps::new(&[1; 64])), &[1; 64]);
            for (one, other) in samples.data.iter().zip(back.as_flattened()) {
                assert!(one.abs_diff(*other) <= 1, "{one} became {other}");
            }
        }
    }

    #[test]
    fn multiplication_divides_exactly() {
        for step in 1..=255u16 {
            let steps = Steps::new(&[step; 64]);
            for value in (0..=20_000).chain([30_000, 65_535]) {
                let mut coefficients = [[0; 8]; 8];
                coefficients[3] = [value, -value, 0, 0, 0, 0, 0, 0];
                let eightfold = i32::from(step) * 8;
                let wanted = ((value + eightfold / 2) / eightfold) as i16;
                assert_eq!(quantised(&coefficients, &steps)[24..26], [wanted, -wanted], "{value} by {step}");
            }
        }
    }

    #[test]
    fn halves_are_means_and_edges_go_on() {
        let samples = Samples { width: 3, height: 3, data: vec![0, 2, 9, 2, 4, 9, 7, 7, 7] };
        let both = samples.halved(true, true);
        assert_eq!((both.width, both.height, &both.data[..]), (2, 2, &[2, 9, 7, 7][..]));
        assert_eq!(samples.halved(true, false).data, [1, 9, 3, 9, 7, 7]);
        assert_eq!(samples.halved(false, true).data, [1, 3, 9, 7, 7, 7]);
        assert_eq!(samples.halved(false, false).data, samples.data);
    }
}
