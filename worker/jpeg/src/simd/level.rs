//! Kernels for pixels: one body each, compiled for every processor, and once more for those that have AVX2.

use crate::encode::{dct, sampling};
use crate::pixels::idct::Video;
use crate::pixels::taps::{self, Taps};
use crate::pixels::{color, idct, upsample};
use crate::requantise;
use crate::scan::Block;

/// What this processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "there is one level"))]
    avx2: bool,
}

/// Calls what is compiled for AVX2 where there is AVX2.
macro_rules! dispatch {
    ($level:expr, $module:ident::$fast:ident, $plain:path, ($($argument:expr),*)) => {{
        #[cfg(target_arch = "x86_64")]
        if $level.avx2 {
            // SAFETY: `detect` has seen what it needs.
            return unsafe { super::$module::$fast($($argument),*) };
        }
        $plain($($argument),*)
    }};
}

impl Level {
    pub(crate) fn detect() -> Self {
        Level { avx2: super::has_avx2() }
    }

    /// What every processor has.
    #[cfg(test)]
    fn plain() -> Self {
        Level { avx2: false }
    }

    /// Runs what is inlined into `work` with the instructions that this processor has for shifts and the like.
    #[inline(always)]
    pub(crate) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `detect` has seen what it needs.
            return unsafe { super::avx2::run(work) };
        }
        work()
    }

    /// Brightness and colour to red, green and blue.
    pub(crate) fn rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        dispatch!(self, avx2::rgb, color::rgb, (y, cb, cr, out));
    }

    /// The same of values with 4 bits of fraction.
    pub(crate) fn rgb_fine(self, y: &[i16], cb: &[i16], cr: &[i16], out: &mut [u8]) {
        dispatch!(self, avx2::rgb_fine, color::rgb_fine, (y, cb, cr, out));
    }

    /// Twice as wide.
    pub(crate) fn across(self, near: &[u8], out: &mut [u8]) {
        dispatch!(self, avx2::across, upsample::across, (near, out));
    }

    /// Twice as high.
    pub(crate) fn down(self, near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
        dispatch!(self, avx2::down, upsample::down, (near, far, bias, out));
    }

    /// Twice as wide and high.
    pub(crate) fn both(self, near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
        dispatch!(self, avx2::both, upsample::both, (near, far, sums, out));
    }

    /// Coefficients times ratios up to 1.
    pub(crate) fn scale(self, blocks: &[Block], ratios: &[f32; 64], out: &mut [Block]) {
        dispatch!(self, avx2::scale, requantise::scale, (blocks, ratios, out));
    }

    /// Red, green and blue to brightness and colour.
    pub(crate) fn ycc(self, rgb: &[u8], y: &mut [u8], cb: &mut [u8], cr: &mut [u8]) {
        dispatch!(self, forward::ycc, sampling::ycc, (rgb, y, cb, cr));
    }

    /// Half as wide and high.
    pub(crate) fn halve(self, upper: &[u8], lower: &[u8], out: &mut [u8]) {
        dispatch!(self, forward::halve, sampling::halve, (upper, lower, out));
    }

    /// The coefficients of a row of blocks, of which `samples` has 8 rows of `stride`, room for an even number of blocks.
    pub(crate) fn forward(self, samples: &[u8], stride: usize, divisors: &dct::Divisors, blocks: &mut [Block]) {
        dispatch!(self, forward::forward, forward, (samples, stride, divisors, blocks));
    }

    /// One row out of several, each with its weight.
    pub(crate) fn resample_down(self, rows: &[&[u8]], weights: &[i16], out: &mut [i16]) {
        dispatch!(self, resample::down, taps::down, (rows, weights, out));
    }

    /// A row of another width; `between` goes on for a window behind its last sample.
    pub(crate) fn resample_across(self, between: &[i16], taps: &Taps, out: &mut [u8]) {
        dispatch!(self, resample::across, taps::across, (between, taps, out));
    }

    /// The same with 4 bits of fraction.
    pub(crate) fn resample_across_fine(self, between: &[i16], taps: &Taps, out: &mut [i16]) {
        dispatch!(self, resample::across_fine, taps::across_fine, (between, taps, out));
    }

    /// The samples of a row of blocks, in 8 rows of `stride`.
    pub(crate) fn idct_row(self, blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize) {
        dispatch!(self, inverse::idct_row, idct_row, (blocks, quant, rows, stride));
    }

    /// The same in the range of video.
    pub(crate) fn video_row(self, blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize, video: Video) {
        dispatch!(self, inverse::video_row, video_row, (blocks, quant, rows, stride, video));
    }

    /// The 4 by 4 samples of the low coefficients of a row of blocks, in 4 rows of `stride`.
    pub(crate) fn four_row(self, blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize) {
        dispatch!(self, inverse::four_row, four_row, (blocks, quant, rows, stride));
    }
}

