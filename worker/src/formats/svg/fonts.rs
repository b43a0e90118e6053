//! Which of the program's fonts stands for the one that a file asks for.

use std::sync::{Arc, OnceLock};

use ::resvg::usvg::fontdb::{Database, Family, Query, Source, Stretch, Style, Weight};
use ::resvg::usvg::{FontFamily, FontResolver, FontStyle};

use crate::fonts;

const SANS: &str = "Liberation Sans";
const SERIF: &str = "Liberation Serif";
const MONO: &str = "Liberation Mono";

/// The fonts, read once.
pub(super) fn database() -> &'static Arc<Database> {
    static DATABASE: OnceLock<Arc<Database>> = OnceLock::new();
    DATABASE.get_or_init(|| {
        let mut database = Database::new();
        for face in fonts::ALL {
            database.load_font_source(Source::Binary(Arc::new(face)));
        }
        database.set_sans_serif_family(SANS);
        database.set_serif_family(SERIF);
        database.set_monospace_family(MONO);
        database.set_cursive_family(SERIF);
        database.set_fantasy_family(SANS);
        Arc::new(database)
    })
}

/// Takes the nearest face for every family, so that no text is left out for the lack of its font.
pub(super) fn resolver() -> FontResolver<'static> {
    FontResolver {
        select_font: Box::new(|font, database| {
            let families: Vec<Family<'_>> =
                font.families().iter().filter_map(|family| ours(family).map(Family::Name)).chain([Family::Name(SANS)]).collect();
            let style = match font.style() {
                FontStyle::Normal => Style::Normal,
                FontStyle::Italic => Style::Italic,
                FontStyle::Oblique => Style::Oblique,
            };
            let weight = Weight(font.weight());
            database.query(&Query { families: &families, weight, stretch: Stretch::Normal, style })
        }),
        select_fallback: FontResolver::default_fallback_selector(),
    }
}

/// Our family for one of a file; `None` for one that says nothing about its shape.
fn ours(family: &FontFamily) -> Option<&'static str> {
    let name = match family {
        FontFamily::Serif | FontFamily::Cursive => return Some(SERIF),
        FontFamily::SansSerif | FontFamily::Fantasy => return Some(SANS),
        FontFamily::Monospace => return Some(MONO),
        FontFamily::Named(name) => name.to_ascii_lowercase(),
    };
    let any = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if any(&["mono", "courier", "consol", "menlo", "code", "typewriter"]) {
        Some(MONO)
    } else if any(&["dejavu sans", "verdana"]) {
        Some("DejaVu Sans")
    } else if any(&["sans", "arial", "helvet", "segoe", "roboto", "tahoma", "calibri", "ubuntu", "inter", "lato", "impact"]) {
        Some(SANS)
    } else if any(&["serif", "times", "georgia", "garamond", "palatino", "cambria", "roman", "book"]) {
        Some(SERIF)
    } else {
        None
    }
}
