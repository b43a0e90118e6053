//! Colour profiles (ICC.1:2022) whose formulas are known.

/// A number of ICC's type s15Fixed16.
fn fixed(value: f64) -> [u8; 4] {
    ((value * 65_536.0).round() as i32).to_be_bytes()
}

/// A profile (ICC.1:2022, section 7) of these tags.
pub(crate) fn profile(class: &[u8; 4], space: &[u8; 4], pcs: &[u8; 4], tags: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut head = vec![0; 128];
    head[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    head[12..16].copy_from_slice(class);
    head[16..20].copy_from_slice(space);
    head[20..24].copy_from_slice(pcs);
    head[36..40].copy_from_slice(b"acsp");
    for (at, value) in [(68, 0.9642), (72, 1.0), (76, 0.8249)] {
        head[at..at + 4].copy_from_slice(&fixed(value));
    }
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let mut body = Vec::new();
    let start = 128 + 4 + tags.len() * 12;
    for (name, data) in tags {
        table.extend(*name);
        table.extend(((start + body.len()) as u32).to_be_bytes());
        table.extend((data.len() as u32).to_be_bytes());
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut all = [head, table, body].concat();
    let length = (all.len() as u32).to_be_bytes();
    all[..4].copy_from_slice(&length);
    all
}

fn xyz(values: [f64; 3]) -> Vec<u8> {
    [b"XYZ \0\0\0\0".to_vec(), values.iter().flat_map(|&value| fixed(value)).collect()].concat()
}

/// A curve that is a power.
pub(crate) fn gamma(value: f64) -> Vec<u8> {
    [b"curv\0\0\0\0\0\0\0\x01".to_vec(), ((value * 256.0).round() as u16).to_be_bytes().to_vec(), vec![0, 0]].concat()
}

/// A profile of colours: the columns of red, green and blue in XYZ, and a power for all three.
pub(crate) fn matrix(columns: [[f64; 3]; 3], power: f64) -> Vec<u8> {
    let [r, g, b] = columns;
    let curve = || gamma(power);
    let tags: [(&[u8; 4], Vec<u8>); 6] =
        [(b"rXYZ", xyz(r)), (b"gXYZ", xyz(g)), (b"bXYZ", xyz(b)), (b"rTRC", curve()), (b"gTRC", curve()), (b"bTRC", curve())];
    profile(b"mntr", b"RGB ", b"XYZ ", &tags)
}

/// A table (types lut8 and lut16): curves, points over all colours, curves. Values are shares of what a number can hold.
pub(crate) struct Lut<'a> {
    /// Whether numbers have 16 bits.
    pub(crate) is_wide: bool,
    /// Channels of the device.
    pub(crate) channels: usize,
    /// Points along each.
    pub(crate) side: usize,
    /// The curve of each channel.
    pub(crate) before: &'a dyn Fn(usize, f64) -> f64,
    /// What is at a point.
    pub(crate) point: &'a dyn Fn(&[f64]) -> [f64; 3],
    /// The curve of each of three numbers.
    pub(crate) after: &'a dyn Fn(usize, f64) -> f64,
}

impl Lut<'_> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut lut = if self.is_wide { b"mft2\0\0\0\0".to_vec() } else { b"mft1\0\0\0\0".to_vec() };
        lut.extend([self.channels as u8, 3, self.side as u8, 0]);
        for index in 0..9 {
            lut.extend(fixed(if index % 4 == 0 { 1.0 } else { 0.0 }));
        }
        let steps: usize = if self.is_wide { 1024 } else { 256 };
        if self.is_wide {
            lut.extend([(steps as u16).to_be_bytes(); 2].as_flattened());
        }
        let mut put = |value: f64| lut.extend(number(value, self.is_wide));
        let ramp = || (0..steps).map(|step| step as f64 / (steps - 1) as f64);
        (0..self.channels).for_each(|channel| ramp().for_each(|x| put((self.before)(channel, x))));
        for color in grid(&vec![self.side; self.channels]) {
            (self.point)(&color).into_iter().for_each(&mut put);
        }
        (0..3).for_each(|index| ramp().for_each(|x| put((self.after)(index, x))));
        lut
    }
}

/// A number of 8 or 16 bits.
fn number(value: f64, is_wide: bool) -> Vec<u8> {
    let value = value.clamp(0.0, 1.0);
    if is_wide { ((value * 65_535.0).round() as u16).to_be_bytes().to_vec() } else { vec![(value * 255.0).round() as u8] }
}

/// Every point with so many along each channel, the first slowest.
fn grid(sides: &[usize]) -> Vec<Vec<f64>> {
    sides.iter().fold(vec![vec![]], |colors, &side| {
        let on = |color: &Vec<f64>| {
            (0..side).map(|step| [&color[..], &[step as f64 / (side - 1) as f64]].concat()).collect::<Vec<_>>()
        };
        colors.iter().flat_map(on).collect()
    })
}

