//! Pixels into files: equal to what libjpeg-turbo writes of them at the same settings, byte for byte.

use super::dct::Divisors;
use super::strips::Strips;
use super::tally::Tally;
use super::{Coding, Tables, WriteOptions, begin, table_of};
use crate::coefficients::Coefficients;
use crate::error::Error;
use crate::frame::{Component, Frame};
use crate::packed::{Blocks, PackedPlane};
use crate::scan::{Block, Layout};
use crate::simd::Level;

/// The longest side that libjpeg writes.
const MOST: u32 = 65_500;

/// JFIF 1.1, square pixels.
const JFIF: [u8; 14] = *b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

/// How many samples of colour there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// As many as of brightness: 4:4:4.
    Full,
    /// Half as many across and down, rounded up: 4:2:0.
    #[default]
    Half,
}

/// What a picture is made of; rows without padding.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// Brightness.
    Grey(&'a [u8]),
    /// Red, green and blue of each pixel, and how their colour is sampled.
    Rgb(&'a [u8], Sampling),
    /// Brightness and both colours, which are sampled already.
    YCbCr([&'a [u8]; 3], Sampling),
}

/// A picture to write.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Its samples.
    pub samples: Samples<'a>,
}

impl Source<'_> {
    fn check(&self) -> Result<(), Error> {
        if self.width == 0 || self.height == 0 {
            return Err(Error::Input("a side is 0"));
        }
        if self.width.max(self.height) > MOST {
            return Err(Error::TooMuch("a longer side"));
        }
        let area = |width: u32, height: u32| width as usize * height as usize;
        let whole = area(self.width, self.height);
        let fits = match self.samples {
            Samples::Grey(grey) => grey.len() == whole,
            Samples::Rgb(rgb, _) => rgb.len() == 3 * whole,
            Samples::YCbCr([y, cb, cr], sampling) => {
                let color = match sampling {
                    Sampling::Full => whole,
                    Sampling::Half => area(self.width.div_ceil(2), self.height.div_ceil(2)),
                };
                (y.len(), cb.len(), cr.len()) == (whole, color, color)
            }
        };
        if fits { Ok(()) } else { Err(Error::Input("there are more or fewer samples than its size says")) }
    }

    fn frame(&self, steps: &[[u16; 64]; 2]) -> Result<Frame, Error> {
        let sampling = match self.samples {
            Samples::Grey(_) => None,
            Samples::Rgb(_, sampling) | Samples::YCbCr(_, sampling) => Some(sampling),
        };
        frame((self.width, self.height), sampling, steps)
    }
}

/// The header of a picture; without a sampling it is grey.
fn frame((width, height): (u32, u32), sampling: Option<Sampling>, steps: &[[u16; 64]; 2]) -> Result<Frame, Error> {
    let components: &[(u8, u8, u8)] = match sampling {
        None => &[(1, 0x11, 0)],
        Some(Sampling::Full) => &[(1, 0x11, 0), (2, 0x11, 1), (3, 0x11, 1)],
        Some(Sampling::Half) => &[(1, 0x22, 0), (2, 0x11, 1), (3, 0x11, 1)],
    };
    let mut frame = Frame::new(width, height, false, components)?;
    for c in &mut frame.components {
        c.quant = Some(steps[usize::from(c.table)]);
    }
    frame.jfif = Some(JFIF);
    Ok(frame)
}

/// Writes a picture with these steps of quantisation, for brightness and for colour (see [`crate::quality_steps`]).
///
/// The Huffman tables of [`Coding::Optimized`] cost little: symbols are counted as they are made, and kept.
pub fn encode(source: &Source<'_>, steps: &[[u16; 64]; 2], options: &WriteOptions<'_>) -> Result<Vec<u8>, Error> {
    source.check()?;
    let divisors = [Divisors::new(&steps[0])?, Divisors::new(&steps[1])?];
    assemble(source.frame(steps)?, options, |frame, take| each_row(source, frame, &divisors, take))
}

/// Writes a picture whose coefficients are there, divided by these steps: the same file as [`encode`] makes of the samples that they are of. Each
/// plane has the blocks that show, grey one, brightness and both colours three, with as many samples of colour as `sampling` says.
pub fn encode_packed(
    size: (u32, u32),
    planes: &[PackedPlane],
    sampling: Sampling,
    steps: &[[u16; 64]; 2],
    options: &WriteOptions<'_>,
) -> Result<Vec<u8>, Error> {
    if size.0 == 0 || size.1 == 0 {
        return Err(Error::Input("a side is 0"));
    }
    if size.0.max(size.1) > MOST {
        return Err(Error::TooMuch("a longer side"));
    }
    let frame = frame(size, (planes.len() > 1).then_some(sampling), steps)?;
    let shown = frame.components.iter().map(|c| (c.width_in_blocks, c.height_in_blocks));
    if !shown.eq(planes.iter().map(|plane| (plane.across(), plane.down()))) {
        return Err(Error::Input("there are more or fewer blocks than its size says"));
    }
    assemble(frame, options, |frame, take| each_packed_row(planes, frame, take))
}

/// Takes the blocks of each component, one row of MCUs after the other.
type Take<'a> = &'a mut dyn FnMut(&[&[Block]]);

/// A file of the blocks that `each_row` hands out.
fn assemble(frame: Frame, options: &WriteOptions<'_>, each_row: impl FnOnce(&Frame, Take<'_>)) -> Result<Vec<u8>, Error> {
    let pairs: Vec<usize> = (0..frame.components.len()).map(|index| table_of(&frame, index)).collect();
    let layout = Layout::new(&frame, 0..frame.components.len())?;
    let strides: Vec<usize> = frame.components.iter().map(|c| c.stride).collect();
    let interval = options.restart_interval.into();
    let mut out = Vec::new();
    match options.coding {
        Coding::Standard | Coding::Optimized => {
            // Also where the tables are known: two symbols at a time are written faster than one by one.
            let mut tally = Tally::new(interval);
            each_row(&frame, &mut |rows| tally.row(&layout, &pairs, rows, &strides));
            let best = tally.best()?;
            let tables = if options.coding == Coding::Standard { Tables::standard(&pairs)? } else { best };
            begin(&mut out, &frame, options, &tables)?;
            out = tally.write(out, &tables);
        }
        Coding::Progressive => {
            let mut planes: Vec<Vec<Block>> = frame.components.iter().map(|c| Vec::with_capacity(c.stride * c.rows)).collect();
            each_row(&frame, &mut |rows| {
                for (plane, row) in planes.iter_mut().zip(rows) {
                    plane.extend_from_slice(row);
                }
            });
            return Coefficients { frame, planes, complete: true, sound: true }.write(options);
        }
    }
    out.extend([0xff, 0xd9]);
    Ok(out)
}

