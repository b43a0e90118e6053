//! Writing the smallest GIF: one palette for all frames where that is enough, of each frame only what changes, and of two ways to
//! write it the one that packs better.

use std::collections::HashMap;
use std::io::Cursor;

use ::gif::{DisposalMethod, Encoder, Frame as GifFrame};

use super::encode::{repeat, rgba};
use super::{TITLE, bare, decode, palette};
use crate::failure::Failure;
use crate::formats::support::canvas::{self, Area};
use crate::formats::support::encoding;
use crate::formats::support::palette::{self as colors, ENTRIES};
use crate::formats::{DecodeOptions, Decoded, EncodeOptions, RepackOptions, WriteSeek};

/// The file without remarks, and the same frames written anew.
pub(in crate::formats) fn repack(data: &[u8], options: &RepackOptions) -> Result<Vec<Vec<u8>>, Failure> {
    let mut found = vec![if options.keep { data.to_vec() } else { bare::bare(data) }];
    let wanted =
        DecodeOptions { limits: options.limits, all_frames: true, cancel: options.cancel.clone(), ..DecodeOptions::default() };
    let decoded = decode(data, &wanted)?;
    let how = EncodeOptions { cancel: options.cancel.clone(), ..EncodeOptions::default() };
    let mut out = Cursor::new(Vec::new());
    encode(&decoded, &how, &mut out)?;
    // Remarks that are to be kept are in the first one only.
    if !options.keep {
        found.push(out.into_inner());
    }
    Ok(found)
}

/// What is drawn of a frame.
struct Part {
    area: Area,
    /// What stays as it was is transparent.
    changes: Vec<u8>,
    /// The whole area as it shows.
    whole: Vec<u8>,
    /// Whether the area becomes transparent afterwards.
    clears: bool,
}

/// Writes all frames; with [`EncodeOptions::colors`], in as many colours at most, the transparent one included.
pub(super) fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let first = &decoded.frames.first().ok_or_else(|| encoding(TITLE, "no frame"))?.image;
    let side = |pixels: u32| u16::try_from(pixels).map_err(|error| encoding(TITLE, error));
    let (width, height) = (side(first.width())?, side(first.height())?);
    let frames = decoded.frames.iter().map(|frame| Ok(rgba(&frame.image)?.into_owned())).collect::<Result<Vec<_>, Failure>>()?;
    let frames = reduced(frames, (width, height), options.colors)?;
    let parts = parts(&frames, (width.into(), height.into()));
    // A palette for all costs once, and one for each frame packs better where frames have few colours: it takes a try.
    let mut files = vec![file(decoded, &parts, (width, height), None, options)?];
    if let Some(shared) = shared_palette(&parts) {
        files.push(file(decoded, &parts, (width, height), Some(&shared), options)?);
    }
    let best = files.into_iter().min_by_key(Vec::len).unwrap_or_default();
    out.write_all(&best).map_err(|error| encoding(TITLE, error))
}

fn file(
    decoded: &Decoded,
    parts: &[Part],
    (width, height): (u16, u16),
    shared: Option<&Shared>,
    options: &EncodeOptions,
) -> Result<Vec<u8>, Failure> {
    let fail = |error| encoding(TITLE, error);
    let global: Vec<u8> = shared.map(|shared| shared.colors.concat()).unwrap_or_default();
    let mut encoder = Encoder::new(Vec::new(), width, height, &global).map_err(fail)?;
    if parts.len() > 1 && decoded.loops != 1 {
        encoder.set_repeat(repeat(decoded.loops)).map_err(fail)?;
    }
    let (mut shown_ms, mut written_cs) = (0u64, 0u64);
    for (part, frame) in parts.iter().zip(&decoded.frames) {
        options.cancel.check()?;
        let mut gif = part.packed(shared)?;
        gif.dispose = if part.clears { DisposalMethod::Background } else { DisposalMethod::Keep };
        // Rounding the sum, not each delay, keeps the length of the whole.
        shown_ms += u64::from(frame.delay_ms);
        gif.delay = u16::try_from((shown_ms + 5) / 10 - written_cs).unwrap_or(u16::MAX);
        written_cs += u64::from(gif.delay);
        encoder.write_lzw_pre_encoded_frame(&gif).map_err(fail)?;
    }
    encoder.into_inner().map_err(fail)
}

