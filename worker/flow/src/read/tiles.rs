//! Patterns of tiles: one tile is painted, and looked up for every pixel.

use hayro::hayro_interpret::pattern::TilingPattern;
use hayro::kurbo::{Affine, Point, Rect};

use super::canvas::{Canvas, Color};

/// How many tiles may lie over one another, to each side.
const MAX_COPIES: i32 = 4;

/// See the module.
pub(super) struct Tile {
    pixels: Vec<Color>,
    width: usize,
    height: usize,
    /// From the page to the pattern, whose first tile begins at the origin.
    to_pattern: Affine,
    /// From one tile to the next.
    step: (f64, f64),
    /// What of that the tile takes.
    size: (f64, f64),
    opacity: f32,
}

impl Tile {
    /// Paints the tile, for a canvas that is so deep within others.
    pub(super) fn new(pattern: &TilingPattern<'_>, depth: usize, is_stroke: bool) -> Option<Self> {
        let [a, b, c, d, ..] = pattern.matrix.as_coeffs();
        let (step, whole) = ((f64::from(pattern.x_step.abs()), f64::from(pattern.y_step.abs())), pattern.bbox.size());
        let size = (step.0.min(whole.width), step.1.min(whole.height));
        let mut canvas = Canvas::nested(Rect::new(0.0, 0.0, size.0 * a.hypot(b), size.1 * c.hypot(d)), depth + 1)?;
        // A whole number of pixels, so that tiles meet.
        let (across, down) = canvas.paper();
        let to_paper = Affine::scale_non_uniform(across / size.0, down / size.1);
        let origin = pattern.bbox.origin().to_vec2();
        let first = |step: f64, whole: f64| ((-whole / step).floor() as i32 + 1).clamp(-MAX_COPIES, 0);
        for row in first(step.1, whole.height)..=0 {
            for column in first(step.0, whole.width)..=0 {
                let moved = Affine::translate((f64::from(column) * step.0, f64::from(row) * step.1));
                pattern.interpret(&mut canvas, to_paper * moved * Affine::translate(-origin), is_stroke)?;
            }
        }
        let to_pattern = Affine::translate(-origin) * pattern.matrix.inverse();
        let (width, height) = canvas.pixels();
        Some(Self { pixels: canvas.flattened(), width, height, to_pattern, step, size, opacity: pattern.opacity })
    }

    /// The colour at a place of the page.
    pub(super) fn color(&self, place: Point) -> Color {
        let place = self.to_pattern * place;
        let (x, y) = (place.x.rem_euclid(self.step.0) / self.size.0, place.y.rem_euclid(self.step.1) / self.size.1);
        if !(x < 1.0 && y < 1.0) {
            return [0.0; 4];
        }
        let (x, y) = ((x * self.width as f64) as usize, (y * self.height as f64) as usize);
        let [red, green, blue, alpha] = self.pixels.get(y * self.width + x).copied().unwrap_or_default();
        let plain = |part: f32| if alpha > 0.0 { part / alpha } else { 0.0 };
        [plain(red), plain(green), plain(blue), alpha * self.opacity]
    }
}
