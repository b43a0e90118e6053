//! Blurs by a Gaussian, colour multiplied by alpha meanwhile, the edges repeated beyond themselves.
//!
//! The scalar form sums in `f64` over every pixel that counts. The others use the tables of [`Gaussian`], which cost the same for
//! any width, and sum in `f32`: 8 bits may fall to the other side of a border between two levels, and of 16 bits the last one is
//! not certain.

use super::{Kernel, Tolerance, by_depth, wrong_step};
use crate::failure::Failure;
use crate::pixels::gaussian::Gaussian;
use crate::pixels::lines::{self, unmultiply};
use crate::pixels::pass::Pass;
use crate::pixels::samples::{Samples, expect_shape};
use crate::pixels::separable;
use crate::pixels::{CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Blur`].
pub(super) struct Blur;

impl Kernel for Blur {
    fn name(&self) -> &'static str {
        "blur"
    }

    fn tolerance(&self, src: Shape) -> Tolerance {
        match src.depth {
            Depth::U8 => Tolerance { simd: 1, gpu: 1 },
            Depth::U16 => Tolerance { simd: 2, gpu: 2 },
        }
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        match *step {
            Step::Blur { sigma } if sigma >= 0.0 && sigma.is_finite() => Ok(src),
            _ => Err(wrong_step(self.name(), step)),
        }
    }

    fn is_identity(&self, step: &Step, _src: Shape) -> bool {
        matches!(*step, Step::Blur { sigma: 0.0 })
    }

    fn cpu(&self, level: CpuLevel, step: &Step, _layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let Step::Blur { sigma } = *step else { return Err(wrong_step(self.name(), step)) };
        if self.is_identity(step, src.shape()) {
            dst.data_mut().copy_from_slice(src.data());
            return Ok(());
        }
        if level == CpuLevel::Scalar {
            by_depth!(src.depth(), S => scalar::<S>(sigma, src, dst));
            return Ok(());
        }
        let (shape, stride) = (src.shape(), src.stride());
        let read = |y: usize, line: &mut [f32]| lines::load(level, shape, &src.data()[y * stride..][..stride], line);
        let rows = dst.data_mut();
        let write = |y: usize, line: &mut [f32]| lines::store(level, shape, line, &mut rows[y * stride..][..stride]);
        separable::blur(level, sigma, (shape.width, shape.height), shape.channels.count(), read, write)
    }

    fn gpu(&self, step: &Step, _layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        self.output(step, src)?;
        let Step::Blur { sigma } = *step else { return Err(wrong_step(self.name(), step)) };
        let (across, down) = (Gaussian::new(src.width, sigma.into()), Gaussian::new(src.height, sigma.into()));
        // Down first and last, so that what goes across is coarse already.
        let mut tables = vec![(true, &down.gather), (false, &across.gather)];
        tables.extend(across.spread.iter().map(|weights| (false, weights)));
        tables.extend(down.spread.iter().map(|weights| (true, weights)));
        let mut passes = Vec::with_capacity(tables.len());
        let mut now = src;
        for (index, (vertical, weights)) in tables.iter().enumerate() {
            let positions = weights.starts.len() as u32;
            let made = if *vertical { Shape { height: positions, ..now } } else { Shape { width: positions, ..now } };
            let last = index + 1 == tables.len();
            let own = [(*vertical).into(), (index > 0).into(), positions, weights.window as u32, last.into(), 0, 0, 0];
            let pass =
                if last { Pass::over_words(self.name(), now, made, own) } else { Pass::over_pixels(self.name(), now, made, own) };
            passes.push(pass.with_weights(weights));
            now = made;
        }
        Ok(passes)
    }

    fn reach(&self, step: &Step) -> Option<u32> {
        // Both Gaussians, each of the deviation over the square root of two, out to five of their own; and a coarse row.
        let Step::Blur { sigma } = *step else { return None };
        Some((sigma * 8.0).ceil() as u32 + 2)
    }
}

/// The Gaussian out to where it is less than 1e-7 of its height, whole: its weights by distance.
pub(super) fn bell(sigma: f32) -> Vec<f64> {
    let sigma = f64::from(sigma);
    (0..=(5.7 * sigma).ceil() as usize).map(|distance| (-0.5 * (distance as f64 / sigma).powi(2)).exp()).collect()
}

/// Blurs one axis of `samples`, pixels of `count`; `along` and `rows` are the pixels and distance of that axis and the other one.
pub(super) fn blur_axis(samples: &[f64], count: usize, size: (usize, usize), vertical: bool, bell: &[f64]) -> Vec<f64> {
    let (width, height) = size;
    let (length, step) = if vertical { (height, width * count) } else { (width, count) };
    let whole = 2.0 * bell.iter().sum::<f64>() - bell[0];
    let at = |index: usize| {
        let pixel = index / count;
        let position = if vertical { pixel / width } else { pixel % width };
        let origin = index - position * step;
        let edge = |position: usize| samples[origin + position.min(length - 1) * step];
        let pair =
            |(distance, weight): (usize, &f64)| weight * (edge(position + distance) + edge(position.saturating_sub(distance)));
        (bell[0] * samples[index] + bell.iter().enumerate().skip(1).map(pair).sum::<f64>()) / whole
    };
    (0..samples.len()).map(at).collect()
}

fn scalar<S: Samples>(sigma: f32, src: &Image, dst: &mut Image) {
    let (count, alpha) = (src.channels().count(), src.channels().has_alpha());
    let max = f64::from(S::MAX);
    let size = (src.width() as usize, src.height() as usize);
    let sample = |index: usize| f64::from(S::get(src.data(), index));
    let load = |index: usize| {
        let last = index / count * count + count - 1;
        if alpha && index != last { sample(index) * sample(last) / max } else { sample(index) }
    };
    let samples: Vec<f64> = (0..size.0 * size.1 * count).map(load).collect();
    let bell = bell(sigma);
    let blurred = blur_axis(&blur_axis(&samples, count, size, true, &bell), count, size, false, &bell);
    let out = dst.data_mut();
    for (index, value) in blurred.iter().enumerate() {
        let last = index / count * count + count - 1;
        let value =
            if alpha && index != last { unmultiply(*value as f32, blurred[last] as f32, S::MAX as f32) } else { *value as f32 };
        S::set(out, index, (value + 0.5).floor() as u32);
    }
}
