//! What a batch leaves, and how it is taken apart; nothing of it counts before it is checked.

use convertfly_jpeg::{PackedPlane, RUN};

use super::layout::{Layout, Outgoing, Wanted};
use crate::pixels::coefficients::Outcome;
use crate::pixels::gpu::Fault;
use crate::pixels::image::Image;

/// Masks and DCs of a run.
pub(super) const MASK_WORDS: u64 = 2 * RUN as u64;
pub(super) const DC_WORDS: u64 = RUN as u64 / 2;

/// More than the values of a run can take: 8 times 63, of two bytes.
const RUN_VALUES: u64 = 252;

/// What the values of a run rarely take: so many are read back at once, and the rest, if there is any, after a look at how much it is.
const LIKELY_VALUES: u64 = 40;

fn does_not_belong() -> Fault {
    Fault::Lost("what came back does not belong together".to_owned())
}

impl Layout {
    /// Where what comes back has the starts of all runs; before them lie masks and DCs.
    pub(super) fn starts_at(&self) -> u64 {
        self.runs as u64 * (MASK_WORDS + DC_WORDS)
    }

    /// Where it has, of each component, where its values begin, from which the starts of its runs count; and behind them how much all values take.
    pub(super) fn offsets_at(&self) -> u64 {
        self.starts_at() + self.runs as u64
    }

    /// All of it but the values.
    pub(super) fn header_words(&self) -> u64 {
        self.offsets_at() + self.outgoing as u64 + 1
    }

    /// All of it, if every value that there can be is there.
    pub(super) fn output_words(&self) -> u64 {
        self.header_words() + self.runs as u64 * RUN_VALUES
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

    /// The result of each rendition, out of what was read back: coefficients, and pixels as they lie one after the other; checked so that nothing but
    /// what belongs to a component gets into it.
    ///
    /// # Errors
    /// [`Fault::Lost`] where it does not belong together, [`Fault::Stop`] where there is no memory for pixels.
    pub(super) fn results(&self, coefficients: &[u8], mut pixels: &[u8]) -> Result<Vec<Outcome>, Fault> {
        let mut all = Vec::with_capacity(self.results.len());
        for wanted in &self.results {
            all.push(match wanted {
                Wanted::Coefficients(planes) => {
                    let planes: Result<_, Fault> = planes.iter().map(|outgoing| self.result(outgoing, coefficients)).collect();
                    Outcome::Coefficients(planes?)
                }
                Wanted::Pixels(returned) => {
                    let (own, rest) = pixels.split_at_checked(returned.bytes as usize).ok_or_else(does_not_belong)?;
                    let mut image = Image::zeroed(returned.shape).map_err(Fault::Stop)?;
                    let length = image.data().len();
                    image.data_mut().copy_from_slice(own.get(..length).ok_or_else(does_not_belong)?);
                    pixels = rest;
                    Outcome::Pixels(image)
                }
            });
        }
        Ok(all)
    }

    fn result(&self, outgoing: &Outgoing, found: &[u8]) -> Result<PackedPlane, Fault> {
        let lost = does_not_belong;
        let (runs, first) = (self.runs as u64, outgoing.first_run as u64);
        let words = |at: u64, words: u64| found.get(at as usize * 4..(at + words) as usize * 4).ok_or_else(lost);
        let own = outgoing.runs as u64;
        let masks = words(first * MASK_WORDS, own * MASK_WORDS)?.as_chunks::<8>().0;
        let dcs = words(runs * MASK_WORDS + first * DC_WORDS, own * DC_WORDS)?.as_chunks::<2>().0;
        let numbers = |at: u64, count: u64| -> Result<Vec<u32>, Fault> {
            Ok(words(at, count)?.as_chunks::<4>().0.iter().map(|word| u32::from_ne_bytes(*word)).collect())
        };
        let starts = numbers(self.starts_at() + first, own)?;
        let offsets = numbers(self.offsets_at() + outgoing.number as u64, 2)?;
        let length = offsets[1].checked_sub(offsets[0]).ok_or_else(lost)?;
        let values = words(self.header_words() + u64::from(offsets[0]), length.into())?;
        let masks = masks.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect();
        let dcs = dcs.iter().map(|bytes| i16::from_ne_bytes(*bytes)).collect();
        PackedPlane::from_parts(outgoing.blocks, masks, dcs, starts, values.to_vec()).map_err(|_| lost())
    }
}
