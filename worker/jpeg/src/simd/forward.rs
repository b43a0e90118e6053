//! AVX2 on the way from pixels to coefficients: the same results as the scalar forms in `encode`.
//!
//! Closures are called here, never handed to functions of the standard library: those are compiled without AVX2, so nothing would be inlined.

use std::arch::x86_64::*;

use crate::encode::dct::Divisors;
use crate::encode::sampling;
use crate::pixels::idct::*;
use crate::scan::Block;

/// Of four pixels of 3 bytes two channels, or none and one, as pairs of 16 bits.
const fn pairs(low: i8, high: i8) -> [i8; 16] {
    let mut order = [-1; 16];
    let mut pixel = 0;
    while pixel < 4 {
        if low >= 0 {
            order[4 * pixel] = 3 * pixel as i8 + low;
        }
        order[4 * pixel + 2] = 3 * pixel as i8 + high;
        pixel += 1;
    }
    order
}

static RED_GREEN: [i8; 16] = pairs(0, 1);
static BLUE_GREEN: [i8; 16] = pairs(2, 1);
static BLUE: [i8; 16] = pairs(-1, 2);
static RED: [i8; 16] = pairs(-1, 0);

/// See `Level::ycc`.
#[target_feature(enable = "avx2")]
pub(super) fn ycc(rgb: &[u8], y: &mut [u8], cb: &mut [u8], cr: &mut [u8]) {
    let [y32, cb32, cr32] = [&mut *y, &mut *cb, &mut *cr].map(|plane| plane.as_chunks_mut::<32>().0);
    // Of the last pixels, loads would read past the end.
    let whole = y32.len().min(cb32.len()).min(cr32.len()).min(rgb.len().saturating_sub(4) / 96);
    let pairs = |order: &[i8; 16]| {
        // SAFETY: 16 bytes are there; the load asks for no alignment.
        _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(order.as_ptr().cast()) })
    };
    let (red_green, blue_green, blue, red) = (pairs(&RED_GREEN), pairs(&BLUE_GREEN), pairs(&BLUE), pairs(&RED));
    let factors = |low: i32, high: i32| _mm256_set1_epi32((low & 0xffff) | high << 16);
    // 0.587 does not fit 16 bits: it is taken in two parts.
    let (y_rg, y_bg) = (factors(19595, 38470 - 16384), factors(7471, 16384));
    let (cb_rg, cr_bg) = (factors(-11059, -21709), factors(-5329, -27439));
    let (half, center) = (_mm256_set1_epi32(1 << 15), _mm256_set1_epi32((128 << 16) + (1 << 15) - 1));
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (index, ((y, cb), cr)) in y32.iter_mut().zip(cb32).zip(cr32).take(whole).enumerate() {
        let from = &rgb[96 * index..][..100];
        let eight = |at: usize| {
            let four = |at: usize| {
                let part = &from[at..][..16];
                // SAFETY: 16 bytes are there; the load asks for no alignment.
                unsafe { _mm_loadu_si128(part.as_ptr().cast()) }
            };
            let pixels = _mm256_set_m128i(four(at + 12), four(at));
            let (rg, bg) = (_mm256_shuffle_epi8(pixels, red_green), _mm256_shuffle_epi8(pixels, blue_green));
            // Half of 16 bits more: times 0.5.
            let (b, r) = (_mm256_shuffle_epi8(pixels, blue), _mm256_shuffle_epi8(pixels, red));
            let (b, r) = (_mm256_srli_epi32::<1>(b), _mm256_srli_epi32::<1>(r));
            let luma = _mm256_add_epi32(_mm256_madd_epi16(rg, y_rg), _mm256_madd_epi16(bg, y_bg));
            let (cb, cr) = (_mm256_add_epi32(_mm256_madd_epi16(rg, cb_rg), b), _mm256_add_epi32(_mm256_madd_epi16(bg, cr_bg), r));
            let whole = |sum: __m256i, bias: __m256i| _mm256_srli_epi32::<16>(_mm256_add_epi32(sum, bias));
            [whole(luma, half), whole(cb, center), whole(cr, center)]
        };
        let parts = [eight(0), eight(24), eight(48), eight(72)];
        for (out, channel) in [y, cb, cr].into_iter().zip(0..3) {
            let words = (
                _mm256_packus_epi32(parts[0][channel], parts[1][channel]),
                _mm256_packus_epi32(parts[2][channel], parts[3][channel]),
            );
            let bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(words.0, words.1), order);
            // SAFETY: 32 bytes are there; the store asks for no alignment.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), bytes) };
        }
    }
    let done = 32 * whole;
    sampling::ycc(&rgb[3 * done..], &mut y[done..], &mut cb[done..], &mut cr[done..]);
}

