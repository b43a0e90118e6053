//! Weights of a Gaussian along one axis, at a cost that does not grow with its width.
//!
//! A wide Gaussian is taken as two narrower ones, whose variances add up: the first one also leaves out positions, so that a
//! coarse row remains, the second one also fills them in again. What both together do from one position to another is a sum over
//! the coarse row of the product of two Gaussians, itself a Gaussian of half the deviation s. Such a sum over a grid of spacing d
//! is the integral within 2 exp(-2 pi^2 (s / 2d)^2), which for the spacing chosen here is 1.7e-7: the coarse row is not missed.
//! Each position costs 27 to 40 multiplications for any width.
//!
//! Positions beyond an edge have the colour of the edge: their weights are added to its own, once, when the table is made.

use super::weights::Weights;

/// How far a Gaussian reaches, in deviations: what lies beyond holds 5.7e-7 of it.
const REACH: f64 = 5.0;

/// Spacing of the coarse row, in deviations of the whole.
const SPACING: f64 = 0.55;

/// A Gaussian along one axis.
pub(crate) struct Gaussian {
    /// From the positions of the image to those of the coarse row; with `spread` absent these are the same ones.
    pub(crate) gather: Weights,
    /// From the coarse row back to the positions of the image.
    pub(crate) spread: Option<Weights>,
}

impl Gaussian {
    /// Of deviation `sigma` positions over `length` of them, neither 0.
    pub(crate) fn new(length: u32, sigma: f64) -> Self {
        let half = sigma * std::f64::consts::FRAC_1_SQRT_2;
        let spacing = (sigma * SPACING).floor();
        if spacing < 2.0 {
            return Self { gather: direct(length, sigma), spread: None };
        }
        // Coarse positions before the first and after the last one of the image, as far as the second Gaussian reaches.
        let beyond = (REACH * half / spacing).ceil() as u32 + 1;
        let coarse = (f64::from(length - 1) / spacing).ceil() as u32 + 1 + 2 * beyond;
        let gathered = (0..coarse).map(|position| (f64::from(position) - f64::from(beyond)) * spacing);
        let spread = (0..length).map(|position| f64::from(position) / spacing + f64::from(beyond));
        Self { gather: table(gathered, length, half), spread: Some(table(spread, coarse, half / spacing)) }
    }
}

/// A Gaussian of deviation `sigma` as one table, whatever it costs.
pub(crate) fn direct(length: u32, sigma: f64) -> Weights {
    table((0..length).map(f64::from), length, sigma)
}

