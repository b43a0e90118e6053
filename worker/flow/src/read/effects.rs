//! What is seen through a mask, or painted with a gradient or a pattern, becomes pictures.

use hayro::hayro_interpret::{CacheKey, ClipPath, Device, DrawMode, DrawProps, FillRule, Image, ImageDrawProps, Paint, SoftMask};
use hayro::kurbo::{BezPath, Rect, Shape};

use super::canvas::Canvas;
use super::device::Reader;
use super::paths;
use crate::model::Picture;

/// Pictures of one page that are made so, at most, and pixels of them together.
const MAX_EFFECTS: usize = 300;
const MAX_PIXELS: usize = 40_000_000;

/// A picture that is being painted.
pub(super) struct Effect {
    canvas: Canvas,
    /// What tells its mask from others, where it has one and is no group.
    key: Option<u128>,
    /// Groups within, the one that began it included.
    groups: usize,
    /// Clips set since it began.
    clips: usize,
}

/// What has been made so on a page.
#[derive(Default)]
pub(super) struct Made {
    pub(super) open: Option<Effect>,
    /// Of the groups that have begun: their opacity, and whether they are painted as a picture.
    groups: Vec<(f32, bool)>,
    /// The clips that are no rectangles.
    pub(super) clips: Vec<Option<BezPath>>,
    count: usize,
    pixels: usize,
}

impl<'a> Reader<'_, 'a> {
    /// A canvas for a part of the page, with the clips that hold now.
    pub(super) fn canvas(&mut self, bounds: Rect) -> Option<Canvas> {
        let mut canvas = Canvas::new(bounds.intersect(self.clip()))?;
        self.made.count += 1;
        self.made.pixels += canvas.area();
        if self.made.count > MAX_EFFECTS || self.made.pixels > MAX_PIXELS {
            return None;
        }
        for path in self.made.clips.iter().flatten() {
            canvas.push_clip_path(&ClipPath { path: path.clone(), fill: FillRule::NonZero });
        }
        Some(canvas)
    }

    /// Puts what was painted on the page.
    pub(super) fn keep(&mut self, canvas: Canvas) {
        if let Some((bounds, data)) = canvas.finish().filter(|(_, data)| data.len() <= self.room) {
            self.room -= data.len();
            self.page.pictures.push(Picture { bounds, data, kind: "png" });
        }
    }

    /// Ends the picture that is being painted, if there is one.
    pub(super) fn flush(&mut self) {
        if let Some(effect) = self.made.open.take() {
            self.keep(effect.canvas);
        }
    }

    /// Paints a path as a picture where it can be nothing else; tells whether it did.
    pub(super) fn paint(&mut self, path: &BezPath, props: &DrawProps<'a>, draw_mode: &DrawMode) -> bool {
        if let Some(effect) = self.made.open.as_mut().filter(|effect| effect.groups > 0) {
            effect.canvas.draw_path(path, props.clone(), draw_mode);
            return true;
        }
        if let Some(mask) = &props.soft_mask {
            let props = DrawProps { soft_mask: None, ..props.clone() };
            return self.masked(mask, |canvas| canvas.draw_path(path, props, draw_mode));
        }
        self.flush();
        let Paint::Pattern(_) = &props.paint else { return false };
        let mut bounds = (props.transform * path.clone()).bounding_box();
        if let DrawMode::Stroke(stroke) = draw_mode {
            let half = f64::from(stroke.line_width) * props.transform.determinant().abs().sqrt();
            bounds = bounds.inflate(half, half);
        }
        let Some(mut canvas) = self.canvas(bounds) else { return false };
        canvas.draw_path(path, props.clone(), draw_mode);
        self.keep(canvas);
        true
    }

    /// Paints on the picture of what is seen through that mask.
    fn masked(&mut self, mask: &SoftMask<'a>, draw: impl FnOnce(&mut Canvas)) -> bool {
        let key = Some(mask.cache_key());
        if self.made.open.as_ref().is_some_and(|open| open.key != key) {
            self.flush();
        }
        if self.made.open.is_none() {
            let Some(mut canvas) = self.canvas(self.clip()) else { return false };
            canvas.push_transparency_group(1.0, Some(mask.clone()), Default::default());
            self.made.open = Some(Effect { canvas, key, groups: 0, clips: 0 });
        }
        if let Some(open) = &mut self.made.open {
            draw(&mut open.canvas);
        }
        true
    }

    /// Paints a picture as one that is seen through a mask, or through which one can see; gives it back where it is neither.
    pub(super) fn paint_image<'b>(&mut self, image: Image<'a, 'b>, props: &ImageDrawProps<'a>) -> Option<Image<'a, 'b>> {
        if let Some(effect) = self.made.open.as_mut().filter(|effect| effect.groups > 0) {
            effect.canvas.draw_image(image, props.clone());
            return None;
        }
        self.flush();
        let opacity: f32 = self.made.groups.iter().map(|(opacity, _)| opacity).product();
        if opacity > 0.99 {
            return Some(image);
        }
        let whole = Rect::new(0.0, 0.0, f64::from(image.width()), f64::from(image.height()));
        let Some(mut canvas) = self.canvas(props.transform.transform_rect_bbox(whole)) else { return Some(image) };
        canvas.push_transparency_group(opacity, None, Default::default());
        canvas.draw_image(image, props.clone());
        self.keep(canvas);
        None
    }

    pub(super) fn begin_group(&mut self, opacity: f32, mask: Option<SoftMask<'a>>) {
        if let Some(effect) = self.made.open.as_mut().filter(|effect| effect.groups > 0) {
            effect.canvas.push_transparency_group(opacity, mask, Default::default());
            effect.groups += 1;
            return self.made.groups.push((1.0, true));
        }
        self.flush();
        let canvas = if mask.is_some() { self.canvas(self.clip()) } else { None };
        let is_painted = canvas.is_some();
        if let Some(mut canvas) = canvas {
            canvas.push_transparency_group(opacity, mask, Default::default());
            self.made.open = Some(Effect { canvas, key: None, groups: 1, clips: 0 });
        }
        self.made.groups.push((if is_painted { 1.0 } else { opacity }, is_painted));
    }

    pub(super) fn end_group(&mut self) {
        let Some((_, true)) = self.made.groups.pop() else { return self.flush() };
        if let Some(effect) = &mut self.made.open {
            effect.canvas.pop_transparency_group();
            effect.groups = effect.groups.saturating_sub(1);
            if effect.groups == 0 {
                self.flush();
            }
        }
    }

    pub(super) fn begin_clip(&mut self, clip: &ClipPath) {
        self.made.clips.push(Some(&clip.path).filter(|path| !paths::is_rectangle(path)).cloned());
        if let Some(effect) = &mut self.made.open {
            effect.canvas.push_clip_path(clip);
            effect.clips += 1;
        }
    }

    pub(super) fn end_clip(&mut self) {
        self.made.clips.pop();
        match &mut self.made.open {
            Some(effect) if effect.clips > 0 => {
                effect.canvas.pop_clip();
                effect.clips -= 1;
            }
            Some(effect) if effect.groups == 0 => self.flush(),
            _ => {}
        }
    }
}
