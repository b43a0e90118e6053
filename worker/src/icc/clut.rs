//! Tables over all colours (ICC.1:2022, 10.12.3), with lcms2's way between their points: along four channels, straight in the first
//! and by tetrahedra in the others.

use super::Broken;
use super::curve::clamped;

/// The most points of a table: one of 33 for each of four inks has 1.2 million.
const MOST_POINTS: usize = 1 << 21;

/// A table with three numbers a point; the first channel runs slowest.
#[derive(Clone, Debug)]
pub(super) struct Clut {
    /// Points along each channel.
    pub(super) sides: Vec<usize>,
    /// How far apart points are that are next to each other along each channel.
    pub(super) strides: Vec<usize>,
    points: Vec<[f32; 3]>,
}

impl Clut {
    /// How many points there are with so many along each channel.
    ///
    /// # Errors
    /// When that is not 2 or more for each of one, three or four channels, or too many.
    pub(super) fn count(sides: &[usize]) -> Result<usize, Broken> {
        if !matches!(sides.len(), 1 | 3 | 4) || sides.iter().any(|&side| side < 2) {
            return Err(Broken::Unknown);
        }
        let count = sides.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
        count.filter(|&count| count <= MOST_POINTS).ok_or(Broken::Large)
    }

    pub(super) fn new(sides: Vec<usize>, points: Vec<[f32; 3]>) -> Result<Self, Broken> {
        if Self::count(&sides)? != points.len() {
            return Err(Broken::Cut);
        }
        let strides = (0..sides.len()).map(|channel| sides[channel + 1..].iter().product()).collect();
        Ok(Self { sides, strides, points })
    }

    /// What is at so much of each channel, 0 to 1.
    pub(super) fn at(&self, device: &[f64; 4]) -> [f64; 3] {
        let mut origin = 0;
        let mut parts = [0.0; 4];
        for (channel, (&side, stride)) in self.sides.iter().zip(&self.strides).enumerate() {
            let along = clamped(device[channel]) * (side - 1) as f64;
            // The last point has no cell behind it: it is the end of the one before.
            let cell = (along as usize).min(side - 2);
            origin += cell * stride;
            parts[channel] = along - cell as f64;
        }
        match *self.strides.as_slice() {
            [x, y, z] => self.tetrahedron(origin, [x, y, z], [parts[0], parts[1], parts[2]]),
            [w, x, y, z] => {
                let rest = [parts[1], parts[2], parts[3]];
                mixed(self.tetrahedron(origin, [x, y, z], rest), self.tetrahedron(origin + w, [x, y, z], rest), parts[0])
            }
            _ => mixed(self.point(origin), self.point(origin + 1), parts[0]),
        }
    }

    fn point(&self, index: usize) -> [f64; 3] {
        self.points[index].map(f64::from)
    }

    /// The four corners around a colour that lead to the opposite one by the channel that is farthest along its cell first.
    fn tetrahedron(&self, origin: usize, strides: [usize; 3], parts: [f64; 3]) -> [f64; 3] {
        let [most, middle, least] = descending(parts);
        let second = origin + strides[most];
        let third = second + strides[middle];
        let corners = [
            (origin, 1.0 - parts[most]),
            (second, parts[most] - parts[middle]),
            (third, parts[middle] - parts[least]),
            (third + strides[least], parts[least]),
        ];
        let mut sum = [0.0; 3];
        for (index, weight) in corners {
            let point = self.point(index);
            (0..3).for_each(|channel| sum[channel] += point[channel] * weight);
        }
        sum
    }

    /// Every point as another.
    pub(super) fn map(&self, change: impl Fn([f64; 3]) -> [f64; 3]) -> Vec<[f32; 3]> {
        self.points.iter().map(|point| change(point.map(f64::from)).map(|value| value as f32)).collect()
    }
}

/// Which of three numbers is the greatest, then the next one and the least.
#[inline(always)]
pub(super) fn descending<T: PartialOrd + Copy>(parts: [T; 3]) -> [usize; 3] {
    let mut order = [0, 1, 2];
    for (near, far) in [(0, 1), (1, 2), (0, 1)] {
        if parts[order[near]] < parts[order[far]] {
            order.swap(near, far);
        }
    }
    order
}

fn mixed(from: [f64; 3], to: [f64; 3], part: f64) -> [f64; 3] {
    [0, 1, 2].map(|channel| from[channel] + (to[channel] - from[channel]) * part)
}
