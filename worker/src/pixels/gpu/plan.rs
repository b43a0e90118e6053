//! A recording as passes and buffer sizes: what a GPU is given, as data.

use crate::failure::Failure;
use crate::kernels;
use crate::pixels::image::Shape;
use crate::pixels::pass::{Pass, packed_bytes};
use crate::pixels::recording::Recording;

/// The passes of a recording for one shape of image.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// First to last; each reads what the one before wrote, the first one the image.
    pub(crate) passes: Vec<Pass>,
    /// Bytes of the image, padded to whole words.
    pub(crate) input_bytes: u64,
    /// What the last pass leaves.
    pub(crate) output: Shape,
}

impl Plan {
    /// `None` when no step changes anything.
    ///
    /// # Errors
    /// Those of the kernels, when a step does not fit.
    pub(crate) fn new(recording: &Recording, input: Shape) -> Result<Option<Self>, Failure> {
        let mut plan = Self { passes: Vec::new(), input_bytes: packed_bytes(input), output: input };
        for step in &recording.steps {
            let kernel = kernels::of(step);
            let made = kernel.output(step, plan.output)?;
            if !kernel.is_identity(step, plan.output) {
                plan.passes.extend(kernel.gpu(step, &recording.layers, plan.output)?);
                plan.output = made;
            }
        }
        Ok((!plan.passes.is_empty()).then_some(plan))
    }

    /// Bytes of the two buffers that passes read and write in turn; the first one holds the image.
    pub(crate) fn buffers(&self) -> [u64; 2] {
        let mut sizes = [self.input_bytes, 4];
        for (index, pass) in self.passes.iter().enumerate() {
            let to = (index + 1) % 2;
            sizes[to] = sizes[to].max(pass.output_bytes);
        }
        sizes
    }

    /// Whether no buffer is larger than `limit` bytes.
    pub(crate) fn fits(&self, limit: u64) -> bool {
        self.buffers().into_iter().all(|bytes| bytes <= limit)
    }

    /// The buffer that the last pass writes.
    pub(crate) fn last_buffer(&self) -> usize {
        self.passes.len() % 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Channels, Depth, Filter, Orientation, Step};

    const RGB: Shape = Shape { width: 5, height: 3, channels: Channels::Rgb, depth: Depth::U8 };

    #[test]
    fn buffers_hold_what_is_put_into_them_in_turn() {
        let mut recording = Recording::new();
        recording.push(Step::Orient { orientation: Orientation::Rotate90 });
        recording.push(Step::Resize { width: 2, height: 2, filter: Filter::Box });
        let plan = Plan::new(&recording, RGB).expect("the steps fit").expect("there is something to do");
        assert_eq!(plan.passes.len(), 3, "orient is one pass, resize two");
        // 45 bytes padded; then the turned image; then 3x2 pixels of three f32; then 12 bytes.
        assert_eq!(plan.buffers(), [72, 48], "image and intermediate share the first, turned and result the second");
        assert_eq!(plan.last_buffer(), 1, "the third pass writes the second buffer");
    }

    #[test]
    fn nothing_to_do_is_no_plan() {
        let mut recording = Recording::new();
        recording.push(Step::Orient { orientation: Orientation::Upright });
        recording.push(Step::Flatten { color: [1, 2, 3] });
        assert!(Plan::new(&recording, RGB).expect("the steps fit").is_none(), "steps without effect make no pass");
    }
}