/// The frames in at most that many colours. Those of an animation share them, without spread errors, which would flicker.
fn reduced(mut frames: Vec<Vec<u8>>, (width, height): (u16, u16), most: Option<u16>) -> Result<Vec<Vec<u8>>, Failure> {
    let Some(most) = most else { return Ok(frames) };
    let room = usize::from(most).clamp(3, ENTRIES) - 1;
    if let [still] = &mut frames[..] {
        let (chosen, indices) = colors::of(TITLE, width.into(), height.into(), still, room)?;
        for (pixel, index) in still.chunks_exact_mut(4).zip(indices).filter(|(pixel, _)| pixel[3] != 0) {
            pixel[..3].copy_from_slice(&chosen[usize::from(index)]);
        }
    } else if frames.iter().any(|frame| frame.chunks_exact(4).any(|pixel| pixel[3] != 0)) {
        let chosen = colors::choose(TITLE, frames.iter().map(Vec::as_slice), room)?;
        frames = frames.iter().map(|frame| colors::nearest(frame, &chosen)).collect();
    }
    Ok(frames)
}

/// What has to be drawn of each frame. A frame of which something vanishes in the next one covers that, and is cleared.
fn parts(frames: &[Vec<u8>], size: (u32, u32)) -> Vec<Part> {
    let stride = size.0 as usize * 4;
    let mut canvas = vec![0; stride * size.1 as usize];
    let mut parts = Vec::with_capacity(frames.len());
    for (index, shown) in frames.iter().enumerate() {
        let vanishing = frames.get(index + 1).and_then(|next| vanishing(shown, next, size));
        // Some readers take the first frame for the canvas.
        let mut area = if index == 0 {
            Area { x: 0, y: 0, width: size.0, height: size.1 }
        } else {
            canvas::changed(&canvas, shown, size, 4)
        };
        if let Some(more) = vanishing {
            area = around(area, more);
        }
        let whole = canvas::cut(shown, area, stride, 4);
        let mut changes = whole.clone();
        for (pixel, before) in changes.chunks_exact_mut(4).zip(canvas::cut(&canvas, area, stride, 4).chunks_exact(4)) {
            if pixel == before {
                pixel.fill(0);
            }
        }
        canvas.clone_from(shown);
        if vanishing.is_some() {
            let rows = canvas.chunks_exact_mut(stride).skip(area.y as usize).take(area.height as usize);
            rows.for_each(|row| row[area.x as usize * 4..(area.x + area.width) as usize * 4].fill(0));
        }
        parts.push(Part { area, changes, whole, clears: vanishing.is_some() });
    }
    parts
}

/// The rectangle around the pixels that show now and not in the next frame.
fn vanishing(shown: &[u8], next: &[u8], size: (u32, u32)) -> Option<Area> {
    let gone = |(now, then): (&[u8], &[u8])| u8::from(now[3] != 0 && then[3] == 0);
    let mask: Vec<u8> = shown.chunks_exact(4).zip(next.chunks_exact(4)).map(gone).collect();
    mask.contains(&1).then(|| canvas::changed(&vec![0; mask.len()], &mask, size, 1))
}

fn around(a: Area, b: Area) -> Area {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let (right, bottom) = ((a.x + a.width).max(b.x + b.width), (a.y + a.height).max(b.y + b.height));
    Area { x, y, width: right - x, height: bottom - y }
}

/// A palette that all frames use.
struct Shared {
    colors: Vec<[u8; 3]>,
    numbers: HashMap<[u8; 3], u8>,
    hole: Option<u8>,
}

/// One palette for all frames, where they have few enough colours.
fn shared_palette(parts: &[Part]) -> Option<Shared> {
    let has_hole = parts.iter().any(|part| part.changes.chunks_exact(4).any(|pixel| pixel[3] == 0));
    let room = ENTRIES - usize::from(has_hole);
    let mut shared = Shared { colors: Vec::new(), numbers: HashMap::new(), hole: None };
    for pixel in parts.iter().flat_map(|part| part.changes.chunks_exact(4)).filter(|pixel| pixel[3] != 0) {
        let color = [pixel[0], pixel[1], pixel[2]];
        if !shared.numbers.contains_key(&color) {
            if shared.colors.len() == room {
                return None;
            }
            shared.numbers.insert(color, shared.colors.len() as u8);
            shared.colors.push(color);
        }
    }
    if has_hole {
        shared.hole = Some(shared.colors.len() as u8);
        shared.colors.push([0; 3]);
    }
    Some(shared)
}

