//! Pages as pictures (hayro): each is drawn at the very size that is wanted, then treated like any other picture.

use std::fs::File;
use std::sync::Arc;

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_interpret::util::TransformExt;
use hayro::hayro_syntax::page::Page;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro::kurbo::Affine;
use hayro::vello_cpu::{Pixmap, RasterizerSettings, RenderContext, Resources, TargetInit, color::AlphaColor};
use hayro::{RenderCache, RenderSettings, render_into};
use serde_json::{Map, Value, json};

use super::super::admission::Memory;
use super::super::color;
use super::super::job::{Clock, ImageJob};
use super::super::options::ConvertOptions;
use super::super::pipeline::{self, Runner, encode, format};
use super::super::stamp;
use super::work::{DENSITY, damaged, only, protected};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::{Cancel, Decoded, EncodeOptions, Format, Frame, Header};
use crate::options::Options;
use crate::pixels::{Channels, Depth, Image, Orientation, Processor, Ran};

/// Opens a file, of which the pages are found but not yet read.
pub(super) fn open(data: Vec<u8>, password: &str) -> Result<Pdf, Failure> {
    let pdf = Pdf::new_with_password(Arc::new(data), password).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => protected(password),
        LoadPdfError::Decryption(error) => damaged(&format!("its encryption is not understood ({error:?})")),
        LoadPdfError::Invalid => damaged(&"its structure cannot be read"),
    })?;
    if pdf.pages().is_empty() { Err(damaged(&"it has no page")) } else { Ok(pdf) }
}

/// What pages are drawn with.
struct Drawing<'a> {
    job: &'a ImageJob,
    options: ConvertOptions,
    to: &'static Format,
    pdf: &'a Pdf,
    cache: RenderCache<'a>,
    runner: Runner<'a>,
}

impl<'a> Drawing<'a> {
    fn new(job: &'a ImageJob, pdf: &'a Pdf, processor: &'a Processor, cancel: &'a Cancel) -> Result<Self, Failure> {
        let runner = Runner { processor, cancel, colors: &color::SRGB, finish: &|_, _, _, _| Ok(()), meant: &|_, _| Ok(true) };
        let options = ConvertOptions::read(&job.options)?;
        Ok(Self { job, options, to: format(&job.to)?, pdf, cache: RenderCache::new(), runner })
    }

    /// One page, ready to be encoded.
    fn page(&self, number: u32, clock: &mut Clock) -> Result<(Decoded, Ran), Failure> {
        self.runner.cancel.check()?;
        let pages = self.pdf.pages();
        let page = (number as usize).checked_sub(1).and_then(|index| pages.get(index));
        let page = page.ok_or_else(|| {
            Failure::invalid_field("page", format!("there is no page {number}: the document has {}", pages.len()))
        })?;
        let header = self.header(page, number)?;
        let (width, height) = pipeline::drawn_size(&header, &self.options, &self.job.limits);
        let room = pipeline::predicted_bytes(&header, &self.options, 1, 0);
        let _room = Memory::of_process().acquire(room, self.runner.cancel)?;
        let image = clock.time("draw", || self.draw(page, width, height))?;
        pipeline::process(Decoded::still(image), &header, &self.options, self.to, &self.runner)
    }

    /// The size of the page at the density that is wanted, within the limits.
    fn header(&self, page: &Page<'_>, number: u32) -> Result<Header, Failure> {
        let density = self.options.density.unwrap_or(DENSITY);
        let (width, height) = page.render_dimensions();
        let pixels = |points: f32| {
            let pixels = (f64::from(points) * f64::from(density) / 72.0).round();
            if pixels.is_finite() { pixels.clamp(1.0, 4e9) as u32 } else { 1 }
        };
        let (width, height) = (pixels(width), pixels(height));
        self.job.limits.check("PDF", width, height, 1).map_err(|_| {
            Failure::too_large(format!(
                "Page {number} has {width} x {height} pixels at {density} dpi; the limits are {} a side and {} MP. Set density to less",
                self.job.limits.side,
                self.job.limits.pixels / 1_000_000
            ))
        })?;
        let (channels, depth, orientation) = (Channels::Rgb, Depth::U8, Orientation::Upright);
        Ok(Header { width, height, frames: 1, channels, depth, orientation })
    }

    /// On paper of the background's colour.
    fn draw(&self, page: &'a Page<'a>, width: u32, height: u32) -> Result<Image, Failure> {
        let side = |side: u32| u16::try_from(side).map_err(Failure::internal);
        let mut context = RenderContext::new(side(width)?, side(height)?);
        let (wide, high) = page.render_dimensions();
        let scale = Affine::scale_non_uniform(f64::from(width) / f64::from(wide), f64::from(height) / f64::from(high));
        let transform = scale * page.initial_transform(true).to_kurbo();
        let settings = InterpreterSettings::default();
        render_into(page, &self.cache, &settings, &RenderSettings::default(), &mut context, transform);
        context.flush();
        let mut pixmap = Pixmap::new(context.width(), context.height());
        let [red, green, blue, _] = self.options.background.0;
        let paper = TargetInit::Clear(AlphaColor::from_rgba8(red, green, blue, 255));
        let how = RasterizerSettings { target_init: paper, ..RasterizerSettings::default() };
        context.render_with(&mut pixmap, &mut Resources::default(), how);
        let (pixels, _) = pixmap.data_as_u8_slice().as_chunks::<4>();
        // The paper is opaque, and so is what lies on it.
        let rgb = pixels.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect();
        Image::new(width, height, Channels::Rgb, Depth::U8, rgb)
    }

