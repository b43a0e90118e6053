//! Coefficients of a block to its samples.
//!
//! `islow` is the "slow integer" method of libjpeg (`jidctint.c`), whose constants are those of Loeffler, Ligtenberg and Moschytz (1989) in 13
//! bits. Where broken files leave 16 bits, it does what the SIMD versions of libjpeg-turbo do: products and sums wrap, results saturate.

use crate::scan::Block;

pub(crate) const F0298: i32 = 2446;
pub(crate) const F0390: i32 = 3196;
pub(crate) const F0541: i32 = 4433;
pub(crate) const F0765: i32 = 6270;
pub(crate) const F0899: i32 = 7373;
pub(crate) const F1175: i32 = 9633;
pub(crate) const F1501: i32 = 12299;
pub(crate) const F1847: i32 = 15137;
pub(crate) const F1961: i32 = 16069;
pub(crate) const F2053: i32 = 16819;
pub(crate) const F2562: i32 = 20995;
pub(crate) const F3072: i32 = 25172;

/// One dimension, from 8 coefficients to 8 values that are shifted down by `shift`.
fn eight(c: [i16; 8], shift: u32) -> [i16; 8] {
    let pair = |a: i16, b: i16, by: (i32, i32)| (i32::from(a) * by.0).wrapping_add(i32::from(b) * by.1);
    let even3 = pair(c[2], c[6], (F0541 + F0765, F0541));
    let even2 = pair(c[2], c[6], (F0541, F0541 - F1847));
    let even0 = i32::from(c[0].wrapping_add(c[4])) << 13;
    let even1 = i32::from(c[0].wrapping_sub(c[4])) << 13;
    let sums = [even0.wrapping_add(even3), even1.wrapping_add(even2), even1.wrapping_sub(even2), even0.wrapping_sub(even3)];
    let (z3, z4) = (c[7].wrapping_add(c[3]), c[5].wrapping_add(c[1]));
    let odd3 = pair(z3, z4, (F1175 - F1961, F1175));
    let odd4 = pair(z3, z4, (F1175, F1175 - F0390));
    let odd = [
        pair(c[7], c[1], (-F0899, F1501 - F0899)).wrapping_add(odd4),
        pair(c[5], c[3], (-F2562, F3072 - F2562)).wrapping_add(odd3),
        pair(c[5], c[3], (F2053 - F2562, -F2562)).wrapping_add(odd4),
        pair(c[7], c[1], (F0298 - F0899, -F0899)).wrapping_add(odd3),
    ];
    let mut out = [0; 8];
    let down = |value: i32| (value.wrapping_add(1 << (shift - 1)) >> shift).clamp(-32768, 32767) as i16;
    for k in 0..4 {
        out[k] = down(sums[k].wrapping_add(odd[k]));
        out[7 - k] = down(sums[k].wrapping_sub(odd[k]));
    }
    out
}

/// Samples of a block; `quant` are the steps, in natural order.
pub(crate) fn islow(block: &Block, quant: &[u16; 64]) -> [[u8; 8]; 8] {
    let columns = columns(block, quant);
    std::array::from_fn(|y| eight(std::array::from_fn(|x| columns[x][y]), 18).map(sample))
}

/// Both passes' first one: columns of values with two bits of fraction.
fn columns(block: &Block, quant: &[u16; 64]) -> [[i16; 8]; 8] {
    std::array::from_fn(|x| eight(std::array::from_fn(|y| block[8 * y + x].wrapping_mul(quant[8 * y + x] as i16)), 11))
}

/// Samples as video has them (ITU-R BT.601, 2.5.3): less than a byte can hold. Rounded once, where a table over samples would round those once more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Video {
    /// What is added to eighths of a sample around 0.
    pub(crate) bias: i16,
    /// By what they become samples, over 2 to the 15th.
    pub(crate) factor: i16,
    /// What is added then.
    pub(crate) offset: u8,
}