/// A curve by formula (ICC.1:2022, 10.18).
pub(crate) fn formula(kind: u16, numbers: &[f64]) -> Vec<u8> {
    let mut curve = b"para\0\0\0\0".to_vec();
    curve.extend(kind.to_be_bytes());
    curve.extend([0, 0]);
    numbers.iter().for_each(|number| curve.extend(fixed(*number)));
    curve
}

/// A curve of so many points.
pub(crate) fn sampled(points: usize, curve: impl Fn(f64) -> f64) -> Vec<u8> {
    let values = (0..points).flat_map(|index| number(curve(index as f64 / (points - 1) as f64), true));
    b"curv\0\0\0\0".iter().copied().chain((points as u32).to_be_bytes()).chain(values).collect()
}

/// A table of three channels in five parts (type lutAToB): curves, points over all colours of 8 or 16 bits, curves, a matrix with
/// what is added, curves.
pub(crate) fn composed(
    a: [Vec<u8>; 3],
    (sides, is_wide, point): ([usize; 3], bool, impl Fn(&[f64]) -> [f64; 3]),
    m: [Vec<u8>; 3],
    matrix: [f64; 12],
    b: [Vec<u8>; 3],
) -> Vec<u8> {
    let padded = |mut data: Vec<u8>| {
        data.resize(data.len().next_multiple_of(4), 0);
        data
    };
    let curves = |curves: [Vec<u8>; 3]| curves.map(padded).concat();
    let mut clut = sides.map(|side| side as u8).to_vec();
    clut.resize(16, 0);
    clut.extend([if is_wide { 2 } else { 1 }, 0, 0, 0]);
    grid(&sides).iter().flat_map(|color| point(color)).for_each(|value| clut.extend(number(value, is_wide)));
    let parts = [curves(b), matrix.map(fixed).concat(), curves(m), padded(clut), curves(a)];
    let mut tag = b"mAB \0\0\0\0\x03\x03\0\0".to_vec();
    let mut from = 32;
    for part in &parts {
        tag.extend((from as u32).to_be_bytes());
        from += part.len();
    }
    [tag, parts.concat()].concat()
}

/// The same profile, said to be of that version.
pub(crate) fn of_version(mut icc: Vec<u8>, version: u8) -> Vec<u8> {
    icc[8] = version;
    icc
}

/// CIE Lab as tables hold it since version 4, or of 8 bits; lut16 has less of it: see [`legacy`].
pub(crate) fn lab([l, a, b]: [f64; 3]) -> [f64; 3] {
    [l / 100.0, (a + 128.0) / 255.0, (b + 128.0) / 255.0]
}

/// CIE Lab as lut16 holds it: 0xff00 is 100.
pub(crate) fn legacy(color: [f64; 3]) -> [f64; 3] {
    lab(color).map(|value| value * 65_280.0 / 65_535.0)
}

/// XYZ as tables hold it: 0x8000 is 1.
pub(crate) fn xyz_share(color: [f64; 3]) -> [f64; 3] {
    color.map(|value| value * 32_768.0 / 65_535.0)
}

/// A profile of four inks: a table with two steps an ink, whose colours (L, a, b of 8 bits each) are those of `color` for which inks
/// are there.
pub(crate) fn inks(color: impl Fn([bool; 4]) -> [u8; 3]) -> Vec<u8> {
    let same = |_: usize, x: f64| x;
    let point = |inks: &[f64]| color([0, 1, 2, 3].map(|ink| inks[ink] > 0.5)).map(|value| f64::from(value) / 255.0);
    let lut = Lut { is_wide: false, channels: 4, side: 2, before: &same, point: &point, after: &same };
    profile(b"prtr", b"CMYK", b"Lab ", &[(b"A2B0", lut.bytes())])
}

