//! Weights of a resampling filter along one axis, computed once for all interpreters that take them from us.

use std::ops::Range;

use super::recording::Filter;

/// For each output position, which input positions it is made of, and how much of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// First input position of each output position.
    pub starts: Vec<u32>,
    /// Input positions of each output position, at least 1.
    pub counts: Vec<u32>,
    /// Weights a row of [`Weights::values`].
    pub window: usize,
    /// `window` weights for each output position, the first `count` of them in use; those add up to 1.
    pub values: Vec<f32>,
}

impl Weights {
    /// For `src` input positions made into `dst` output positions, neither 0.
    ///
    /// When shrinking, the filter is stretched by the ratio, so that every input position counts (antialiasing). Pixels are
    /// squares whose centres lie at half-integers; positions beyond the edge do not exist and the remaining weights are scaled
    /// to add up to 1. Same size gives exactly the weight 1 for the position itself.
    pub fn new(src: u32, dst: u32, filter: Filter) -> Self {
        let (function, support): (fn(f64) -> f64, f64) = match filter {
            Filter::Lanczos3 => (lanczos3, 3.0),
            Filter::Box => (boxed, 0.5),
        };
        let ratio = f64::from(src) / f64::from(dst);
        let stretch = ratio.max(1.0);
        let radius = support * stretch;
        let window = (radius.ceil() as usize * 2 + 1).min(src as usize);
        let mut weights = Self {
            starts: Vec::with_capacity(dst as usize),
            counts: Vec::with_capacity(dst as usize),
            window,
            values: vec![0.0; window * dst as usize],
        };
        let mut row = Vec::with_capacity(window);
        for (position, values) in weights.values.chunks_exact_mut(window).enumerate() {
            let centre = (position as f64 + 0.5) * ratio;
            let first = (centre - radius).floor().max(0.0) as u32;
            let end = (centre + radius).ceil().min(f64::from(src)) as u32;
            row.clear();
            row.extend((first..end).map(|x| function((f64::from(x) - (centre - 0.5)) * (1.0 / stretch))));
            // Zeros at both ends cost time and change nothing.
            let skipped = row.iter().take_while(|w| **w == 0.0).count().min(row.len() - 1);
            let kept = row.len() - row.iter().rev().take_while(|w| **w == 0.0).count();
            let row = &row[skipped..kept.max(skipped + 1)];
            let sum: f64 = row.iter().sum();
            // A filter that misses every centre has nothing to be scaled: then the nearest position is taken.
            let scale = if sum == 0.0 { 1.0 } else { 1.0 / sum };
            for (value, weight) in values.iter_mut().zip(row) {
                *value = if sum == 0.0 { 1.0 } else { (weight * scale) as f32 };
            }
            weights.starts.push(first + skipped as u32);
            weights.counts.push(row.len() as u32);
        }
        weights
    }

    /// The weights of some output positions alone, over the input positions that those take: these, and the weights.
    pub fn part(&self, positions: Range<u32>) -> (Range<u32>, Self) {
        let (from, to) = (positions.start as usize, positions.end as usize);
        let (starts, counts) = (&self.starts[from..to], &self.counts[from..to]);
        let first = starts.iter().copied().min().unwrap_or(0);
        let end = starts.iter().zip(counts).map(|(start, count)| start + count).max().unwrap_or(0);
        let part = Self {
            starts: starts.iter().map(|start| start - first).collect(),
            counts: counts.to_vec(),
            window: self.window,
            values: self.values[from * self.window..to * self.window].to_vec(),
        };
        (first..end, part)
    }

    /// First input position and weights of the output position.
    pub fn at(&self, position: usize) -> (usize, &[f32]) {
        let from = position * self.window;
        (self.starts[position] as usize, &self.values[from..from + self.counts[position] as usize])
    }
}

/// sinc(x) sinc(x/3) within three lobes, sinc being the normalised sin(pi x)/(pi x). C. E. Duchon, "Lanczos Filtering in One
/// and Two Dimensions", Journal of Applied Meteorology 18 (1979).
fn lanczos3(x: f64) -> f64 {
    fn sinc(x: f64) -> f64 {
        if x == 0.0 {
            return 1.0;
        }
        let x = x * std::f64::consts::PI;
        x.sin() / x
    }
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// 1 for input pixels whose centre lies in the area of the output pixel. Half open, so that a centre on the border between two
/// output pixels belongs to one of them.
fn boxed(x: f64) -> f64 {
    if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_every_position_add_up_to_one_and_stay_inside() {
        for filter in [Filter::Lanczos3, Filter::Box] {
            for (src, dst) in [(1, 1), (1, 9), (9, 1), (2, 3), (100, 7), (7, 100), (16_384, 1), (1, 500), (641, 640)] {
                let weights = Weights::new(src, dst, filter);
                assert_eq!(weights.starts.len(), dst as usize, "one row of weights a position");
                for position in 0..dst as usize {
                    let (start, values) = weights.at(position);
                    let sum: f64 = values.iter().map(|w| f64::from(*w)).sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{filter:?} {src}->{dst} at {position}: sum {sum}");
                    assert!(!values.is_empty() && start + values.len() <= src as usize, "{filter:?} {src}->{dst} at {position}");
                }
            }
        }
    }

    #[test]
    fn same_size_takes_each_position_as_it_is() {
        for filter in [Filter::Lanczos3, Filter::Box] {
            let weights = Weights::new(37, 37, filter);
            for position in 0..37 {
                let (start, values) = weights.at(position);
                let own = values[position - start];
                assert!((own - 1.0).abs() < 1e-7, "{filter:?}: weight {own} of the position itself at {position}");
                let others: f32 = values.iter().map(|w| w.abs()).sum::<f32>() - own;
                assert!(others < 1e-6, "{filter:?}: weight {others} of the others at {position}");
            }
        }
    }

    #[test]
    fn box_halving_is_the_mean_of_pairs() {
        let weights = Weights::new(8, 4, Filter::Box);
        for position in 0..4 {
            assert_eq!(weights.at(position), (position * 2, [0.5, 0.5].as_slice()), "position {position}");
        }
    }
}
