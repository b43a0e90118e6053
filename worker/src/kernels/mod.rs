//! The kernels: one file each, twin of `shaders/wgsl/<same name>.wgsl`.
//!
//! A kernel has a scalar form that is the reference, faster forms for CPU levels, and passes for the GPU. How far the others may
//! be from the reference is stated by the kernel itself. A new kernel is its own file, its WGSL twin, one `mod` line, one row of
//! [`KERNELS`] and its arm in [`of`].

mod blur;
mod convert;
mod crop;
mod curve;
mod flatten;
mod lut;
mod matrix;
mod orient;
mod overlay;
mod pad;
mod resize;
mod sharpen;

use std::ops::Range;

use crate::failure::Failure;
use crate::pixels::pass::{Band, Pass};
use crate::pixels::{CpuLevel, Image, Layer, Shape, Step};

/// How far a result may be from the scalar one, in steps of the sample (1 of 255, or 1 of 65535).
///
/// Colour is compared as it shows, that is multiplied by alpha: under an alpha of 1 of 255, eight bits of premultiplied colour
/// hold one of two values, and the difference cannot be seen either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Of SIMD code.
    pub simd: u32,
    /// Of the WGSL twin.
    pub gpu: u32,
}

impl Tolerance {
    /// Every form gives the same samples.
    pub const EXACT: Self = Self { simd: 0, gpu: 0 };
}

/// One operation on pixels. Each function takes the [`Step`] that holds its parameters, and those that read pixels or tables beside
/// the image itself the layers of the recording, which such a step names by their position.
pub trait Kernel: Sync {
    /// The name, also that of the WGSL twin.
    fn name(&self) -> &'static str;

    /// How far other forms may be from the scalar one for images like `src`.
    fn tolerance(&self, src: Shape) -> Tolerance;

    /// What the step makes of an image like `src`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the parameters do not fit `src`: whoever recorded the step has to see to that.
    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure>;

    /// Whether the step leaves an image like `src` as it is.
    fn is_identity(&self, step: &Step, src: Shape) -> bool;

    /// Runs on the CPU. `dst` has the shape that [`Kernel::output`] gives; all of it is written.
    ///
    /// # Errors
    /// As [`Kernel::output`], and [`Failure::TooLarge`] when there is no memory for an intermediate image.
    fn cpu(&self, level: CpuLevel, step: &Step, layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure>;

    /// The passes that do the same on the GPU.
    ///
    /// # Errors
    /// As [`Kernel::output`].
    fn gpu(&self, step: &Step, layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure>;

    /// How many rows of the source above and below its own a row of the result depends on, for kernels that keep the size; `None`
    /// where it is not so simple.
    fn reach(&self, _step: &Step) -> Option<u32> {
        None
    }

    /// The passes that make those rows of the result on a GPU that cannot hold the whole image; `None` where they need all of it.
    ///
    /// # Errors
    /// As [`Kernel::output`].
    fn band(&self, step: &Step, layers: &[Layer], src: Shape, rows: Range<u32>) -> Result<Option<Band>, Failure> {
        let Some(reach) = self.reach(step) else { return Ok(None) };
        let source = rows.start.saturating_sub(reach)..rows.end.saturating_add(reach).min(src.height);
        let part = Shape { height: source.end - source.start, ..src };
        let passes = self.gpu(step, layers, part)?;
        let skip = rows.start - source.start;
        Ok(Some(Band { columns: 0..src.width, rows: source, passes, made: self.output(step, part)?, skip }))
    }
}

/// Every kernel, sorted by name.
pub static KERNELS: &[&dyn Kernel] = &[
    &blur::Blur,
    &convert::Convert,
    &crop::Crop,
    &curve::Curve,
    &flatten::Flatten,
    &lut::Lut,
    &matrix::Matrix,
    &orient::Orient,
    &overlay::Overlay,
    &pad::Pad,
    &resize::Resize,
    &sharpen::Sharpen,
];

/// The kernel that runs `step`.
pub fn of(step: &Step) -> &'static dyn Kernel {
    match step {
        Step::Blur { .. } => &blur::Blur,
        Step::Convert { .. } => &convert::Convert,
        Step::Crop { .. } => &crop::Crop,
        Step::Curve { .. } => &curve::Curve,
        Step::Flatten { .. } => &flatten::Flatten,
        Step::Lut { .. } => &lut::Lut,
        Step::Matrix { .. } => &matrix::Matrix,
        Step::Orient { .. } => &orient::Orient,
        Step::Overlay { .. } => &overlay::Overlay,
        Step::Pad { .. } => &pad::Pad,
        Step::Resize { .. } => &resize::Resize,
        Step::Sharpen { .. } => &sharpen::Sharpen,
    }
}

/// A step that was handed to another kernel than its own.
fn wrong_step(kernel: &str, step: &Step) -> Failure {
    Failure::internal(format!("the kernel {kernel} was given {step:?}"))
}

/// Gives the name of a depth's type to generic code: `by_depth!(depth, S => f::<S>(..))`.
macro_rules! by_depth {
    ($depth:expr, $samples:ident => $call:expr) => {
        match $depth {
            $crate::pixels::Depth::U8 => {
                type $samples = $crate::pixels::samples::Bits8;
                $call
            }
            $crate::pixels::Depth::U16 => {
                type $samples = $crate::pixels::samples::Bits16;
                $call
            }
        }
    };
}
pub(crate) use by_depth;

/// Compiles one loop for the levels above scalar: `at_level!(level, fast(a: &[u8], b: u32))` calls the function `fast`, which has
/// to be `#[inline(always)]`, from one that may use AVX2 or AVX-512 where the level allows it.
macro_rules! at_level {
    ($level:expr, $function:ident($($name:ident : $type:ty),*)) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2($($name: $type),*) {
                $function($($name),*)
            }
            #[target_feature(enable = "avx2,avx512f,avx512bw")]
            fn avx512($($name: $type),*) {
                $function($($name),*)
            }
            match $level.usable() {
                // SAFETY: `usable` never gives a level above what the machine has, so AVX-512 F and BW are there.
                $crate::pixels::CpuLevel::Avx512 => unsafe { avx512($($name),*) },
                // SAFETY: as above, AVX2.
                $crate::pixels::CpuLevel::Avx2 => unsafe { avx2($($name),*) },
                _ => $function($($name),*),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        $function($($name),*)
    }};
}
pub(crate) use at_level;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_this_folder_is_in_the_table_and_has_a_twin() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/kernels");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder of kernels can be read")
            .map(|entry| entry.expect("entry").path().file_stem().expect("file name").to_string_lossy().into_owned())
            .filter(|name| name != "mod")
            .collect();
        files.sort();
        let names: Vec<_> = KERNELS.iter().map(|kernel| kernel.name().to_owned()).collect();
        assert_eq!(names, files, "KERNELS lists every file of src/kernels, sorted");
        for name in names {
            assert!(convertfly_shaders::by_name(&name).is_some(), "{name} has no twin shaders/wgsl/{name}.wgsl");
        }
    }
}
