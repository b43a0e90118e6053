//! One image conversion, from an open file to an open file: header, limits, decode, kernels, encode.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::admission::Memory;
use super::analysis;
use super::coefficients::{self, Asked};
use super::color::Colors;
use super::decodes::{self, Decodes, Joined};
use super::job::{Clock, Files, ImageJob};
use super::options::ConvertOptions;
use super::plan::{Source, cut, plan, reduced_size, scale};
use super::{keep, stamp};
use super::{onward, planes};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::{
    self, Cancel, Category, DecodeOptions, Decoded, EncodeOptions, Flags, Format, Frame, Header, Limits, by_name, sniff,
};
use crate::pixels::{Fit, Gravity, Image, Processor, Ran, Recording, Shape, Step};

/// Largest file that is read into memory, bytes: 100 megapixels of 16-bit RGBA and some.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What is said of a file with a gain map.
pub(super) const DIMMED: &str = "The HDR gain map was left out: the result is the picture for ordinary screens";

/// What is added to a recording whose result has that shape, for a target with those flags; and whether the frame is one of those
/// that are meant.
pub(super) type Finish<'a> = &'a dyn Fn(&mut Recording, Shape, Flags, bool) -> Result<(), Failure>;

/// Whether the frame of that position, from 0, is meant, of so many.
pub(super) type Meant<'a> = &'a dyn Fn(u32, u32) -> Result<bool, Failure>;

