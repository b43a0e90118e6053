//! Where everything of a batch lies: what goes up, what the stages leave to each other, and what comes back. All places are in words.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use convertfly_jpeg::{Packed, PackedPlane, RUN, Scale, Taps, Turn, ZIGZAG};

use super::axes::{Axes, Band};
use crate::pixels::coefficients::Rendition;
use crate::pixels::gpu::Fault;

/// The shaders, in the order in which they run.
pub(super) const STAGES: [&str; 7] =
    ["jpeg/inverse", "jpeg/down", "jpeg/across", "jpeg/forward", "jpeg/scan", "jpeg/offsets", "jpeg/pack"];

const INVERSE: usize = 0;
const DOWN: usize = 1;
const ACROSS: usize = 2;
const FORWARD: usize = 3;
const SCAN: usize = 4;
const OFFSETS: usize = 5;
const PACK: usize = 6;

/// Words of an entry.
const ENTRY: usize = 16;

/// Lanes of a workgroup of those stages that do not know blocks, each with a piece of its own.
const LANES: u64 = 64;

/// Dense coefficients of a block, two a word.
const BLOCK_WORDS: u64 = 32;

/// Masks and DCs of a run.
const MASK_WORDS: u64 = 2 * RUN as u64;
const DC_WORDS: u64 = RUN as u64 / 2;

/// More than the values of a run can take: 8 times 63, of two bytes.
const RUN_VALUES: u64 = 252;

/// What the values of a run rarely take: so many are read back at once, and the rest, if there is any, after a look at how much it is.
const LIKELY_VALUES: u64 = 40;

/// What a stage is told. Mirrors `struct Params` of `shaders/wgsl/shared/stage.wgsl`, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub(super) struct Params {
    pub(super) entries_at: u32,
    pub(super) entries: u32,
    pub(super) groups: u32,
    /// Filled in for each run.
    pub(super) nonce: u32,
    pub(super) receipt: u32,
    zigzag_at: u32,
    planes: u32,
    lengths_at: u32,
    starts_at: u32,
    offsets_at: u32,
    values_at: u32,
    unused: u32,
}

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
struct Sampled {
    at: u32,
    /// Words of a row.
    stride: u32,
}

/// A component of a result on its way to coefficients.
#[derive(Clone, Copy)]
struct Outgoing {
    /// Blocks across and down.
    blocks: (usize, usize),
    /// Of the batch.
    first_run: usize,
    runs: usize,
    /// Its number among all components of the batch.
    number: usize,
    /// What is known of its entry: where its samples are, and how they lie.
    forward: [u32; 7],
}

/// One stage.
#[derive(Default)]
struct Stage {
    entries: Vec<[u32; ENTRY]>,
    groups: u64,
}

impl Stage {
    /// Adds an entry, `rest` behind the number of its first workgroup.
    fn push(&mut self, groups: u64, rest: &[u32]) {
        let mut entry = [0; ENTRY];
        entry[0] = narrow(self.groups);
        entry[1..=rest.len()].copy_from_slice(rest);
        self.entries.push(entry);
        self.groups += groups;
    }
}

/// What lies beyond 32 bits is refused once all is known.
fn narrow(words: u64) -> u32 {
    u32::try_from(words).unwrap_or(u32::MAX)
}

/// Words that are handed out one after the other.
#[derive(Default)]
struct Room(u64);

impl Room {
    fn take(&mut self, words: u64) -> u32 {
        let at = self.0;
        self.0 += words;
        narrow(at)
    }
}

