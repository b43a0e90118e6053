//! What processors do faster than one by one, chosen when it runs; the only place of this crate with `unsafe`.
#![allow(unsafe_code, reason = "instructions of some processors, each behind a check that this one has them")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod forward;
#[cfg(target_arch = "x86_64")]
mod inverse;
mod level;
#[cfg(target_arch = "x86_64")]
mod resample;

pub(crate) use level::Level;

use crate::scan::Block;
use crate::zigzag::ZIGZAG;

/// The place of the first FF.
pub(crate) fn find_ff(data: &[u8]) -> Option<usize> {
    let (words, _) = data.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The high bit of every byte that is FF, and perhaps of others behind it.
        let hits = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    data[at..].iter().position(|&byte| byte == 0xff).map(|place| at + place)
}

/// Appends what stands before the first FF, and gives that one's place.
pub(crate) fn copy_until_ff(data: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let found = find_ff(data);
    out.extend_from_slice(&data[..found.unwrap_or(data.len())]);
    found
}

/// Everything that the functions of `avx2` use, which processors with AVX2 have.
fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("movbe");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Finds coefficients that are not 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nonzero {
    fast: bool,
}

impl Nonzero {
    /// In the way that this processor has.
    pub(crate) fn detect() -> Self {
        Nonzero { fast: has_avx2() }
    }

    /// Bit `k` says that the coefficient with that number in coding order is not 0.
    #[inline(always)]
    pub(crate) fn mask(self, block: &Block) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if self.fast {
            // SAFETY: `detect` has seen what it needs.
            return unsafe { avx2::nonzero(block) };
        }
        nonzero(block)
    }

    /// Bit `k` says that the value at place `k` is not 0.
    #[inline(always)]
    pub(crate) fn places(self, block: &Block) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if self.fast {
            // SAFETY: `detect` has seen what it needs.
            return unsafe { avx2::places(block) };
        }
        (0..64).fold(0, |mask, place| mask | u64::from(block[place] != 0) << place)
    }
}

fn nonzero(block: &Block) -> u64 {
    (0..64).fold(0, |mask, position| mask | u64::from(block[position] != 0) << ZIGZAG[position])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_agree() {
        let mut random = fastrand::Rng::with_seed(3);
        for density in 0..64 {
            let mut block = [0; 64];
            for value in &mut block {
                if random.u8(..64) < density {
                    *value = random.i16(..);
                }
            }
            assert_eq!(Nonzero::detect().mask(&block), nonzero(&block), "{block:?}");
            assert_eq!(nonzero(&block).count_ones() as usize, block.iter().filter(|&&value| value != 0).count());
        }
        let mut data = vec![0xfe; 100];
        assert_eq!(find_ff(&data), None);
        for at in (0..100).rev() {
            data[at] = 0xff;
            assert_eq!(find_ff(&data), Some(at));
        }
    }
}
