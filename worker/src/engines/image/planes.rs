//! Conversions in which nothing changes but the size and which side is up: brightness and colour stay apart, each resampled by itself as it is
//! decoded, which is faster than through red, green and blue, and nearer to the source; what is left of them is turned.
//!
//! Where more is to be done to the picture, its decoder may still resample it ([`exactly`]), so that only what is left becomes pixels. The rest goes
//! the ordinary way, and so does a file that is not sound.
//!
//! Where a GPU is worth it, not even the planes are made here: packed coefficients go there, and those of the result come back, the same ones as the
//! CPU would make ([`crate::pixels::coefficients`]).

use std::fs::File;
use std::io::{Seek, Write};

use serde_json::{Value, json};

use super::coefficients::Asked;
use super::color;
use super::job::Clock;
use super::plan::{Source, plan};
use super::{keep, pipeline};
use crate::engines::{Action, Made};
use crate::failure::Failure;
use crate::formats::EncodeOptions;
use crate::formats::planes::{PLANE_SOURCES, PLANE_TARGETS, PlaneSource, PlaneTarget};
use crate::pixels::coefficients::{Batched, Outcome, Rendition, Transformed};
use crate::pixels::{Channels, Filter, Orientation, Ran, Recording, Shape, Step};

/// Width and height.
type Size = (u32, u32);

/// Does it, if that is a way to do it, and writes the result.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(asked: &Asked<'_>, clock: &mut Clock, mut output: &File) -> Result<Option<Made>, Failure> {
    let Asked { job, options, from, to, header, data, .. } = *asked;
    let source = PLANE_SOURCES.iter().find(|source| source.format.name == from.name);
    let target = PLANE_TARGETS.iter().find(|target| target.format.name == to.name);
    let (Some(source), Some(target)) = (source, target) else { return Ok(None) };
    let Some(planned) = planned(asked, source)? else { return Ok(None) };
    let Planned { size: stored, turned: size, orientation, .. } = planned;
    let keeps = !options.strip && to.flags.tags;
    let (tags, left_out) = if keeps { clock.time("tags", || keep::for_upright(data, size)) } else { Default::default() };
    let how = EncodeOptions {
        quality: options.quality,
        effort: options.effort,
        tags,
        cancel: asked.cancel.clone(),
        ..EncodeOptions::default()
    };

    let upright = orientation == Orientation::Upright;
    let mut done = by_gpu(asked, &planned, source, target, clock, &how)?;
    if done.file.is_none() {
        // Where the GPU has failed, it is not asked for the pixels as well.
        if !done.tried && !asked.processor.takes_planes(&planned.recording, planned.shape)? {
            return Ok(None);
        }
        let decode = || (source.decode)(data, stored, orientation, target.range, &job.limits, asked.known, asked.cancel);
        let Some(planes) = clock.time("decode", || pipeline::guarded(decode))? else { return Ok(None) };
        done.reduction = planes.reduction;
        done.file = clock.time("encode", || (target.encode)(&planes, &how))?;
        done.way = "planes";
        done.reason = format!("{}, so brightness and colour stayed apart", what(upright));
    }
    let Done { file: Some(file), reduction, way, reason, ran, batched, .. } = done else { return Ok(None) };
    output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(&file)).map_err(Failure::internal)?;

    clock.ran(&ran);
    let mut warnings: Vec<String> = left_out.into_iter().collect();
    if keep::has_gain_map(data) {
        warnings.push(pipeline::DIMMED.to_owned());
    }
    let explain = json!({
        "engine": super::ID,
        "way": way,
        "device": ran.device,
        "reason": reason,
        "fallbacks": ran.fallbacks,
        "source": { "format": from.name, "width": header.width, "height": header.height, "frames": header.frames },
        "reduction": reduction,
        "bytes_in": data.len(),
        "bytes_out": file.len(),
        "pixels_in": u64::from(header.width) * u64::from(header.height),
        "pixels_out": u64::from(size.0) * u64::from(size.1),
        "ms": clock.stages,
    });
    let mut explain = if let Value::Object(explain) = explain { explain } else { Default::default() };
    if let Some(batched) = batched {
        explain.insert("batch".to_owned(), told(&batched));
    }
    Ok(Some(Made { width: Some(size.0), height: Some(size.1), warnings, explain, ..Made::default() }))
}

/// What changes.
fn what(upright: bool) -> &'static str {
    if upright { "only the size changes" } else { "only the size and the orientation change" }
}

/// The result, and how it came about.
#[derive(Default)]
struct Done {
    file: Option<Vec<u8>>,
    reduction: u32,
    way: &'static str,
    reason: String,
    ran: Ran,
    /// Whether the GPU was asked for it.
    tried: bool,
    /// What it was made with on the GPU.
    batched: Option<Batched>,
}

