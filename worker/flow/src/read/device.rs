//! Takes what an interpreter of PDF draws, instead of drawing it.

use std::collections::HashMap;

use hayro::hayro_interpret::font::{Glyph, GlyphRun, PositionedGlyph};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, Paint, SoftMask};
use hayro::kurbo::{BezPath, Point, Rect, Shape};

use super::faces::Faces;
use super::{paths, pictures};
use crate::model::{Char, Color, Page, Turned};

/// Pictures of one page, at most.
const MAX_PICTURES: usize = 500;

/// Lines and rectangles of one page, at most.
const MAX_RULES: usize = 6_000;

/// Characters beside one another that are looked through for the same one at the same place.
const NEAR: usize = 200;

/// Takes what is drawn on a page.
pub(super) struct Reader<'f, 'a> {
    faces: &'f mut Faces<'a>,
    pub(super) page: Page,
    clips: Vec<Rect>,
    pub(super) room: usize,
    most: usize,
    pub(super) unknown: usize,
    /// Where characters were set: some files set them twice for boldness.
    set: HashMap<(char, i64), Vec<Point>>,
}

/// A glyph where it stands.
struct Placed {
    text: String,
    start: Point,
    end: Point,
    size: f64,
    angle: u16,
    face: usize,
}

impl<'f, 'a> Reader<'f, 'a> {
    pub(super) fn new(faces: &'f mut Faces<'a>, bounds: Rect, (room, most): (usize, usize)) -> Self {
        Self { faces, page: Page::default(), clips: vec![bounds], room, most, unknown: 0, set: HashMap::new() }
    }

    fn clip(&self) -> Rect {
        self.clips.last().copied().unwrap_or(Rect::ZERO)
    }

    fn place(&mut self, glyph: &PositionedGlyph<'a>, props: &DrawProps<'a>) -> Option<Placed> {
        let transform = props.transform * glyph.transform();
        let start = transform * Point::ZERO;
        let up = transform * Point::new(0.0, 1000.0) - start;
        let along = transform * Point::new(1000.0, 0.0) - start;
        let (face, advance) = match &**glyph {
            Glyph::Outline(outline) => self.faces.of(outline),
            Glyph::Type3(glyph) => (0, glyph.advance_width().map(f64::from)),
        };
        let text = match glyph.as_unicode() {
            Some(BfString::Char(char)) => char.to_string(),
            Some(BfString::String(text)) => text,
            // Most fonts that say nothing about their codes use those of ASCII.
            None => match u8::try_from(glyph.char_code()) {
                Ok(code @ b' '..=b'~') => char::from(code).to_string(),
                _ => {
                    self.unknown += 1;
                    return None;
                }
            },
        };
        let end = start + along * (advance.unwrap_or(500.0) / 1000.0);
        let size = up.hypot();
        let sound =
            [start.x, start.y, end.x, end.y, size].iter().all(|number| number.is_finite()) && size > 0.3 && size < 2_000.0;
        let angle = along.y.atan2(along.x).to_degrees().round() as i32;
        sound.then(|| Placed { text, start, end, size, angle: angle.rem_euclid(360) as u16, face })
    }

    /// Whether the same character stands there already.
    fn is_double(&mut self, what: char, placed: &Placed) -> bool {
        // Rows of four points: what is near stands in this one or in one beside it.
        let row = (placed.start.y / 4.0).floor() as i64;
        let reach = (placed.size * 0.12).min(4.0);
        let near = |places: &Vec<Point>| places.iter().rev().take(NEAR).any(|place| (*place - placed.start).hypot() < reach);
        if [row - 1, row, row + 1].iter().any(|row| self.set.get(&(what, *row)).is_some_and(near)) {
            return true;
        }
        self.set.entry((what, row)).or_default().push(placed.start);
        false
    }