/// Converts the input to the output by `options`; `finish` may add steps to those that the options need, on frames that are `meant`.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(
    job: &ImageJob,
    options: &ConvertOptions,
    mut files: Files,
    processor: &Processor,
    cancel: &Cancel,
    finish: Finish<'_>,
    meant: Meant<'_>,
) -> Result<Made, Failure> {
    let (from, to) = (format(&job.from)?, format(&job.to)?);
    let joined = job.share.as_ref().and_then(|share| Decodes::of_process().join(share, &files.input));
    let data = read(files.input)?;
    let mut clock = Clock::default();
    let header = probe(from, to, job, options.density, &data, cancel, &mut clock).map_err(|f| mislabelled(f, from, &data))?;
    // Held until the result is written.
    let options = &fitting(options, &header, to);
    let count = frames_wanted(&header, from, to);
    let _room =
        clock.time("room", || Memory::of_process().acquire(predicted_bytes(&header, options, count, data.len()), cancel))?;
    let known = joined.as_ref().map(Joined::known);
    let asked =
        Asked { job, options, from, to, header: &header, data: &data, known: known.as_deref(), processor, cancel, finish, meant };
    let shortcut = match coefficients::run(&asked, &mut clock, &files.output)? {
        None => planes::run(&asked, &mut clock, &files.output)?,
        made => made,
    };
    let mut in_vain = Vec::new();
    let shortcut = match shortcut {
        None if count == 1 => onward::run(&asked, &mut clock, &mut files.output, &mut in_vain)?,
        made => made,
    };
    if let Some(mut made) = shortcut {
        if let Some(joined) = &joined {
            joined.explain(&mut made.explain);
        }
        return Ok(made);
    }
    let exactly = planes::exactly(&asked, count)?;
    let wanted = DecodeOptions {
        exactly,
        limits: job.limits,
        all_frames: count > 1,
        page: options.page - 1,
        at_least: Some(wanted_size(&header, options, from, &job.limits)),
        known,
        cancel: cancel.clone(),
    };
    let mut decoded = decodes::decode(from, &header, &wanted, &data, &mut clock).map_err(|f| mislabelled(f, from, &data))?;
    // With all that is kept the profile stays, too; where the target has no room for one, its colours are better off as sRGB.
    let keep_icc = options.keep_icc || (!options.strip && to.flags.profile);
    let colors = if keep_icc { Colors::default() } else { clock.time("color", || Colors::read(&mut decoded))? };
    let is_resized = exactly.is_some_and(|size| is_only(&decoded, size));
    let bytes_in = data.len();
    let runner = Runner { processor, cancel, colors: &colors, finish, meant };
    let jpeg = untouched(to, job, options, &decoded, (header.width, header.height), &data, &runner);
    let dimmed = keep::has_gain_map(&data);
    // Only this is needed of the file from here on.
    let data = if options.strip || !to.flags.tags { Vec::new() } else { data };

    let frames = decoded.frames.len();
    let mut warnings = warnings(&decoded, &header, options.page, from, to);
    warnings.extend(colors.warning.clone());
    if dimmed {
        warnings.push(DIMMED.to_owned());
    }
    let (mut made, mut ran) = process(decoded, &header, options, to, &runner)?;
    ran.fallbacks.splice(0..0, in_vain);
    clock.ran(&ran);
    if job.test {
        clock.time("mark", || made.frames.iter_mut().for_each(|frame| stamp::mark(&mut frame.image)));
        warnings.push("Made with a test key: the result is marked TEST".to_owned());
    }
    let (width, height) = made.frames.first().map_or((0, 0), |frame| (frame.image.width(), frame.image.height()));
    let (tags, left_out) =
        if data.is_empty() { Default::default() } else { clock.time("tags", || keep::for_upright(&data, (width, height))) };
    warnings.extend(left_out);
    let how = EncodeOptions {
        quality: options.quality,
        effort: options.effort,
        tags,
        density: options.density.unwrap_or(CSS_DENSITY),
        lossless: !from.flags.lossy,
        jpeg,
        cancel: cancel.clone(),
        ..EncodeOptions::default()
    };
    let bytes_out = clock.time("encode", || encode(to, &made, &how, &mut files.output))?;
    if let (Some(share), true) = (&job.share, is_exact(to, &made, &how)) {
        Decodes::of_process().put(share, &files.output, &made);
    }

    warnings.dedup();
    let pixels = |width: u32, height: u32| u64::from(width) * u64::from(height) * frames as u64;
    let explain = json!({
        "engine": super::ID,
        "device": ran.device,
        "reason": ran.reason,
        "fallbacks": ran.fallbacks,
        "source": { "format": from.name, "width": header.width, "height": header.height, "frames": header.frames },
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "pixels_in": pixels(header.width, header.height),
        "pixels_out": pixels(width, height),
        "ms": clock.stages,
    });
    let mut explain = match explain {
        Value::Object(explain) => explain,
        _ => Map::new(),
    };
    if is_resized {
        explain.insert("way".to_owned(), json!("resized"));
    }
    if let Some(joined) = &joined {
        joined.explain(&mut explain);
    }
    Ok(Made { width: Some(width), height: Some(height), warnings, explain, ..Made::default() })
}

/// The file itself without its metadata, where it is a JPEG that the target can hold and nothing is to be done to its picture.
fn untouched(
    to: &Format,
    job: &ImageJob,
    options: &ConvertOptions,
    decoded: &Decoded,
    size: (u32, u32),
    data: &[u8],
    runner: &Runner<'_>,
) -> Option<Arc<Vec<u8>>> {
    let [Frame { image, .. }] = &decoded.frames[..] else { return None };
    if !to.flags.embeds_jpeg || job.test || options.trim || decoded.icc.is_some() || !is_only(decoded, size) {
        return None;
    }
    let (stored, orientation) = ((image.width(), image.height()), decoded.orientation);
    let source = Source { decoded: image.shape(), stored, orientation, frames: 1, focus: None };
    let nothing = record(&source, options, to, runner, true).is_ok_and(|recording| recording.steps.is_empty());
    if nothing { formats::plain_jpeg(data).map(Arc::new) } else { None }
}

/// Whether it is one picture of that size.
fn is_only(decoded: &Decoded, size: (u32, u32)) -> bool {
    matches!(&decoded.frames[..], [Frame { image, .. }] if (image.width(), image.height()) == size)
}