    fn encode(&self, mut made: Decoded, mut output: File, clock: &mut Clock) -> Result<u64, Failure> {
        if self.job.test {
            made.frames.iter_mut().for_each(|frame| stamp::mark(&mut frame.image));
        }
        let how = EncodeOptions {
            quality: self.options.quality,
            effort: self.options.effort,
            density: self.options.density.unwrap_or(DENSITY),
            cancel: self.runner.cancel.clone(),
            ..EncodeOptions::default()
        };
        clock.time("encode", || encode(self.to, &made, &how, &mut output))
    }

    fn made(&self, sizes: &[(u32, u32)], bytes: u64, ran: &Ran, mut clock: Clock) -> Made {
        clock.ran(ran);
        let warnings =
            if self.job.test { vec!["Made with a test key: the result is marked TEST".to_owned()] } else { Vec::new() };
        let explain = json!({
            "engine": super::super::super::pdf::ID,
            "device": ran.device,
            "pages": sizes.len(),
            "density": self.options.density.unwrap_or(DENSITY),
            "bytes_out": bytes,
            "ms": clock.stages,
        });
        let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
        let (width, height) = sizes.first().copied().unzip();
        Made { width, height, metadata: Some(json!(sizes)), warnings, explain, ..Made::default() }
    }
}

fn size(image: &Image) -> (u32, u32) {
    (image.width(), image.height())
}

/// Draws each page into its output.
pub(super) fn each(
    job: &ImageJob,
    pdf: &Pdf,
    pages: &[u32],
    outputs: Vec<File>,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<Made, Failure> {
    if pages.len() != outputs.len() || pages.is_empty() {
        return Err(Failure::internal(format!("{} pages for {} outputs", pages.len(), outputs.len())));
    }
    let drawing = Drawing::new(job, pdf, processor, cancel)?;
    let (mut clock, mut total) = (Clock::default(), Total::default());
    let (mut sizes, mut bytes, mut last) = (Vec::with_capacity(pages.len()), 0, Ran::default());
    for (number, output) in pages.iter().zip(outputs) {
        let (made, ran) = drawing.page(*number, &mut clock)?;
        sizes.extend(made.frames.first().map(|frame| size(&frame.image)));
        bytes += drawing.encode(made, output, &mut clock)?;
        total.take(&mut clock);
        last = ran;
    }
    total.give(&mut clock);
    Ok(drawing.made(&sizes, bytes, &last, clock))
}

/// Draws all pages into one output.
pub(super) fn all(
    job: &ImageJob,
    pdf: &Pdf,
    pages: &[u32],
    outputs: Vec<File>,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<Made, Failure> {
    let output = only(outputs)?;
    let drawing = Drawing::new(job, pdf, processor, cancel)?;
    let (mut clock, mut total) = (Clock::default(), Total::default());
    let (mut frames, mut pixels, mut last): (Vec<Frame>, u64, Ran) = (Vec::new(), 0, Ran::default());
    for number in pages {
        let (made, ran) = drawing.page(*number, &mut clock)?;
        pixels += made.frames.iter().map(|frame| u64::from(frame.image.width()) * u64::from(frame.image.height())).sum::<u64>();
        if pixels > job.limits.pixels {
            let most = job.limits.pixels / 1_000_000;
            return Err(Failure::too_large(format!(
                "The pages have more than {most} MP together. Set density to less, name fewer pages, or leave multipage out"
            )));
        }
        frames.extend(made.frames);
        total.take(&mut clock);
        last = ran;
    }
    total.give(&mut clock);
    let sizes: Vec<_> = frames.iter().map(|frame| size(&frame.image)).collect();
    let made = Decoded { frames, orientation: Orientation::Upright, icc: None, loops: 0 };
    let bytes = drawing.encode(made, output, &mut clock)?;
    Ok(drawing.made(&sizes, bytes, &last, clock))
}

/// Milliseconds of stages that every page goes through.
#[derive(Default)]
struct Total(Map<String, Value>);

impl Total {
    /// Adds what the clock shows to the sums.
    fn take(&mut self, clock: &mut Clock) {
        for (stage, ms) in std::mem::take(&mut clock.stages) {
            let sum = self.0.get(&stage).and_then(Value::as_f64).unwrap_or_default() + ms.as_f64().unwrap_or_default();
            self.0.insert(stage, json!((sum * 100.0).round() / 100.0));
        }
    }

    /// Sets the clock to the sums.
    fn give(self, clock: &mut Clock) {
        clock.stages = self.0;
    }
}
