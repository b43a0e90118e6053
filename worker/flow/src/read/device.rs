//! Takes what an interpreter of PDF draws, instead of drawing it.

use std::collections::HashMap;

use hayro::hayro_interpret::font::{Glyph, GlyphRun, PositionedGlyph};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::pattern::Pattern;
use hayro::hayro_interpret::{BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, Paint, SoftMask};
use hayro::kurbo::{BezPath, Point, Rect, Shape};

use super::canvas::sample;
use super::effects::Made;
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
    /// What became pictures.
    pub(super) made: Made,
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
        Self {
            faces,
            page: Page::default(),
            clips: vec![bounds],
            room,
            most,
            unknown: 0,
            set: HashMap::new(),
            made: Made::default(),
        }
    }

    /// What can be seen of the page.
    pub(super) fn clip(&self) -> Rect {
        self.clips.last().copied().unwrap_or(Rect::ZERO)
    }

    fn place(&mut self, glyph: &PositionedGlyph<'a>, props: &DrawProps<'a>, scale: f64) -> Option<Placed> {
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
        let size = up.hypot() * scale;
        let sound =
            [start.x, start.y, end.x, end.y, size].iter().all(|number| number.is_finite()) && size > 0.3 && size < 2_000.0;
        let angle = along.y.atan2(along.x).to_degrees().round() as i32;
        sound.then(|| Placed { text, start, end, size, angle: angle.rem_euclid(360) as u16, face })
    }

    /// Whether the glyphs of a run mean characters. Those that are drawings, of no known meaning, do where their codes spell words.
    fn is_text(&self, run: &GlyphRun<'_, 'a>) -> bool {
        let (mut codes, mut known, mut unknown) = (String::new(), 0, 0);
        for glyph in run.glyphs() {
            match &**glyph {
                Glyph::Type3(drawn) if drawn.as_unicode().is_none() => {
                    unknown += 1;
                    codes.push(u8::try_from(drawn.char_code()).map_or('\0', char::from));
                }
                _ => known += 1,
            }
        }
        unknown <= known || spells(&codes)
    }

    /// Adds glyphs as a picture.
    fn draw_glyphs(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, draw_mode: &DrawMode) {
        let mut bounds: Option<Rect> = None;
        for glyph in run.glyphs() {
            let transform = props.transform * glyph.transform();
            let advance = match &**glyph {
                Glyph::Outline(_) => 1_000.0,
                Glyph::Type3(drawn) => drawn.advance_width().map_or(1_000.0, f64::from),
            };
            let (start, end) = (transform * Point::ZERO, transform * Point::new(advance, 0.0));
            let size = (transform * Point::new(0.0, 1_000.0) - start).hypot().max(2.0 * (end - start).hypot());
            let own = Rect::from_points(start, end).inflate(size, size);
            bounds = Some(bounds.map_or(own, |bounds| bounds.union(own)));
        }
        if self.page.pictures.len() >= MAX_PICTURES {
            return;
        }
        if let Some(mut canvas) = bounds.and_then(|bounds| self.canvas(bounds)) {
            canvas.draw_glyph_run(run, props, draw_mode);
            self.keep(canvas);
        }
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

/// Whether codes are those of ASCII, and most of them of letters, digits and spaces.
fn spells(codes: &str) -> bool {
    let plain = codes.chars().filter(|code| code.is_ascii_alphanumeric() || *code == ' ').count();
    !codes.is_empty() && codes.chars().all(|code| matches!(code, ' '..='~')) && plain * 3 >= codes.len() * 2
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
        if self.paint(path, &props, draw_mode) {
            return;
        }
        let Paint::Color(_) = &props.paint else { return };
        let Some(color) = color(&props.paint) else { return };
        if self.page.rules.len() + self.page.fills.len() < MAX_RULES {
            let clip = self.clip();
            paths::take(&mut self.page, props.transform, path, (color, clip), draw_mode);
        }
    }

    fn push_clip_path(&mut self, clip_path: &ClipPath) {
        self.begin_clip(clip_path);
        self.clips.push(self.clip().intersect(clip_path.path.bounding_box()));
    }

    fn push_transparency_group(&mut self, opacity: f32, mask: Option<SoftMask<'a>>, _: BlendMode) {
        self.begin_group(opacity, mask);
    }

    fn draw_glyph_run(&mut self, glyph_run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, draw_mode: &DrawMode) {
        let is_shown = !matches!(draw_mode, DrawMode::Invisible);
        if is_shown && !self.is_text(glyph_run) {
            return self.draw_glyphs(glyph_run, props, draw_mode);
        }
        let gradient = match &props.paint {
            Paint::Pattern(pattern) => {
                if let Pattern::Shading(shading) = &**pattern {
                    Some(shading.encode())
                } else {
                    None
                }
            }
            Paint::Color(_) => None,
        };
        let color = color(&props.paint);
        let is_shown = is_shown && color.is_some();
        let clip = self.clip().inflate(1.0, 1.0);
        let scale = drawn_scale(glyph_run);
        for glyph in glyph_run.glyphs() {
            if self.page.chars.len() + self.page.hidden.len() >= self.most {
                return;
            }
            if let Some(placed) = self.place(glyph, &props, scale) {
                let middle = placed.start.midpoint(placed.end);
                let color = match &gradient {
                    Some(gradient) => sample(gradient, middle).map(|part| (part * 255.0 + 0.5) as u8).first_chunk().copied(),
                    None => color,
                };
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
        let Some(image) = self.paint_image(image, &props) else { return };
        if let Some(picture) = pictures::take(&image, props.transform, self.clip(), self.room) {
            self.room = self.room.saturating_sub(picture.data.len());
            self.page.pictures.push(picture);
        }
    }

    fn pop_clip(&mut self) {
        self.end_clip();
        if self.clips.len() > 1 {
            self.clips.pop();
        }
    }

    fn pop_transparency_group(&mut self) {
        self.end_group();
    }
}

/// How much larger the letters of a run are than its font says: glyphs that are drawings have units of their own, and an advance of about half
/// of the size where they are letters.
fn drawn_scale(run: &GlyphRun<'_, '_>) -> f64 {
    let advances = run.glyphs().iter().filter_map(|glyph| match &**glyph {
        Glyph::Type3(drawn) => drawn.advance_width().map(|advance| f64::from(advance).abs()).filter(|advance| *advance > 0.0),
        Glyph::Outline(_) => None,
    });
    let (sum, count) = advances.fold((0.0, 0.0), |(sum, count), advance| (sum + advance, count + 1.0));
    let mean: f64 = sum / 500.0 / f64::max(count, 1.0);
    if count == 0.0 || (0.3..3.0).contains(&mean) { 1.0 } else { mean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_spell_words_are_text() {
        assert!(spells("Hello, 12"), "words");
        assert!(spells("x"), "a letter");
        assert!(!spells("!#$%&\"A"), "what happens to be printable");
        assert!(!spells(""), "nothing");
    }
}
