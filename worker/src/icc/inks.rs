//! Pictures of four inks to sRGB: the transform as it is, with what can be worked out before in tables.

use super::Transform;
use super::clut::descending;
use super::curve::clamped;
use super::read::Stage;
use super::srgb;

/// Steps of the table of sRGB's curve: straight between them, it is 0.005 levels of 8 bits from the curve.
const LIGHT: usize = 4096;

/// A transform of four inks for samples of one depth.
pub(crate) struct Inks<'a> {
    transform: &'a Transform,
    /// For each ink and level the cell of the table, as a distance in it, and how far into the cell.
    places: [Vec<(u32, f32)>; 4],
    /// How far apart the table's points are along each ink.
    strides: [usize; 4],
    /// The table.
    points: Vec<[f32; 4]>,
    /// Stages that are behind the table, and not in it.
    rest: Option<usize>,
    /// From what the table gives, each taken to the third power if it was Lab, to linear sRGB: rows, then what is added.
    matrix: [[f32; 4]; 3],
    /// Linear light in steps to sRGB.
    light: Vec<f32>,
    max: f32,
}

impl<'a> Inks<'a> {
    /// For samples of 0 to `max`. Gives nothing for other than four channels.
    pub(crate) fn of(transform: &'a Transform, max: u16) -> Option<Self> {
        let (curves, behind) = match &transform.stages[..] {
            [Stage::Clut(_), behind @ ..] => (None, behind),
            [Stage::Curves(curves), Stage::Clut(_), behind @ ..] => (Some(curves), behind),
            _ => return None,
        };
        let at = transform.stages.len() - behind.len();
        let Stage::Clut(clut) = &transform.stages[at - 1] else { return None };
        let strides: [usize; 4] = clut.strides.clone().try_into().ok()?;
        let places = [0, 1, 2, 3].map(|ink| {
            let place = |level: u16| {
                let value = f64::from(level) / f64::from(max);
                let along = clamped(curves.map_or(value, |curves| curves[ink].at(value))) * (clut.sides[ink] - 1) as f64;
                let cell = (along as usize).min(clut.sides[ink] - 2);
                ((cell * strides[ink]) as u32, (along - cell as f64) as f32)
            };
            (0..=max).map(place).collect()
        });
        // Curves bend between the points; what is straight can be done to the points themselves.
        let rest = behind.iter().any(|stage| !matches!(stage, Stage::Matrix(_))).then_some(at);
        let points = clut.map(|[x, y, z]| if rest.is_some() { [x, y, z] } else { behind_all(transform, at, [x, y, z, 0.0]) });
        let points = points.into_iter().map(|[x, y, z]| [x, y, z, 0.0]).collect();
        // Each column of the matrix is what one of the three adds to what none of them gives.
        let light_of = |values: [f64; 3]| {
            let xyz = if transform.is_lab { [0, 1, 2].map(|index| values[index] * srgb::WHITE[index]) } else { values };
            srgb::linear(transform.stretch.map_or(xyz, |stretch| stretch.at(xyz)))
        };
        let [none, x, y, z] = [[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(light_of);
        let matrix =
            [0, 1, 2].map(|row| [x[row] - none[row], y[row] - none[row], z[row] - none[row], none[row]].map(|v| v as f32));
        let light = |step: usize| srgb::encoded(step as f64 / LIGHT as f64) as f32 * f32::from(max);
        Some(Self {
            transform,
            places,
            strides,
            points,
            rest,
            matrix,
            light: (0..=LIGHT + 1).map(light).collect(),
            max: f32::from(max),
        })
    }

    /// What four samples are in sRGB.
    #[inline]
    pub(crate) fn at(&self, inks: [usize; 4]) -> [f32; 3] {
        let [(w, part), x, y, z] = [0, 1, 2, 3].map(|ink| self.places[ink][inks[ink]]);
        let origin = (w + x.0 + y.0 + z.0) as usize;
        let [first, others @ ..] = self.strides;
        let parts = [x.1, y.1, z.1];
        // Along the ink that is farthest into its cell first, then the next one: see [`super::clut::Clut`].
        let [most, middle, least] = descending(parts);
        let second = others[most];
        let third = second + others[middle];
        let corners = [
            (0, 1.0 - parts[most]),
            (second, parts[most] - parts[middle]),
            (third, parts[middle] - parts[least]),
            (third + others[least], parts[least]),
        ];
        let mut sum = [0.0f32; 4];
        for (at, weight) in corners {
            let (near, far) = (self.points[origin + at], self.points[origin + at + first]);
            (0..4).for_each(|index| sum[index] += (near[index] + (far[index] - near[index]) * part) * weight);
        }
        let [mut x, mut y, mut z, _] = sum;
        if let Some(stages) = self.rest {
            let values = [x, y, z, 0.0].map(f64::from);
            [x, y, z] = behind_all(self.transform, stages, values).map(|value| value as f32);
        }
        if self.transform.is_lab {
            [x, y, z] = [x, y, z].map(cubed);
        }
        self.matrix.map(|[a, b, c, d]| self.encoded(a * x + b * y + c * z + d))
    }

    #[inline]
    fn encoded(&self, light: f32) -> f32 {
        // What is no number becomes 0, too.
        let along = light.clamp(0.0, 1.0) * LIGHT as f32;
        let index = along as usize;
        let (low, high) = (self.light[index], self.light[index + 1]);
        (low + (high - low) * (along - index as f32)).min(self.max)
    }
}

/// What comes after so many stages: XYZ, or what stands for it in CIE Lab.
fn behind_all(transform: &Transform, stages: usize, values: [f64; 4]) -> [f64; 3] {
    let values = transform.rest(stages, values);
    if transform.is_lab { srgb::roots_of(srgb::lab_from(values)) } else { values.map(|value| value * srgb::XYZ_MAX) }
}

/// Of XYZ by Lab's formula, to the share of white.
#[inline]
fn cubed(t: f32) -> f32 {
    if t <= 24.0 / 116.0 { (108.0 / 841.0) * (t - 16.0 / 116.0) } else { t * t * t }
}
