//! A transform of three channels as the kernels take it: a curve for each channel, then a grid of sRGB.
//!
//! Between its points a grid takes sRGB for straight, and the transform bends: at its own table's points, where light becomes sRGB's
//! steps, where curves are steep. So the grid has a point at each of the table's, if it can, with others in between, at equal steps
//! or where they are needed most; the curves in front say where. What comes nearest to the transform is taken, by trying.

use super::Transform;
use super::clut::Clut;
use super::curve::{Curve, clamped};
use super::read::Stage;
use super::srgb::difference;
use crate::pixels::lut;

/// Points along each channel: the fewest that are tried, and the most.
const SIDES: std::ops::RangeInclusive<usize> = 33..=65;

/// The distance from the transform (CIE Lab) that is good enough.
const NEAR: f64 = 0.4;

/// Colours that are tried.
const PROBES: usize = 3000;

/// Curves and a grid behind them.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    /// 16-bit positions in the grid, three for each level of the samples.
    pub(crate) curves: Vec<u16>,
    /// Points along each channel.
    pub(crate) side: usize,
    /// Three numbers a point ([`lut::word`]); red runs fastest.
    pub(crate) points: Vec<u16>,
    /// The farthest that a colour was found from the transform, in CIE Lab.
    pub(crate) farthest: f64,
}

/// What is in front of a grid: so many stages of the transform, and where its points lie behind them.
struct Front<'a> {
    stages: usize,
    curves: Option<&'a [Curve]>,
    /// For each channel, the places of points from the most needed to the least; nothing for equal steps.
    needed: Option<[Vec<f64>; 3]>,
}

/// Points of a grid along one channel, where they lie in what the stages in front give.
type Places = Vec<f64>;

impl<'a> Front<'a> {
    /// With the curves that the transform begins with, or with none.
    fn of(curves: Option<&'a [Curve]>) -> Self {
        Self { stages: usize::from(curves.is_some()), curves, needed: None }
    }

    fn places(&self, side: usize) -> [Places; 3] {
        [0, 1, 2].map(|channel| match &self.needed {
            None => (0..side).map(|index| index as f64 / (side - 1) as f64).collect(),
            Some(needed) => {
                let mut places = needed[channel][..side].to_vec();
                places.sort_by(f64::total_cmp);
                places
            }
        })
    }

    /// The position in a grid of a level, from 0 to 1.
    fn at(&self, places: &[Places; 3], channel: usize, value: f64) -> f64 {
        let value = clamped(self.curves.map_or(value, |curves| curves[channel].at(value)));
        let places = &places[channel];
        let next = places.partition_point(|&place| place <= value).clamp(1, places.len() - 1);
        let part = (value - places[next - 1]) / (places[next] - places[next - 1]);
        ((next - 1) as f64 + part) / (places.len() - 1) as f64
    }
}

impl Grid {
    /// The nearest to `transform`, with curves for samples of so many levels.
    pub(crate) fn of(transform: &Transform, levels: usize) -> Self {
        let probes: Vec<([f64; 3], [f64; 3])> = probes().map(|[r, g, b]| ([r, g, b], transform.srgb([r, g, b, 0.0]))).collect();
        let curves = match transform.stages.first() {
            Some(Stage::Curves(curves)) => Some(&curves[..]),
            _ => None,
        };
        let own = match transform.stages.get(usize::from(curves.is_some())) {
            Some(Stage::Clut(clut)) => [clut.sides[0], clut.sides[1], clut.sides[2]],
            _ => [2; 3],
        };
        // The smallest, one between and the largest that have all points of the transform's table.
        let steps = own.into_iter().max().unwrap_or(2) - 1;
        let sizes: Vec<usize> = (1..).map(|times| times * steps + 1).take_while(|side| side <= SIDES.end()).collect();
        let sizes: Vec<usize> = sizes.into_iter().filter(|side| SIDES.contains(side)).collect();
        let (sizes, own) = match sizes[..] {
            [] => (vec![*SIDES.end()], [2; 3]),
            [one] => (vec![one], own),
            [first, .., last] => (vec![first, sizes[sizes.len() / 2], last], own),
        };
        let bare = curves.map(|_| Front::of(None));
        let mut fronts: Vec<Front<'_>> = std::iter::once(Front::of(curves)).chain(bare).collect();
        for (front, own) in [(Front::of(curves), own), (Front::of(None), [2; 3])].into_iter().take(fronts.len()) {
            let needed = [0, 1, 2].map(|channel| needed(transform, front.stages, channel, own[channel]));
            fronts.push(Front { needed: Some(needed), ..front });
        }
        let mut best: Option<Self> = None;
        for side in sizes {
            let mut found = Vec::new();
            for front in &fronts {
                let grid = Self::behind(transform, front, side, levels, &probes);
                found.push(grid.farthest);
                if best.as_ref().is_none_or(|best| grid.farthest < best.farthest) {
                    best = Some(grid);
                }
            }
            let least = found.iter().copied().fold(f64::INFINITY, f64::min);
            if least <= NEAR {
                break;
            }
            // What is far behind with few points does not get better with more.
            let mut found = found.iter();
            fronts.retain(|_| found.next().is_some_and(|farthest| *farthest <= least * 1.3));
        }
        best.unwrap_or_else(|| unreachable!("there is a size, and a front"))
    }

