//! Drawings: shapes that touch one another become one picture behind the text; small ones before a line of text are its bullets.

use hayro::kurbo::{Affine, Cap, Rect, Stroke};
use hayro::vello_cpu::color::AlphaColor;
use hayro::vello_cpu::{Pixmap, RasterizerSettings, RenderContext, Resources, TargetInit};

use super::pictures;
use crate::model::{Char, Page, Picture, Shape};

/// Pixels an inch at which drawings are drawn.
const DENSITY: f64 = 200.0;

/// Drawings of one page, at most.
const MAX_DRAWINGS: usize = 50;

/// Pixels of a drawing's side, at most.
const MAX_SIDE: f64 = 4_000.0;

/// Makes pictures and bullets of the shapes of a page; `room` is what is left for pictures, bytes.
pub(super) fn apply(page: &mut Page, room: &mut usize) {
    let shapes = std::mem::take(&mut page.shapes);
    let mut groups: Vec<(Rect, Vec<Shape>)> = Vec::new();
    for shape in shapes {
        let reach = shape.bounds.inflate(3.0, 3.0);
        let (touched, mut rest): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(bounds, _)| bounds.overlaps(reach));
        let (mut bounds, mut members) = (shape.bounds, Vec::new());
        for (other, mut more) in touched {
            bounds = bounds.union(other);
            members.append(&mut more);
        }
        members.push(shape);
        rest.push((bounds, members));
        groups = rest;
    }
    for (bounds, shapes) in groups {
        if let Some(bullet) = bullet(page, bounds, &shapes) {
            page.chars.push(bullet);
        } else if page.pictures.len() < MAX_DRAWINGS
            && let Some(data) = draw(bounds, &shapes).filter(|data| data.len() <= *room)
        {
            *room -= data.len();
            page.pictures.push(Picture { bounds: bounds.inflate(1.0, 1.0), data, kind: "png" });
        }
    }
}

/// The bullet that a small shape is, on the line of text that it stands before.
fn bullet(page: &Page, bounds: Rect, shapes: &[Shape]) -> Option<Char> {
    let [shape] = shapes else { return None };
    let (width, height) = (bounds.width(), bounds.height());
    if width > 8.0 || height > 8.0 || width < 1.0 || (width - height).abs() > 0.4 * width {
        return None;
    }
    let stands_before = |char: &&Char| {
        let (gap, middle) = (char.x0 - bounds.x1, bounds.center().y);
        gap > 0.0 && gap < 2.5 * char.size && middle < char.y && middle > char.y - 0.8 * char.size && height < 0.7 * char.size
    };
    let first = page.chars.iter().filter(stands_before).min_by(|a, b| a.x0.total_cmp(&b.x0))?;
    let what = if shape.line.is_some() { '\u{25e6}' } else { '\u{2022}' };
    Some(Char { what, x0: bounds.x0, x1: bounds.x1, link: None, shift: 0, underlined: false, struck: false, ..first.clone() })
}

/// The shapes as a picture with a clear ground, of a point more on each side.
fn draw(bounds: Rect, shapes: &[Shape]) -> Option<Vec<u8>> {
    let bounds = bounds.inflate(1.0, 1.0);
    let scale = (DENSITY / 72.0).min(MAX_SIDE / bounds.width().max(bounds.height()));
    let side = |points: f64| (points * scale).ceil().clamp(1.0, MAX_SIDE) as u16;
    let mut context = RenderContext::new(side(bounds.width()), side(bounds.height()));
    context.set_transform(Affine::scale(scale) * Affine::translate((-bounds.x0, -bounds.y0)));
    for shape in shapes {
        let [red, green, blue] = shape.color;
        context.set_paint(AlphaColor::from_rgba8(red, green, blue, 255));
        match shape.line {
            Some(width) => {
                context.set_stroke(Stroke::new(width).with_caps(Cap::Butt));
                context.stroke_path(&shape.path);
            }
            None => context.fill_path(&shape.path),
        }
    }
    context.flush();
    let mut pixmap = Pixmap::new(context.width(), context.height());
    let how = RasterizerSettings {
        target_init: TargetInit::Clear(AlphaColor::from_rgba8(0, 0, 0, 0)),
        ..RasterizerSettings::default()
    };
    context.render_with(&mut pixmap, &mut Resources::default(), how);
    // Colours come multiplied by their opacity.
    let (pixels, _) = pixmap.data_as_u8_slice().as_chunks::<4>();
    let plain = pixels.iter().flat_map(|[red, green, blue, alpha]| {
        let part = |part: u8| (u32::from(part) * 255).checked_div(u32::from(*alpha)).unwrap_or(0).min(255) as u8;
        [part(*red), part(*green), part(*blue), *alpha]
    });
    pictures::encoded(usize::from(context.width()), usize::from(context.height()), plain.collect())
}
