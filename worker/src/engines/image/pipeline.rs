//! One image conversion, from an open file to an open file: header, limits, decode, kernels, encode.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::admission::Memory;
use super::options::ConvertOptions;
use super::plan::{Source, plan, reduced_size};
use super::stamp;
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::{Cancel, DecodeOptions, Decoded, EncodeOptions, Format, Frame, Header, Limits, by_name, sniff};
use crate::options::Options;
use crate::pixels::{Processor, Ran};

/// Largest file that is read into memory, bytes: 100 megapixels of 16-bit RGBA and some.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What to do with a file; crosses the executor's process boundary as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageJob {
    /// Source format, canonical name.
    pub from: String,
    /// Target format, canonical name.
    pub to: String,
    /// The task's `options` object.
    pub options: Map<String, Value>,
    /// What is refused before decoding.
    #[serde(default)]
    pub limits: Limits,
    /// Whether the result is marked TEST.
    #[serde(default)]
    pub test: bool,
}

/// Milliseconds per stage, for `explain`.
#[derive(Default)]
struct Clock {
    stages: Map<String, Value>,
}

impl Clock {
    fn set(&mut self, stage: &str, micros: u128) {
        // Two decimals: below that is noise.
        self.stages.insert(stage.to_owned(), json!((micros as f64 / 10.0).round() / 100.0));
    }

    fn time<T>(&mut self, stage: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let made = work();
        self.set(stage, start.elapsed().as_micros());
        made
    }
}

/// Converts `input` to `output`, which becomes exactly the result.
///
/// # Errors
/// [`Failure::Invalid`], [`Failure::Unsupported`] and [`Failure::TooLarge`] for faults of the file or of an option,
/// [`Failure::Crashed`] when a decoder panicked, [`Failure::Cancelled`] once `cancel` is set, [`Failure::Internal`] when a file
/// cannot be read or written.
pub fn run(job: &ImageJob, input: File, output: File, processor: &Processor, cancel: &Cancel) -> Result<Made, Failure> {
    let (from, to) = (format(&job.from)?, format(&job.to)?);
    let options = ConvertOptions::read(&job.options)?;
    let data = read(input)?;
    let mut clock = Clock::default();
    let header = probe(from, to, job, &data, cancel, &mut clock).map_err(|f| mislabelled(f, from, &data))?;
    // Held until the result is written.
    let _room =
        clock.time("room", || Memory::of_process().acquire(predicted_bytes(&header, &options, to, data.len()), cancel))?;
    let wanted = DecodeOptions {
        limits: job.limits,
        all_frames: to.flags.animated,
        at_least: Some(reduced_size((header.width, header.height), header.orientation, &options)),
        cancel: cancel.clone(),
    };
    let decoded = decode(from, &wanted, &data, &mut clock).map_err(|f| mislabelled(f, from, &data))?;
    let bytes_in = data.len();
    drop(data);

    let frames = decoded.frames.len();
    let mut warnings = warnings(&decoded, &header, from, to);
    let (mut made, ran) = process(decoded, &header, &options, to, processor, cancel)?;
    for (stage, micros) in [("kernel", ran.kernel_us), ("upload", ran.upload_us), ("readback", ran.readback_us)] {
        clock.set(stage, micros.into());
    }
    if job.test {
        clock.time("mark", || made.frames.iter_mut().for_each(|frame| stamp::mark(&mut frame.image)));
        warnings.push("Made with a test key: the result is marked TEST".to_owned());
    }
    let (width, height) = made.frames.first().map_or((0, 0), |frame| (frame.image.width(), frame.image.height()));
    let bytes_out = clock.time("encode", || encode(to, &made, &options, output, cancel))?;

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
    Ok(Made { width: Some(width), height: Some(height), warnings, explain })
}

fn format(name: &str) -> Result<&'static Format, Failure> {
    by_name(name).ok_or_else(|| Failure::unsupported(format!("{name} is not an image format that is known here")))
}

fn read(mut input: File) -> Result<Vec<u8>, Failure> {
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

fn decode(from: &Format, wanted: &DecodeOptions, data: &[u8], clock: &mut Clock) -> Result<Decoded, Failure> {
    let decoder = from.decode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be read", from.title)))?;
    clock.time("decode", || guarded(|| (decoder.decode)(data, wanted)))
}

/// Runs a decoder; a panic in it is the fault of this input alone.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Failure::Crashed { cause: format!("a decoder panicked: {text}") })
    })
}

/// Says what the file is, where that explains the failure.
fn mislabelled(failure: Failure, from: &Format, data: &[u8]) -> Failure {
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

fn process(
    decoded: Decoded,
    header: &Header,
    options: &ConvertOptions,
    to: &Format,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<(Decoded, Ran), Failure> {
    let first = decoded.frames.first().ok_or_else(|| Failure::internal("a decoder gave no frame"))?;
    let source = Source {
        decoded: first.image.shape(),
        stored: (header.width, header.height),
        orientation: decoded.orientation,
        frames: u32::try_from(decoded.frames.len()).unwrap_or(u32::MAX),
    };
    let recording = plan(&source, options, to.flags)?;
    let mut total = Ran::default();
    let mut frames = Vec::with_capacity(decoded.frames.len());
    for Frame { image, delay_ms } in decoded.frames {
        let (image, ran) = processor.run(&recording, image, cancel)?;
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
fn encode(to: &Format, made: &Decoded, options: &ConvertOptions, mut output: File, cancel: &Cancel) -> Result<u64, Failure> {
    let encoder = to.encode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be written", to.title)))?;
    output.rewind().and_then(|()| output.set_len(0)).map_err(Failure::internal)?;
    let encode = EncodeOptions { quality: options.quality, cancel: cancel.clone() };
    encoder(made, &encode, &mut output)?;
    output.flush().map_err(Failure::internal)?;
    Ok(output.metadata().map_err(Failure::internal)?.len())
}