/// The same as [`each_row`], of coefficients that are there.
fn each_packed_row(planes: &[PackedPlane], frame: &Frame, take: Take<'_>) {
    let mut readers: Vec<Blocks<'_>> = planes.iter().map(PackedPlane::blocks).collect();
    let mut rows: Vec<Vec<Block>> = frame.components.iter().map(|c| vec![[0; 64]; c.v * c.stride]).collect();
    for number in 0..frame.mcus_down() {
        for ((c, blocks), reader) in frame.components.iter().zip(&mut rows).zip(&mut readers) {
            let real = c.v.min(c.height_in_blocks - number * c.v);
            for row in blocks.chunks_exact_mut(c.stride).take(real) {
                row[..c.width_in_blocks].iter_mut().for_each(|block| reader.next(block));
            }
            pad(c, real, blocks);
        }
        let rows: Vec<&[Block]> = rows.iter().map(|row| &row[..]).collect();
        take(&rows);
    }
}

/// Hands out the blocks of each component, one row of MCUs after the other.
fn each_row(source: &Source<'_>, frame: &Frame, divisors: &[Divisors; 2], take: Take<'_>) {
    let level = Level::detect();
    let mut strips = Strips::new(frame, level);
    let mut rows: Vec<Vec<Block>> = frame.components.iter().map(|c| vec![[0; 64]; c.v * c.stride]).collect();
    for number in 0..frame.mcus_down() {
        strips.fill(source, number);
        for (index, (c, blocks)) in frame.components.iter().zip(&mut rows).enumerate() {
            let (samples, stride) = strips.of(index);
            let real = c.v.min(c.height_in_blocks - number * c.v);
            for (samples, blocks) in samples.chunks_exact(8 * stride).zip(blocks.chunks_exact_mut(c.stride)).take(real) {
                level.forward(samples, stride, &divisors[usize::from(c.table)], &mut blocks[..c.width_in_blocks]);
            }
            pad(c, real, blocks);
        }
        let rows: Vec<&[Block]> = rows.iter().map(|row| &row[..]).collect();
        take(&rows);
    }
}

/// The blocks that fill up MCUs have the DC of the one before them in coding order, which takes the fewest bits.
fn pad(c: &Component, real: usize, blocks: &mut [Block]) {
    let flat = |dc: i16| std::array::from_fn(|at| if at == 0 { dc } else { 0 });
    for row in blocks.chunks_exact_mut(c.stride).take(real) {
        let dc = row[c.width_in_blocks - 1][0];
        row[c.width_in_blocks..].fill(flat(dc));
    }
    for y in real..c.v {
        let (above, row) = blocks[(y - 1) * c.stride..].split_at_mut(c.stride);
        for (above, row) in above.chunks_exact(c.h).zip(row.chunks_exact_mut(c.h)) {
            row.fill(flat(above[c.h - 1][0]));
        }
    }
}