impl Part {
    /// The frame with its pixels packed, in the way that takes fewer bytes.
    fn packed(&self, shared: Option<&Shared>) -> Result<GifFrame<'static>, Failure> {
        let mut ways = Vec::new();
        // Long runs of what stays pack well, as do whole areas of few colours.
        let pictures = if self.changes == self.whole { vec![&self.whole] } else { vec![&self.changes, &self.whole] };
        for pixels in pictures {
            ways.push(self.frame(pixels, shared)?);
            if shared.is_some() {
                ways.push(self.frame(pixels, None)?);
            }
        }
        ways.iter_mut().for_each(GifFrame::make_lzw_pre_encoded);
        let size = |frame: &GifFrame<'_>| frame.buffer.len() + frame.palette.as_ref().map_or(0, Vec::len);
        let mut best = ways.into_iter().min_by_key(size).ok_or_else(|| encoding(TITLE, "no frame"))?;
        // Both are below a side, which is 16 bits.
        (best.left, best.top) = (self.area.x as u16, self.area.y as u16);
        Ok(best)
    }

    fn frame(&self, pixels: &[u8], shared: Option<&Shared>) -> Result<GifFrame<'static>, Failure> {
        let (width, height) = (self.area.width as u16, self.area.height as u16);
        let Some(shared) = shared else { return palette::frame(width, height, pixels, ENTRIES) };
        let number = |pixel: &[u8]| {
            let known = if pixel[3] == 0 { shared.hole } else { shared.numbers.get(&pixel[..3]).copied() };
            known.ok_or_else(|| encoding(TITLE, "a colour is not in the palette"))
        };
        let indices = pixels.chunks_exact(4).map(number).collect::<Result<Vec<u8>, Failure>>()?;
        Ok(GifFrame::from_indexed_pixels(width, height, indices, shared.hole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Frame;
    use crate::formats::support::testing;
    use crate::formats::support::testing::{picture, still};
    use crate::pixels::{Channels, Depth, Image, Orientation};

    fn smallest(decoded: &Decoded, colors: Option<u16>) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        encode(decoded, &EncodeOptions { colors, ..EncodeOptions::default() }, &mut out).expect("it is written");
        out.into_inner()
    }

    /// Squares that move, and a part that opens and closes again.
    fn animation(holes: bool) -> Decoded {
        let frame = |index: usize| {
            let mut data = [200, 30, 40, 255].repeat(40 * 30);
            for y in 5..15 {
                for x in 0..10 {
                    let at = (y * 40 + x + index * 4) * 4;
                    data[at..at + 4].copy_from_slice(&[20, 30 * index as u8, (x * 9) as u8, 255]);
                    if holes && index % 3 == 1 {
                        data[at + 40..at + 44].fill(0);
                    }
                }
            }
            Frame {
                image: Image::new(40, 30, Channels::Rgba, Depth::U8, data).expect("an image"),
                delay_ms: 30 + 20 * index as u32,
            }
        };
        Decoded { frames: (0..7).map(frame).collect(), orientation: Orientation::Upright, icc: None, loops: 3 }
    }

    fn rgba(decoded: &Decoded) -> Vec<(Vec<u8>, u32)> {
        decoded.frames.iter().map(|frame| (super::rgba(&frame.image).expect("RGBA").into_owned(), frame.delay_ms)).collect()
    }

    #[test]
    fn frames_come_back_exactly_and_smaller() {
        for holes in [false, true] {
            let before = animation(holes);
            let plain = testing::encode("gif", &before);
            for data in [smallest(&before, None), repack(&plain, &RepackOptions::default()).expect("it is written").remove(1)] {
                let after = testing::decode("gif", &data);
                assert_eq!((rgba(&after), after.loops), (rgba(&before), 3), "holes: {holes}");
                // Where nothing vanishes, the plain writer draws what changes, too, and there may be nothing to gain.
                let most = if holes { plain.len() - 1 } else { plain.len() };
                assert!(data.len() <= most, "holes: {holes}: {} of {}", data.len(), plain.len());
            }
        }
        let once = Decoded { loops: 1, ..animation(false) };
        assert_eq!(testing::decode("gif", &smallest(&once, None)).loops, 1, "played once");
    }

    #[test]
    fn fewer_colours_take_fewer_bytes() {
        let image = picture(90, 60, Channels::Rgb);
        let still = still(image.clone());
        let moving = Decoded { frames: (0..3).map(|_| Frame { image: image.clone(), delay_ms: 40 }).collect(), ..still.clone() };
        for decoded in [still, moving] {
            let sizes = [256, 64, 8].map(|colors| {
                let data = smallest(&decoded, Some(colors));
                let found = testing::decode("gif", &data);
                assert_eq!(found.frames.len(), decoded.frames.len(), "every frame");
                let seen: std::collections::HashSet<&[u8]> =
                    found.frames.iter().flat_map(|f| f.image.data().chunks_exact(3)).collect();
                assert!(seen.len() < usize::from(colors), "{} of {colors}", seen.len());
                data.len()
            });
            assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
        }
    }
}
