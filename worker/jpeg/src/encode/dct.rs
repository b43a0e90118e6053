//! Samples of a block to its quantised coefficients, as libjpeg's `jfdctint.c` ("islow") and `jcdctmgr.c` make them.

use crate::error::Error;
use crate::pixels::idct::*;
use crate::scan::Block;

/// The largest step whose eightfold is a divisor of 16 bits.
const MOST: u16 = 8191;

/// How coefficients are divided by their steps: the transform leaves them eight times as large.
///
/// The SIMD form divides by multiplication (A. Fog, "Optimizing subroutines in assembly language", 16.8): for every dividend that the transform
/// can give, `((|x| + correction) * reciprocal >> 16) * scale >> 16` is `(|x| + divisor / 2) / divisor`, the scalar form.
#[derive(Debug, Clone)]
pub(crate) struct Divisors {
    steps: [u16; 64],
    /// Each row twice, for two blocks side by side.
    pub(crate) reciprocals: [[u16; 16]; 8],
    pub(crate) corrections: [[u16; 16]; 8],
    pub(crate) scales: [[u16; 16]; 8],
}

impl Divisors {
    pub(crate) fn new(steps: &[u16; 64]) -> Result<Self, Error> {
        if steps.iter().any(|step| !(1..=MOST).contains(step)) {
            return Err(Error::Input("a step of quantisation is not from 1 to 8191"));
        }
        let row = |part: fn((u16, u16, u16)) -> u16| {
            std::array::from_fn(|y| std::array::from_fn(|x| part(reciprocal(steps[8 * y + x % 8]))))
        };
        Ok(Divisors { steps: *steps, reciprocals: row(|all| all.0), corrections: row(|all| all.1), scales: row(|all| all.2) })
    }
}

/// Reciprocal, correction and scale of a step, as libjpeg-turbo's `compute_reciprocal` has them.
fn reciprocal(step: u16) -> (u16, u16, u16) {
    let divisor = u32::from(step) * 8;
    let mut shift = 16 + divisor.ilog2();
    let (mut factor, rest) = ((1u64 << shift) / u64::from(divisor), (1u64 << shift) % u64::from(divisor));
    let mut correction = divisor / 2;
    if rest == 0 {
        // A power of two: one bit more than fits.
        factor >>= 1;
        shift -= 1;
    } else if rest <= u64::from(divisor / 2) {
        correction += 1;
    } else {
        factor += 1;
    }
    (factor as u16, correction as u16, 1 << (32 - shift))
}

/// The coefficients of a block of samples, 8 rows of `stride`.
pub(crate) fn forward(samples: &[u8], stride: usize, divisors: &Divisors, block: &mut Block) {
    let mut across = [[0i32; 8]; 8];
    for (row, samples) in across.iter_mut().zip(samples.chunks(stride)) {
        let centred = std::array::from_fn(|x| i32::from(samples[x]) - 128);
        *row = eight(centred, |even| even << 2, 11);
    }
    for x in 0..8 {
        let down = eight(std::array::from_fn(|y| across[y][x]), |even| (even + 2) >> 2, 15);
        for (y, value) in down.into_iter().enumerate() {
            let divisor = i32::from(divisors.steps[8 * y + x]) * 8;
            let magnitude = (value.abs() + divisor / 2) / divisor;
            block[8 * y + x] = if value < 0 { -magnitude } else { magnitude } as i16;
        }
    }
}

/// One dimension; `even` brings the two outputs without a multiplication to the scale that `shift` gives the others.
fn eight(d: [i32; 8], even: impl Fn(i32) -> i32, shift: u32) -> [i32; 8] {
    let sums: [i32; 4] = std::array::from_fn(|k| d[k] + d[7 - k]);
    let [t7, t6, t5, t4] = std::array::from_fn(|k| d[k] - d[7 - k]);
    let (t10, t11, t12, t13) = (sums[0] + sums[3], sums[1] + sums[2], sums[1] - sums[2], sums[0] - sums[3]);
    let down = |value: i32| (value + (1 << (shift - 1))) >> shift;
    let (z3, z4) = (t4 + t6, t5 + t7);
    let (odd3, odd4) = (z3 * (F1175 - F1961) + z4 * F1175, z3 * F1175 + z4 * (F1175 - F0390));
    [
        even(t10 + t11),
        down(t7 * (F1501 - F0899) - t4 * F0899 + odd4),
        down(t13 * (F0541 + F0765) + t12 * F0541),
        down(t6 * (F3072 - F2562) - t5 * F2562 + odd3),
        even(t10 - t11),
        down(t5 * (F2053 - F2562) - t6 * F2562 + odd4),
        down(t13 * F0541 + t12 * (F0541 - F1847)),
        down(t4 * (F0298 - F0899) - t7 * F0899 + odd3),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplication_divides_exactly() {
        for step in (1..=600).chain([1000, 2047, 2048, 4095, 6050, MOST]) {
            let (factor, correction, scale) = reciprocal(step);
            let divisor = u32::from(step) * 8;
            // More than the transform gives: 64 samples of 128, and what rounding adds.
            for value in 0..20_000u32 {
                let by_factor = ((value + u32::from(correction)) * u32::from(factor)) >> 16;
                let found = (by_factor * u32::from(scale)) >> 16;
                assert_eq!(found, (value + divisor / 2) / divisor, "{value} / {divisor}");
            }
        }
    }

    #[test]
    fn steps_out_of_range_are_refused() {
        for step in [0, MOST + 1] {
            let mut steps = [1; 64];
            steps[5] = step;
            assert!(Divisors::new(&steps).is_err(), "{step}");
        }
    }
}
