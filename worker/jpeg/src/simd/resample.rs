//! AVX2 for resampling: the same results as the scalar forms in `pixels::taps`.
//!
//! Closures are called here, never handed to functions of the standard library: those are compiled without AVX2, so nothing would be inlined.

use std::arch::x86_64::*;

use crate::pixels::taps::{self, BETWEEN, FINE, GROUP, Taps, WEIGHT};

/// See `Level::resample_down`: 32 columns at a time, the rows in pairs.
#[target_feature(enable = "avx2")]
pub(super) fn down(rows: &[&[u8]], weights: &[i16], out: &mut [i16]) {
    const SHIFT: i32 = (WEIGHT - BETWEEN) as i32;
    let whole = rows.iter().map(|row| row.len()).min().unwrap_or(0).min(out.len()) / 32;
    let zero = _mm256_setzero_si256();
    let load = |row: &[u8], at: usize| {
        let part = &row[32 * at..][..32];
        // SAFETY: 32 bytes are there; the load asks for no alignment.
        unsafe { _mm256_loadu_si256(part.as_ptr().cast()) }
    };
    let (out32, _) = out.as_chunks_mut::<32>();
    for (at, out) in out32.iter_mut().enumerate().take(whole) {
        let mut sums = [_mm256_set1_epi32(1 << (SHIFT - 1)); 4];
        for (pair, weights) in rows.chunks(2).zip(weights.chunks(2)) {
            let first = load(pair[0], at);
            // A last row alone is paired with nothing.
            let second = if pair.len() == 2 { load(pair[1], at) } else { zero };
            let high = if weights.len() == 2 { i32::from(weights[1]) } else { 0 };
            let factors = _mm256_set1_epi32(i32::from(weights[0]) & 0xffff | high << 16);
            let (low, up) = (_mm256_unpacklo_epi8(first, second), _mm256_unpackhi_epi8(first, second));
            let quads = [
                _mm256_unpacklo_epi8(low, zero),
                _mm256_unpackhi_epi8(low, zero),
                _mm256_unpacklo_epi8(up, zero),
                _mm256_unpackhi_epi8(up, zero),
            ];
            for (sum, quad) in sums.iter_mut().zip(quads) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(quad, factors));
            }
        }
        let shifted = |sum: __m256i| _mm256_srai_epi32::<SHIFT>(sum);
        // Unpacking and packing go by halves of the register.
        let low = _mm256_packs_epi32(shifted(sums[0]), shifted(sums[1]));
        let up = _mm256_packs_epi32(shifted(sums[2]), shifted(sums[3]));
        let parts = [_mm256_permute2x128_si256::<0x20>(low, up), _mm256_permute2x128_si256::<0x31>(low, up)];
        for (out, part) in out.as_chunks_mut::<16>().0.iter_mut().zip(parts) {
            // SAFETY: 32 bytes are there; the store asks for no alignment.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), part) };
        }
    }
    if 32 * whole < out.len() {
        let rest: Vec<&[u8]> = rows.iter().map(|row| &row[32 * whole..]).collect();
        taps::down(&rest, weights, &mut out[32 * whole..]);
    }
}

/// See `Level::resample_across`: four positions at a time.
#[target_feature(enable = "avx2")]
pub(super) fn across(between: &[i16], taps: &Taps, out: &mut [u8]) {
    const SHIFT: i32 = (WEIGHT + BETWEEN) as i32;
    let half = _mm_set1_epi32(1 << (SHIFT - 1));
    for (four, out) in out.chunks_mut(4).enumerate() {
        let words = _mm_srai_epi32::<SHIFT>(_mm_add_epi32(sums(between, taps, four, out.len()), half));
        let words = _mm_packs_epi32(words, words);
        let bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_le_bytes();
        out.copy_from_slice(&bytes[..out.len()]);
    }
}

/// See `Level::resample_across_fine`.
#[target_feature(enable = "avx2")]
pub(super) fn across_fine(between: &[i16], taps: &Taps, out: &mut [i16]) {
    const SHIFT: i32 = (WEIGHT + BETWEEN - FINE) as i32;
    let half = _mm_set1_epi32(1 << (SHIFT - 1));
    for (four, out) in out.chunks_mut(4).enumerate() {
        let words = _mm_srai_epi32::<SHIFT>(_mm_add_epi32(sums(between, taps, four, out.len()), half));
        let words = _mm_cvtsi128_si64(_mm_packs_epi32(words, words)) as u64;
        for (place, out) in out.iter_mut().enumerate() {
            *out = (words >> (16 * place)) as i16;
        }
    }
}

/// Of four positions, of which as many as `count` exist, what samples and weights add up to.
#[inline]
#[target_feature(enable = "avx2")]
fn sums(between: &[i16], taps: &Taps, four: usize, count: usize) -> __m128i {
    let load = |part: &[i16; GROUP]| {
        // SAFETY: 16 bytes are there; the load asks for no alignment.
        unsafe { _mm_loadu_si128(part.as_ptr().cast()) }
    };
    let mut sums = [_mm_setzero_si128(); 4];
    for (place, sum) in sums.iter_mut().enumerate() {
        // Behind the last position, it once more.
        let (start, weights) = taps.window(4 * four + place.min(count - 1));
        let samples = &between[start..][..weights.len()];
        for (samples, weights) in samples.as_chunks().0.iter().zip(weights.as_chunks().0) {
            *sum = _mm_add_epi32(*sum, _mm_madd_epi16(load(samples), load(weights)));
        }
    }
    _mm_hadd_epi32(_mm_hadd_epi32(sums[0], sums[1]), _mm_hadd_epi32(sums[2], sums[3]))
}
