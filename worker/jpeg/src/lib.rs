//! JPEG in memory-safe Rust: coefficients out of files and into files, changes without loss, and pixels.
//!
//! What it reads is what libjpeg-turbo reads, out of broken files, too: `convertfly-jpeg-reference` and the tests of this crate hold it to that.

#![deny(unsafe_code)]

mod bits;
mod coefficients;
mod encode;
mod error;
mod frame;
mod huffman;
mod markers;
mod packed;
mod pixels;
mod progressive;
mod requantise;
mod rows;
mod scan;
mod sequential;
mod simd;
mod stream;
mod transform;
mod zigzag;

pub use coefficients::Coefficients;
pub use encode::{Coding, Samples, Sampling, Source, WriteOptions, encode, encode_packed};
pub use error::{Error, Limits};
pub use frame::{Color, Component, Frame};
pub use packed::{Packed, PackedPlane, RUN};
pub use pixels::{Picture, Plane, Planes, Range, Resampling, Scale, Taps};
pub use requantise::{Brush, Paint, Rewrite, Rewritten, quality_steps};
pub use scan::Block;
pub use transform::{Edge, Turn};
pub use zigzag::ZIGZAG;
