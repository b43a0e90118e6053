//! A canvas for what has no form of its own in a document: gradients, patterns, what is seen through a mask, glyphs that are drawings. It becomes a
//! picture.

use hayro::hayro_interpret::encode::EncodedShadingPattern;
use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::pattern::Pattern;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Device, DrawMode, DrawProps, FillRule, Image, ImageDrawProps, MaskType, Paint, SoftMask,
};
use hayro::kurbo::{Affine, BezPath, Cap, Point, Rect, Shape, Stroke, Vec2};
use hayro::vello_cpu::color::AlphaColor;
use hayro::vello_cpu::peniko::Fill;
use hayro::vello_cpu::{Pixmap, RasterizerSettings, RenderContext, Resources, TargetInit};

use super::pictures::{self, Pixels};
use super::tiles::Tile;

/// Pixels an inch, where there is room for them.
const DENSITY: f64 = 150.0;

/// Pixels of a canvas, at most.
const MAX_PIXELS: f64 = 4e6;

/// Pixels that may be painted on a canvas, over one another, at most; masks in masks, at most.
const MAX_PAINTED: usize = 200_000_000;
const MAX_DEPTH: usize = 4;

/// Groups within groups, at most; what is in more is painted without its own opacity.
const MAX_LAYERS: usize = 16;

/// Red, green, blue and opacity from 0 to 1; colours multiplied by the opacity.
pub(super) type Color = [f32; 4];

/// How much of each pixel of a part of the canvas something covers.
struct Coverage {
    x: usize,
    y: usize,
    width: usize,
    parts: Vec<u8>,
}

/// A group: what is painted, and how it is laid on what is below it.
struct Layer {
    pixels: Vec<Color>,
    opacity: f32,
    mask: Option<Vec<u8>>,
}

/// See the module.
pub(super) struct Canvas {
    bounds: Rect,
    scale: f64,
    width: usize,
    height: usize,
    layers: Vec<Layer>,
    /// How much of each pixel can be painted on; none where all of it can.
    clips: Vec<Option<Vec<u8>>>,
    left: usize,
    depth: usize,
}

impl Canvas {
    /// An empty one for that part of a page.
    pub(super) fn new(bounds: Rect) -> Option<Self> {
        Self::nested(bounds, 0)
    }

    /// One that is so deep within others.
    pub(super) fn nested(bounds: Rect, depth: usize) -> Option<Self> {
        let sides = [bounds.x0, bounds.y0, bounds.x1, bounds.y1];
        if depth > MAX_DEPTH || sides.iter().any(|side| !side.is_finite()) || bounds.width() < 0.5 || bounds.height() < 0.5 {
            return None;
        }
        let scale = (DENSITY / 72.0).min((MAX_PIXELS / bounds.area()).sqrt());
        let side = |points: f64| (points * scale).ceil().clamp(1.0, 8_000.0) as usize;
        let (width, height) = (side(bounds.width()), side(bounds.height()));
        let base = Layer { pixels: vec![[0.0; 4]; width * height], opacity: 1.0, mask: None };
        Some(Self { bounds, scale, width, height, layers: vec![base], clips: vec![None], left: MAX_PAINTED, depth })
    }

    /// Its width and height in points, of whole pixels.
    pub(super) fn paper(&self) -> (f64, f64) {
        (self.width as f64 / self.scale, self.height as f64 / self.scale)
    }

