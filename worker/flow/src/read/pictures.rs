//! Pictures: a JPEG as it is where it can stay that, everything else as PNG, with its mask.

use hayro::hayro_interpret::{Image, ImageData, LumaData};
use hayro::hayro_syntax::object::stream::Stream;
use hayro::hayro_syntax::object::{Array, Name};
use hayro::kurbo::{Affine, Point, Rect};

use super::device::color;
use crate::model::Picture;

/// Pixels of a picture, at most; a larger one is taken at a lower resolution.
const MAX_PIXELS: f64 = 12e6;

/// Pixels an inch that are kept of a picture, at most.
const DENSITY: f64 = 220.0;

/// Pixels, red first, alpha last.
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<u8>,
}

/// What of a picture is seen, not larger than `room` bytes.
pub(super) fn take(image: &Image<'_, '_>, transform: Affine, clip: Rect, room: usize) -> Option<Picture> {
    let size = (f64::from(image.width()), f64::from(image.height()));
    let whole = transform.transform_rect_bbox(Rect::new(0.0, 0.0, size.0, size.1));
    let bounds = whole.intersect(clip);
    let sides = [bounds.x0, bounds.y0, bounds.x1, bounds.y1];
    if bounds.width() < 1.0 || bounds.height() < 1.0 || sides.iter().any(|side| !side.is_finite()) {
        return None;
    }
    let [a, b, c, d, ..] = transform.as_coeffs();
    let is_upright = b.abs() + c.abs() < 1e-3 * (a.abs() + d.abs()) && a > 0.0 && d > 0.0;
    let is_whole = (whole.area() - bounds.area()).abs() < 0.01 * whole.area();
    if let Image::Raster(raster) = image
        && is_upright
        && is_whole
        && let Some(data) = jpeg(raster.stream())
        && data.len() <= room
    {
        return Some(Picture { bounds, data, kind: "jpeg" });
    }
    // What a page has room for at the density, but no more than there is.
    let wanted = |points: f64, pixels: f64| (points / 72.0 * DENSITY).min(pixels.max(1.0)).max(1.0);
    let (wide, high) = (wanted(whole.width(), size.0.max(size.1)), wanted(whole.height(), size.0.max(size.1)));
    let shrink = (MAX_PIXELS / (wide * high)).sqrt().min(1.0);
    let per_point = (wide * shrink / whole.width(), high * shrink / whole.height());
    let pixels = pixels(image, (size.0 as u32, size.1 as u32))?;
    // The transform is for the size that the file claims; what was decoded may be smaller.
    let to_pixels = Affine::scale_non_uniform(pixels.width as f64 / size.0, pixels.height as f64 / size.1) * transform.inverse();
    let drawn = draw(&pixels, to_pixels, bounds, per_point);
    let data = png(&drawn)?;
    (data.len() <= room).then_some(Picture { bounds, data, kind: "png" })
}

/// The bytes of a picture that is a plain JPEG of one or three colours.
fn jpeg(stream: &Stream<'_>) -> Option<Vec<u8>> {
    let dict = stream.dict();
    let only = dict.get::<Array<'_>>("Filter").map(|filters| filters.iter::<Name<'_>>().collect::<Vec<_>>());
    let filters = only.or_else(|| Some(vec![dict.get::<Name<'_>>("Filter")?])).unwrap_or_default();
    let is_dct = matches!(filters.as_slice(), [filter] if filter.as_str() == "DCTDecode");
    let plain = is_dct
        && !["SMask", "Mask", "Decode"].iter().any(|key| dict.contains_key(key))
        && dict.get::<Array<'_>>("Decode").is_none();
    let data = plain.then(|| stream.raw_data().into_owned())?;
    // The frame header says how many colours there are: CMYK is shown inverted, or not at all, by readers of documents.
    let mut at = 2;
    while data.get(at).copied() == Some(0xff) {
        let marker = *data.get(at + 1)?;
        let length = usize::from(u16::from_be_bytes([*data.get(at + 2)?, *data.get(at + 3)?]));
        if matches!(marker, 0xc0..=0xc2) {
            return matches!(data.get(at + 9), Some(1 | 3)).then_some(data);
        }
        at += 2 + length.max(2);
    }
    None
}

/// The pixels of a picture, about as many as are asked for.
pub(super) fn pixels(image: &Image<'_, '_>, target: (u32, u32)) -> Option<Pixels> {
    let target = (target.0.min(4_000), target.1.min(4_000));
    let mut made = None;
    match image {
        Image::Stencil(stencil) => stencil.with_stencil(
            |mask, paint| {
                let [red, green, blue] = color(paint).unwrap_or_default();
                let data = mask.data.iter().flat_map(|alpha| [red, green, blue, *alpha]).collect();
                made = Some(Pixels { width: mask.width as usize, height: mask.height as usize, data });
            },
            Some(target),
        ),
        Image::Raster(raster) => raster.with_rgba(|image, alpha| made = Some(join(&image, alpha.as_ref())), Some(target)),
    }
    made.filter(|made| made.width > 0 && made.height > 0 && made.data.len() == made.width * made.height * 4)
}

/// Colours and mask, which may have another size.
fn join(image: &ImageData, alpha: Option<&LumaData>) -> Pixels {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let opacity = |x: usize, y: usize| match alpha {
        Some(mask) if mask.width > 0 && mask.height > 0 => {
            let (x, y) = (x * mask.width as usize / width, y * mask.height as usize / height);
            mask.data.get(y * mask.width as usize + x).copied().unwrap_or(255)
        }
        _ => 255,
    };
    let mut data = Vec::with_capacity(width * height * 4);
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let rgb = match image {
                ImageData::Rgb(rgb) => rgb.data.get(at * 3..at * 3 + 3).and_then(|rgb| <[u8; 3]>::try_from(rgb).ok()),
                ImageData::Luma(luma) => luma.data.get(at).map(|grey| [*grey; 3]),
            };
            data.extend(rgb.unwrap_or_default());
            data.push(opacity(x, y));
        }
    }
    Pixels { width, height, data }
}

