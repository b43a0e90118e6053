//! Pictures that keep format and size: rewritten from their coefficients, which is faster than by pixels, and nearer to the source.
//!
//! What the recording draws is drawn on the part of the picture that it touches. Whatever else is to be done to pixels goes the ordinary
//! way, and so does a file that is not sound.

use std::fs::File;
use std::io::{Seek, Write};

use serde_json::{Value, json};

use super::color::Colors;
use super::job::{Clock, ImageJob};
use super::options::ConvertOptions;
use super::pipeline::{Finish, Meant};
use super::plan::{Source, plan};
use super::{keep, pipeline};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::{Cancel, Decoded, Format, Header, Known, Paint, REWRITERS, Rewritable, RewriteOptions, Rewriter};
use crate::pixels::{Image, Orientation, Processor, Ran, Recording, Shape, Step};

/// Share of the picture, in percent, from which on drawing on it is no faster than the ordinary way.
const MOST: u64 = 60;

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) job: &'a ImageJob,
    pub(super) options: &'a ConvertOptions,
    pub(super) from: &'static Format,
    pub(super) to: &'static Format,
    pub(super) header: &'a Header,
    pub(super) data: &'a [u8],
    /// What other tasks on the file know of it.
    pub(super) known: Option<&'a Known>,
    pub(super) processor: &'a Processor,
    pub(super) cancel: &'a Cancel,
    pub(super) finish: Finish<'a>,
    pub(super) meant: Meant<'a>,
}

/// Where something is drawn: left, top, width and height.
type Part = (u32, u32, u32, u32);

