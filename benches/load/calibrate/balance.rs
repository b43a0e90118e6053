//! What follows from the figures.

use convertfly_worker::pixels::routes::Point;

/// So much of the CPU's time the GPU has to save, before its own queue and the memory of another image count for something.
const GAIN: f64 = 0.9;

/// From how many pixels on the GPU is sooner done, at that size and every larger one that was measured; between the last size that it
/// loses and the first that it wins, where straight lines through their figures meet.
pub(super) fn break_even(points: &[Point]) -> Option<u64> {
    // Milliseconds that the GPU saves.
    let saves = |point: &Point| Some(point.cpu_ms * GAIN - point.gpu_ms?);
    let wins = points.iter().rev().take_while(|point| saves(point).is_some_and(|ms| ms > 0.0)).count();
    let first = points.get(points.len() - wins)?;
    let Some(before) = (points.len() - wins).checked_sub(1).and_then(|at| points.get(at)) else { return Some(first.pixels) };
    // The larger size was measured by both, and the smaller one was lost by the GPU: without a figure of it there is no line.
    let (Some(lost), Some(won)) = (saves(before), saves(first)) else { return Some(first.pixels) };
    let share = -lost / (won - lost);
    let pixels = before.pixels as f64 + share * (first.pixels - before.pixels) as f64;
    Some(pixels.ceil() as u64)
}

/// What so many threads got done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) threads: usize,
    pub(super) per_second: f64,
}

/// The smallest number of threads that is within `margin` of the best.
pub(super) fn enough(rates: &[Rate], margin: f64) -> usize {
    let best = rates.iter().map(|rate| rate.per_second).fold(0.0, f64::max);
    rates.iter().find(|rate| rate.per_second >= best * (1.0 - margin)).map_or(1, |rate| rate.threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(figures: &[(u64, f64, Option<f64>)]) -> Vec<Point> {
        figures.iter().map(|&(pixels, cpu_ms, gpu_ms)| Point { pixels, cpu_ms, gpu_ms }).collect()
    }

    #[test]
    fn the_break_even_lies_where_the_lines_meet() {
        // 10 ns a pixel against 5 ms and 1 ns: 0.9 * 10 n = 5e6 + n at 625,000.
        let figures: Vec<_> =
            [100_000u64, 400_000, 1_600_000, 6_400_000].map(|n| (n, n as f64 * 1e-5, Some(5.0 + n as f64 * 1e-6))).to_vec();
        assert_eq!(break_even(&points(&figures)), Some(625_000));
    }

    #[test]
    fn a_gpu_that_does_not_win_in_the_end_never_wins() {
        assert_eq!(break_even(&points(&[(1, 1.0, Some(2.0)), (4, 4.0, Some(8.0))])), None, "slower");
        assert_eq!(break_even(&points(&[(1, 9.0, Some(2.0)), (4, 4.0, Some(8.0))])), None, "one lucky small size");
        assert_eq!(break_even(&points(&[(1, 1.0, Some(0.95))])), None, "hardly faster");
        assert_eq!(break_even(&points(&[(1, 1.0, None), (4, 4.0, None)])), None, "not measured");
        assert_eq!(break_even(&[]), None, "nothing");
    }

    #[test]
    fn a_gpu_that_always_wins_does_so_from_the_smallest_size_on() {
        assert_eq!(break_even(&points(&[(10, 4.0, Some(1.0)), (40, 16.0, Some(2.0))])), Some(10));
    }

    #[test]
    fn more_threads_have_to_be_worth_it() {
        let rates = |figures: &[(usize, f64)]| -> Vec<Rate> {
            figures.iter().map(|&(threads, per_second)| Rate { threads, per_second }).collect()
        };
        assert_eq!(enough(&rates(&[(1, 50.0), (2, 98.0), (3, 100.0), (4, 99.0)]), 0.03), 2);
        assert_eq!(enough(&rates(&[(1, 50.0), (2, 90.0), (4, 100.0)]), 0.03), 4);
        assert_eq!(enough(&[], 0.03), 1);
    }
}
