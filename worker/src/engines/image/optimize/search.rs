//! The lowest quality that looks good enough, and the best that fits.

use std::io::Cursor;

use super::compare::{sample, score};
use crate::engines::image::pipeline::guarded;
use crate::failure::Failure;
use crate::formats::{
    Cancel, DecodeOptions, Decoded, Effort, EncodeOptions, Format, Limits, REWRITERS, RewriteOptions, Rewritten, Tags,
};
use crate::pixels::Depth;

/// Qualities between which is looked: below, no picture looks good, and above, files grow without any gain.
const QUALITIES: std::ops::RangeInclusive<u8> = 20..=95;

/// What pixels are written by.
pub(super) struct Lossy<'a> {
    pub(super) format: &'static Format,
    /// The file itself.
    pub(super) data: &'a [u8],
    pub(super) decoded: &'a Decoded,
    pub(super) tags: &'a Tags,
    pub(super) limits: Limits,
    /// Takes more time for fewer bytes.
    pub(super) patient: bool,
    pub(super) cancel: &'a Cancel,
}

/// A way to write them: the quality, and whether colours keep their resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) quality: u8,
    pub(super) full_chroma: bool,
}

/// A result.
pub(super) struct Whole {
    pub(super) data: Vec<u8>,
    /// It was made without a way through pixels.
    pub(super) rewritten: bool,
}

/// How much time is taken.
fn effort(small: bool) -> Effort {
    if small { Effort::Small } else { Effort::Balanced }
}

/// Colours that a quality leaves to a palette.
pub(super) fn colors(quality: u8) -> u16 {
    (u16::from(quality) * 256 / 100).clamp(2, 256)
}

