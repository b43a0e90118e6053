//! Blurs rows of `f32` samples as they stream by: what is in memory at a time are a few rows, however large the image.
//!
//! Coarse rows are made in batches: the rows of the image are gathered downwards, then the batch is turned on its side, so that
//! one instruction works on the same sample of every row, and goes across. What is finished waits in a ring until all the coarse
//! rows that a row of the result needs are there.

use super::gaussian::Gaussian;
use super::level::CpuLevel;
use super::weights::Weights;
use crate::failure::Failure;
use crate::kernels::at_level;

/// Coarse rows of a batch: a whole register of AVX-512, two of AVX2.
const LANES: usize = 16;
/// Rows of the image that are gathered at once, so that a coarse row is loaded and stored once for all of them.
const GROUP: usize = 8;

/// Blurs an image of `size` pixels with `count` samples each. `read` gives a row of it, possibly more than once, and `write` takes
/// each row of the result, first to last.
///
/// # Errors
/// [`Failure::TooLarge`] when there is no memory for the rows.
pub(crate) fn blur(
    level: CpuLevel,
    sigma: f32,
    size: (u32, u32),
    count: usize,
    read: impl Fn(usize, &mut [f32]),
    mut write: impl FnMut(usize, &mut [f32]),
) -> Result<(), Failure> {
    let (across, down) = (Gaussian::new(size.0, sigma.into()), Gaussian::new(size.1, sigma.into()));
    let (width, height) = (size.0 as usize, size.1 as usize);
    let row = width * count;
    let coarse = down.gather.starts.len();
    let slots = down.spread.as_ref().map_or(1, |weights| weights.window) + LANES;
    let narrow = if across.spread.is_some() { across.gather.starts.len() * count } else { 0 };
    let mut ring = floats(slots * row)?;
    let mut batch = floats(LANES * row)?;
    let mut lines = floats(GROUP * row)?;
    let (mut upright, mut between) = (floats(LANES * row)?, floats(LANES * narrow)?);
    let mut done = 0;
    for first in (0..coarse).step_by(LANES) {
        let rows = LANES.min(coarse - first);
        gather(level, &down.gather, first..first + rows, row, &read, &mut lines, &mut batch);
        turn(&batch, &mut upright, row);
        let (strip, made) = (&upright[..], &mut batch[..]);
        match &across.spread {
            None => pass_at(level, strip, made, &across.gather, count),
            Some(spread) => {
                pass_at(level, strip, &mut between, &across.gather, count);
                pass_at(level, &between, made, spread, count);
            }
        }
        for (index, sample) in batch.chunks_exact(LANES).enumerate() {
            for lane in 0..rows {
                ring[(first + lane) % slots * row + index] = sample[lane];
            }
        }
        let slot = |position: usize| &ring[position % slots * row..][..row];
        while done < height {
            let (start, weights) = down.spread.as_ref().map_or((done, &[1.0][..]), |weights| weights.at(done));
            if start + weights.len() > first + rows {
                break;
            }
            let sources: Vec<&[f32]> = (start..start + weights.len()).map(slot).collect();
            let (sources, to) = (&sources[..], &mut lines[..row]);
            at_level!(level, weigh(to: &mut [f32], sources: &[&[f32]], weights: &[f32]));
            write(done, to);
            done += 1;
        }
    }
    Ok(())
}

fn floats(length: usize) -> Result<Vec<f32>, Failure> {
    let mut made = Vec::new();
    made.try_reserve_exact(length).map_err(|_| {
        Failure::too_large("There is no memory for the rows that a blur works on. Ask for a smaller width".to_owned())
    })?;
    made.resize(length, 0.0);
    Ok(made)
}

