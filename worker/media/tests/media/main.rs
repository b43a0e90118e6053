//! The child as a node starts it: confined, work over its socket. Results are looked at with FFmpeg's own programs.

mod conversions;
mod hostile;
mod support;
