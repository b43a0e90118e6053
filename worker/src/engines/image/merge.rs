//! Several pictures into one file: pages, frames of an animation, or a sheet.

use std::sync::Arc;

use convertfly_scheduler::catalog::OptionKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::admission::Memory;
use super::color::Colors;
use super::job::{Clock, Files, ImageJob};
use super::options::{Color, ConvertOptions};
use super::pipeline::{self, decode, encode, format, mislabelled, read};
use super::stamp;
use crate::engines::{Beside, Made};
use crate::failure::Failure;
use crate::formats::{Cancel, DecodeOptions, Decoded, EncodeOptions, Format, Frame, Header, holds_several};
use crate::options::Options;
use crate::pixels::{Channels, Depth, Fit, Gravity, Image, Orientation, Processor, Recording, Step};

/// How several pictures stand in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One after the other: pages, or frames.
    #[default]
    Pages,
    /// Side by side on one picture.
    Sheet,
}

crate::options! {
    /// Options of `merge`.
    pub struct MergeOptions {
        "How the pictures stand: pages (frames in a gif, webp or png) or one sheet with all of them." layout: Layout = Layout::Pages =>
            OptionKind::OneOf { values: ["pages", "sheet"].map(str::to_owned).to_vec() },
        "Width of each picture in pixels; in an animation, absent: the widest one's." width: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 16_384 },
        "Height of each picture in pixels; in an animation, absent: the highest one's." height: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 16_384 },
        "Colour between and behind the pictures." background: Color = Color([255; 4]) => OptionKind::Color,
        "Milliseconds that each picture of an animation is shown." delay: u32 = 1_000 => OptionKind::Integer { min: 10, max: 600_000 },
        "How often an animation plays; 0 is for ever." loops: u32 = 0 => OptionKind::Integer { min: 0, max: 65_535 },
        "Pictures in a row of a sheet; absent: about as many as there are rows." columns: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 100 },
        "Pixels between the pictures of a sheet, and around it." gap: u32 = 16 => OptionKind::Integer { min: 0, max: 1_000 },
        "Pixels an inch on the pages of a pdf." density: u32 = 96 => OptionKind::Integer { min: 1, max: 2_400 },
        "Output quality of lossy formats, 1 to 100." quality: u8 = 85 => OptionKind::Integer { min: 1, max: 100 },
    }
}

/// Side of a picture on a sheet where none is asked for, pixels.
const CELL: u32 = 256;

/// A picture that has been looked at, not decoded.
struct Source {
    from: &'static Format,
    data: Vec<u8>,
    header: Header,
    frames: u32,
}