/// Makes the coarse rows `wanted`, one after the other in `batch`.
fn gather(
    level: CpuLevel,
    weights: &Weights,
    wanted: std::ops::Range<usize>,
    row: usize,
    read: &impl Fn(usize, &mut [f32]),
    lines: &mut [f32],
    batch: &mut [f32],
) {
    batch.fill(0.0);
    let from = wanted.clone().map(|position| weights.at(position).0).min().unwrap_or(0);
    let to = wanted.clone().map(|position| weights.at(position)).map(|(start, values)| start + values.len()).max().unwrap_or(0);
    for y in (from..to).step_by(GROUP) {
        let read_now = GROUP.min(to - y);
        for (line, y) in lines.chunks_exact_mut(row).zip(y..y + read_now) {
            read(y, line);
        }
        for (made, position) in batch.chunks_exact_mut(row).zip(wanted.clone()) {
            let (start, values) = weights.at(position);
            let mut parts = [0.0; GROUP];
            for (part, y) in parts.iter_mut().zip(y..y + read_now) {
                *part = y.checked_sub(start).and_then(|tap| values.get(tap)).copied().unwrap_or(0.0);
            }
            if parts != [0.0; GROUP] {
                let (lines, parts) = (&*lines, &parts);
                at_level!(level, add(made: &mut [f32], lines: &[f32], parts: &[f32; GROUP]));
            }
        }
    }
}

/// Adds `GROUP` rows, each by its weight. Rows without a weight hold numbers from before, and count 0 times.
#[inline(always)]
fn add(made: &mut [f32], lines: &[f32], parts: &[f32; GROUP]) {
    let row = made.len();
    let lines: [&[f32]; GROUP] = std::array::from_fn(|index| &lines[index * row..][..row]);
    let (chunks, rest) = made.as_chunks_mut::<LANES>();
    let whole = chunks.len() * LANES;
    for (index, sums) in chunks.iter_mut().enumerate() {
        for (line, part) in lines.iter().zip(parts) {
            let line = &line[index * LANES..][..LANES];
            for lane in 0..LANES {
                sums[lane] += line[lane] * part;
            }
        }
    }
    for (index, sum) in rest.iter_mut().enumerate() {
        for (line, part) in lines.iter().zip(parts) {
            *sum += line[whole + index] * part;
        }
    }
}

/// The weighted sum of rows.
#[inline(always)]
fn weigh(to: &mut [f32], sources: &[&[f32]], weights: &[f32]) {
    let (chunks, rest) = to.as_chunks_mut::<LANES>();
    let whole = chunks.len() * LANES;
    for (index, to) in chunks.iter_mut().enumerate() {
        let mut sums = [0.0; LANES];
        for (source, weight) in sources.iter().zip(weights) {
            let source = &source[index * LANES..][..LANES];
            for lane in 0..LANES {
                sums[lane] += source[lane] * weight;
            }
        }
        *to = sums;
    }
    for (index, to) in rest.iter_mut().enumerate() {
        *to = sources.iter().zip(weights).map(|(source, weight)| source[whole + index] * weight).sum();
    }
}

/// Turns `LANES` rows into one strip in which the samples of all rows lie side by side.
fn turn(rows: &[f32], strip: &mut [f32], row: usize) {
    // A block at a time, so that what is read of each row is still in the cache.
    for start in (0..row).step_by(LANES) {
        let block = start..(start + LANES).min(row);
        for lane in 0..LANES {
            let source = &rows[lane * row..][block.clone()];
            for (to, value) in strip[start * LANES..].chunks_exact_mut(LANES).zip(source) {
                to[lane] = *value;
            }
        }
    }
}

fn pass_at(level: CpuLevel, strip: &[f32], made: &mut [f32], weights: &Weights, count: usize) {
    at_level!(level, pass(strip: &[f32], made: &mut [f32], weights: &Weights, count: usize));
}

/// Applies `weights` along a strip.
#[inline(always)]
fn pass(strip: &[f32], made: &mut [f32], weights: &Weights, count: usize) {
    let (strip, _) = strip.as_chunks::<LANES>();
    let (made, _) = made.as_chunks_mut::<LANES>();
    for (position, pixel) in made.chunks_exact_mut(count).enumerate() {
        let (start, values) = weights.at(position);
        for (channel, made) in pixel.iter_mut().enumerate() {
            let mut sums = [0.0; LANES];
            let samples = strip[start * count + channel..].iter().step_by(count);
            for (sample, weight) in samples.zip(values) {
                for lane in 0..LANES {
                    sums[lane] += sample[lane] * weight;
                }
            }
            *made = sums;
        }
    }
}
