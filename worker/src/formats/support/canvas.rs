//! The canvas that the frames of an animation are composed on (GIF89a section 23, WebP container specification, ANMF).

/// What happens to a frame's area before the next frame is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::formats) enum Disposal {
    /// It stays.
    #[default]
    Keep,
    /// It becomes transparent.
    Clear,
    /// It becomes what it was before the frame was drawn.
    Restore,
}

/// A rectangle on the canvas, clipped to it when used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::formats) struct Area {
    pub(in crate::formats) x: u32,
    pub(in crate::formats) y: u32,
    pub(in crate::formats) width: u32,
    pub(in crate::formats) height: u32,
}

/// An 8-bit RGBA canvas, transparent at first.
pub(in crate::formats) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    pending: Option<(Area, Disposal)>,
    before: Vec<u8>,
}

impl Canvas {
    /// An empty canvas.
    pub(in crate::formats) fn new(width: u32, height: u32) -> Self {
        let pixels = vec![0; width as usize * height as usize * 4];
        Self { width, height, pixels, pending: None, before: Vec::new() }
    }

    /// Disposes of the frame before, then draws `rgba` (of `area.width` x `area.height` pixels) at `area`. Transparent
    /// pixels leave the canvas as it is when `blend`, otherwise they replace it.
    pub(in crate::formats) fn draw(&mut self, area: Area, rgba: &[u8], blend: bool, disposal: Disposal) {
        self.dispose();
        if disposal == Disposal::Restore {
            self.before.clone_from(&self.pixels);
        }
        let source_stride = area.width as usize * 4;
        self.for_rows(area, |row, index| {
            let Some(source) = source_stride.checked_mul(index).and_then(|at| rgba.get(at..)?.get(..row.len())) else {
                return;
            };
            if blend {
                blend_row(row, source);
            } else {
                row.copy_from_slice(source);
            }
        });
        self.pending = Some((area, disposal));
    }

    /// The pixels as they show now.
    pub(in crate::formats) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    fn dispose(&mut self) {
        match self.pending.take() {
            Some((area, Disposal::Clear)) => self.for_rows(area, |row, _| row.fill(0)),
            Some((_, Disposal::Restore)) => std::mem::swap(&mut self.pixels, &mut self.before),
            Some((_, Disposal::Keep)) | None => {}
        }
    }

    /// Calls `change` with each row of `area` that lies on the canvas, and the row's index within the area.
    fn for_rows(&mut self, area: Area, mut change: impl FnMut(&mut [u8], usize)) {
        let right = area.x.saturating_add(area.width).min(self.width);
        let bottom = area.y.saturating_add(area.height).min(self.height);
        if area.x >= right {
            return;
        }
        let stride = self.width as usize * 4;
        for y in area.y..bottom {
            let start = y as usize * stride;
            let row = &mut self.pixels[start + area.x as usize * 4..start + right as usize * 4];
            change(row, (y - area.y) as usize);
        }
    }
}

/// The smallest rectangle outside of which two canvases of that size are the same; one pixel where they are wholly so.
pub(in crate::formats) fn changed(before: &[u8], after: &[u8], (width, height): (u32, u32), bytes: usize) -> Area {
    let stride = width as usize * bytes;
    let rows = before.chunks_exact(stride).zip(after.chunks_exact(stride)).take(height as usize);
    let (mut top, mut bottom, mut left, mut right) = (None, 0, width as usize, 0);
    for (y, (before, after)) in rows.enumerate() {
        if before == after {
            continue;
        }
        top = top.or(Some(y));
        bottom = y;
        let mut differing = before.chunks_exact(bytes).zip(after.chunks_exact(bytes)).enumerate().filter(|(_, (a, b))| a != b);
        let first = differing.next().map_or(0, |(x, _)| x);
        left = left.min(first);
        right = right.max(differing.next_back().map_or(first, |(x, _)| x));
    }
    match top {
        // All are below a side, which is 32 bits.
        Some(top) => Area { x: left as u32, y: top as u32, width: (right - left + 1) as u32, height: (bottom - top + 1) as u32 },
        None => Area { x: 0, y: 0, width: 1, height: 1 },
    }
}

/// The pixels of `area`, which lies within the canvas.
pub(in crate::formats) fn cut(pixels: &[u8], area: Area, stride: usize, bytes: usize) -> Vec<u8> {
    let rows = pixels.chunks_exact(stride).skip(area.y as usize).take(area.height as usize);
    let columns = area.x as usize * bytes..(area.x + area.width) as usize * bytes;
    rows.flat_map(|row| &row[columns.clone()]).copied().collect()
}

/// Source-over on straight alpha.
fn blend_row(row: &mut [u8], source: &[u8]) {
    for (below, above) in row.chunks_exact_mut(4).zip(source.chunks_exact(4)) {
        match above[3] {
            255 => below.copy_from_slice(above),
            0 => {}
            alpha => {
                let alpha = u32::from(alpha);
                let rest = u32::from(below[3]) * (255 - alpha); // of 255 * 255
                let total = alpha * 255 + rest;
                for channel in 0..3 {
                    let sum = u32::from(above[channel]) * alpha * 255 + u32::from(below[channel]) * rest;
                    below[channel] = ((sum + total / 2) / total) as u8;
                }
                below[3] = ((total + 127) / 255) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];

    fn pixel(x: u32, y: u32) -> Area {
        Area { x, y, width: 1, height: 1 }
    }

    #[test]
    fn disposal_clears_restores_or_keeps() {
        let whole = Area { x: 0, y: 0, width: 2, height: 1 };
        for (disposal, expected) in [(Disposal::Keep, BLUE), (Disposal::Clear, [0; 4]), (Disposal::Restore, RED)] {
            let mut canvas = Canvas::new(2, 1);
            canvas.draw(whole, &[RED, RED].concat(), true, Disposal::Keep);
            canvas.draw(pixel(1, 0), &BLUE, true, disposal);
            assert_eq!(canvas.pixels()[4..], BLUE, "the frame itself shows");
            canvas.draw(pixel(0, 0), &BLUE, true, Disposal::Keep);
            assert_eq!(canvas.pixels()[4..], expected, "{disposal:?} of the frame before");
        }
    }

    #[test]
    fn frames_beyond_the_canvas_are_clipped() {
        let mut canvas = Canvas::new(2, 2);
        canvas.draw(Area { x: 1, y: 1, width: 3, height: 3 }, &RED.repeat(9), true, Disposal::Clear);
        assert_eq!(canvas.pixels(), [[0; 4], [0; 4], [0; 4], RED].concat(), "one pixel lies on it");
        canvas.draw(Area { x: u32::MAX, y: 5, width: 9, height: 9 }, &RED.repeat(81), true, Disposal::Keep);
        assert_eq!(canvas.pixels(), [0; 16], "nothing drawn, the frame before cleared");
    }

    #[test]
    fn transparent_pixels_blend_or_replace() {
        let mut canvas = Canvas::new(1, 1);
        canvas.draw(pixel(0, 0), &RED, true, Disposal::Keep);
        canvas.draw(pixel(0, 0), &[0, 0, 255, 128], true, Disposal::Keep);
        assert_eq!(canvas.pixels(), [127, 0, 128, 255], "half blue over opaque red");
        canvas.draw(pixel(0, 0), &[0; 4], true, Disposal::Keep);
        assert_eq!(canvas.pixels()[3], 255, "transparent leaves it");
        canvas.draw(pixel(0, 0), &[0; 4], false, Disposal::Keep);
        assert_eq!(canvas.pixels()[3], 0, "unless it replaces");
    }
}