/// A batch, laid out.
#[derive(Default)]
pub(in crate::pixels) struct Layout {
    pieces: Vec<Piece>,
    input: Room,
    planes: Room,
    between: Room,
    resampled: Room,
    /// Of all results.
    runs: usize,
    /// Components of all results.
    outgoing: usize,
    stages: [Stage; STAGES.len()],
    pub(super) params: [Params; STAGES.len()],
    /// The components of each rendition.
    results: Vec<Vec<Outgoing>>,
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
        let made = axes.iter().zip(sampled).enumerate();
        let made = made.map(|(index, (axes, plane))| self.resample(rendition, index, axes, *plane)).collect();
        self.results.push(made);
    }

    /// Counts all, and places what could not be placed before.
    fn settle(mut self, zigzag_at: u32) -> Result<Self, Fault> {
        let runs = self.runs as u64;
        for outgoing in self.results.concat() {
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
        self.pieces.push(piece);
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
    fn resample(&mut self, rendition: &Rendition, index: usize, axes: &Axes, plane: Sampled) -> Outgoing {
        let Axes { columns, to: (width, height), ref down, ref across } = *axes;
        let columns = columns.div_ceil(4) as u64;
        let between = self.between.take(columns * 2 * height as u64);
        let weights = self.upload(taps(down));
        let entry = [plane.at, plane.stride, narrow(columns), weights, height as u32, down.width() as u32, between];
        self.stages[DOWN].push((columns * height as u64).div_ceil(LANES), &entry);

        let words = width.div_ceil(4) as u64;
        let resampled = self.resampled.take(words * height as u64);
        let weights = self.upload(taps(across));
        let wide = narrow(columns * 2);
        let entry = [between, wide, weights, width as u32, across.width() as u32, resampled, height as u32];
        self.stages[ACROSS].push((words * height as u64).div_ceil(LANES), &entry);

        let (transpose, mirror_across, mirror_down) = rendition.turn.map_or((false, false, false), Turn::parts);
        let turns = u32::from(transpose) | u32::from(mirror_across) << 1 | u32::from(mirror_down) << 2;
        let (width, height) = if transpose { (height, width) } else { (width, height) };
        let steps = self.upload(steps(&rendition.steps[usize::from(index > 0)]));
        let blocks = (width.div_ceil(8), height.div_ceil(8));
        let forward = [resampled, narrow(words), turns, width as u32, height as u32, blocks.0 as u32, steps];
        let (first_run, runs) = (self.runs, blocks.0.div_ceil(RUN) * blocks.1);
        self.runs += runs;
        self.outgoing += 1;
        Outgoing { blocks, first_run, runs, number: self.outgoing - 1, forward }
    }

    /// Where what comes back has the starts of all runs; before them lie masks and DCs.
    fn starts_at(&self) -> u64 {
        self.runs as u64 * (MASK_WORDS + DC_WORDS)
    }

    /// Where it has, of each component, where its values begin, from which the starts of its runs count; and behind them how much all values take.
    fn offsets_at(&self) -> u64 {
        self.starts_at() + self.runs as u64
    }

    /// All of it but the values.
    fn header_words(&self) -> u64 {
        self.offsets_at() + self.outgoing as u64 + 1
    }

    /// Bytes of what is uploaded, of planes, of rows between, of resampled planes, of dense coefficients, and of what comes back.
    pub(in crate::pixels::gpu) fn buffers(&self) -> [u64; 6] {
        let runs = self.runs as u64;
        let coefficients = runs * RUN as u64 * BLOCK_WORDS + runs;
        let output = self.header_words() + runs * RUN_VALUES;
        [self.input.0, self.planes.0, self.between.0, self.resampled.0, coefficients, output].map(|words| words.max(1) * 4)
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
        self.pieces.iter().scan(0, |next, piece| {
            let (at, bytes) = (*next, piece.bytes());
            *next += bytes.len().next_multiple_of(4) as u64;
            Some((at, bytes))
        })
    }

    /// Bytes that are read back at once.
    pub(super) fn likely_bytes(&self) -> u64 {
        (self.header_words() + self.runs as u64 * LIKELY_VALUES) * 4
    }

    /// Bytes that came back altogether, by the head of them.
    ///
    /// # Errors
    /// [`Fault::Lost`] where that cannot be.
    pub(super) fn all_bytes(&self, head: &[u8]) -> Result<u64, Fault> {
        let at = (self.header_words() - 1) * 4;
        let total = head.get(at as usize..).and_then(|rest| rest.first_chunk()).map(|word| u32::from_ne_bytes(*word));
        let total = total.map(u64::from).filter(|&total| total <= self.runs as u64 * RUN_VALUES);
        let total = total.ok_or_else(|| Fault::Lost("it counts more values than there can be".to_owned()))?;
        Ok((self.header_words() + total) * 4)
    }

    /// The results of each rendition, out of what was read back; checked so that nothing but what belongs to a component gets into it.
    ///
    /// # Errors
    /// [`Fault::Lost`] where it does not belong together.
    pub(super) fn results(&self, found: &[u8]) -> Result<Vec<Vec<PackedPlane>>, Fault> {
        self.results.iter().map(|planes| planes.iter().map(|outgoing| self.result(outgoing, found)).collect()).collect()
    }

    fn result(&self, outgoing: &Outgoing, found: &[u8]) -> Result<PackedPlane, Fault> {
        let lost = || Fault::Lost("what came back does not belong together".to_owned());
        let (runs, first) = (self.runs as u64, outgoing.first_run as u64);
        let words = |at: u64, words: u64| found.get(at as usize * 4..(at + words) as usize * 4).ok_or_else(lost);
        let own = outgoing.runs as u64;
        let masks = words(first * MASK_WORDS, own * MASK_WORDS)?.as_chunks::<8>().0;
        let dcs = words(runs * MASK_WORDS + first * DC_WORDS, own * DC_WORDS)?.as_chunks::<2>().0;
        let numbers = |at, count| Ok(words(at, count)?.as_chunks::<4>().0.iter().map(|word| u32::from_ne_bytes(*word)).collect());
        let starts: Vec<u32> = numbers(self.starts_at() + first, own)?;
        let offsets: Vec<u32> = numbers(self.offsets_at() + outgoing.number as u64, 2)?;
        let length = offsets[1].checked_sub(offsets[0]).ok_or_else(lost)?;
        let values = words(self.header_words() + u64::from(offsets[0]), length.into())?;
        let masks = masks.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect();
        let dcs = dcs.iter().map(|bytes| i16::from_ne_bytes(*bytes)).collect();
        PackedPlane::from_parts(outgoing.blocks, masks, dcs, starts, values.to_vec()).map_err(|_| lost())
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
