//! Animated WebP: libwebp's own encoder of animations, which keeps what has not changed between two pictures.

use convertfly_sandbox::Failure;
use ffmpeg_next::Dictionary;

use super::{Passes, open, receive};
use crate::fault;
use crate::filters::{self, Looks};
use crate::geometry::Size;
use crate::sink::Sink;

/// FFmpeg's name of it.
const ENCODER: &str = "libwebp_anim";

/// FFmpeg's unit of qualities.
const LAMBDA: f64 = 118.0;

/// Draws all pictures. Returns the size and the number of frames.
pub(super) fn draw(passes: &Passes<'_>, sink: &mut Sink) -> Result<(Size, u64), Failure> {
    let ours = |error| fault::ours(ENCODER, error);
    let (mut encoder, mut size, mut frames) = (None, (0, 0), 0);
    let rate = passes.rate();
    passes.pass(
        (0.0, 1.0),
        |reader, frame| {
            let looks = Looks::of_video(frame);
            let (chain, _) = passes.chain(reader, looks, frame.color_transfer_characteristic())?;
            filters::build(looks, reader.unit(), reader.rate, &format!("{chain},format=pix_fmts=yuv420p"))
        },
        |graph, filtered| {
            if encoder.is_none() {
                size = (filtered.width(), filtered.height());
                let mut words = Dictionary::new();
                words.set("flags", "+qscale");
                words.set("global_quality", &format!("{}", (passes.job.options.quality() * LAMBDA).round()));
                encoder = Some(open(ENCODER, graph, filtered, rate, words, sink)?);
            }
            let Some(opened) = &mut encoder else { return Ok(()) };
            opened.send_frame(filtered).map_err(ours)?;
            frames += 1;
            receive(opened, sink)
        },
    )?;
    if let Some(opened) = &mut encoder {
        opened.send_eof().map_err(ours)?;
        receive(opened, sink)?;
    }
    Ok((size, frames))
}
