//! Renditions that become pixels on the way: planes to pixels, the passes of a recording over them, and back to planes where coefficients are wanted.

use super::layout::{Layout, Outgoing, Resampled, Returned, Wanted};
use super::stages::{COLOR, LANES, PIXELS, PLANES, RESAMPLED, narrow};
use crate::pixels::coefficients::{Rendition, Through};
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

impl Layout {
    /// The pixels of a rendition, whose components are resampled to its size, and what becomes of them.
    pub(super) fn go_through(&mut self, rendition: &Rendition, through: &Through, resampled: &[Resampled]) -> Wanted {
        let (width, height) = rendition.size;
        let count = resampled.len() as u64;
        let nothing = Plan { passes: Vec::new(), input_bytes: 0, output: through.output };
        let plan = through.plan.as_ref().unwrap_or(&nothing);
        let samples = u64::from(width) * u64::from(height) * count;
        let words = samples.div_ceil(4);
        let sizes = plan.buffers();
        let sizes = [sizes[0].max(words * 4), sizes[1]];
        let places = [0, 1].map(|index| self.pixels[index].take_bound(sizes[index].div_ceil(4)));

        let at = |index: usize| resampled.get(index).unwrap_or(&resampled[0]).at;
        let pixels = narrow(samples / count);
        let entry = [at(0), at(1), at(2), resampled[0].words, width, pixels, count as u32, places[0]];
        self.stages[COLOR].push(words.div_ceil(LANES), &entry);

        for (index, pass) in plan.passes.iter().enumerate() {
            let table: &[u32] = if pass.table.is_empty() { &[0] } else { &pass.table };
            let table = (u64::from(self.upload_bound(table.to_vec())) * 4, table.len() as u64 * 4);
            let place = |side: usize| (PIXELS[side], u64::from(places[side]) * 4, sizes[side]);
            let (from, to) = (place(index % 2), place((index + 1) % 2));
            self.kernels.push(Kernel { shader: pass.shader, params: pass.params, table, from, to });
        }
        let last = plan.last_buffer();
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
