//! The fonts of a file, and the families that stand in for them: those with the same widths (Liberation, Carlito, Caladea) where
//! there are such, others stretched to the widths of the source.

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_interpret::font::{GlyphIdentifier, OutlineGlyph, StandardFont};
use hayro::hayro_syntax::object::{Dict, Name};
use hayro::hayro_syntax::page::Resources;
use hayro_font::{Font, FontCache, FontGlyph};

use crate::model::Face;

/// Fonts of one file, at most.
const MAX_FONTS: usize = 2_000;

/// How deep forms in forms are looked through for fonts.
const MAX_DEPTH: usize = 6;

/// Names as they are in files, lower case, without what is not a letter; the first that is part of a name counts.
const FAMILIES: &[(&str, &str)] = &[
    ("couriernew", "Courier New"),
    ("courier", "Courier New"),
    ("cmtt", "Courier New"),
    ("mono", "Courier New"),
    ("consolas", "Courier New"),
    ("menlo", "Courier New"),
    ("typewriter", "Courier New"),
    ("lettergothic", "Courier New"),
    ("calibri", "Calibri"),
    ("carlito", "Calibri"),
    ("cambria", "Cambria"),
    ("caladea", "Cambria"),
    ("arial", "Arial"),
    ("helvetica", "Arial"),
    ("liberationsans", "Arial"),
    ("nimbussan", "Arial"),
    ("cmss", "Arial"),
    ("sans", "Arial"),
    ("verdana", "Arial"),
    ("tahoma", "Arial"),
    ("gothic", "Arial"),
    ("univers", "Arial"),
    ("frutiger", "Arial"),
    ("myriad", "Arial"),
    ("roboto", "Arial"),
    ("opensans", "Arial"),
    ("lato", "Arial"),
    ("inter", "Arial"),
    ("segoe", "Arial"),
    ("times", "Times New Roman"),
    ("serif", "Times New Roman"),
    ("nimbusrom", "Times New Roman"),
    ("garamond", "Times New Roman"),
    ("georgia", "Times New Roman"),
    ("palatino", "Times New Roman"),
    ("century", "Times New Roman"),
    ("bookman", "Times New Roman"),
    ("minion", "Times New Roman"),
    ("cmr", "Times New Roman"),
    ("cmbx", "Times New Roman"),
    ("cmti", "Times New Roman"),
    ("cmsl", "Times New Roman"),
    ("cmcsc", "Times New Roman"),
    ("cmmi", "Times New Roman"),
];

/// Flags of a font's descriptor (ISO 32000-1, table 123).
const FIXED: i32 = 1;
const SERIF: i32 = 1 << 1;
const ITALIC: i32 = 1 << 6;
const FORCE_BOLD: i32 = 1 << 18;

/// The fonts of a file.
#[derive(Default)]
pub(crate) struct Faces<'a> {
    cache: FontCache<'a>,
    /// Fonts, and which of the faces is theirs.
    known: Vec<(Font<'a>, usize)>,
    /// Keys of the dictionaries that were looked at.
    seen: Vec<u128>,
    /// The font that the last glyph was of: mostly that of the next one, too.
    last: usize,
    pub(crate) faces: Vec<Face>,
}

impl<'a> Faces<'a> {
    /// Looks through resources, and those of the forms in them.
    pub(crate) fn gather(&mut self, resources: &Resources<'a>, settings: &InterpreterSettings) {
        self.fonts(&resources.fonts, settings);
        self.forms(&resources.x_objects, settings, 0);
        // A glyph whose font is not found is of this one.
        if self.faces.is_empty() {
            self.faces.push(Face { family: "Times New Roman", bold: false, italic: false, stretch: 1.0 });
        }
    }

