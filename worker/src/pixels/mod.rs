//! The pixel core: images, recordings of kernels, and their interpreters.
//!
//! A [`Recording`] holds no pixels and no device. [`Processor`] runs it: on the CPU at a [`CpuLevel`], or on a GPU where that pays
//! and one is there; a fault of the GPU ends in the CPU's result within the same call.

mod cpu;
mod image;
mod level;
pub mod pass;
mod processor;
mod recording;
pub(crate) mod samples;
pub mod weights;

pub use image::{Channels, Depth, Image, Shape};
pub use level::CpuLevel;
pub use processor::{AdapterInfo, GpuPolicy, Processor, Ran};
pub use recording::{Filter, Fit, Orientation, Recording, Step};