impl Video {
    /// 16 to 235: 219 of 255, from 0 on.
    pub(crate) const BRIGHTNESS: Self = Self { bias: 1024, factor: 3518, offset: 16 };
    /// 16 to 240: 224 of 255, around 128.
    pub(crate) const COLOR: Self = Self { bias: 0, factor: 3598, offset: 128 };

    /// A sample out of eighths of it around 0.
    pub(crate) fn sample(self, eighths: i16) -> u8 {
        let eighths = i32::from(eighths.clamp(LEAST, MOST) + self.bias);
        (((eighths * i32::from(self.factor) + (1 << 14)) >> 15) + i32::from(self.offset)) as u8
    }

    /// What becomes of every sample that is whole already.
    pub(crate) fn table(self) -> [u8; 256] {
        std::array::from_fn(|value| self.sample(8 * (value as i16 - 128)))
    }
}

/// The least and the largest sample, in eighths around 0.
pub(crate) const LEAST: i16 = -128 * 8;
pub(crate) const MOST: i16 = 127 * 8;

/// The same as [`islow`], in the range of video.
pub(crate) fn islow_video(block: &Block, quant: &[u16; 64], video: Video) -> [[u8; 8]; 8] {
    let columns = columns(block, quant);
    std::array::from_fn(|y| eight(std::array::from_fn(|x| columns[x][y]), 15).map(|eighths| video.sample(eighths)))
}

/// Values around 0 to samples.
fn sample(value: i16) -> u8 {
    (value.clamp(-128, 127) + 128) as u8
}

#[inline(always)]
fn dequantised(block: &Block, quant: &[u16; 64], position: usize) -> i32 {
    // Below 2^27, so that sums of four fit; whole files never come near.
    (i32::from(block[position]) * i32::from(quant[position])).clamp(-(1 << 27), 1 << 27)
}

#[inline(always)]
fn clamped(value: i32) -> u8 {
    (value + 128).clamp(0, 255) as u8
}

/// The mean of a block, as libjpeg's `jpeg_idct_1x1`.
pub(crate) fn one(block: &Block, quant: &[u16; 64]) -> [[u8; 1]; 1] {
    [[clamped((dequantised(block, quant, 0) + 4) >> 3)]]
}

/// 2 by 2 samples of the 4 lowest coefficients: the orthonormal transform of that size.
#[inline(always)]
pub(crate) fn two(block: &Block, quant: &[u16; 64]) -> [[u8; 2]; 2] {
    let (dc, across) = (dequantised(block, quant, 0), dequantised(block, quant, 1));
    let (down, both) = (dequantised(block, quant, 8), dequantised(block, quant, 9));
    let at = |value: i32| clamped((value + 4) >> 3);
    [
        [at(dc + across + down + both), at(dc - across + down - both)],
        [at(dc + across - down - both), at(dc - across - down + both)],
    ]
}

/// 4 by 4 samples of the 16 lowest coefficients; products and sums as in `islow`.
pub(crate) fn four(block: &Block, quant: &[u16; 64]) -> [[u8; 4]; 4] {
    let mut columns = [[0; 4]; 4];
    for (x, column) in columns.iter_mut().enumerate() {
        let coefficients = std::array::from_fn(|y| block[8 * y + x].wrapping_mul(quant[8 * y + x] as i16));
        *column = quarter(coefficients, 11);
    }
    std::array::from_fn(|y| quarter(std::array::from_fn(|x| columns[x][y]), 16).map(sample))
}

/// A half, and the cosines of pi/8 and 3 pi/8 over the root of 2, in 13 bits.
pub(crate) const HALF: i32 = 4096;
pub(crate) const LARGE: i32 = 5352;
pub(crate) const SMALL: i32 = 2217;

