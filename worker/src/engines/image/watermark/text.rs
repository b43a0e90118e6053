//! The text of a watermark as a drawing: shaped (ligatures, accents, right-to-left scripts) by the renderer of SVG files, in the
//! fonts of the program.

use super::options::{Face, Horizontal, WatermarkOptions};
use crate::engines::image::options::Color;
use crate::failure::Failure;
use crate::formats::drawn_box;

/// From one line's foot to the next one's, in heights of the letters.
const LINE: f32 = 1.2;

/// Width of the outline of letters without a colour of their own, in heights of the letters; half of it lies outside.
const OUTLINE: f32 = 0.06;

/// A drawing that just holds the text, and its size in pixels.
///
/// # Errors
/// [`Failure::Invalid`] naming `text` where none of its characters can be drawn.
pub(super) fn drawing(text: &str, options: &WatermarkOptions) -> Result<(Vec<u8>, (f64, f64)), Failure> {
    let lines = lines(text, options);
    // Somewhere on a large canvas, to see how much room it takes.
    let markup = |view: [f32; 4]| {
        let [x, y, width, height] = view;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"{x} {y} {width} {height}\">{lines}</svg>"
        )
    };
    let ink = drawn_box(&markup([0.0, 0.0, 1000.0, 1000.0]))?.ok_or_else(|| {
        Failure::invalid_field(
            "text",
            "text has no character that can be drawn: the fonts hold Latin, Greek, Cyrillic, Arabic and Hebrew",
        )
    })?;
    let [x, y, width, height] = ink;
    // A pixel of room on each side for smooth edges.
    let view = [x - 1.0, y - 1.0, width + 2.0, height + 2.0];
    Ok((markup(view).into_bytes(), (f64::from(view[2]), f64::from(view[3]))))
}

/// The lines as text elements.
fn lines(text: &str, options: &WatermarkOptions) -> String {
    let family = match options.font_name {
        Face::Sans => "sans-serif",
        Face::Serif => "serif",
        Face::Mono => "monospace",
    };
    let anchor = match options.font_align {
        Horizontal::Left => "start",
        Horizontal::Center => "middle",
        Horizontal::Right => "end",
    };
    let weight = if options.font_bold { "bold" } else { "normal" };
    let size = options.font_size;
    let paint = match options.font_color {
        Some(Color([r, g, b, a])) => format!("fill=\"rgb({r},{g},{b})\" fill-opacity=\"{}\"", f32::from(a) / 255.0),
        None => {
            let width = size as f32 * OUTLINE;
            format!(
                "fill=\"#fff\" stroke=\"#000\" stroke-opacity=\"0.6\" stroke-width=\"{width}\" stroke-linejoin=\"round\" paint-order=\"stroke\""
            )
        }
    };
    let lines = text.trim_matches('\n').lines().enumerate().map(|(index, line)| {
        let y = index as f32 * LINE * size as f32;
        format!("<text xml:space=\"preserve\" x=\"0\" y=\"{y}\">{}</text>", escaped(line))
    });
    let lines: String = lines.collect();
    format!(
        "<g font-family=\"{family}\" font-weight=\"{weight}\" font-size=\"{size}\" text-anchor=\"{anchor}\" {paint}>{lines}</g>"
    )
}

/// The customer's characters as characters of XML; those that XML cannot hold are left out.
fn escaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
