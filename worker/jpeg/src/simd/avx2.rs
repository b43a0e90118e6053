//! AVX2.

use std::arch::x86_64::*;

use crate::pixels::taps::FINE;
use crate::pixels::{color, upsample};
use crate::requantise;
use crate::scan::Block;
use crate::zigzag::NATURAL;

/// See `Level::run`.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,movbe")]
pub(super) fn run<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// See `Nonzero::places`.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn places(block: &Block) -> u64 {
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
    natural
}

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
    // Whether it is 0, 16 coefficients in the halves of two registers, in the order of packing: of each part the lower 8, of the next one the
    // lower 8, and the same with the upper ones.
    let zeros = |one: usize, other: usize| {
        _mm256_packs_epi16(_mm256_cmpeq_epi16(load(&parts[one]), zero), _mm256_cmpeq_epi16(load(&parts[other]), zero))
    };
    let (first, last) = (zeros(0, 1), zeros(2, 3));
    let quarters = [
        _mm256_permute2x128_si256::<0x00>(first, first),
        _mm256_permute2x128_si256::<0x11>(first, first),
        _mm256_permute2x128_si256::<0x00>(last, last),
        _mm256_permute2x128_si256::<0x11>(last, last),
    ];
    let ordered = |half: usize| {
        let part = |quarter: usize| {
            // SAFETY: 32 bytes are there; the load asks for no alignment.
            let order = unsafe { _mm256_loadu_si256(CODED[half][quarter].as_ptr().cast()) };
            _mm256_shuffle_epi8(quarters[quarter], order)
        };
        let zeros = _mm256_or_si256(_mm256_or_si256(part(0), part(1)), _mm256_or_si256(part(2), part(3)));
        u64::from(_mm256_movemask_epi8(zeros) as u32)
    };
    !(ordered(0) | ordered(1) << 32)
}

/// Of both halves of the order of coding, where its bytes stand in each of the quarters of `nonzero`; -1 makes a 0.
static CODED: [[[i8; 32]; 4]; 2] = {
    let mut all = [[[-1; 32]; 4]; 2];
    let mut k = 0;
    while k < 64 {
        let at = NATURAL[k] as usize;
        // 32 coefficients are in two registers; packed, 8 of the first, 8 of the second.
        let (half, part, within) = (at / 32, at % 32 / 16, at % 16);
        all[k / 32][2 * half + within / 8][k % 32] = (8 * part + within % 8) as i8;
        k += 1;
    }
    all
};

/// See `Level::rgb`. In 16 bits, where 1.402, 1.772 and 0.714 do not fit: 0.402 + 1, 2 - 0.228, 1 - 0.286.
#[target_feature(enable = "avx2")]
pub(super) fn rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    let (y16, y_rest) = y.as_chunks::<16>();
    let (cb16, cb_rest) = cb.as_chunks::<16>();
    let (cr16, cr_rest) = cr.as_chunks::<16>();
    let (out16, out_rest) = out.as_chunks_mut::<48>();
    let load = |part: &[u8; 16]| {
        // SAFETY: 16 bytes are there; the load asks for no alignment.
        _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(part.as_ptr().cast()) })
    };
    let (center, one) = (_mm256_set1_epi16(128), _mm256_set1_epi16(1));
    // Twice the value times 16 bits of fraction, rounded, halved.
    let times = |value: __m256i, factor: i16| {
        let high = _mm256_mulhi_epi16(_mm256_add_epi16(value, value), _mm256_set1_epi16(factor));
        _mm256_srai_epi16::<1>(_mm256_add_epi16(high, one))
    };
    let green_factors = _mm256_set1_epi32((-22554 & 0xffff) | 18734 << 16);
    let half = _mm256_set1_epi32(1 << 15);
    for (((y, cb), cr), out) in y16.iter().zip(cb16).zip(cr16).zip(out16) {
        let (y, cb, cr) = (load(y), _mm256_sub_epi16(load(cb), center), _mm256_sub_epi16(load(cr), center));
        let red = _mm256_add_epi16(y, _mm256_add_epi16(cr, times(cr, 26345)));
        let blue = _mm256_add_epi16(y, _mm256_add_epi16(_mm256_add_epi16(cb, cb), times(cb, -14942)));
        let sum = |pair: __m256i| _mm256_srai_epi32::<16>(_mm256_add_epi32(_mm256_madd_epi16(pair, green_factors), half));
        let green = _mm256_packs_epi32(sum(_mm256_unpacklo_epi16(cb, cr)), sum(_mm256_unpackhi_epi16(cb, cr)));
        let green = _mm256_add_epi16(y, _mm256_sub_epi16(green, cr));
        let bytes = |value: __m256i| _mm_packus_epi16(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value));
        interleave(bytes(red), bytes(green), bytes(blue), out);
    }
    color::rgb(y_rest, cb_rest, cr_rest, out_rest);
}

