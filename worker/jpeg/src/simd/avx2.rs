//! AVX2.

use std::arch::x86_64::*;

use crate::pixels::{color, idct, upsample};
use crate::scan::Block;
use crate::zigzag::ZIGZAG;

/// See `Nonzero::mask`.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn nonzero(block: &Block) -> u64 {
    let (parts, _) = block.as_chunks::<16>();
    let zero = _mm256_setzero_si256();
    let load = |part: &[i16; 16]| {
        // SAFETY: 32 bytes are there; the load asks for no alignment.
        unsafe { _mm256_loadu_si256(part.as_ptr().cast()) }
    };
    let mut natural = 0u64;
    for (index, pair) in parts.as_chunks::<2>().0.iter().enumerate() {
        let zeros = _mm256_packs_epi16(_mm256_cmpeq_epi16(load(&pair[0]), zero), _mm256_cmpeq_epi16(load(&pair[1]), zero));
        // Packing goes by halves of the register.
        let zeros = _mm256_permute4x64_epi64::<0b11_01_10_00>(zeros);
        natural |= u64::from(!_mm256_movemask_epi8(zeros) as u32) << (32 * index);
    }
    let mut mask = 0;
    while natural != 0 {
        mask |= 1 << ZIGZAG[natural.trailing_zeros() as usize & 63];
        natural &= natural - 1;
    }
    mask
}

/// See `Level::rgb`.
#[target_feature(enable = "avx2")]
pub(super) fn rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    color::rgb(y, cb, cr, out);
}

/// See `Level::across`.
#[target_feature(enable = "avx2")]
pub(super) fn across(near: &[u8], out: &mut [u8]) {
    upsample::across(near, out);
}

/// See `Level::down`.
#[target_feature(enable = "avx2")]
pub(super) fn down(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
    upsample::down(near, far, bias, out);
}

/// See `Level::both`.
#[target_feature(enable = "avx2")]
pub(super) fn both(near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
    upsample::both(near, far, sums, out);
}

/// See `Level::idct_row`.
#[target_feature(enable = "avx2")]
pub(super) fn idct_row(blocks: &[Block], quant: &[u16; 64], rows: &mut [u8], stride: usize) {
    let (steps, _) = quant.as_chunks::<8>();
    let steps: [__m128i; 8] = std::array::from_fn(|y| {
        // SAFETY: 16 bytes are there; the load asks for no alignment.
        unsafe { _mm_loadu_si128(steps[y].as_ptr().cast()) }
    });
    for (x, block) in blocks.iter().enumerate() {
        let (parts, _) = block.as_chunks::<8>();
        let input: [__m128i; 8] = std::array::from_fn(|y| {
            // SAFETY: 16 bytes are there; the load asks for no alignment.
            let row = unsafe { _mm_loadu_si128(parts[y].as_ptr().cast()) };
            _mm_mullo_epi16(row, steps[y])
        });
        let columns = transpose(eight::<11>(input));
        let samples = transpose(eight::<18>(columns));
        for (y, values) in samples.into_iter().enumerate() {
            // Saturation to -128..128, then to samples.
            let bytes = _mm_add_epi8(_mm_packs_epi16(values, values), _mm_set1_epi8(-128));
            rows[y * stride + 8 * x..][..8].copy_from_slice(&_mm_cvtsi128_si64(bytes).to_le_bytes());
        }
    }
}

/// Pairs of the 8 values of two registers, each in 32 bits of the wide one.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs(a: __m128i, b: __m128i) -> __m256i {
    _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b))
}

/// Each pair times two factors of 16 bits, added.
#[inline]
#[target_feature(enable = "avx2")]
fn times(pairs: __m256i, first: i32, second: i32) -> __m256i {
    _mm256_madd_epi16(pairs, _mm256_set1_epi32((first & 0xffff) | second << 16))
}

/// 8 times the one dimension of `idct::eight`, from registers of the same coefficient to registers of the same place.
#[inline]
#[target_feature(enable = "avx2")]
fn eight<const SHIFT: i32>(c: [__m128i; 8]) -> [__m128i; 8] {
    use idct::*;
    let even = pairs(c[2], c[6]);
    let even3 = times(even, F0541 + F0765, F0541);
    let even2 = times(even, F0541, F0541 - F1847);
    let even0 = _mm256_slli_epi32::<13>(_mm256_cvtepi16_epi32(_mm_add_epi16(c[0], c[4])));
    let even1 = _mm256_slli_epi32::<13>(_mm256_cvtepi16_epi32(_mm_sub_epi16(c[0], c[4])));
    let sums = [
        _mm256_add_epi32(even0, even3),
        _mm256_add_epi32(even1, even2),
        _mm256_sub_epi32(even1, even2),
        _mm256_sub_epi32(even0, even3),
    ];
    let z = pairs(_mm_add_epi16(c[7], c[3]), _mm_add_epi16(c[5], c[1]));
    let odd3 = times(z, F1175 - F1961, F1175);
    let odd4 = times(z, F1175, F1175 - F0390);
    let (outer, inner) = (pairs(c[7], c[1]), pairs(c[5], c[3]));
    let odd = [
        _mm256_add_epi32(times(outer, -F0899, F1501 - F0899), odd4),
        _mm256_add_epi32(times(inner, -F2562, F3072 - F2562), odd3),
        _mm256_add_epi32(times(inner, F2053 - F2562, -F2562), odd4),
        _mm256_add_epi32(times(outer, F0298 - F0899, -F0899), odd3),
    ];
    let half = _mm256_set1_epi32(1 << (SHIFT - 1));
    let mut out = [_mm_setzero_si128(); 8];
    for k in 0..4 {
        let sum = _mm256_add_epi32(sums[k], half);
        let low = _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(sum, odd[k]));
        let high = _mm256_srai_epi32::<SHIFT>(_mm256_sub_epi32(sum, odd[k]));
        // Packing goes by halves: low, high, low, high.
        let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
        out[k] = _mm256_castsi256_si128(both);
        out[7 - k] = _mm256_extracti128_si256::<1>(both);
    }
    out
}

/// Rows to columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(r: [__m128i; 8]) -> [__m128i; 8] {
    let a: [__m128i; 4] = std::array::from_fn(|k| _mm_unpacklo_epi16(r[2 * k], r[2 * k + 1]));
    let b: [__m128i; 4] = std::array::from_fn(|k| _mm_unpackhi_epi16(r[2 * k], r[2 * k + 1]));
    let quads = |x: __m128i, y: __m128i| [_mm_unpacklo_epi32(x, y), _mm_unpackhi_epi32(x, y)];
    let halves = |x: __m128i, y: __m128i| [_mm_unpacklo_epi64(x, y), _mm_unpackhi_epi64(x, y)];
    let ([a0, a1], [a2, a3]) = (quads(a[0], a[1]), quads(a[2], a[3]));
    let ([b0, b1], [b2, b3]) = (quads(b[0], b[1]), quads(b[2], b[3]));
    let ([c0, c1], [c2, c3]) = (halves(a0, a2), halves(a1, a3));
    let ([c4, c5], [c6, c7]) = (halves(b0, b2), halves(b1, b3));
    [c0, c1, c2, c3, c4, c5, c6, c7]
}
