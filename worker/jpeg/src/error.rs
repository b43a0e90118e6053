//! What can be wrong with a file.

/// Why a file, or a request about it, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not begin as JPEG files do.
    #[error("the file is not a JPEG: it does not begin with an SOI marker")]
    NotJpeg,
    /// It breaks a rule of the format in a way that leaves no picture.
    #[error("the JPEG is broken: {0}")]
    Broken(&'static str),
    /// A coding that is not read here.
    #[error("the JPEG is {0}, which is not supported")]
    Unsupported(&'static str),
    /// What is to be written does not fit together.
    #[error("the picture cannot be written: {0}")]
    Input(&'static str),
    /// More than the limits allow.
    #[error("the JPEG has {0} than the limit allows")]
    TooMuch(&'static str),
    /// A lossless change that would not be lossless.
    #[error("{0} does not end on a whole MCU, so the change cannot be lossless")]
    Uneven(&'static str),
}

/// How much of a file is read before it is refused; all but the scans show in the header, before memory is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest side in pixels.
    pub side: u32,
    /// Pixels of the picture.
    pub pixels: u64,
    /// Scans of a file. libjpeg-turbo's tools take 500 for a sign of an attack.
    pub scans: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { side: 65_500, pixels: 100_000_000, scans: 500 }
    }
}
