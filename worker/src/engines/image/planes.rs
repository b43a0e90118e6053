//! Conversions in which nothing changes but the size and which side is up: brightness and colour stay apart, each resampled by itself as it is
//! decoded, which is faster than through red, green and blue, and nearer to the source; what is left of them is turned.
//!
//! Where more is to be done to the picture, its decoder may still resample it ([`exactly`]), so that only what is left becomes pixels. The rest goes
//! the ordinary way, and so does a file that is not sound.

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
use crate::pixels::{Channels, Filter, Orientation, Ran, Shape, Step};

/// Width and height.
type Size = (u32, u32);

/// Does it, if that is a way to do it, and writes the result.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(asked: &Asked<'_>, clock: &mut Clock, mut output: &File) -> Result<Option<Made>, Failure> {
    let Asked { job, options, from, to, header, data, cancel, .. } = *asked;
    let source = PLANE_SOURCES.iter().find(|source| source.format.name == from.name);
    let target = PLANE_TARGETS.iter().find(|target| target.format.name == to.name);
    let (Some(source), Some(target)) = (source, target) else { return Ok(None) };
    let Some((stored, orientation)) = planned(asked, source)? else { return Ok(None) };
    let decoded = clock.time("decode", || {
        pipeline::guarded(|| (source.decode)(data, stored, orientation, target.range, &job.limits, asked.known, cancel))
    })?;
    let Some(planes) = decoded else { return Ok(None) };
    let size = (planes.width, planes.height);
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
        "reason": if orientation == Orientation::Upright {
            "only the size changes, so brightness and colour stayed apart"
        } else {
            "only the size and the orientation change, so brightness and colour stayed apart"
        },
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

/// The size of the result before it is turned, and that turn, where nothing else is to be done, and the processor would do it on the CPU.
fn planned(asked: &Asked<'_>, source: &PlaneSource) -> Result<Option<(Size, Orientation)>, Failure> {
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
    let planned = recording.steps.len();
    (asked.finish)(&mut recording, made, to.flags, (asked.meant)(0, 1)?)?;
    if recording.steps.len() != planned || !asked.processor.takes_planes(&recording, shape)? {
        return Ok(None);
    }
    Ok(Some((size, orientation)))
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
