//! Lanczos resampling of a plane along one axis, in integers: weights of 14 bits, and 6 bits of fraction between both axes.

/// Bits of fraction of a weight.
pub(crate) const WEIGHT: u32 = 14;

/// Bits of fraction of a sample between the axes; three lobes' overshoot still fits 16 bits.
pub(crate) const BETWEEN: u32 = 6;

/// Bits of fraction of a sample behind both axes, where more is to be done to it before it is rounded.
pub(crate) const FINE: u32 = 4;

/// Weights are held in groups of so many.
pub(crate) const GROUP: usize = 8;

/// For each position of the result, which samples it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taps {
    starts: Vec<u32>,
    counts: Vec<u32>,
    /// Weights of each position, with zeros behind those in use: a multiple of [`GROUP`].
    window: usize,
    weights: Vec<i16>,
}

impl Taps {
    /// From `src` samples to `dst`, each of which covers `ratio` of them, the first one from so much of itself before the first on; a little of the
    /// last ones may lie outside.
    ///
    /// The filter is stretched when shrinking. Samples beyond the edge do not exist; the weights that are left add up to 1.
    pub(crate) fn new(src: usize, dst: usize, ratio: f64, before: f64) -> Self {
        let stretch = ratio.max(1.0);
        let radius = 3.0 * stretch;
        let rows: Vec<(usize, Vec<i16>)> = (0..dst)
            .map(|position| {
                let centre = ((position as f64 + 0.5 - before) * ratio - 0.5).clamp(0.0, (src - 1) as f64);
                let first = (centre - radius).ceil().max(0.0) as usize;
                let last = ((centre + radius).floor() as usize).min(src - 1);
                let exact: Vec<f64> = (first..=last).map(|x| lanczos3((x as f64 - centre) / stretch)).collect();
                (first, whole(&exact))
            })
            .collect();
        let most = rows.iter().map(|(_, weights)| weights.len()).max().unwrap_or(1);
        let window = most.next_multiple_of(GROUP);
        let mut taps = Taps { starts: Vec::new(), counts: Vec::new(), window, weights: vec![0; window * dst] };
        for ((start, row), weights) in rows.iter().zip(taps.weights.chunks_exact_mut(window)) {
            weights[..row.len()].copy_from_slice(row);
            taps.starts.push(*start as u32);
            taps.counts.push(row.len() as u32);
        }
        taps
    }

    /// The samples of a position that count.
    pub(crate) fn range(&self, position: usize) -> std::ops::Range<usize> {
        let start = self.starts[position] as usize;
        start..start + self.counts[position] as usize
    }

    /// Where the samples of a position begin, and the weights of a whole window.
    #[inline(always)]
    pub(crate) fn window(&self, position: usize) -> (usize, &[i16]) {
        (self.starts[position] as usize, &self.weights[position * self.window..][..self.window])
    }

    /// Those of some positions, of samples that are counted from `before` on.
    pub fn part(&self, positions: std::ops::Range<usize>, before: usize) -> Self {
        Taps {
            starts: self.starts[positions.clone()].iter().map(|start| start - before as u32).collect(),
            counts: self.counts[positions.clone()].to_vec(),
            window: self.window,
            weights: self.weights[positions.start * self.window..positions.end * self.window].to_vec(),
        }
    }

    /// The samples that any of these positions is made of.
    pub fn reach(&self, positions: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let ranges = || positions.clone().map(|position| self.range(position));
        let first = ranges().map(|range| range.start).min().unwrap_or(0);
        first..ranges().map(|range| range.end).max().unwrap_or(first)
    }

    /// Where the samples of each position begin.
    pub fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// How many samples count for each position.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The windows of all positions, one after the other, in 14 bits of fraction.
    pub fn weights(&self) -> &[i16] {
        &self.weights
    }

    /// The weights of a window.
    pub fn width(&self) -> usize {
        self.window
    }
}

/// Weights that add up to 1 exactly: what rounding leaves goes to the largest.
fn whole(exact: &[f64]) -> Vec<i16> {
    let one = f64::from(1 << WEIGHT);
    let sum: f64 = exact.iter().sum();
    let mut weights: Vec<i16> = exact.iter().map(|weight| (weight / sum * one).round() as i16).collect();
    let rest = (1 << WEIGHT) - weights.iter().map(|&weight| i32::from(weight)).sum::<i32>();
    if let Some(largest) = weights.iter_mut().max() {
        *largest += rest as i16;
    }
    weights
}