/// See `Level::halve`.
#[target_feature(enable = "avx2")]
pub(super) fn halve(upper: &[u8], lower: &[u8], out: &mut [u8]) {
    let ((upper64, _), (lower64, _)) = (upper.as_chunks::<64>(), lower.as_chunks::<64>());
    let (out32, _) = out.as_chunks_mut::<32>();
    let (ones, bias) = (_mm256_set1_epi8(1), _mm256_set1_epi32(2 << 16 | 1));
    let mut done = 0;
    for ((upper, lower), out) in upper64.iter().zip(lower64).zip(out32) {
        let load = |part: &[u8; 32]| {
            // SAFETY: 32 bytes are there; the load asks for no alignment.
            _mm256_maddubs_epi16(unsafe { _mm256_loadu_si256(part.as_ptr().cast()) }, ones)
        };
        let (upper, lower) = (upper.as_chunks().0, lower.as_chunks().0);
        let mean = |at: usize| {
            let sum = _mm256_add_epi16(load(&upper[at]), load(&lower[at]));
            _mm256_srli_epi16::<2>(_mm256_add_epi16(sum, bias))
        };
        let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(mean(0), mean(1)));
        // SAFETY: 32 bytes are there; the store asks for no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), bytes) };
        done += 32;
    }
    sampling::halve(&upper[2 * done..], &lower[2 * done..], &mut out[done..]);
}

/// See `Level::forward`: two blocks at a time, one in each half of the registers.
#[target_feature(enable = "avx2")]
pub(super) fn forward(samples: &[u8], stride: usize, divisors: &Divisors, blocks: &mut [Block]) {
    let load = |row: &[u16; 16]| {
        // SAFETY: 32 bytes are there; the load asks for no alignment.
        unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
    };
    let center = _mm256_set1_epi16(128);
    for (place, pair) in blocks.chunks_mut(2).enumerate() {
        let mut input = [center; 8];
        for (y, input) in input.iter_mut().enumerate() {
            let row = &samples[y * stride + 16 * place..][..16];
            // SAFETY: 16 bytes are there; the load asks for no alignment.
            *input = _mm256_sub_epi16(_mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(row.as_ptr().cast()) }), center);
        }
        let across = transpose(eight::<11>(transpose(input), |even| _mm256_slli_epi16::<2>(even)));
        let down = eight::<15>(across, |even| _mm256_srai_epi16::<2>(_mm256_add_epi16(even, _mm256_set1_epi16(2))));
        for (y, value) in down.into_iter().enumerate() {
            let sum = _mm256_add_epi16(_mm256_abs_epi16(value), load(&divisors.corrections[y]));
            let product = _mm256_mulhi_epu16(sum, load(&divisors.reciprocals[y]));
            let quotient = _mm256_sign_epi16(_mm256_mulhi_epu16(product, load(&divisors.scales[y])), value);
            let halves = [_mm256_castsi256_si128(quotient), _mm256_extracti128_si256::<1>(quotient)];
            for (block, half) in pair.iter_mut().zip(halves) {
                let row = &mut block[8 * y..][..8];
                // SAFETY: 16 bytes are there; the store asks for no alignment.
                unsafe { _mm_storeu_si128(row.as_mut_ptr().cast(), half) };
            }
        }
    }
}

