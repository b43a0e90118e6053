//! Where everything of a batch lies: what goes up, what the stages leave to each other, and what comes back. All places are in words.

use std::ops::Range;
use std::sync::Arc;

use convertfly_jpeg::{Packed, PackedPlane, RUN, Scale, Taps, Turn, ZIGZAG};

use super::axes::{Axes, Band};
use super::results::{DC_WORDS, MASK_WORDS};
use super::stages::{ACROSS, DOWN, FORWARD, INVERSE, LANES, OFFSETS, PACK, Params, Room, SCAN, STAGES, Stage, WORKING, narrow};
use super::through::Kernel;
use crate::pixels::coefficients::Rendition;
use crate::pixels::gpu::Fault;
use crate::pixels::image::Shape;

/// Dense coefficients of a block, two a word.
const BLOCK_WORDS: u64 = 32;

/// Something to upload.
enum Piece {
    Words(Vec<u32>),
    /// A component of a source, or rather that part of it.
    Plane(Arc<Packed>, usize, fn(&PackedPlane) -> &[u8]),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Words(words) => bytemuck::cast_slice(words),
            Self::Plane(source, index, part) => part(&source.planes[*index]),
        }
    }
}

/// A component of a source as it is uploaded.
#[derive(Clone, Copy)]
struct Uploaded {
    masks: u32,
    dcs: u32,
    starts: u32,
    values: u32,
    steps: u32,
}

/// A component as samples.
#[derive(Clone, Copy)]
pub(super) struct Sampled {
    pub(super) at: u32,
    /// Words of a row.
    pub(super) stride: u32,
}

/// A component of a result on its way to coefficients.
#[derive(Clone, Copy)]
pub(super) struct Outgoing {
    /// Blocks across and down.
    pub(super) blocks: (usize, usize),
    /// Of the batch.
    pub(super) first_run: usize,
    pub(super) runs: usize,
    /// Its number among all components of the batch.
    pub(super) number: usize,
    /// What is known of its entry: where its samples are, and how they lie.
    forward: [u32; 7],
}

/// A component resampled.
pub(super) struct Resampled {
    pub(super) at: u32,
    /// Words of a row.
    pub(super) words: u32,
    /// Samples across and down.
    pub(super) size: (usize, usize),
}

/// Pixels that come back.
pub(super) struct Returned {
    /// Which working buffer they lie in, where, and how many bytes are copied.
    pub(super) buffer: usize,
    pub(super) at: u64,
    pub(super) bytes: u64,
    pub(super) shape: Shape,
}

/// What a rendition is to leave.
pub(super) enum Wanted {
    /// The components.
    Coefficients(Vec<Outgoing>),
    Pixels(Returned),
}

/// A batch, laid out.
#[derive(Default)]
pub(in crate::pixels) struct Layout {
    /// What goes up, and where.
    pieces: Vec<(u32, Piece)>,
    input: Room,
    planes: Room,
    between: Room,
    pub(super) resampled: Room,
    pub(super) pixels: [Room; 2],
    /// Of all results.
    pub(super) runs: usize,
    /// Components of all results.
    pub(super) outgoing: usize,
    pub(super) stages: [Stage; STAGES.len()],
    /// Passes over pixels, in their order.
    pub(super) kernels: Vec<Kernel>,
    pub(super) params: [Params; STAGES.len()],
    /// Of each rendition.
    pub(super) results: Vec<Wanted>,
    /// Sources that are uploaded.
    pub(super) sources: usize,
}

impl Layout {
    /// Of these renditions.
    ///
    /// # Errors
    /// [`Fault::Unfit`] for sources that are not brightness and colour, and for more than 32 bits can count.
    pub(in crate::pixels::gpu) fn new(renditions: &[Arc<Rendition>]) -> Result<Self, Fault> {
        let mut layout = Self::default();
        let zigzag_at = layout.upload(Piece::Words(ZIGZAG.iter().map(|&number| number.into()).collect()));
        let mut uploaded: Vec<(*const Packed, Vec<Uploaded>)> = Vec::new();
        let mut sampled: Vec<(*const Packed, Scale, Vec<Sampled>)> = Vec::new();
        for rendition in renditions {
            let (source, scale) = (&rendition.source, rendition.scale);
            let address = Arc::as_ptr(source);
            let place = uploaded.iter().position(|(other, _)| *other == address).unwrap_or_else(|| {
                uploaded.push((address, layout.upload_source(source)));
                uploaded.len() - 1
            });
            let samples = sampled.iter().position(|(other, at, _)| (*other, *at) == (address, scale)).unwrap_or_else(|| {
                sampled.push((address, scale, layout.invert(source, scale, &uploaded[place].1)));
                sampled.len() - 1
            });
            if let Some((through, growth)) = rendition.whole() {
                layout.upsample(rendition, through, growth, &sampled[samples].2);
                continue;
            }
            let axes = Axes::all(rendition)?;
            layout.resample_all(rendition, &axes, &sampled[samples].2);
        }
        layout.sources = uploaded.len();
        layout.settle(zigzag_at)
    }

