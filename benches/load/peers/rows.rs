//! The workloads, with what has to be reached.

use serde::Serialize;

/// A peer, and how it is set.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Peer {
    /// As the table shows it.
    pub name: &'static str,
    /// What its child is told.
    pub config: &'static str,
    /// Whether sharp's child does it, or that of Python.
    pub is_sharp: bool,
    /// Whether it makes what the row is about. Otherwise it is shown beside the others, and no target is held against it.
    pub counts: bool,
}

const SHARP: Peer = Peer { name: "sharp", config: "default", is_sharp: true, counts: true };
const SHARP_BEST: Peer = Peer { name: "sharp best", config: "best", ..SHARP };
const PYVIPS: Peer = Peer { name: "pyvips", config: "pyvips", is_sharp: false, counts: true };
const PILLOW: Peer = Peer { name: "Pillow", config: "pillow", ..PYVIPS };
/// With the same method of libwebp as our fast way.
const SHARP_FAST: Peer = Peer { name: "sharp effort 2", config: "fast", counts: false, ..SHARP };
const ALL: &[Peer] = &[SHARP, SHARP_BEST, PYVIPS, PILLOW];

/// One workload.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    /// Its name, for the peers too.
    pub name: &'static str,
    /// What is done.
    pub what: &'static str,
    /// Which of the prepared files is read: `plain` (the photo without metadata), `icc` (with its profile), `srgb` (with a profile that says what
    /// is taken for granted without one) or `png`.
    pub source: &'static str,
    /// That of the result.
    pub extension: &'static str,
    /// Widths of the results; none keeps the size.
    pub widths: &'static [u32],
    /// Whether the mark is laid over it.
    pub mark: bool,
    /// Our `effort`, if it is not the default.
    pub effort: Option<&'static str>,
    /// The ratio to sharp as it comes that a release has to reach.
    pub first: f64,
    /// The ratio to the best peer that a release has to reach.
    pub first_of_all: f64,
    /// Who else does it.
    pub peers: &'static [Peer],
}

const fn jpeg(name: &'static str, what: &'static str, widths: &'static [u32], first: f64, first_of_all: f64) -> Row {
    Row { name, what, source: "plain", extension: "jpg", widths, mark: false, effort: None, first, first_of_all, peers: ALL }
}

/// In the order of the targets.
pub(super) const ROWS: &[Row] = &[
    jpeg("thumbnail", "JPEG to 320 px", &[320], 1.8, 1.4),
    // Ours is the same as above: its quality is that of pyvips already, which sharp's is not.
    jpeg("thumbnail-fine", "JPEG to 320 px at pyvips' quality", &[320], 1.4, 1.4),
    jpeg("resize", "JPEG to 1600 px, Lanczos3", &[1600], 1.35, 1.2),
    Row { source: "srgb", ..jpeg("resize-srgb", "the same with an sRGB profile", &[1600], 2.5, 1.2) },
    Row {
        source: "icc",
        peers: &[SHARP, SHARP_BEST, PYVIPS],
        ..jpeg("resize-icc", "the same with its colour profile, to sRGB", &[1600], 2.5, 1.2)
    },
    Row { extension: "webp", peers: &[SHARP, PYVIPS, PILLOW], ..jpeg("webp", "JPEG to WebP, quality 85", &[], 1.2, 1.1) },
    Row {
        extension: "webp",
        effort: Some("fast"),
        peers: &[SHARP, SHARP_FAST, PYVIPS, PILLOW],
        ..jpeg("webp-fast", "JPEG to WebP, quality 85, `effort` fast", &[], 2.5, 2.5)
    },
    Row { source: "png", ..jpeg("png-to-jpeg", "PNG of 8 megapixels to JPEG", &[], 1.5, 1.15) },
    Row { mark: true, ..jpeg("watermark", "a mark over a JPEG", &[], 3.0, 1.5) },
    Row { extension: "png", ..jpeg("jpeg-to-png", "JPEG to PNG", &[], 4.0, 4.0) },
    jpeg("requality", "JPEG to JPEG, quality 85", &[], 2.0, 1.3),
    jpeg("renditions", "five widths of one JPEG", &[320, 640, 800, 1200, 1600], 2.0, 2.0),
];
