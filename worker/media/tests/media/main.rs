//! The child as a node starts it: confined, work over its socket. Results are looked at with FFmpeg's own programs.

mod animations;
mod changes;
mod clips;
mod conversions;
mod extras;
mod hostile;
mod kinds;
mod merging;
mod nvidia;
mod odd;
mod support;
