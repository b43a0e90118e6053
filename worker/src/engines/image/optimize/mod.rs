//! The same picture in fewer bytes: the file packed better, and where that is allowed, its pixels written at a lower quality.
//!
//! The result is never larger than the input. What claims to be exact is read back and compared, pixel by pixel.

mod compare;
pub mod options;
mod search;

use std::io::{Seek, Write};

use serde_json::{Map, Value, json};

use super::admission::Memory;
use super::job::{Clock, Files, ImageJob};
use super::pipeline::{decode, guarded, mislabelled, read};
use super::{color, keep, stamp};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::{
    Cancel, DecodeOptions, Decoded, Effort, EncodeOptions, Format, Header, Nature, OPTIMIZERS, Optimizer, RepackOptions, Tags,
};
use crate::options::Options;
use options::{OptimizeOptions, Quality, Wish};
use search::{Lossy, Way, Whole, colors};

/// By how much a file of changed pixels has to be smaller than one of the same pixels to be worth it.
const WORTH: f64 = 0.95;

/// Bytes that comparing by eye takes beside the picture.
const COMPARING: u64 = 128 << 20;

/// Longest side at which drawings are compared, pixels.
const DRAWN: u32 = 768;

/// A result, and how it came to be.
struct Found {
    data: Vec<u8>,
    explain: Map<String, Value>,
}

/// Makes the input smaller.
///
/// # Errors
/// As [`super::job::run`]; [`Failure::Invalid`] naming `max_bytes` where no quality fits it.
pub(super) fn run(job: &ImageJob, files: Files, cancel: &Cancel) -> Result<Made, Failure> {
    let options = OptimizeOptions::read(&job.options)?;
    let optimizer = OPTIMIZERS.iter().find(|optimizer| optimizer.format.name == job.from);
    let optimizer = optimizer.ok_or_else(|| Failure::unsupported(format!("`optimize` does not take {} files", job.from)))?;
    let format = optimizer.format;
    let data = read(files.input)?;
    let mut clock = Clock::default();
    let decoder = format.decode.ok_or_else(|| Failure::internal("a format without a decoder"))?;
    let header = clock
        .time("probe", || guarded(|| (decoder.probe)(&data, &job.limits)))
        .map_err(|failure| mislabelled(failure, format, &data))?;
    job.limits.check(format.title, header.width, header.height, header.frames)?;
    let room = header.predicted_bytes(header.frames).saturating_mul(4).saturating_add(4 * data.len() as u64 + COMPARING);
    let _room = clock.time("room", || Memory::of_process().acquire(room, cancel))?;
    let wanted = DecodeOptions {
        limits: job.limits,
        all_frames: true,
        at_least: format.flags.vector.then(|| drawn(&header)),
        cancel: cancel.clone(),
        ..DecodeOptions::default()
    };
    let decoded = decode(format, &wanted, &data, &mut clock).map_err(|failure| mislabelled(failure, format, &data))?;
    // A png says that behind its header.
    let turned = decoded.orientation.swaps_sides();
    let task = Task { job, options: &options, optimizer, wanted: &wanted, cancel };
    let (found, mut warnings) =
        if job.test { task.marked(&data, decoded, &mut clock)? } else { task.best(&data, decoded, &mut clock)? };

    let (kept, made) = match &found {
        Some(found) => (false, &found.data),
        None => (true, &data),
    };
    if kept {
        warnings.push("The file could not be made smaller, so it is given back as it was".to_owned());
    }
    let mut output = files.output;
    output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(made)).map_err(Failure::internal)?;
    let explain = json!({
        "engine": super::ID,
        "kept_original": kept,
        "source": { "format": format.name, "width": header.width, "height": header.height, "frames": header.frames },
        "bytes_in": data.len(),
        "bytes_out": made.len(),
        "ms": clock.stages,
    });
    let mut explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    explain.extend(found.map(|found| found.explain).unwrap_or_default());
    let (width, height) = if turned { (header.height, header.width) } else { (header.width, header.height) };
    Ok(Made { width: Some(width), height: Some(height), warnings, explain, ..Made::default() })
}

