//! SVG 1.1 and parts of 2 (resvg): read only, drawn at the very size that is wanted.
//!
//! Nothing outside the file is reached: an `href` counts only where it holds the data itself, and the fonts are the program's own.

mod cost;
mod fonts;
mod images;
mod minify;
mod repack;
mod text;
mod values;

use std::sync::Arc;

use ::resvg::tiny_skia::{Pixmap, Transform};
use ::resvg::usvg::{self, Tree};

use self::images::{Embedded, Use};
use super::support::{damaged, samples, unsupported};
use super::{Category, DecodeOptions, Decoded, Decoder, Flags, Format, Header, Limits};
use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Orientation};

const TITLE: &str = "SVG";

/// Stack of the thread that reads and draws, bytes: elements may lie 1,024 deep, and both recurse.
const STACK_BYTES: usize = 64 << 20;

/// Bytes of layers, masks, filters and patterns that drawing may hold at a time.
const DRAWING_BYTES: u64 = 2 << 30;

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "svg",
    title: TITLE,
    mime: "image/svg+xml",
    extensions: &["svg", "svgz"],
    aliases: &["svgz"],
    category: Category::Image,
    flags: Flags { alpha: true, vector: true, ..Flags::NONE },
    magic: text::is_svg,
    decode: Some(Decoder { probe, decode, variant: |_, size| size }),
    encode: None,
};

/// The box around all that a drawing shows, outlines included: left, top, width and height in CSS pixels. `None` where it shows
/// nothing.
///
/// # Errors
/// As those of the decoder.
pub(crate) fn drawn_box(markup: &str) -> Result<Option<[f32; 4]>, Failure> {
    let tree = with_stack(|| parse(markup, &Limits::default(), Use::Size))?;
    let ink = tree.root().abs_stroke_bounding_box();
    let sound = ink.width() > 0.0 && ink.height() > 0.0 && tree.root().has_children();
    Ok(sound.then(|| [ink.x(), ink.y(), ink.width(), ink.height()]))
}

fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    let text = text::read(data, limits)?;
    with_stack(|| parse(&text, limits, Use::Size).and_then(|tree| header(&tree, limits)))
}

fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let text = text::read(data, &options.limits)?;
    let image = with_stack(|| {
        options.cancel.check()?;
        let tree = parse(&text, &options.limits, Use::Pixels)?;
        let header = header(&tree, &options.limits)?;
        options.cancel.check()?;
        draw(&tree, options.at_least.unwrap_or((header.width, header.height)), &options.limits)
    })?;
    Ok(Decoded::still(image))
}

/// Runs on a thread with a stack for the deepest files that are read.
fn with_stack<T: Send>(work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("svg".to_owned()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(Failure::internal)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn parse(text: &str, limits: &Limits, purpose: Use) -> Result<Tree, Failure> {
    let embedded = Embedded::new(*limits, purpose);
    let options = usvg::Options {
        font_family: "Times New Roman".to_owned(),
        fontdb: Arc::clone(fonts::database()),
        font_resolver: fonts::resolver(),
        image_href_resolver: embedded.resolver(),
        ..usvg::Options::default()
    };
    let tree = Tree::from_str(text, &options).map_err(|error| match error {
        usvg::Error::ElementsLimitReached => Failure::too_large(
            "The SVG file has more than 1,000,000 elements, or they lie too deep in one another. Simplify it first",
        ),
        usvg::Error::InvalidSize => damaged(TITLE, "its width or height is no size"),
        error => damaged(TITLE, error),
    })?;
    embedded.refused().map_or(Ok(tree), Err)
}

/// The size of the drawing in CSS pixels, of which there are 96 an inch.
fn header(tree: &Tree, limits: &Limits) -> Result<Header, Failure> {
    let size = tree.size();
    let side = |length: f32| if length.is_finite() { length.round().clamp(1.0, 4e9) as u32 } else { 0 };
    let (width, height) = (side(size.width()), side(size.height()));
    limits.check(TITLE, width, height, 1)?;
    let (channels, depth, orientation) = (Channels::Rgba, Depth::U8, Orientation::Upright);
    Ok(Header { width, height, frames: 1, channels, depth, orientation })
}

fn draw(tree: &Tree, (width, height): (u32, u32), limits: &Limits) -> Result<crate::pixels::Image, Failure> {
    let (width, height) = (width.max(1), height.max(1));
    limits.check(TITLE, width, height, 1)?;
    let size = tree.size();
    let (sx, sy) = (width as f32 / size.width(), height as f32 / size.height());
    let bytes = cost::of(tree, (width, height), sx.max(sy));
    if bytes > DRAWING_BYTES {
        return Err(Failure::too_large(format!(
            "Drawing the SVG file at {width} x {height} pixels takes {} MiB for its layers, filters and patterns; the limit is {} MiB. \
             Ask for a smaller width or height",
            bytes >> 20,
            DRAWING_BYTES >> 20
        )));
    }
    let mut pixmap = Pixmap::new(width, height).ok_or_else(|| unsupported(TITLE, "its size cannot be drawn"))?;
    ::resvg::render(tree, Transform::from_scale(sx, sy), &mut pixmap.as_mut());
    let rgba = pixmap.take_demultiplied();
    let opaque = samples::is_opaque(&rgba);
    samples::image_of_rgba(width, height, rgba, opaque)
}

pub(super) use repack::repack;

#[cfg(test)]
mod tests;