    fn forms(&mut self, forms: &Dict<'a>, settings: &InterpreterSettings, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for name in forms.keys().take(MAX_FONTS) {
            let Some(form) = forms.get::<hayro::hayro_syntax::object::Stream<'a>>(name.as_ref()) else { continue };
            let Some(resources) = form.dict().get::<Dict<'a>>("Resources") else { continue };
            if self.is_new(&resources) {
                if let Some(fonts) = resources.get::<Dict<'a>>("Font") {
                    self.fonts(&fonts, settings);
                }
                if let Some(forms) = resources.get::<Dict<'a>>("XObject") {
                    self.forms(&forms, settings, depth + 1);
                }
            }
        }
    }

    fn is_new(&mut self, dict: &Dict<'_>) -> bool {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        dict.data().hash(&mut hasher);
        let key = u128::from(hasher.finish()) << 64 | dict.data().len() as u128;
        let is_new = !self.seen.contains(&key);
        if is_new {
            self.seen.push(key);
        }
        is_new
    }

    fn fonts(&mut self, fonts: &Dict<'a>, settings: &InterpreterSettings) {
        for name in fonts.keys() {
            let Some(dict) = fonts.get::<Dict<'a>>(name.as_ref()) else { continue };
            if self.known.len() >= MAX_FONTS || !self.is_new(&dict) {
                continue;
            }
            let Some(font) = self.cache.font(&dict, &settings.font_resolver, &settings.cmap_resolver) else { continue };
            let mut face = face(&dict);
            face.stretch = self.stretch(&font, &face, settings);
            let index = self.faces.iter().position(|known| *known == face).unwrap_or_else(|| {
                self.faces.push(face);
                self.faces.len() - 1
            });
            self.known.push((font, index));
        }
    }

    /// How much wider the letters of the font are than those of its face.
    fn stretch(&self, font: &Font<'a>, face: &Face, settings: &InterpreterSettings) -> f64 {
        let standard = standard(face);
        let Some(twin) = self.cache.standard_font(standard, &settings.font_resolver) else { return 1.0 };
        // Codes of composite fonts say nothing about what they are.
        if matches!(face.family, "Calibri" | "Cambria" | "Courier New") {
            return 1.0;
        }
        let (mut ours, mut theirs, mut count) = (0.0, 0.0, 0);
        for code in u32::from(b'a')..=u32::from(b'z') {
            let FontGlyph::Outline(glyph) = font.glyph(font.map_code(code), code) else { return 1.0 };
            let meaning = glyph.as_unicode();
            let is_letter = meaning == Some(hayro::hayro_interpret::hayro_cmap::BfString::Char(char::from(code as u8)));
            let width = font.code_advance(code).x;
            if is_letter && width > 0.0 {
                ours += width;
                theirs += twin.code_advance(code).x;
                count += 1;
            }
        }
        // A subset has widths for the letters that it has, and zeros or a guess for the others.
        if count < 12 || theirs <= 0.0 {
            return 1.0;
        }
        let stretch: f64 = (ours / theirs).clamp(0.75, 1.3);
        if (stretch - 1.0).abs() < 0.015 { 1.0 } else { stretch }
    }

    /// Which face a glyph is of, and how wide its font says that it is, in thousandths of its size.
    pub(crate) fn of(&mut self, glyph: &OutlineGlyph) -> (usize, Option<f64>) {
        let identifier: GlyphIdentifier = glyph.identifier();
        let is_of = |font: &Font<'a>| match font.glyph(glyph.glyph_id(), glyph.char_code()) {
            FontGlyph::Outline(other) => other.identifier() == identifier && other.advance_width() == glyph.advance_width(),
            FontGlyph::Type3(_) => false,
        };
        // Glyphs of simple fonts have codes of one byte, and only those may be asked for.
        let found = match self.known.get(self.last).filter(|(font, _)| fits(font, glyph.char_code()) && is_of(font)) {
            Some(_) => Some(self.last),
            None => self.known.iter().position(|(font, _)| fits(font, glyph.char_code()) && is_of(font)),
        };
        let Some((font, face)) = found.and_then(|index| self.known.get(index)) else {
            return (0, glyph.advance_width().map(f64::from));
        };
        let stretch = font.glyph_stretch(glyph.glyph_id(), glyph.char_code());
        let advance = glyph.advance_width().map(|advance| f64::from(advance) / if stretch > 0.0 { stretch } else { 1.0 });
        self.last = found.unwrap_or(0);
        (*face, advance)
    }
}

