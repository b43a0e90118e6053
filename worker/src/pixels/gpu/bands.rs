//! Images beyond what a device binds: one step after the other in bands of rows, each with the rows around it that it reads.

use std::borrow::Cow;
use std::ops::Range;

use super::{Backend, Done, Fault, Plan};
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::kernels;
use crate::pixels::image::{Image, Shape};
use crate::pixels::pass::packed_bytes;
use crate::pixels::recording::{Layer, Recording, Step};

/// Runs `recording` on a device that cannot hold all of it at once: steps in bands, until the rest of them fits.
///
/// # Errors
/// [`Fault::Unfit`] when a step cannot be made in bands, or a single row of one is too large; and those of the device.
pub(super) fn run(backend: &dyn Backend, recording: &Recording, image: &Image, cancel: &Cancel) -> Result<Done, Fault> {
    let mut done =
        Done { image: Image::zeroed(dot(image.shape())).map_err(Fault::Stop)?, upload_us: 0, kernel_us: 0, readback_us: 0 };
    let mut now = Cow::Borrowed(image);
    let mut steps = &recording.steps[..];
    while let Some((step, rest)) = steps.split_first() {
        cancel.check().map_err(Fault::Stop)?;
        let plan = |steps: &[Step]| {
            let part = Recording { steps: steps.to_vec(), layers: recording.layers.clone() };
            Plan::new(&part, now.shape()).map_err(Fault::Stop)
        };
        let Some(all) = plan(steps)? else { break };
        let made = if all.fits(backend.limit()) {
            steps = &[];
            backend.run(&all, &now, cancel)?
        } else {
            steps = rest;
            match plan(&[*step])? {
                None => continue,
                Some(one) if one.fits(backend.limit()) => backend.run(&one, &now, cancel)?,
                Some(_) => in_bands(backend, step, &recording.layers, &now, cancel)?,
            }
        };
        done.upload_us += made.upload_us;
        done.kernel_us += made.kernel_us;
        done.readback_us += made.readback_us;
        now = Cow::Owned(made.image);
    }
    done.image = now.into_owned();
    Ok(done)
}

/// Runs one step in the largest bands that fit.
fn in_bands(backend: &dyn Backend, step: &Step, layers: &[Layer], image: &Image, cancel: &Cancel) -> Result<Done, Fault> {
    let kernel = kernels::of(step);
    let output = kernel.output(step, image.shape()).map_err(Fault::Stop)?;
    let band = |rows: Range<u32>| {
        let whole = || Fault::Unfit(format!("{} needs all of an image that {} cannot bind", kernel.name(), backend.name()));
        kernel.band(step, layers, image.shape(), rows).map_err(Fault::Stop)?.ok_or_else(whole)
    };
    // Before there is memory for a result that would be thrown away.
    band(0..1)?;
    let mut done = Done { image: Image::zeroed(output).map_err(Fault::Stop)?, upload_us: 0, kernel_us: 0, readback_us: 0 };
    let stride = done.image.stride();
    let (mut first, mut rows) = (0, output.height);
    while first < output.height {
        rows = rows.min(output.height - first);
        cancel.check().map_err(Fault::Stop)?;
        let band = band(first..first + rows)?;
        let source = Shape { width: len(&band.columns), height: len(&band.rows), ..image.shape() };
        let plan = Plan { passes: band.passes, input_bytes: packed_bytes(source), output: band.made };
        if !plan.fits(backend.limit()) {
            if rows == 1 {
                return Err(Fault::Unfit(format!("a row of {} is larger than {} binds", kernel.name(), backend.name())));
            }
            rows = rows.div_ceil(2);
            continue;
        }
        let part = part(image, &band.columns, &band.rows).map_err(Fault::Stop)?;
        let made = backend.run(&plan, &part, cancel)?;
        let wanted = &made.image.data()[band.skip as usize * stride..][..rows as usize * stride];
        done.image.data_mut()[first as usize * stride..][..wanted.len()].copy_from_slice(wanted);
        done.upload_us += made.upload_us;
        done.kernel_us += made.kernel_us;
        done.readback_us += made.readback_us;
        first += rows;
    }
    Ok(done)
}

fn len(range: &Range<u32>) -> u32 {
    range.end - range.start
}

/// One pixel of that kind.
fn dot(shape: Shape) -> Shape {
    Shape { width: 1, height: 1, ..shape }
}

/// A rectangle of `image`.
fn part(image: &Image, columns: &Range<u32>, rows: &Range<u32>) -> Result<Image, Failure> {
    let mut made = Image::zeroed(Shape { width: len(columns), height: len(rows), ..image.shape() })?;
    let (stride, from) = (made.stride(), columns.start as usize * image.stride() / image.width() as usize);
    let lines = image.data().chunks_exact(image.stride()).skip(rows.start as usize);
    for (to, line) in made.data_mut().chunks_exact_mut(stride).zip(lines) {
        to.copy_from_slice(&line[from..from + stride]);
    }
    Ok(made)
}
