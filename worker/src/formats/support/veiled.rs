//! At most 256 colours with alpha, for pictures that let something through.
//!
//! quantette, which chooses the colours of opaque ones, knows three numbers a colour. Here a colour is what it adds to what is under
//! it, and its alpha; two are as far from each other as they look over black and over white. Boxes of them are halved where they
//! vary most (Wan, Wong and Prusinkiewicz, 1988), and moved to the middle of what they stand for (k-means). No error is spread to
//! neighbours: what it does to alpha shows.

use std::collections::HashMap;

/// A colour by what shows: red, green and blue times alpha, and alpha, 0 to 1.
type Veil = [f32; 4];

/// How often each is moved to the middle.
const ROUNDS: usize = 3;

/// Kinds of colour above which none is moved: it would take seconds.
const MOVED: usize = 1 << 16;

/// A palette of `room` colours at most, and the number of each pixel's.
pub(in crate::formats) fn of(rgba: &[u8], room: usize) -> (Vec<[u8; 4]>, Vec<u8>) {
    let pixels = || rgba.as_chunks::<4>().0.iter().map(|&pixel| if pixel[3] == 0 { [0; 4] } else { pixel });
    let palette = exact(pixels(), room).unwrap_or_else(|| chosen(pixels(), room));
    let veils: Vec<Veil> = palette.iter().map(|&color| veil(color)).collect();
    let mut known: HashMap<[u8; 4], u8> = palette.iter().enumerate().map(|(number, &color)| (color, number as u8)).collect();
    let numbers = pixels().map(|pixel| *known.entry(pixel).or_insert_with(|| nearest(&veils, veil(pixel)) as u8)).collect();
    (palette, numbers)
}

/// The colours themselves, where there are no more.
fn exact(pixels: impl Iterator<Item = [u8; 4]>, room: usize) -> Option<Vec<[u8; 4]>> {
    let (mut seen, mut palette) = (std::collections::HashSet::new(), Vec::new());
    for pixel in pixels {
        if seen.insert(pixel) {
            palette.push(pixel);
        }
        if palette.len() > room {
            return None;
        }
    }
    Some(palette)
}

/// Colours that are alike, as one: their middle and how many they are.
#[derive(Clone, Copy)]
struct Kind {
    middle: Veil,
    weight: f32,
}

fn chosen(pixels: impl Iterator<Item = [u8; 4]>, room: usize) -> Vec<[u8; 4]> {
    let mut cells: HashMap<[u8; 4], ([f64; 4], f64)> = HashMap::new();
    for pixel in pixels {
        let (sum, count) = cells.entry(pixel.map(|value| value >> 3)).or_default();
        sum.iter_mut().zip(veil(pixel)).for_each(|(sum, value)| *sum += f64::from(value));
        *count += 1.0;
    }
    // In an order that is the same every time.
    let mut cells: Vec<_> = cells.into_iter().collect();
    cells.sort_by_key(|(cell, _)| *cell);
    let mut kinds: Vec<Kind> = cells
        .iter()
        .map(|(_, (sum, count))| Kind { middle: sum.map(|sum| (sum / count) as f32), weight: *count as f32 })
        .collect();
    let mut middles = halved(&mut kinds, room);
    for _ in 0..if kinds.len() <= MOVED { ROUNDS } else { 0 } {
        let mut sums = vec![([0.0f32; 4], 0.0f32); middles.len()];
        for kind in &kinds {
            let (sum, weight) = &mut sums[nearest(&middles, kind.middle)];
            sum.iter_mut().zip(kind.middle).for_each(|(sum, value)| *sum += value * kind.weight);
            *weight += kind.weight;
        }
        for (middle, (sum, weight)) in middles.iter_mut().zip(sums).filter(|(_, (_, weight))| *weight > 0.0) {
            *middle = sum.map(|sum| sum / weight);
        }
    }
    let mut colors: Vec<[u8; 4]> = middles.into_iter().map(unveil).collect();
    colors.sort_unstable();
    colors.dedup();
    colors
}

/// The middles of boxes around all kinds: the box that varies most is halved along what varies most in it, until there are enough.
fn halved(kinds: &mut [Kind], room: usize) -> Vec<Veil> {
    let mut boxes = vec![Spread::of(kinds, 0..kinds.len())];
    while boxes.len() < room {
        let Some(widest) = (0..boxes.len()).max_by(|&a, &b| boxes[a].most().total_cmp(&boxes[b].most())) else { break };
        if boxes[widest].most() <= 0.0 {
            break;
        }
        let Spread { range, middle, axis, .. } = boxes[widest].clone();
        let inside = &mut kinds[range.clone()];
        inside.sort_by(|a, b| a.middle[axis].total_cmp(&b.middle[axis]));
        let half = inside.partition_point(|kind| kind.middle[axis] <= middle[axis]).clamp(1, inside.len() - 1) + range.start;
        boxes[widest] = Spread::of(kinds, range.start..half);
        boxes.push(Spread::of(kinds, half..range.end));
    }
    boxes.into_iter().map(|spread| spread.middle).collect()
}

/// A box of kinds, and how they lie in it.
#[derive(Clone)]
struct Spread {
    range: std::ops::Range<usize>,
    middle: Veil,
    /// Along which number they vary most.
    axis: usize,
    /// By how much along each, times how many they are.
    varies: [f32; 4],
}

