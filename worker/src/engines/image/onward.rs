//! Conversions whose picture stays with a GPU from its coefficients on: it is inverted and resized there, its pixels go through whatever else is
//! recorded, colours, blur, marks, turns, and what comes back are coefficients again, or the pixels of the result for formats that want these.
//!
//! Where a decoder resizes on the CPU ([`super::planes::exactly`]) this does the same, and under the same conditions. For targets that lose nothing the
//! picture becomes all of its pixels first, as it does on the CPU, which are resized as others are. It is asked where a GPU is worth it for
//! coefficients. What does not go there goes the ordinary way.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use super::coefficients::Asked;
use super::color::Colors;
use super::decodes::Decodes;
use super::job::Clock;
use super::plan::{Source, plan};
use super::{keep, pipeline, planes};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::planes::{PLANE_SOURCES, PLANE_TARGETS, PlaneSource};
use crate::formats::{Decoded, EncodeOptions};
use crate::pixels::coefficients::{Growth, Outcome, Rendition, Through, Transformed};
use crate::pixels::{Channels, Depth, Filter, Image, Recording, Shape, Step};

/// What is to be done.
struct Planned {
    size: (u32, u32),
    colors: Colors,
    /// The profile that stays.
    icc: Option<Vec<u8>>,
    recording: Recording,
}