/// One dimension of four.
fn quarter(c: [i16; 4], shift: u32) -> [i16; 4] {
    let c = c.map(i32::from);
    let (sum, difference) = (HALF * c[0] + HALF * c[2], HALF * c[0] - HALF * c[2]);
    let (large, small) = (LARGE * c[1] + SMALL * c[3], SMALL * c[1] - LARGE * c[3]);
    let down = |value: i32| ((value + (1 << (shift - 1))) >> shift).clamp(-32768, 32767) as i16;
    [down(sum + large), down(difference + small), down(difference - small), down(sum - large)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transform as it is defined.
    fn exact(block: &Block, size: usize) -> Vec<f64> {
        let basis = |x: usize, k: usize| {
            let scale = if k == 0 { (1.0 / size as f64).sqrt() } else { (2.0 / size as f64).sqrt() };
            scale * ((2 * x + 1) as f64 * k as f64 * std::f64::consts::PI / (2 * size) as f64).cos()
        };
        let mut out = Vec::new();
        for y in 0..size {
            for x in 0..size {
                let mut sum = 0.0;
                for v in 0..size {
                    for u in 0..size {
                        sum += f64::from(block[8 * v + u]) * basis(x, u) * basis(y, v);
                    }
                }
                out.push((sum * size as f64 / 8.0 + 128.0).clamp(0.0, 255.0));
            }
        }
        out
    }

    #[test]
    fn every_size_is_within_one_of_the_definition() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..500 {
            let mut block = [0; 64];
            for value in &mut block {
                *value = random.i16(-60..60) * i16::from(random.u8(..4) == 0);
            }
            block[0] = random.i16(-800..800);
            let steps = &[1; 64];
            let all = [
                islow(&block, steps).as_flattened().to_vec(),
                four(&block, steps).as_flattened().to_vec(),
                two(&block, steps).as_flattened().to_vec(),
                one(&block, steps).as_flattened().to_vec(),
            ];
            for (samples, size) in all.iter().zip([8, 4, 2, 1]) {
                for (&sample, wanted) in samples.iter().zip(exact(&block, size)) {
                    assert!((f64::from(sample) - wanted).abs() <= 1.0, "{size}: {sample} and {wanted}");
                }
            }
        }
    }

    #[test]
    fn samples_of_video_are_rounded_once() {
        let mut random = fastrand::Rng::with_seed(6);
        for (video, part, from) in [(Video::BRIGHTNESS, 219.0, 16.0), (Video::COLOR, 224.0, 128.0 - 128.0 * 224.0 / 255.0)] {
            let (mut once, mut twice, table) = (0.0, 0.0, video.table());
            for _ in 0..300 {
                let block = std::array::from_fn(|_| random.i16(-60..60) * i16::from(random.u8(..4) == 0));
                let (own, full) = (islow_video(&block, &[1; 64], video), islow(&block, &[1; 64]));
                let samples = own.as_flattened().iter().zip(full.as_flattened());
                for ((&own, &full), exact) in samples.zip(exact(&block, 8)) {
                    let wanted = from + exact * part / 255.0;
                    let (direct, by_table) = (f64::from(own) - wanted, f64::from(table[usize::from(full)]) - wanted);
                    // A little was lost between both passes.
                    assert!(direct.abs() < 0.7, "{own} and {wanted}");
                    (once, twice) = (once + direct * direct, twice + by_table * by_table);
                }
            }
            // A twelfth is what one rounding costs, and the second one costs nearly as much again.
            assert!(once * 1.6 < twice, "{video:?}: {once} beside {twice}");
        }
    }

    #[test]
    fn broken_blocks_do_no_harm() {
        for value in [i16::MIN, i16::MAX] {
            let (block, steps) = ([value; 64], [u16::MAX; 64]);
            islow(&block, &steps);
            islow_video(&block, &steps, Video::BRIGHTNESS);
            islow_video(&block, &steps, Video::COLOR);
            four(&block, &steps);
            two(&block, &steps);
            one(&block, &steps);
        }
    }
}
