//! How large the pictures become: from their own size and the options to numbers for the filters.

use crate::options::{Fit, Options};

/// Longest side of a video that is written, pixels.
pub(crate) const LONGEST_SIDE: u32 = 8192;

/// A size in pixels.
pub(crate) type Size = (u32, u32);

/// What is done to upright pictures of one size, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Scaled to this size.
    pub(crate) scale: Size,
    /// Then cut or filled to this size, from the middle.
    pub(crate) canvas: Size,
}

/// Plans for pictures of `source` size. `even` asks for sides that 4:2:0 chroma can hold.
pub(crate) fn plan(source: Size, options: &Options, even: bool) -> Geometry {
    let fit = options.fit.unwrap_or_default();
    let (width, height) = (f64::from(source.0.max(1)), f64::from(source.1.max(1)));
    let enlarge = options.enlarge.unwrap_or(fit != Fit::Max);
    let side = |value: f64| round(value, even);
    let scaled = |factor: f64| {
        let factor = if enlarge { factor } else { factor.min(1.0) };
        (side(width * factor), side(height * factor))
    };
    let asked = (options.width.map(f64::from), options.height.map(f64::from));
    match (asked, fit) {
        ((None, None), _) => same((side(width), side(height))),
        ((Some(to), None), _) => same(scaled(to / width)),
        ((None, Some(to)), _) => same(scaled(to / height)),
        ((Some(x), Some(y)), Fit::Scale) => {
            let (x, y) = if enlarge { (x, y) } else { (x.min(width), y.min(height)) };
            same((side(x), side(y)))
        }
        ((Some(x), Some(y)), Fit::Max) => same(scaled((x / width).min(y / height))),
        ((Some(x), Some(y)), Fit::Crop) => {
            let scale = scaled((x / width).max(y / height));
            Geometry { scale, canvas: (side(x).min(scale.0), side(y).min(scale.1)) }
        }
        ((Some(x), Some(y)), Fit::Pad) => {
            let (scale, canvas) = (scaled((x / width).min(y / height)), (side(x), side(y)));
            Geometry { scale: (scale.0.min(canvas.0), scale.1.min(canvas.1)), canvas }
        }
    }
}

fn same(size: Size) -> Geometry {
    Geometry { scale: size, canvas: size }
}

/// The nearest side that is possible.
fn round(side: f64, even: bool) -> u32 {
    let side = side.clamp(1.0, f64::from(LONGEST_SIDE));
    if even { ((side / 2.0).round() as u32).max(1) * 2 } else { side.round() as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(options: Options) -> (Size, Size) {
        let Geometry { scale, canvas } = plan((320, 180), &options, true);
        (scale, canvas)
    }

    #[test]
    fn sizes_follow_the_options() {
        let size = |width, height, fit| Options { width, height, fit, ..Options::default() };
        for (options, expected) in [
            (size(None, None, None), ((320, 180), (320, 180))),
            (size(Some(160), None, None), ((160, 90), (160, 90))),
            (size(None, Some(90), None), ((160, 90), (160, 90))),
            (size(Some(100), Some(100), None), ((100, 100), (100, 100))),
            (size(Some(100), Some(100), Some(Fit::Max)), ((100, 56), (100, 56))),
            (size(Some(640), Some(640), Some(Fit::Max)), ((320, 180), (320, 180))),
            (size(Some(100), Some(100), Some(Fit::Crop)), ((178, 100), (100, 100))),
            (size(Some(100), Some(100), Some(Fit::Pad)), ((100, 56), (100, 100))),
        ] {
            assert_eq!(planned(options.clone()), expected, "{options:?}");
        }
    }

    #[test]
    fn sides_become_even_where_chroma_is_halved() {
        let odd = plan((321, 181), &Options::default(), true);
        assert_eq!(odd.canvas, (322, 182), "the nearest even size, upwards");
        assert_eq!(plan((321, 181), &Options::default(), false).canvas, (321, 181), "not where it is not needed");
        assert_eq!(plan((1, 1), &Options::default(), true).canvas, (2, 2), "never nothing");
        assert_eq!(plan((40_000, 10), &Options::default(), true).canvas.0, LONGEST_SIDE, "never more than is written");
    }

    #[test]
    fn small_pictures_are_enlarged_only_if_that_may_be() {
        let asked = Options { width: Some(640), enlarge: Some(false), ..Options::default() };
        assert_eq!(planned(asked).0, (320, 180), "not wanted");
        assert_eq!(planned(Options { width: Some(640), ..Options::default() }).0, (640, 360), "asked for");
    }
}
