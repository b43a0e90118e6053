//! What processors do faster than one by one, chosen when it runs; the only place of this crate with `unsafe`.
#![allow(unsafe_code, reason = "instructions of some processors, each behind a check that this one has them")]

use crate::decompress;
use crate::filter::{self, Filter};
#[cfg(target_arch = "x86_64")]
use crate::wave;

/// What this processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "there is one level"))]
    avx2: bool,
}

impl Level {
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
        #[cfg(not(target_arch = "x86_64"))]
        let avx2 = false;
        Level { avx2 }
    }

    /// What every processor has.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Level { avx2: false }
    }

    /// Runs what is inlined into `work` with the instructions that this processor has for shifts and the like.
    #[inline(always)]
    pub(crate) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `detect` has seen what it needs.
            return unsafe { avx2::run(work) };
        }
        work()
    }

    /// See [`filter::plain`].
    pub(crate) fn filter(self, how: Filter, pixel: usize, row: &[u8], above: &[u8], out: &mut [u8]) {
        // A loop for each, or the choice would be made for each byte.
        self.run(
            #[inline(always)]
            || match how {
                Filter::Sub => filter::plain(Filter::Sub, pixel, row, above, out),
                Filter::Up => filter::plain(Filter::Up, pixel, row, above, out),
                Filter::Average => filter::plain(Filter::Average, pixel, row, above, out),
                Filter::Paeth => filter::plain(Filter::Paeth, pixel, row, above, out),
            },
        );
    }

    /// Whether [`Self::wave`] is fast.
    pub(crate) fn waves(self) -> bool {
        cfg!(target_arch = "x86_64") && self.avx2
    }

    /// Undoes the filters of [`GROUP`](crate::decompress::GROUP) whole `lines`, each behind the number of its own, below the row `above`; pixels
    /// have up to 4 bytes.
    pub(crate) fn wave(self, lines: &[u8], above: &[u8], out: &mut [u8], pixel: usize) {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `detect` has seen what it needs.
            return unsafe {
                match pixel {
                    1 => wave::undo::<1>(lines, above, out),
                    2 => wave::undo::<2>(lines, above, out),
                    3 => wave::undo::<3>(lines, above, out),
                    _ => wave::undo::<4>(lines, above, out),
                }
            };
        }
        decompress::one_by_one(self, lines, above, out, pixel);
    }

    /// See [`filter::sums`].
    pub(crate) fn sums(self, pixel: usize, row: &[u8], above: &[u8]) -> [u64; 4] {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `detect` has seen what it needs.
            return unsafe { avx2::sums(pixel, row, above) };
        }
        filter::sums(pixel, row, above)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use crate::filter::{Filter, difference};

    /// See `Level::run`.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    pub(super) fn run<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    /// Bytes of a register.
    const WIDE: usize = 32;

    /// See `filter::sums`.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    pub(super) fn sums(pixel: usize, row: &[u8], above: &[u8]) -> [u64; 4] {
        let above = &above[..row.len()];
        let mut sums = [0; 4];
        let mut one_by_one = |range: std::ops::Range<usize>| {
            for at in range {
                for (sum, filter) in sums.iter_mut().zip(Filter::ALL) {
                    *sum += u64::from((difference(filter, pixel, row, above, at) as i8).unsigned_abs());
                }
            }
        };
        // The first pixel has no neighbour to the left.
        let start = pixel.min(row.len());
        let end = start + (row.len() - start) / WIDE * WIDE;
        one_by_one(0..start);
        one_by_one(end..row.len());
        let (lefts, corners) = (row[..row.len() - start].as_chunks().0, above[..row.len() - start].as_chunks().0);
        let (bytes, aboves) = (row[start..].as_chunks().0, above[start..].as_chunks().0);
        let load = |bytes: &[u8; WIDE]| {
            // SAFETY: 32 bytes are there; the load asks for no alignment.
            unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
        };
        let zero = _mm256_setzero_si256();
        let mut totals = [zero; 4];
        for ((byte, above), (left, corner)) in bytes.iter().zip(aboves).zip(lefts.iter().zip(corners)) {
            let (byte, above, left, corner) = (load(byte), load(above), load(left), load(corner));
            for (total, guess) in totals.iter_mut().zip([left, above, average(left, above), paeth(left, above, corner)]) {
                let difference = _mm256_sub_epi8(byte, guess);
                let size = _mm256_min_epu8(difference, _mm256_sub_epi8(zero, difference));
                *total = _mm256_add_epi64(*total, _mm256_sad_epu8(size, zero));
            }
        }
        for (sum, total) in sums.iter_mut().zip(totals) {
            let half = _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total));
            *sum += (_mm_extract_epi64::<0>(half) + _mm_extract_epi64::<1>(half)).cast_unsigned();
        }
        sums
    }

    /// Rounded down; the instruction rounds up.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn average(left: __m256i, above: __m256i) -> __m256i {
        let odd = _mm256_and_si256(_mm256_xor_si256(left, above), _mm256_set1_epi8(1));
        _mm256_sub_epi8(_mm256_avg_epu8(left, above), odd)
    }

    /// See `filter::paeth`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn paeth(left: __m256i, above: __m256i, corner: __m256i) -> __m256i {
        let apart = |a, b| _mm256_or_si256(_mm256_subs_epu8(a, b), _mm256_subs_epu8(b, a));
        let below = |a, b| _mm256_cmpeq_epi8(_mm256_max_epu8(a, b), a);
        let (to_left, to_above) = (apart(above, corner), apart(left, corner));
        let other_side = _mm256_xor_si256(below(above, corner), below(left, corner));
        let to_corner = _mm256_blendv_epi8(_mm256_adds_epu8(to_left, to_above), apart(to_left, to_above), other_side);
        let least = _mm256_min_epu8(_mm256_min_epu8(to_left, to_above), to_corner);
        let guess = _mm256_blendv_epi8(corner, above, _mm256_cmpeq_epi8(to_above, least));
        _mm256_blendv_epi8(guess, left, _mm256_cmpeq_epi8(to_left, least))
    }
}
