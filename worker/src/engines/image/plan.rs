//! Which kernels a conversion needs: a pure function from sizes and options to a recording.

use super::color::Colors;
use super::options::ConvertOptions;
use crate::failure::Failure;
use crate::formats::Flags;
use crate::pixels::transfer;
use crate::pixels::{Channels, Depth, Filter, Fit, Orientation, Recording, Shape, Step};

/// Longest side of a result, pixels.
pub const MAX_SIDE: u32 = 16_384;

/// Most pixels of a result, over all frames.
pub const MAX_PIXELS: u64 = 268_435_456;

/// What is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The decoded image: stored orientation, perhaps already reduced by its decoder.
    pub decoded: Shape,
    /// Width and height that the file states, in its stored orientation.
    pub stored: (u32, u32),
    /// What has to be done to show it upright.
    pub orientation: Orientation,
    /// How many frames are converted.
    pub frames: u32,
    /// Left and top edge, in decoded pixels, of what stays when something is cut off; absent: as the gravity says.
    pub focus: Option<(u32, u32)>,
}

/// Sizes of a result, upright: `visible` pixels of the source are resampled to `scaled` and placed on `canvas`, both times
/// where the gravity says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Geometry {
    visible: (u32, u32),
    scaled: (u32, u32),
    canvas: (u32, u32),
}

/// `side * numerator / denominator`, rounded, at least 1.
pub(super) fn scale(side: u32, numerator: u32, denominator: u32) -> u32 {
    let (numerator, denominator) = (u64::from(numerator), u64::from(denominator.max(1)));
    let scaled = (u64::from(side) * numerator + denominator / 2) / denominator;
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

fn swap_if((width, height): (u32, u32), swap: bool) -> (u32, u32) {
    if swap { (height, width) } else { (width, height) }
}

impl Geometry {
    /// From the upright size of the source.
    fn of(source: (u32, u32), options: &ConvertOptions) -> Self {
        let (width, height) = source;
        let inside = |to: (u32, u32)| {
            // The side that is reached first decides; the other one follows.
            if u64::from(to.0) * u64::from(height) <= u64::from(to.1) * u64::from(width) {
                (to.0, scale(height, to.0, width))
            } else {
                (scale(width, to.1, height), to.1)
            }
        };
        let whole = |scaled| Self { visible: source, scaled, canvas: scaled };
        let enlarge = options.may_enlarge();
        // A side that was asked for, but not beyond the source's own where nothing is to be enlarged.
        let side = |asked: u32, own: u32| if enlarge { asked } else { asked.min(own) };
        match (options.width, options.height, options.fit) {
            (None, None, _) => whole(source),
            (Some(w), None, _) => {
                let w = side(w, width);
                whole((w, scale(height, w, width)))
            }
            (None, Some(h), _) => {
                let h = side(h, height);
                whole((scale(width, h, height), h))
            }
            (Some(w), Some(h), Fit::Scale) => whole((side(w, width), side(h, height))),
            (Some(w), Some(h), Fit::Max) if !enlarge && w >= width && h >= height => whole(source),
            (Some(w), Some(h), Fit::Max) => whole(inside((w, h))),
            (Some(w), Some(h), Fit::Crop) if !enlarge && (w > width || h > height) => {
                let cut = (w.min(width), h.min(height));
                Self { visible: cut, scaled: cut, canvas: cut }
            }
            (Some(w), Some(h), Fit::Crop) => {
                let visible = if u64::from(width) * u64::from(h) > u64::from(height) * u64::from(w) {
                    (scale(height, w, h).min(width), height)
                } else {
                    (width, scale(width, h, w).min(height))
                };
                Self { visible, scaled: (w, h), canvas: (w, h) }
            }
            (Some(w), Some(h), Fit::Pad) => {
                let fitted = if !enlarge && w >= width && h >= height { source } else { inside((w, h)) };
                Self { visible: source, scaled: fitted, canvas: (w, h) }
            }
        }
    }

    /// Refuses results beyond the limits; the field at fault is the one that was given.
    fn check(&self, options: &ConvertOptions, frames: u32) -> Result<(), Failure> {
        let (width, height) = self.canvas;
        let field = if options.width.is_some() { "width" } else { "height" };
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(Failure::invalid_field(
                field,
                format!(
                    "{field} makes the result {width} x {height} pixels; the limit is {MAX_SIDE} pixels a side. Set `{field}` to less"
                ),
            ));
        }
        let pixels = u64::from(width) * u64::from(height) * u64::from(frames.max(1));
        if pixels > MAX_PIXELS {
            let (found, limit) = (pixels / 1_000_000, MAX_PIXELS / 1_000_000);
            return Err(Failure::invalid_field(
                field,
                format!(
                    "{field} makes the result {width} x {height} pixels in {frames} frames ({found} MP); the limit is {limit} MP. \
                     Set `{field}` to less"
                ),
            ));
        }
        Ok(())
    }
}

/// The size to which the whole stored image will be reduced, for decoders that can shrink cheaply. Not at all where a border is
/// trimmed first (how large the rest is shows only then), or where light is to be averaged and not its encoding.
pub fn reduced_size(stored: (u32, u32), orientation: Orientation, options: &ConvertOptions) -> (u32, u32) {
    if options.trim || options.linear {
        return stored;
    }
    let swap = orientation.then(options.turn()).swaps_sides();
    let upright = swap_if(stored, swap);
    let geometry = Geometry::of(upright, options);
    let whole = |side: u32, scaled: u32, visible: u32| scale(side, scaled, visible);
    let reduced =
        (whole(upright.0, geometry.scaled.0, geometry.visible.0), whole(upright.1, geometry.scaled.1, geometry.visible.1));
    swap_if(reduced, swap)
}