/// The size at which a drawing is compared.
fn drawn(header: &Header) -> (u32, u32) {
    let factor = f64::from(DRAWN) / f64::from(header.width.max(header.height).max(1));
    let side = |side: u32| (f64::from(side) * factor).round().max(1.0) as u32;
    (side(header.width), side(header.height))
}

fn explain(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}

struct Task<'a> {
    job: &'a ImageJob,
    options: &'a OptimizeOptions,
    optimizer: &'a Optimizer,
    wanted: &'a DecodeOptions,
    cancel: &'a Cancel,
}

impl Task<'_> {
    /// What is written beside the pixels, and the profile that their colours need.
    fn beside(&self, data: &[u8], decoded: &mut Decoded) -> Tags {
        if !self.options.strip {
            return keep::as_stored(data);
        }
        // Readers take colours without a profile for sRGB.
        decoded.icc = decoded.icc.take().filter(|icc| !color::is_srgb(icc));
        Tags::only_orientation(decoded.orientation)
    }

    /// The file with the same pixels that is smallest, if one is smaller.
    fn repacked(&self, data: &[u8], decoded: &Decoded, tags: &Tags) -> Result<Option<Vec<u8>>, Failure> {
        let how = RepackOptions {
            limits: self.job.limits,
            keep: !self.options.strip,
            icc: decoded.icc.clone(),
            tags: tags.clone(),
            smallest: self.options.patient(),
            mark: false,
            cancel: self.cancel.clone(),
        };
        let mut files = guarded(|| (self.optimizer.repack)(data, &how)).map_err(|failure| match failure {
            Failure::Internal { .. } | Failure::Crashed { .. } => Failure::unsupported(format!(
                "This {} file cannot be written without what it holds beside its picture. Convert it instead, or set strip to false",
                self.optimizer.format.title
            )),
            other => other,
        })?;
        files.retain(|file| file.len() < data.len());
        files.sort_by_key(Vec::len);
        for file in files {
            self.cancel.check()?;
            let decoder = self.optimizer.format.decode.ok_or_else(|| Failure::internal("a format without a decoder"))?;
            match guarded(|| (decoder.decode)(&file, self.wanted)) {
                Ok(found) if compare::same(decoded, &found) => return Ok(Some(file)),
                Ok(_) => tracing::warn!(format = self.optimizer.format.name, "a repacked file shows something else"),
                Err(failure) => tracing::warn!(format = self.optimizer.format.name, %failure, "a repacked file cannot be read"),
            }
        }
        Ok(None)
    }

    /// The smallest file that the options allow, or `None` where that is the input; and warnings.
    fn best(&self, data: &[u8], mut decoded: Decoded, clock: &mut Clock) -> Result<(Option<Found>, Vec<String>), Failure> {
        let tags = self.beside(data, &mut decoded);
        let repacked = clock.time("repack", || self.repacked(data, &decoded, &tags))?;
        let mut best = repacked.map(|data| Found { data, explain: explain(json!({ "method": "exact" })) });
        let nature = (self.optimizer.nature)(data);
        let lossy = Lossy {
            format: self.optimizer.format,
            data,
            decoded: &decoded,
            tags: &tags,
            limits: self.job.limits,
            patient: self.options.patient(),
            cancel: self.cancel,
        };
        let possible = nature != Nature::Fixed && lossy.is_possible();
        let mut warnings = Vec::new();
        let wish = self.options.wish(nature);
        let unheard = !possible && self.options.quality.is_some() && self.options.quality != Some(Quality::Number(100));
        if unheard {
            warnings.push("quality was not applied: the pixels of this file cannot be approximated here".to_owned());
        }
        let exact_size = |best: &Option<Found>| best.as_ref().map_or(data.len(), |best| best.data.len());
        let changed = match wish {
            Wish::Quality(quality) if possible => {
                let way = Way { quality, full_chroma: false };
                Some((way, None, clock.time("encode", || lossy.whole(way))?))
            }
            Wish::Score(wanted) if possible => {
                clock.time("search", || lossy.good_enough(wanted))?.map(|(way, score, file)| (way, Some(score), file))
            }
            _ => None,
        };
        if let Some((way, score, made)) = changed
            && (made.data.len() as f64) < exact_size(&best) as f64 * WORTH
        {
            best = Some(self.found(way, score, made));
        }
        if let Some(bytes) = self.options.max_bytes
            && exact_size(&best) as u64 > bytes
        {
            let most = if let Wish::Quality(quality) = wish { quality } else { 95 };
            let fitting =
                if possible { clock.time("fit", || lossy.fitting(most, bytes))? } else { Err(exact_size(&best) as u64) };
            let (way, made) = fitting.map_err(|smallest| too_small(bytes, smallest.min(exact_size(&best) as u64)))?;
            best = Some(self.found(way, None, made));
        }
        Ok((best, warnings))
    }

    fn found(&self, way: Way, score: Option<f64>, Whole { data, rewritten }: Whole) -> Found {
        let mut explain = explain(json!({ "method": "lossy", "quality": way.quality }));
        if rewritten {
            explain.insert("way".into(), "coefficients".into());
        }
        if self.optimizer.format.flags.palette {
            explain.insert("colors".into(), colors(way.quality).into());
        }
        if let Some(score) = score {
            explain.insert("score".into(), json!((score * 10.0).round() / 10.0));
        }
        Found { data, explain }
    }

    /// What test keys get: the word is all over the picture, so it is written anew whatever its size.
    fn marked(&self, data: &[u8], mut decoded: Decoded, clock: &mut Clock) -> Result<(Option<Found>, Vec<String>), Failure> {
        let warnings = vec!["Made with a test key: the result is marked TEST".to_owned()];
        let tags = self.beside(data, &mut decoded);
        let method = explain(json!({ "method": "test" }));
        let format = self.optimizer.format;
        if format.encode.is_none() {
            let how =
                RepackOptions { limits: self.job.limits, mark: true, cancel: self.cancel.clone(), ..RepackOptions::default() };
            let data = (self.optimizer.repack)(data, &how)?.pop().ok_or_else(|| Failure::internal("no file was written"))?;
            return Ok((Some(Found { data, explain: method }), warnings));
        }
        decoded.frames.iter_mut().for_each(|frame| stamp::mark(&mut frame.image));
        let quality = if let Some(Quality::Number(quality)) = self.options.quality { quality } else { 85 };
        let how = EncodeOptions {
            quality,
            exact: (self.optimizer.nature)(data) == Nature::Exact,
            effort: Effort::Small,
            tags,
            cancel: self.cancel.clone(),
            ..EncodeOptions::default()
        };
        let data = clock.time("encode", || encode_to_vec(format, &decoded, &how))?;
        Ok((Some(Found { data, explain: method }), warnings))
    }
}

fn encode_to_vec(format: &Format, decoded: &Decoded, how: &EncodeOptions) -> Result<Vec<u8>, Failure> {
    let encoder = format.encode.ok_or_else(|| Failure::internal("a format without an encoder"))?;
    let mut out = std::io::Cursor::new(Vec::new());
    encoder(decoded, how, &mut out)?;
    Ok(out.into_inner())
}

fn too_small(bytes: u64, smallest: u64) -> Failure {
    Failure::invalid_field(
        "max_bytes",
        format!(
            "max_bytes is {bytes}, and the smallest that this picture becomes at its size is {smallest} bytes. Allow more, or make it \
             smaller first: convert with width"
        ),
    )
}

#[cfg(test)]
mod tests;
