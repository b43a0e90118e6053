//! One image conversion, from an open file to an open file: header, limits, decode, kernels, encode.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Map, Value, json};

use super::admission::Memory;
use super::job::{Clock, Files, ImageJob};
use super::options::ConvertOptions;
use super::plan::{Source, plan, reduced_size};
use super::stamp;
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::{Cancel, DecodeOptions, Decoded, EncodeOptions, Flags, Format, Frame, Header, by_name, sniff};
use crate::pixels::{Processor, Ran, Recording, Shape};

/// Largest file that is read into memory, bytes: 100 megapixels of 16-bit RGBA and some.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What is added to a recording whose result has that shape, for a target with those flags.
pub(super) type Finish<'a> = &'a dyn Fn(&mut Recording, Shape, Flags) -> Result<(), Failure>;

/// Converts the input to the output by `options`; `finish` may add steps to those that the options need.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(
    job: &ImageJob,
    options: &ConvertOptions,
    files: Files,
    processor: &Processor,
    cancel: &Cancel,
    finish: Finish<'_>,
) -> Result<Made, Failure> {
    let (from, to) = (format(&job.from)?, format(&job.to)?);
    let data = read(files.input)?;
    let mut clock = Clock::default();
    let header = probe(from, to, job, &data, cancel, &mut clock).map_err(|f| mislabelled(f, from, &data))?;
    // Held until the result is written.
    let _room = clock.time("room", || Memory::of_process().acquire(predicted_bytes(&header, options, to, data.len()), cancel))?;
    let wanted = DecodeOptions {
        limits: job.limits,
        all_frames: to.flags.animated,
        at_least: Some(reduced_size((header.width, header.height), header.orientation, options)),
        cancel: cancel.clone(),
    };
    let decoded = decode(from, &wanted, &data, &mut clock).map_err(|f| mislabelled(f, from, &data))?;
    let bytes_in = data.len();
    drop(data);

    let frames = decoded.frames.len();
    let mut warnings = warnings(&decoded, &header, from, to);
    let (mut made, ran) = process(decoded, &header, options, to, &Runner { processor, cancel, finish })?;
    clock.ran(&ran);
    if job.test {
        clock.time("mark", || made.frames.iter_mut().for_each(|frame| stamp::mark(&mut frame.image)));
        warnings.push("Made with a test key: the result is marked TEST".to_owned());
    }
    let (width, height) = made.frames.first().map_or((0, 0), |frame| (frame.image.width(), frame.image.height()));
    let bytes_out = clock.time("encode", || encode(to, &made, options.quality, files.output, cancel))?;

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
    let explain = match explain {
        Value::Object(explain) => explain,
        _ => Map::new(),
    };
    Ok(Made { width: Some(width), height: Some(height), warnings, explain, ..Made::default() })
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

/// Reads the header and holds it against the limits; no pixel is touched yet.
fn probe(from: &Format, to: &Format, job: &ImageJob, data: &[u8], cancel: &Cancel, clock: &mut Clock) -> Result<Header, Failure> {
    let decoder = from.decode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be read", from.title)))?;
    let header = clock.time("probe", || guarded(|| (decoder.probe)(data, &job.limits)))?;
    let frames = if to.flags.animated { header.frames } else { 1 };
    job.limits.check(from.title, header.width, header.height, frames)?;
    cancel.check()?;
    Ok(header)
}

/// Bytes that the task will take: the file, the decoded frames with one copy on the way, and the result.
fn predicted_bytes(header: &Header, options: &ConvertOptions, to: &Format, file: usize) -> u64 {
    let frames = if to.flags.animated { header.frames } else { 1 };
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

fn warnings(decoded: &Decoded, header: &Header, from: &Format, to: &Format) -> Vec<String> {
    let mut warnings = Vec::new();
    if from.flags.animated && !to.flags.animated && header.frames > 1 {
        warnings.push(format!("Only the first of {} frames was converted: {} holds one", header.frames, to.title));
    }
    // Most profiles say sRGB, which is what readers assume without one.
    let standard = |icc: &[u8]| icc.windows(4).any(|text| text == b"sRGB") || icc.windows(8).any(|text| text == b"s\0R\0G\0B\0");
    if !to.flags.profile && decoded.icc.as_deref().is_some_and(|icc| !standard(icc)) {
        warnings.push(format!("The colour profile was left out: {} holds none. Colours may look different", to.title));
    }
    warnings
}

/// What runs recordings.
struct Runner<'a> {
    processor: &'a Processor,
    cancel: &'a Cancel,
    finish: Finish<'a>,
}

fn process(
    decoded: Decoded,
    header: &Header,
    options: &ConvertOptions,
    to: &Format,
    runner: &Runner<'_>,
) -> Result<(Decoded, Ran), Failure> {
    let first = decoded.frames.first().ok_or_else(|| Failure::internal("a decoder gave no frame"))?;
    let source = Source {
        decoded: first.image.shape(),
        stored: (header.width, header.height),
        orientation: decoded.orientation,
        frames: u32::try_from(decoded.frames.len()).unwrap_or(u32::MAX),
    };
    let mut recording = plan(&source, options, to.flags)?;
    let shape = recording.output(source.decoded)?;
    (runner.finish)(&mut recording, shape, to.flags)?;
    let mut total = Ran::default();
    let mut frames = Vec::with_capacity(decoded.frames.len());
    for Frame { image, delay_ms } in decoded.frames {
        let (image, ran) = runner.processor.run(&recording, image, runner.cancel)?;
        frames.push(Frame { image, delay_ms });
        total.kernel_us += ran.kernel_us;
        total.upload_us += ran.upload_us;
        total.readback_us += ran.readback_us;
        total.fallbacks.extend(ran.fallbacks);
        (total.device, total.reason) = (ran.device, ran.reason);
    }
    total.fallbacks.dedup();
    Ok((Decoded { frames, ..decoded }, total))
}

/// Writes the result and returns its length.
pub(super) fn encode(to: &Format, made: &Decoded, quality: u8, mut output: File, cancel: &Cancel) -> Result<u64, Failure> {
    let encoder = to.encode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be written", to.title)))?;
    output.rewind().and_then(|()| output.set_len(0)).map_err(Failure::internal)?;
    let encode = EncodeOptions { quality, cancel: cancel.clone() };
    encoder(made, &encode, &mut output)?;
    output.flush().map_err(Failure::internal)?;
    Ok(output.metadata().map_err(Failure::internal)?.len())
}
