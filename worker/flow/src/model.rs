//! What is on a page, in points from its upper left corner, as it is seen: rotation and boxes are done with.

use hayro::kurbo::{BezPath, Rect};

/// A colour, red first.
pub(crate) type Color = [u8; 3];

/// A character where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Char {
    pub(crate) what: char,
    pub(crate) x0: f64,
    pub(crate) x1: f64,
    /// The baseline.
    pub(crate) y: f64,
    pub(crate) size: f64,
    /// Which of the faces.
    pub(crate) face: usize,
    pub(crate) color: Color,
    /// Which of the links of the page, if one.
    pub(crate) link: Option<usize>,
    /// Above (1) or below (-1) the line that it belongs to.
    pub(crate) shift: i8,
    pub(crate) underlined: bool,
    pub(crate) struck: bool,
}

/// Text that does not run from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Turned {
    pub(crate) chars: Vec<Char>,
    /// Degrees clockwise, from 1 to 359.
    pub(crate) angle: u16,
    pub(crate) bounds: Rect,
}

/// A straight line, horizontal or vertical.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) bounds: Rect,
    pub(crate) is_vertical: bool,
    pub(crate) color: Color,
}

/// A rectangle of one colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill {
    pub(crate) bounds: Rect,
    pub(crate) color: Color,
}

/// A shape that is neither a line nor a rectangle.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) path: BezPath,
    pub(crate) bounds: Rect,
    pub(crate) color: Color,
    /// Width of its line, where it is not filled.
    pub(crate) line: Option<f64>,
}

/// A picture, encoded, where it is seen.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) bounds: Rect,
    pub(crate) data: Vec<u8>,
    /// Extension of its name: png or jpeg.
    pub(crate) kind: &'static str,
}

/// A family that is there where documents are read, and how its letters are dressed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Face {
    pub(crate) family: &'static str,
    pub(crate) bold: bool,
    pub(crate) italic: bool,
    /// Width of what the source has to that of the family.
    pub(crate) stretch: f64,
}

/// A page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) chars: Vec<Char>,
    /// Characters that are there and not shown, as a scanner's program leaves them.
    pub(crate) hidden: Vec<Char>,
    pub(crate) turned: Vec<Turned>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) fills: Vec<Fill>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) pictures: Vec<Picture>,
    pub(crate) links: Vec<String>,
}

/// Whether a script runs from right to left.
pub(crate) fn is_rtl(what: char) -> bool {
    matches!(u32::from(what), 0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff | 0x10800..=0x10fff | 0x1e800..=0x1efff)
}
