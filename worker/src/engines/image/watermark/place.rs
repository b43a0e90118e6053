//! Where a watermark lies.

use super::options::{Horizontal, Layer, Vertical, WatermarkOptions};
use crate::pixels::Step;

/// The step that lays a layer of `size` on an image of `canvas` pixels.
pub(in crate::engines::image) fn overlay(layer: usize, options: &WatermarkOptions, size: (u32, u32), canvas: (u32, u32)) -> Step {
    let signed = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let room = |whole: u32, part: u32| signed(whole) - signed(part);
    let (margin_x, margin_y) = (signed(options.margin_horizontal), signed(options.margin_vertical));
    let x = match options.position_horizontal {
        Horizontal::Left => margin_x,
        Horizontal::Center => room(canvas.0, size.0) / 2,
        Horizontal::Right => room(canvas.0, size.0) - margin_x,
    };
    let y = match options.position_vertical {
        Vertical::Top => margin_y,
        Vertical::Center => room(canvas.1, size.1) / 2,
        Vertical::Bottom => room(canvas.1, size.1) - margin_y,
    };
    let every = options.tile.then(|| (size.0 + options.margin_horizontal, size.1 + options.margin_vertical));
    // Percent to 255ths, rounded.
    let opacity = u8::try_from((u32::from(options.opacity) * 255 + 50) / 100).unwrap_or(u8::MAX);
    let below = options.layer == Layer::Below;
    Step::Overlay { layer: u32::try_from(layer).unwrap_or(u32::MAX), x, y, opacity, every, below }
}

/// The size of a mark whose own size is `own` on an image of `canvas` pixels: `scale` percent of its width, or its own size, in
/// both cases no larger than the room inside the margins (where there is any). Keeps its aspect ratio.
pub(super) fn fitted(options: &WatermarkOptions, own: (f64, f64), canvas: (u32, u32)) -> (u32, u32) {
    let inside = |whole: u32, margin: u32, centred: bool| {
        let room = whole.saturating_sub(margin * if centred { 2 } else { 1 });
        f64::from(if room == 0 { whole } else { room })
    };
    // The margin is kept on the side where the mark lies; in the middle on both.
    let width = inside(canvas.0, options.margin_horizontal, options.position_horizontal == Horizontal::Center && !options.tile);
    let height = inside(canvas.1, options.margin_vertical, options.position_vertical == Vertical::Center && !options.tile);
    let wanted = options.scale.map_or(1.0, |percent| f64::from(canvas.0) * f64::from(percent) / 100.0 / own.0);
    let factor = wanted.min(width / own.0).min(height / own.1);
    let side = |length: f64| (length * factor).round().max(1.0) as u32;
    (side(own.0), side(own.1))
}