    /// Its width and height in pixels.
    pub(super) fn pixels(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// From the page to pixels.
    fn to_pixels(&self) -> Affine {
        Affine::scale(self.scale) * Affine::translate((-self.bounds.x0, -self.bounds.y0))
    }

    /// What a path on the page covers: `None` where that is nothing.
    fn cover(&self, path: &BezPath, how: &DrawMode, line: f64) -> Option<Coverage> {
        let path = self.to_pixels() * path;
        let line = (line * self.scale).max(0.5);
        let reach = if matches!(how, DrawMode::Fill(_)) { 1.0 } else { line + 1.0 };
        let paper = Rect::new(0.0, 0.0, self.width as f64, self.height as f64);
        let part = path.bounding_box().inflate(reach, reach).intersect(paper).expand();
        if !(part.width() >= 1.0 && part.height() >= 1.0) {
            return None;
        }
        let mut context = RenderContext::new(part.width() as u16, part.height() as u16);
        context.set_transform(Affine::translate((-part.x0, -part.y0)));
        context.set_paint(AlphaColor::from_rgba8(255, 255, 255, 255));
        if let DrawMode::Fill(rule) | DrawMode::FillAndStroke(rule, _) = how {
            context.set_fill_rule(if *rule == FillRule::EvenOdd { Fill::EvenOdd } else { Fill::NonZero });
            context.fill_path(&path);
        }
        if let DrawMode::Stroke(_) | DrawMode::FillAndStroke(..) = how {
            context.set_stroke(Stroke::new(line).with_caps(Cap::Butt));
            context.stroke_path(&path);
        }
        context.flush();
        let mut pixmap = Pixmap::new(context.width(), context.height());
        let target_init = TargetInit::Clear(AlphaColor::from_rgba8(0, 0, 0, 0));
        let settings = RasterizerSettings { target_init, ..RasterizerSettings::default() };
        context.render_with(&mut pixmap, &mut Resources::default(), settings);
        let (pixels, _) = pixmap.data_as_u8_slice().as_chunks::<4>();
        let parts = pixels.iter().map(|[.., alpha]| *alpha).collect();
        Some(Coverage { x: part.x0 as usize, y: part.y0 as usize, width: usize::from(context.width()), parts })
    }

    /// Lays colours on the layer at hand; they are asked for by places of the page, and not multiplied by their opacity.
    fn paint(&mut self, coverage: &Coverage, color: impl Fn(Point) -> Color) {
        self.left = self.left.saturating_sub(coverage.parts.len());
        let clip = self.clips.last().and_then(Option::as_ref);
        let (Some(layer), true) = (self.layers.last_mut(), self.left > 0) else { return };
        for (index, part) in coverage.parts.iter().enumerate().filter(|(_, part)| **part > 0) {
            let (x, y) = (coverage.x + index % coverage.width, coverage.y + index / coverage.width);
            let at = y * self.width + x;
            let free = clip.map_or(255, |clip| clip.get(at).copied().unwrap_or(0));
            let place =
                Point::new(self.bounds.x0 + (x as f64 + 0.5) / self.scale, self.bounds.y0 + (y as f64 + 0.5) / self.scale);
            let share = f32::from(*part) * f32::from(free) / (255.0 * 255.0);
            if share > 0.0
                && let Some(below) = layer.pixels.get_mut(at)
            {
                let [red, green, blue, alpha] = color(place);
                over(below, [red * alpha, green * alpha, blue * alpha, alpha].map(|part| part * share));
            }
        }
    }

    /// How much of each pixel a mask lets through.
    fn mask(&self, mask: &SoftMask<'_>) -> Option<Vec<u8>> {
        let mut canvas = Self::nested(self.bounds, self.depth + 1)?;
        let is_luminous = mask.mask_type() == MaskType::Luminosity;
        let [red, green, blue, _] = mask.background_color().to_rgba().components();
        mask.interpret(&mut canvas);
        let light = |[red, green, blue]: [f32; 3]| 0.3 * red + 0.59 * green + 0.11 * blue;
        let ground = light([red, green, blue]);
        let pixels = canvas.flattened();
        let seen = |[red, green, blue, alpha]: &Color| {
            let share = if is_luminous { light([*red, *green, *blue]) + ground * (1.0 - alpha) } else { *alpha };
            (share * 255.0 + 0.5).clamp(0.0, 255.0) as u8
        };
        let mut parts: Vec<u8> = pixels.iter().map(seen).collect();
        if let Some(function) = mask.transfer_function() {
            function.apply_to(&mut parts);
        }
        Some(parts)
    }

    /// The pixels that it has.
    pub(super) fn area(&self) -> usize {
        self.width * self.height
    }

    /// Begins a group that is seen through a mask.
    fn begin(&mut self, opacity: f32, mask: Option<&SoftMask<'_>>) {
        if self.layers.len() >= MAX_LAYERS || (mask.is_none() && opacity >= 1.0) {
            // One that is not needed takes the pixels of the layer below along, and so is told apart when it ends.
            self.layers.push(Layer { pixels: Vec::new(), opacity: 1.0, mask: None });
            let last = self.layers.len() - 1;
            let below = last.saturating_sub(1);
            if let Ok([layer, below]) = self.layers.get_disjoint_mut([last, below]) {
                std::mem::swap(&mut layer.pixels, &mut below.pixels);
            }
            return;
        }
        let mask = mask.and_then(|mask| self.mask(mask));
        self.layers.push(Layer { pixels: vec![[0.0; 4]; self.width * self.height], opacity, mask });
    }

    /// Ends the group.
    fn end(&mut self) {
        if self.layers.len() < 2 {
            return;
        }
        let (Some(layer), Some(below)) = (self.layers.pop(), self.layers.last_mut()) else { return };
        if below.pixels.is_empty() {
            below.pixels = layer.pixels;
            return;
        }
        for (index, (below, pixel)) in below.pixels.iter_mut().zip(layer.pixels).enumerate() {
            let seen = layer.mask.as_ref().map_or(255, |mask| mask.get(index).copied().unwrap_or(0));
            over(below, pixel.map(|part| part * layer.opacity * f32::from(seen) / 255.0));
        }
    }

    /// The colours of its pixels, multiplied by their opacity, when all groups have ended.
    pub(super) fn flattened(mut self) -> Vec<Color> {
        while self.layers.len() > 1 {
            self.end();
        }
        self.layers.pop().map(|layer| layer.pixels).unwrap_or_default()
    }

    /// The part of the page that something was painted on, and it as PNG.
    pub(super) fn finish(self) -> Option<(Rect, Vec<u8>)> {
        let (origin, scale, width) = (self.bounds.origin(), self.scale, self.width);
        let pixels = self.flattened();
        let (mut left, mut top, mut right, mut bottom) = (usize::MAX, usize::MAX, 0, 0);
        for (index, _) in pixels.iter().enumerate().filter(|(_, [.., alpha])| *alpha > 0.004) {
            let (x, y) = (index % width, index / width);
            (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1));
        }
        if right <= left {
            return None;
        }
        let rows = pixels.chunks(width).take(bottom).skip(top).filter_map(|row| row.get(left..right));
        let plain = |[red, green, blue, alpha]: &Color| {
            let part = |part: &f32| if *alpha > 0.0 { (part / alpha * 255.0 + 0.5).clamp(0.0, 255.0) as u8 } else { 0 };
            [part(red), part(green), part(blue), (alpha * 255.0 + 0.5).clamp(0.0, 255.0) as u8]
        };
        let data: Vec<u8> = rows.flatten().flat_map(plain).collect();
        let place = |x: usize, y: usize| origin + Vec2::new(x as f64 / scale, y as f64 / scale);
        let bounds = Rect::from_points(place(left, top), place(right, bottom));
        Some((bounds, pictures::encoded(right - left, bottom - top, data)?))
    }
}