/// Weights of Gaussians of deviation `sigma` around each of `centres`, over `length` positions; those beyond are the edge's.
fn table(centres: impl ExactSizeIterator<Item = f64>, length: u32, sigma: f64) -> Weights {
    let (reach, last) = (REACH * sigma, i64::from(length) - 1);
    let window = ((2.0 * reach).floor() as usize + 1).min(length as usize);
    let count = centres.len();
    let mut weights = Weights {
        starts: Vec::with_capacity(count),
        counts: Vec::with_capacity(count),
        window,
        values: vec![0.0; window * count],
    };
    let mut row = Vec::with_capacity(window);
    for (centre, values) in centres.zip(weights.values.chunks_exact_mut(window)) {
        let (from, to) = ((centre - reach).ceil() as i64, (centre + reach).floor() as i64);
        let (low, high) = (from.clamp(0, last), to.clamp(0, last));
        row.clear();
        row.resize((high - low + 1) as usize, 0.0);
        for position in from..=to {
            let distance = (position as f64 - centre) / sigma;
            row[(position.clamp(low, high) - low) as usize] += (-0.5 * distance * distance).exp();
        }
        let sum: f64 = row.iter().sum();
        for (value, weight) in values.iter_mut().zip(&row) {
            *value = (weight / sum) as f32;
        }
        weights.starts.push(low as u32);
        weights.counts.push(row.len() as u32);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the tables make of one row.
    fn apply(gaussian: &Gaussian, row: &[f64]) -> Vec<f64> {
        let by = |weights: &Weights, row: &[f64]| -> Vec<f64> {
            let one = |position| {
                let (start, values) = weights.at(position);
                values.iter().enumerate().map(|(tap, weight)| f64::from(*weight) * row[start + tap]).sum()
            };
            (0..weights.starts.len()).map(one).collect()
        };
        let gathered = by(&gaussian.gather, row);
        gaussian.spread.as_ref().map_or_else(|| gathered.clone(), |spread| by(spread, &gathered))
    }

    /// The sum itself, edges repeated, without any table and much farther.
    fn direct(row: &[f64], sigma: f64) -> Vec<f64> {
        let reach = (8.0 * sigma).ceil() as i64;
        let weight = |offset: i64| (-0.5 * (offset as f64 / sigma).powi(2)).exp();
        let whole: f64 = (-reach..=reach).map(weight).sum();
        let at = |position: i64| row[position.clamp(0, row.len() as i64 - 1) as usize];
        (0..row.len() as i64).map(|x| (-reach..=reach).map(|o| weight(o) * at(x + o)).sum::<f64>() / whole).collect()
    }

    #[test]
    fn two_tables_are_a_gaussian_within_five_millionths_of_the_range() {
        let mut worst = 0.0f64;
        for sigma in [0.3, 0.5, 1.0, 2.0, 3.63, 3.64, 5.4, 5.5, 7.0, 10.0, 31.7, 100.0] {
            for length in [1usize, 2, 3, 17, 100, 701] {
                let patterns: [fn(usize, usize) -> f64; 4] = [
                    |x, length| f64::from(x >= length / 2),
                    |x, _| f64::from(x == 0),
                    |x, _| f64::from(x % 2 == 0),
                    |x, length| ((x * 7919) % (length + 3)) as f64 / (length + 3) as f64,
                ];
                for pattern in patterns {
                    let row: Vec<f64> = (0..length).map(|x| pattern(x, length)).collect();
                    let (found, expected) = (apply(&Gaussian::new(length as u32, sigma), &row), direct(&row, sigma));
                    for (found, expected) in found.iter().zip(&expected) {
                        worst = worst.max((found - expected).abs());
                    }
                    assert!(worst < 5e-6, "sigma {sigma} over {length}: {worst:e} from the sum itself");
                }
            }
        }
        println!("at most {worst:e} of the range from the sum itself");
    }

    #[test]
    fn weights_stay_inside_and_add_up_to_one() {
        for sigma in [0.3, 1.0, 5.0, 100.0] {
            for length in [1, 2, 50, 3000] {
                let gaussian = Gaussian::new(length, sigma);
                let coarse = gaussian.gather.starts.len();
                for (weights, limit) in [(Some(&gaussian.gather), length as usize), (gaussian.spread.as_ref(), coarse)] {
                    let Some(weights) = weights else { continue };
                    for position in 0..weights.starts.len() {
                        let (start, values) = weights.at(position);
                        assert!(start + values.len() <= limit, "sigma {sigma}, {length}: {position} stays inside");
                        let sum: f32 = values.iter().sum();
                        assert!((sum - 1.0).abs() < 1e-5, "sigma {sigma}, {length}: {position} adds up to {sum}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_cost_of_a_position_does_not_grow_with_the_width() {
        for sigma in [5.0, 20.0, 100.0] {
            let gaussian = Gaussian::new(10_000, sigma);
            let of = |weights: &Weights| weights.counts.iter().map(|count| u64::from(*count)).sum::<u64>();
            let taps = of(&gaussian.gather) + gaussian.spread.as_ref().map_or(0, of);
            assert!(taps < 10_000 * 40, "sigma {sigma} takes {taps} multiplications for 10000 positions");
        }
    }
}
