//! Turning a small picture by any angle.

use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Image, Shape};

/// Width and height of the box around a picture of `size` that is turned by `degrees`.
pub(super) fn bounds(size: (f64, f64), degrees: f64) -> (f64, f64) {
    let (sin, cos) = exact(degrees);
    let (sin, cos) = (sin.abs(), cos.abs());
    (size.0 * cos + size.1 * sin, size.0 * sin + size.1 * cos)
}

/// Sine and cosine, exact at the quarters of a turn.
fn exact(degrees: f64) -> (f64, f64) {
    match degrees.rem_euclid(360.0) {
        0.0 => (0.0, 1.0),
        90.0 => (1.0, 0.0),
        180.0 => (0.0, -1.0),
        270.0 => (-1.0, 0.0),
        other => other.to_radians().sin_cos(),
    }
}

/// An 8-bit RGBA image turned clockwise about its middle, on a transparent canvas that just holds it. Samples between pixels are
/// bilinear with alpha premultiplied; beyond the edge lies transparency, so that edges are smooth.
///
/// # Errors
/// [`Failure::TooLarge`] where there is no memory for it, [`Failure::Internal`] for another layout.
pub(super) fn turned(image: Image, degrees: i32) -> Result<Image, Failure> {
    if degrees.rem_euclid(360) == 0 {
        return Ok(image);
    }
    let Shape { width, height, channels, depth } = image.shape();
    if (channels, depth) != (Channels::Rgba, Depth::U8) {
        return Err(Failure::internal(format!("{:?} is not 8-bit RGBA", image.shape())));
    }
    let angle = f64::from(degrees);
    let (wide, high) = bounds((f64::from(width), f64::from(height)), angle);
    let side = |length: f64| (length - 1e-6).ceil().max(1.0) as u32;
    let shape = Shape { width: side(wide), height: side(high), channels, depth };
    let mut made = Image::zeroed(shape)?;
    let (sin, cos) = exact(angle);
    let (source, _) = image.data().as_chunks::<4>();
    let pixel = |x: i64, y: i64| -> [f64; 4] {
        let inside = (0..i64::from(width)).contains(&x) && (0..i64::from(height)).contains(&y);
        let at = (y * i64::from(width) + x) as usize;
        let [r, g, b, a] = if inside { source[at].map(f64::from) } else { [0.0; 4] };
        [r * a, g * a, b * a, a]
    };
    let stride = made.stride();
    for (row, line) in made.data_mut().chunks_exact_mut(stride).enumerate() {
        for (column, out) in line.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            // From the middle of the canvas back to the source: the inverse turn.
            let dx = column as f64 + 0.5 - f64::from(shape.width) / 2.0;
            let dy = row as f64 + 0.5 - f64::from(shape.height) / 2.0;
            let x = dx * cos + dy * sin + f64::from(width) / 2.0 - 0.5;
            let y = dy * cos - dx * sin + f64::from(height) / 2.0 - 0.5;
            let (left, top) = (x.floor(), y.floor());
            let (fx, fy) = (x - left, y - top);
            let (left, top) = (left as i64, top as i64);
            let mut sum = [0.0; 4];
            for (dx, dy, weight) in
                [(0, 0, (1.0 - fx) * (1.0 - fy)), (1, 0, fx * (1.0 - fy)), (0, 1, (1.0 - fx) * fy), (1, 1, fx * fy)]
            {
                for (sum, value) in sum.iter_mut().zip(pixel(left + dx, top + dy)) {
                    *sum += value * weight;
                }
            }
            let alpha = sum[3];
            if alpha > 0.0 {
                *out = [sum[0] / alpha, sum[1] / alpha, sum[2] / alpha, alpha].map(|value| value.round() as u8);
            }
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32, data: &[[u8; 4]]) -> Image {
        Image::new(width, height, Channels::Rgba, Depth::U8, data.concat()).expect("an image")
    }

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];
    const GREEN: [u8; 4] = [0, 255, 0, 255];

    #[test]
    fn quarter_turns_move_pixels_and_change_none() {
        let row = || image(3, 1, &[RED, GREEN, BLUE]);
        let column = |data| image(1, 3, data);
        assert_eq!(turned(row(), 90), Ok(column(&[RED, GREEN, BLUE])), "clockwise: the left end goes up");
        assert_eq!(turned(row(), -90), Ok(column(&[BLUE, GREEN, RED])), "the other way");
        assert_eq!(turned(row(), 180), Ok(image(3, 1, &[BLUE, GREEN, RED])), "half a turn");
        assert_eq!(turned(row(), 360), Ok(row()), "a whole one");
    }

    #[test]
    fn any_other_angle_keeps_colour_and_area() {
        let whole = image(40, 20, &[RED; 800]);
        for degrees in [1, 30, 45, 123, -77] {
            let made = turned(whole.clone(), degrees).expect("it turns");
            let (pixels, _) = made.data().as_chunks::<4>();
            let area: f64 = pixels.iter().map(|pixel| f64::from(pixel[3]) / 255.0).sum();
            assert!((area - 800.0).abs() < 8.0, "{degrees}: the area is {area}");
            assert!(pixels.iter().all(|[r, g, b, a]| *a == 0 || (*r, *g, *b) == (255, 0, 0)), "{degrees}: no fringe");
            let (wide, high) = bounds((40.0, 20.0), f64::from(degrees));
            assert_eq!((made.width(), made.height()), (wide.ceil() as u32, high.ceil() as u32), "{degrees}: just holds it");
        }
    }
}