/// 16 times the one dimension of `encode::dct`.
#[inline]
#[target_feature(enable = "avx2")]
fn eight<const SHIFT: i32>(d: [__m256i; 8], even: impl Fn(__m256i) -> __m256i) -> [__m256i; 8] {
    let sum = |k: usize| _mm256_add_epi16(d[k], d[7 - k]);
    let difference = |k: usize| _mm256_sub_epi16(d[k], d[7 - k]);
    let (t0, t1, t2, t3) = (sum(0), sum(1), sum(2), sum(3));
    let (t7, t6, t5, t4) = (difference(0), difference(1), difference(2), difference(3));
    let (t10, t13) = (_mm256_add_epi16(t0, t3), _mm256_sub_epi16(t0, t3));
    let (t11, t12) = (_mm256_add_epi16(t1, t2), _mm256_sub_epi16(t1, t2));
    let half = _mm256_set1_epi32(1 << (SHIFT - 1));
    let factors = |low: i32, high: i32| _mm256_set1_epi32((low & 0xffff) | high << 16);
    // Each pair times its factors, added, in 32 bits: the lower and the upper values of both halves.
    let pairs = |a: __m256i, b: __m256i| [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)];
    let times = |[low, high]: [__m256i; 2], by: __m256i| [_mm256_madd_epi16(low, by), _mm256_madd_epi16(high, by)];
    let add = |a: [__m256i; 2], b: [__m256i; 2]| [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])];
    let down = |[low, high]: [__m256i; 2]| {
        let shifted = |value| _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(value, half));
        _mm256_packs_epi32(shifted(low), shifted(high))
    };
    let middle = pairs(t13, t12);
    let z = pairs(_mm256_add_epi16(t4, t6), _mm256_add_epi16(t5, t7));
    let (odd3, odd4) = (times(z, factors(F1175 - F1961, F1175)), times(z, factors(F1175, F1175 - F0390)));
    let (outer, inner) = (pairs(t4, t7), pairs(t5, t6));
    [
        even(_mm256_add_epi16(t10, t11)),
        down(add(times(outer, factors(-F0899, F1501 - F0899)), odd4)),
        down(times(middle, factors(F0541 + F0765, F0541))),
        down(add(times(inner, factors(-F2562, F3072 - F2562)), odd3)),
        even(_mm256_sub_epi16(t10, t11)),
        down(add(times(inner, factors(F2053 - F2562, -F2562)), odd4)),
        down(times(middle, factors(F0541, F0541 - F1847))),
        down(add(times(outer, factors(F0298 - F0899, -F0899)), odd3)),
    ]
}

/// Rows to columns, in each half.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
    let quads = |a: __m256i, b: __m256i, c: __m256i, d: __m256i| {
        let (low, other_low) = (_mm256_unpacklo_epi16(a, b), _mm256_unpacklo_epi16(c, d));
        let (high, other_high) = (_mm256_unpackhi_epi16(a, b), _mm256_unpackhi_epi16(c, d));
        [
            _mm256_unpacklo_epi32(low, other_low),
            _mm256_unpackhi_epi32(low, other_low),
            _mm256_unpacklo_epi32(high, other_high),
            _mm256_unpackhi_epi32(high, other_high),
        ]
    };
    let (upper, lower) = (quads(r[0], r[1], r[2], r[3]), quads(r[4], r[5], r[6], r[7]));
    let mut out = [r[0]; 8];
    for k in 0..4 {
        out[2 * k] = _mm256_unpacklo_epi64(upper[k], lower[k]);
        out[2 * k + 1] = _mm256_unpackhi_epi64(upper[k], lower[k]);
    }
    out
}