/// Merges the input and the files beside it, in that order.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(job: &ImageJob, mut files: Files, processor: &Processor, cancel: &Cancel) -> Result<Made, Failure> {
    let options = MergeOptions::read(&job.options)?;
    let to = format(&job.to)?;
    let sheet = options.layout == Layout::Sheet;
    if !sheet && !holds_several(to) {
        let reason =
            format!("{} holds one picture. Set layout to sheet, or output_format to pdf, tiff, gif, webp or png", to.title);
        return Err(Failure::invalid_field("output_format", reason));
    }
    let mut clock = Clock::default();
    let input = Beside { format: job.from.clone(), file: files.input };
    let mut sources = Vec::with_capacity(files.beside.len() + 1);
    for (index, file) in [input].into_iter().chain(files.beside).enumerate() {
        sources.push(look(job, file, to, sheet, cancel).map_err(|failure| numbered(failure, index))?);
    }
    let each = each(&options, &sources, to);
    let predicted = sources.iter().map(|s| pipeline::predicted_bytes(&s.header, &each, s.frames, s.data.len()));
    let predicted = predicted.fold(0_u64, u64::saturating_add);
    let _room = clock.time("room", || Memory::of_process().acquire(predicted, cancel))?;
    let (count, bytes_in) = (sources.len(), sources.iter().map(|source| source.data.len()).sum::<usize>());
    let total: u64 = sources.iter().map(|s| u64::from(s.header.width) * u64::from(s.header.height) * u64::from(s.frames)).sum();
    if total > job.limits.pixels {
        let (found, limit) = (total / 1_000_000, job.limits.pixels / 1_000_000);
        return Err(Failure::too_large(format!(
            "The pictures have {found} MP together; the limit is {limit} MP. Resize them first"
        )));
    }
    let mut frames = Vec::new();
    for (index, source) in sources.into_iter().enumerate() {
        let made = picture(job, source, &each, to, processor, cancel, &mut clock);
        frames.extend(made.map_err(|failure| numbered(failure, index))?);
    }
    if sheet {
        frames = vec![Frame { image: lay_out(frames, &options, to, processor, cancel)?, delay_ms: 0 }];
    } else if to.flags.animated {
        frames.iter_mut().filter(|frame| frame.delay_ms == 0).for_each(|frame| frame.delay_ms = options.delay);
        frames = uniform(frames, processor, cancel)?;
    }
    let mut warnings = Vec::new();
    if job.test {
        frames.iter_mut().for_each(|frame| stamp::mark(&mut frame.image));
        warnings.push("Made with a test key: the result is marked TEST".to_owned());
    }
    let (width, height) = frames.first().map_or((0, 0), |frame| (frame.image.width(), frame.image.height()));
    let made = Decoded { frames, orientation: Orientation::Upright, icc: None, loops: options.loops };
    let how =
        EncodeOptions { quality: options.quality, density: options.density, cancel: cancel.clone(), ..EncodeOptions::default() };
    let bytes_out = clock.time("encode", || encode(to, &made, &how, &mut files.output))?;
    let explain = json!({
        "engine": super::ID,
        "pictures": count,
        "frames": made.frames.len(),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { width: Some(width), height: Some(height), warnings, explain, ..Made::default() })
}

/// Says which of the inputs is at fault.
fn numbered(failure: Failure, index: usize) -> Failure {
    let number = index + 1;
    match failure {
        Failure::Invalid { message, field: None } => Failure::invalid(format!("Input {number}: {message}")),
        Failure::Unsupported { message } => Failure::unsupported(format!("Input {number}: {message}")),
        Failure::TooLarge { message } => Failure::too_large(format!("Input {number}: {message}")),
        other => other,
    }
}

/// Reads the header of one input.
fn look(job: &ImageJob, file: Beside, to: &Format, sheet: bool, cancel: &Cancel) -> Result<Source, Failure> {
    cancel.check()?;
    let from = format(&file.format)?;
    let data = read(file.file)?;
    let decoder = from.decode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be read", from.title)))?;
    let header =
        pipeline::guarded(|| (decoder.probe)(&data, &job.limits)).map_err(|failure| mislabelled(failure, from, &data))?;
    let frames = if sheet { 1 } else { pipeline::frames_wanted(&header, from, to) };
    job.limits.check(from.title, header.width, header.height, frames)?;
    Ok(Source { from, data, header, frames })
}

/// What is done with each picture: those of an animation get one size, those of a sheet fit into their cells.
fn each(options: &MergeOptions, sources: &[Source], to: &Format) -> ConvertOptions {
    let plain = ConvertOptions {
        quality: options.quality,
        background: options.background,
        width: options.width,
        height: options.height,
        fit: Fit::Max,
        ..ConvertOptions::default()
    };
    let upright = |source: &Source| {
        let (width, height) = (source.header.width, source.header.height);
        if source.header.orientation.swaps_sides() { (height, width) } else { (width, height) }
    };
    if options.layout == Layout::Sheet {
        let side = |asked: Option<u32>, other: Option<u32>| asked.or(other).unwrap_or(CELL);
        let (width, height) = (side(options.width, options.height), side(options.height, options.width));
        return ConvertOptions { width: Some(width), height: Some(height), ..plain };
    }
    if to.flags.animated {
        let widest = sources.iter().map(|source| upright(source).0).max();
        let highest = sources.iter().map(|source| upright(source).1).max();
        let (width, height) = (options.width.or(widest), options.height.or(highest));
        return ConvertOptions { width, height, fit: Fit::Pad, enlarge: Some(false), gravity: Gravity::Center, ..plain };
    }
    plain
}

