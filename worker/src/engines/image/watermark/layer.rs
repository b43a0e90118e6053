//! The pixels of a watermark: a picture, or a text that is drawn.

use super::options::WatermarkOptions;
use super::place::fitted;
use super::text;
use crate::engines::Beside;
use crate::engines::image::job::ImageJob;
use crate::engines::image::pipeline::{format, guarded, mislabelled, read};
use crate::engines::image::turn;
use crate::failure::Failure;
use crate::formats::{Cancel, DecodeOptions, Decoder, Limits};
use crate::pixels::{Channels, Depth, Filter, Image, Orientation, Processor, Recording, Step};

/// What is placed, before it has a size.
pub(in crate::engines::image) struct Source {
    decoder: Decoder,
    data: Vec<u8>,
    limits: Limits,
    /// Upright pixels of the whole.
    own: (f64, f64),
    orientation: Orientation,
}

impl Source {
    /// The text, or the picture that came beside the input.
    pub(in crate::engines::image) fn read(
        job: &ImageJob,
        options: &WatermarkOptions,
        beside: Vec<Beside>,
        cancel: &Cancel,
    ) -> Result<Self, Failure> {
        cancel.check()?;
        if let Some(text) = options.text.as_deref().filter(|text| !text.trim().is_empty()) {
            let (data, own) = text::drawing(text, options)?;
            let decoder = format("svg")?.decode.ok_or_else(|| Failure::internal("drawings cannot be read"))?;
            return Ok(Self { decoder, data, limits: job.limits, own, orientation: Orientation::Upright });
        }
        let field = if options.image_url.is_some() { "image_url" } else { "image" };
        let named = |failure: Failure| match failure {
            Failure::Invalid { message, field: None } => {
                Failure::invalid_field(field, format!("The watermark's picture: {message}"))
            }
            other => other,
        };
        let picture = beside.into_iter().next().ok_or_else(|| {
            let task = options.image.as_deref().unwrap_or_default();
            Failure::invalid_field("image", format!("The task `{task}` has made no file to place. Check that its import works"))
        })?;
        let from = format(&picture.format)?;
        let decoder = from.decode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be read", from.title)))?;
        let data = read(picture.file).map_err(named)?;
        let header = guarded(|| (decoder.probe)(&data, &job.limits)).map_err(|f| named(mislabelled(f, from, &data)))?;
        job.limits.check(from.title, header.width, header.height, 1)?;
        let own = (f64::from(header.width), f64::from(header.height));
        let own = if header.orientation.swaps_sides() { (own.1, own.0) } else { own };
        Ok(Self { decoder, data, limits: job.limits, own, orientation: header.orientation })
    }

    /// The size that it takes on an image of `canvas` pixels, before it is turned.
    pub(in crate::engines::image) fn size(&self, options: &WatermarkOptions, canvas: (u32, u32)) -> (u32, u32) {
        let own = self.own;
        // What has to fit is the turned mark.
        let (wide, high) = turn::bounds(own, f64::from(options.rotation));
        let (width, _) = fitted(options, (wide, high), canvas);
        let factor = f64::from(width) / wide;
        let side = |length: f64| (length * factor).round().max(1.0) as u32;
        (side(own.0), side(own.1))
    }

    /// Its pixels at that size, 8-bit RGBA, then turned.
    pub(in crate::engines::image) fn draw(
        &self,
        options: &WatermarkOptions,
        size: (u32, u32),
        processor: &Processor,
        cancel: &Cancel,
    ) -> Result<Image, Failure> {
        let stored = if self.orientation.swaps_sides() { (size.1, size.0) } else { size };
        let wanted =
            DecodeOptions { limits: self.limits, at_least: Some(stored), cancel: cancel.clone(), ..DecodeOptions::default() };
        let decoded = guarded(|| (self.decoder.decode)(&self.data, &wanted))?;
        let orientation = decoded.orientation;
        let first = decoded.frames.into_iter().next().ok_or_else(|| Failure::internal("a decoder gave no frame"))?;
        let (width, height) = if orientation.swaps_sides() { (size.1, size.0) } else { size };
        let mut recording = Recording::new();
        recording.push(Step::Convert { channels: Channels::Rgba, depth: Depth::U8 });
        recording.push(Step::Resize { width, height, filter: Filter::Lanczos3 });
        recording.push(Step::Orient { orientation });
        let (image, _) = processor.run(&recording, first.image, cancel)?;
        turn::turned(image, options.rotation)
    }
}
