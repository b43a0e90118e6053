//! What is known about a picture: its header, what its tags say, and how it looks in a few numbers.

mod looks;
mod tags;

use std::io::{Seek, Write};

use serde_json::{Map, Value, json};

use super::job::{Clock, Files, ImageJob};
use super::pipeline::{decode, format, guarded, mislabelled, read};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::{Cancel, DecodeOptions, Decoded, Header};
use crate::pixels::{Channels, Depth, Filter, Image, Processor, Recording, Step};
pub(super) use tags::xmp;

/// Longest side of the picture that colours and hashes are taken from, pixels: more changes none of them.
const LOOK: u32 = 128;

/// Tells everything that is known about the input; writes it to the output as JSON, too.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(job: &ImageJob, files: Files, processor: &Processor, cancel: &Cancel) -> Result<Made, Failure> {
    let from = format(&job.from)?;
    let data = read(files.input)?;
    let mut clock = Clock::default();
    let decoder = from.decode.ok_or_else(|| Failure::unsupported(format!("{} files cannot be read", from.title)))?;
    let header = clock
        .time("probe", || guarded(|| (decoder.probe)(&data, &job.limits)))
        .map_err(|failure| mislabelled(failure, from, &data))?;
    job.limits.check(from.title, header.width, header.height, 1)?;
    let factor = f64::from(LOOK) / f64::from(header.width.max(header.height)).max(f64::from(LOOK));
    let side = |side: u32| (f64::from(side) * factor).round().max(1.0) as u32;
    let small = (side(header.width), side(header.height));
    let wanted = DecodeOptions { limits: job.limits, at_least: Some(small), cancel: cancel.clone(), ..DecodeOptions::default() };
    let decoded = decode(from, &wanted, &data, &mut clock).map_err(|failure| mislabelled(failure, from, &data))?;

    let mut found = described(&header, &decoded);
    found.insert("format".into(), from.name.into());
    found.insert("mime".into(), from.mime.into());
    found.insert("size".into(), data.len().into());
    found.extend(clock.time("tags", || tags::read(&data, decoded.icc.as_deref())));
    let look = look(decoded, small, processor, cancel)?;
    found.extend(clock.time("look", || looks::describe(&look)));

    let text = serde_json::to_vec_pretty(&found).map_err(Failure::internal)?;
    let mut output = files.output;
    output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(&text)).map_err(Failure::internal)?;
    let explain = json!({ "engine": super::ID, "bytes_in": data.len(), "bytes_out": text.len(), "ms": clock.stages });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { metadata: Some(Value::Object(found)), explain, ..Made::default() })
}

/// What the header and the decoder say. Width and height are those of the upright picture.
fn described(header: &Header, decoded: &Decoded) -> Map<String, Value> {
    let orientation = decoded.orientation;
    let (width, height) = if orientation.swaps_sides() { (header.height, header.width) } else { (header.width, header.height) };
    let named = match header.channels.without_alpha() {
        Channels::Grey | Channels::GreyAlpha => "grey",
        Channels::Rgb | Channels::Rgba => "rgb",
    };
    let found = json!({
        "width": width,
        "height": height,
        "orientation": orientation.to_exif(),
        "channels": named,
        "alpha": header.channels.has_alpha(),
        "bits_per_sample": header.depth.bytes() * 8,
        "frames": header.frames,
    });
    if let Value::Object(found) = found { found } else { Map::new() }
}

/// The first frame, upright, 8-bit RGBA, small.
fn look(decoded: Decoded, small: (u32, u32), processor: &Processor, cancel: &Cancel) -> Result<Image, Failure> {
    let orientation = decoded.orientation;
    let first = decoded.frames.into_iter().next().ok_or_else(|| Failure::internal("a decoder gave no frame"))?;
    let mut recording = Recording::new();
    recording.push(Step::Resize { width: small.0, height: small.1, filter: Filter::Box });
    recording.push(Step::Orient { orientation });
    recording.push(Step::Convert { channels: Channels::Rgba, depth: Depth::U8 });
    Ok(processor.run(&recording, first.image, cancel)?.0)
}

#[cfg(test)]
mod tests;