/// The frames of one picture, ready to be encoded.
fn picture(
    job: &ImageJob,
    source: Source,
    each: &ConvertOptions,
    to: &Format,
    processor: &Processor,
    cancel: &Cancel,
    clock: &mut Clock,
) -> Result<Vec<Frame>, Failure> {
    let Source { from, data, header, frames } = source;
    let wanted = DecodeOptions {
        limits: job.limits,
        all_frames: frames > 1,
        at_least: Some(pipeline::wanted_size(&header, each, from, &job.limits)),
        cancel: cancel.clone(),
        ..DecodeOptions::default()
    };
    let mut decoded = decode(from, &wanted, &data, clock).map_err(|failure| mislabelled(failure, from, &data))?;
    drop(data);
    let colors = Colors::read(&mut decoded)?;
    let runner = pipeline::Runner { processor, cancel, colors: &colors, finish: &|_, _, _, _| Ok(()), meant: &|_, _| Ok(true) };
    let (made, _) = pipeline::process(decoded, &header, each, to, &runner)?;
    Ok(made.frames)
}

/// All frames in one layout: with colour, alpha or 16 bits if any of them has it.
fn uniform(frames: Vec<Frame>, processor: &Processor, cancel: &Cancel) -> Result<Vec<Frame>, Failure> {
    let any = |has: fn(&Image) -> bool| frames.iter().any(|frame| has(&frame.image));
    let colored = any(|image| image.channels().without_alpha() == Channels::Rgb);
    let channels = match (colored, any(|image| image.channels().has_alpha())) {
        (true, true) => Channels::Rgba,
        (true, false) => Channels::Rgb,
        (false, true) => Channels::GreyAlpha,
        (false, false) => Channels::Grey,
    };
    let depth = if any(|image| image.depth() == Depth::U16) { Depth::U16 } else { Depth::U8 };
    let recording = Recording { steps: vec![Step::Convert { channels, depth }], ..Recording::default() };
    let convert = |Frame { image, delay_ms }| Ok(Frame { image: processor.run(&recording, image, cancel)?.0, delay_ms });
    frames.into_iter().map(convert).collect()
}

/// All pictures in rows on one.
fn lay_out(
    frames: Vec<Frame>,
    options: &MergeOptions,
    to: &Format,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<Image, Failure> {
    let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
    let columns = options.columns.unwrap_or_else(|| (f64::from(count)).sqrt().ceil() as u32).clamp(1, count.max(1));
    let rows = count.div_ceil(columns);
    let widest = frames.iter().map(|frame| frame.image.width()).max().unwrap_or(1);
    let highest = frames.iter().map(|frame| frame.image.height()).max().unwrap_or(1);
    let whole = |cells: u32, side: u32| u64::from(cells) * u64::from(side) + u64::from(cells + 1) * u64::from(options.gap);
    let (width, height) = (whole(columns, widest), whole(rows, highest));
    let most = u64::from(super::plan::MAX_SIDE);
    if width > most || height > most || width * height > super::plan::MAX_PIXELS {
        let reason =
            format!("the sheet would be {width} x {height} pixels; the limit is {most} a side. Set width and height to less");
        return Err(Failure::invalid_field("width", reason));
    }
    let [r, g, b, a] = options.background.0;
    let (channels, ground) =
        if a < 255 && to.flags.alpha { (Channels::Rgba, vec![r, g, b, a]) } else { (Channels::Rgb, vec![r, g, b]) };
    let dot = Image::new(1, 1, channels, Depth::U8, ground)?;
    let mut recording = Recording::new();
    recording.push(Step::Pad { x: 0, y: 0, width: width as u32, height: height as u32, color: options.background.0 });
    for (index, frame) in (0_u32..).zip(frames) {
        let (column, row) = (index % columns, index / columns);
        // In the middle of its cell.
        let at = |cell: u32, side: u32, own: u32| (options.gap + cell * (side + options.gap) + (side - own) / 2).cast_signed();
        let (x, y) = (at(column, widest, frame.image.width()), at(row, highest, frame.image.height()));
        let layer = recording.layer(Arc::new(frame.image));
        recording.push(Step::Overlay { layer, x, y, opacity: u8::MAX, every: None, below: false });
    }
    Ok(processor.run(&recording, dot, cancel)?.0)
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
