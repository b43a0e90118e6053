//! The pixel core: images, recordings of kernels, and their interpreters.
//!
//! A [`Recording`] holds no pixels and no device. [`Processor`] runs it: on the CPU at a [`CpuLevel`], or on a GPU where that pays
//! and one is there; a fault of the GPU ends in the CPU's result within the same call.

pub(crate) mod coefficients;
mod cpu;
#[cfg(test)]
mod fidelity;
pub(crate) mod gaussian;
mod gpu;
mod image;
mod level;
pub(crate) mod lines;
pub mod lut;
pub mod pass;
mod policy;
mod pool;
mod processor;
mod recording;
pub mod routes;
mod routing;
pub(crate) mod samples;
pub(crate) mod separable;
pub(crate) mod transfer;
#[cfg(test)]
mod twins;
pub mod weights;

#[doc(hidden)]
pub use gpu::Injected;
pub use image::{Channels, Depth, Image, Shape};
pub use level::CpuLevel;
pub use policy::{AdapterInfo, GpuPolicy};
pub use processor::{Processor, Ran};
pub use recording::{Filter, Fit, Gravity, Layer, Orientation, Recording, Step};
pub use routing::GPU_RESIZE_PIXELS;
