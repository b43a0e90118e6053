//! AVX2 on the way from coefficients to samples: the same results as the scalar form in `pixels::idct`, wrapping and saturation of broken files
//! included.
//!
//! Closures are called here, never handed to functions of the standard library: those are compiled without AVX2, so nothing would be inlined.

use std::arch::x86_64::*;

use super::forward::transpose;
use crate::pixels::idct::*;
use crate::scan::Block;

/// See `Level::idct_row`.
#[target_feature(enable = "avx2")]
pub(super) fn idct_row(blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize) {
    // What of video is not asked for does not count.
    row::<false>(blocks, quant, rows, stride, Video::BRIGHTNESS);
}

/// See `Level::video_row`.
#[target_feature(enable = "avx2")]
pub(super) fn video_row(blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize, video: Video) {
    row::<true>(blocks, quant, rows, stride, video);
}

/// Two blocks at a time, one in each half of the registers.
#[inline]
#[target_feature(enable = "avx2")]
fn row<const VIDEO: bool>(blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize, video: Video) {
    let mut steps = [_mm256_setzero_si256(); 8];
    for (steps, row) in steps.iter_mut().zip(quant.as_chunks::<8>().0) {
        // SAFETY: 16 bytes are there; the load asks for no alignment.
        *steps = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(row.as_ptr().cast()) });
    }
    let nothing = [0; 64];
    for (place, pair) in blocks.chunks(2).enumerate() {
        let load = |row: &[i16; 8]| {
            // SAFETY: 16 bytes are there; the load asks for no alignment.
            unsafe { _mm_loadu_si128(row.as_ptr().cast()) }
        };
        let second = if pair.len() == 2 { &pair[1] } else { &nothing };
        let rows_of = pair[0].as_chunks::<8>().0.iter().zip(second.as_chunks::<8>().0);
        let mut input = [_mm256_setzero_si256(); 8];
        for ((input, (first, second)), steps) in input.iter_mut().zip(rows_of).zip(&steps) {
            *input = _mm256_mullo_epi16(_mm256_set_m128i(load(second), load(first)), *steps);
        }
        let at = |y: usize| y * stride + 16 * place;
        if is_flat(&input) {
            let dc = [_mm256_extract_epi16::<0>(input[0]), _mm256_extract_epi16::<8>(input[0])];
            // As both passes make it of nothing but DC.
            let sample = |dc: i32| {
                if VIDEO { video.sample(dc as i16) } else { (((i32::from(dc as i16) + 4) >> 3) + 128).clamp(0, 255) as u8 }
            };
            let samples = [sample(dc[0]), sample(dc[1])];
            for y in 0..8 {
                for (part, sample) in rows[at(y)..][..8 * pair.len()].chunks_exact_mut(8).zip(samples) {
                    part.fill(sample);
                }
            }
            continue;
        }
        let columns = transpose(eight::<11>(input));
        let samples = transpose(if VIDEO { eight::<15>(columns) } else { eight::<18>(columns) });
        for (number, two) in samples.as_chunks::<2>().0.iter().enumerate() {
            let bytes = if VIDEO {
                video_bytes(two, video)
            } else {
                // Saturation to -128..128, then to samples.
                _mm256_add_epi8(_mm256_packs_epi16(two[0], two[1]), _mm256_set1_epi8(-128))
            };
            // Of both blocks the first row, then of both the second.
            let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes);
            let halves = [_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes)];
            for (y, half) in halves.into_iter().enumerate() {
                let row = &mut rows[at(2 * number + y)..][..8 * pair.len()];
                if pair.len() == 2 {
                    // SAFETY: 16 bytes are there; the store asks for no alignment.
                    unsafe { _mm_storeu_si128(row.as_mut_ptr().cast(), half) };
                } else {
                    row.copy_from_slice(&_mm_cvtsi128_si64(half).to_le_bytes());
                }
            }
        }
    }
}