    fn add(&mut self, placed: &Placed, color: Color, is_shown: bool) {
        let text = crate::text::plain(&placed.text);
        let count = text.chars().count().max(1) as f64;
        let step = (placed.end - placed.start) / count;
        for (index, what) in text.chars().enumerate() {
            if what.is_control() || (what != ' ' && self.is_double(what, placed) && count < 2.0) {
                continue;
            }
            let start = placed.start + step * index as f64;
            let end = start + step;
            let char = Char {
                what,
                x0: start.x,
                x1: end.x,
                y: start.y,
                size: placed.size,
                face: placed.face,
                color,
                link: None,
                shift: 0,
                underlined: false,
                struck: false,
            };
            if !is_shown {
                self.page.hidden.push(char);
            } else if placed.angle == 0 {
                self.page.chars.push(char);
            } else {
                self.turn(char, placed.angle, start, end);
            }
        }
    }

    /// Adds a character to the turned text that it goes on with, or to a new one.
    fn turn(&mut self, char: Char, angle: u16, start: Point, end: Point) {
        let bounds = Rect::from_points(start, end).inflate(char.size * 0.1, char.size * 0.1);
        let reach = bounds.inflate(char.size * 0.5, char.size * 0.5);
        match self.page.turned.last_mut().filter(|last| last.angle == angle && last.bounds.overlaps(reach)) {
            Some(last) => {
                let gap = last.chars.last().map_or(0.0, |last| (start - Point::new(last.x1, last.y)).hypot());
                if gap > char.size * 0.15 && char.what != ' ' {
                    last.chars.push(Char { what: ' ', ..char.clone() });
                }
                last.bounds = last.bounds.union(bounds);
                last.chars.push(Char { y: end.y, ..char });
            }
            None => self.page.turned.push(Turned { chars: vec![Char { y: end.y, ..char }], angle, bounds }),
        }
    }
}

/// The colour of a paint that is one, and whether it can be seen.
pub(super) fn color(paint: &Paint<'_>) -> Option<Color> {
    match paint {
        Paint::Color(color) => {
            let [red, green, blue, alpha] = color.to_rgba().to_rgba8();
            // On white paper, as the rest.
            let on_paper = |part: u8| (255 - (255 - u16::from(part)) * u16::from(alpha) / 255) as u8;
            (alpha > 0).then(|| [red, green, blue].map(on_paper))
        }
        Paint::Pattern(_) => Some([0x80; 3]),
    }
}

impl<'a> Device<'a> for Reader<'_, 'a> {
    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, draw_mode: &DrawMode) {
        let Paint::Color(_) = &props.paint else { return };
        let Some(color) = color(&props.paint) else { return };
        if self.page.rules.len() + self.page.fills.len() < MAX_RULES {
            let clip = self.clip();
            paths::take(&mut self.page, props.transform, path, (color, clip), draw_mode);
        }
    }

    fn push_clip_path(&mut self, clip_path: &ClipPath) {
        self.clips.push(self.clip().intersect(clip_path.path.bounding_box()));
    }

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}

    fn draw_glyph_run(&mut self, glyph_run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, draw_mode: &DrawMode) {
        let color = color(&props.paint);
        let is_shown = !matches!(draw_mode, DrawMode::Invisible) && color.is_some();
        let clip = self.clip().inflate(1.0, 1.0);
        for glyph in glyph_run.glyphs() {
            if self.page.chars.len() + self.page.hidden.len() >= self.most {
                return;
            }
            if let Some(placed) = self.place(glyph, &props) {
                let middle = placed.start.midpoint(placed.end);
                if clip.contains(middle) {
                    self.add(&placed, color.unwrap_or_default(), is_shown);
                }
            }
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        if self.page.pictures.len() >= MAX_PICTURES {
            return;
        }
        if let Some(picture) = pictures::take(&image, props.transform, self.clip(), self.room) {
            self.room = self.room.saturating_sub(picture.data.len());
            self.page.pictures.push(picture);
        }
    }

    fn pop_clip(&mut self) {
        if self.clips.len() > 1 {
            self.clips.pop();
        }
    }

    fn pop_transparency_group(&mut self) {}
}