/// The part of a picture that lies within `bounds`, upright: means of the source's pixels where there are more than are wanted.
fn draw(source: &Pixels, to_pixels: Affine, bounds: Rect, per_point: (f64, f64)) -> Pixels {
    let side = |points: f64, per_point: f64| (points * per_point).round().clamp(1.0, 10_000.0) as usize;
    let (width, height) = (side(bounds.width(), per_point.0), side(bounds.height(), per_point.1));
    let (step_x, step_y) = (bounds.width() / width as f64, bounds.height() / height as f64);
    let [a, b, c, d, ..] = to_pixels.as_coeffs();
    let samples = ((a * step_x).hypot(b * step_x).max((c * step_y).hypot(d * step_y)).ceil() as usize).clamp(1, 4);
    let mut data = Vec::with_capacity(width * height * 4);
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0_u32; 4];
            for sample in 0..samples * samples {
                let inside = |index: usize| (index as f64 + 0.5) / samples as f64;
                let place = Point::new(
                    bounds.x0 + (x as f64 + inside(sample % samples)) * step_x,
                    bounds.y0 + (y as f64 + inside(sample / samples)) * step_y,
                );
                let place = to_pixels * place;
                if place.x < -0.01
                    || place.y < -0.01
                    || place.x > source.width as f64 + 0.01
                    || place.y > source.height as f64 + 0.01
                {
                    continue;
                }
                let (px, py) =
                    ((place.x.max(0.0) as usize).min(source.width - 1), (place.y.max(0.0) as usize).min(source.height - 1));
                let at = (py * source.width + px) * 4;
                if let Some([red, green, blue, alpha]) =
                    source.data.get(at..at + 4).and_then(|pixel| <[u8; 4]>::try_from(pixel).ok())
                {
                    let alpha = u32::from(alpha);
                    for (sum, part) in sum.iter_mut().zip([red, green, blue]) {
                        *sum += u32::from(part) * alpha;
                    }
                    if let Some(last) = sum.last_mut() {
                        *last += alpha;
                    }
                }
            }
            let [red, green, blue, alpha] = sum;
            let part = |sum: u32| sum.checked_div(alpha).unwrap_or(0).min(255) as u8;
            data.extend([part(red), part(green), part(blue), (alpha / (samples * samples) as u32).min(255) as u8]);
        }
    }
    Pixels { width, height, data }
}

/// Pixels, red first and alpha last, as PNG.
pub(super) fn encoded(width: usize, height: usize, data: Vec<u8>) -> Option<Vec<u8>> {
    png(&Pixels { width, height, data })
}

fn png(pixels: &Pixels) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let mut encoder = png::Encoder::new(&mut data, u32::try_from(pixels.width).ok()?, u32::try_from(pixels.height).ok()?);
    let (quads, _) = pixels.data.as_chunks::<4>();
    let is_opaque = quads.iter().all(|[.., alpha]| *alpha == 255);
    encoder.set_color(if is_opaque { png::ColorType::Rgb } else { png::ColorType::Rgba });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().ok()?;
    if is_opaque {
        let rgb: Vec<u8> = quads.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect();
        writer.write_image_data(&rgb).ok()?;
    } else {
        writer.write_image_data(&pixels.data).ok()?;
    }
    writer.finish().ok()?;
    Some(data)
}