pub(super) fn format(name: &str) -> Result<&'static Format, Failure> {
    by_name(name).ok_or_else(|| Failure::unsupported(format!("{name} is not an image format that is known here")))
}

pub(super) fn read(mut input: File) -> Result<Vec<u8>, Failure> {
    let length = input.metadata().map_err(Failure::internal)?.len();
    if length > MAX_FILE_BYTES {
        return Err(Failure::too_large(format!("The file has {length} bytes; the limit for images is {MAX_FILE_BYTES} bytes")));
    }
    input.rewind().map_err(Failure::internal)?;
    let mut data = Vec::with_capacity(usize::try_from(length).map_err(Failure::internal)?);
    // A file that grows meanwhile is read up to the limit, no further.
    input.take(MAX_FILE_BYTES).read_to_end(&mut data).map_err(Failure::internal)?;
    if data.is_empty() {
        return Err(Failure::invalid("The file is empty"));
    }
    Ok(data)
}

/// Pixels an inch of a drawing whose size is counted in CSS pixels.
pub(super) const CSS_DENSITY: u32 = 96;

/// Reads the header and holds it against the limits; no pixel is touched yet. A drawing has the size of its `density`.
fn probe(
    from: &Format,
    to: &Format,
    job: &ImageJob,
    density: Option<u32>,
    data: &[u8],
    cancel: &Cancel,
    clock: &mut Clock,
) -> Result<Header, Failure> {
    let decoder = from.decode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be read", from.title)))?;
    let mut header = clock.time("probe", || guarded(|| (decoder.probe)(data, &job.limits)))?;
    if let Some(density) = density.filter(|_| from.flags.vector) {
        (header.width, header.height) = (scale(header.width, density, CSS_DENSITY), scale(header.height, density, CSS_DENSITY));
    }
    job.limits.check(from.title, header.width, header.height, frames_wanted(&header, from, to))?;
    cancel.check()?;
    Ok(header)
}

/// How many of the frames or pages become part of the result: all of them where it can hold them, otherwise one.
pub(super) fn frames_wanted(header: &Header, from: &Format, to: &Format) -> u32 {
    let moves = from.flags.animated && (to.flags.animated || to.category == Category::Document);
    let turns = from.flags.pages && to.flags.pages;
    if moves || turns { header.frames.max(1) } else { 1 }
}

/// The options with a size that the target holds, where it holds little and none was asked for.
fn fitting(options: &ConvertOptions, header: &Header, to: &Format) -> ConvertOptions {
    let options = options.clone();
    match to.flags.largest {
        Some(side) if options.width.is_none() && options.height.is_none() && header.width.max(header.height) > side => {
            ConvertOptions { width: Some(side), height: Some(side), fit: Fit::Max, ..options }
        }
        _ => options,
    }
}

/// The size at which decoding is to give the picture: for a drawing the one that the kernels need, within the limits (where only
/// a part of a huge whole is wanted, it is drawn smaller and enlarged).
pub(super) fn wanted_size(header: &Header, options: &ConvertOptions, from: &Format, limits: &Limits) -> (u32, u32) {
    if from.flags.vector {
        drawn_size(header, options, limits)
    } else {
        reduced_size((header.width, header.height), header.orientation, options)
    }
}

/// The size at which something is drawn that has none of its own.
pub(super) fn drawn_size(header: &Header, options: &ConvertOptions, limits: &Limits) -> (u32, u32) {
    let wanted = reduced_size((header.width, header.height), header.orientation, options);
    let (width, height) = (f64::from(wanted.0.max(1)), f64::from(wanted.1.max(1)));
    let side = f64::from(limits.side) / width.max(height);
    let area = (limits.pixels as f64 / (width * height)).sqrt();
    let factor = side.min(area).min(1.0);
    ((width * factor).max(1.0) as u32, (height * factor).max(1.0) as u32)
}