    /// Of some rows of MCUs of one rendition.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub(super) fn band(rendition: &Rendition, rows: Range<usize>) -> Result<Self, Fault> {
        let mut layout = Self::default();
        let zigzag_at = layout.upload(Piece::Words(ZIGZAG.iter().map(|&number| number.into()).collect()));
        let Band { source, axes } = Band::new(rendition, rows)?;
        let uploaded = layout.upload_source(&source);
        let sampled = layout.invert(&source, rendition.scale, &uploaded);
        layout.resample_all(rendition, &axes, &sampled);
        layout.sources = 1;
        layout.settle(zigzag_at)
    }

    /// All components of a rendition, or of a band of it, up to their samples.
    fn resample_all(&mut self, rendition: &Rendition, axes: &[Axes], sampled: &[Sampled]) {
        // What becomes colours is rounded behind that.
        let is_fine = rendition.through.is_some() && axes.len() > 1;
        let resampled: Vec<Resampled> =
            axes.iter().zip(sampled).map(|(axes, plane)| self.resample(axes, *plane, is_fine)).collect();
        let wanted = match &rendition.through {
            Some(through) => self.go_through(rendition, through, &resampled),
            None => {
                let (transpose, mirror_across, mirror_down) = rendition.turn.map_or((false, false, false), Turn::parts);
                let turns = u32::from(transpose) | u32::from(mirror_across) << 1 | u32::from(mirror_down) << 2;
                let one = |(index, resampled): (usize, &Resampled)| {
                    let (width, height) = resampled.size;
                    let size = if transpose { (height, width) } else { (width, height) };
                    self.leave(resampled, size, turns, &rendition.steps[usize::from(index > 0)])
                };
                Wanted::Coefficients(resampled.iter().enumerate().map(one).collect())
            }
        };
        self.results.push(wanted);
    }

    /// Counts all, and places what could not be placed before.
    fn settle(mut self, zigzag_at: u32) -> Result<Self, Fault> {
        let runs = self.runs as u64;
        let coefficients = self.results.iter().filter_map(|wanted| match wanted {
            Wanted::Coefficients(planes) => Some(&planes[..]),
            Wanted::Pixels(_) => None,
        });
        for outgoing in coefficients.collect::<Vec<_>>().concat() {
            let first = outgoing.first_run as u64;
            let coefficients = narrow(first * RUN as u64 * BLOCK_WORDS);
            let mut entry = outgoing.forward.to_vec();
            entry.extend([coefficients, narrow(first)]);
            self.stages[FORWARD].push(outgoing.runs as u64, &entry);
            let (masks, dcs) = (first * MASK_WORDS, runs * MASK_WORDS + first * DC_WORDS);
            let number = outgoing.number as u32;
            self.stages[SCAN].push(1, &[narrow(first), outgoing.runs as u32, number]);
            let entry = [coefficients, narrow(masks), narrow(dcs), narrow(first), number];
            self.stages[PACK].push(outgoing.runs as u64, &entry);
        }
        self.stages[OFFSETS].groups = 1;
        for index in 0..STAGES.len() {
            let entries = std::mem::take(&mut self.stages[index].entries);
            let count = entries.len();
            let entries_at = self.upload(Piece::Words(entries.concat()));
            self.params[index] = Params {
                entries_at,
                entries: count as u32,
                groups: narrow(self.stages[index].groups),
                receipt: index as u32,
                zigzag_at,
                planes: self.outgoing as u32,
                lengths_at: narrow(runs * RUN as u64 * BLOCK_WORDS),
                starts_at: narrow(self.starts_at()),
                offsets_at: narrow(self.offsets_at()),
                values_at: narrow(self.header_words()),
                ..Params::default()
            };
        }
        if self.buffers().into_iter().any(|bytes| bytes / 4 >= u64::from(u32::MAX)) {
            return Err(Fault::Unfit("the batch is more than 32 bits can count".to_owned()));
        }
        Ok(self)
    }

    fn upload(&mut self, piece: Piece) -> u32 {
        let at = self.input.take(piece.bytes().len().div_ceil(4) as u64);
        self.pieces.push((at, piece));
        at
    }

    /// Uploads what is bound by itself.
    pub(super) fn upload_bound(&mut self, words: Vec<u32>) -> u32 {
        let at = self.input.take_bound(words.len() as u64);
        self.pieces.push((at, Piece::Words(words)));
        at
    }

    fn upload_source(&mut self, source: &Arc<Packed>) -> Vec<Uploaded> {
        let mut all = Vec::with_capacity(source.planes.len());
        for (index, c) in source.frame.components.iter().enumerate() {
            let mut part = |part: fn(&PackedPlane) -> &[u8]| self.upload(Piece::Plane(Arc::clone(source), index, part));
            all.push(Uploaded {
                masks: part(|plane| bytemuck::cast_slice(plane.masks())),
                dcs: part(|plane| bytemuck::cast_slice(plane.dcs())),
                starts: part(|plane| bytemuck::cast_slice(plane.starts())),
                values: part(PackedPlane::values),
                steps: self.upload(steps(&c.quant.unwrap_or([0; 64]))),
            });
        }
        all
    }

    /// Samples of a source at a scale.
    fn invert(&mut self, source: &Packed, scale: Scale, places: &[Uploaded]) -> Vec<Sampled> {
        let n = scale.size();
        let mut all = Vec::with_capacity(places.len());
        for (plane, place) in source.planes.iter().zip(places) {
            let in_row = plane.across().div_ceil(RUN);
            let stride = (in_row * RUN * n / 4) as u32;
            let at = self.planes.take(u64::from(stride) * (plane.down() * n) as u64);
            let Uploaded { masks, dcs, starts, values, steps } = *place;
            let entry = [masks, dcs, starts, values, steps, plane.across() as u32, plane.down() as u32, at, n as u32];
            self.stages[INVERSE].push((in_row * plane.down()) as u64, &entry);
            all.push(Sampled { at, stride });
        }
        all
    }

    /// A component up to its samples.
    fn resample(&mut self, axes: &Axes, plane: Sampled, is_fine: bool) -> Resampled {
        let Axes { columns, to: (width, height), ref down, ref across } = *axes;
        let columns = columns.div_ceil(4) as u64;
        let between = self.between.take(columns * 2 * height as u64);
        let weights = self.upload(taps(down));
        let entry = [plane.at, plane.stride, narrow(columns), weights, height as u32, down.width() as u32, between];
        self.stages[DOWN].push((columns * height as u64).div_ceil(LANES), &entry);

        let lanes = width.div_ceil(4) as u64;
        let words = if is_fine { 2 * lanes } else { lanes };
        let resampled = self.resampled.take(words * height as u64);
        let weights = self.upload(taps(across));
        let wide = narrow(columns * 2);
        let entry = [between, wide, weights, width as u32, across.width() as u32, resampled, height as u32, is_fine.into()];
        self.stages[ACROSS].push((lanes * height as u64).div_ceil(LANES), &entry);

        Resampled { at: resampled, words: narrow(words), size: (width, height) }
    }

    /// A component on to coefficients; `size` is what it has once it is turned.
    pub(super) fn leave(&mut self, resampled: &Resampled, size: (usize, usize), turns: u32, divided: &[u16; 64]) -> Outgoing {
        let steps = self.upload(steps(divided));
        let blocks = (size.0.div_ceil(8), size.1.div_ceil(8));
        let (at, words) = (resampled.at, resampled.words);
        let forward = [at, words, turns, size.0 as u32, size.1 as u32, blocks.0 as u32, steps];
        let (first_run, runs) = (self.runs, blocks.0.div_ceil(RUN) * blocks.1);
        self.runs += runs;
        self.outgoing += 1;
        Outgoing { blocks, first_run, runs, number: self.outgoing - 1, forward }
    }

    /// Bytes of each working buffer.
    pub(in crate::pixels::gpu) fn buffers(&self) -> [u64; WORKING] {
        let runs = self.runs as u64;
        let coefficients = runs * RUN as u64 * BLOCK_WORDS + runs;
        let words = [self.input.0, self.planes.0, self.between.0, self.resampled.0, coefficients, self.output_words()];
        let [input, planes, between, resampled, coefficients, output] = words.map(|words| words.max(1) * 4);
        let [first, second] = self.pixels();
        [input, planes, between, resampled, coefficients, output, first, second]
    }

    /// Whether no buffer is larger than `limit` bytes.
    pub(in crate::pixels::gpu) fn fits(&self, limit: u64) -> bool {
        self.buffers().into_iter().all(|bytes| bytes <= limit)
    }

    /// Workgroups of a stage.
    pub(super) fn groups(&self, stage: usize) -> u32 {
        self.params[stage].groups
    }

    /// Hands out what is uploaded, and where it goes, in bytes; all that lies between is filled up with zeros.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pieces.iter().map(|(at, piece)| (u64::from(*at) * 4, piece.bytes()))
    }
}

fn steps(steps: &[u16; 64]) -> Piece {
    Piece::Words(steps.iter().map(|&step| step.into()).collect())
}

/// Start and count of each position, then the windows, two weights a word.
fn taps(taps: &Taps) -> Piece {
    let pairs = taps.starts().iter().zip(taps.counts()).flat_map(|(&start, &count)| [start, count]);
    // Windows are of an even length.
    let weights = taps.weights().as_chunks::<2>().0;
    let weights = weights.iter().map(|&[one, other]| u32::from(one as u16) | u32::from(other as u16) << 16);
    Piece::Words(pairs.chain(weights).collect())
}