/// Lays a colour on another one.
fn over(below: &mut Color, above: Color) {
    let through = 1.0 - above[3];
    for (below, above) in below.iter_mut().zip(above) {
        *below = above + *below * through;
    }
}

/// The colour of a gradient at a place of the page.
pub(super) fn sample(shading: &EncodedShadingPattern, place: Point) -> Color {
    shading.sample(shading.base_transform * place)
}

/// The colour of a picture at a place of it, from the four pixels around.
fn between(source: &Pixels, place: Point) -> Color {
    let (x, y) = (place.x - 0.5, place.y - 0.5);
    let pixel = |x: f64, y: f64| {
        let x = (x.max(0.0) as usize).min(source.width - 1);
        let y = (y.max(0.0) as usize).min(source.height - 1);
        let at = (y * source.width + x) * 4;
        let pixel = source.data.get(at..at + 4).and_then(|pixel| <[u8; 4]>::try_from(pixel).ok());
        pixel.unwrap_or_default().map(|part| f32::from(part) / 255.0)
    };
    let (across, down) = ((x - x.floor()) as f32, (y - y.floor()) as f32);
    let mut mean = [0.0; 4];
    for (dx, dy, share) in [
        (0.0, 0.0, (1.0 - across) * (1.0 - down)),
        (1.0, 0.0, across * (1.0 - down)),
        (0.0, 1.0, (1.0 - across) * down),
        (1.0, 1.0, across * down),
    ] {
        for (mean, part) in mean.iter_mut().zip(pixel(x.floor() + dx, y.floor() + dy)) {
            *mean += part * share;
        }
    }
    mean
}