/// Whether a font can have glyphs with such a code: simple ones have one byte.
fn fits(font: &Font<'_>, code: u32) -> bool {
    code <= 0xff || font.read_code(&[0xff, 0xff, 0xff, 0xff], 0).1 > 1
}

fn standard(face: &Face) -> StandardFont {
    match (face.family, face.bold, face.italic) {
        ("Arial", false, false) => StandardFont::Helvetica,
        ("Arial", true, false) => StandardFont::HelveticaBold,
        ("Arial", false, true) => StandardFont::HelveticaOblique,
        ("Arial", true, true) => StandardFont::HelveticaBoldOblique,
        ("Courier New", ..) => StandardFont::Courier,
        (_, false, false) => StandardFont::TimesRoman,
        (_, true, false) => StandardFont::TimesBold,
        (_, false, true) => StandardFont::TimesItalic,
        (_, true, true) => StandardFont::TimesBoldItalic,
    }
}

/// What stands in for a font.
fn face(dict: &Dict<'_>) -> Face {
    let name = dict.get::<Name<'_>>("BaseFont").map(|name| name.as_str().to_owned()).unwrap_or_default();
    let descendant =
        dict.get::<hayro::hayro_syntax::object::Array<'_>>("DescendantFonts").and_then(|fonts| fonts.iter::<Dict<'_>>().next());
    let descriptor = dict.get::<Dict<'_>>("FontDescriptor").or_else(|| descendant?.get::<Dict<'_>>("FontDescriptor"));
    let flags = descriptor.as_ref().and_then(|descriptor| descriptor.get::<i32>("Flags")).unwrap_or_default();
    let weight = descriptor.as_ref().and_then(|descriptor| descriptor.get::<i32>("FontWeight")).unwrap_or(400);
    named(&name, flags, weight)
}

/// What stands in for a font of that name, its descriptor's flags and weight.
fn named(name: &str, flags: i32, weight: i32) -> Face {
    let name = name.split_once('+').filter(|(prefix, _)| prefix.len() == 6).map_or(name, |(_, name)| name);
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let family = FAMILIES.iter().find(|(part, _)| plain.contains(part)).map(|(_, family)| *family);
    let by_flags = || match flags {
        flags if flags & FIXED != 0 => "Courier New",
        flags if flags & SERIF != 0 => "Times New Roman",
        0 => "Times New Roman",
        _ => "Arial",
    };
    let has = |parts: &[&str]| parts.iter().any(|part| plain.contains(part));
    Face {
        family: family.unwrap_or_else(by_flags),
        bold: flags & FORCE_BOLD != 0 || weight >= 600 || has(&["bold", "black", "heavy", "cmbx", "demi"]),
        italic: flags & ITALIC != 0 || has(&["italic", "oblique", "cmti", "cmmi", "cmsl"]),
        stretch: 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_get_a_family_of_the_same_widths() {
        for (name, flags, family, bold, italic) in [
            ("ABCDEF+ArialMT", 0, "Arial", false, false),
            ("KILUXO+Arial,Bold", 0, "Arial", true, false),
            ("Helvetica-BoldOblique", 0, "Arial", true, true),
            ("TimesNewRomanPS-ItalicMT", 0, "Times New Roman", false, true),
            ("NYYIGP+CMR10", 4, "Times New Roman", false, false),
            ("UMETRW+CMBX10", 4, "Times New Roman", true, false),
            ("Calibri-Light", 32, "Calibri", false, false),
            ("Cambria", 2, "Cambria", false, false),
            ("CourierNewPSMT", 1, "Courier New", false, false),
            ("Unheard-Of", FIXED, "Courier New", false, false),
            ("Unheard-Of", SERIF | ITALIC, "Times New Roman", false, true),
            ("Unheard-Of", 32, "Arial", false, false),
        ] {
            let found = named(name, flags, 400);
            assert_eq!((found.family, found.bold, found.italic), (family, bold, italic), "{name}");
        }
    }
}