/// sinc(x) sinc(x/3) within three lobes (C. E. Duchon, "Lanczos Filtering in One and Two Dimensions", 1979).
///
/// One sine for both: with t = pi x/3, sin 3t = sin t (3 - 4 sin^2 t). A thumbnail spends some percent of its time here.
fn lanczos3(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    if x.abs() >= 3.0 {
        return 0.0;
    }
    let third = x * std::f64::consts::FRAC_PI_3;
    let square = third.sin().powi(2);
    square * (3.0 - 4.0 * square) / (3.0 * third * third)
}

/// One row out of several, each with its weight.
#[inline(always)]
pub(crate) fn down(rows: &[&[u8]], weights: &[i16], out: &mut [i16]) {
    const SHIFT: u32 = WEIGHT - BETWEEN;
    for (x, out) in out.iter_mut().enumerate() {
        let sum: i32 = rows.iter().zip(weights).map(|(row, &weight)| i32::from(row[x]) * i32::from(weight)).sum();
        *out = ((sum + (1 << (SHIFT - 1))) >> SHIFT).clamp(-32768, 32767) as i16;
    }
}

/// A row of the result; `between` goes on for a window behind its last sample.
#[inline(always)]
pub(crate) fn across(between: &[i16], taps: &Taps, out: &mut [u8]) {
    for (position, out) in out.iter_mut().enumerate() {
        let (start, weights) = taps.window(position);
        let samples = &between[start..][..weights.len()];
        *out = sample(samples.iter().zip(weights).map(|(&sample, &weight)| i32::from(sample) * i32::from(weight)).sum());
    }
}

/// The same with [`FINE`] bits of fraction; what overshoots stays beyond the range of a sample.
#[inline(always)]
pub(crate) fn across_fine(between: &[i16], taps: &Taps, out: &mut [i16]) {
    const SHIFT: u32 = WEIGHT + BETWEEN - FINE;
    for (position, out) in out.iter_mut().enumerate() {
        let (start, weights) = taps.window(position);
        let samples = &between[start..][..weights.len()];
        let sum: i32 = samples.iter().zip(weights).map(|(&sample, &weight)| i32::from(sample) * i32::from(weight)).sum();
        *out = ((sum + (1 << (SHIFT - 1))) >> SHIFT).clamp(-32768, 32767) as i16;
    }
}

/// A sum of both axes' weights to a sample.
#[inline(always)]
fn sample(sum: i32) -> u8 {
    const SHIFT: u32 = WEIGHT + BETWEEN;
    ((sum + (1 << (SHIFT - 1))) >> SHIFT).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_and_stay_inside() {
        for (src, dst) in [(1, 1), (1, 9), (9, 1), (2, 3), (100, 7), (7, 100), (4032, 1600), (641, 640), (16_000, 1)] {
            for (more, before) in [(1.0, 0.0), (1.003, 0.0), (1.0, 0.5)] {
                let taps = Taps::new(src, dst, src as f64 / dst as f64 * more, before);
                for position in 0..dst {
                    let (start, weights) = taps.window(position);
                    let sum: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
                    assert_eq!(sum, 1 << WEIGHT, "{src} to {dst} at {position}");
                    let range = taps.range(position);
                    assert!(range.start == start && range.end <= src && !range.is_empty(), "{src} to {dst} at {position}");
                }
            }
        }
    }

    #[test]
    fn a_part_makes_the_same_of_the_samples_it_reaches() {
        let taps = Taps::new(300, 97, 300.0 / 97.0, 0.5);
        let samples: Vec<i16> = (0..300 + 64).map(|x| (x * 7919 % 16_000) as i16).collect();
        let mut whole = vec![0; 97];
        across(&samples, &taps, &mut whole);
        for positions in [0..97, 0..1, 40..60, 96..97] {
            let reach = taps.reach(positions.clone());
            let part = taps.part(positions.clone(), reach.start);
            let mut made = vec![0; positions.len()];
            across(&samples[reach.start..], &part, &mut made);
            assert_eq!(made, whole[positions.clone()], "{positions:?}");
            assert!(part.starts().iter().zip(part.counts()).all(|(start, count)| (start + count) as usize <= reach.len()));
        }
    }

    #[test]
    fn same_size_takes_each_sample_as_it_is() {
        let taps = Taps::new(50, 50, 1.0, 0.0);
        let samples: Vec<u8> = (0..50).map(|x| x * 5).collect();
        let mut between = vec![0; 50 + taps.width()];
        down(&[&samples], &[1 << WEIGHT], &mut between[..50]);
        let mut out = vec![0; 50];
        across(&between, &taps, &mut out);
        assert_eq!(out, samples);
    }
}
