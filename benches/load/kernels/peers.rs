//! The same work by crates that do it as well.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use convertfly_worker::pixels::{Channels, Depth, Filter, Image, Orientation, Step};
use fast_image_resize::images::Image as FirImage;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::imageops;
use image::{DynamicImage, RgbImage, RgbaImage};

use super::{Case, Side};

/// Those that know the step.
pub(super) fn of<'a>(case: &Case, image: &'a Image) -> Vec<Side<'a>> {
    let mut sides: Vec<Side<'a>> = Vec::new();
    if let Step::Resize { width, height, filter } = case.step {
        sides.push(("fast_image_resize".to_owned(), Box::new(move || fir(image, width, height, filter))));
    }
    let step = case.step;
    if knows(&step)
        && let Some(picture) = picture(image)
    {
        sides.push(("image".to_owned(), Box::new(move || Ok(by_image(&picture, &step)))));
    }
    sides
}

fn picture(image: &Image) -> Option<DynamicImage> {
    let (width, height, data) = (image.width(), image.height(), image.data().to_vec());
    match (image.channels(), image.depth()) {
        (Channels::Rgb, Depth::U8) => RgbImage::from_raw(width, height, data).map(Into::into),
        (Channels::Rgba, Depth::U8) => RgbaImage::from_raw(width, height, data).map(Into::into),
        _ => None,
    }
}

/// What the `image` crate has, too. Its blur costs by the square of the deviation: seconds for a wide one.
fn knows(step: &Step) -> bool {
    match step {
        Step::Blur { sigma } => *sigma < 5.0,
        Step::Resize { filter: Filter::Lanczos3, .. }
        | Step::Orient { orientation: Orientation::Rotate90 }
        | Step::Convert { channels: Channels::Grey, .. } => true,
        _ => false,
    }
}

fn by_image(picture: &DynamicImage, step: &Step) -> Duration {
    let start = Instant::now();
    match *step {
        Step::Resize { width, height, .. } => {
            drop(black_box(picture.resize_exact(width, height, imageops::FilterType::Lanczos3)))
        }
        Step::Blur { sigma } => drop(black_box(picture.blur(sigma))),
        Step::Orient { .. } => drop(black_box(picture.rotate90())),
        _ => drop(black_box(picture.to_luma8())),
    }
    start.elapsed()
}

fn fir(image: &Image, width: u32, height: u32, filter: Filter) -> anyhow::Result<Duration> {
    let kind = match image.channels() {
        Channels::Rgba => PixelType::U8x4,
        _ => PixelType::U8x3,
    };
    let source = FirImage::from_vec_u8(image.width(), image.height(), image.data().to_vec(), kind).context("its own form")?;
    let filter = match filter {
        Filter::Lanczos3 => FilterType::Lanczos3,
        Filter::Box => FilterType::Box,
    };
    let start = Instant::now();
    let mut made = FirImage::new(width, height, kind);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize(&source, &mut made, &options).context("it resizes")?;
    black_box(made);
    Ok(start.elapsed())
}
