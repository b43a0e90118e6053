//! Renditions that become pixels on the way: planes to pixels, the passes of a recording over them, and back to planes where coefficients are wanted.

use super::layout::{Layout, Outgoing, Resampled, Returned, Sampled, Wanted};
use super::stages::{COLOR, LANES, PIXELS, PLANES, RESAMPLED, UPSAMPLE, narrow};
use crate::pixels::coefficients::{Growth, Rendition, Through};
use crate::pixels::gpu::Plan;
use crate::pixels::image::Shape;
use crate::pixels::pass::{Params, packed_bytes};

/// One pass of a recording, with where everything lies.
pub(super) struct Kernel {
    pub(super) shader: &'static str,
    pub(super) params: Params,
    /// Offset and length in what is uploaded, bytes.
    pub(super) table: (u64, u64),
    /// Working buffer, offset and length in it, bytes: what is read, and what is written.
    pub(super) from: (usize, u64, u64),
    pub(super) to: (usize, u64, u64),
}

/// Where the pixels of a rendition lie in both buffers: bytes, and the word at which they begin.
struct Passing {
    sizes: [u64; 2],
    places: [u32; 2],
}

impl Layout {
    /// The pixels of a rendition, whose components are resampled to its size, and what becomes of them.
    pub(super) fn go_through(&mut self, rendition: &Rendition, through: &Through, resampled: &[Resampled]) -> Wanted {
        let (width, height) = rendition.size;
        let count = resampled.len() as u64;
        let samples = u64::from(width) * u64::from(height) * count;
        let passing = self.make_room(through, samples);
        let at = |index: usize| resampled.get(index).unwrap_or(&resampled[0]).at;
        let pixels = narrow(samples / count);
        let entry = [at(0), at(1), at(2), resampled[0].words, width, pixels, count as u32, passing.places[0]];
        self.stages[COLOR].push(samples.div_ceil(4 * LANES), &entry);
        self.pass(rendition, through, &passing)
    }

    /// The pixels of a whole picture, as a decoder gives them, and what becomes of them.
    pub(super) fn upsample(&mut self, rendition: &Rendition, through: &Through, growth: Growth, sampled: &[Sampled]) {
        let (width, height) = rendition.size;
        let count = sampled.len() as u64;
        let samples = u64::from(width) * u64::from(height) * count;
        let passing = self.make_room(through, samples);
        let of = |index: usize| sampled.get(index).unwrap_or(&sampled[0]);
        let Growth { across, down, size } = growth;
        let [luma, blue, red] = [of(0), of(1), of(2)];
        let pixels = narrow(samples / count);
        let planes = [luma.at, luma.stride, blue.at, red.at, blue.stride];
        let rest = [width, pixels, count as u32, passing.places[0], across, down, size.0, size.1];
        self.stages[UPSAMPLE].push(samples.div_ceil(4 * LANES), &[&planes[..], &rest[..]].concat());
        let wanted = self.pass(rendition, through, &passing);
        self.results.push(wanted);
    }

    /// Room for so many samples, and for whatever passes make of them.
    fn make_room(&mut self, through: &Through, samples: u64) -> Passing {
        let sizes = through.plan.as_ref().map_or([0, 4], Plan::buffers);
        let sizes = [sizes[0].max(samples.next_multiple_of(4)), sizes[1]];
        let places = [0, 1].map(|index| self.pixels[index].take_bound(sizes[index].div_ceil(4)));
        Passing { sizes, places }
    }

    /// The passes over pixels, and what is wanted of these.
    fn pass(&mut self, rendition: &Rendition, through: &Through, &Passing { sizes, places }: &Passing) -> Wanted {
        let passes = through.plan.as_ref().map_or(&[][..], |plan| &plan.passes);
        for (index, pass) in passes.iter().enumerate() {
            let table: &[u32] = if pass.table.is_empty() { &[0] } else { &pass.table };
            let table = (u64::from(self.upload_bound(table.to_vec())) * 4, table.len() as u64 * 4);
            let place = |side: usize| (PIXELS[side], u64::from(places[side]) * 4, sizes[side]);
            let (from, to) = (place(index % 2), place((index + 1) % 2));
            self.kernels.push(Kernel { shader: pass.shader, params: pass.params, table, from, to });
        }
        let last = passes.len() % 2;
        if through.back {
            Wanted::Coefficients(self.back_to_planes(rendition, through.output, last, places[last]))
        } else {
            let bytes = packed_bytes(through.output);
            let returned = Returned { buffer: PIXELS[last], at: u64::from(places[last]) * 4, bytes, shape: through.output };
            Wanted::Pixels(returned)
        }
    }

    /// Pixels to planes, colour at half the resolution, and these on their way to coefficients.
    fn back_to_planes(&mut self, rendition: &Rendition, shape: Shape, buffer: usize, pixels_at: u32) -> Vec<Outgoing> {
        let (width, height, channels) = (shape.width as usize, shape.height as usize, shape.channels.count());
        let one = |(index, steps): (usize, &[u16; 64])| {
            // Colour goes on to the end of its last block as it would if the picture did, not as its own last samples do.
            let (across, down) =
                if index > 0 { (width.div_ceil(2).next_multiple_of(8), height.div_ceil(2)) } else { (width, height) };
            let words = across.div_ceil(4) as u64;
            let at = self.resampled.take(words * down as u64);
            let [width, height] = [width as u32, height as u32];
            let entry = [pixels_at, width, height, channels as u32, index as u32, at, narrow(words), down as u32];
            self.stages[PLANES[buffer]].push((words * down as u64).div_ceil(LANES), &entry);
            let resampled = Resampled { at, words: narrow(words), size: (across, down) };
            self.leave(&resampled, (across, down), 0, steps)
        };
        let steps = &rendition.steps;
        [&steps[0], &steps[1], &steps[1]].into_iter().enumerate().take(channels).map(one).collect()
    }

    /// What the copies of pixels that come back take, bytes.
    pub(super) fn pixel_bytes(&self) -> u64 {
        self.returned().map(|returned| returned.bytes).sum()
    }

    /// The pixels that come back, in their order.
    pub(super) fn returned(&self) -> impl Iterator<Item = &Returned> {
        self.results.iter().filter_map(|wanted| match wanted {
            Wanted::Pixels(returned) => Some(returned),
            Wanted::Coefficients(_) => None,
        })
    }

    /// Of each buffer of pixels, bytes.
    pub(super) fn pixels(&self) -> [u64; 2] {
        [0, 1].map(|index| self.pixels[index].0.max(1) * 4)
    }
}

const _: () = assert!(RESAMPLED != PIXELS[0] && RESAMPLED != PIXELS[1], "no stage reads what it writes");
