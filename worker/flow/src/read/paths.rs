//! Which of what is drawn are the lines and areas of tables and underlines.

use hayro::hayro_interpret::DrawMode;
use hayro::kurbo::{Affine, BezPath, PathEl, Point, Rect, Shape as _};

use crate::model::{Color, Fill, Page, Rule, Shape};

/// A filled rectangle that is not thicker is a line, points.
const THIN: f64 = 3.0;

/// Shapes of one page, at most, and elements of one of them.
const MAX_SHAPES: usize = 5_000;
const MAX_ELEMENTS: usize = 50_000;

/// Adds the lines and areas of a path.
pub(super) fn take(page: &mut Page, transform: Affine, path: &BezPath, (color, clip): (Color, Rect), mode: &DrawMode) {
    let path = transform * path.clone();
    let scale = transform.determinant().abs().sqrt();
    match mode {
        DrawMode::Fill(_) => fill(page, &path, color, clip),
        DrawMode::Stroke(stroke) => self::stroke(page, &path, f64::from(stroke.line_width) * scale, color, clip),
        DrawMode::FillAndStroke(_, stroke) => {
            fill(page, &path, color, clip);
            self::stroke(page, &path, f64::from(stroke.line_width) * scale, color, clip);
        }
        DrawMode::Invisible => {}
    }
}

fn fill(page: &mut Page, path: &BezPath, color: Color, clip: Rect) {
    let parts = parts(path);
    if parts.iter().any(|part| rectangle(part).is_none()) {
        shape(page, path, color, clip, None);
        return;
    }
    for part in parts {
        let Some(bounds) = rectangle(&part) else { continue };
        let bounds = bounds.intersect(clip);
        let (width, height) = (bounds.width(), bounds.height());
        if width <= 0.0 && height <= 0.0 {
            continue;
        }
        if height <= THIN && width > height * 3.0 {
            page.rules.push(Rule { bounds, is_vertical: false, color });
        } else if width <= THIN && height > width * 3.0 {
            page.rules.push(Rule { bounds, is_vertical: true, color });
        } else if width > THIN && height > THIN {
            page.fills.push(Fill { bounds, color });
        }
    }
}

fn stroke(page: &mut Page, path: &BezPath, width: f64, color: Color, clip: Rect) {
    let half = (width / 2.0).clamp(0.1, 10.0);
    let parts = parts(path);
    if parts.iter().any(|part| !is_straight(part)) {
        shape(page, path, color, clip, Some(width.max(0.2)));
        return;
    }
    for part in parts {
        let mut from: Option<Point> = None;
        for (a, b) in segments(&part, &mut from) {
            let (dx, dy) = ((a.x - b.x).abs(), (a.y - b.y).abs());
            let is_vertical = dx < 0.5 && dy > 2.0;
            let is_horizontal = dy < 0.5 && dx > 2.0;
            if !is_vertical && !is_horizontal {
                continue;
            }
            let line = Rect::from_points(a, b);
            let bounds = if is_vertical { line.inflate(half, 0.0) } else { line.inflate(0.0, half) }.intersect(clip);
            if bounds.width() > 0.0 || bounds.height() > 0.0 {
                page.rules.push(Rule { bounds, is_vertical, color });
            }
        }
    }
}

/// Adds what is neither a line nor a rectangle.
fn shape(page: &mut Page, path: &BezPath, color: Color, clip: Rect, line: Option<f64>) {
    let bounds = path.bounding_box().intersect(clip);
    let sound = bounds.width() >= 0.0
        && bounds.height() >= 0.0
        && [bounds.x0, bounds.y0, bounds.x1, bounds.y1].iter().all(|side| side.is_finite());
    if sound && page.shapes.len() < MAX_SHAPES && path.elements().len() < MAX_ELEMENTS {
        page.shapes.push(Shape { path: path.clone(), bounds, color, line });
    }
}

/// Whether every part of it is an upright line.
fn is_straight(part: &[PathEl]) -> bool {
    let curved = part.iter().any(|element| matches!(element, PathEl::QuadTo(..) | PathEl::CurveTo(..)));
    let upright = |(a, b): &(Point, Point)| (a.x - b.x).abs() < 0.5 || (a.y - b.y).abs() < 0.5;
    !curved && segments(part, &mut None).iter().all(upright)
}

/// The closed or open parts of a path, each from a place that it moves to.
fn parts(path: &BezPath) -> Vec<Vec<PathEl>> {
    let mut parts: Vec<Vec<PathEl>> = Vec::new();
    for element in path.elements() {
        match element {
            PathEl::MoveTo(_) => parts.push(vec![*element]),
            _ => {
                if let Some(last) = parts.last_mut() {
                    last.push(*element);
                }
            }
        }
    }
    parts
}

/// The straight parts, closing ones included.
fn segments(part: &[PathEl], from: &mut Option<Point>) -> Vec<(Point, Point)> {
    let (mut start, mut found) = (None, Vec::new());
    for element in part {
        match element {
            PathEl::MoveTo(point) => (*from, start) = (Some(*point), Some(*point)),
            PathEl::LineTo(point) => {
                found.extend(from.map(|from| (from, *point)));
                *from = Some(*point);
            }
            PathEl::QuadTo(_, point) | PathEl::CurveTo(_, _, point) => *from = Some(*point),
            PathEl::ClosePath => {
                found.extend((*from).zip(start));
                *from = start;
            }
        }
    }
    found
}

/// Whether a path is an upright rectangle.
pub(super) fn is_rectangle(path: &BezPath) -> bool {
    let parts = parts(path);
    matches!(parts.as_slice(), [part] if rectangle(part).is_some())
}

/// The rectangle that a part is, if it is an upright one.
fn rectangle(part: &[PathEl]) -> Option<Rect> {
    let mut corners = Vec::new();
    for element in part {
        match element {
            PathEl::MoveTo(point) | PathEl::LineTo(point) => corners.push(*point),
            PathEl::ClosePath => {}
            PathEl::QuadTo(..) | PathEl::CurveTo(..) => return None,
        }
    }
    let bounds = BezPath::from_vec(part.to_vec()).bounding_box();
    let near = |a: f64, b: f64| (a - b).abs() < 0.1;
    let is_corner = |point: &Point| {
        (near(point.x, bounds.x0) || near(point.x, bounds.x1)) && (near(point.y, bounds.y0) || near(point.y, bounds.y1))
    };
    (corners.len() >= 2 && corners.len() <= 6 && corners.iter().all(is_corner)).then_some(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_areas_and_strokes_are_lines_and_the_rest_is_area() {
        let mut page = Page::default();
        let paper = Rect::new(0.0, 0.0, 600.0, 800.0);
        let fill = |page: &mut Page, bounds: Rect| self::fill(page, &bounds.to_path(0.1), [0; 3], paper);
        fill(&mut page, Rect::new(10.0, 10.0, 200.0, 10.5));
        fill(&mut page, Rect::new(10.0, 10.0, 10.5, 200.0));
        fill(&mut page, Rect::new(10.0, 10.0, 200.0, 200.0));
        stroke(&mut page, &Rect::new(10.0, 10.0, 200.0, 200.0).to_path(0.1), 1.0, [0; 3], paper);
        let vertical = page.rules.iter().filter(|rule| rule.is_vertical).count();
        assert_eq!((page.rules.len(), vertical, page.fills.len()), (6, 3, 1), "{page:?}");
    }
}
