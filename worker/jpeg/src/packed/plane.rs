//! One component.

use crate::error::Error;
use crate::scan::Block;
use crate::simd::Nonzero;
use crate::zigzag::NATURAL;

/// Blocks whose values have a start in common.
pub const RUN: usize = 8;

/// Bit 0 of a mask: values are of two bytes.
const WIDE: u64 = 1;

/// Values begin at whole words.
pub(super) const WORD: usize = 4;

/// More than the values of a block.
const ROOM: usize = 128;

/// Coefficients of one component; see the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackedPlane {
    pub(super) across: usize,
    pub(super) down: usize,
    pub(super) masks: Vec<u64>,
    pub(super) dcs: Vec<i16>,
    pub(super) starts: Vec<u32>,
    pub(super) values: Vec<u8>,
}

/// Bytes of a block's values.
fn length(mask: u64) -> usize {
    ((mask & !WIDE).count_ones() as usize) << (mask & WIDE)
}

impl PackedPlane {
    /// Nothing yet of so many blocks across and down.
    pub(super) fn new(across: usize, down: usize, values: usize) -> Self {
        let runs = across.div_ceil(RUN) * down;
        PackedPlane {
            across,
            down,
            masks: Vec::with_capacity(runs * RUN),
            dcs: Vec::with_capacity(runs * RUN),
            starts: Vec::with_capacity(runs),
            values: Vec::with_capacity(values),
        }
    }

    /// Packs rows of `across` blocks in natural order, of which there is at least one.
    pub fn of<'a>(across: usize, rows: impl IntoIterator<Item = &'a [Block]>) -> Self {
        let mut plane = PackedPlane::new(across, 0, 0);
        let nonzero = Nonzero::detect();
        for row in rows {
            plane.push_row::<false>(&row[..across], |block| nonzero.mask(block));
            plane.down += 1;
        }
        plane
    }

    /// What has come from elsewhere: of each slot mask and DC, of each run its start, and the values.
    ///
    /// # Errors
    /// Where these do not belong together. Nothing outside of what the masks say is ever read.
    pub fn from_parts(
        (across, down): (usize, usize),
        masks: Vec<u64>,
        dcs: Vec<i16>,
        starts: Vec<u32>,
        values: Vec<u8>,
    ) -> Result<Self, Error> {
        const BAD: Error = Error::Input("packed coefficients do not belong together");
        let (in_row, runs) = (across.div_ceil(RUN), across.div_ceil(RUN) * down);
        if (masks.len(), dcs.len(), starts.len()) != (runs * RUN, runs * RUN, runs) {
            return Err(BAD);
        }
        let mut at = 0;
        for (run, (masks, &start)) in masks.chunks_exact(RUN).zip(&starts).enumerate() {
            let blocks = (across - run % in_row * RUN).min(RUN);
            if start as usize * WORD != at || masks[blocks..].iter().any(|&mask| mask != 0) {
                return Err(BAD);
            }
            at += masks.iter().map(|&mask| length(mask)).sum::<usize>().next_multiple_of(WORD);
        }
        if at != values.len() {
            return Err(BAD);
        }
        Ok(PackedPlane { across, down, masks, dcs, starts, values })
    }

    /// Blocks across.
    pub fn across(&self) -> usize {
        self.across
    }

    /// Blocks down.
    pub fn down(&self) -> usize {
        self.down
    }

    /// Of each slot which coefficients are not 0.
    pub fn masks(&self) -> &[u64] {
        &self.masks
    }

    /// Of each slot DC.
    pub fn dcs(&self) -> &[i16] {
        &self.dcs
    }

    /// Of each run where its values begin, in words.
    pub fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// All values.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.masks[..]) + size_of_val(&self.dcs[..]) + size_of_val(&self.starts[..]) + self.values.len()
    }

    /// The next row of blocks, in coding order or in the natural one; `mask` says of each which coefficients are not 0, as `CODED` says in
    /// coding order's numbers.
    #[inline(always)]
    pub(super) fn push_row<const CODED: bool>(&mut self, row: &[Block], mask: impl Fn(&Block) -> u64) {
        for run in row.chunks(RUN) {
            self.starts.push((self.values.len() / WORD) as u32);
            for block in run {
                self.push::<CODED>(block, mask(block) & !WIDE);
            }
            let slots = self.starts.len() * RUN;
            self.masks.resize(slots, 0);
            self.dcs.resize(slots, 0);
            self.values.resize(self.values.len().next_multiple_of(WORD), 0);
        }
    }

    #[inline(always)]
    fn push<const CODED: bool>(&mut self, block: &Block, mask: u64) {
        let value = |k: u32| block[if CODED { k as usize & 63 } else { usize::from(NATURAL[k as usize & 63]) & 63 }];
        let (mut bytes, mut count, mut wide) = ([0; ROOM], 0, false);
        let mut left = mask;
        while left != 0 {
            let value = value(left.trailing_zeros());
            left &= left - 1;
            bytes[count % ROOM] = value as u8;
            wide |= i16::from(value as i8) != value;
            count += 1;
        }
        if wide {
            (left, count) = (mask, 0);
            while left != 0 {
                let [low, high] = value(left.trailing_zeros()).to_le_bytes();
                left &= left - 1;
                (bytes[count % ROOM], bytes[(count + 1) % ROOM]) = (low, high);
                count += 2;
            }
        }
        self.masks.push(mask | u64::from(wide));
        self.dcs.push(block[0]);
        self.values.extend_from_slice(&bytes[..count.min(ROOM)]);
    }

    /// One block after the other, in their rows.
    pub(crate) fn blocks(&self) -> Blocks<'_> {
        Blocks { plane: self, x: 0, slot: 0, at: 0 }
    }
}