/// Does it, if that is a way to do it, and writes the result. What a GPU was asked in vain for is told in `fallbacks`.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(
    asked: &Asked<'_>,
    clock: &mut Clock,
    output: &mut File,
    fallbacks: &mut Vec<String>,
) -> Result<Option<Made>, Failure> {
    let Asked { job, options, from, to, header, data, cancel, processor, .. } = *asked;
    let Some(source) = PLANE_SOURCES.iter().find(|source| source.format.name == from.name) else { return Ok(None) };
    let Some(size) = resized(asked)? else { return Ok(None) };
    let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let (stored, readers) = ((header.width, header.height), job.share.as_ref().map_or(1, |share| share.readers));
    let Some(turn) = processor.transforms(pixels(stored), pixels(size), readers) else { return Ok(None) };
    let Some(Planned { size, colors, icc, recording }) = planned(asked, source, clock)? else { return Ok(None) };

    let target = PLANE_TARGETS.iter().find(|target| target.format.name == to.name).and_then(|target| target.coefficients);
    // What is left of the picture before the recording, and all of it where the resize is a step of that.
    let start = if to.flags.lossy { size } else { stored };
    let shape = Shape { width: start.0, height: start.1, channels: header.channels, depth: header.depth };
    let shown = recording.output(shape)?;
    let holds = matches!((shown.channels, shown.depth), (Channels::Grey | Channels::Rgb, Depth::U8));
    let target = target.filter(|_| holds && icc.is_none());
    let read = || (source.read)(data, size, crate::pixels::Orientation::Upright, &job.limits, asked.known, cancel);
    let Some(found) = clock.time("decode", || pipeline::guarded(read))? else { return Ok(None) };
    let whole = if to.flags.lossy { None } else { Growth::of(&found.packed.frame) };
    if !to.flags.lossy && (whole.is_none() || found.reduction != 1) {
        return Ok(None);
    }
    let rendition = Rendition {
        source: found.packed,
        scale: found.scale,
        size: start,
        turn: None,
        steps: target.map_or([[1; 64]; 2], |target| (target.steps)(options.quality)),
        through: Some(Arc::new(Through::new(&recording, shape, target.is_some(), whole)?)),
    };
    let (made, ran) = processor.transform(turn, rendition, cancel)?;
    let Some(Transformed { outcome, batch }) = made else {
        fallbacks.extend(ran.fallbacks);
        return Ok(None);
    };

    let size = (shown.width, shown.height);
    let keeps = !options.strip && to.flags.tags;
    let (tags, left_out) = if keeps { clock.time("tags", || keep::for_upright(data, size)) } else { Default::default() };
    let how = EncodeOptions {
        quality: options.quality,
        effort: options.effort,
        tags,
        density: options.density.unwrap_or(pipeline::CSS_DENSITY),
        cancel: cancel.clone(),
        ..EncodeOptions::default()
    };
    let bytes_out = match (outcome, target) {
        (Outcome::Coefficients(planes), Some(target)) => {
            let file = clock.time("encode", || (target.write)(&planes, size, &how))?;
            output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(&file)).map_err(Failure::internal)?;
            file.len() as u64
        }
        (Outcome::Pixels(image), _) => {
            let made = Decoded { icc, ..Decoded::still(image) };
            let length = clock.time("encode", || pipeline::encode(to, &made, &how, output))?;
            if let (Some(share), true) = (&job.share, pipeline::is_exact(to, &made, &how)) {
                Decodes::of_process().put(share, output, &made);
            }
            length
        }
        (Outcome::Coefficients(_), None) => return Err(Failure::internal("coefficients that nobody wanted")),
    };

    clock.ran(&ran);
    let mut warnings: Vec<String> = colors.warning.into_iter().collect();
    if keep::has_gain_map(data) {
        warnings.push(pipeline::DIMMED.to_owned());
    }
    warnings.extend(left_out);
    let back = if target.is_some() { "its coefficients" } else { "its pixels" };
    let explain = json!({
        "engine": super::ID,
        "way": "pixels on the gpu",
        "device": ran.device,
        "reason": format!("{}; from coefficients on all of it was done on the GPU, and {back} came back", ran.reason),
        "fallbacks": ran.fallbacks,
        "source": { "format": from.name, "width": header.width, "height": header.height, "frames": header.frames },
        "reduction": found.reduction,
        "bytes_in": data.len(),
        "bytes_out": bytes_out,
        "pixels_in": pixels(stored),
        "pixels_out": pixels(size),
        "batch": planes::told(&batch),
        "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Default::default() };
    Ok(Some(Made { width: Some(size.0), height: Some(size.1), warnings, explain, ..Made::default() }))
}

/// The size, as it is stored, to which the whole picture is reduced before anything else.
fn resized(asked: &Asked<'_>) -> Result<Option<(u32, u32)>, Failure> {
    let Asked { job, options, to, header, .. } = *asked;
    let keeps_in_vain = options.keep_icc && !to.flags.profile;
    // The mark of test keys is all over the picture; a file that may stay what it is, within another one, is none for here.
    if job.test || options.trim || keeps_in_vain || to.flags.embeds_jpeg {
        return Ok(None);
    }
    let recording = plan(&whole(asked), options, to.flags, &Colors::default())?;
    let Some(&Step::Resize { width, height, filter: Filter::Lanczos3 }) = recording.steps.first() else { return Ok(None) };
    Ok((width <= header.width && height <= header.height).then_some((width, height)))
}

/// The picture as it is stored.
fn whole(asked: &Asked<'_>) -> Source {
    let header = asked.header;
    let decoded = Shape { width: header.width, height: header.height, channels: header.channels, depth: header.depth };
    Source { decoded, stored: (header.width, header.height), orientation: header.orientation, frames: 1, focus: None }
}

/// What is recorded; the resize, which comes first, apart, where it is done to planes.
fn planned(asked: &Asked<'_>, source: &PlaneSource, clock: &mut Clock) -> Result<Option<Planned>, Failure> {
    let Asked { job, options, to, data, .. } = *asked;
    let whole = whole(asked);
    let Some(mut icc) = (source.profile)(data, &job.limits)? else { return Ok(None) };
    let keeps = options.keep_icc || (!options.strip && to.flags.profile);
    let colors = if keeps {
        Colors::default()
    } else {
        let image = Image::zeroed(Shape { width: 1, height: 1, ..whole.decoded })?;
        let mut dot = Decoded { icc: icc.take(), ..Decoded::still(image) };
        clock.time("color", || Colors::read(&mut dot))?
    };
    let mut recording = plan(&whole, options, to.flags, &colors)?;
    let made = recording.output(whole.decoded)?;
    (asked.finish)(&mut recording, made, to.flags, (asked.meant)(0, 1)?)?;
    let size = match recording.steps.first() {
        Some(&Step::Resize { width, height, filter: Filter::Lanczos3 }) => (width, height),
        _ => return Ok(None),
    };
    if to.flags.lossy {
        recording.steps.remove(0);
    }
    Ok(Some(Planned { size, colors, icc, recording }))
}

#[cfg(test)]
#[path = "onward_tests.rs"]
mod tests;
