//! Several pictures of a video on one sheet, in the order of their times.

use convertfly_sandbox::Failure;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;

use super::{Moment, Taker};
use crate::options::{Fit, Options};

/// Width of a picture where none is asked for, pixels; smaller ones keep theirs.
const WIDTH: u32 = 320;

/// Pixels between the pictures.
const GAP: u32 = 4;

/// Draws `count` pictures. `width` and `height` are those of the sheet.
pub(super) fn draw(taker: &Taker<'_>, count: u32) -> Result<(Video, Vec<f64>), Failure> {
    let columns = f64::from(count).sqrt().ceil() as u32;
    let rows = count.div_ceil(columns);
    let inside = |side: u32, parts: u32| (side.saturating_sub(GAP * (parts - 1)) / parts).max(1);
    let asked = &taker.job.options;
    let (width, height) = (asked.width.map(|width| inside(width, columns)), asked.height.map(|height| inside(height, rows)));
    let usual = width.is_none() && height.is_none();
    let options = Options {
        width: if usual { Some(WIDTH) } else { width },
        height,
        fit: Some(Fit::Max),
        enlarge: Some(!usual),
        ..asked.clone()
    };
    let (mut pictures, mut times) = (Vec::new(), Vec::new());
    for index in 0..count {
        taker.around.cancel.check()?;
        let share = (f64::from(index) + 0.5) / f64::from(count);
        let (picture, at) = taker.take(Moment::Share(share), &options)?;
        pictures.push(picture);
        times.push(at);
        (taker.around.progress)(share);
    }
    let widest = pictures.iter().map(Video::width).max().unwrap_or(1);
    let highest = pictures.iter().map(Video::height).max().unwrap_or(1);
    let mut sheet = Video::new(Pixel::RGB24, columns * (widest + GAP) - GAP, rows * (highest + GAP) - GAP);
    sheet.data_mut(0).fill(0);
    for (index, picture) in (0..).zip(&pictures) {
        let (column, row) = (index % columns, index / columns);
        paste(&mut sheet, picture, (column * (widest + GAP)) as usize, (row * (highest + GAP)) as usize);
    }
    Ok((sheet, times))
}

/// Puts a picture at a place of the sheet that has room for it; what is transparent becomes black.
fn paste(sheet: &mut Video, picture: &Video, x: usize, y: usize) {
    let (from_stride, to_stride) = (picture.stride(0), sheet.stride(0));
    let has_alpha = picture.format() == Pixel::RGBA;
    let (width, step) = (picture.width() as usize, if has_alpha { 4 } else { 3 });
    let rows = picture.data(0).chunks(from_stride).take(picture.height() as usize);
    let places = sheet.data_mut(0).chunks_mut(to_stride).skip(y);
    for (from, to) in rows.zip(places) {
        let to = to.get_mut(x * 3..(x + width) * 3).unwrap_or_default();
        for (from, to) in from.chunks_exact(step).zip(to.chunks_exact_mut(3)) {
            let alpha = if has_alpha { u16::from(from[3]) } else { 255 };
            for (from, to) in from.iter().zip(to) {
                *to = (u16::from(*from) * alpha / 255) as u8;
            }
        }
    }
}