/// Does it, if that is a way to do it, and writes the result.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(asked: &Asked<'_>, clock: &mut Clock, mut output: &File) -> Result<Option<Made>, Failure> {
    let Asked { job, options, from, to, header, data, cancel, .. } = *asked;
    let Some(rewriter) = REWRITERS.iter().find(|rewriter| rewriter.format.name == from.name && from.name == to.name) else {
        return Ok(None);
    };
    // The mark of test keys is all over the picture.
    if job.test || options.trim {
        return Ok(None);
    }
    let Some(Planned { icc, colors, recording, size }) = planned(asked, rewriter, clock)? else { return Ok(None) };
    let Some((orientation, part)) = ways(&recording, size) else { return Ok(None) };
    let (tags, left_out) = if options.strip { Default::default() } else { clock.time("tags", || keep::for_upright(data, size)) };
    let mut ran = None;
    let mut draw = |image: Image, at: (u32, u32)| {
        let (image, found) = asked.processor.run(&moved(&recording, at), image, cancel)?;
        ran = Some(found);
        Ok(image)
    };
    let paint = part.map(|(x, y, width, height)| Paint { x, y, width, height, draw: &mut draw });
    let how = RewriteOptions {
        limits: job.limits,
        quality: options.quality,
        effort: options.effort,
        orientation,
        paint,
        icc,
        tags,
        cancel: cancel.clone(),
        ..RewriteOptions::default()
    };
    let made = clock.time("rewrite", || pipeline::guarded(|| (rewriter.rewrite)(data, how)))?;
    let Some(made) = made else { return Ok(None) };
    output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(&made.file)).map_err(Failure::internal)?;

    let ran = ran.unwrap_or_else(|| Ran { device: asked.processor.cpu_device(), ..Ran::default() });
    clock.ran(&ran);
    let mut warnings: Vec<String> = colors.warning.into_iter().collect();
    if keep::has_gain_map(data) {
        warnings.push(pipeline::DIMMED.to_owned());
    }
    warnings.extend(left_out);
    let explain = json!({
        "engine": super::ID,
        "way": "coefficients",
        "device": ran.device,
        "reason": "format and size stay, so the coefficients were rewritten; only blocks that are drawn on became pixels",
        "fallbacks": ran.fallbacks,
        "source": { "format": from.name, "width": header.width, "height": header.height, "frames": header.frames },
        "bytes_in": data.len(),
        "bytes_out": made.file.len(),
        "blocks": made.blocks,
        "blocks_drawn": made.drawn,
        "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Default::default() };
    Ok(Some(Made { width: Some(size.0), height: Some(size.1), warnings, explain, ..Made::default() }))
}

/// What is to be done to a picture that need not be decoded for it.
struct Planned {
    /// The profile that is kept.
    icc: Option<Vec<u8>>,
    colors: Colors,
    recording: Recording,
    /// Of the result.
    size: (u32, u32),
}

/// The recording, made of what the header says. Nothing is drawn yet where its beginning already needs all pixels.
fn planned(asked: &Asked<'_>, rewriter: &Rewriter, clock: &mut Clock) -> Result<Option<Planned>, Failure> {
    let Asked { options, to, header, data, .. } = *asked;
    let Some(Rewritable { icc }) = (rewriter.look)(data, &asked.job.limits)? else { return Ok(None) };
    let shape = Shape { width: header.width, height: header.height, channels: header.channels, depth: header.depth };
    // It stands for the pixels, of which the profile has to know no more than their layout.
    let one = Image::zeroed(Shape { width: 1, height: 1, ..shape })?;
    let mut stand_in = Decoded { icc, ..Decoded::still(one) };
    let keeps = options.keep_icc || (!options.strip && to.flags.profile);
    let colors = if keeps { Colors::default() } else { clock.time("color", || Colors::read(&mut stand_in))? };
    let (stored, orientation) = ((header.width, header.height), header.orientation);
    let source = Source { decoded: shape, stored, orientation, frames: 1, focus: None };
    let mut recording = plan(&source, options, to.flags, &colors)?;
    if !matches!(recording.steps[..], [] | [Step::Orient { .. }]) {
        return Ok(None);
    }
    let turned = recording.output(shape)?;
    (asked.finish)(&mut recording, turned, to.flags, (asked.meant)(0, 1)?)?;
    Ok(Some(Planned { icc: stand_in.icc, colors, recording, size: (turned.width, turned.height) }))
}

/// How a recording turns a picture, which then has that size, and on which part it draws; `None` for one that does something else, or
/// draws on most of it.
fn ways(recording: &Recording, size: (u32, u32)) -> Option<(Orientation, Option<Part>)> {
    let (orientation, rest) = match &recording.steps[..] {
        [Step::Orient { orientation }, rest @ ..] => (*orientation, rest),
        rest => (Orientation::Upright, rest),
    };
    let part = match rest {
        [] => None,
        // There is nothing that it could be seen through.
        [Step::Overlay { below: true, .. } | Step::Overlay { opacity: 0, .. }] => None,
        &[Step::Overlay { layer, x, y, every: None, .. }] => {
            let layer = recording.layers.get(layer as usize)?;
            let across = inside(x, layer.width(), size.0);
            let down = inside(y, layer.height(), size.1);
            across.zip(down).map(|((x, width), (y, height))| (x, y, width, height))
        }
        _ => return None,
    };
    let area = |(.., width, height): Part| u64::from(width) * u64::from(height);
    let is_most = part.is_some_and(|part| area(part) * 100 > u64::from(size.0) * u64::from(size.1) * MOST);
    if is_most { None } else { Some((orientation, part)) }
}

/// What of a length from `from` on lies within `all`: where it begins, and how much it is.
fn inside(from: i32, length: u32, all: u32) -> Option<(u32, u32)> {
    let (from, end) = (i64::from(from).max(0), (i64::from(from) + i64::from(length)).min(all.into()));
    Some((u32::try_from(from).ok()?, u32::try_from(end - from).ok().filter(|&length| length > 0)?))
}

/// What a recording draws, on a part that begins there.
fn moved(recording: &Recording, at: (u32, u32)) -> Recording {
    let draws = recording.steps.iter().filter_map(|step| match *step {
        Step::Overlay { layer, x, y, opacity, every, below } => {
            let (x, y) = (x.saturating_sub_unsigned(at.0), y.saturating_sub_unsigned(at.1));
            Some(Step::Overlay { layer, x, y, opacity, every, below })
        }
        _ => None,
    });
    Recording { steps: draws.collect(), layers: recording.layers.clone() }
}

#[cfg(test)]
#[path = "coefficients_tests.rs"]
mod tests;