/// Profiles whose only description of colours is a table, each of another kind and with curves that a photo's profile has not.
pub(crate) fn tables() -> Vec<(&'static str, Vec<u8>)> {
    let same = |_: usize, x: f64| x;
    let tag = |space: &[u8; 4], pcs: &[u8; 4], name: &[u8; 4], tag: Vec<u8>| profile(b"scnr", space, pcs, &[(name, tag)]);
    // Something like a device: lightness of what green, red and blue add, the rest by their differences.
    let seen = |c: &[f64]| {
        let light = 0.25 * c[0] + 0.65 * c[1] + 0.1 * c[2];
        [100.0 * light.cbrt(), 60.0 * (c[0] - c[1]), 60.0 * ((c[0] + c[1]) / 2.0 - c[2])]
    };
    // Adobe RGB's (1998) primaries.
    let adobe = [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]];
    let light = |c: &[f64]| adobe.map(|row| row[0] * c[0] + row[1] * c[1] + row[2] * c[2]);
    let wave = |x: f64| 0.5 - 0.5 * (std::f64::consts::PI * x).cos();
    let printed = |c: &[f64]| {
        let paper = |ink: f64| (1.0 - 0.95 * ink) * (1.0 - 0.97 * c[3]);
        seen(&[paper(c[0]), paper(c[1]), paper(c[2])].map(|light| 0.02 + 0.9 * light.powf(1.4)))
    };
    let before = |_: usize, x: f64| x.powf(0.6);
    let squared = |c: &[f64]| lab(seen(&[c[0], c[1], c[2]].map(|x| x.powi(3))));
    let narrow = Lut { is_wide: false, channels: 3, side: 9, before: &before, point: &squared, after: &same }.bytes();
    let each = |channel: usize, x: f64| [wave(x), x.powi(3), x.powf(0.4)][channel];
    let softer = |index: usize, x: f64| if index == 0 { x.powf(0.7) } else { x };
    let wide = |after| {
        let point = |c: &[f64]| legacy(seen(&[c[0], c[1], c[2]].map(|x| x * x)));
        Lut { is_wide: true, channels: 3, side: 11, before: &each, point: &point, after }.bytes()
    };
    let gamma_before = |_: usize, x: f64| x.powf(2.2);
    let straight = |c: &[f64]| xyz_share(light(c));
    let linear = Lut { is_wide: true, channels: 3, side: 2, before: &gamma_before, point: &straight, after: &same }.bytes();
    let powers = |c: &[f64]| xyz_share(light(&[c[0], c[1], c[2]].map(|x| x.powf(2.2))));
    let fine = Lut { is_wide: true, channels: 3, side: 33, before: &same, point: &powers, after: &same }.bytes();
    let srgb = || formula(3, &[2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.040_45]);
    let line = || formula(0, &[1.0]);
    let one = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    let uneven = composed(
        [srgb(), srgb(), srgb()],
        ([5, 9, 17], true, |c: &[f64]| lab(seen(c))),
        [sampled(2, |x| x), line(), line()],
        one,
        [line(), line(), gamma(1.0)],
    );
    // Half of XYZ is what the greatest number stands for.
    let [x, y, z] = adobe.map(|row| row.map(|value| value / 2.0));
    let all = composed(
        [sampled(300, |x| x.powf(1.7)), formula(0, &[0.5]), sampled(50, wave)],
        ([7, 7, 7], false, |c: &[f64]| [c[0], (c[1] + 0.1 * c[2]) / 1.1, c[2]]),
        [
            formula(4, &[2.4, 0.9, 0.1, 0.1858, 0.1, 0.0, 0.0]),
            formula(1, &[2.2, 0.95, 0.05]),
            formula(2, &[2.0, 0.9, 0.01, 0.02]),
        ],
        [x[0], x[1], x[2], y[0], y[1], y[2], z[0], z[1], z[2], 0.001, 0.0, -0.001],
        [0, 1, 2].map(|_| sampled(64, |x| x.powf(0.95))),
    );
    let inks = |is_wide: bool, side: usize, before, after| {
        let point = |c: &[f64]| if is_wide { legacy(printed(c)) } else { lab(printed(c)) };
        Lut { is_wide, channels: 4, side, before, point: &point, after }.bytes()
    };
    let thin = |_: usize, x: f64| x.powf(0.8);
    let thick = |_: usize, x: f64| x.powf(1.5);
    vec![
        ("lut8, Lab", tag(b"RGB ", b"Lab ", b"A2B0", narrow)),
        ("lut16, Lab, curves all over", tag(b"RGB ", b"Lab ", b"A2B0", wide(&softer))),
        ("lut16, Lab, version 4", of_version(tag(b"RGB ", b"Lab ", b"A2B0", wide(&same)), 4)),
        ("lut16, XYZ, two points", tag(b"RGB ", b"XYZ ", b"A2B0", linear)),
        ("lut16, XYZ, 33 points", tag(b"RGB ", b"XYZ ", b"A2B0", fine)),
        ("lutAToB, Lab, uneven", of_version(tag(b"RGB ", b"Lab ", b"A2B0", uneven), 4)),
        ("lutAToB, XYZ, all parts", of_version(tag(b"RGB ", b"XYZ ", b"A2B0", all), 4)),
        ("inks, lut16", tag(b"CMYK", b"Lab ", b"A2B0", inks(true, 7, &thin, &same))),
        ("inks, lut8, version 4", of_version(tag(b"CMYK", b"Lab ", b"A2B0", inks(false, 5, &thick, &softer)), 4)),
    ]
}
