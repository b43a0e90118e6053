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
    pub(super) fn block(&self, x: usize, y: usize, steps: &[u16; 64]) -> Block {
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
    pub(super) fn halved(&self, across: bool, down: bool) -> Samples {
        let (width, height) = (self.width.div_ceil(1 + usize::from(across)), self.height.div_ceil(1 + usize::from(down)));
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = |y: usize| &self.data[y.min(self.height - 1) * self.width..][..self.width];
            let (upper, lower) = if down { (row(2 * y), row(2 * y + 1)) } else { (row(y), row(y)) };
            // The rounding alternates, so that nothing drifts.
            data.extend((0..width).map(|x| {
                let sum = |x: usize| u16::from(upper[x]) + u16::from(lower[x]);
                let bias = (x & 1) as u16;
                let sum = match (across, down) {
                    (true, true) => (sum(2 * x) + sum((2 * x + 1).min(self.width - 1)) + 1 + bias) >> 2,
                    (true, false) => (sum(2 * x) / 2 + sum((2 * x + 1).min(self.width - 1)) / 2 + bias) >> 1,
                    (false, _) => (sum(x) + if down { bias } else { 0 }) >> 1,
                };
                sum as u8
            }));
        }
        Samples { width, height, data }
    }
}

/// Brightness and colour of red, green and blue (ITU-R BT.601, full range).
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
fn transformed(rows: [[i32; 8]; 8]) -> [[i32; 8]; 8] {
    let rows = rows.map(|row| eight(row, 11, |sum| sum << 2));
    let columns: [[i32; 8]; 8] = std::array::from_fn(|x| eight(std::array::from_fn(|y| rows[y][x]), 15, |sum| (sum + 2) >> 2));
    std::array::from_fn(|y| std::array::from_fn(|x| columns[x][y]))
}

/// One dimension; sums of products are shifted down by `shift`, plain sums changed by `plain`.
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

/// To the nearest multiple of each step, halves away from 0.
fn quantised(coefficients: &[[i32; 8]; 8], steps: &[u16; 64]) -> Block {
    let coefficients = coefficients.as_flattened();
    std::array::from_fn(|at| {
        let (value, step) = (coefficients[at], i32::from(steps[at].max(1)) * 8);
        let size = (value.abs() + step / 2) / step;
        (if value < 0 { -size } else { size }) as i16
    })
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
            let back = islow(&samples.block(0, 0, &[1; 64]), &[1; 64]);
            for (one, other) in samples.data.iter().zip(back.as_flattened()) {
                assert!(one.abs_diff(*other) <= 1, "{one} became {other}");
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
