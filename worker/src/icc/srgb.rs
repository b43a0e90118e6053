//! From what is between profiles, relative to D50, to sRGB.

use super::curve::clamped;

/// D50 as profiles have it.
pub(super) const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];

/// What XYZ of D50 is in linear sRGB: the primaries and D65 of IEC 61966-2-1, adapted by Bradford's cone responses. Inverted.
const FROM_XYZ: [[f64; 3]; 3] = [
    [3.134_186_36, -1.617_208_96, -0.490_694_06],
    [-0.978_748_50, 1.916_130_10, 0.033_433_40],
    [0.071_963_93, -0.228_993_87, 1.405_753_73],
];

/// XYZ of D50 of linear sRGB.
const TO_XYZ: [[f64; 3]; 3] = [
    [0.436_041_25, 0.385_112_91, 0.143_045_84],
    [0.222_484_54, 0.716_905_08, 0.060_610_38],
    [0.013_920_19, 0.097_067_24, 0.713_912_57],
];

/// What the greatest 16-bit number stands for in XYZ.
pub(super) const XYZ_MAX: f64 = 1.0 + 32_767.0 / 32_768.0;

/// The edge of Lab's formulas.
const EDGE: f64 = 24.0 / 116.0;

/// CIE Lab as tables hold it, in shares of what they can hold.
pub(super) fn lab_from([l, a, b]: [f64; 3]) -> [f64; 3] {
    [l * 100.0, a * 255.0 - 128.0, b * 255.0 - 128.0]
}

/// Of CIE Lab what is straight in it: as good as the third roots of X, Y and Z.
pub(super) fn roots_of([l, a, b]: [f64; 3]) -> [f64; 3] {
    let y = (l + 16.0) / 116.0;
    [y + a / 500.0, y, y - b / 200.0]
}

/// XYZ of CIE Lab.
pub(super) fn xyz_of(lab: [f64; 3]) -> [f64; 3] {
    let one = |t: f64| if t <= EDGE { (108.0 / 841.0) * (t - 16.0 / 116.0) } else { t * t * t };
    let [x, y, z] = roots_of(lab).map(one);
    [x * WHITE[0], y * WHITE[1], z * WHITE[2]]
}

/// CIE Lab of XYZ.
pub(super) fn lab_of(xyz: [f64; 3]) -> [f64; 3] {
    let one = |t: f64| if t <= EDGE * EDGE * EDGE { (841.0 / 108.0) * t + 16.0 / 116.0 } else { t.cbrt() };
    let [x, y, z] = [0, 1, 2].map(|index| one(xyz[index] / WHITE[index]));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Linear sRGB of XYZ.
pub(super) fn linear([x, y, z]: [f64; 3]) -> [f64; 3] {
    FROM_XYZ.map(|row| row[0] * x + row[1] * y + row[2] * z)
}

/// sRGB's curve. What is less than none goes on as it begins.
pub(super) fn encoded(linear: f64) -> f64 {
    if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

/// Light of sRGB's curve, from 0 to 1.
pub(super) fn decoded(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// How far two colours of sRGB look from each other: the distance in CIE Lab of what a screen can show of them.
pub(super) fn difference(one: [f64; 3], other: [f64; 3]) -> f64 {
    let seen = |color: [f64; 3]| {
        let [r, g, b] = color.map(|value| decoded(clamped(value)));
        lab_of(TO_XYZ.map(|row| row[0] * r + row[1] * g + row[2] * b))
    };
    let (one, other) = (seen(one), seen(other));
    (0..3).map(|index| (one[index] - other[index]).powi(2)).sum::<f64>().sqrt()
}

/// Light that makes a device's black what sRGB has: XYZ is stretched from white (lcms2's black point compensation).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    scale: [f64; 3],
    shift: [f64; 3],
}

impl Stretch {
    /// What takes `black` to none; nothing where that is next to nothing, as lcms2 has it.
    pub(super) fn from(black: [f64; 3]) -> Option<Self> {
        let scale = [0, 1, 2].map(|index| WHITE[index] / (WHITE[index] - black[index]));
        let shift = [0, 1, 2].map(|index| WHITE[index] * (1.0 - scale[index]));
        let change: f64 = scale.iter().map(|scale| (scale - 1.0).abs()).chain(shift.map(|shift| shift.abs() / XYZ_MAX)).sum();
        (change >= 0.002).then_some(Self { scale, shift })
    }

    pub(super) fn at(&self, xyz: [f64; 3]) -> [f64; 3] {
        [0, 1, 2].map(|index| xyz[index] * self.scale[index] + self.shift[index])
    }
}
