//! The CPU interpreter of recordings.

use super::image::Image;
use super::level::CpuLevel;
use super::recording::Recording;
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::kernels;

/// Runs every step in turn; steps that change nothing cost nothing. `cancel` is looked at before each.
///
/// # Errors
/// Those of the kernels, and [`Failure::Cancelled`].
pub(crate) fn run(level: CpuLevel, recording: &Recording, mut image: Image, cancel: &Cancel) -> Result<Image, Failure> {
    for step in &recording.steps {
        cancel.check()?;
        let kernel = kernels::of(step);
        let shape = kernel.output(step, image.shape())?;
        if kernel.is_identity(step, image.shape()) {
            continue;
        }
        let mut made = Image::zeroed(shape)?;
        kernel.cpu(level, step, &recording.layers, &image, &mut made)?;
        image = made;
    }
    Ok(image)
}