/// Bytes that the task will take: the file, the decoded frames with one copy on the way, and the result.
pub(super) fn predicted_bytes(header: &Header, options: &ConvertOptions, frames: u32, file: usize) -> u64 {
    let decoded = header.predicted_bytes(frames);
    let (width, height) = (u64::from(header.width.max(1)), u64::from(header.height.max(1)));
    let (wide, high) = match (options.width.map(u64::from), options.height.map(u64::from)) {
        (Some(w), Some(h)) => (w, h),
        (Some(w), None) => (w, w * height / width),
        (None, Some(h)) => (h * width / height, h),
        (None, None) => (width, height),
    };
    // Eight bytes a pixel: four samples of 16 bits, or of 8 bits with one copy.
    let result = wide.saturating_mul(high).saturating_mul(8).saturating_mul(u64::from(frames.max(1)));
    decoded.saturating_mul(2).saturating_add(result).saturating_add(file as u64)
}

pub(super) fn decode(from: &Format, wanted: &DecodeOptions, data: &[u8], clock: &mut Clock) -> Result<Decoded, Failure> {
    let decoder = from.decode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be read", from.title)))?;
    clock.time("decode", || guarded(|| (decoder.decode)(data, wanted)))
}

/// Runs a decoder; a panic in it is the fault of this input alone.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Failure::Crashed { cause: format!("a decoder panicked: {text}") })
    })
}

/// Says what the file is, where that explains the failure.
pub(super) fn mislabelled(failure: Failure, from: &Format, data: &[u8]) -> Failure {
    match (&failure, sniff(data)) {
        (Failure::Invalid { field: None, .. } | Failure::Unsupported { .. }, Some(found)) if found.name != from.name => {
            Failure::invalid(format!("The file is a {}, not a {}", found.title, from.title))
        }
        _ => failure,
    }
}

fn warnings(decoded: &Decoded, header: &Header, page: u32, from: &Format, to: &Format) -> Vec<String> {
    let mut warnings = Vec::new();
    if header.frames > 1 && decoded.frames.len() == 1 {
        let (which, what) = match (from.flags.pages, page) {
            (true, 1) => ("the first".to_owned(), "pages"),
            (true, page) => (format!("page {page}"), "pages"),
            (false, _) => ("the first".to_owned(), "frames"),
        };
        warnings.push(format!("Only {which} of {} {what} was converted: {} holds one", header.frames, to.title));
    }
    if !to.flags.profile && decoded.icc.is_some() {
        warnings.push(format!("The colour profile was left out: {} holds none. Colours may look different", to.title));
    }
    warnings
}

/// What runs recordings.
pub(super) struct Runner<'a> {
    pub(super) processor: &'a Processor,
    pub(super) cancel: &'a Cancel,
    pub(super) colors: &'a Colors,
    pub(super) finish: Finish<'a>,
    pub(super) meant: Meant<'a>,
}

/// What is to be done with a picture like `source`.
fn record(
    source: &Source,
    options: &ConvertOptions,
    to: &Format,
    runner: &Runner<'_>,
    meant: bool,
) -> Result<Recording, Failure> {
    let mut recording = plan(source, options, to.flags, runner.colors)?;
    let shape = recording.output(source.decoded)?;
    (runner.finish)(&mut recording, shape, to.flags, meant)?;
    Ok(recording)
}