impl Spread {
    fn of(kinds: &[Kind], range: std::ops::Range<usize>) -> Self {
        let inside = &kinds[range.clone()];
        let weight: f32 = inside.iter().map(|kind| kind.weight).sum();
        let middle = [0, 1, 2, 3].map(|axis| inside.iter().map(|kind| kind.middle[axis] * kind.weight).sum::<f32>() / weight);
        let varies = [0, 1, 2, 3].map(|axis| {
            let away = |kind: &Kind| (kind.middle[axis] - middle[axis]).powi(2) * kind.weight;
            // Alpha changes all three over white.
            inside.iter().map(away).sum::<f32>() * if axis == 3 { 3.0 } else { 2.0 }
        });
        let axis = (0..4).max_by(|&a, &b| varies[a].total_cmp(&varies[b])).unwrap_or(0);
        let varies = if inside.len() < 2 { [0.0; 4] } else { varies };
        Self { range, middle, axis, varies }
    }

    fn most(&self) -> f32 {
        self.varies.iter().sum()
    }
}

fn veil([r, g, b, a]: [u8; 4]) -> Veil {
    let alpha = f32::from(a) / 255.0;
    let [r, g, b] = [r, g, b].map(|value| f32::from(value) / 255.0 * alpha);
    [r, g, b, alpha]
}

fn unveil([r, g, b, alpha]: Veil) -> [u8; 4] {
    let a = (alpha * 255.0).round() as u8;
    let color = |value: f32| if a == 0 { 0 } else { (value / alpha * 255.0).round() as u8 };
    // Middles of what is opaque and of what is nearly so would let something through everywhere.
    let a = match a {
        0..=2 => 0,
        253.. => 255,
        a => a,
    };
    if a == 0 { [0; 4] } else { [color(r), color(g), color(b), a] }
}

fn nearest(palette: &[Veil], wanted: Veil) -> usize {
    let distance = |color: &Veil| -> f32 {
        let alpha = color[3] - wanted[3];
        (0..3).map(|index| color[index] - wanted[index]).map(|over_black| over_black.powi(2) + (over_black - alpha).powi(2)).sum()
    };
    let mut best = (f32::INFINITY, 0);
    for (index, color) in palette.iter().enumerate() {
        let found = distance(color);
        if found < best.0 {
            best = (found, index);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disc of changing colour with a soft edge.
    fn disc(side: u8) -> Vec<u8> {
        let at = |x: u8, y: u8| {
            let away = f32::hypot(f32::from(x) - f32::from(side) / 2.0, f32::from(y) - f32::from(side) / 2.0);
            let alpha = ((f32::from(side) * 0.45 - away) * 12.0).clamp(0.0, 255.0);
            [x.wrapping_mul(2), y.wrapping_mul(2), 90, alpha as u8]
        };
        (0..side).flat_map(|y| (0..side).flat_map(move |x| at(x, y))).collect()
    }

    #[test]
    fn few_colours_are_kept_exactly() {
        let rgba: Vec<u8> = (0..200u8).flat_map(|index| [index, 9, 200 - index, index.saturating_add(20)]).collect();
        let (palette, numbers) = of(&rgba, 256);
        let shown: Vec<u8> = numbers.iter().flat_map(|&number| palette[usize::from(number)]).collect();
        assert_eq!((palette.len(), shown), (200, rgba), "each once");
        let (palette, numbers) = of(&[1, 2, 3, 0, 9, 8, 7, 0, 5, 5, 5, 77], 256);
        assert_eq!((palette, numbers), (vec![[0; 4], [5, 5, 5, 77]], vec![0, 0, 1]), "what does not show is one colour");
    }

    #[test]
    fn many_colours_are_chosen_well_over_black_and_white() {
        let rgba = disc(120);
        for (room, wanted) in [(256, 34.0), (64, 28.0), (16, 21.0)] {
            let (palette, numbers) = of(&rgba, room);
            assert!(palette.len() <= room && palette.len() > room / 2, "{} colours of {room}", palette.len());
            for ground in [0.0, 255.0] {
                let over = |pixel: &[u8; 4]| {
                    let alpha = f64::from(pixel[3]) / 255.0;
                    [0, 1, 2].map(|index| f64::from(pixel[index]) * alpha + ground * (1.0 - alpha))
                };
                let mut error = 0.0;
                for (pixel, &number) in rgba.as_chunks::<4>().0.iter().zip(&numbers) {
                    let (was, is) = (over(pixel), over(&palette[usize::from(number)]));
                    error += (0..3).map(|index| (was[index] - is[index]).powi(2)).sum::<f64>();
                }
                let psnr = 10.0 * (255.0f64.powi(2) / (error / (numbers.len() * 3) as f64)).log10();
                println!("{room} colours over {ground}: {psnr:.1} dB");
                assert!(psnr > wanted, "{room} colours over {ground}: {psnr:.1} dB");
            }
            for (pixel, &number) in rgba.as_chunks::<4>().0.iter().zip(&numbers) {
                let alpha = palette[usize::from(number)][3];
                assert!(alpha.abs_diff(pixel[3]) < 60 && (pixel[3] != 0 || alpha == 0), "{pixel:?} has {alpha}");
            }
        }
    }
}