impl Lossy<'_> {
    /// Whether the format has a lossy form for these pixels at all.
    pub(super) fn is_possible(&self) -> bool {
        let flags = self.format.flags;
        let still = self.decoded.frames.len() == 1;
        // A format that holds more than a palette (png) gets one here for a still of 8 bits.
        flags.lossy || (flags.palette && (!flags.deep || still && self.decoded.frames[0].image.depth() == Depth::U8))
    }

    /// All of it, that way: from what the file holds where it can be done so, which is faster and no worse, otherwise from its pixels.
    pub(super) fn whole(&self, way: Way) -> Result<Whole, Failure> {
        if let Some(Rewritten { file, .. }) = self.rewritten(way)? {
            return Ok(Whole { data: file, rewritten: true });
        }
        Ok(Whole { data: self.encode(way)?, rewritten: false })
    }

    fn rewritten(&self, way: Way) -> Result<Option<Rewritten>, Failure> {
        let Some(rewriter) = REWRITERS.iter().find(|rewriter| rewriter.format.name == self.format.name) else { return Ok(None) };
        self.cancel.check()?;
        if (rewriter.look)(self.data, &self.limits)?.is_none() {
            return Ok(None);
        }
        let options = RewriteOptions {
            limits: self.limits,
            quality: way.quality,
            full_chroma: way.full_chroma,
            effort: Effort::Small,
            icc: self.decoded.icc.clone(),
            tags: self.tags.clone(),
            cancel: self.cancel.clone(),
            ..RewriteOptions::default()
        };
        guarded(|| (rewriter.rewrite)(self.data, options))
    }

    fn encode(&self, way: Way) -> Result<Vec<u8>, Failure> {
        // Packing a png with patience takes minutes; the others take their time for little.
        self.write(self.decoded, way, self.tags.clone(), effort(self.patient || !self.format.flags.deep))
    }

    fn write(&self, decoded: &Decoded, way: Way, tags: Tags, effort: Effort) -> Result<Vec<u8>, Failure> {
        self.cancel.check()?;
        let encoder = self.format.encode.ok_or_else(|| Failure::internal("a format without an encoder"))?;
        let options = EncodeOptions {
            quality: way.quality,
            full_chroma: way.full_chroma,
            colors: self.format.flags.palette.then(|| colors(way.quality)),
            effort,
            tags,
            cancel: self.cancel.clone(),
            ..EncodeOptions::default()
        };
        let mut out = Cursor::new(Vec::new());
        encoder(decoded, &options, &mut out)?;
        Ok(out.into_inner())
    }

    fn read(&self, data: &[u8]) -> Result<Decoded, Failure> {
        let decoder = self.format.decode.ok_or_else(|| Failure::internal("a format without a decoder"))?;
        let wanted =
            DecodeOptions { limits: self.limits, all_frames: true, cancel: self.cancel.clone(), ..DecodeOptions::default() };
        (decoder.decode)(data, &wanted)
    }

    /// The result of the lowest quality that scores at least `wanted`, with its score; `None` where none does, or where pictures are
    /// too small to tell.
    pub(super) fn good_enough(&self, wanted: f64) -> Result<Option<(Way, f64, Whole)>, Failure> {
        let before = sample(&self.decoded.frames)?;
        let part = Decoded { icc: None, ..Decoded::still(before.clone()) };
        let try_one = |way: Way| -> Result<Option<f64>, Failure> {
            let data = self.write(&part, way, Tags::default(), effort(!self.format.flags.deep))?;
            score(&before, &sample(&self.read(&data)?.frames)?)
        };
        let Some((way, found)) = self.lowest(wanted, &part, &try_one)? else { return Ok(None) };
        if self.format.flags.lossy {
            // Blocks are coded each for itself, so the part tells as much as the whole.
            return Ok(Some((way, found, self.whole(way)?)));
        }
        // A palette is for all of it, where there may be more colours.
        let mut quality = way.quality;
        loop {
            let way = Way { quality, ..way };
            let made = self.whole(way)?;
            match score(&before, &sample(&self.read(&made.data)?.frames)?)? {
                Some(found) if found >= wanted => return Ok(Some((way, found, made))),
                _ if quality == 100 => return Ok(None),
                _ => quality = (quality + quality / 3 + 1).min(100),
            }
        }
    }

    /// The lowest quality at which `part` scores at least `wanted` when it is tried, by halves.
    fn lowest(
        &self,
        wanted: f64,
        part: &Decoded,
        try_one: &dyn Fn(Way) -> Result<Option<f64>, Failure>,
    ) -> Result<Option<(Way, f64)>, Failure> {
        let (least, most) = QUALITIES.into_inner();
        let most = if self.format.flags.lossy { most } else { 100 };
        for full_chroma in [false, true] {
            let way = |quality| Way { quality, full_chroma };
            if full_chroma && !self.chroma_matters(part)? {
                break;
            }
            let Some(at_most) = try_one(way(most))? else { break };
            if at_most < wanted {
                continue;
            }
            let (mut bad, mut good) = (least - 1, (way(most), at_most));
            while good.0.quality - bad > 1 {
                let middle = way(u8::midpoint(bad, good.0.quality));
                match try_one(middle)? {
                    Some(found) if found >= wanted => good = (middle, found),
                    _ => bad = middle.quality,
                }
            }
            return Ok(Some(good));
        }
        Ok(None)
    }

    /// Whether the format has two resolutions of colour to choose from.
    fn chroma_matters(&self, part: &Decoded) -> Result<bool, Failure> {
        let write =
            |full_chroma| self.write(part, Way { quality: *QUALITIES.start(), full_chroma }, Tags::default(), Effort::Balanced);
        Ok(self.format.flags.lossy && write(true)? != write(false)?)
    }

    /// The result of the highest quality up to `most` that has `bytes` at most; otherwise the smallest there is.
    pub(super) fn fitting(&self, most: u8, bytes: u64) -> Result<Result<(Way, Whole), u64>, Failure> {
        let way = |quality| Way { quality, full_chroma: false };
        let fits = |data: &[u8]| data.len() as u64 <= bytes;
        let smallest = self.whole(way(1))?;
        if !fits(&smallest.data) {
            return Ok(Err(smallest.data.len() as u64));
        }
        let (mut good, mut bad) = ((way(1), smallest), most.saturating_add(1));
        while bad - good.0.quality > 1 {
            let middle = way(u8::midpoint(good.0.quality, bad));
            let made = self.whole(middle)?;
            if fits(&made.data) {
                good = (middle, made);
            } else {
                bad = middle.quality;
            }
        }
        Ok(Ok(good))
    }
}