impl<'a> Device<'a> for Canvas {
    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, draw_mode: &DrawMode) {
        let line = match draw_mode {
            DrawMode::Stroke(stroke) | DrawMode::FillAndStroke(_, stroke) => {
                f64::from(stroke.line_width) * props.transform.determinant().abs().sqrt()
            }
            DrawMode::Fill(_) => 0.0,
            DrawMode::Invisible => return,
        };
        let Some(coverage) = self.cover(&(props.transform * path.clone()), draw_mode, line) else { return };
        self.begin(1.0, props.soft_mask.as_ref());
        match &props.paint {
            Paint::Color(color) => {
                let color = color.to_rgba().components();
                self.paint(&coverage, |_| color);
            }
            Paint::Pattern(pattern) => match &**pattern {
                Pattern::Shading(shading) => {
                    let clip = shading.shading.clip_path.clone();
                    let encoded = shading.encode();
                    if let Some(path) = &clip {
                        self.push_clip_path(&ClipPath { path: path.clone(), fill: FillRule::NonZero });
                    }
                    self.paint(&coverage, |place| sample(&encoded, place));
                    if clip.is_some() {
                        Device::pop_clip(self);
                    }
                }
                Pattern::Tiling(tiling) => {
                    let is_stroke = matches!(draw_mode, DrawMode::Stroke(_));
                    if let Some(tile) = Tile::new(tiling, self.depth, is_stroke) {
                        self.paint(&coverage, |place| tile.color(place));
                    }
                }
            },
        }
        self.end();
    }

    fn push_clip_path(&mut self, clip_path: &ClipPath) {
        let mut clip = vec![0; self.width * self.height];
        if let Some(coverage) = self.cover(&clip_path.path, &DrawMode::Fill(clip_path.fill), 0.0) {
            let last = self.clips.last().and_then(Option::as_ref);
            for (row, parts) in coverage.parts.chunks(coverage.width).enumerate() {
                let from = (coverage.y + row) * self.width + coverage.x;
                for (at, part) in (from..).zip(parts) {
                    let free = last.map_or(255, |last| last.get(at).copied().unwrap_or(0));
                    if let Some(place) = clip.get_mut(at) {
                        *place = (u16::from(*part) * u16::from(free) / 255) as u8;
                    }
                }
            }
        }
        self.clips.push(Some(clip));
    }

    fn push_transparency_group(&mut self, opacity: f32, mask: Option<SoftMask<'a>>, _: BlendMode) {
        self.begin(opacity, mask.as_ref());
    }

    fn draw_glyph_run(&mut self, glyph_run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, draw_mode: &DrawMode) {
        for glyph in glyph_run.glyphs() {
            match &**glyph {
                Glyph::Outline(outline) => {
                    let path = glyph.transform() * outline.outline();
                    self.draw_path(&path, props.clone(), draw_mode);
                }
                Glyph::Type3(drawn) => drawn.interpret(self, props.transform, glyph.transform(), &props.paint),
            }
            if self.left == 0 {
                return;
            }
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        let frame = props.transform * Rect::new(0.0, 0.0, width, height).to_path(0.1);
        let Some(coverage) = self.cover(&frame, &DrawMode::Fill(FillRule::NonZero), 0.0) else { return };
        let target = ((width as u32).min(2_000), (height as u32).min(2_000));
        let Some(pixels) = pictures::pixels(&image, target) else { return };
        let to_image =
            Affine::scale_non_uniform(pixels.width as f64 / width, pixels.height as f64 / height) * props.transform.inverse();
        self.paint(&coverage, |place| between(&pixels, to_image * place));
    }

    fn pop_clip(&mut self) {
        if self.clips.len() > 1 {
            self.clips.pop();
        }
    }

    fn pop_transparency_group(&mut self) {
        self.end();
    }
}