pub(super) fn process(
    decoded: Decoded,
    header: &Header,
    options: &ConvertOptions,
    to: &Format,
    runner: &Runner<'_>,
) -> Result<(Decoded, Ran), Failure> {
    let (decoded, stored) = trimmed(decoded, header, options, runner)?;
    let first = &decoded.frames.first().ok_or_else(|| Failure::internal("a decoder gave no frame"))?.image;
    let shape = first.shape();
    let count = u32::try_from(decoded.frames.len()).unwrap_or(u32::MAX);
    // What the file states is the size of its first page.
    let of_first = |other| if other == shape && options.page == 1 { Some(stored) } else { None };
    let of = |image: &Image, meant: bool| {
        let decoded_shape = image.shape();
        let stored = of_first(decoded_shape).unwrap_or((decoded_shape.width, decoded_shape.height));
        let mut source = Source { decoded: decoded_shape, stored, orientation: decoded.orientation, frames: count, focus: None };
        // In an animation the first frame decides: what is cut must not jump about.
        if let (Gravity::Smart, Some(part)) = (options.gravity, cut(&source, options)) {
            source.focus = Some(analysis::place(image, part, runner.processor, runner.cancel)?);
        }
        record(&source, options, to, runner, meant)
    };
    let meant = (runner.meant)(0, count)?;
    let mut recording = ((shape, meant), of(first, meant)?);
    let mut total = Ran::default();
    let mut frames = Vec::with_capacity(decoded.frames.len());
    for (index, Frame { image, delay_ms }) in (0..count).zip(decoded.frames) {
        // Pages may differ in size and layout.
        let kind = (image.shape(), (runner.meant)(index, count)?);
        if kind != recording.0 {
            recording = (kind, of(&image, kind.1)?);
        }
        let (image, ran) = runner.processor.run(&recording.1, image, runner.cancel)?;
        frames.push(Frame { image, delay_ms });
        total.kernel_us += ran.kernel_us;
        total.upload_us += ran.upload_us;
        total.readback_us += ran.readback_us;
        total.fallbacks.extend(ran.fallbacks);
        (total.device, total.reason) = (ran.device, ran.reason);
    }
    total.fallbacks.dedup();
    Ok((Decoded { frames, orientation: decoded.orientation, icc: decoded.icc, loops: decoded.loops }, total))
}

/// The frames without their border, and the stored size of what is left of the first one. Frames of one size share a border, so
/// that an animation stays in its place; pages that differ have one each.
fn trimmed(
    mut decoded: Decoded,
    header: &Header,
    options: &ConvertOptions,
    runner: &Runner<'_>,
) -> Result<(Decoded, (u32, u32)), Failure> {
    let stored = (header.width, header.height);
    if !options.trim {
        return Ok((decoded, stored));
    }
    let images: Vec<&Image> = decoded.frames.iter().map(|frame| &frame.image).collect();
    let border = |images: &[&Image]| analysis::inside_of_border(images.iter().copied(), options.trim_threshold);
    let alike = images.iter().all(|image| image.shape() == images[0].shape());
    let inside: Vec<_> =
        if alike { vec![border(&images); images.len()] } else { images.iter().map(|image| border(&[image])).collect() };
    let left = inside.first().copied().flatten().map_or(stored, |inside| (inside.width, inside.height));
    for (frame, inside) in decoded.frames.iter_mut().zip(inside) {
        let Some(analysis::Rectangle { x, y, width, height }) = inside else { continue };
        let recording = Recording { steps: vec![Step::Crop { x, y, width, height }], ..Recording::default() };
        // The frame's own pixels are not needed any more once they are cut.
        let nothing = Image::zeroed(Shape { width: 1, height: 1, ..frame.image.shape() })?;
        let image = std::mem::replace(&mut frame.image, nothing);
        frame.image = runner.processor.run(&recording, image, runner.cancel)?.0;
    }
    Ok((decoded, left))
}

/// Whether what is written will be read back just like that.
pub(super) fn is_exact(to: &Format, made: &Decoded, how: &EncodeOptions) -> bool {
    to.flags.exact && made.frames.len() == 1 && made.icc.is_none() && how.tags.is_empty()
}

/// Writes the result and returns its length.
pub(super) fn encode(to: &Format, made: &Decoded, how: &EncodeOptions, output: &mut File) -> Result<u64, Failure> {
    let encoder = to.encode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be written", to.title)))?;
    output.rewind().and_then(|()| output.set_len(0)).map_err(Failure::internal)?;
    encoder(made, how, output)?;
    output.flush().map_err(Failure::internal)?;
    Ok(output.metadata().map_err(Failure::internal)?.len())
}