/// See `Video::sample`.
#[inline]
#[target_feature(enable = "avx2")]
fn video_bytes(eighths: &[__m256i; 2], video: Video) -> __m256i {
    let (least, most, bias) = (_mm256_set1_epi16(LEAST), _mm256_set1_epi16(MOST), _mm256_set1_epi16(video.bias));
    let part = |eighths: __m256i| {
        let cut = _mm256_min_epi16(_mm256_max_epi16(eighths, least), most);
        let samples = _mm256_mulhrs_epi16(_mm256_add_epi16(cut, bias), _mm256_set1_epi16(video.factor));
        _mm256_add_epi16(samples, _mm256_set1_epi16(i16::from(video.offset)))
    };
    _mm256_packus_epi16(part(eighths[0]), part(eighths[1]))
}

/// In both blocks nothing but the first value is other than 0.
#[inline]
#[target_feature(enable = "avx2")]
fn is_flat(c: &[__m256i; 8]) -> bool {
    let mut ac = _mm256_srli_si256::<2>(c[0]);
    for row in &c[1..] {
        ac = _mm256_or_si256(ac, *row);
    }
    _mm256_testz_si256(ac, ac) != 0
}

/// 16 times the one dimension of `idct::eight`, from registers of the same coefficient to registers of the same place.
#[inline]
#[target_feature(enable = "avx2")]
fn eight<const SHIFT: i32>(c: [__m256i; 8]) -> [__m256i; 8] {
    // In 32 bits the lower and the upper values of both halves.
    let pairs = |a: __m256i, b: __m256i| [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)];
    let times = |pairs: [__m256i; 2], first: i32, second: i32| {
        let by = _mm256_set1_epi32((first & 0xffff) | second << 16);
        [_mm256_madd_epi16(pairs[0], by), _mm256_madd_epi16(pairs[1], by)]
    };
    let add = |a: [__m256i; 2], b: [__m256i; 2]| [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])];
    let sub = |a: [__m256i; 2], b: [__m256i; 2]| [_mm256_sub_epi32(a[0], b[0]), _mm256_sub_epi32(a[1], b[1])];
    // Times 2 to the 13th.
    let wide = |value: __m256i| {
        let [low, high] = pairs(_mm256_setzero_si256(), value);
        [_mm256_srai_epi32::<3>(low), _mm256_srai_epi32::<3>(high)]
    };
    let even = pairs(c[2], c[6]);
    let even3 = times(even, F0541 + F0765, F0541);
    let even2 = times(even, F0541, F0541 - F1847);
    let even0 = wide(_mm256_add_epi16(c[0], c[4]));
    let even1 = wide(_mm256_sub_epi16(c[0], c[4]));
    let sums = [add(even0, even3), add(even1, even2), sub(even1, even2), sub(even0, even3)];
    let z = pairs(_mm256_add_epi16(c[7], c[3]), _mm256_add_epi16(c[5], c[1]));
    let odd3 = times(z, F1175 - F1961, F1175);
    let odd4 = times(z, F1175, F1175 - F0390);
    let (outer, inner) = (pairs(c[7], c[1]), pairs(c[5], c[3]));
    let odd = [
        add(times(outer, -F0899, F1501 - F0899), odd4),
        add(times(inner, -F2562, F3072 - F2562), odd3),
        add(times(inner, F2053 - F2562, -F2562), odd4),
        add(times(outer, F0298 - F0899, -F0899), odd3),
    ];
    let half = [_mm256_set1_epi32(1 << (SHIFT - 1)); 2];
    let down =
        |value: [__m256i; 2]| _mm256_packs_epi32(_mm256_srai_epi32::<SHIFT>(value[0]), _mm256_srai_epi32::<SHIFT>(value[1]));
    let mut out = [_mm256_setzero_si256(); 8];
    for k in 0..4 {
        let sum = add(sums[k], half);
        out[k] = down(add(sum, odd[k]));
        out[7 - k] = down(sub(sum, odd[k]));
    }
    out
}

