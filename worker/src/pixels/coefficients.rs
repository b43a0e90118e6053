//! Pictures that a GPU makes of packed coefficients, as coefficients: only these cross the bus.

use std::sync::Arc;

use convertfly_jpeg::{Component, Frame, Packed, PackedPlane, Sampling, Scale, Turn};

use super::gpu::Plan;
use super::image::{Image, Shape};
use super::recording::Recording;
use crate::failure::Failure;

/// One picture that is wanted of a source: as [`convertfly_jpeg::Planes::resized`] makes it, with half the resolution of colour, and
/// [`convertfly_jpeg::encode`] transforms and divides it.
#[derive(Clone, Debug)]
pub(crate) struct Rendition {
    /// The source; renditions of the same one, by its address, go up together.
    pub(crate) source: Arc<Packed>,
    /// At which scale it becomes samples.
    pub(crate) scale: Scale,
    /// Width and height before the turn.
    pub(crate) size: (u32, u32),
    /// What is done last.
    pub(crate) turn: Option<Turn>,
    /// Steps of quantisation of brightness and of colour.
    pub(crate) steps: [[u16; 64]; 2],
    /// What is done to its pixels; where it is something, the turn is a step of it.
    pub(crate) through: Option<Arc<Through>>,
}

/// Pixels that a rendition becomes on the way.
#[derive(Debug)]
pub(crate) struct Through {
    /// The passes over them; none where they stay as they are.
    pub(crate) plan: Option<Plan>,
    /// What they are then.
    pub(crate) output: Shape,
    /// Whether they become coefficients again; if not, they are what is wanted.
    pub(crate) back: bool,
    /// Where they are those of the whole picture, as a decoder gives them, how colour becomes as much as brightness: the resize is a step of what is
    /// done to them then.
    pub(crate) whole: Option<Growth>,
}

/// How colour grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Samples of brightness for one of colour, across and down: one or two.
    pub(crate) across: u32,
    /// The same down.
    pub(crate) down: u32,
    /// Samples of colour across and down that show.
    pub(crate) size: (u32, u32),
}

impl Growth {
    /// That of a picture; nothing for samplings that are seldom, and for colour of no more than two columns, which does not grow by a filter.
    pub(crate) fn of(frame: &Frame) -> Option<Self> {
        let [luma, colors @ ..] = &frame.components[..] else { return None };
        let Some(first) = colors.first() else {
            return Some(Self { across: 1, down: 1, size: (frame.width, frame.height) });
        };
        let factors = |c: &Component| (frame.max_h.checked_div(c.h), frame.max_v.checked_div(c.v));
        let is_known = colors.len() == 2
            && factors(luma) == (Some(1), Some(1))
            && colors.iter().all(|c| (c.h, c.v) == (first.h, first.v) && c.h * 2 >= frame.max_h && c.v * 2 >= frame.max_v)
            && frame.max_h.is_multiple_of(first.h)
            && frame.max_v.is_multiple_of(first.v);
        let (across, down) = ((frame.max_h / first.h) as u32, (frame.max_v / first.v) as u32);
        let size = (frame.width.div_ceil(across), frame.height.div_ceil(down));
        (is_known && (across == 1 || size.0 > 2)).then_some(Self { across, down, size })
    }
}

impl Through {
    /// What `recording` does to pixels like `from`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when a step does not fit.
    pub(crate) fn new(recording: &Recording, from: Shape, back: bool, whole: Option<Growth>) -> Result<Self, Failure> {
        let plan = Plan::new(recording, from)?;
        let output = plan.as_ref().map_or(from, |plan| plan.output);
        Ok(Self { plan, output, back, whole })
    }
}

/// How much colour there is beside brightness.
pub(crate) const SAMPLING: Sampling = Sampling::Half;

impl Rendition {
    /// How much colour there is beside brightness, of what is resampled: for pixels all of it.
    pub(crate) fn sampling(&self) -> Sampling {
        if self.through.is_some() { Sampling::Full } else { SAMPLING }
    }

    /// How it becomes pixels, where these are those of the whole picture.
    pub(crate) fn whole(&self) -> Option<(&Through, Growth)> {
        self.through.as_ref().and_then(|through| Some((&**through, through.whole?)))
    }

    /// Width and height as it is written.
    pub(crate) fn turned_size(&self) -> (u32, u32) {
        let (width, height) = self.size;
        if self.turn.is_some_and(|turn| turn.parts().0) { (height, width) } else { (width, height) }
    }

    /// The larger of the source's pixels and the result's.
    pub(crate) fn pixels(&self) -> u64 {
        let of = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        of((self.source.frame.width, self.source.frame.height)).max(of(self.size))
    }
}

/// What a rendition became.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Of each component the blocks that show.
    Coefficients(Vec<PackedPlane>),
    /// The pixels that it went through.
    Pixels(Image),
}

/// What a rendition became, and how.
#[derive(Debug)]
pub(crate) struct Transformed {
    /// What it is now.
    pub(crate) outcome: Outcome,
    /// What it was made with.
    pub(crate) batch: Arc<Batched>,
}

/// What a batch was, and what it took.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Batched {
    /// Renditions that were made together.
    pub(crate) renditions: usize,
    /// Sources that were uploaded for them.
    pub(crate) sources: usize,
    /// Submissions that a single rendition took, of which each made a band of it.
    pub(crate) bands: usize,
    /// Bytes that went up.
    pub(crate) bytes_up: u64,
    /// Bytes that came back.
    pub(crate) bytes_back: u64,
    /// Time to fill what is uploaded, microseconds.
    pub(crate) upload_us: u64,
    /// From the submission to its end, copies included, microseconds.
    pub(crate) kernel_us: u64,
    /// Time to take the results out, microseconds.
    pub(crate) readback_us: u64,
    /// What the device says that each stage took, microseconds; nothing where it does not tell.
    pub(crate) stages_us: Vec<(&'static str, f64)>,
}

impl Batched {
    /// The same with a further band.
    pub(crate) fn add(&mut self, band: Self) {
        self.sources = band.sources;
        self.bands += 1;
        self.bytes_up += band.bytes_up;
        self.bytes_back += band.bytes_back;
        self.upload_us += band.upload_us;
        self.kernel_us += band.kernel_us;
        self.readback_us += band.readback_us;
        if self.stages_us.is_empty() {
            self.stages_us = band.stages_us;
        } else {
            for (all, (_, micros)) in self.stages_us.iter_mut().zip(band.stages_us) {
                all.1 += micros;
            }
        }
    }
}
