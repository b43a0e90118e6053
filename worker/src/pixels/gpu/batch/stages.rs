//! The stages of a batch: what each is told, and which of its workgroups do what.

use bytemuck::{Pod, Zeroable};

/// The shaders, in the order in which they run. The kernels of recordings run before the first that makes planes of pixels again.
pub(super) const STAGES: [&str; 11] = [
    "jpeg/inverse",
    "jpeg/down",
    "jpeg/across",
    "jpeg/color",
    "jpeg/upsample",
    "jpeg/planes",
    "jpeg/planes",
    "jpeg/forward",
    "jpeg/scan",
    "jpeg/offsets",
    "jpeg/pack",
];

pub(super) const INVERSE: usize = 0;
pub(super) const DOWN: usize = 1;
pub(super) const ACROSS: usize = 2;
pub(super) const COLOR: usize = 3;
pub(super) const UPSAMPLE: usize = 4;
/// Out of the first buffer of pixels, and out of the second one: a stage reads one buffer.
pub(super) const PLANES: [usize; 2] = [5, 6];
pub(super) const FORWARD: usize = 7;
pub(super) const SCAN: usize = 8;
pub(super) const OFFSETS: usize = 9;
pub(super) const PACK: usize = 10;

/// The working buffers: what is uploaded, samples as they were coded, rows between, samples as they are wanted, dense coefficients, what comes back,
/// and pixels, which the passes of a recording read and write in turn.
pub(super) const INPUT: usize = 0;
pub(super) const RESAMPLED: usize = 3;
pub(super) const OUTPUT: usize = 5;
pub(super) const PIXELS: [usize; 2] = [6, 7];
pub(super) const WORKING: usize = 8;

/// Which of them a stage reads and writes.
pub(super) const BUFFERS: [(usize, usize); STAGES.len()] = [
    (INPUT, 1),
    (1, 2),
    (2, RESAMPLED),
    (RESAMPLED, PIXELS[0]),
    (1, PIXELS[0]),
    (PIXELS[0], RESAMPLED),
    (PIXELS[1], RESAMPLED),
    (RESAMPLED, 4),
    (4, OUTPUT),
    (4, OUTPUT),
    (4, OUTPUT),
];

/// Words of an entry.
const ENTRY: usize = 16;

/// Lanes of a workgroup of those stages that do not know blocks, each with a piece of its own.
pub(super) const LANES: u64 = 64;

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
    pub(super) zigzag_at: u32,
    pub(super) planes: u32,
    pub(super) lengths_at: u32,
    pub(super) starts_at: u32,
    pub(super) offsets_at: u32,
    pub(super) values_at: u32,
    pub(super) unused: u32,
}

/// One stage.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) entries: Vec<[u32; ENTRY]>,
    pub(super) groups: u64,
}

impl Stage {
    /// Adds an entry, `rest` behind the number of its first workgroup.
    pub(super) fn push(&mut self, groups: u64, rest: &[u32]) {
        let mut entry = [0; ENTRY];
        entry[0] = narrow(self.groups);
        entry[1..=rest.len()].copy_from_slice(rest);
        self.entries.push(entry);
        self.groups += groups;
    }
}

/// What lies beyond 32 bits is refused once all is known.
pub(super) fn narrow(words: u64) -> u32 {
    u32::try_from(words).unwrap_or(u32::MAX)
}

/// Words that are handed out one after the other.
#[derive(Default)]
pub(super) struct Room(pub(super) u64);

impl Room {
    pub(super) fn take(&mut self, words: u64) -> u32 {
        let at = self.0;
        self.0 += words;
        narrow(at)
    }

    /// The same, of words that are bound by themselves: from where a binding may begin.
    pub(super) fn take_bound(&mut self, words: u64) -> u32 {
        self.0 = self.0.next_multiple_of(super::BOUND_WORDS);
        self.take(words)
    }
}
