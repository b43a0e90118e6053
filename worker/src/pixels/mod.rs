//! The pixel core: images, recordings of kernels, and their interpreters.

mod image;
mod recording;

pub use image::{Channels, Depth, Image};
pub use recording::{Filter, Fit, Orientation, Recording, Step};