/// See `Level::four_row`: four blocks at a time.
#[target_feature(enable = "avx2")]
pub(super) fn four_row(blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize) {
    let low = |row: &[i16; 8]| {
        // SAFETY: 8 bytes are there; the load asks for no alignment.
        unsafe { _mm_loadl_epi64(row.as_ptr().cast()) }
    };
    let (fours, rest) = blocks.as_chunks::<4>();
    for (place, four) in fours.iter().enumerate() {
        let mut input = [_mm256_setzero_si256(); 4];
        for (y, input) in input.iter_mut().enumerate() {
            let row = |block: &Block| low(&block.as_chunks().0[y]);
            let first = _mm_unpacklo_epi64(row(&four[0]), row(&four[1]));
            let last = _mm_unpacklo_epi64(row(&four[2]), row(&four[3]));
            let steps = &quant.as_chunks::<8>().0[y];
            // SAFETY: 8 bytes are there; the load asks for no alignment.
            let steps = _mm256_broadcastq_epi64(unsafe { _mm_loadl_epi64(steps.as_ptr().cast()) });
            *input = _mm256_mullo_epi16(_mm256_set_m128i(last, first), steps);
        }
        let columns = transpose_four(quarter::<11>(input));
        let samples = transpose_four(quarter::<16>(columns));
        for (y, values) in samples.iter().enumerate() {
            // Saturation to -128..128, then to samples.
            let bytes = _mm256_add_epi8(_mm256_packs_epi16(*values, *values), _mm256_set1_epi8(-128));
            let bytes = _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b10_00>(bytes));
            let row = &mut rows[y * stride + 16 * place..][..16];
            // SAFETY: 16 bytes are there; the store asks for no alignment.
            unsafe { _mm_storeu_si128(row.as_mut_ptr().cast(), bytes) };
        }
    }
    for (x, block) in rest.iter().enumerate() {
        for (y, samples) in four(block, quant).iter().enumerate() {
            rows[y * stride + 16 * fours.len() + 4 * x..][..4].copy_from_slice(samples);
        }
    }
}

/// 16 times the one dimension of `idct::quarter`.
#[inline]
#[target_feature(enable = "avx2")]
fn quarter<const SHIFT: i32>(c: [__m256i; 4]) -> [__m256i; 4] {
    let times =
        |pair: __m256i, first: i32, second: i32| _mm256_madd_epi16(pair, _mm256_set1_epi32((first & 0xffff) | second << 16));
    let half = _mm256_set1_epi32(1 << (SHIFT - 1));
    // In 32 bits the lower values of both halves, then the upper ones.
    let part = |even: __m256i, odd: __m256i| {
        let (sum, difference) = (times(even, HALF, HALF), times(even, HALF, -HALF));
        let (sum, difference) = (_mm256_add_epi32(sum, half), _mm256_add_epi32(difference, half));
        let (large, small) = (times(odd, LARGE, SMALL), times(odd, SMALL, -LARGE));
        [
            _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(sum, large)),
            _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(difference, small)),
            _mm256_srai_epi32::<SHIFT>(_mm256_sub_epi32(difference, small)),
            _mm256_srai_epi32::<SHIFT>(_mm256_sub_epi32(sum, large)),
        ]
    };
    let lower = part(_mm256_unpacklo_epi16(c[0], c[2]), _mm256_unpacklo_epi16(c[1], c[3]));
    let upper = part(_mm256_unpackhi_epi16(c[0], c[2]), _mm256_unpackhi_epi16(c[1], c[3]));
    let mut out = [c[0]; 4];
    for k in 0..4 {
        out[k] = _mm256_packs_epi32(lower[k], upper[k]);
    }
    out
}

/// Rows of four to columns, in each of the four blocks.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_four(r: [__m256i; 4]) -> [__m256i; 4] {
    // Of the first block of each half, then of the second.
    let quads = |one: __m256i, other: __m256i| [_mm256_unpacklo_epi32(one, other), _mm256_unpackhi_epi32(one, other)];
    let [first_low, first_high] = quads(_mm256_unpacklo_epi16(r[0], r[1]), _mm256_unpacklo_epi16(r[2], r[3]));
    let [last_low, last_high] = quads(_mm256_unpackhi_epi16(r[0], r[1]), _mm256_unpackhi_epi16(r[2], r[3]));
    [
        _mm256_unpacklo_epi64(first_low, last_low),
        _mm256_unpackhi_epi64(first_low, last_low),
        _mm256_unpacklo_epi64(first_high, last_high),
        _mm256_unpackhi_epi64(first_high, last_high),
    ]
}
