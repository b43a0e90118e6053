//! AVX2.

use std::arch::x86_64::*;

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
