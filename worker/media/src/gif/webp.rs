//! Animated WebP: libwebp's own encoder of animations, which keeps what has not changed between two pictures.

use convertfly_sandbox::Failure;

use super::Passes;
use crate::filters::{self, Looks};
use crate::geometry::Size;
use crate::sink::Sink;

/// FFmpeg's name of it.
const ENCODER: &str = "libwebp_anim";

/// FFmpeg's unit of qualities.
const LAMBDA: f64 = 118.0;

/// Draws all pictures. Returns the size and the number of frames.
pub(super) fn draw(passes: &Passes<'_>, sink: &mut Sink) -> Result<(Size, u64), Failure> {
    let quality = (passes.job.options.quality() * LAMBDA).round();
    let words = [("flags", "+qscale".to_owned()), ("global_quality", quality.to_string())];
    passes.encode((0.0, 1.0), ENCODER, &words, sink, |reader, frame| {
        let looks = Looks::of_video(frame);
        let (chain, _) = passes.chain(reader, looks, frame.color_transfer_characteristic())?;
        filters::build(looks, reader.unit(), reader.rate, &format!("{chain},format=pix_fmts=yuv420p"))
    })
}
