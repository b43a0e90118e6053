//! Conversions in which nothing changes but the size: brightness and colour stay apart, each resampled by itself as it is decoded, which is
//! faster than through red, green and blue, and nearer to the source.
//!
//! Whatever else is to be done to the picture goes the ordinary way, and so does a file that is not sound.

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
use crate::formats::planes::{PLANE_SOURCES, PLANE_TARGETS, PlaneSource};
use crate::pixels::{Channels, Filter, Ran, Shape, Step};

/// Does it, if that is a way to do it, and writes the result.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(asked: &Asked<'_>, clock: &mut Clock, mut output: &File) -> Result<Option<Made>, Failure> {
    let Asked { job, options, from, to, header, data, cancel, .. } = *asked;
    let source = PLANE_SOURCES.iter().find(|source| source.format.name == from.name);
    let target = PLANE_TARGETS.iter().find(|target| target.format.name == to.name);
    let (Some(source), Some(target)) = (source, target) else { return Ok(None) };
    let Some(size) = size(asked, source)? else { return Ok(None) };
    let decoded = clock.time("decode", || pipeline::guarded(|| (source.decode)(data, size, &job.limits, asked.known, cancel)))?;
    let Some(planes) = decoded else { return Ok(None) };
    let keeps = !options.strip && to.flags.tags;
    let (tags, left_out) = if keeps { clock.time("tags", || keep::for_upright(data, size)) } else { Default::default() };
    let how = EncodeOptions { quality: options.quality, tags, cancel: cancel.clone(), ..EncodeOptions::default() };
    let Some(file) = clock.time("encode", || (target.encode)(&planes, &how))? else { return Ok(None) };
    output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(&file)).map_err(Failure::internal)?;

    let ran = Ran { device: asked.processor.cpu_device(), ..Ran::default() };
    clock.ran(&ran);
    let mut warnings: Vec<String> = left_out.into_iter().collect();
    if keep::has_gain_map(data) {
        warnings.push(pipeline::DIMMED.to_owned());
    }
    let explain = json!({
        "engine": super::ID,
        "way": "planes",
        "device": ran.device,
        "reason": "only the size changes, so brightness and colour stayed apart",
        "fallbacks": ran.fallbacks,
        "source": { "format": from.name, "width": header.width, "height": header.height, "frames": header.frames },
        "reduction": planes.reduction,
        "bytes_in": data.len(),
        "bytes_out": file.len(),
        "pixels_in": u64::from(header.width) * u64::from(header.height),
        "pixels_out": u64::from(size.0) * u64::from(size.1),
        "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Default::default() };
    Ok(Some(Made { width: Some(size.0), height: Some(size.1), warnings, explain, ..Made::default() }))
}

/// The size of the result, where nothing else is to be done, and the processor would do it on the CPU.
fn size(asked: &Asked<'_>, source: &PlaneSource) -> Result<Option<(u32, u32)>, Failure> {
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
    if !matches!(recording.steps[..], [] | [Step::Resize { filter: Filter::Lanczos3, .. }]) {
        return Ok(None);
    }
    let made = recording.output(shape)?;
    let planned = recording.steps.len();
    (asked.finish)(&mut recording, made, to.flags, (asked.meant)(0, 1)?)?;
    if recording.steps.len() != planned || !asked.processor.takes_planes(&recording, shape)? {
        return Ok(None);
    }
    Ok(Some((made.width, made.height)))
}

#[cfg(test)]
#[path = "planes_tests.rs"]
mod tests;