/// Reads blocks.
pub(crate) struct Blocks<'a> {
    plane: &'a PackedPlane,
    /// Column of the next one.
    x: usize,
    slot: usize,
    /// Where its values begin.
    at: usize,
}

impl Blocks<'_> {
    /// The next one, in natural order; zeros behind the last.
    pub(crate) fn next(&mut self, out: &mut Block) {
        *out = [0; 64];
        let plane = self.plane;
        let (Some(&mask), Some(&dc)) = (plane.masks.get(self.slot), plane.dcs.get(self.slot)) else { return };
        if self.slot.is_multiple_of(RUN) {
            self.at = plane.starts.get(self.slot / RUN).map_or(0, |&start| start as usize * WORD);
        }
        out[0] = dc;
        let length = length(mask);
        let values = plane.values.get(self.at..self.at + length).unwrap_or_default();
        let mut left = mask & !WIDE;
        let mut put = |value: i16| {
            out[usize::from(NATURAL[left.trailing_zeros() as usize & 63])] = value;
            left &= left.wrapping_sub(1);
        };
        if mask & WIDE == 0 {
            values.iter().for_each(|&value| put(i16::from(value as i8)));
        } else {
            values.as_chunks::<2>().0.iter().for_each(|&value| put(i16::from_le_bytes(value)));
        }
        self.at += length;
        self.x += 1;
        self.slot += 1;
        if self.x == plane.across {
            self.x = 0;
            self.slot = self.slot.next_multiple_of(RUN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(random: &mut fastrand::Rng, count: usize) -> Vec<Block> {
        (0..count)
            .map(|_| {
                let (density, range) = (random.u8(..64), 1i16 << random.u8(1..15));
                let mut block = [0; 64];
                for value in &mut block {
                    if random.u8(..64) < density {
                        *value = random.i16(-range..range);
                    }
                }
                block
            })
            .collect()
    }

    fn packed(blocks: &[Block], across: usize) -> PackedPlane {
        PackedPlane::of(across, blocks.chunks_exact(across))
    }

    #[test]
    fn blocks_come_back_whatever_they_hold() {
        let mut rng = fastrand::Rng::with_seed(21);
        for (across, down) in [(1, 1), (7, 3), (8, 2), (9, 5), (16, 1), (50, 4)] {
            let mut blocks = random(&mut rng, across * down);
            blocks[0] = [i16::MIN; 64];
            blocks[across * down - 1] = [-128; 64];
            let plane = packed(&blocks, across);
            let mut reader = plane.blocks();
            for (at, wanted) in blocks.iter().enumerate() {
                let mut found = [1; 64];
                reader.next(&mut found);
                assert_eq!(&found, wanted, "block {at} of {across} x {down}");
            }
            let mut coded = PackedPlane::new(across, down, 0);
            let in_order: Vec<Block> = blocks.iter().map(crate::zigzag::coded).collect();
            in_order.chunks_exact(across).for_each(|row| coded.push_row::<true>(row, |block| Nonzero::detect().places(block)));
            assert_eq!(coded, plane, "from blocks in coding order");
        }
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let mut rng = fastrand::Rng::with_seed(22);
        let plane = packed(&random(&mut rng, 9 * 4), 9);
        let parts = |change: &dyn Fn(&mut PackedPlane)| {
            let mut plane = plane.clone();
            change(&mut plane);
            let PackedPlane { across, down, masks, dcs, starts, values } = plane;
            PackedPlane::from_parts((across, down), masks, dcs, starts, values)
        };
        assert_eq!(parts(&|_| ()).as_ref(), Ok(&plane), "as it was");
        for (what, change) in [
            ("a bit more", &(|plane: &mut PackedPlane| plane.masks[2] ^= 1 << 40) as &dyn Fn(&mut PackedPlane)),
            ("a block beyond the row", &|plane: &mut PackedPlane| plane.masks[9] = 2),
            ("another start", &|plane: &mut PackedPlane| plane.starts[3] += 1),
            ("a value less", &|plane: &mut PackedPlane| plane.values.truncate(plane.values.len() - 1)),
            ("values behind the last", &|plane: &mut PackedPlane| plane.values.extend([0; 4])),
            ("another size", &|plane: &mut PackedPlane| plane.down = 5),
            ("no DC", &|plane: &mut PackedPlane| plane.dcs.clear()),
        ] {
            assert!(parts(change).is_err(), "{what}");
        }
    }
}