fn idct_row(blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize) {
    for (x, block) in blocks.iter().enumerate() {
        for (y, samples) in idct::islow(block, quant).iter().enumerate() {
            rows[y * stride + 8 * x..][..8].copy_from_slice(samples);
        }
    }
}

fn video_row(blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize, video: Video) {
    for (x, block) in blocks.iter().enumerate() {
        for (y, samples) in idct::islow_video(block, quant, video).iter().enumerate() {
            rows[y * stride + 8 * x..][..8].copy_from_slice(samples);
        }
    }
}

fn four_row(blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize) {
    for (x, block) in blocks.iter().enumerate() {
        for (y, samples) in idct::four(block, quant).iter().enumerate() {
            rows[y * stride + 4 * x..][..4].copy_from_slice(samples);
        }
    }
}

fn forward(samples: &[u8], stride: usize, divisors: &dct::Divisors, blocks: &mut [Block]) {
    for (x, block) in blocks.iter_mut().enumerate() {
        dct::forward(&samples[8 * x..], stride, divisors, block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(random: &mut fastrand::Rng, length: usize) -> Vec<u8> {
        (0..length).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn processors_agree() {
        let mut random = fastrand::Rng::with_seed(11);
        let (fast, plain) = (Level::detect(), Level::plain());
        for length in (3..70).chain([1000]) {
            let [y, cb, cr] = [0; 3].map(|_| bytes(&mut random, length));
            let both = |kernel: &dyn Fn(Level, &mut Vec<u8>)| {
                let (mut one, mut other) = (vec![0; 4 * length], vec![0; 4 * length]);
                kernel(fast, &mut one);
                kernel(plain, &mut other);
                assert_eq!(one, other, "{length}");
            };
            both(&|level, out| level.rgb(&y, &cb, &cr, &mut out[..3 * length]));
            both(&|level, out| level.across(&y, out));
            both(&|level, out| level.down(&y, &cb, 1, out));
            both(&|level, out| level.both(&y, &cb, &mut vec![0; length], out));
        }
    }

    #[test]
    fn pixels_become_the_same_coefficients() {
        let mut random = fastrand::Rng::with_seed(13);
        let (fast, plain) = (Level::detect(), Level::plain());
        for length in (1..150).chain([1000]) {
            let rgb = bytes(&mut random, 3 * length);
            let [one, other] = [fast, plain].map(|level| {
                let mut out = vec![0; 3 * length];
                let (y, colors) = out.split_at_mut(length);
                let (cb, cr) = colors.split_at_mut(length);
                level.ycc(&rgb, y, cb, cr);
                out
            });
            assert_eq!(one, other, "{length} pixels to brightness and colour");
            let (upper, lower) = (&rgb[..2 * length], &rgb[length..]);
            let [one, other] = [fast, plain].map(|level| {
                let mut out = vec![0; length];
                level.halve(upper, lower, &mut out);
                out
            });
            assert_eq!(one, other, "{length} means");
        }
        for round in 0..600 {
            let range = 1 << (round % 9);
            let samples: Vec<u8> = (0..8 * 48).map(|_| (random.u16(..range) * (256 / range)).min(255) as u8).collect();
            let steps = std::array::from_fn(|_| random.u16(1..=1 << (round % 13)));
            let divisors = dct::Divisors::new(&steps).expect("in range");
            let [one, other] = [fast, plain].map(|level| {
                let mut blocks = vec![[1; 64]; 1 + round % 5];
                level.forward(&samples, 48, &divisors, &mut blocks);
                blocks
            });
            assert_eq!(one, other, "round {round}");
        }
    }

    #[test]
    fn planes_are_resampled_alike() {
        let mut random = fastrand::Rng::with_seed(14);
        let (fast, plain) = (Level::detect(), Level::plain());
        for (width, wanted, count) in [(1, 1, 1), (9, 40, 3), (64, 21, 16), (100, 33, 19), (333, 7, 4), (1000, 999, 7)] {
            let rows: Vec<Vec<u8>> = (0..count).map(|_| bytes(&mut random, width)).collect();
            let rows: Vec<&[u8]> = rows.iter().map(|row| &row[..]).collect();
            let weights: Vec<i16> = (0..count).map(|_| random.i16(-9000..17000)).collect();
            let taps = Taps::new(width, wanted, width as f64 / wanted as f64, 0.0);
            let [one, other] = [fast, plain].map(|level| {
                let mut between = vec![77; width + taps.width()];
                level.resample_down(&rows, &weights, &mut between[..width]);
                let mut out = vec![0; wanted];
                level.resample_across(&between, &taps, &mut out);
                let mut fine = vec![0; wanted];
                level.resample_across_fine(&between, &taps, &mut fine);
                (between, out, fine)
            });
            assert_eq!(one, other, "{width} to {wanted}");
        }
    }

    #[test]
    fn every_colour_is_converted_alike() {
        let all: Vec<u8> = (0..=255).collect();
        for brightness in [0, 1, 77, 128, 200, 255] {
            for cr in 0..=255 {
                let (y, cr) = ([brightness; 256], [cr; 256]);
                let (mut one, mut other) = ([0; 768], [0; 768]);
                Level::detect().rgb(&y, &all, &cr, &mut one);
                Level::plain().rgb(&y, &all, &cr, &mut other);
                assert_eq!(one, other, "{brightness}, {}", cr[0]);
            }
        }
    }

    #[test]
    fn values_with_a_fraction_are_converted_alike() {
        let mut random = fastrand::Rng::with_seed(15);
        for length in (1..70).chain([1000]) {
            let [y, cb, cr] = [0; 3].map(|_| (0..length).map(|_| random.i16(-8000..12_000)).collect::<Vec<_>>());
            let (mut one, mut other) = (vec![0; 3 * length], vec![0; 3 * length]);
            Level::detect().rgb_fine(&y, &cb, &cr, &mut one);
            Level::plain().rgb_fine(&y, &cb, &cr, &mut other);
            assert_eq!(one, other, "{length}");
        }
    }

    #[test]
    fn blocks_of_every_kind_have_the_same_samples() {
        let mut random = fastrand::Rng::with_seed(12);
        let mut blocks = [[0; 64]; 3];
        for round in 0..3000 {
            // Alone, in a pair, and behind one.
            blocks.rotate_right(1);
            let mut block = [0; 64];
            let mut quant = [0; 64];
            let range = 1i16 << (round % 15);
            for (value, step) in block.iter_mut().zip(&mut quant) {
                *step = random.u16(1..=1 << (round / 200));
                if random.u8(..8) < round as u8 % 8 {
                    *value = random.i16(-range..range);
                }
            }
            blocks[0] = block;
            for count in 1..=3 {
                let (mut one, mut other) = ([0; 192], [0; 192]);
                Level::detect().idct_row(&blocks[..count], &quant, &mut one, 24);
                Level::plain().idct_row(&blocks[..count], &quant, &mut other, 24);
                assert_eq!(one, other, "{:?} by {quant:?}", &blocks[..count]);
                for video in [Video::BRIGHTNESS, Video::COLOR] {
                    Level::detect().video_row(&blocks[..count], &quant, &mut one, 24, video);
                    Level::plain().video_row(&blocks[..count], &quant, &mut other, 24, video);
                    assert_eq!(one, other, "{:?} by {quant:?} as {video:?}", &blocks[..count]);
                }
            }
            let row = [blocks, blocks].concat();
            for count in [1, 4, 6] {
                let (mut one, mut other) = ([0; 96], [0; 96]);
                Level::detect().four_row(&row[..count], &quant, &mut one, 24);
                Level::plain().four_row(&row[..count], &quant, &mut other, 24);
                assert_eq!(one, other, "{blocks:?} by {quant:?}");
            }
        }
    }
}