    fn behind(transform: &Transform, front: &Front<'_>, side: usize, levels: usize, probes: &[([f64; 3], [f64; 3])]) -> Self {
        let places = front.places(side);
        let [reds, greens, blues] = &places;
        let mut points = Vec::with_capacity(side * side * side * 3);
        for blue in blues {
            for green in greens {
                for red in reds {
                    points.extend(transform.after(front.stages, [*red, *green, *blue, 0.0]).map(lut::word));
                }
            }
        }
        let curves = (0..levels)
            .flat_map(|level| [0, 1, 2].map(|channel| front.at(&places, channel, level as f64 / (levels - 1) as f64)))
            .map(|position| (position * 65_535.0).round() as u16)
            .collect();
        let mut grid = Self { curves, side, points, farthest: 0.0 };
        // Red runs slowest in this one.
        let order = |index: usize| (index % side * side + index / side % side) * side + index / side / side;
        let threes = |index: usize| [0, 1, 2].map(|channel| lut::value(grid.points[order(index) * 3 + channel]) as f32);
        if let Ok(table) = Clut::new(vec![side; 3], (0..side * side * side).map(threes).collect()) {
            let place = |device: &[f64; 3], channel: usize| front.at(&places, channel, device[channel]);
            let found = |device: &[f64; 3]| table.at(&[place(device, 0), place(device, 1), place(device, 2), 0.0]);
            grid.farthest = probes.iter().map(|(device, wanted)| difference(found(device), *wanted)).fold(0.0, f64::max);
        }
        grid
    }
}

/// Places for as many points as a grid may have along a channel: those of the table first, then, one after the other, the middle of
/// what is farthest from straight.
fn needed(transform: &Transform, stages: usize, channel: usize, own: usize) -> Places {
    // What the other channels are meanwhile; nothing where all are alike.
    let axis = [0.0, 0.1, 0.5, 1.0];
    let lines: Vec<Option<[f64; 2]>> =
        axis.into_iter().flat_map(|one| axis.map(|other| Some([one, other]))).chain(std::iter::once(None)).collect();
    let colors = |place: f64| -> Vec<[f64; 3]> {
        let color = |line: &Option<[f64; 2]>| {
            let mut values = [place; 4];
            if let Some(line) = line {
                values[(channel + 1) % 3] = line[0];
                values[(channel + 2) % 3] = line[1];
            }
            transform.after(stages, values)
        };
        lines.iter().map(color).collect()
    };
    // How far the middle of two places is from straight.
    let bend = |from: f64, to: f64| -> f64 {
        let ends = colors(from).into_iter().zip(colors(to));
        let straight = ends.map(|(from, to)| [0, 1, 2].map(|index| (from[index] + to[index]) / 2.0));
        straight.zip(colors((from + to) / 2.0)).map(|(straight, color)| difference(straight, color)).fold(0.0, f64::max)
    };
    let mut places: Places = (0..own).map(|index| index as f64 / (own - 1) as f64).collect();
    let mut gaps: Vec<(f64, f64, f64)> = places.windows(2).map(|gap| (bend(gap[0], gap[1]), gap[0], gap[1])).collect();
    while places.len() < *SIDES.end() {
        // Where nothing bends any more, the widest.
        let worst = (0..gaps.len()).max_by(|&a, &b| {
            let key = |index: usize| (gaps[index].0 + 1e-3 * (gaps[index].2 - gaps[index].1), gaps[index].2 - gaps[index].1);
            key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
        });
        let Some(worst) = worst else { break };
        let (_, from, to) = gaps.swap_remove(worst);
        let middle = (from + to) / 2.0;
        places.push(middle);
        gaps.extend([(bend(from, middle), from, middle), (bend(middle, to), middle, to)]);
    }
    places
}

/// Colours all over, a half of them dark, where a step shows most; and the edges.
fn probes() -> impl Iterator<Item = [f64; 3]> {
    // Steps of the plastic number's kin (Roberts, 2018) fill a cube evenly.
    let spread = (1..=PROBES).map(|index| {
        let at = |step: f64| (0.5 + step * index as f64).fract();
        let color = [at(0.819_172_513_4), at(0.671_043_606_7), at(0.549_700_477_9)];
        if index % 2 == 0 { color.map(|value| value * value * value) } else { color }
    });
    let axis = [0.0, 0.004, 0.02, 0.05, 0.3, 0.7, 0.98, 1.0];
    spread.chain(axis.into_iter().flat_map(move |r| axis.into_iter().flat_map(move |g| axis.map(|b| [r, g, b]))))
}
