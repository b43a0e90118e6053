//! Samples of components in bands of one row of MCUs, of which three are kept: small enough to stay in the processor's cache.

use crate::error::Error;
use crate::frame::Frame;
use crate::rows::Rows;
use crate::scan::Block;
use crate::simd::Level;

/// The last three bands.
pub(super) struct Bands {
    components: Vec<Band>,
    level: Level,
}

struct Band {
    /// Samples, three times `rows` rows of `stride`.
    samples: Vec<u8>,
    stride: usize,
    /// Rows of a band.
    rows: usize,
    /// What of the component shows.
    width: usize,
    height: usize,
    quant: [u16; 64],
}

impl Bands {
    fn new(frame: &Frame) -> Self {
        let components = (frame.components.iter())
            .map(|c| Band {
                samples: vec![0; 3 * c.v * 8 * c.stride * 8],
                stride: c.stride * 8,
                rows: c.v * 8,
                width: (frame.width as usize * c.h).div_ceil(frame.max_h),
                height: (frame.height as usize * c.v).div_ceil(frame.max_v),
                quant: c.quant.unwrap_or([0; 64]),
            })
            .collect();
        Bands { components, level: Level::detect() }
    }

    /// A row of a component, which must be in one of the last three bands; below the last one it goes on like that.
    pub(super) fn row(&self, component: usize, y: usize) -> &[u8] {
        let band = &self.components[component];
        let y = y.min(band.height - 1);
        &band.samples[y % (3 * band.rows) * band.stride..][..band.width]
    }

    fn fill(&mut self, number: usize, component: usize, blocks: &[Block]) {
        let band = &mut self.components[component];
        let length = band.rows * band.stride;
        let samples = &mut band.samples[number % 3 * length..][..length];
        for (blocks, rows) in blocks.chunks_exact(band.stride / 8).zip(samples.chunks_exact_mut(8 * band.stride)) {
            self.level.idct_row(blocks, &band.quant, rows, band.stride);
        }
    }

    /// Decodes band by band; gives whether the file is sound. `take` gets them as soon as the neighbours of some rows are there, and how many rows more can be made of them.
    pub(super) fn run(mut rows: Rows<'_>, mut take: impl FnMut(&Bands, usize)) -> Result<bool, Error> {
        let height = rows.frame().height as usize;
        let mut bands = Bands::new(rows.frame());
        let high = rows.frame().max_v * 8;
        let (mut number, mut made) = (0, 0);
        while let Some(blocks) = rows.next_row() {
            for (component, blocks) in blocks.iter().enumerate().take(bands.components.len()) {
                bands.fill(number, component, blocks);
            }
            number += 1;
            if number > 1 {
                take(&bands, high);
                made += high;
            }
        }
        take(&bands, height - made);
        Ok(rows.is_sound())
    }
}
