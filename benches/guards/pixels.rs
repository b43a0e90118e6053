//! The part of the worker's `pixels` that its kernels stand on: no processor, and no GPU.

#[path = "../../worker/src/pixels/gaussian.rs"]
pub(crate) mod gaussian;
#[path = "../../worker/src/pixels/image.rs"]
mod image;
#[path = "../../worker/src/pixels/level.rs"]
mod level;
#[path = "../../worker/src/pixels/lines.rs"]
pub(crate) mod lines;
#[path = "../../worker/src/pixels/lut.rs"]
pub(crate) mod lut;
#[path = "../../worker/src/pixels/pass.rs"]
pub(crate) mod pass;
#[path = "../../worker/src/pixels/recording.rs"]
mod recording;
#[path = "../../worker/src/pixels/samples.rs"]
pub(crate) mod samples;
#[path = "../../worker/src/pixels/separable.rs"]
pub(crate) mod separable;
#[path = "../../worker/src/pixels/transfer.rs"]
pub(crate) mod transfer;
#[path = "../../worker/src/pixels/weights.rs"]
pub(crate) mod weights;

pub(crate) use image::{Channels, Depth, Image, Shape};
pub(crate) use level::CpuLevel;
pub(crate) use recording::{Filter, Layer, Orientation, Step};
