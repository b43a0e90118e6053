//! The harness behind `convertfly bench`.

pub mod calibrate;
pub mod codecs;
pub mod gpu;
pub mod kernels;
pub mod machine;
pub mod node;
pub mod papers;
pub mod peers;
pub mod pictures;
pub mod readme;
pub mod scheduler;
pub mod thumbnail;