/// The part of the decoded image that shows in the result: width and height in decoded pixels.
fn part(source: &Source, geometry: &Geometry, swap: bool) -> (u32, u32) {
    let Shape { width, height, .. } = source.decoded;
    let visible = swap_if(geometry.visible, swap);
    (scale(width, visible.0, source.stored.0).min(width), scale(height, visible.1, source.stored.1).min(height))
}

/// The part of the decoded image that stays when something is cut off; `None` where nothing is.
pub fn cut(source: &Source, options: &ConvertOptions) -> Option<(u32, u32)> {
    let swap = source.orientation.then(options.turn()).swaps_sides();
    let part = part(source, &Geometry::of(swap_if(source.stored, swap), options), swap);
    (part != (source.decoded.width, source.decoded.height)).then_some(part)
}

/// The recording that makes of `source`, whose colours become sRGB by `colors`, what `options` ask for, in a layout that `target` can
/// hold.
///
/// Sizes are reckoned as the result stands, upright and then turned as the customer wants; cropping and resampling run before
/// the turn, on the same pixels, because fewer are turned then.
///
/// # Errors
/// [`Failure::Invalid`] naming `width` or `height` when the result would exceed [`MAX_SIDE`] or [`MAX_PIXELS`].
pub(super) fn plan(source: &Source, options: &ConvertOptions, target: Flags, colors: &Colors) -> Result<Recording, Failure> {
    let orientation = source.orientation.then(options.turn());
    let swap = orientation.swaps_sides();
    let geometry = Geometry::of(swap_if(source.stored, swap), options);
    geometry.check(options, source.frames)?;
    let mut recording = Recording::new();

    // The part that shows, in decoded pixels.
    let Shape { width, height, channels, depth } = source.decoded;
    let part = part(source, &geometry, swap);
    if part != (width, height) {
        let halves = options.gravity.stored_halves(orientation);
        let (x, y) = source.focus.unwrap_or(((width - part.0) * halves.0 / 2, (height - part.1) * halves.1 / 2));
        recording.push(Step::Crop { x, y, width: part.0, height: part.1 });
    }
    let scaled = swap_if(geometry.scaled, swap);
    if part != scaled {
        let resize = Step::Resize { width: scaled.0, height: scaled.1, filter: Filter::Lanczos3 };
        if options.linear {
            // The curve to linear light is that of sRGB.
            colors.record(&mut recording, source.decoded)?;
            let (there, back) = (recording.layer(transfer::to_linear()?), recording.layer(transfer::to_srgb()?));
            // Dark colours lie closer together in linear light than 8 bits can tell.
            recording.push(Step::Curve { curve: there, depth: Depth::U16 });
            recording.push(resize);
            recording.push(Step::Curve { curve: back, depth });
        } else {
            recording.push(resize);
            colors.record(&mut recording, source.decoded)?;
        }
    } else {
        colors.record(&mut recording, source.decoded)?;
    }
    // On the pixels of the result, and before their turn: a Gaussian is the same from every side.
    if let Some(sigma) = options.blur {
        recording.push(Step::Blur { sigma });
    }
    if let Some(sigma) = options.sharpen {
        recording.push(Step::Sharpen { sigma, amount: options.sharpen_amount, threshold: options.sharpen_threshold });
    }
    if orientation != Orientation::Upright {
        recording.push(Step::Orient { orientation });
    }

    let padded = geometry.canvas != geometry.scaled;
    let [r, g, b, a] = options.background.0;
    let mut now = if options.grayscale { uncolored(channels) } else { channels };
    if now != channels {
        recording.push(Step::Convert { channels: now, depth });
    }
    let before = now;
    let flattened = channels.has_alpha() && !target.alpha;
    if (flattened || padded) && (r != g || g != b) {
        now = colored(now);
    }
    if padded && a != 255 && target.alpha {
        now = if colored(now) == now { Channels::Rgba } else { Channels::GreyAlpha };
    }
    if now != before {
        recording.push(Step::Convert { channels: now, depth });
    }
    if flattened {
        recording.push(Step::Flatten { color: [r, g, b] });
        now = now.without_alpha();
    }
    if padded {
        let (width, height) = geometry.canvas;
        let halves = options.gravity.halves();
        let (x, y) = ((width - geometry.scaled.0) * halves.0 / 2, (height - geometry.scaled.1) * halves.1 / 2);
        recording.push(Step::Pad { x, y, width, height, color: options.background.0 });
    }
    let channels = if target.grey { now } else { colored(now) };
    let wanted = if target.deep { depth } else { Depth::U8 };
    if channels != now || wanted != depth {
        recording.push(Step::Convert { channels, depth: wanted });
    }
    Ok(recording)
}

/// The same without colour.
fn uncolored(channels: Channels) -> Channels {
    match channels {
        Channels::Grey | Channels::Rgb => Channels::Grey,
        Channels::GreyAlpha | Channels::Rgba => Channels::GreyAlpha,
    }
}

/// The same with colour.
fn colored(channels: Channels) -> Channels {
    match channels {
        Channels::Grey | Channels::Rgb => Channels::Rgb,
        Channels::GreyAlpha | Channels::Rgba => Channels::Rgba,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