/// See `Level::rgb_fine`: 16 pixels at a time, four to a register, in 32 bits.
#[target_feature(enable = "avx2")]
pub(super) fn rgb_fine(y: &[i16], cb: &[i16], cr: &[i16], out: &mut [u8]) {
    const SHIFT: i32 = 16 + FINE as i32;
    let (y16, y_rest) = y.as_chunks::<16>();
    let (cb16, cb_rest) = cb.as_chunks::<16>();
    let (cr16, cr_rest) = cr.as_chunks::<16>();
    let (out16, out_rest) = out.as_chunks_mut::<48>();
    let load = |part: &[i16; 16]| {
        // SAFETY: 32 bytes are there; the load asks for no alignment.
        unsafe { _mm256_loadu_si256(part.as_ptr().cast()) }
    };
    let center = _mm256_set1_epi16(128 << FINE);
    let half = _mm256_set1_epi32(1 << (SHIFT - 1));
    // 32 bits each; unpacking and packing go by halves of the register, and so come back in order.
    let wide = |value: __m256i| {
        let sign = _mm256_cmpgt_epi16(_mm256_setzero_si256(), value);
        [_mm256_unpacklo_epi16(value, sign), _mm256_unpackhi_epi16(value, sign)]
    };
    let times = |value: __m256i, factor: i32| _mm256_mullo_epi32(value, _mm256_set1_epi32(factor));
    for (((y, cb), cr), out) in y16.iter().zip(cb16).zip(cr16).zip(out16) {
        // Within 3 times the range of a sample nothing saturates.
        let (y, cb, cr) = (load(y), _mm256_sub_epi16(load(cb), center), _mm256_sub_epi16(load(cr), center));
        let (y, cb, cr) = (wide(y), wide(cb), wide(cr));
        let mut sums = [[_mm256_setzero_si256(); 2]; 3];
        for part in 0..2 {
            let y = _mm256_add_epi32(_mm256_slli_epi32::<16>(y[part]), half);
            let green = _mm256_add_epi32(times(cb[part], -22554), times(cr[part], -46802));
            sums[0][part] = _mm256_add_epi32(y, times(cr[part], 91881));
            sums[1][part] = _mm256_add_epi32(y, green);
            sums[2][part] = _mm256_add_epi32(y, times(cb[part], 116_130));
        }
        let bytes = |[low, up]: [__m256i; 2]| {
            let value = _mm256_packs_epi32(_mm256_srai_epi32::<SHIFT>(low), _mm256_srai_epi32::<SHIFT>(up));
            _mm_packus_epi16(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value))
        };
        interleave(bytes(sums[0]), bytes(sums[1]), bytes(sums[2]), out);
    }
    color::rgb_fine(y_rest, cb_rest, cr_rest, out_rest);
}

/// 16 bytes of each, in turns.
#[inline]
#[target_feature(enable = "avx2")]
fn interleave(r: __m128i, g: __m128i, b: __m128i, out: &mut [u8; 48]) {
    const SHUFFLES: [[[i8; 16]; 3]; 3] = {
        // Of each part of the output: where its bytes stand in each input; -1 makes a 0.
        let mut all = [[[-1; 16]; 3]; 3];
        let mut at = 0;
        while at < 48 {
            all[at / 16][at % 3][at % 16] = (at / 3) as i8;
            at += 1;
        }
        all
    };
    let (parts, _) = out.as_chunks_mut::<16>();
    for (part, shuffles) in parts.iter_mut().zip(&SHUFFLES) {
        let [r, g, b] = [(r, 0), (g, 1), (b, 2)].map(|(bytes, channel)| {
            // SAFETY: 16 bytes are there; the load asks for no alignment.
            _mm_shuffle_epi8(bytes, unsafe { _mm_loadu_si128(shuffles[channel].as_ptr().cast()) })
        });
        // SAFETY: 16 bytes are there; the store asks for no alignment.
        unsafe { _mm_storeu_si128(part.as_mut_ptr().cast(), _mm_or_si128(_mm_or_si128(r, g), b)) };
    }
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

/// See `Level::scale`.
#[target_feature(enable = "avx2")]
pub(super) fn scale(blocks: &[Block], ratios: &[f32; 64], out: &mut [Block]) {
    requantise::scale(blocks, ratios, out);
}
