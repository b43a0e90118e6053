//! A text or a picture on an image: a conversion to the same format with one more kernel.

mod layer;
pub mod options;
mod pages;
mod place;
mod text;

use std::cell::RefCell;

use super::job::{Files, ImageJob};
use super::options::ConvertOptions;
use super::pipeline;
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::{Cancel, Flags};
use crate::options::Options;
use crate::pixels::{Channels, Layer, Processor, Recording, Shape, Step};
use options::WatermarkOptions;

#[cfg(feature = "documents")]
pub(super) use self::layer::Source;
#[cfg(feature = "documents")]
pub(super) use self::pages::Pages;
#[cfg(feature = "documents")]
pub(super) use self::place::overlay;

/// Puts a watermark on every frame of the input.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(job: &ImageJob, mut files: Files, processor: &Processor, cancel: &Cancel) -> Result<Made, Failure> {
    let options = WatermarkOptions::read(&job.options)?;
    options.check()?;
    let pages = pages::Pages::parse(&options.pages)?;
    let source = layer::Source::read(job, &options, std::mem::take(&mut files.beside), cancel)?;
    // Drawn once for all frames of a size.
    let drawn = RefCell::new(None);
    let finish = |recording: &mut Recording, shape: Shape, target: Flags, meant: bool| {
        let size = source.size(&options, (shape.width, shape.height));
        let known = drawn.borrow().as_ref().filter(|(of, _)| *of == size).map(|(_, layer)| Layer::clone(layer));
        let layer = match known {
            Some(layer) => layer,
            None => Layer::new(source.draw(&options, size, processor, cancel)?),
        };
        *drawn.borrow_mut() = Some((size, Layer::clone(&layer)));
        let step = place::overlay(recording.layers.len(), &options, (layer.width(), layer.height()), (shape.width, shape.height));
        // A coloured mark needs an image with colours.
        if shape.channels.without_alpha() == Channels::Grey && is_coloured(&layer) {
            let channels = if shape.channels.has_alpha() && target.alpha { Channels::Rgba } else { Channels::Rgb };
            recording.push(Step::Convert { channels, depth: shape.depth });
        }
        // Frames without it have the same layout as those with it.
        if meant {
            recording.layer(layer);
            recording.push(step);
        }
        Ok(())
    };
    let meant = |index: u32, count: u32| pages.check(count).map(|()| pages.has(index));
    let converted = ConvertOptions { quality: options.quality, strip: options.strip, ..ConvertOptions::default() };
    pipeline::run(job, &converted, files, processor, cancel, &finish, &meant)
}

/// Whether any pixel of an 8-bit RGBA layer that shows has a colour.
fn is_coloured(layer: &crate::pixels::Image) -> bool {
    let (pixels, _) = layer.data().as_chunks::<4>();
    pixels.iter().any(|[r, g, b, a]| *a > 0 && (r != g || g != b))
}

#[cfg(test)]
mod tests;