/// What the GPU makes of the coefficients, where it is to; no file where it is not, or has not.
fn by_gpu(
    asked: &Asked<'_>,
    planned: &Planned,
    source: &PlaneSource,
    target: &PlaneTarget,
    clock: &mut Clock,
    how: &EncodeOptions,
) -> Result<Done, Failure> {
    let Asked { job, header, data, cancel, .. } = *asked;
    let mut done = Done { ran: Ran { device: asked.processor.cpu_device(), ..Ran::default() }, ..Done::default() };
    let Some(target) = target.coefficients.filter(|_| planned.resizes) else { return Ok(done) };
    let pixels = |(width, height): Size| u64::from(width) * u64::from(height);
    let (from, readers) = (pixels((header.width, header.height)), job.share.as_ref().map_or(1, |share| share.readers));
    let Some(turn) = asked.processor.transforms(from, pixels(planned.size), readers) else { return Ok(done) };
    let read = || (source.read)(data, planned.size, planned.orientation, &job.limits, asked.known, cancel);
    let Some(found) = clock.time("decode", || pipeline::guarded(read))? else { return Ok(done) };
    done.reduction = found.reduction;
    let rendition = Rendition {
        source: found.packed,
        scale: found.scale,
        size: planned.size,
        turn: found.turn,
        steps: (target.steps)(how.quality),
        through: None,
    };
    let (made, ran) = asked.processor.transform(turn, rendition, cancel)?;
    (done.ran, done.tried) = (ran, true);
    let Some(Transformed { outcome: Outcome::Coefficients(planes), batch }) = made else { return Ok(done) };
    done.file = Some(clock.time("encode", || (target.write)(&planes, planned.turned, how))?);
    done.way = "coefficients on the gpu";
    let what = what(planned.orientation == Orientation::Upright);
    done.reason = format!("{}; {what}, so coefficients alone went to the GPU and came back", done.ran.reason);
    done.batched = Some(Batched::clone(&batch));
    Ok(done)
}

/// A batch, for `explain`.
pub(super) fn told(batched: &Batched) -> Value {
    // Two decimals: below that is noise.
    let rounded = |micros: f64| (micros / 10.0).round() / 100.0;
    let stages: serde_json::Map<String, Value> =
        batched.stages_us.iter().map(|(stage, micros)| ((*stage).to_owned(), json!(rounded(*micros)))).collect();
    json!({
        "tasks": batched.renditions,
        "sources": batched.sources,
        "bands": batched.bands,
        "bytes_up": batched.bytes_up,
        "bytes_back": batched.bytes_back,
        "ms": stages,
    })
}

/// What is to be done where it is no more than this.
struct Planned {
    /// Of the result before it is turned.
    size: Size,
    /// Of the result.
    turned: Size,
    orientation: Orientation,
    /// Whether the size changes at all.
    resizes: bool,
    /// The same for pixels, and what those are before.
    recording: Recording,
    shape: Shape,
}

/// The size of the result before it is turned, and that turn, where nothing else is to be done.
fn planned(asked: &Asked<'_>, source: &PlaneSource) -> Result<Option<Planned>, Failure> {
    let Asked { job, options, to, header, data, .. } = *asked;
    // The mark of test keys is all over the picture.
    if job.action != Action::Convert || job.test || options.trim {
        return Ok(None);
    }
    let Some(icc) = (source.profile)(data, &job.limits)? else { return Ok(None) };
    let keeps = options.keep_icc || (!options.strip && to.flags.profile);
    if icc.is_some_and(|icc| keeps || header.channels != Channels::Rgb || !color::is_srgb(&icc)) {
        return Ok(None);
    }
    let shape = Shape { width: header.width, height: header.height, channels: header.channels, depth: header.depth };
    let (stored, orientation) = ((header.width, header.height), header.orientation);
    let from = Source { decoded: shape, stored, orientation, frames: 1, focus: None };
    let mut recording = plan(&from, options, to.flags, &color::Colors::default())?;
    let own = (header.width, header.height);
    let (size, orientation) = match recording.steps[..] {
        [] => (own, Orientation::Upright),
        [Step::Orient { orientation }] => (own, orientation),
        [Step::Resize { width, height, filter: Filter::Lanczos3 }] => ((width, height), Orientation::Upright),
        [Step::Resize { width, height, filter: Filter::Lanczos3 }, Step::Orient { orientation }] => {
            ((width, height), orientation)
        }
        _ => return Ok(None),
    };
    let made = recording.output(shape)?;
    let steps = recording.steps.len();
    (asked.finish)(&mut recording, made, to.flags, (asked.meant)(0, 1)?)?;
    if recording.steps.len() != steps {
        return Ok(None);
    }
    let turned = if orientation.swaps_sides() { (size.1, size.0) } else { size };
    Ok(Some(Planned { size, turned, orientation, resizes: size != own, recording, shape }))
}

/// The size, as it is stored, to which the whole picture is resampled before anything else, where that is less than it has, and the processor
/// would do it on the CPU: a decoder that knows brightness and colour apart may do so. Only for targets that lose something themselves: through pixels
/// the result is nearer to the exact one, by less than such a target takes away.
pub(super) fn exactly(asked: &Asked<'_>, frames: u32) -> Result<Option<Size>, Failure> {
    let Asked { options, from, to, header, .. } = *asked;
    if frames > 1 || options.trim || !to.flags.lossy || !PLANE_SOURCES.iter().any(|source| source.format.name == from.name) {
        return Ok(None);
    }
    let shape = Shape { width: header.width, height: header.height, channels: header.channels, depth: header.depth };
    let (stored, orientation) = ((header.width, header.height), header.orientation);
    let whole = Source { decoded: shape, stored, orientation, frames: 1, focus: None };
    let recording = plan(&whole, options, to.flags, &color::Colors::default())?;
    let Some(&Step::Resize { width, height, filter: Filter::Lanczos3 }) = recording.steps.first() else { return Ok(None) };
    let is_less = width <= header.width && height <= header.height;
    Ok((is_less && asked.processor.takes_planes(&recording, shape)?).then_some((width, height)))
}

#[cfg(test)]
#[path = "planes_tests.rs"]
mod tests;
